package portal

import (
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// asks are the clients of DESIGN §9, as they say who they are.
type asks struct {
	method string
	header map[string]string
	kind   string // what it gets: page, same, other, nothing, problem
}

func clients() map[string]asks {
	fetch := func(mode, dest string) map[string]string {
		return map[string]string{"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "same-origin", "Accept": "*/*"}
	}
	plus := func(h map[string]string, more ...string) map[string]string {
		h = maps.Clone(h)
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	return map[string]asks{
		"page":                    {"GET", pageLoad("none"), "page"},
		"page from another site":  {"GET", pageLoad("cross-site"), "page"},
		"page, old browser":       {"GET", map[string]string{"Accept": "text/html,*/*;q=0.8"}, "page"},
		"HEAD of a page":          {"HEAD", pageLoad("none"), "page"},
		"form of the app":         {"POST", pageLoad("same-origin"), "same"},
		"form of another site":    {"POST", pageLoad("cross-site"), "other"},
		"form of a sister site":   {"POST", pageLoad("same-site"), "other"},
		"form, old browser":       {"POST", map[string]string{"Accept": "text/html"}, "other"},
		"fetch":                   {"GET", fetch("cors", "empty"), "problem"},
		"fetch that posts":        {"POST", fetch("cors", "empty"), "problem"},
		"fetch that wants HTML":   {"GET", plus(fetch("cors", "empty"), "Accept", "text/html"), "problem"},
		"XHR":                     {"GET", plus(fetch("cors", "empty"), "X-Requested-With", "XMLHttpRequest"), "problem"},
		"XHR, old browser":        {"GET", map[string]string{"X-Requested-With": "XMLHttpRequest", "Accept": "text/html"}, "problem"},
		"EventSource":             {"GET", plus(fetch("cors", "empty"), "Accept", "text/event-stream"), "problem"},
		"EventSource, old":        {"GET", map[string]string{"Accept": "text/event-stream"}, "problem"},
		"WebSocket":               {"GET", plus(fetch("websocket", "websocket"), "Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), "problem"},
		"WebSocket, old":          {"GET", map[string]string{"Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Accept": "text/html"}, "problem"},
		"gRPC":                    {"POST", map[string]string{"Content-Type": "application/grpc", "TE": "trailers"}, "problem"},
		"gRPC-Web":                {"POST", plus(fetch("cors", "empty"), "Content-Type", "application/grpc-web+proto"), "problem"},
		"service worker":          {"GET", plus(fetch("same-origin", "serviceworker"), "Service-Worker", "script"), "problem"},
		"service worker, old":     {"GET", map[string]string{"Service-Worker": "script", "Accept": "text/html"}, "problem"},
		"manifest":                {"GET", fetch("cors", "manifest"), "problem"},
		"script, image, style":    {"GET", fetch("no-cors", "image"), "problem"},
		"frame":                   {"GET", fetch("navigate", "iframe"), "problem"},
		"CORS preflight":          {"OPTIONS", plus(fetch("cors", "empty"), "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", marker), "problem"},
		"preflight, old browser":  {"OPTIONS", map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT", "Accept": "text/html"}, "problem"},
		"prefetch":                {"GET", plus(fetch("no-cors", "empty"), "Sec-Purpose", "prefetch"), "nothing"},
		"prefetch of a page":      {"GET", plus(pageLoad("same-origin"), "Sec-Purpose", "prefetch"), "nothing"},
		"prerender":               {"GET", plus(pageLoad("same-origin"), "Sec-Purpose", "prefetch;prerender"), "nothing"},
		"prefetch, old Firefox":   {"GET", map[string]string{"X-Moz": "prefetch", "Accept": "text/html"}, "nothing"},
		"preview, Safari":         {"GET", map[string]string{"X-Purpose": "preview", "Accept": "text/html"}, "nothing"},
		"curl":                    {"GET", map[string]string{"Accept": "*/*"}, "problem"},
		"no header at all":        {"GET", nil, "problem"},
		"native app":              {"GET", map[string]string{"Accept": "application/json"}, "problem"},
		"DELETE by a page":        {"DELETE", pageLoad("same-origin"), "problem"},
		"method nobody knows":     {"BREW", pageLoad("none"), "problem"},
		"browser's name is no ID": {"GET", map[string]string{"User-Agent": firefox}, "problem"},
	}
}

// FA-8, FA-9: each client gets what it can use, nothing is kept, and nothing of
// what it sent comes back.
func TestNegotiation_EachClientGetsWhatItCanUse_FA8(t *testing.T) {
	s := newSite(t)
	for name, c := range clients() {
		t.Run(name, func(t *testing.T) {
			h := maps.Clone(c.header)
			if h == nil {
				h = map[string]string{}
			}
			h["Referer"], h["X-Forwarded-Host"] = "https://evil.example/"+marker, marker
			a := s.browser().send(c.method, appURL+"/x?"+marker, "", h)
			location, kind := a.Header.Get("Location"), a.Header.Get("Content-Type")
			start := appURL + "/.auth/start?rd=%2F"
			switch c.kind {
			case "page":
				expect(t, a.StatusCode == 302 && location == start+"x%3F"+marker && a.body == "", a)
			case "same":
				expect(t, a.StatusCode == 401 && location == "" && kind == "text/html; charset=utf-8" && strings.Contains(a.body, "this page still holds it"), a)
			case "other":
				expect(t, a.StatusCode == 303 && location == start && a.body == "", a)
			case "nothing":
				expect(t, a.StatusCode == 503 && location == "" && a.body == "", a)
			case "problem":
				expect(t, a.StatusCode == 401 && location == "" && kind == "application/problem+json", a)
				expect(t, a.json(t)["login_url"] == start && a.json(t)["code"] == "UNAUTHENTICATED", a)
			}
			expect(t, a.Header.Get("Cache-Control") == "no-store" && a.Header.Get("Etag")+a.Header.Get("Last-Modified") == "", a)
			expect(t, len(a.Header["Set-Cookie"]) == 0 && !strings.Contains(a.body, marker) && !strings.Contains(a.body, "evil"), a)
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, "Remote-") {
					t.Errorf("it carries %s", name) // CS-2, HD-2
				}
			}
			challenge := ""
			if c.kind == "problem" && c.header["Sec-Fetch-Mode"] == "" && c.header["X-Requested-With"] == "" {
				challenge = `Basic realm="access token", charset="UTF-8"` // no browser, and a token would help
			}
			if got := a.Header.Get("WWW-Authenticate"); got != challenge {
				t.Errorf("WWW-Authenticate: %q, want %q", got, challenge)
			}
		})
	}
}

func expect(t *testing.T, ok bool, a *answer) {
	t.Helper()
	if !ok {
		t.Errorf("%d to %q, %v:\n%s", a.StatusCode, a.Header.Get("Location"), a.Header, a.body)
	}
}

func TestNegotiation_NoPasswordIsAskedWhereTokensAreOff(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) { c.Apps[0] = app(t, appURL, authcore.PolicySpec{Tokens: authcore.Off}) })
	side := newSidecar(t)
	for name, c := range clients() {
		for _, x := range []*site{s, side} {
			if a := x.browser().send(c.method, appURL+"/x", "", c.header); a.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s: %q", name, a.Header.Get("WWW-Authenticate"))
			}
		}
	}
}

