package forwardauth_test

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
)

// passing are the proxies that hand our answer to the client as it is.
var passing = []forwardauth.Kind{forwardauth.Traefik, forwardauth.Caddy, forwardauth.Envoy}

// The whole hand-over runs through the answers of the check (DESIGN §4.2).
func TestHandOver_ThroughTheCheck(t *testing.T) {
	for _, kind := range passing {
		s := newSite(t)
		start := s.ask(kind, question{uri: "/page?x=1", header: navigation})
		a := s.follow(kind, start, "")
		to, err := url.Parse(a.Header.Get("Location"))
		s.must(err)
		if a.StatusCode != http.StatusFound || !strings.HasPrefix(to.String(), portalURL+"/login?to=") {
			t.Fatalf("%s: the start answers %d to %s", kind, a.StatusCode, to)
		}
		flow, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
		back, app := s.svc.OpenReturn(to.Query().Get("to"))
		if back == nil || back.Path != "/page?x=1" {
			t.Fatalf("%s: the way back is %+v", kind, back)
		}
		target, err := s.svc.IssueTicket(t.Context(), s.live(ada), back, app)
		s.must(err)
		a = s.ask(kind, question{uri: strings.TrimPrefix(target, appURL), cookie: flow, header: navigation})
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != appURL+"/page?x=1" {
			t.Fatalf("%s: the callback answers %d to %q", kind, a.StatusCode, a.Header.Get("Location"))
		}
		session, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
		if a = s.ask(kind, question{cookie: session}); a.StatusCode != http.StatusOK {
			t.Fatalf("%s: the new session is answered by %d", kind, a.StatusCode)
		}
		a = s.ask(kind, question{method: "POST", uri: "/.auth/logout", cookie: session, header: map[string]string{"Sec-Fetch-Site": "same-origin"}})
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), portalURL+"/signed-out") {
			t.Fatalf("%s: signing out answers %d to %q", kind, a.StatusCode, a.Header.Get("Location"))
		}
		if a = s.ask(kind, question{cookie: session}); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: after signing out the app answers %d", kind, a.StatusCode)
		}
	}
}

// follow loads where an answer of the app's host leads.
func (s *site) follow(kind forwardauth.Kind, a answer, cookie string) answer {
	s.t.Helper()
	uri, ok := strings.CutPrefix(a.Header.Get("Location"), appURL)
	if !ok {
		s.t.Fatalf("%s: %d leads to %q", kind, a.StatusCode, a.Header.Get("Location"))
	}
	return s.ask(kind, question{uri: uri, cookie: cookie, header: navigation})
}

// 2xx means "allow", and would hand a path of ours to the upstream: whoever
// asks, and whatever our own page would have said.
func TestReserved_IsNever2xx(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, kind := range forwardauth.Kinds() {
		for _, uri := range []string{
			"/.auth", "/.auth/", "/.auth?x", "/.auth/start", "/.auth/start?rd=/", "/.auth/callback?ticket=x", "/.auth/logout", "/.auth/me", "/.auth/denied",
			"/.auth/login", "/.auth/assets/style.css", "/.auth/nothing", "/.auth/health", "/.auth/.well-known/jwks.json",
		} {
			for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "DELETE", "FOO"} {
				for _, cookie := range []string{"", cookie} {
					for _, header := range []map[string]string{navigation, nil} {
						a := s.ask(kind, question{method: method, uri: uri, cookie: cookie, header: header})
						if a.StatusCode < 300 {
							t.Errorf("%s: %s %s is %d", kind, method, uri, a.StatusCode)
						}
						if to := a.Header.Get("Location"); to != "" && !strings.HasPrefix(to, "https://") {
							t.Errorf("%s: %s %s leads to %q, which Traefik takes for an address of ours", kind, method, uri, to)
						}
					}
				}
			}
		}
	}
}

// A page that would have been 2xx leaves nothing of itself.
func TestReserved_SwallowedPageIsA404Problem(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, kind := range passing {
		a := s.ask(kind, question{uri: "/.auth/me", cookie: cookie})
		if a.StatusCode != http.StatusNotFound || a.Header.Get("Content-Type") != "application/problem+json" || strings.Contains(a.body, ada) {
			t.Errorf("%s: %d %s", kind, a.StatusCode, a.body)
		}
		if a = s.ask(kind, question{uri: "/.auth/me"}); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d for nobody", kind, a.StatusCode)
		}
	}
}

func TestReserved_SignOutPageIsThePortals(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, kind := range passing {
		for _, method := range []string{"GET", "HEAD"} {
			a := s.ask(kind, question{method: method, uri: "/.auth/logout", cookie: cookie, header: navigation})
			if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != portalURL+"/logout" {
				t.Errorf("%s: %d to %q", kind, a.StatusCode, a.Header.Get("Location"))
			}
		}
	}
	if s.ask(forwardauth.Traefik, question{cookie: cookie}).StatusCode != http.StatusOK {
		t.Error("a GET signed somebody out")
	}
}

