package authcore

import (
	"errors"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestSession_AnyChangedByteSignsNobodyIn_SE1(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	if !f.allowed(appHost, app) {
		t.Fatal("the app session does not work")
	}
	for i := range len(app) {
		for _, bit := range []byte{1, 2, 32, 128} {
			changed := []byte(app.Reveal())
			changed[i] ^= bit
			if d := f.check(appHost, "/", Token(changed)); d.Verdict != SignIn || d.Identity != nil {
				t.Fatalf("byte %d xor %d is taken for %v", i, bit, d.Identity)
			}
			changed = []byte(got.Token.Reveal())
			changed[i] ^= bit
			if f.live(Token(changed)) != nil {
				t.Fatalf("byte %d xor %d is a root session", i, bit)
			}
		}
	}
	for _, alias := range []string{app.Reveal() + "=", app.Reveal()[:42], "%" + app.Reveal(), `"` + app.Reveal() + `"`, app.Reveal() + "A"} {
		if f.allowed(appHost, Token(alias)) {
			t.Errorf("%q is an alias of the token", alias)
		}
	}
}

func TestSession_TwoCookiesAreNone_CK2(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	twice := append(f.cookies(f.app(appHost).Origin, app), f.cookies(f.app(appHost).Origin, app)...)
	if d := f.s.Check(f.ctx(), &Request{Host: appHost, Path: "/", Here: "/", Cookies: twice}); d.Verdict != SignIn || d.Cookie == 0 {
		t.Errorf("decision is %+v", d)
	}
	l, status, err := f.s.Current(f.ctx(), append(f.cookies(f.s.Portal(), got.Token), f.cookies(f.s.Portal(), got.Token)...))
	if l != nil || status == 0 || err != nil {
		t.Errorf("two root cookies are %v, status %v, %v", l, status, err)
	}
	if l, _, _ := f.s.Current(f.ctx(), []string{"passwordless=" + got.Token.Reveal()}); l != nil {
		t.Error("CK-1: on https an unprefixed name is taken")
	}
}

func TestSession_SignInReplacesTheOneBefore_SE2(t *testing.T) {
	f := newFixture(t)
	b, first := f.signIn(alice)
	child := f.handOver(b.Session, appHost)
	m := f.start(bob, b)
	v, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.must(err)
	if f.live(first.Token) != nil || f.allowed(appHost, child) {
		t.Error("the session before, or its child, is still good")
	}
	if l := f.live(v.Token); l == nil || l.User.Email != bob {
		t.Error("the new session is not bob's")
	}
}

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

func (f *fixture) sessions(addr string) (list []*store.Session) {
	f.t.Helper()
	u := f.user(addr)
	f.must(f.store.View(f.ctx(), func(tx store.Tx) (err error) {
		list, err = tx.SessionsOf(u.ID)
		return err
	}))
	return list
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

func TestSession_EndsAtOnceWithItsRoot_SE4(t *testing.T) {
	for name, end := range map[string]func(f *fixture, b Browser) error{
		"sign out":   func(f *fixture, b Browser) error { return f.s.SignOut(f.ctx(), b.Session, Client{}) },
		"everywhere": func(f *fixture, b Browser) error { return f.s.SignOutScope(f.ctx(), b.Session, "all", Client{}) },
		"by its owner": func(f *fixture, b Browser) error {
			return f.s.RevokeDevice(f.ctx(), b.Session.User, b.Session.Session.ID, Client{})
		},
		"by an operator": func(f *fixture, b Browser) error { return f.s.RevokeSession(f.ctx(), "cli", b.Session.Session.ID) },
		"user disabled":  func(f *fixture, _ Browser) error { return f.s.DisableUser(f.ctx(), "cli", alice) },
		"user deleted":   func(f *fixture, _ Browser) error { return f.s.DeleteUser(f.ctx(), "cli", alice) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice, "staff")
			b, got := f.signIn(alice)
			app, wiki := f.handOver(b.Session, appHost), f.handOver(b.Session, wikiHost)
			api := f.apiSignIn(alice, "spa")
			if !f.allowed(appHost, app) || !f.allowed(wikiHost, wiki) || f.live(got.Token) == nil { // all are cached now
				t.Fatal("the sessions do not work")
			}
			f.must(end(f, b))
			if f.allowed(appHost, app) || f.allowed(wikiHost, wiki) || f.live(got.Token) != nil {
				t.Error("a session is good after its end")
			}
			_, err := f.s.Refresh(f.ctx(), api.Refresh.Reveal(), Client{})
			whole := name == "everywhere" || name == "user disabled" || name == "user deleted"
			if r, refused := AsRefusal(err); whole && (!refused || r.Reason != TokenInvalid) {
				t.Errorf("the refresh token gave %v", err)
			} else if !whole && err != nil {
				t.Errorf("an API session ended with a browser's: %v", err)
			}
			if len(f.audit(evSessionRevoked)) == 0 && name != "user deleted" {
				t.Error("the audit log does not know")
			}
		})
	}
}

