package test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// edgeSites is an app behind everything that may stand in front of one. Another
// app, at /own, has something to say about itself.
const edgeSites = `auth.example.test {
	passwordless_portal
}
app.example.test {
	passwordless_headers
	passwordless_limit /open/limited 3 per 1d
	passwordless_guard {
		public /open/*
	}
	reverse_proxy /own {$OWN}
	reverse_proxy {$APP}
}
`

// trustedProxy is the one address whose word about a client counts.
const trustedProxy = "127.0.9.9"

// edge is that app, and somebody who signed in once.
type edge struct {
	*world
	raw    *harness.RawUpstream
	cookie string
}

const edgeUser = "ada@example.test"

func startEdge(t *testing.T) *edge {
	t.Helper()
	e := &edge{raw: harness.StartRawUpstream(t)}
	own := startAnswer(t, "HTTP/1.1 200 OK\r\nX-Frame-Options: SAMEORIGIN\r\nReferrer-Policy: no-referrer\r\n"+
		"Strict-Transport-Security: max-age=60\r\nX-Powered-By: own\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
	e.world = newWorld(t, worldOptions{sites: edgeSites, app: &harness.Upstream{Addr: e.raw.Addr}, caddy: harness.CaddyOptions{Env: []string{"OWN=" + own}}})
	e.Write(t, e.globals+"\nservers {\ntrusted_proxies static "+trustedProxy+"\ntrusted_proxies_strict\n}", edgeSites)
	e.Run(t)
	c := e.client(t)
	e.enter(t, c, e.URL(appHost, "/"), edgeUser)
	session := c.Cookie(e.URL(appHost, "/"), sessionCookie)
	if session == "" {
		t.Fatal("nobody is signed in")
	}
	e.cookie = sessionCookie + "=" + session
	return e
}

// versions are what Caddy speaks with browsers.
var versions = []int{1, 2, 3}

// over is a client that speaks one version of HTTP and comes from one loopback
// address.
func (e *edge) over(t *testing.T, version int, from string) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: harness.Roots(t, e.RootCA(t)), MinVersion: tls.VersionTLS12}
	c := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	server, local := net.IPv4(127, 0, 0, 1), net.ParseIP(from)
	if version < 3 {
		tr := &http.Transport{TLSClientConfig: config, Protocols: new(http.Protocols), DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: local}}
			return dialer.DialContext(ctx, network, net.JoinHostPort(server.String(), strconv.Itoa(e.HTTPS)))
		}}
		tr.Protocols.SetHTTP1(version == 1)
		tr.Protocols.SetHTTP2(version == 2)
		t.Cleanup(tr.CloseIdleConnections)
		c.Transport = tr
		return c
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: local})
	if err != nil {
		t.Fatal(err)
	}
	q := &quic.Transport{Conn: conn}
	tr := &http3.Transport{TLSClientConfig: config, Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
		return q.DialEarly(ctx, &net.UDPAddr{IP: server, Port: e.HTTPS}, tc, qc)
	}}
	t.Cleanup(func() { _, _, _ = tr.Close(), q.Close(), conn.Close() }) // the test is over
	c.Transport = tr
	return c
}

// ask sends a request without a body; header pairs follow the path.
func (e *edge) ask(t *testing.T, c *http.Client, path string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL(appHost, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1]) // spelled as it is written
	}
	return e.send(t, c, req)
}

func (e *edge) send(t *testing.T, c *http.Client, req *http.Request) *http.Response {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

// arrives sends a request and returns the bytes that reached the app.
func (e *edge) arrives(t *testing.T, c *http.Client, req *http.Request) string {
	t.Helper()
	before := len(e.raw.Seen())
	res := e.send(t, c, req)
	seen := e.raw.Seen()
	if res.StatusCode != http.StatusOK || len(seen) != before+1 {
		t.Fatalf("%s: %s, %d requests at the app", req.URL, res.Status, len(seen)-before)
	}
	return seen[before]
}

// Everything that stands in front of an app works alike in every version of
// HTTP.
func TestEdge(t *testing.T) {
	e := startEdge(t)
	for _, version := range versions {
		t.Run("HTTP/"+strconv.Itoa(version), func(t *testing.T) {
			c := e.over(t, version, "127.0.0.1")
			t.Run("OneSignInServesAll", func(t *testing.T) { e.oneSignIn(t, c, version) })
			t.Run("AnswersAreProtected", func(t *testing.T) { e.protected(t, c) })
			t.Run("NobodyForgesAnIdentity", func(t *testing.T) { e.unforgeable(t, c, version) })
		})
	}
	t.Run("LimitCountsClientsAndNotWhatTheySay", e.limited)
}

func (e *edge) oneSignIn(t *testing.T, c *http.Client, version int) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL(appHost, "/page"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res := e.send(t, c, req); res.StatusCode != http.StatusUnauthorized || res.ProtoMajor != version {
		t.Errorf("without a session: %s %s", res.Proto, res.Status)
	}
	req.Header.Set("Cookie", e.cookie)
	if got := e.arrives(t, c, req); !strings.Contains(got, "\r\nRemote-User: "+edgeUser+"\r\n") || strings.Contains(got, e.cookie) {
		t.Errorf("the app got:\n%s", got)
	}
}

// protected: WB-1. Every answer has each header once, and whoever says it
// himself has the word.
func (e *edge) protected(t *testing.T, c *http.Client) {
	const device = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
	for _, tc := range []struct {
		path, cookie string
		status       int
		want         [5]string
	}{
		{"/page", e.cookie, 200, [5]string{"nosniff", "strict-origin-when-cross-origin", "DENY", device, "max-age=31536000"}},
		{"/open/page", "", 200, [5]string{"nosniff", "strict-origin-when-cross-origin", "DENY", device, "max-age=31536000"}},
		{"/own", e.cookie, 200, [5]string{"nosniff", "no-referrer", "SAMEORIGIN", device, "max-age=60"}},
		{"/page", "", 401, [5]string{"nosniff", "same-origin", "DENY", device, "max-age=31536000"}},
	} {
		res := e.ask(t, c, tc.path, "Cookie", tc.cookie)
		var got [5]string
		for i, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options", "Permissions-Policy", "Strict-Transport-Security"} {
			got[i] = strings.Join(res.Header.Values(name), " | ")
		}
		if res.StatusCode != tc.status || got != tc.want || (res.Header.Get("X-Powered-By") == "own") != (tc.path == "/own") {
			t.Errorf("%s: %s %q", tc.path, res.Status, got)
		}
	}
}

