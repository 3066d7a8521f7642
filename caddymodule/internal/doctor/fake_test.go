package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a deployment in one server: sign-in, a proxy or a guard, an app, and
// what the process tells. Its flaw is one mistake in it.
type fake struct {
	t     *testing.T
	srv   *httptest.Server
	flaw  string
	facts Facts
	probe Probe
	o     Options

	mu   sync.Mutex
	seen []Seen
}

const (
	authURL = "https://auth.example.test"
	appURL  = "https://app.example.test"
	session = "the-session-cookie"
	token   = "pwl_the-access-token"
)

// certificate is one for all names here, good for so long.
func certificate(t *testing.T, life time.Duration) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"auth.example.test", "app.example.test", "wiki.example.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-100 * 24 * time.Hour), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// newFake starts a deployment of a kind: "guard", or a proxy's.
func newFake(t *testing.T, kind, flaw string) *fake {
	t.Helper()
	f := &fake{t: t, flaw: flaw}
	f.facts = Facts{
		Version: "v1", Now: time.Now(), Portal: authURL, Mail: "ok",
		Apps: []App{{Origin: "https://wiki.example.test"}, {Origin: appURL, Guarded: kind == guard, Public: []string{"/open/*"}}},
	}
	if kind != guard {
		f.facts.Proxies = []Proxy{{Kind: kind, From: []string{"127.0.0.9"}}}
	}
	f.probe = Probe{
		Nonce: "nonce", Cookie: "__Host-passwordless", Session: session, Token: token, Assertion: "Remote-Jwt",
		Identity: map[string]string{"Remote-User": "alice", "Remote-Sub": "u1", "Remote-Email": "a@example.com", "Remote-Name": "Alice", "Remote-Groups": ""},
	}
	life := 90 * 24 * time.Hour
	if flaw == "certificate ends" {
		life = 24 * time.Hour
	}
	f.srv = httptest.NewUnstartedServer(f)
	cert, pool := certificate(t, life)
	f.srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	if flaw == "old TLS" {
		f.srv.TLS.MinVersion = tls.VersionTLS10
	}
	if flaw == "unknown CA" {
		pool = x509.NewCertPool()
	}
	f.srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.srv.Config.MaxHeaderBytes = 64 << 10
	f.srv.StartTLS()
	t.Cleanup(f.srv.Close)
	plain := httptest.NewServer(http.HandlerFunc(f.plain))
	t.Cleanup(plain.Close)
	f.o = Options{
		Version: "v1", User: "alice", App: "app.example.test", Now: time.Now, Lookup: f.lookup,
		Wire: Wire{Connect: f.srv.Listener.Addr().String(), Plain: plain.Listener.Addr().String(), CAs: pool, Timeout: 2 * time.Second},
	}
	return f
}

func (f *fake) lookup(_ context.Context, host string) ([]string, error) {
	if f.flaw == "no name" && host == "app.example.test" {
		return nil, errors.New("no such host")
	}
	return []string{"192.0.2.1"}, nil
}

func (f *fake) Facts(context.Context) (*Facts, error) { return &f.facts, nil }

func (f *fake) Probe(_ context.Context, app, user string) (*Probe, error) {
	if app != "app.example.test" || user != f.o.User {
		f.t.Errorf("a probe of %s as %s", app, user)
	}
	p := f.probe
	return &p, nil
}

func (f *fake) Seen(context.Context, string) ([]Seen, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen), nil
}

func (f *fake) End(context.Context, string) error { return nil }

func (f *fake) note(s Seen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, s)
}

func (f *fake) plain(w http.ResponseWriter, r *http.Request) {
	if f.flaw == "plain http" {
		fmt.Fprint(w, "welcome")
		return
	}
	http.Redirect(w, r, "https://"+r.Host+"/", http.StatusPermanentRedirect)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.flaw == "proxy's clock" {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	}
	path := strings.ToLower(r.URL.Path)
	switch {
	case r.Method == http.MethodConnect && f.flaw != "CONNECT":
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Method == http.MethodConnect:
	case f.flaw == "limited" && r.Host != "auth.example.test":
		w.WriteHeader(http.StatusTooManyRequests)
	case r.Host == nobody:
		if f.flaw == "decisions of others" {
			f.note(Seen{Place: asked, Kind: "nginx", Path: "/", Query: r.URL.RawQuery})
		}
		w.WriteHeader(http.StatusMisdirectedRequest)
	case r.Host == "auth.example.test" && (strings.Contains(path, "api/") && !strings.Contains(path, "login")):
		f.decisions(w, r)
	case r.Host == "auth.example.test":
		f.signIn(w)
	case strings.HasPrefix(r.URL.Path, "/.auth/") && !strings.Contains(r.URL.Path, "..") && f.flaw != "no route of ours":
		f.reserved(w, r)
	default:
		f.decide(w, r)
	}
}

