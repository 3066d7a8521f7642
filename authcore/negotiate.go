package authcore

import (
	"net/http"
	"strings"
)

// ClientKind says what a client can make use of (DESIGN §9, negotiation).
type ClientKind uint8

// Client kinds.
const (
	Program    ClientKind = iota // fetch, XHR, SSE, WebSocket, gRPC, scripts: 401 problem, never HTML
	Navigation                   // a top-level page load by GET or HEAD: redirect
	PostSame                     // a form POST from a page of the same origin: 401 page, the form is not lost
	PostOther                    // any other form POST: 303
	Prefetch                     // a browser's guess: 503
)

// Negotiate classifies a request by what its client sent: Sec-Fetch-*, then
// WebSocket, X-Requested-With, service worker, content type and Accept. User-Agent takes no
// part.
func Negotiate(method string, h http.Header) ClientKind {
	if guesses(h) {
		return Prefetch
	}
	if !navigates(h) {
		return Program
	}
	switch method {
	case http.MethodGet, http.MethodHead:
		return Navigation
	case http.MethodPost:
		if first(h, "Sec-Fetch-Site") == "same-origin" {
			return PostSame
		}
		return PostOther
	}
	return Program
}

// guesses reports whether the browser fetches what its person may want next, in
// the words of today and of older ones.
func guesses(h http.Header) bool {
	if first(h, "Sec-Purpose") != "" || first(h, "X-Moz") == "prefetch" {
		return true
	}
	for _, name := range []string{"Purpose", "X-Purpose"} {
		if v := first(h, name); v == "prefetch" || v == "preview" {
			return true
		}
	}
	return false
}

func navigates(h http.Header) bool {
	mode, dest := first(h, "Sec-Fetch-Mode"), first(h, "Sec-Fetch-Dest")
	if mode != "" || dest != "" {
		return mode == "navigate" && (dest == "document" || dest == "")
	}
	if first(h, "Sec-Websocket-Key") != "" || first(h, "X-Requested-With") != "" || first(h, "Service-Worker") != "" ||
		strings.HasPrefix(lowerASCII(first(h, "Content-Type")), "application/grpc") {
		return false
	}
	accept := lowerASCII(strings.Join(h["Accept"], ","))
	return strings.Contains(accept, "text/html") || strings.Contains(accept, "application/xhtml+xml")
}

// MayAct reports whether a GET may do something a page load does and nothing
// else may: begin a sign-in, hand over, redeem a ticket (DESIGN §4.2). HEAD
// never acts.
func MayAct(method string, h http.Header) bool {
	if method != http.MethodGet || guesses(h) {
		return false
	}
	mode, dest, site := first(h, "Sec-Fetch-Mode"), first(h, "Sec-Fetch-Dest"), first(h, "Sec-Fetch-Site")
	return mode == "navigate" && dest == "document" || mode == "" && dest == "" && site == ""
}

// SameOrigin is the CSRF rule (CS-1): Sec-Fetch-Site decides where it is
// present; otherwise Origin must be the configured origin. With neither, the
// request is refused.
func SameOrigin(h http.Header, o Origin) bool {
	if site := h["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) == 1 && site[0] == "same-origin"
	}
	origin := h["Origin"]
	return len(origin) == 1 && origin[0] == o.String()
}

// Challenge is the WWW-Authenticate of a 401 to a program that may use an access
// token, or "". A browser would open a password box for it, so nobody who sends
// a Sec-Fetch header gets one (DESIGN §6), nor does a script of an older browser.
func (d *Decision) Challenge(h http.Header) string {
	if !d.TokensHere || first(h, "X-Requested-With") != "" {
		return ""
	}
	for name := range h {
		if strings.HasPrefix(name, "Sec-Fetch-") {
			return ""
		}
	}
	return `Basic realm="access token", charset="UTF-8"`
}

func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
