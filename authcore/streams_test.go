package authcore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// watched is a live stream and whether it was cut.
type watched struct {
	cut     atomic.Int32
	release func()
}

func (f *fixture) watch(host, path string, token Token) *watched {
	f.t.Helper()
	return f.watchRequest(Request{Host: host, Path: path, Here: path, Cookies: f.cookies(f.app(host).Origin, token)})
}

func (f *fixture) watchRequest(r Request) *watched {
	f.t.Helper()
	w := &watched{}
	d := f.s.Check(f.ctx(), &r)
	release, ok := f.s.Watch(f.ctx(), r, &d, func() { w.cut.Add(1) })
	if !ok {
		f.t.Fatal("the stream may not start")
	}
	w.release = release
	return w
}

func TestStream_IsCutBeforeTheChangeIsAnswered(t *testing.T) {
	for name, end := range map[string]func(f *fixture, b Browser) error{
		"sign out":       func(f *fixture, b Browser) error { return f.s.SignOut(f.ctx(), Browser{Session: b.Session}) },
		"by an operator": func(f *fixture, b Browser) error { return f.s.RevokeSession(f.ctx(), "cli", b.Session.Session.ID) },
		"disabled":       func(f *fixture, _ Browser) error { return f.s.DisableUser(f.ctx(), "cli", alice) },
		"deleted":        func(f *fixture, _ Browser) error { return f.s.DeleteUser(f.ctx(), "cli", alice) },
		"group taken":    func(f *fixture, _ Browser) error { return f.s.SetGroups(f.ctx(), "cli", alice, nil) },
		"app signed out": func(f *fixture, b Browser) error {
			for _, s := range f.sessions(alice) {
				if s.RootID == b.Session.Session.ID {
					return f.s.RevokeDevice(f.ctx(), b.Session.User, s.ID, Client{})
				}
			}
			return errors.New("no app session")
		},
		"policy": func(f *fixture, _ Browser) error {
			f.reload(portalConfig(f.t, func(c *Config) { c.Apps[1] = appAt(f.t, wikiOrigin, PolicySpec{Allow: lines1("user:eve")}) }))
			return nil
		},
		"host removed": func(f *fixture, _ Browser) error {
			f.reload(portalConfig(f.t, func(c *Config) { c.Apps = c.Apps[:1] }))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice, "staff")
			f.addUser(bob, "staff")
			b, _ := f.signIn(alice)
			other, _ := f.signIn(bob)
			w := f.watch(wikiHost, "/", f.handOver(b.Session, wikiHost))
			theirs := f.watch(wikiHost, "/", f.handOver(other.Session, wikiHost))
			f.must(end(f, b))
			if w.cut.Load() == 0 {
				t.Error("the stream goes on")
			}
			if whole := name == "policy" || name == "host removed"; !whole && theirs.cut.Load() != 0 {
				t.Error("somebody else's stream was cut")
			}
		})
	}
}

func TestStream_LivesThroughWhatDoesNotConcernIt(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	b, _ := f.signIn(alice)
	w := f.watch(wikiHost, "/", f.handOver(b.Session, wikiHost))
	public := f.watch(wikiHost, "/healthz", "")
	f.reload(portalConfig(t))
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"staff", "more"}))
	f.breakViews(errors.New("disk on fire"))
	f.rt.cache.Flush()
	f.rt.streams.recheckAll()
	f.breakViews(nil)
	if w.cut.Load() != 0 || public.cut.Load() != 0 {
		t.Error("a stream was cut")
	}
	w.release()
	f.must(f.s.DisableUser(f.ctx(), "cli", alice))
	if w.cut.Load() != 0 {
		t.Error("a stream that is over was cut")
	}
}

func TestStream_OnAPathThatIsPublicNoMoreIsCut(t *testing.T) {
	f := newFixture(t)
	w := f.watch(wikiHost, "/healthz", "")
	f.reload(portalConfig(t, func(c *Config) { c.Apps[1] = appAt(t, wikiOrigin, PolicySpec{}) }))
	if w.cut.Load() == 0 {
		t.Error("the stream goes on")
	}
}

func TestStream_IdlesOutWithItsSession(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	w := f.watch(appHost, "/", f.handOver(b.Session, appHost))
	f.clock.advance(f.s.cfg.SessionIdle / 2)
	f.rt.streams.recheckAll()
	if w.cut.Load() != 0 {
		t.Error("the stream was cut early")
	}
	f.clock.advance(f.s.cfg.SessionIdle/2 + time.Second)
	f.rt.streams.recheckAll()
	if w.cut.Load() == 0 {
		t.Error("a stream keeps its own session alive")
	}
}

func TestStream_OfASessionThatEndedSinceTheCheckDoesNotStart(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	r := Request{Host: appHost, Path: "/", Here: "/", Cookies: f.cookies(f.app(appHost).Origin, f.handOver(b.Session, appHost))}
	d := f.s.Check(f.ctx(), &r)
	f.must(f.s.SignOut(f.ctx(), Browser{Session: b.Session}))
	if _, ok := f.s.Watch(f.ctx(), r, &d, func() {}); ok {
		t.Error("the stream starts")
	}
	if n := len(f.rt.streams.live); n != 0 {
		t.Errorf("%d streams are registered", n)
	}
}

func TestStream_KeepsItsOwnCopyOfTheCookies(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	r := Request{Host: appHost, Path: "/", Here: "/", Cookies: f.cookies(f.app(appHost).Origin, f.handOver(b.Session, appHost))}
	d := f.s.Check(f.ctx(), &r)
	var cut atomic.Bool
	if _, ok := f.s.Watch(f.ctx(), r, &d, func() { cut.Store(true) }); !ok {
		t.Fatal("the stream may not start")
	}
	r.Cookies[0] = "" // the guard takes our cookie out before the upstream gets the request
	f.rt.streams.recheckAll()
	if cut.Load() {
		t.Error("the stream lost its cookie")
	}
}

func TestRuntime_CloseCutsStreamsAndWritesWhatIsPending(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	w := f.watch(appHost, "/", app)
	f.clock.advance(time.Hour)
	f.allowed(appHost, app)
	updates := f.updates.Load()
	f.must(f.rt.Close())
	if w.cut.Load() == 0 {
		t.Error("the stream goes on")
	}
	if f.updates.Load() == updates {
		t.Error("last_seen was not written")
	}
	if f.check(appHost, "/", "").Verdict != SignIn || f.allowed(wikiHost, app) {
		t.Error("after Close somebody is let in")
	}
}

func TestRuntime_PanicInAWorkerIsContained_DS4(t *testing.T) {
	f := newFixture(t)
	f.rt.once(f.ctx(), "testing", func(context.Context) error { panic("boom") })
	if !contains(f.log.String(), "boom") {
		t.Error("the panic is not in the log")
	}
}
