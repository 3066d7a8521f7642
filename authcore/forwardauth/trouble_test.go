package forwardauth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
)

// FA-10: a store that does not answer lets nobody in, and nobody is sent to a
// sign-in that cannot work either.
func TestTrouble_StoreThatIsDownDenies(t *testing.T) {
	s := newSite(t)
	token, err := s.svc.NewToken() // not in the cache
	s.must(err)
	cookie := "__Host-passwordless=" + token.Reveal()
	s.broken.Store(true)
	for _, kind := range forwardauth.Kinds() {
		want := http.StatusServiceUnavailable
		if kind.Endpoint() == forwardauth.Nginx.Endpoint() {
			want = http.StatusForbidden
		}
		if a := s.ask(kind, question{cookie: cookie, header: navigation}); a.StatusCode != want || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d, want %d", kind, a.StatusCode, want)
		}
		if a := s.ask(kind, question{cookie: cookie, uri: "/healthz"}); a.StatusCode != http.StatusOK {
			t.Errorf("%s: a public path answers %d", kind, a.StatusCode)
		}
	}
	if !strings.Contains(s.log.String(), errDisk.Error()) {
		t.Error("the log does not say why")
	}
}

// A panic anywhere is a deny, and what was prepared before it stays here.
func TestTrouble_PanicDenies(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, kind := range forwardauth.Kinds() {
		r := question{cookie: cookie}.in(kind)
		w := &failing{ResponseRecorder: httptest.NewRecorder()}
		s.h.ServeHTTP(w, r)
		resp := w.Result()
		if w.tries != 2 || resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d after %d tries", kind, resp.StatusCode, w.tries)
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "Remote-") {
				t.Errorf("%s: %s went out", kind, name)
			}
		}
	}
}

// Who gives up on a connection means it: the proxy gets no answer, which is no
// allow either.
func TestTrouble_AbortCutsTheConnection(t *testing.T) {
	s := newSite(t)
	s.pages = &recording{answer: func(http.ResponseWriter) { panic(http.ErrAbortHandler) }}
	h := s.handler(allProxies()...)
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("the server hears of %v", err)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), question{}.in("caddy"))
}

// failing is a connection that breaks down at the first status.
type failing struct {
	*httptest.ResponseRecorder
	tries int
}

func (f *failing) WriteHeader(code int) {
	if f.tries++; f.tries == 1 {
		panic("broken")
	}
	f.ResponseRecorder.WriteHeader(code)
}

// CK-2: a cookie that is none is cleared where Set-Cookie reaches the browser.
func TestTrouble_BadCookieIsCleared(t *testing.T) {
	s := newSite(t)
	for _, kind := range passing {
		a := s.ask(kind, question{cookie: "__Host-passwordless=a; __Host-passwordless=b", header: navigation})
		if !strings.Contains(a.Header.Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("%s: Set-Cookie %q", kind, a.Header["Set-Cookie"])
		}
	}
}

// LG-1, LG-2: a refusal is one line that says why, without what was sent.
func TestLog_NamesTheReasonAndNothingSecret(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(bob, wikiURL)
	_, token, _ := strings.Cut(cookie, "=")
	for _, kind := range forwardauth.Kinds() {
		before := strings.Count(s.log.String(), "\n")
		s.ask(kind, question{origin: wikiURL, uri: "/x?password=hunter2", cookie: cookie, header: map[string]string{"Authorization": "Bearer s3cret"}})
		s.ask(kind, question{uri: "/\x1b[31m?password=hunter2", cookie: cookie})
		s.ask(kind, question{origin: "https://other.example.com", uri: "/x?password=hunter2", cookie: cookie})
		if got := strings.Count(s.log.String(), "\n") - before; got != 3 {
			t.Errorf("%s: %d lines for three refusals", kind, got)
		}
	}
	s.ask("traefik", question{origin: portalURL})
	if !strings.Contains(s.log.String(), "take the check off it") {
		t.Error("a check of the portal itself is not named")
	}
	r := question{cookie: cookie}.in("caddy")
	r.Host, r.RemoteAddr = strings.Repeat("\x1b", 5000), "192.0.2.1:1"
	send(t, s.h, r)
	text := s.log.String()
	for _, want := range []string{`"reason":"allow"`, `"why":"allow"`, `"at":"Caddyfile:17"`, `"kind":"haproxy"`, `"peer":"172.18.0.9"`, `"host":"wiki.example.org"`, `"reason":"host"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	for _, secret := range []string{token, "hunter2", "s3cret", `\u001b`, strings.Repeat("?", 300)} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// FuzzEndpoint_IsNeverMorePermissiveThanTheGuard: whatever a proxy asks about
// for somebody who is not signed in, 200 only where the guard's own question
// says that the path is public.
func FuzzEndpoint_IsNeverMorePermissiveThanTheGuard(f *testing.F) {
	for _, uri := range []string{"/healthz", "/assets/a.css?x=1", "/assets/../page", "/assets/%2e%2e/page", "//assets/x", "/ASSETS/x", "/assets//x", "/assets/;/x", "/.auth/me", "/healthz#", "/healthz?", "*", ""} {
		for _, method := range []string{"GET", "HEAD", "CONNECT", "get"} {
			f.Add(method, uri)
		}
	}
	s := newSite(f)
	f.Fuzz(func(t *testing.T, method, uri string) {
		path, _, _ := strings.Cut(uri, "?")
		d := s.svc.Check(t.Context(), &authcore.Request{Host: "app.example.com", Path: path, Here: path, Method: method})
		for _, kind := range forwardauth.Kinds() {
			r := question{method: method, uri: uri}.or().in(kind)
			switch kind { // also what a question would fill in
			case forwardauth.Envoy:
				r.Method, r.RequestURI = method, kind.Endpoint()+uri
			case forwardauth.Nginx, forwardauth.HAProxy:
				r.Header["X-Original-Method"], r.Header["X-Original-Url"] = []string{method}, []string{appURL + uri}
			default:
				r.Header["X-Forwarded-Method"], r.Header["X-Forwarded-Uri"] = []string{method}, []string{uri}
			}
			a := send(t, s.h, r)
			if a.StatusCode < 300 && !(a.StatusCode == 200 && d.Verdict == authcore.Allow && d.Public) {
				t.Fatalf("%s: %s %q is let in, and the guard says %v", kind, method, uri, d.Verdict)
			}
			if a.StatusCode == 200 && a.Header.Get("Remote-User") != "" {
				t.Fatalf("%s: nobody is somebody", kind)
			}
		}
	})
}
