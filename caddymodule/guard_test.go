package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// FA-8: who gets a redirect, and who gets what its program can read.
func TestGuard_AnswersInTheClientsLanguage(t *testing.T) {
	s := newSite(t, "public /open", "")
	origin := "https://app.example.test:" + s.port
	for name, tc := range map[string]struct {
		method, path string
		header       http.Header
		status       int
		location     string
	}{
		"page":           {"GET", "/a?b=c", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}, 302, origin + "/.auth/start?rd=%2Fa%3Fb%3Dc"},
		"old browser":    {"GET", "/", http.Header{"Accept": {"text/html"}}, 302, origin + "/.auth/start?rd=%2F"},
		"fetch":          {"GET", "/", http.Header{"Sec-Fetch-Mode": {"cors"}, "Accept": {"text/html"}}, 401, ""},
		"program":        {"GET", "/", nil, 401, ""},
		"form elsewhere": {"POST", "/", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"cross-site"}}, 303, origin + "/.auth/start?rd=%2F"},
		"form here":      {"POST", "/", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Site": {"same-origin"}}, 401, ""},
		"prefetch":       {"GET", "/", http.Header{"Sec-Purpose": {"prefetch"}, "Accept": {"text/html"}}, 503, ""},
		"odd method":     {"FROB", "/", nil, 401, ""},
		"preflight":      {"OPTIONS", "/", http.Header{"Access-Control-Request-Method": {"GET"}, "Origin": {"https://evil.example"}}, 401, ""}, // FA-7
		"not canonical":  {"GET", "/open/../x", nil, 401, ""},
		"encoded":        {"GET", "/%6fpen", nil, 401, ""},
		"public":         {"GET", "/open", nil, 200, ""},
	} {
		req := s.request(t, tc.method, "/", nil)
		req.Header = tc.header.Clone()
		req.URL.Path, req.URL.RawPath, req.URL.RawQuery = "", "", ""
		req.URL.Opaque = "//app.example.test:" + s.port + tc.path // as it is
		res, body := do(t, s.client(t, "h1"), req)
		if res.StatusCode != tc.status || res.Header.Get("Location") != tc.location {
			t.Errorf("%s: %s, Location %q", name, res.Status, res.Header.Get("Location"))
		}
		if tc.status != 200 && res.Header.Get("Cache-Control") != "no-store" { // FA-9
			t.Errorf("%s: may be cached", name)
		}
		if name == "program" && (res.Header.Get("Content-Type") != "application/problem+json" || !json.Valid([]byte(body))) {
			t.Errorf("%s: %q", name, body)
		}
		if reached := s.reached(); reached != (tc.status == 200) {
			t.Errorf("%s: reached the app: %v", name, reached)
		}
	}
}

// A site behind a proxy that ends TLS, under a name of its own inside.
func TestGuard_OriginIsWhatPeopleCallIt(t *testing.T) {
	s := newSite(t, "", "")
	port := freePort(t)
	s.app = nil
	raw, err := adapt(t, strings.Replace(s.caddyfile(), "https://app.example.test:"+s.port+" {", "http://:"+port+" {", 1))
	if err != nil {
		t.Fatal(err)
	}
	raw = []byte(strings.Replace(string(raw), `"handler":"passwordless_guard"`, `"handler":"passwordless_guard","origin":"https://app.example.test"`, 1))
	load(t, raw)
	for _, host := range []string{"127.0.0.1:" + port, "internal:8080", "app.example.test"} {
		for path, want := range map[string]string{"/x": "https://app.example.test/.auth/start?rd=%2Fx", "/.auth/start?rd=/x": "https://app.example.test/.auth/login?to="} {
			req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			req.Header.Set("Accept", "text/html")
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusFound || !strings.HasPrefix(res.Header.Get("Location"), want) {
				t.Errorf("%s %s: %s to %q, want %q", host, path, res.Status, res.Header.Get("Location"), want)
			}
		}
		req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Cookie", s.cookie)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: signed in, and %s", host, res.Status)
		}
		if got := s.last(t); !strings.Contains(got, "\r\nHost: "+host+"\r\n") {
			t.Errorf("%s: the app got\n%s", host, got) // the name is for the decision, not for the app
		}
	}
}

// FA-13: what is ours stays ours, whatever rewrites do.
func TestGuard_ReservedPathsNeverReachTheApp(t *testing.T) {
	s := newSite(t, "public /open", "")
	s.options = "order rewrite before passwordless_guard"
	s.rest = "rewrite /.auth/* /open"
	s.reload(t)
	for _, path := range []string{"/.auth/me", "/.auth", "/.auth/", "/.auth/nothing", "/.%61uth/me", "/.auth//me"} {
		req := s.request(t, http.MethodGet, path, nil)
		req.URL.Opaque = "//app.example.test:" + s.port + path
		res, _ := do(t, s.client(t, "h1"), req)
		if s.reached() {
			t.Errorf("%s reached the app (%s)", path, res.Status)
		}
	}
	if res, body := do(t, s.client(t, "h1"), s.request(t, http.MethodGet, "/.auth/me", nil)); res.StatusCode != http.StatusOK || !strings.Contains(body, "alice@example.com") {
		t.Errorf("%s %s", res.Status, body)
	}
}