func TestSession_SignOutFindsASessionThatWasRotatedMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.keySignIn(k)
	c, err := f.s.BeginStepUp(f.ctx(), b)
	f.must(err)
	token, err := f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
	f.must(err)
	f.must(f.s.SignOut(f.ctx(), b.Session, Client{})) // b.Session is from before
	if f.live(token) != nil {
		t.Error("the session signed out under its old token lives on under the new")
	}
}

func TestSession_SignOutOthersKeepsThisOneAndItsChildren(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	other, otherGot := f.signIn(alice)
	mine, theirs := f.handOver(b.Session, appHost), f.handOver(other.Session, appHost)
	f.allowed(appHost, mine)
	f.allowed(appHost, theirs)
	f.must(f.s.SignOutScope(f.ctx(), b.Session, "others", Client{}))
	if f.allowed(appHost, theirs) || f.live(otherGot.Token) != nil {
		t.Error("another session is still good")
	}
	if !f.allowed(appHost, mine) || f.live(got.Token) == nil {
		t.Error("this one ended too")
	}
	f.refused(f.s.SignOutScope(f.ctx(), b.Session, "root", Client{}), NotFound)
}

func TestSession_AppSignOutEndsThatHostOnly(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	b, got := f.signIn(alice)
	app, wiki := f.handOver(b.Session, appHost), f.handOver(b.Session, wikiHost)
	d := f.check(appHost, "/", app)
	f.must(f.s.SignOutApp(f.ctx(), &d, Client{}))
	if f.allowed(appHost, app) {
		t.Error("the app session is still good")
	}
	if !f.allowed(wikiHost, wiki) || f.live(got.Token) == nil {
		t.Error("an app ended more than its own session")
	}
	f.must(f.s.SignOutApp(f.ctx(), &d, Client{}))
	f.must(f.s.SignOutApp(f.ctx(), &Decision{}, Client{}))
}

func TestSession_CapEvictsTheOneSeenLongestAgo_SE10(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SessionsPerUser = 3 })
	var tokens []Token
	var roots []Browser
	for range 3 {
		b, got := f.signIn(alice)
		tokens, roots = append(tokens, got.Token), append(roots, b)
		f.clock.advance(time.Minute)
	}
	child := f.handOver(roots[1].Session, appHost)
	f.allowed(appHost, child)
	f.live(tokens[0]) // the oldest is used again
	f.must(f.rt.flush(f.ctx()))
	f.clock.advance(time.Minute)
	f.handOver(roots[2].Session, appHost)
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { // the second is the one seen longest ago
		s, err := tx.SessionByID(roots[1].Session.Session.ID)
		if err != nil {
			return err
		}
		s.LastSeen = s.CreatedAt
		return tx.PutSession(s)
	}))
	_, got := f.signIn(alice)
	if f.live(tokens[1]) != nil || f.allowed(appHost, child) {
		t.Error("the session seen longest ago, or its child, survived the cap")
	}
	for i, token := range []Token{tokens[0], tokens[2], got.Token} {
		if f.live(token) == nil {
			t.Errorf("session %d ended", i)
		}
	}
}

func TestDevices_AreOnesOwn_AD2(t *testing.T) {
	f := newFixture(t)
	a, gotA := f.signIn(alice)
	e, _ := f.signIn(eve)
	f.handOver(a.Session, appHost)
	f.apiSignIn(alice, "cli")
	list, err := f.s.Devices(f.ctx(), a.Session.User, a.Session.Session)
	f.must(err)
	current := 0
	for _, d := range list {
		if d.Session.Kind == store.AppSession || d.Session.UserID != a.Session.User.ID {
			t.Errorf("listed is %+v", d.Session)
		}
		if d.Current {
			current++
			if len(d.Apps) != 1 || d.Apps[0] != appHost {
				t.Errorf("its apps are %v", d.Apps)
			}
		}
	}
	if len(list) != 2 || current != 1 {
		t.Errorf("%d devices, %d of them this one", len(list), current)
	}
	f.refused(f.s.RevokeDevice(f.ctx(), e.Session.User, a.Session.Session.ID, Client{}), NotFound)
	f.refused(f.s.RevokeDevice(f.ctx(), e.Session.User, "nothing", Client{}), NotFound)
	if f.live(gotA.Token) == nil {
		t.Error("somebody else ended the session")
	}
}

func TestSession_RecordsHoldNoToken_SE1(t *testing.T) {
	f := newFixture(t)
	b, got := f.signIn(alice)
	f.handOver(b.Session, appHost)
	for _, s := range f.sessions(alice) {
		if string(s.Hash[:]) == got.Token.Reveal() || s.ID == got.Token.Reveal() {
			t.Error("a record holds a token")
		}
	}
	err := f.store.View(f.ctx(), func(tx store.Tx) error {
		var raw store.Hash
		copy(raw[:], got.Token.Reveal())
		_, err := tx.Session(raw)
		return err
	})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a session is stored under its token: %v", err)
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