// FA-5: what some reader takes for /.auth/ is refused, also for who is signed in.
func TestReserved_DisguisesAreRefused(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, uri := range []string{
		"/.auth/../page", "/.auth//start", "/.auth/./start", "/%2eauth/start", "/.%61uth/start", "/.auth%2fstart", "/.auth/%2e%2e/page", "/.auth/start;x", `/.auth/\x`, "/.auth/%00",
	} {
		for _, kind := range forwardauth.Kinds() {
			want := http.StatusBadRequest
			if kind.Endpoint() == forwardauth.Nginx.Endpoint() {
				want = http.StatusForbidden
			}
			if a := s.ask(kind, question{uri: uri, cookie: cookie, header: navigation}); a.StatusCode != want {
				t.Errorf("%s: %s is %d, want %d", kind, uri, a.StatusCode, want)
			}
		}
	}
	// What begins alike is the app's.
	for _, uri := range []string{"/.authority", "/.auth.html", "/x/.auth/start", "/.AUTH/start"} {
		if a := s.ask(forwardauth.Traefik, question{uri: uri, cookie: cookie}); a.StatusCode != http.StatusOK {
			t.Errorf("%s is %d", uri, a.StatusCode)
		}
	}
}

// Our pages get what the client sent, and nothing that speaks of the check.
func TestPages_GetTheOriginalRequest(t *testing.T) {
	s := newSite(t)
	for _, kind := range passing {
		seen := &recording{}
		s.pages = seen
		h := s.handler(allProxies()...)
		r := question{method: "POST", uri: "/a%20b?c=%2f&", cookie: "a=b", header: map[string]string{
			"Accept": "text/html", "X-Original-Url": "https://evil.example/", "Forwarded": "for=1", "X-Real-Ip": "1.2.3.4", "Upgrade": "x", "Te": "trailers",
			"X-Forwarded-Prefix": "/x", "Connection": "close",
		}}.in(kind)
		r.Body, r.ContentLength = http.MaxBytesReader(nil, http.NoBody, 1), 7
		r.TLS = &tls.ConnectionState{}
		send(t, h, r)
		got := seen.request
		if got.Method != "POST" || got.Host != "app.example.com" || got.URL.RequestURI() != "/a%20b?c=%2f&" || got.URL.Path != "/a b" || got.RequestURI != "/a%20b?c=%2f&" {
			t.Errorf("%s: %s %s %s", kind, got.Method, got.Host, got.URL)
		}
		if got.Body != http.NoBody || got.ContentLength != 0 || got.TLS != nil {
			t.Errorf("%s: the body or the connection of the check is passed on", kind)
		}
		if len(got.Header) != 2 || got.Header.Get("Accept") != "text/html" || got.Header.Get("Cookie") != "a=b" {
			t.Errorf("%s: headers %v", kind, got.Header)
		}
		if client, ok := forwardauth.ClientOf(got.Context()); !ok || client.String() != someone {
			t.Errorf("%s: the client is %v, %v", kind, client, ok)
		}
		if r.Host == got.Host && kind != forwardauth.Envoy || r.Header.Get("Forwarded") == "" {
			t.Errorf("%s: the check request itself was changed", kind)
		}
	}
	if _, ok := forwardauth.ClientOf(t.Context()); ok {
		t.Error("a context of somebody else names a client")
	}
}

// recording is Pages that answers as badly as a page can.
type recording struct {
	request *http.Request
	answer  func(http.ResponseWriter)
}

func (p *recording) reply(w http.ResponseWriter, r *http.Request) {
	if p.request = r; p.answer != nil {
		p.answer(w)
	}
}

func (p *recording) ServeApp(w http.ResponseWriter, r *http.Request, _ *authcore.App) { p.reply(w, r) }

func (p *recording) Refuse(w http.ResponseWriter, r *http.Request, _ *authcore.Decision) {
	p.reply(w, r)
}

func (p *recording) Fail(w http.ResponseWriter, r *http.Request, _ int, _, _, _ string) {
	p.reply(w, r)
}

// FA-10: no slip of a page lets a request in or tells who somebody is.
func TestDenial_HoldsWhateverPagesDo(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(bob, wikiURL)
	for name, answer := range map[string]func(http.ResponseWriter){
		"nothing":   nil,
		"200":       func(w http.ResponseWriter) { w.WriteHeader(200) },
		"204":       func(w http.ResponseWriter) { w.WriteHeader(204) },
		"299":       func(w http.ResponseWriter) { w.WriteHeader(299); w.WriteHeader(403) },
		"101":       func(w http.ResponseWriter) { w.WriteHeader(101) },
		"103":       func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(200) },
		"body only": func(w http.ResponseWriter) { _, _ = w.Write([]byte("hello")) },
		"panic":     func(http.ResponseWriter) { panic("oops") },
		"identity": func(w http.ResponseWriter) {
			for _, name := range []string{"Remote-User", "Authorization", "X-Envoy-Auth-Headers-To-Remove", "Etag", "Last-Modified"} {
				w.Header().Set(name, "x")
			}
			w.Header().Set("Cache-Control", "public")
			w.WriteHeader(403)
		},
	} {
		s.pages = &recording{answer: answer}
		s.h = s.handler(allProxies()...)
		for _, kind := range forwardauth.Kinds() {
			for _, q := range []question{
				{}, {origin: wikiURL, cookie: cookie}, {uri: "/.auth/me"}, {uri: "/.auth/start"}, {origin: "https://other.example.com"}, {origin: "http://app.example.com"}, {uri: "*"},
			} {
				if a := s.ask(kind, q); a.StatusCode < 300 || strings.Contains(a.body, "hello") {
					t.Errorf("%s, %s, %s%s: %d %q", name, kind, q.origin, q.uri, a.StatusCode, a.body)
				}
			}
		}
	}
}
