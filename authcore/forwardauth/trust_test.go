package forwardauth_test

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
)

func proxy(kind forwardauth.Kind, from ...string) forwardauth.Proxy {
	p := forwardauth.Proxy{Kind: kind}
	for _, s := range from {
		p.From = append(p.From, netip.MustParsePrefix(s))
	}
	return p
}

func TestKinds_EachHasItsEndpoint(t *testing.T) {
	for kind, want := range map[forwardauth.Kind]string{
		"traefik": "/api/authz/forward-auth", "caddy": "/api/authz/forward-auth", "nginx": "/api/authz/auth-request",
		"haproxy": "/api/authz/auth-request", "envoy": "/api/authz/ext-authz", "apache": "", "": "",
	} {
		if got := kind.Endpoint(); got != want {
			t.Errorf("%q asks at %q, want %q", kind, got, want)
		}
	}
	if got := forwardauth.Kinds(); len(got) != len(callers) {
		t.Errorf("the kinds are %v", got)
	}
}

func TestServes_OnlyWhatIsAnEndpoint(t *testing.T) {
	for path, want := range map[string]bool{
		"/api/authz/forward-auth": true, "/api/authz/ext-authz/x": true, "/api/authz/anything": true, "/api/verify": true, "/api/verify/x": true,
		"/api/verifyx": false, "/api/authz": false, "/api/me": false, "/": false, "": false,
	} {
		if got := forwardauth.Serves(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}

// FA-1: who may ask is who connected, and nobody else.
func TestTrust_OnlyConfiguredPeersMayAsk(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	s.h = s.handler(proxy("traefik", "172.18.0.5/32", "fd00::5/128"), proxy("nginx", "10.9.0.0/29"))
	for _, c := range []struct {
		kind   forwardauth.Kind
		remote string
		want   int
	}{
		{"traefik", "172.18.0.5:1", 200},
		{"traefik", "[::ffff:172.18.0.5]:1", 200},
		{"traefik", "[fd00::5]:1", 200},
		{"traefik", "[fd00::5%eth0]:1", 200},
		{"traefik", "172.18.0.6:1", 403},
		{"traefik", "10.9.0.1:1", 403}, // a proxy, but of another kind
		{"traefik", "127.0.0.1:1", 403},
		{"traefik", "172.18.0.5", 403},
		{"traefik", "@", 403},
		{"traefik", "", 403},
		{"nginx", "10.9.0.7:1", 200},
		{"nginx", "10.9.0.8:1", 403},
		{"nginx", "172.18.0.5:1", 403},
	} {
		for _, claim := range []string{someone, "172.18.0.5", "10.9.0.1"} {
			r := question{cookie: cookie, from: claim, header: map[string]string{"X-Real-Ip": "172.18.0.5", "Forwarded": "for=172.18.0.5"}}.in(c.kind)
			r.RemoteAddr = c.remote
			if a := s.keeps(c.kind, send(t, s.h, r)); a.StatusCode != c.want {
				t.Errorf("%s from %q: %d, want %d", c.kind, c.remote, a.StatusCode, c.want)
			}
		}
	}
	if !strings.Contains(s.log.String(), "proxy traefik 172.18.0.6") || !strings.Contains(s.log.String(), "proxy nginx 10.9.0.8") {
		t.Error("the log does not name the line to add")
	}
}

// A socket's peer has no address; that it could connect is what counts.
func TestTrust_UnixSocket(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for unix, want := range map[bool]int{true: 200, false: 403} {
		socket := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", socket)
		s.must(err)
		server := &http.Server{Handler: s.handler(forwardauth.Proxy{Kind: "caddy", Unix: unix}), ReadHeaderTimeout: time.Minute}
		go func() { _ = server.Serve(l) }()
		conn, err := net.Dial("unix", socket)
		s.must(err)
		r := question{cookie: cookie}.in("caddy")
		r.URL.Host = r.Host
		s.must(r.Write(conn))
		resp, err := http.ReadResponse(bufio.NewReader(conn), r)
		s.must(err)
		if resp.StatusCode != want {
			t.Errorf("unix %v: %d, want %d", unix, resp.StatusCode, want)
		}
		s.must(resp.Body.Close())
		s.must(conn.Close())
		s.must(server.Close())
	}
	if !strings.Contains(s.log.String(), "proxy caddy unix") {
		t.Error("the log does not name the line to add")
	}
}

// FA-1: the proxy that asks also brings the public to the portal's host.
func TestTrust_NothingOnThePortalsHost(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, host := range []string{"auth.example.com", "AUTH.example.com", "auth.example.com:443", "auth.example.com."} {
		for _, kind := range forwardauth.Kinds() {
			for _, path := range []string{kind.Endpoint(), "/api/verify"} {
				r := question{cookie: cookie}.in(kind)
				r.Host, r.URL.Path = host, path
				if a := send(t, s.h, r); a.StatusCode != http.StatusNotFound {
					t.Errorf("%s at %s%s: %d", kind, host, path, a.StatusCode)
				}
			}
		}
	}
}

func TestEndpoint_ExistsOnlyForAConfiguredKind(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, only := range forwardauth.Kinds() {
		s.h = s.handler(proxy(only, "172.18.0.0/24"))
		for _, kind := range forwardauth.Kinds() {
			want := http.StatusNotFound
			if kind.Endpoint() == only.Endpoint() {
				want = http.StatusOK
			}
			if a := send(t, s.h, question{cookie: cookie}.in(kind)); a.StatusCode != want {
				t.Errorf("with %s, the endpoint of %s answers %d", only, kind, a.StatusCode)
			}
		}
	}
	s.h = s.handler()
	for _, path := range []string{"/api/verify", "/api/authz/forward-auth"} {
		r := question{cookie: cookie}.in("caddy")
		if r.URL.Path = path; send(t, s.h, r).StatusCode != http.StatusNotFound {
			t.Errorf("without any proxy, %s is there", path)
		}
	}
	if !strings.Contains(s.log.String(), "proxy traefik 172.18.0.6") {
		t.Error("the log does not say how to open one")
	}
}

func TestEndpoint_IsExactlyItsPath(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, path := range []string{"/api/authz/forward-auth/", "/api/authz/forward-auth/x", "/api/authz/", "/api/authz/forward-authx", "/api/authz/FORWARD-AUTH", "/api/verify/"} {
		r := question{cookie: cookie}.in("caddy")
		r.URL.Path, r.RequestURI = path, path
		if a := send(t, s.h, r); a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	r := question{cookie: cookie}.in("caddy")
	r.URL.RawQuery = "rd=https://evil.example" // what older tools append
	if a := send(t, s.h, r); a.StatusCode != http.StatusOK {
		t.Errorf("with a query: %d", a.StatusCode)
	}
}

// verified asks as kind does, but at the alias.
func (s *site) verified(kind forwardauth.Kind, q question) answer {
	s.t.Helper()
	r := q.in(kind)
	r.URL.Path = strings.Replace(r.URL.Path, kind.Endpoint(), "/api/verify", 1)
	r.RequestURI = strings.Replace(r.RequestURI, kind.Endpoint(), "/api/verify", 1)
	return s.keeps(kind, send(s.t, s.h, r))
}

func TestVerify_IsTheOneVocabularyThatThePeerSpeaks(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	q := question{cookie: cookie}
	for _, kind := range forwardauth.Kinds() {
		if a := s.verified(kind, q); a.StatusCode != http.StatusOK { // all are enabled
			t.Errorf("%s: %d", kind, a.StatusCode)
		}
	}
	s.h = s.handler(proxy("nginx", "172.18.0.7/32"))
	if a := s.verified("nginx", q); a.StatusCode != http.StatusOK {
		t.Errorf("the only one: %d", a.StatusCode)
	}
	r := q.in("caddy")
	r.URL.Path, r.RemoteAddr = "/api/verify", "172.18.0.7:1"
	if a := s.keeps("nginx", send(t, s.h, r)); a.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign vocabulary: %d", a.StatusCode)
	}
	s.h = s.handler(proxy("nginx", "172.18.0.0/24"), proxy("caddy", "172.18.0.0/24"))
	if a := send(t, s.h, r); a.StatusCode != http.StatusNotFound {
		t.Errorf("a peer that speaks two: %d", a.StatusCode)
	}
	if r.RemoteAddr = "172.19.0.1:1"; send(t, s.h, r).StatusCode != http.StatusForbidden {
		t.Error("a stranger is not refused")
	}
	s.h = s.handler(proxy("traefik", "172.18.0.0/24"), proxy("caddy", "172.18.0.0/24"))
	if r.RemoteAddr = "172.18.0.1:1"; send(t, s.h, r).StatusCode != http.StatusOK {
		t.Error("two kinds with one vocabulary are told apart")
	}
}

// The client's address decides network rules, as the proxy vouches for it.
func TestNetwork_IsTheClientsAsTheProxySawIt(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, insideURL)
	for _, kind := range forwardauth.Kinds() {
		for from, want := range map[string]int{
			"10.1.2.3": 200, "10.1.2.3:4711": 200, "evil, 10.1.2.3": 200, "10.1.2.3, 172.18.0.9": 200,
			"203.0.113.9": 403, "10.1.2.3, 203.0.113.9": 403, "-": 403, "": 403, "unknown": 403, "10.1.2.3, ": 403, "10.1.2.3, unknown": 403, "172.18.0.9": 403,
		} {
			r := question{origin: insideURL, cookie: cookie, from: "-"}.in(kind)
			if from != "-" {
				r.Header.Set("X-Forwarded-For", from)
			}
			if a := s.keeps(kind, send(t, s.h, r)); a.StatusCode != want {
				t.Errorf("%s for %q: %d, want %d", kind, from, a.StatusCode, want)
			}
		}
		if a := s.ask(kind, question{origin: insideURL, uri: "/open"}); a.StatusCode == http.StatusOK {
			t.Errorf("%s: a public path is open to another network", kind)
		}
	}
}

func TestUnknown_NamesTheProxyThatNamesNobody(t *testing.T) {
	s := newSite(t)
	s.ask("caddy", question{})
	if _, _, ok := s.h.Unknown(); ok {
		t.Error("a proxy that named its client is said not to")
	}
	s.ask("haproxy", question{from: "-"})
	if kind, peer, ok := s.h.Unknown(); !ok || kind != "haproxy" || peer != "172.18.0.8" {
		t.Errorf("readiness hears of %q %q, %v", kind, peer, ok)
	}
	s.ask("nginx", question{from: "unknown"})
	if kind, _, _ := s.h.Unknown(); kind != "nginx" {
		t.Errorf("readiness hears of %q", kind)
	}
	s.later.Store(int64(time.Hour))
	if _, _, ok := s.h.Unknown(); ok {
		t.Error("readiness hears of it for ever")
	}
}
