package forwardauth_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
	"github.com/passwordless-auth/passwordless-auth/authcore/portal"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

const (
	portalURL = "https://auth.example.com"
	appURL    = "https://app.example.com"    // public /healthz and /assets/*, the rest for anybody signed in
	wikiURL   = "https://wiki.example.org"   // staff
	vaultURL  = "https://vault.example.com"  // a passkey is required
	insideURL = "https://inside.example.com" // from 10.0.0.0/8
	portURL   = "https://port.example.com:8443"
	devURL    = "http://dev.localhost:8080"
	signedURL = "https://signed.example.com" // gets an assertion, and renames the user's header

	ada = "ada@example.com" // staff
	bob = "bob@example.com" // not staff

	someone = "203.0.113.9" // who asks the proxies
)

// callers are the proxies of the site, one address for each kind.
var callers = map[forwardauth.Kind]string{
	forwardauth.Traefik: "172.18.0.5", forwardauth.Caddy: "172.18.0.6", forwardauth.Nginx: "172.18.0.7",
	forwardauth.HAProxy: "172.18.0.8", forwardauth.Envoy: "172.18.0.9",
}

func allProxies() (list []forwardauth.Proxy) {
	for _, kind := range forwardauth.Kinds() {
		list = append(list, forwardauth.Proxy{Kind: kind, From: []netip.Prefix{netip.MustParsePrefix(callers[kind] + "/32")}})
	}
	return list
}

// site is a whole installation: store, service, portal, decision endpoints.
type site struct {
	t   testing.TB
	db  store.Store
	rt  *authcore.Runtime
	svc *authcore.Service
	// before is the service without any rule: whoever signed in then has a
	// session that the rules may not let in.
	before *authcore.Service
	pages  forwardauth.Pages
	h      *forwardauth.Handler
	log    *lockedLog

	broken atomic.Bool // the store answers no more
	later  atomic.Int64
}

var errDisk = errors.New("input/output error")

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.later.Load())) }

// lockedLog collects what is logged.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func app(t testing.TB, origin string, spec authcore.PolicySpec) authcore.App {
	t.Helper()
	o, err := authcore.ParseOrigin(origin)
	if err != nil {
		t.Fatal(err)
	}
	p, err := authcore.CompilePolicy(spec)
	if err != nil {
		t.Fatal(err)
	}
	return authcore.App{Origin: o, Policy: p}
}

