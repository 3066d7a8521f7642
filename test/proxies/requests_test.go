package proxies

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// member is a client without JavaScript who is signed in at the app.
func (s *stage) member(t *testing.T, who string) *harness.Client {
	t.Helper()
	c := s.client(t)
	if res := c.SignIn(s.appURL+"/", who, s.mail); res.StatusCode != http.StatusOK || res.Request.URL.Hostname() != appHost {
		t.Fatalf("signing in: %s at %s\n%s", res.Status, res.Request.URL, res.Body)
	}
	return c
}

// echoOf is what the app saw of the request that was answered.
func echoOf(t *testing.T, res harness.Response) harness.Echo {
	t.Helper()
	var e harness.Echo
	if err := json.Unmarshal([]byte(res.Body), &e); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, no echo: %v\n%s", res.Status, err, res.Body)
	}
	return e
}

// live: what stays open passes, and only for who is signed in.
func live(t *testing.T, s *stage, _ *proxy) {
	if ws, status := s.client(t).OpenWebSocket(s.appURL + "/ws"); ws != nil || status != http.StatusUnauthorized {
		t.Errorf("a stranger's WebSocket: status %d", status)
	}
	if events, status := s.client(t).OpenEvents(s.appURL + "/events"); events != nil || status != http.StatusUnauthorized {
		t.Errorf("a stranger's event stream: status %d", status)
	}
	c := s.member(t, "live@example.test")
	ws, status := c.OpenWebSocket(s.appURL + "/ws")
	if ws == nil {
		t.Fatalf("a member's WebSocket: status %d", status)
	}
	seen := s.app.Seen()
	asked := seen[len(seen)-1].Headers // what an app that is less kind than this one looks at (RFC 6455 section 4.2.1)
	if upgrade, connection := strings.Join(asked["Upgrade"], ","), strings.Join(asked["Connection"], ","); !strings.EqualFold(upgrade, "websocket") || !strings.EqualFold(connection, "upgrade") {
		t.Errorf("the app was sent Upgrade %q, Connection %q", upgrade, connection)
	}
	long := strings.Repeat("x", 10_000)
	for _, text := range []string{"hello", long} {
		if err := ws.Send(text); err != nil {
			t.Fatal(err)
		}
		if got, err := ws.Receive(); err != nil || got != text {
			t.Fatalf("heard %.20q, %v", got, err)
		}
	}
	events, status := c.OpenEvents(s.appURL + "/events")
	if events == nil {
		t.Fatalf("a member's event stream: status %d", status)
	}
	for _, want := range []string{"1", "2", "3"} { // they come one by one, not when the stream is full
		if got, err := events.Next(); err != nil || got != want {
			t.Fatalf("event %q, %v, want %s", got, err, want)
		}
	}
}

// bodies: POST, PUT and HEAD arrive as they are.
func bodies(t *testing.T, s *stage, _ *proxy) {
	c := s.member(t, "poster@example.test")
	body := strings.Repeat("0123456789abcdef", 20_000)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
		res := c.Request(method, s.appURL+"/in?a=b", body, "Content-Type", "text/plain")
		if e := echoOf(t, res); e.Method != method || e.URI != "/in?a=b" || e.Body != body {
			t.Errorf("%s arrived as %s %s with %d bytes of %d", method, e.Method, e.URI, len(e.Body), len(body))
		}
		before := len(s.app.Seen())
		if res := s.client(t).Request(method, s.appURL+"/in", body); res.StatusCode != http.StatusUnauthorized || len(s.app.Seen()) != before {
			t.Errorf("a stranger's %s: %s, %d requests at the app", method, res.Status, len(s.app.Seen())-before)
		}
	}
	res := c.Request(http.MethodHead, s.appURL+"/head", "")
	if seen := s.app.Seen(); res.StatusCode != http.StatusOK || res.Body != "" || seen[len(seen)-1].Method != http.MethodHead {
		t.Errorf("HEAD: %s, %d bytes", res.Status, len(res.Body))
	}
	if res := s.client(t).Request(http.MethodHead, s.appURL+"/head", "", "Accept", "text/html"); res.StatusCode != http.StatusFound {
		t.Errorf("a stranger's HEAD of a page: %s", res.Status)
	}
}

