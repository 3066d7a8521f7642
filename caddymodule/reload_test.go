package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

// shares is how many configurations hold the site's store.
func (s *site) shares(t *testing.T) int {
	t.Helper()
	key, err := storeIdentity(filepath.Join(s.dir, "data", "auth.db"))
	if err != nil {
		t.Fatal(err)
	}
	n, _ := runtimes.References(key)
	return n
}

// settles checks that one configuration is left, the one that answers.
func (s *site) settles(t *testing.T) {
	t.Helper()
	eventually(t, "a single share of the store", func() bool { return s.shares(t) == 1 })
	app := running(t)
	if got := app.lease.value.newest(); got == nil || got != app.current.Load() {
		t.Error("streams, housekeeping and commands follow another configuration")
	}
}

// badReloads are configurations that fail, each at a later step.
func badReloads(t *testing.T, s *site) map[string]struct{ caddyfile, want string } {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	locked := filepath.Join(t.TempDir(), "auth.db")
	db, err := bolt.Open(locked, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	good := s.caddyfile()
	t.Setenv("TEST_OTHER_KEY", testSecret)
	return map[string]struct{ caddyfile, want string }{
		"a host is missing":    {good + ":1 {\npasswordless_guard\n}\n", "matches any host"},
		"another module fails": {good + "b.example.test:" + s.port + " {\ntls /nowhere.pem /nowhere.key\n}\n", "nowhere.pem"},
		"the port is taken":    {good + "http://c.localhost:" + ln.Addr().String()[len("127.0.0.1:"):] + " {\nrespond hi\n}\n", "address already in use"},
		"a locked database":    {strings.ReplaceAll(good, s.dir+"/data/auth.db", locked), "in use by another process"},
		"another root key":     {strings.Replace(good, "passwordless {\n", "passwordless {\nroot_key {env.TEST_OTHER_KEY}\n", 1), "root_key: it is not the one"},
		"a broken root key":    {strings.Replace(good, "passwordless {\n", "passwordless {\nroot_key {file./nowhere}\n", 1), "root_key: "},
	}
}

// STYLE 10: whatever fails, the running configuration keeps its store.
func TestReload_FailingAtAnyStepLeavesTheRunningOne(t *testing.T) {
	s := newSite(t, "", "")
	c := s.client(t, "h1")
	for name, bad := range badReloads(t, s) {
		t.Run(name, func(t *testing.T) {
			raw, err := adapt(t, bad.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			for range 4 { // Caddy starts apps in an order that differs from time to time
				if err := caddy.Load(raw, true); err == nil || !strings.Contains(err.Error(), bad.want) {
					t.Fatalf("error %v, want %q", err, bad.want)
				}
				s.settles(t)
				if running(t) != s.app {
					t.Fatal("another configuration runs")
				}
				if status, err := s.get(c); err != nil || status != http.StatusOK {
					t.Fatalf("status %d, %v", status, err)
				}
			}
		})
	}
}

// DESIGN §13: 50 reloads under load fail no GET and sign nobody out.
func TestReload_FiftyUnderLoad(t *testing.T) {
	s := newSite(t, "", "")
	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	var users sync.WaitGroup
	for i := range 4 {
		c := s.client(t, []string{"h1", "h2"}[i%2])
		users.Go(func() {
			for ctx.Err() == nil {
				if status, err := s.get(c); err != nil || status != http.StatusOK {
					t.Errorf("status %d, %v", status, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	var bad [][]byte
	for _, b := range badReloads(t, s) {
		raw, err := adapt(t, b.caddyfile)
		if err != nil {
			t.Fatal(err)
		}
		bad = append(bad, raw)
	}
	for i := range 50 {
		if i%2 == 1 {
			if err := caddy.Load(bad[i/2%len(bad)], true); err == nil {
				t.Fatal("a bad configuration was loaded")
			}
			continue
		}
		s.guard = fmt.Sprintf("deny user:nobody%d", i)
		s.reload(t)
	}
	stop()
	users.Wait()
	s.settles(t)
	if asked.Load() < 50 {
		t.Errorf("only %d requests were asked", asked.Load())
	}
}

// get asks for a page as browsers and balancers do: a connection that is gone
// before an answer began is tried again. Each reload of Caddy breaks some that
// are being made, with us or without: the kernel resets what the old listener
// had not accepted, and TLS handshakes end with the configuration.
func (s *site) get(c *http.Client) (status int, err error) {
	for end := time.Now().Add(time.Second); err == nil || time.Now().Before(end); {
		var req *http.Request
		if req, err = http.NewRequest(http.MethodGet, "https://app.example.test:"+s.port+"/", nil); err != nil {
			return 0, err
		}
		req.Header.Set("Cookie", s.cookie)
		var res *http.Response
		if res, err = c.Do(req); err != nil {
			continue
		}
		_, err = io.Copy(io.Discard, res.Body)
		return res.StatusCode, errors.Join(err, res.Body.Close())
	}
	return 0, err
}

// A configuration that nobody signs in at gives the store back.
func TestReload_WithoutAGuardClosesTheStore(t *testing.T) {
	s := newSite(t, "", "")
	s.unguarded = true
	s.reload(t)
	eventually(t, "the end of the store", func() bool { return s.shares(t) == 0 })
	if s.app.current.Load() != nil || s.app.lease != nil {
		t.Error("the app is not idle")
	}
	db, err := bolt.Open(filepath.Join(s.dir, "data", "auth.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(s.dir, "data", socketName)); !os.IsNotExist(err) {
		t.Errorf("the socket: %v", err)
	}
	s.unguarded = false
	s.reload(t)
	if status, err := s.get(s.client(t, "h1")); err != nil || status != http.StatusOK {
		t.Errorf("signed out by it: %d, %v", status, err)
	}
}

// Another database in the same directory takes over its socket.
func TestReload_ToAnotherDatabase(t *testing.T) {
	s := newSite(t, "", "")
	raw, err := adapt(t, strings.ReplaceAll(s.caddyfile(), "/data/auth.db", "/data/other.db"))
	if err != nil {
		t.Fatal(err)
	}
	load(t, raw)
	s.app = running(t)
	eventually(t, "the end of the first store", func() bool { return s.shares(t) == 0 })
	if status, err := s.get(s.client(t, "h1")); err != nil || status != http.StatusUnauthorized {
		t.Errorf("with a session of the other database: %d, %v", status, err)
	}
	var p adminPing
	if err := (&target{database: filepath.Join(s.dir, "data", "other.db")}).do(t.Context(), http.MethodGet, []string{"ping"}, nil, &p); err != nil || !strings.HasSuffix(p.Database, "other.db") {
		t.Errorf("%+v, %v", p, err)
	}
	s.reload(t)
	if status, err := s.get(s.client(t, "h1")); err != nil || status != http.StatusOK {
		t.Errorf("back at the first: %d, %v", status, err)
	}
}

// STYLE 11, FA-10: a request may come before the app is through with starting.
func TestGuard_AskedTooEarlyWaitsAndNeverPasses(t *testing.T) {
	passed := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		t.Error("passed")
		return nil
	})
	for name, tc := range map[string]struct {
		finish func(*App, context.CancelFunc)
		waits  time.Duration
	}{
		"it never starts":       {func(*App, context.CancelFunc) {}, readyWait},
		"it idles":              {func(a *App, _ context.CancelFunc) { close(a.ready) }, 0},
		"the client goes first": {func(_ *App, leave context.CancelFunc) { leave() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, h := range []func(*App) caddyhttp.MiddlewareHandler{
					func(a *App) caddyhttp.MiddlewareHandler { return &Guard{app: a} },
					func(a *App) caddyhttp.MiddlewareHandler { return &Portal{app: a} },
					func(a *App) caddyhttp.MiddlewareHandler { return &Limit{app: a} },
				} {
					a := &App{ready: make(chan struct{})}
					ctx, leave := context.WithCancel(t.Context())
					tc.finish(a, leave)
					req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://app.example.test/", nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Remote-User", "root")
					start := time.Now()
					err = h(a).ServeHTTP(nil, req, passed)
					var status caddyhttp.HandlerError
					if !errors.As(err, &status) || status.StatusCode != http.StatusServiceUnavailable {
						t.Errorf("error %v", err)
					}
					if waited := time.Since(start); waited != tc.waits {
						t.Errorf("waited %v, want %v", waited, tc.waits)
					}
					if _, ok := h(a).(*Guard); ok && req.Header.Get("Remote-User") != "" {
						t.Error("HD-1: error routes see the client's word") // they may lead to an app
					}
					leave()
				}
			})
		})
	}
}

// A configuration that failed to start may hold requests that came to it in
// between. The one that goes on running decides about them.
func TestGuard_OfAFailedConfigurationAsksTheRunningOne(t *testing.T) {
	s := newSite(t, "", "")
	failed := &App{ready: make(chan struct{})}
	close(failed.ready)
	g := &Guard{app: failed, policy: s.app.bound[0].Guards[0].policy}
	for _, tc := range []struct {
		host, cookie string
		status       int
	}{
		{"app.example.test", s.cookie, http.StatusOK},
		{"app.example.test", "", http.StatusUnauthorized},
		{"new.example.test", s.cookie, http.StatusForbidden},
	} {
		req := httptest.NewRequest(http.MethodGet, "https://"+tc.host+"/", nil)
		req.Header.Set("Cookie", tc.cookie)
		w := httptest.NewRecorder()
		passed := false
		err := g.ServeHTTP(w, req, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			passed = true
			return nil
		}))
		if err != nil || w.Code != tc.status || passed != (tc.status == http.StatusOK) {
			t.Errorf("%+v: %d, passed %v, %v", tc, w.Code, passed, err)
		}
	}
}

// DESIGN §2: another root key costs JWTs, not sessions; but a reload to it is
// refused, because the open store goes on with the old one.
func TestStart_SessionsSurviveAnotherRootKey(t *testing.T) {
	s := newSite(t, "", "")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the store", func() bool { return s.shares(t) == 0 })
	t.Setenv("TEST_OTHER_KEY", testSecret)
	raw, err := adapt(t, strings.Replace(s.caddyfile(), "passwordless {\n", "passwordless {\nroot_key {env.TEST_OTHER_KEY}\n", 1))
	if err != nil {
		t.Fatal(err)
	}
	load(t, raw)
	if status, err := s.get(s.client(t, "h1")); err != nil || status != http.StatusOK {
		t.Errorf("signed out: %d, %v", status, err)
	}
}

// The demo lets anybody register, so its database is nobody else's.
func TestDemoMark_KeepsDatabasesApart(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) store.Store {
		db, err := bolt.Open(filepath.Join(dir, name), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	demo, used := open("demo.db"), open("used.db")
	if err := used.Update(t.Context(), func(tx store.Tx) error { return tx.PutKey(&store.Key{ID: "k"}) }); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		db   store.Store
		demo bool
		want string
	}{{demo, true, ""}, {demo, true, ""}, {demo, false, "made by the demo"}, {used, false, ""}, {used, true, "no demo's database"}, {used, false, ""}} {
		err := checkDemoMark(t.Context(), step.db, step.demo, "x.db")
		if (step.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("step %d: %v, want %q", i, err, step.want)
		}
	}
	if _, err := authcore.RemoveSigningKeys(t.Context(), used, rand.Reader, time.Now(), operator); err != nil { // keys rotate --now, while it is off
		t.Fatal(err)
	}
	if err := checkDemoMark(t.Context(), used, true, "x.db"); err == nil {
		t.Error("a database whose keys were removed is the demo's to take")
	}
	if err := (&process{demo: true}).admits(new(App)); err == nil {
		t.Error("a reload turned a demo into a server")
	}
	if err := (&process{key: authcore.RootKey{1}, given: true}).admits(new(App)); err == nil {
		t.Error("a reload went on without the root key that was configured")
	}
}
