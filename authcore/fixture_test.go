package authcore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

// clock is a clock that only tests move. It starts near the real time, which
// the WebAuthn library reads for itself.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// draws is crypto/rand that, once kept is made, keeps what was drawn, and that
// fails when it is told to.
type draws struct {
	mu   sync.Mutex
	kept [][]byte
	left int   // reads that succeed before err
	err  error // nil: none fails
}

// failAt makes the nth read from now fail, counted from 0, and those after it.
func (d *draws) failAt(n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.err = n, err
}

func (d *draws) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		if d.left <= 0 {
			return 0, d.err
		}
		d.left--
	}
	n, err := rand.Read(p)
	if d.kept != nil {
		d.kept = append(d.kept, bytes.Clone(p))
	}
	return n, err
}

// lines collects log output.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const (
	portalOrigin = "https://auth.example.test"
	appOrigin    = "https://app.example.test"
	wikiOrigin   = "https://wiki.example.org"
	appHost      = "app.example.test"
	wikiHost     = "wiki.example.org" // group staff only; /healthz is public
	portalHost   = "auth.example.test"

	alice = "alice@example.com"
	bob   = "bob@example.com"
	eve   = "eve@example.com"
)

// fixture is a Runtime and Service over a real store, with a clock of its own
// and faults that tests switch on and off.
type fixture struct {
	t       testing.TB
	s       *Service
	rt      *Runtime
	store   store.Store // beneath the faults
	rootKey RootKey
	clock   *clock
	log     *lines
	rand    *draws
	updates atomic.Int64
	views   atomic.Int64
	fault   atomic.Pointer[func(n int) storetest.Fault] // asked with the number of the Update since it was set
	view    atomic.Pointer[func() error]
	since   atomic.Int64
	tokens  sync.Map // session hash → Token, of browsers that the fixture signed in
}

// newFixture is a portal with two apps and two API clients; change edits its
// configuration.
func newFixture(t testing.TB, change ...func(*Config)) *fixture {
	return fixtureAt(t, bolttest.Open(t), [32]byte{1}, portalConfig(t, change...))
}

// newSidecar is one guarded host that serves sign-in itself.
func newSidecar(t testing.TB, change ...func(*Config)) *fixture {
	c := Config{Apps: []App{appAt(t, "http://app.localhost:8080", PolicySpec{})}, Registration: Registration{Mode: "open"}}
	for _, f := range change {
		f(&c)
	}
	return fixtureAt(t, bolttest.Open(t), [32]byte{1}, c)
}

func portalConfig(t testing.TB, change ...func(*Config)) Config {
	c := Config{
		Portal: originOf(t, portalOrigin),
		Apps: []App{
			appAt(t, appOrigin, PolicySpec{At: "Caddyfile:3"}),
			appAt(t, wikiOrigin, PolicySpec{
				Public: []Line{{[]string{"/healthz"}, "Caddyfile:11"}},
				Allow:  []Line{{[]string{"group:staff"}, "Caddyfile:12"}},
				At:     "Caddyfile:10",
			}),
		},
		Registration: Registration{Mode: "open"},
		Clients: []APIClient{
			{ID: "spa", Title: "Example Web", Origins: []string{"https://spa.example.com"}},
			{ID: "cli", Title: "Example Tool", Audience: "https://api.example.com"},
		},
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func originOf(t testing.TB, s string) Origin {
	t.Helper()
	o, err := ParseOrigin(s)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func appAt(t testing.TB, origin string, spec PolicySpec) App {
	t.Helper()
	p, err := CompilePolicy(spec)
	if err != nil {
		t.Fatal(err)
	}
	return App{Origin: originOf(t, origin), Policy: p}
}

func fixtureAt(t testing.TB, s store.Store, key RootKey, c Config) *fixture {
	t.Helper()
	f := &fixture{t: t, store: s, rootKey: key, clock: &clock{t: time.Now()}, log: &lines{}, rand: &draws{}}
	rt, err := NewRuntime(t.Context(), RuntimeOptions{
		Store: storetest.Faulty(s, storetest.Faults{OnUpdate: f.onUpdate, OnView: f.onView}), RootKey: key,
		Now: f.clock.now, Rand: f.rand, Log: slog.New(slog.NewTextHandler(f.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.setFault(nil)
		if err := rt.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	f.rt, f.s = rt, newService(t, rt, c)
	return f
}

func newService(t testing.TB, rt *Runtime, c Config) *Service {
	t.Helper()
	s, err := NewService(rt, c)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s
}

// reload is a new configuration over the same Runtime.
func (f *fixture) reload(c Config) { f.s = newService(f.t, f.rt, c) }

func (f *fixture) onUpdate(int) storetest.Fault {
	f.updates.Add(1)
	if fault := f.fault.Load(); fault != nil {
		return (*fault)(int(f.since.Add(1)))
	}
	return storetest.None
}

func (f *fixture) onView(int) error {
	f.views.Add(1)
	if view := f.view.Load(); view != nil {
		return (*view)()
	}
	return nil
}

// setFault injects faults into the Updates that follow; nil ends it.
func (f *fixture) setFault(fault func(n int) storetest.Fault) {
	f.since.Store(0)
	if fault == nil {
		f.fault.Store(nil)
		return
	}
	f.fault.Store(&fault)
}

// breakViews makes every View fail with err; nil ends it.
func (f *fixture) breakViews(err error) {
	if err == nil {
		f.view.Store(nil)
		return
	}
	view := func() error { return err }
	f.view.Store(&view)
}

func (f *fixture) ctx() context.Context { return context.Background() }

func (f *fixture) app(host string) *App { return f.s.App(host) }

// must fails the test on an error.
func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// refused fails the test unless err is a refusal for the reason.
func (f *fixture) refused(err error, want Reason) *Refusal {
	f.t.Helper()
	r, ok := AsRefusal(err)
	if !ok || r.Reason != want {
		f.t.Fatalf("got %v, want the refusal %s", err, want)
	}
	return r
}

// wrong is a well-formed code that is not the given one.
func wrong(code string) string {
	last := code[len(code)-1]
	return code[:len(code)-1] + string('0'+(last-'0'+1)%10)
}

// race runs work 50 times at once and counts those that ended without error.
// Every error must be a refusal.
func (f *fixture) race(work func(i int) error) (won int) {
	f.t.Helper()
	const n = 50
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-gate
			errs[i] = work(i)
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
	for _, err := range errs {
		if _, refused := AsRefusal(err); err == nil {
			won++
		} else if !refused {
			f.t.Errorf("a loser got the error %v instead of a refusal", err)
		}
	}
	return won
}

func sprint(v any) string          { return fmt.Sprintf("%v %+v %#v", v, v, v) }
func contains(s, part string) bool { return strings.Contains(s, part) }
