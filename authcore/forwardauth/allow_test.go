package forwardauth_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
)

// identity are the headers of every allow answer, in the names of most apps.
var identity = []string{"Remote-User", "Remote-Sub", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Jwt"}

func (a answer) once(t *testing.T, name, want string) {
	t.Helper()
	if got := a.Header[name]; len(got) != 1 || got[0] != want {
		t.Errorf("%s is %q, want %q once", name, got, want)
	}
}

func TestAllow_SaysWhoIsHereOnce_HD2(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, kind := range forwardauth.Kinds() {
		for _, method := range []string{"GET", "HEAD", "POST", "PROPFIND", "get"} {
			a := s.ask(kind, question{cookie: cookie, method: method})
			if a.StatusCode != http.StatusOK || a.body != "" {
				t.Fatalf("%s %s: %d with body %q", kind, method, a.StatusCode, a.body)
			}
			a.once(t, "Remote-User", ada)
			a.once(t, "Remote-Email", ada)
			a.once(t, "Remote-Name", "Zo%C3%AB")
			a.once(t, "Remote-Groups", "staff")
			a.once(t, "Remote-Jwt", "")
			a.once(t, "Authorization", "")
			a.once(t, "Content-Length", "0")
			if len(a.Header["Remote-Sub"]) != 1 || a.Header.Get("Remote-Sub") == "" || a.Header["Set-Cookie"] != nil || a.Header["Location"] != nil {
				t.Errorf("%s: headers %v", kind, a.Header)
			}
		}
	}
}

// Nobody is here, and the answer says so under every name that a client may have
// forged.
func TestAllow_PublicPathEmptiesEveryIdentityHeader_HD2(t *testing.T) {
	s := newSite(t)
	for _, kind := range forwardauth.Kinds() {
		a := s.ask(kind, question{uri: "/assets/app.css", header: map[string]string{"Remote-User": "admin", "Remote-Groups": "admins"}})
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", kind, a.StatusCode)
		}
		for _, name := range append([]string{"Authorization"}, identity...) {
			a.once(t, name, "")
		}
	}
}

// Envoy keeps a client's header where ours is empty, so it is told what to drop:
// exactly those.
func TestAllow_EnvoyRemovesExactlyWhatIsEmpty(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, c := range []struct {
		q    question
		want string
	}{
		{question{uri: "/healthz"}, "authorization,remote-email,remote-groups,remote-jwt,remote-name,remote-sub,remote-user"},
		{question{cookie: cookie}, "authorization,remote-jwt"},
		{question{cookie: cookie, header: map[string]string{"Authorization": "Bearer app's own"}}, "remote-jwt"},
		{question{cookie: s.signIn(bob, signedURL), origin: signedURL}, "authorization,remote-groups,remote-user"},
	} {
		a := s.ask(forwardauth.Envoy, c.q)
		a.once(t, "X-Envoy-Auth-Headers-To-Remove", c.want)
		for name, values := range a.Header {
			listed := strings.Contains(","+c.want+",", ","+strings.ToLower(name)+",")
			if listed != (values[0] == "") {
				t.Errorf("%s is %q and removed is %v", name, values[0], listed)
			}
		}
	}
	if a := s.ask(forwardauth.Traefik, question{cookie: cookie}); a.Header["X-Envoy-Auth-Headers-To-Remove"] != nil {
		t.Error("another proxy is told what is Envoy's")
	}
}

func TestAllow_RenamedHeaderAndAssertion(t *testing.T) {
	s := newSite(t)
	a := s.ask(forwardauth.Caddy, question{origin: signedURL, cookie: s.signIn(ada, signedURL)})
	a.once(t, "X-Webauth-User", ada)
	a.once(t, "Remote-User", "") // a client may have sent it
	if jwt := a.Header.Get("Remote-Jwt"); strings.Count(jwt, ".") != 2 {
		t.Errorf("the assertion is %q", jwt)
	}
}