// large: 16 KiB of cookies and an address of 6 KiB reach app and check.
func large(t *testing.T, s *stage, _ *proxy) {
	c := s.member(t, "large@example.test")
	target, crumb := s.appURL+"/large?q="+strings.Repeat("y", 6<<10), strings.Repeat("x", 4000)
	header := []string{"Cookie", "a=" + crumb + "; b=" + crumb + "; c=" + crumb + "; d=" + crumb}
	if e := echoOf(t, c.Request(http.MethodGet, target, "", header...)); !strings.HasSuffix(target, e.URI) || !strings.Contains(strings.Join(e.Headers["Cookie"], "; "), "d="+crumb) {
		t.Errorf("arrived: %d bytes of address, %d cookies", len(e.URI), len(e.Headers["Cookie"]))
	}
	if res := s.client(t).Request(http.MethodGet, target, "", header...); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger's: %s", res.Status)
	}
	// Over HTTP/2 each cookie is a field of its own; here they are one line. More
	// than 16 KiB of cookies in all is a flood, and nobody's session.
	line := cookieLine(c, s.appURL) + "; a="
	line += strings.Repeat("x", 16<<10-len(line))
	if got := s.exchange(t, appHost, crlf("GET "+strings.TrimPrefix(target, s.appURL)+" HTTP/1.1", "Host: "+s.named(appHost), line, "Connection: close")); got.status != http.StatusOK {
		t.Errorf("a line of %d bytes: status %d\n%s", len(line), got.status, got.body)
	}
	// The way to sign-in does not grow with the address: it is left out when it
	// is too long (2 KiB), and sign-in is still reached.
	if res := navigate(s.client(t), target); res.StatusCode != http.StatusFound && res.StatusCode != http.StatusSeeOther {
		t.Errorf("a stranger's page load: %s", res.Status)
	}
}

// programs get an answer that they can use, and never a page or a redirect.
func programs(t *testing.T, s *stage, _ *proxy) {
	script := []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"}
	for name, header := range map[string][]string{
		"fetch":            append([]string{"Sec-Fetch-Mode", "cors"}, script...),
		"no-cors fetch":    append([]string{"Sec-Fetch-Mode", "no-cors"}, script...),
		"XMLHttpRequest":   {"X-Requested-With", "XMLHttpRequest", "Accept", "text/html, */*"},
		"an EventSource":   {"Accept", "text/event-stream"},
		"a WebSocket":      {"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version", "13"},
		"gRPC":             {"Content-Type", "application/grpc"},
		"a JSON client":    {"Accept", "application/json"},
		"curl":             {"Accept", "*/*"},
		"a service worker": {"Sec-Fetch-Dest", "serviceworker", "Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"},
		"a manifest":       {"Sec-Fetch-Dest", "manifest", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin"},
		"an image":         {"Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin", "Accept", "image/*,*/*;q=0.8"},
	} {
		before := len(s.app.Seen())
		res := s.client(t).Request(http.MethodGet, s.appURL+"/api", "", header...)
		var p struct {
			Status int
			Code   string
		}
		if err := json.Unmarshal([]byte(res.Body), &p); err != nil || res.StatusCode != http.StatusUnauthorized || p.Status != http.StatusUnauthorized ||
			p.Code != "UNAUTHENTICATED" || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s, %s, %v\n%s", name, res.Status, res.Header.Get("Content-Type"), err, res.Body)
		}
		if to := res.Header.Get("Location"); to != "" || strings.Contains(name, "etch") && res.Header["Www-Authenticate"] != nil || !strings.Contains(res.Header.Get("Cache-Control"), "no-store") || len(s.app.Seen()) != before {
			t.Errorf("%s: to %q, %d requests at the app, %v", name, to, len(s.app.Seen())-before, res.Header)
		}
	}
}