// unforgeable: HD-1, HD-3. What a client says about its identity ends at the
// guard, in headers and in trailers, signed in and on a public path.
func (e *edge) unforgeable(t *testing.T, c *http.Client, version int) {
	forged := http.Header{
		"Remote-User": {"mallory", "mallory"}, "remote_user": {"mallory"}, "Remote.User": {"mallory"}, "REMOTE_Groups": {"mallory"},
		"Remote-Email": {"mallory"}, "Remote-Jwt": {"mallory"}, "Remote~Sub": {"mallory"}, "X-Fine": {"header"},
	}
	if version == 1 { // HTTP/2 and 3 have no such header (RFC 9113 section 8.2.2)
		forged["Connection"] = []string{"Remote-User, Remote-Sub"}
	}
	for path, want := range map[string]int{"/page": 1, "/open/page": 0} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL(appHost, path), io.MultiReader(strings.NewReader("body")))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = forged.Clone()
		req.Trailer = http.Header{"Remote-User": {"mallory"}, "Remote_groups": {"mallory"}, "Remote.sub": {"mallory"}, "X-Fine": {"trailer"}}
		if want > 0 {
			req.Header.Set("Cookie", e.cookie)
		}
		got := e.arrives(t, c, req)
		if strings.Contains(got, "mallory") || named(got, "remote-user:") != want || named(got, "remote-sub:") != want {
			t.Errorf("%s: the app got:\n%s", path, got)
		}
		for _, fine := range []string{"\r\nX-Fine: header\r\n", "\r\n4\r\nbody\r\n", "\r\nX-Fine: trailer\r\n"} {
			if !strings.Contains(got, fine) && (version < 3 || fine != "\r\nX-Fine: trailer\r\n") { // quic-go's server reads trailers and tells nobody
				t.Errorf("%s: the app did not get %q, so this shows nothing:\n%s", path, fine, got)
			}
		}
	}
}

// limited: RL-1, RL-4, FA-1. An address has one count in all versions. What a
// client says about its address changes nothing, neither for it nor for others;
// what a trusted proxy says counts.
func (e *edge) limited(t *testing.T) {
	const path, first, second = "/open/limited", "127.0.1.1", "127.0.1.2"
	ask := func(version int, from string, header ...string) *http.Response {
		t.Helper()
		return e.ask(t, e.over(t, version, from), path, header...)
	}
	for _, version := range versions {
		if res := ask(version, first); res.StatusCode != http.StatusOK {
			t.Fatalf("HTTP/%d: %s", version, res.Status)
		}
	}
	claims := [][]string{nil, {"X-Forwarded-For", second}, {"X-Real-Ip", second}, {"Forwarded", "for=" + second}, {"X-Forwarded-For", trustedProxy + ", " + second}}
	for _, version := range versions {
		for _, claim := range claims {
			res := ask(version, first, claim...)
			after, err := strconv.Atoi(res.Header.Get("Retry-After"))
			if res.StatusCode != http.StatusTooManyRequests || err != nil || after < 86000 || after > 86401 || res.Header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("HTTP/%d, %q: %s, Retry-After %q", version, claim, res.Status, res.Header.Get("Retry-After"))
			}
		}
	}
	for _, version := range versions { // neither the claims of the first one nor its own were charged to the second
		if res := ask(version, second, "X-Forwarded-For", first); res.StatusCode != http.StatusOK {
			t.Errorf("another address over HTTP/%d: %s", version, res.Status)
		}
	}
	for client, want := range map[string]int{first: http.StatusTooManyRequests, "203.0.113.1": http.StatusOK, "2001:db8::1": http.StatusOK} {
		if res := ask(2, trustedProxy, "X-Forwarded-For", client); res.StatusCode != want {
			t.Errorf("%s through the proxy: %s", client, res.Status)
		}
	}
}