// The client's own Authorization goes on, if it is one value that cannot be
// taken for two headers.
func TestAllow_PassesOneAuthorizationOn(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, c := range []struct {
		sent []string
		want string
	}{
		{nil, ""},
		{[]string{"Basic YTpi"}, "Basic YTpi"},
		{[]string{"Bearer a, Basic b"}, "Bearer a, Basic b"},
		{[]string{"Bearer a", "Bearer b"}, ""},
		{[]string{"Bearer a\r\nRemote-User: admin"}, ""},
		{[]string{"Bearer a\nb"}, ""},
		{[]string{"Bearer \x00"}, ""},
		{[]string{"Bearer é"}, ""},
	} {
		for _, kind := range forwardauth.Kinds() {
			r := question{cookie: cookie}.in(kind)
			if c.sent != nil {
				r.Header["Authorization"] = c.sent
			}
			send(t, s.h, r).once(t, "Authorization", c.want)
		}
	}
}

// A proxy may ask by any method: what it asks about is said elsewhere.
func TestAllow_AnswersEveryMethodOfTheCheck(t *testing.T) {
	s := newSite(t)
	for _, kind := range []forwardauth.Kind{forwardauth.Caddy, forwardauth.HAProxy} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
			r := question{uri: "/healthz"}.in(kind)
			if r.Method = method; send(t, s.h, r).StatusCode != http.StatusOK {
				t.Errorf("%s: a check by %s is not answered", kind, method)
			}
		}
	}
}

// FA-12: a session opens the host that it was made for.
func TestAllow_SessionOfAnotherAppOpensNothing(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, wikiURL)
	for _, kind := range forwardauth.Kinds() {
		if a := s.ask(kind, question{cookie: cookie}); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", kind, a.StatusCode)
		}
		if a := s.ask(kind, question{cookie: cookie, origin: wikiURL}); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d at its own app", kind, a.StatusCode)
		}
	}
}

// FA-14: many people at once, and each answer is about who asked.
func TestAllow_NeverCrossesIdentities(t *testing.T) {
	s := newSite(t)
	cookies := map[string]string{ada: s.signIn(ada, appURL), bob: s.signIn(bob, appURL), "": ""}
	var all sync.WaitGroup
	for user, cookie := range cookies {
		for _, kind := range forwardauth.Kinds() {
			all.Go(func() {
				for range 100 {
					a := send(t, s.h, question{cookie: cookie, uri: "/healthz"}.in(kind))
					if got := a.Header["Remote-User"]; len(got) != 1 || got[0] != user {
						t.Errorf("%s: %q is told to be %q", kind, user, got)
					}
				}
			})
		}
	}
	all.Wait()
}

// discard is a writer that can be used again.
type discard struct {
	h    http.Header
	code int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) WriteHeader(code int)        { d.code = code }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// The answer is as cheap as a constant one (DESIGN §13), which a handful of
// allocations are.
func TestAllow_AllocatesLittle(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, kind := range forwardauth.Kinds() {
		r, w := question{cookie: cookie}.in(kind), &discard{}
		least := 1000.0
		for range 5 {
			least = min(least, testing.AllocsPerRun(50, func() {
				w.h = make(http.Header, 16)
				s.h.ServeHTTP(w, r)
			}))
		}
		if w.code != http.StatusOK || least > 15 {
			t.Errorf("%s: %d with %v allocations", kind, w.code, least)
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	s := newSite(b)
	cookie := s.signIn(ada, appURL)
	for _, kind := range []forwardauth.Kind{forwardauth.Traefik, forwardauth.Nginx, forwardauth.Envoy} {
		b.Run(string(kind), func(b *testing.B) {
			r, w := question{cookie: cookie}.in(kind), &discard{h: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				s.h.ServeHTTP(w, r)
			}
			if w.code != http.StatusOK {
				b.Fatal(w.code)
			}
		})
	}
}