// The portal signs in for two hosts; each gets a session of its own (FA-12).
func TestPortal_HandsOverToEachApp(t *testing.T) {
	s := &site{upstream: newUpstream(t), port: freePort(t), dir: t.TempDir()}
	text := strings.Replace(s.caddyfile(), "passwordless {\n", "passwordless {\n\t\tportal https://auth.example.test:"+s.port+"\n", 1)
	text += fmt.Sprintf("https://app.example.org:%[1]s {\npasswordless_guard\nreverse_proxy %[2]s\n}\nhttps://auth.example.test:%[1]s {\npasswordless_portal\n}\n", s.port, s.addr)
	s.app = run(t, text)
	session, _ := s.signIn(t, authcore.NewUser{Email: "alice@example.com"})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(session, "=")
	jar.SetCookies(&url.URL{Scheme: "https", Host: "auth.example.test:" + s.port, Path: "/"}, []*http.Cookie{{Name: name, Value: value, Secure: true, Path: "/"}})
	c := s.client(t, "h1")
	c.Transport.(*http.Transport).TLSClientConfig.ServerName = "" // each host's own
	c.Jar, c.CheckRedirect = jar, nil
	var cookies []string
	for _, host := range []string{"app.example.test:" + s.port, "app.example.org:" + s.port} {
		var res *http.Response
		eventually(t, "an answer", func() bool {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/html")
			res, err = c.Do(req)
			return err == nil
		})
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || string(body) != "hi" || res.Request.URL.Path != "/x" {
			t.Fatalf("%s: %s at %s: %s, %v", host, res.Status, res.Request.URL, body, err)
		}
		if got := identityLines(t, s.last(t)); !slices.Contains(got, "Remote-Email: alice@example.com") {
			t.Errorf("%s: the app got %q", host, got)
		}
		cookies = append(cookies, jar.Cookies(&url.URL{Scheme: "https", Host: host, Path: "/"})[0].String())
	}
	// Neither the other app's session nor the portal's opens an app.
	for _, cookie := range []string{cookies[1], session} {
		s.cookie = cookie
		one := s.client(t, "h1")
		if res, _ := do(t, one, s.request(t, http.MethodGet, "/", nil)); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", cookie[:20], res.Status)
		}
	}
}

// pass is a whole guard without the server and the proxy around it: arrive makes
// the one request new, guard lets it through.
func pass(tb testing.TB, s *site) (arrive, through func()) {
	tb.Helper()
	guard := s.app.bound[0].Guards[0]
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	original, err := http.NewRequest(http.MethodGet, "https://app.example.test/some/path?q=1", nil)
	if err != nil {
		tb.Fatal(err)
	}
	original.Host, original.Proto, original.ProtoMajor = "app.example.test:"+s.port, "HTTP/2.0", 2
	ctx := context.WithValue(context.Background(), caddyhttp.OriginalRequestCtxKey, *original)
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
	r := original.WithContext(ctx)
	browser := http.Header{
		"Accept": {"text/html"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"en"}, "User-Agent": {"Mozilla/5.0"}, "Referer": {"https://app.example.test/"},
		"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"document"}, "Upgrade-Insecure-Requests": {"1"},
	}
	cookies := []string{"theme=dark; " + s.cookie + "; lang=en"}
	r.Header = browser.Clone()
	arrive = func() { // with our cookie, and without identity
		r.Header["Cookie"] = cookies
		for _, name := range []string{"Remote-User", "Remote-Sub", "Remote-Email", "Remote-Name", "Remote-Groups"} {
			delete(r.Header, name)
		}
	}
	return arrive, func() {
		if err := guard.ServeHTTP(nil, r, next); err != nil {
			tb.Fatal(err)
		}
		if len(r.Header["Remote-User"]) != 1 {
			tb.Fatal("not let through")
		}
	}
}

// DESIGN §13: the check, strip, our cookie out and five headers in. What making
// the request new costs is measured by itself, to be taken off.
func BenchmarkGuard(b *testing.B) {
	arrive, through := pass(b, newSite(b, "", ""))
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			arrive()
			through()
		}
	})
	b.Run("arrival", func(b *testing.B) {
		arrive()
		through()
		b.ReportAllocs()
		for b.Loop() {
			arrive()
		}
	})
}

func TestGuard_AllocatesLittle(t *testing.T) {
	s := newSite(t, "", "")
	arrive, through := pass(t, s)
	once := func() { arrive(); through() }
	fewest := testing.AllocsPerRun(100, once)
	for range 20 { // others allocate meanwhile
		fewest = min(fewest, testing.AllocsPerRun(100, once))
	}
	if fewest > 5 {
		t.Errorf("%v allocations, at most 5 are allowed", fewest)
	}
}