// forms: a form of another site is sent to sign-in, without what it carried; one
// of the app's own gets a page that keeps it (DESIGN §4.2).
func forms(t *testing.T, s *stage, _ *proxy) {
	before := len(s.app.Seen())
	post := func(site string) harness.Response {
		return s.client(t).Request(http.MethodPost, s.appURL+"/form", "text=long", "Content-Type", "application/x-www-form-urlencoded",
			"Accept", "text/html,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", site)
	}
	res := post("cross-site")
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther && res.StatusCode != http.StatusFound || to != s.appURL+"/.auth/start?rd=%2F" {
		t.Errorf("a form of another site: %s to %q", res.Status, to)
	}
	res = post("same-origin")
	if res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") ||
		!strings.Contains(res.Body, "Your session has ended") || !strings.Contains(res.Body, "/.auth/start?rd=") {
		t.Errorf("a form of the app: %s, %s\n%s", res.Status, res.Header.Get("Content-Type"), res.Body)
	}
	if n := len(s.app.Seen()); n != before {
		t.Errorf("the app saw %d requests", n-before)
	}
}

// addresses: who the client is reaches our records through the proxy, whatever
// the client says about itself (FA-1).
func addresses(t *testing.T, s *stage, _ *proxy) {
	const who = "whereabouts@example.test"
	c := s.member(t, who)
	var sessions []struct {
		IP   string
		Apps []string
	}
	if err := json.Unmarshal([]byte(s.command(t, "session", "list", who, "--json")), &sessions); err != nil || len(sessions) != 1 {
		t.Fatalf("%d sessions, %v", len(sessions), err)
	}
	if got := sessions[0]; got.IP != c.From.String() || len(got.Apps) != 1 {
		t.Errorf("a client at %s has a session from %s at %v", c.From, got.IP, got.Apps)
	}
	hops := echoOf(t, c.Request(http.MethodGet, s.appURL+"/from", "", "X-Forwarded-For", "10.9.9.9")).Headers["X-Forwarded-For"]
	if last := strings.Split(strings.Join(hops, ","), ","); strings.TrimSpace(last[len(last)-1]) != c.From.String() {
		t.Errorf("the app is told that %s came from %q", c.From, hops)
	}
}

// down: when sign-in does not answer, nothing passes, and that is said.
func down(t *testing.T, s *stage, p *proxy) {
	if p.inProcess {
		t.Skip("the proxy is the server: what is down answers nobody")
	}
	c := s.member(t, "patient@example.test")
	echoOf(t, c.Request(http.MethodGet, s.appURL+"/before", ""))
	mark := s.raw.mark()
	s.auth.Kill()
	for _, path := range []string{"/", "/public/page", "/healthz", "/.auth/me"} {
		res := c.Request(http.MethodGet, s.appURL+path, "", "Accept", "text/html")
		if res.StatusCode < 500 || res.StatusCode > 599 {
			t.Errorf("%s while sign-in is down: %s\n%s", path, res.Status, res.Body)
		}
		if p.downPage && path == "/" && !strings.Contains(res.Body, "Try again in a minute.") {
			t.Errorf("%s while sign-in is down says\n%s", path, res.Body)
		}
	}
	if sent := s.raw.since(mark); sent != "" {
		t.Errorf("the app was sent\n%s", sent)
	}
	if p.downPage { // the others wait longer than anybody here does
		s.hangs(t, c)
	}
	s.auth.start(t)
	harness.Eventually(t, "waiting for the proxy to find the server again", func() string {
		if res := c.Request(http.MethodGet, s.appURL+"/after", ""); res.StatusCode != http.StatusOK {
			return res.Status
		}
		return ""
	})
}

// hangs: a server that takes the question and never answers is down as well.
func (s *stage) hangs(t *testing.T, c *harness.Client) {
	t.Helper()
	silent, err := net.Listen("tcp", s.auth.address()) // and accepts nobody
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	mark := s.raw.mark()
	res := c.Request(http.MethodGet, s.appURL+"/hangs", "", "Accept", "text/html")
	if sent := s.raw.since(mark); res.StatusCode < 500 || res.StatusCode > 599 || sent != "" {
		t.Errorf("while sign-in hangs: %s\n%s\nthe app was sent\n%s", res.Status, res.Body, sent)
	}
}
