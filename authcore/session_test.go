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

func (f *fixture) sessions(addr string) (list []*store.Session) {
	f.t.Helper()
	u := f.user(addr)
	f.must(f.store.View(f.ctx(), func(tx store.Tx) (err error) {
		list, err = tx.SessionsOf(u.ID)
		return err
	}))
	return list
}

func TestSession_EndsAtOnceWithItsRoot_SE4(t *testing.T) {
	for name, end := range map[string]func(f *fixture, b Browser) error{
		"sign out":   func(f *fixture, b Browser) error { return f.s.SignOut(f.ctx(), Browser{Session: b.Session}) },
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
			_, err := f.s.Refresh(f.ctx(), api.Refresh.Reveal(), "", Client{})
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

// A browser that signs out leaves nothing behind that signs it in again.
func TestSession_SignOutEndsWhatTheBrowserHadBegun_SE4(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b, _ := f.signIn(alice)
	m := f.start(alice, b)
	elsewhere := f.newBrowser()
	other := f.start(alice, elsewhere)
	f.must(f.s.SignOut(f.ctx(), b))
	b.Session = nil
	_, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.refused(err, FlowExpired)
	_, err = f.s.RedeemLink(f.ctx(), m.link, b)
	f.refused(err, LinkInvalid)
	_, err = f.s.VerifyCode(f.ctx(), other.code, elsewhere)
	f.must(err) // another browser's sign-in is its own
	f.refused(f.s.SignOut(f.ctx(), b), Unauthenticated)
}

func TestSession_SignOutFindsASessionThatWasRotatedMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.keySignIn(k)
	c, err := f.s.BeginStepUp(f.ctx(), b, false)
	f.must(err)
	token, err := f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
	f.must(err)
	f.must(f.s.SignOut(f.ctx(), Browser{Session: b.Session})) // b.Session is from before
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

// SE-5, SE-8: signing out everywhere ends the access tokens, and the mailbox alone
// does not where the account has more.
func TestSignOutScope_TheMailboxAloneLeavesAccessTokens(t *testing.T) {
	for _, scope := range []string{"others", "all"} {
		f := newFixture(t)
		b, _ := f.signIn(alice)
		token, _ := f.createToken(alice, "", 0)
		good := func() bool { return f.bearer(token).Verdict == Allow }
		k := f.addKey(b)
		mailed, _ := f.signIn(alice)
		f.must(f.s.SignOutScope(f.ctx(), mailed.Session, scope, Client{}))
		if f.live(f.tokenOf(b)) != nil || !good() {
			t.Errorf("%s by mail: the other session lives: %v, the token is good: %v", scope, f.live(f.tokenOf(b)) != nil, good())
		}
		mine := f.keySignIn(k)
		f.clock.advance(time.Hour) // however long ago
		f.must(f.s.SignOutScope(f.ctx(), mine.Session, scope, Client{}))
		if good() {
			t.Errorf("%s by passkey: the token is good", scope)
		}
	}
}