func words(w ...string) []authcore.Line { return []authcore.Line{{Words: w, At: "Caddyfile:17"}} }

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, db: bolttest.Open(t), log: &lockedLog{}}
	log := slog.New(slog.NewJSONHandler(s.log, nil))
	faults := storetest.Faults{
		OnView: func(int) error {
			if s.broken.Load() {
				return errDisk
			}
			return nil
		},
	}
	var err error
	s.rt, err = authcore.NewRuntime(t.Context(), authcore.RuntimeOptions{
		Store: storetest.Faulty(s.db, faults), RootKey: authcore.RootKey{1}, Now: s.now, Rand: rand.Reader, Log: log,
	})
	s.must(err)
	t.Cleanup(func() {
		if err := s.rt.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	portalOrigin, err := authcore.ParseOrigin(portalURL)
	s.must(err)
	c := authcore.Config{
		Portal: portalOrigin,
		Apps: []authcore.App{
			app(t, appURL, authcore.PolicySpec{Public: words("/healthz", "/assets/*")}),
			app(t, wikiURL, authcore.PolicySpec{Allow: words("group:staff")}),
			app(t, vaultURL, authcore.PolicySpec{Require: words("passkey")}),
			app(t, insideURL, authcore.PolicySpec{Network: words("10.0.0.0/8"), Public: words("/open")}),
			app(t, portURL, authcore.PolicySpec{}),
			app(t, devURL, authcore.PolicySpec{}),
			app(t, signedURL, authcore.PolicySpec{Assertion: true, Headers: map[string]string{"user": "X-WebAuth-User"}}),
		},
		Requests: 100_000, Burst: 100_000,
	}
	s.svc, err = authcore.NewService(s.rt, c)
	s.must(err)
	s.svc.Start()
	before := c
	before.Apps = slices.Clone(c.Apps)
	for i := range before.Apps {
		before.Apps[i].Policy = authcore.Policy{}
	}
	s.before, err = authcore.NewService(s.rt, before)
	s.must(err)
	s.pages, err = portal.New(portal.Options{Service: s.svc, Brand: portal.Brand{Name: "Example"}, Log: log, Health: healthy{}, Address: address})
	s.must(err)
	s.h = s.handler(allProxies()...)
	for user, groups := range map[string][]string{ada: {"staff"}, bob: nil} {
		_, err := s.svc.AddUser(t.Context(), "cli", authcore.NewUser{Email: user, DisplayName: "Zoë", Groups: groups})
		s.must(err)
	}
	return s
}

func (s *site) handler(proxies ...forwardauth.Proxy) *forwardauth.Handler {
	return forwardauth.New(forwardauth.Options{
		Service: s.svc, Pages: s.pages, Proxies: proxies, Log: slog.New(slog.NewJSONHandler(s.log, nil)),
	})
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

type healthy struct{}

func (healthy) Mail() error    { return nil }
func (healthy) Clients() error { return nil }
func (healthy) Draining() bool { return false }

func address(r *http.Request) (client, peer netip.Addr) {
	client, _ = forwardauth.ClientOf(r.Context())
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return client, a.Addr()
}

// live is a root session of a user, who signs in by mail for it.
func (s *site) live(user string) *authcore.Live {
	s.t.Helper()
	ctx := context.Background()
	flow, err := s.before.NewToken()
	s.must(err)
	b := authcore.Browser{Client: authcore.Client{IP: netip.MustParseAddr(someone)}, Flow: flow}
	_, err = s.before.StartEmail(ctx, authcore.StartEmail{Address: user, Browser: b})
	s.must(err)
	got, err := s.before.VerifyCode(ctx, s.code(), b)
	s.must(err)
	live, _, err := s.before.Current(ctx, []string{s.before.SessionCookie(s.before.Portal()) + "=" + got.Token.Reveal()})
	s.must(err)
	return live
}

// signIn gives a user a session on an app's host, by mail and hand-over, and
// answers its cookie. It happened before there were rules.
func (s *site) signIn(user, origin string) string {
	s.t.Helper()
	o, err := authcore.ParseOrigin(origin)
	s.must(err)
	a := s.before.App(o.Host)
	nonce, err := s.before.NewToken()
	s.must(err)
	handed, err := s.before.RedeemTicket(context.Background(), a, s.ticket(s.live(user), a, nonce), nonce, authcore.Client{})
	s.must(err)
	return s.before.SessionCookie(o) + "=" + handed.Token.Reveal()
}

// ticket is what the portal sends a browser back to an app with.
func (s *site) ticket(live *authcore.Live, a *authcore.App, nonce authcore.Token) string {
	s.t.Helper()
	sealed, err := s.before.SealReturn(a, authcore.Return{Path: "/page"}, nonce)
	s.must(err)
	back, a := s.before.OpenReturn(sealed)
	target, err := s.before.IssueTicket(context.Background(), live, back, a)
	s.must(err)
	_, ticket, ok := strings.Cut(target, "/.auth/callback?ticket=")
	if !ok {
		s.t.Fatalf("the hand-over leads to %q", target)
	}
	return ticket
}

// code is the one in the newest mail.
func (s *site) code() (code string) {
	s.t.Helper()
	s.must(s.db.View(context.Background(), func(tx store.Tx) error {
		list, err := tx.ListMessages("", "", 1000)
		for _, m := range list {
			secrets, err := s.rt.OpenSecrets(m)
			if err != nil {
				return err
			}
			if code = secrets[authcore.SecretCode]; code != "" {
				break
			}
		}
		return err
	}))
	return code
}

// question is what a browser or program sent to a proxy.
type question struct {
	method string // "": GET
	origin string // "": appURL
	uri    string // "": /page?x=1
	header map[string]string
	cookie string
	from   string // X-Forwarded-For; "": someone; "-": none
}

func (q question) or() question {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&q.method, http.MethodGet)
	set(&q.origin, appURL)
	set(&q.uri, "/page?x=1")
	set(&q.from, someone)
	return q
}

// in is the check request that a proxy of this kind makes of it.
func (q question) in(kind forwardauth.Kind) *http.Request {
	q = q.or()
	scheme, host, _ := strings.Cut(q.origin, "://")
	method, target, name, h := http.MethodGet, kind.Endpoint(), "decider.internal:9080", http.Header{}
	for k, v := range q.header {
		h.Set(k, v)
	}
	if q.cookie != "" {
		h.Set("Cookie", q.cookie)
	}
	if q.from != "-" {
		h.Set("X-Forwarded-For", q.from)
	}
	switch kind {
	case forwardauth.Traefik, forwardauth.Caddy:
		for k, v := range map[string]string{"Method": q.method, "Proto": scheme, "Host": host, "Uri": q.uri} {
			h.Set("X-Forwarded-"+k, v)
		}
	case forwardauth.Nginx, forwardauth.HAProxy:
		h.Set("X-Original-Method", q.method)
		h.Set("X-Original-URL", q.origin+q.uri)
	case forwardauth.Envoy:
		h.Set("X-Forwarded-Proto", scheme)
		method, target, name = q.method, target+q.uri, host
	}
	return check(kind, method, target, name, h)
}

// check makes a request without any parser that could repair it.
func check(kind forwardauth.Kind, method, target, host string, h http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Method, r.RequestURI, r.Host, r.Header = method, target, host, h
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	r.RemoteAddr = callers[kind] + ":40000"
	return r
}

// answer is what the proxy got.
type answer struct {
	*http.Response
	body string
}

func send(t testing.TB, h http.Handler, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// ask sends a question and holds every answer to what every answer keeps.
func (s *site) ask(kind forwardauth.Kind, q question) answer {
	s.t.Helper()
	return s.keeps(kind, send(s.t, s.h, q.in(kind)))
}

// keeps are the promises of every answer: FA-8, FA-9.
func (s *site) keeps(kind forwardauth.Kind, a answer) answer {
	s.t.Helper()
	if got := a.Header["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		s.t.Errorf("%s: %d with Cache-Control %q", kind, a.StatusCode, got)
	}
	for _, name := range []string{"Etag", "Last-Modified"} {
		if a.Header.Get(name) != "" {
			s.t.Errorf("%s: %d has %s", kind, a.StatusCode, name)
		}
	}
	bare := kind == forwardauth.Nginx || kind == forwardauth.HAProxy
	if bare && (a.body != "" || a.Header.Get("Content-Length") != "0" || a.StatusCode != 200 && a.StatusCode != 401 && a.StatusCode != 403) {
		s.t.Errorf("%s: %d with body %q", kind, a.StatusCode, a.body)
	}
	if a.StatusCode == http.StatusOK {
		return a
	}
	if a.StatusCode < 300 {
		s.t.Errorf("%s: %d lets the request in", kind, a.StatusCode)
	}
	for name := range a.Header {
		if strings.HasPrefix(name, "Remote-") || strings.HasPrefix(name, "X-Envoy") || name == "X-Webauth-User" || name == "Authorization" {
			s.t.Errorf("%s: %d tells of identity: %s", kind, a.StatusCode, name)
		}
	}
	return a
}
