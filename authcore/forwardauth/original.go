package forwardauth

import (
	"net/http"
	"strings"
)

// original is the asked request as if it had come to us: what pages answer. It
// has the client's headers and no body.
func (c *call) original() *http.Request {
	r := c.r.WithContext(withClient(c.r.Context(), c.client))
	r.Method, r.URL, r.RequestURI = c.asked.method, c.asked.url(), c.asked.uri
	if r.Host = c.asked.hostPort(); c.app != nil {
		r.Host = c.app.Origin.HostPort()
	}
	r.Header = make(http.Header, len(c.r.Header))
	for name, values := range c.r.Header {
		if !betweenProxies(name) {
			r.Header[name] = values
		}
	}
	r.TLS = nil // of the check's connection; the asked scheme is the app's, or we would not be here
	r.Body, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, 0, nil, nil
	return r
}

// betweenProxies are headers that tell of the check request, and not of what it
// asks about.
func betweenProxies(name string) bool {
	switch name {
	case "Forwarded", "X-Real-Ip", "Content-Length",
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Original-")
}
