package portal

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

const (
	portalURL = "https://auth.example.com"
	appURL    = "https://app.example.com"
	wikiURL   = "https://wiki.example.org" // another registrable domain; only staff
	ada       = "ada@example.com"          // staff
	bob       = "bob@example.com"          // not staff
	gone      = "gone@example.com"         // disabled
	nobody    = "nobody@example.com"       // unknown
)

// site is a whole installation: store, service, handler and the apps behind it.
type site struct {
	t   *testing.T
	db  store.Store
	rt  *authcore.Runtime
	svc *authcore.Service
	h   *Handler
	log *lockedLog

	config authcore.Config

	broken atomic.Bool // the store answers no more
	shown  *produced   // of the API's document, where a test asks for all of it

	astray func(*http.Request) // what a proxy in front makes of a request to an app

	mu  sync.Mutex
	now time.Time
}

var errDisk = errors.New("input/output error on /var/lib/auth.db")

func (s *site) onView(int) error {
	if s.broken.Load() {
		return errDisk
	}
	return nil
}

func (s *site) onUpdate(int) storetest.Fault {
	if s.broken.Load() {
		return storetest.FailBefore
	}
	return storetest.None
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

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

func origin(t *testing.T, s string) authcore.Origin {
	t.Helper()
	o, err := authcore.ParseOrigin(s)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func app(t *testing.T, o string, spec authcore.PolicySpec) authcore.App {
	t.Helper()
	p, err := authcore.CompilePolicy(spec)
	if err != nil {
		t.Fatal(err)
	}
	return authcore.App{Origin: origin(t, o), Policy: p}
}

// newSite is a portal with two apps; change edits its configuration.
func newSite(t *testing.T, change ...func(*authcore.Config)) *site {
	c := authcore.Config{
		Portal: origin(t, portalURL),
		Apps: []authcore.App{
			app(t, appURL, authcore.PolicySpec{At: "Caddyfile:3"}),
			app(t, wikiURL, authcore.PolicySpec{Allow: []authcore.Line{{Words: []string{"group:staff"}, At: "Caddyfile:17"}}}),
		},
		Requests: 100_000, Burst: 100_000,
	}
	return startSite(t, c, change...)
}

// newSidecar is one guarded host that serves sign-in itself.
func newSidecar(t *testing.T, change ...func(*authcore.Config)) *site {
	return startSite(t, authcore.Config{
		Apps:     []authcore.App{app(t, appURL, authcore.PolicySpec{Deny: []authcore.Line{{Words: []string{"user:" + bob}, At: "Caddyfile:5"}}})},
		Requests: 100_000, Burst: 100_000,
	}, change...)
}

func startSite(t *testing.T, c authcore.Config, change ...func(*authcore.Config)) *site {
	t.Helper()
	for _, f := range change {
		f(&c)
	}
	s := &site{t: t, db: bolttest.Open(t), log: &lockedLog{}, now: time.Now(), shown: &produced{seen: map[string]bool{}}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.rt, err = authcore.NewRuntime(t.Context(), authcore.RuntimeOptions{
		Store: storetest.Faulty(s.db, storetest.Faults{OnUpdate: s.onUpdate, OnView: s.onView}), RootKey: authcore.RootKey{1}, Now: s.clock, Rand: rand.Reader, Log: log,
	})
	s.must(err)
	t.Cleanup(func() {
		if err := s.rt.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	s.config = c
	s.reload(func(*authcore.Config) {})
	s.addUser(ada, "staff")
	s.addUser(bob)
	s.addUser(gone)
	s.must(s.svc.DisableUser(t.Context(), "cli", gone))
	return s
}

// reload serves with a changed configuration.
func (s *site) reload(change func(*authcore.Config)) {
	s.t.Helper()
	change(&s.config)
	var err error
	s.svc, err = authcore.NewService(s.rt, s.config)
	s.must(err)
	s.svc.Start()
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.h, err = New(Options{Service: s.svc, Brand: Brand{Name: "Example"}, Log: log, Health: healthy{}, Address: address})
	s.must(err)
}

type healthy struct{}

func (healthy) Mail() error    { return nil }
func (healthy) Clients() error { return nil }
func (healthy) Draining() bool { return false }

func address(r *http.Request) (client, peer netip.Addr) {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr(), a.Addr()
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) addUser(address string, groups ...string) {
	s.t.Helper()
	_, err := s.svc.AddUser(s.t.Context(), "cli", authcore.NewUser{Email: address, Groups: groups})
	s.must(err)
}

// ServeHTTP is the host switch that Caddy is: portal, guard, app.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	app := s.svc.App(r.Host)
	switch {
	case app == nil:
		if strings.HasPrefix(r.URL.Path, apiPrefix) {
			r = r.WithContext(WithRequestID(r.Context(), "request-7"))
		}
		s.h.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, authcore.ReservedPrefix+"/"):
		s.h.ServeApp(w, r, app)
	default:
		if s.astray != nil {
			s.astray(r)
		}
		q := authcore.Request{
			Host: r.Host, Path: r.URL.Path, Here: r.URL.Path, Method: r.Method, Client: s.h.client(r).IP, Cookies: r.Header["Cookie"],
		}
		q.SetAuthorization(r.Header)
		d := s.svc.Check(r.Context(), &q)
		if d.Verdict != authcore.Allow {
			s.h.Refuse(w, r, &d)
			return
		}
		if d.Identity != nil {
			_, _ = io.WriteString(w, "the app sees "+d.Identity.Email)
		}
	}
}

// mail is what a queued message carries.
type mail struct{ to, code, link string }

// mails lists what was queued, newest first.
func (s *site) mails() []mail {
	s.t.Helper()
	var out []mail
	s.must(s.db.View(context.Background(), func(tx store.Tx) error {
		out = nil
		list, err := tx.ListMessages("", "", 1000)
		for _, m := range list {
			if m.Kind == store.DecoyMessage {
				continue // nobody gets it
			}
			secrets, err := s.rt.OpenSecrets(m)
			if err != nil {
				return err
			}
			out = append(out, mail{m.To, secrets[authcore.SecretCode], secrets[authcore.SecretLink]})
		}
		return err
	}))
	return out
}

func (s *site) lastMail() mail {
	s.t.Helper()
	all := s.mails()
	if len(all) == 0 {
		s.t.Fatal("no mail was queued")
	}
	return all[0]
}

// records counts everything that a request could have stored.
type records struct {
	counts store.Counts
	takes  map[store.Kind]int64
}

func (s *site) records() records {
	s.t.Helper()
	out := records{takes: map[store.Kind]int64{}}
	s.must(s.db.View(context.Background(), func(tx store.Tx) (err error) {
		for _, k := range []store.Kind{
			store.KindFlow, store.KindLink, store.KindCeremony, store.KindTicket, store.KindInvite, store.KindRefresh, store.KindDevice,
			store.KindSecond, store.KindTOTP, store.KindAddress, store.KindNotice, store.KindRequest,
		} {
			if out.takes[k], err = tx.CountTakes(k); err != nil {
				return err
			}
		}
		out.counts, err = tx.Counts()
		return err
	}))
	return out
}

func (s *site) invite(address string) string {
	s.t.Helper()
	link, err := s.svc.Invite(s.t.Context(), "cli", authcore.NewUser{Email: address}, false)
	s.must(err)
	return link
}