func (f *fake) decisions(w http.ResponseWriter, r *http.Request) {
	switch {
	case f.flaw == "decisions" && r.URL.Path == "/api/verify":
		w.Header().Set("Remote-User", "")
	case f.flaw == "decisions without a name":
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *fake) signIn(w http.ResponseWriter) {
	if f.flaw == "no sign-in" {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	for name, value := range map[string]string{
		"Content-Type": "text/html", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff",
		"X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		w.Header().Set(name, value)
	}
	if f.flaw == "sign-in's headers" {
		w.Header().Add("X-Frame-Options", "SAMEORIGIN")
	}
}

func (f *fake) reserved(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path != "/.auth/start" {
		f.problem(w)
		return
	}
	c := &http.Cookie{Name: "__Host-passwordless-flow", Value: "v", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	switch f.flaw {
	case "cookie's domain":
		c.Domain = "example.test"
	case "cookie not secure":
		c.Secure = false
	}
	if f.flaw != "no cookie" {
		http.SetCookie(w, c)
	}
	http.Redirect(w, r, authURL+"/login?to=x", http.StatusFound)
}

func (f *fake) problem(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusUnauthorized)
}

func (f *fake) kind() string {
	if f.facts.Apps[1].Guarded {
		return ""
	}
	return f.facts.Proxies[0].Kind
}

// decide is the check, by a proxy or in process.
func (f *fake) decide(w http.ResponseWriter, r *http.Request) {
	switch {
	case f.flaw == "unguarded", f.flaw == "a route beside the check" && r.URL.Path == "/static/doctor.js", f.flaw == "no check of OPTIONS" && r.Method == http.MethodOptions:
		f.app(w, r, false)
		return
	case f.flaw == "another app open" && r.Host == "wiki.example.test":
		f.app(w, r, false)
		return
	case f.flaw == "another app elsewhere" && r.Host == "wiki.example.test":
		http.Redirect(w, r, "/web/", http.StatusFound)
		return
	case f.flaw == "a 404 beside the check" && r.URL.Path == "/metrics":
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s := Seen{
		Place: asked, Kind: f.kind(), Peer: "192.0.2.9", Client: netip.MustParseAddr("192.0.2.7"), Method: r.Method, Scheme: "https",
		Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: http.Header{},
	}
	f.believe(&s, r)
	if f.flaw == "body to the check" && r.ContentLength > 0 {
		s.Header.Set("Content-Length", fmt.Sprint(r.ContentLength))
	}
	in := strings.Contains(r.Header.Get("Cookie"), session) || strings.Contains(r.Header.Get("Authorization"), "pwl_") || strings.HasPrefix(r.Header.Get("Authorization"), "Basic ZG9jdG9yOn")
	in = in && s.Host == "app.example.test"
	if in && f.flaw != "no cookie to the check" {
		s.Header.Set("Cookie", "ours")
	} else {
		in = false
	}
	public := strings.HasPrefix(s.Path, "/open/") && !strings.ContainsAny(s.Path, "%;") && !strings.Contains(s.Path, "..") && !strings.Contains(s.Path, "//")
	public = public || f.flaw == "paths" && strings.HasPrefix(s.Path, "/open/") || f.flaw == "claims" && r.Header.Get("X-Forwarded-User") != ""
	if s.Verdict = "sign in"; in || public {
		s.Verdict = "allow"
	}
	if f.flaw == "not trusted" {
		s.Kind, s.Verdict = "", "this peer is no configured proxy"
		f.note(s)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if f.flaw == "not understood" {
		s.Verdict = "X-Original-Method is missing"
		f.note(s)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	f.note(s)
	if s.Verdict == "allow" {
		f.app(w, r, in)
		return
	}
	f.refuse(w, r)
}

// believe is what the flaws make of what a client says about itself.
func (f *fake) believe(s *Seen, r *http.Request) {
	switch u, err := url.Parse(r.Header.Get("X-Original-Url")); {
	case f.flaw == "believes the address" && r.Header.Get("X-Forwarded-For") != "":
		s.Client = netip.MustParseAddr(forged)
	case f.flaw == "loses the address" && r.Header.Get("Forwarded") != "", f.flaw == "no address":
		s.Client = netip.Addr{}
	case f.flaw == "believes the path" && err == nil && u.Path != "":
		s.Path, s.Query = u.Path, u.RawQuery
	case f.flaw == "believes the method" && r.Header.Get("X-Original-Method") != "":
		s.Method = r.Header.Get("X-Original-Method")
	case f.flaw == "one method":
		s.Method = http.MethodGet
	case f.flaw == "another path":
		s.Path = r.URL.Path
	case f.flaw == "another host" && r.Host == "wiki.example.test":
		s.Host = "app.example.test"
	}
}

func (f *fake) refuse(w http.ResponseWriter, r *http.Request) {
	page := r.Header.Get("Sec-Fetch-Mode") == "navigate" || f.flaw == "pages for scripts"
	switch {
	case f.flaw == "no redirect" && page:
		w.WriteHeader(http.StatusInternalServerError)
	case f.flaw == "HEAD is another" && r.Method == http.MethodHead:
		w.WriteHeader(http.StatusUnauthorized)
	case page:
		w.Header().Set("Location", "https://"+r.Host+"/.auth/start?rd=%2F")
		w.WriteHeader(http.StatusFound)
	case f.flaw == "no problem":
		w.WriteHeader(http.StatusUnauthorized)
	default:
		f.problem(w)
	}
}

// question runs one check alone.
func (f *fake) question(id string) Result {
	f.t.Helper()
	w, err := begin(f.t.Context(), f, f.o)
	if err != nil {
		f.t.Fatal(err)
	}
	defer w.end()
	for _, c := range checks() {
		if c.id == id {
			return w.ask(f.t.Context(), &c)
		}
	}
	f.t.Fatalf("no check is called %s", id)
	return Result{}
}
