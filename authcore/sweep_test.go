package authcore

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// How long sessions live, and how their use is noted.

func TestSession_IdleAndAbsoluteLimits_SE3(t *testing.T) {
	f := newFixture(t)
	idle, absolute := f.s.cfg.SessionIdle, f.s.cfg.SessionAbsolute
	_, got := f.signIn(alice)
	f.clock.advance(idle)
	if f.live(got.Token) == nil {
		t.Error("at the idle limit the session is over")
	}
	f.clock.advance(idle + time.Second)
	if f.live(got.Token) != nil {
		t.Error("past the idle limit the session is good")
	}

	_, got = f.signIn(alice)
	for spent := time.Duration(0); spent+idle/2 <= absolute; spent += idle / 2 {
		f.clock.advance(idle / 2)
		if f.live(got.Token) == nil {
			t.Fatalf("after %v of steady use the session is over", spent+idle/2)
		}
		f.must(f.rt.flush(f.ctx()))
	}
	f.clock.advance(time.Second)
	if f.live(got.Token) != nil {
		t.Error("use slid the session past its absolute limit")
	}
}

func TestSession_LimitsFollowTheConfiguration_SE3(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	f.allowed(appHost, app)
	f.clock.advance(2 * time.Hour)
	f.reload(portalConfig(t, func(c *Config) { c.SessionIdle = time.Hour }))
	if f.live(got.Token) != nil || f.allowed(appHost, app) {
		t.Error("a cached session outlives a shorter limit")
	}
}

func TestSession_SlidingIsKeptInMemoryAndFlushed(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	f.allowed(appHost, app)
	before := f.updates.Load()
	for range 10 {
		f.clock.advance(time.Hour)
		if !f.allowed(appHost, app) {
			t.Fatal("the session is over")
		}
	}
	if f.updates.Load() != before {
		t.Error("a check wrote to the store")
	}
	f.must(f.rt.flush(f.ctx()))
	for _, sess := range f.sessions(alice) {
		if f.s.Now().Sub(sess.LastSeen) > time.Second {
			t.Errorf("the %s session was last seen %v ago; using the child keeps its root alive", sess.Kind, f.s.Now().Sub(sess.LastSeen))
		}
		if end := f.s.expires(sess); !sess.Expires.Equal(end) {
			t.Errorf("expires is %v instead of %v", sess.Expires, end)
		}
	}
}

func TestSession_ChildKeepsItsRootAlive(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	for range 5 { // past the idle limit of the root, which is not used itself
		f.clock.advance(f.s.cfg.SessionIdle / 2)
		if !f.allowed(appHost, app) {
			t.Fatal("the app session is over")
		}
		f.must(f.rt.flush(f.ctx()))
	}
	if f.live(got.Token) == nil {
		t.Error("whoever used the app all day is signed out at the portal")
	}
}

func TestSession_LateTouchRevivesNothing_SE3(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	f.allowed(appHost, app)
	late := f.clock.now().Add(f.s.cfg.SessionIdle + time.Second)
	hash := app.Hash()
	f.rt.cache.Touch(&hash, late.Unix())
	f.clock.advance(f.s.cfg.SessionIdle + time.Second)
	f.must(f.rt.flush(f.ctx()))
	f.rt.cache.Flush()
	if f.allowed(appHost, app) || f.live(got.Token) != nil {
		t.Error("a session that had idled out came back")
	}
}

func TestSession_TouchesOutlastAStoreThatFails(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	f.allowed(appHost, app)
	f.clock.advance(time.Hour)
	f.allowed(appHost, app)
	f.setFault(alwaysFail)
	if err := f.rt.flush(f.ctx()); err == nil {
		t.Fatal("the flush did not fail")
	}
	f.setFault(nil)
	f.must(f.rt.flush(f.ctx()))
	f.clock.advance(f.s.cfg.SessionIdle - time.Minute)
	f.rt.cache.Flush()
	if !f.allowed(appHost, app) || f.live(got.Token) == nil {
		t.Error("a failed flush lost the use of a session")
	}
}

func TestSweep_LeavesASessionWhoseUseIsNotYetWritten(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	f.allowed(appHost, app)
	f.clock.advance(f.s.cfg.SessionIdle - time.Second)
	if !f.allowed(appHost, app) {
		t.Fatal("the session is over")
	}
	f.clock.advance(flushEvery)
	f.must(f.rt.sweep(f.ctx()))
	f.must(f.rt.flush(f.ctx()))
	f.rt.cache.Flush()
	if !f.allowed(appHost, app) {
		t.Error("the sweep took a session that was used half a minute ago")
	}
	f.clock.advance(f.s.cfg.SessionIdle + time.Hour)
	f.must(f.rt.sweep(f.ctx()))
	if left := f.sessions(alice); len(left) != 0 {
		t.Errorf("%d expired sessions stay", len(left))
	}
}

func TestSession_ChildIsJudgedByItsRootToo(t *testing.T) {
	for name, change := range map[string]func(root *store.Session){
		"idle":      func(root *store.Session) { root.LastSeen = root.LastSeen.Add(-25 * time.Hour) },
		"absolute":  func(root *store.Session) { root.CreatedAt = root.CreatedAt.AddDate(0, -2, 0) },
		"old epoch": func(root *store.Session) { root.Epoch-- },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			b, _ := f.signIn(alice)
			app := f.handOver(b.Session, appHost)
			f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
				root, err := tx.SessionByID(b.Session.Session.ID)
				if err != nil {
					return err
				}
				change(root)
				return tx.PutSession(root)
			}))
			if f.allowed(appHost, app) {
				t.Error("an app session outlives its root")
			}
		})
	}
}

func TestHandOver_IsAUseOfTheRoot(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	nonce, _ := f.s.NewToken()
	f.clock.advance(f.s.cfg.SessionIdle - time.Minute)
	if _, err := f.s.RedeemTicket(f.ctx(), f.app(appHost), f.ticket(b.Session, appHost, nonce), nonce, Client{}); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(time.Hour)
	if f.live(got.Token) == nil {
		t.Error("the root idled out an hour after it opened an app")
	}
}