// A token that is not good is said so, and leads no client to sign-in.
func TestNegotiation_BadToken(t *testing.T) {
	s := newSite(t)
	d := authcore.Decision{Verdict: authcore.BadToken, Why: authcore.WhyToken, App: s.svc.App("app.example.com"), Token: true, TokensHere: true}
	off := d
	off.Verdict, off.TokensHere = authcore.Deny, false
	for name, c := range clients() {
		if c.kind == "nothing" {
			continue
		}
		for d, want := range map[*authcore.Decision]int{&d: 401, &off: 403} {
			r := httptest.NewRequest(c.method, appURL+"/x", nil)
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			s.h.Refuse(w, r, d)
			browser := c.header["Sec-Fetch-Mode"] != "" || c.header["X-Requested-With"] != ""
			if asked := w.Header().Get("WWW-Authenticate") != ""; w.Code != want || w.Header().Get("Location") != "" || asked != (want == 401 && !browser) {
				t.Errorf("%s: %d to %q, asks for a password: %v", name, w.Code, w.Header().Get("Location"), asked)
			}
			told := map[int]string{401: `"code":"TOKEN_INVALID"`, 403: `"code":"FORBIDDEN"`}[want]
			if body := w.Body.String(); !strings.Contains(body, told) || strings.Contains(body, "Use another account") {
				t.Errorf("%s: %s", name, body)
			}
		}
	}
}

// Who may not come in gets no redirect either, whatever the client is.
func TestNegotiation_RefusalsToo(t *testing.T) {
	s := newSite(t, office(t))
	for name, c := range clients() {
		a := s.browser().send(c.method, appURL+"/x", "", c.header)
		page := c.kind == "page" || c.kind == "same" || c.kind == "other"
		want := "application/problem+json"
		if page {
			want = "text/html; charset=utf-8"
		}
		if a.StatusCode != 403 || a.Header.Get("Location") != "" || a.Header.Get("Content-Type") != want || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q to %q", name, a.StatusCode, a.Header.Get("Content-Type"), a.Header.Get("Location"))
		}
	}
}

// A cookie that is none is cleared, whoever asks, and nothing else is set (CK-2).
func TestNegotiation_OnlyABadCookieIsAnswered_CK2(t *testing.T) {
	s := newSite(t)
	for name, c := range clients() {
		b := s.browser()
		b.jar["app.example.com"] = map[string]string{"__Host-passwordless": "no token of ours"}
		a := b.send(c.method, appURL+"/x", "", c.header)
		set := a.Header["Set-Cookie"]
		if len(set) != 1 || !strings.HasPrefix(set[0], "__Host-passwordless=;") || !strings.Contains(set[0], "Max-Age=0") {
			t.Errorf("%s: %q", name, set)
		}
	}
}

// The public part of an app answers everybody, preflights too.
func TestNegotiation_PublicPathsAskNobody(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) {
		c.Apps[0] = app(t, appURL, authcore.PolicySpec{Public: []authcore.Line{{Words: []string{"/healthz"}}}})
	})
	for name, c := range clients() {
		if a := s.browser().send(c.method, appURL+"/healthz", "", c.header); a.StatusCode != 200 {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
}
