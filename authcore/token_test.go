package authcore

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

func grantOf(t testing.TB, s string) Grant {
	t.Helper()
	g, err := ParseGrant(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// createToken makes a token for app.example.test and what else the grant says.
func (f *fixture) createToken(who, grant string, expires time.Duration) (AccessToken, *store.AccessToken) {
	f.t.Helper()
	token, rec, err := f.s.CreateToken(f.ctx(), "host", who, grantOf(f.t, strings.TrimSuffix("app="+appHost+","+grant, ",")), "backup", expires)
	f.must(err)
	return token, rec
}

// findsToken is the entry of a live token, or nil.
func (f *fixture) findsToken(token AccessToken) *tokenEntry {
	f.t.Helper()
	e, err := f.s.findToken(f.ctx(), token.Reveal())
	f.must(err)
	return e
}

// storedToken is the token's record, or nil.
func (f *fixture) storedToken(id string) (rec *store.AccessToken) {
	f.t.Helper()
	err := f.store.View(f.ctx(), func(tx store.Tx) (err error) {
		rec, err = tx.TokenByID(id)
		return err
	})
	if !errors.Is(err, store.ErrNotFound) {
		f.must(err)
	}
	return rec
}

// What people read as the app's address has its port; a token is for its host.
func TestToken_TakesTheAppsOwnPort(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		wild := appAt(t, "https://wild.example.test:8443", PolicySpec{})
		wild.Origin.Host = "*." + wild.Origin.Host
		c.Apps = append(c.Apps, appAt(t, "https://high.example.test:8443", PolicySpec{}), appAt(t, "http://plain.localhost", PolicySpec{}), wild)
	})
	b, _ := f.signIn(alice)
	for name, want := range map[string]string{
		appHost + ":443": appHost, "App.Example.Test.:443": appHost, "high.example.test": "high.example.test", "high.example.test:8443": "high.example.test",
		"plain.localhost:80": "plain.localhost", "x.wild.example.test:8443": "x.wild.example.test",
		appHost + ":8443": "", appHost + ":80": "", appHost + ":0443": "", "high.example.test:443": "", "plain.localhost:443": "", "x.wild.example.test:443": "", appHost + ":99999": "",
	} {
		for by, create := range map[string]func(Grant) (AccessToken, *store.AccessToken, error){
			"an operator": func(g Grant) (AccessToken, *store.AccessToken, error) {
				return f.s.CreateToken(f.ctx(), "host", alice, g, "", 0)
			},
			"its owner": func(g Grant) (AccessToken, *store.AccessToken, error) {
				return f.s.CreateOwnToken(f.ctx(), b.Session, g, "", 0, b.Client)
			},
		} {
			_, rec, err := create(grantOf(t, "app="+name))
			if want == "" {
				host, _, _ := strings.Cut(name, ":")
				if r := f.refused(err, NotFound); !strings.HasSuffix(r.Detail, "write its host without a port: "+host+".") {
					t.Errorf("%s by %s: %s", name, by, r.Detail)
				}
				continue
			}
			f.must(err)
			if rec.App != want {
				t.Errorf("%s by %s is a token for %s", name, by, rec.App)
			}
		}
	}
	_, _, err := f.s.CreateToken(f.ctx(), "host", alice, grantOf(t, "app=nothing.example.test:443"), "", 0)
	if r := f.refused(err, NotFound); !strings.Contains(r.Detail, "without a port, such as wiki.example.com") {
		t.Error(r.Detail)
	}
}

func TestToken_IsMadeAsGranted(t *testing.T) {
	f := newFixture(t)
	_, in := f.signIn(alice)
	token, rec, err := f.s.CreateToken(f.ctx(), "host", alice, grantOf(t, "app=App.example.test,path=/dav/*,methods=GET,networks=10.1.1.1/8"), " back\x00up ", time.Hour)
	f.must(err)
	if want := (&store.AccessToken{
		Hash: f.rt.tokenHash(token), ID: rec.ID, UserID: in.User.ID, Epoch: in.User.DeviceEpoch, Name: "backup", App: appHost, Path: "/dav/*",
		Methods: []string{"GET"}, Networks: []string{"10.0.0.0/8"}, CreatedBy: "host", CreatedAt: f.s.now(), Expires: f.s.now().Add(time.Hour),
	}); !reflect.DeepEqual(f.storedToken(rec.ID), want) || !reflect.DeepEqual(rec, want) {
		t.Errorf("stored is %+v, answered %+v, want %+v", f.storedToken(rec.ID), rec, want)
	}
	e := f.findsToken(token)
	if e == nil || e.identity.UserID != in.User.ID || e.app != appHost || e.hash != rec.Hash {
		t.Errorf("found is %+v", e)
	}
	if !e.admits("/dav/x", "/dav/x", "HEAD", mustAddr("10.2.2.2")) || e.admits("/dav/x", "/dav/x", "PUT", mustAddr("10.2.2.2")) ||
		e.admits("/x", "/x", "GET", mustAddr("10.2.2.2")) || e.admits("/dav/x", "/dav/x", "GET", mustAddr("11.2.2.2")) {
		t.Error("what is stored admits something else than the grant")
	}
	list, err := f.s.ListTokens(f.ctx(), in.User.ID)
	f.must(err)
	if len(list) != 1 || list[0].ID != rec.ID {
		t.Errorf("listed are %v", list)
	}
	if a := f.audit(evTokenCreated); len(a) != 1 || !a[0].Success || a[0].Actor != "host" || a[0].Subject != in.User.ID || a[0].Details["token"] != rec.ID ||
		a[0].Details["grant"] != "app=app.example.test,path=/dav/*,methods=GET,networks=10.0.0.0/8" {
		t.Errorf("the audit log has %+v", a)
	}
}

func TestToken_RefusedWithTheReasonAndAudited_AD6(t *testing.T) {
	f := newFixture(t)
	f.addUser(eve)
	f.signIn(bob)
	f.must(f.s.DisableUser(f.ctx(), "cli", bob))
	f.signIn(alice)
	app := Grant{App: appHost}
	for name, tc := range map[string]struct {
		who     string
		grant   Grant
		expires time.Duration
		want    Reason
		says    string
	}{
		"nobody":         {"nobody@example.com", app, 0, NotFound, "no such user"},
		"never verified": {eve, app, 0, Forbidden, "never signed in"}, // EM-7
		"disabled":       {bob, app, 0, Forbidden, "disabled"},
		"foreign host":   {alice, Grant{App: "other.example.test"}, 0, NotFound, "at that host"},
		"the portal":     {alice, Grant{App: portalHost}, 0, NotFound, "at that host"},
		"no app":         {alice, Grant{}, 0, NameInvalid, "app=HOST"},
		"bad path":       {alice, Grant{App: appHost, Path: "/a/../b"}, 0, NameInvalid, "dots"},
		"expired":        {alice, app, -time.Second, Conflict, "expired already"},
	} {
		f.clock.advance(time.Second)
		before := len(f.audit(evTokenCreated))
		token, rec, err := f.s.CreateToken(f.ctx(), "host", tc.who, tc.grant, "", tc.expires)
		if r := f.refused(err, tc.want); !strings.Contains(r.Detail, tc.says) || token != "" || rec != nil {
			t.Errorf("%s: says %q, want %q", name, r.Detail, tc.says)
		}
		if lines := f.audit(evTokenCreated); len(lines) != before+1 || lines[0].Success || lines[0].Actor != "host" || lines[0].Details["why"] != string(tc.want) ||
			(lines[0].Subject == "") != (name == "nobody") {
			t.Errorf("%s: the audit log has %+v", name, lines)
		}
	}
	f.refused(f.s.RevokeToken(f.ctx(), "host", "nothing"), NotFound)
	if a := f.audit(evTokenRevoked); len(a) != 1 || a[0].Success || a[0].Actor != "host" {
		t.Errorf("the audit log has %+v", a)
	}
	_, err := f.s.ListTokens(f.ctx(), "nobody")
	f.refused(err, NotFound)
	if list, err := f.s.ListTokens(f.ctx(), alice); err != nil || len(list) != 0 {
		t.Errorf("a refused token is stored: %v, %v", list, err)
	}
}

// DESIGN §2: a sidecar has no access tokens, also none of a time when there was
// a portal.
func TestToken_NoneInASidecar(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, _ := f.createToken(alice, "", 0)
	f.reload(Config{Apps: []App{appAt(t, appOrigin, PolicySpec{})}})
	if f.findsToken(token) != nil {
		t.Error("a sidecar finds a token")
	}
	_, _, err := f.s.CreateToken(f.ctx(), "host", alice, Grant{App: appHost}, "", 0)
	if r := f.refused(err, Forbidden); !strings.Contains(r.Detail, "write portal ") {
		t.Errorf("says %q", r.Detail)
	}
}

func TestToken_FiftyAUser(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	f.signIn(bob)
	var last *store.AccessToken
	for range maxTokens {
		_, last = f.createToken(alice, "", 0)
	}
	_, _, err := f.s.CreateToken(f.ctx(), "host", alice, Grant{App: appHost}, "", 0)
	if r := f.refused(err, TooMany); !strings.Contains(r.Detail, "50") {
		t.Errorf("says %q", r.Detail)
	}
	f.createToken(bob, "", 0)
	f.must(f.s.RevokeToken(f.ctx(), "host", last.ID))
	f.createToken(alice, "", 0)
}

// SE-1: whatever is not the token itself is nobody, and costs no read unless it
// is spelled like one.
func TestToken_OneSpelling_SE1(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, rec := f.createToken(alice, "", 0)
	good, views := token.Reveal(), f.views.Load()
	for i := range good {
		for _, s := range []string{good[:i] + string(good[i]^1) + good[i+1:], good[:i], good[i+1:], good[:i] + "\x00" + good[i:]} {
			if e, err := f.s.findToken(f.ctx(), s); e != nil || err != nil {
				t.Fatalf("%q is accepted (%v)", s, err)
			}
		}
	}
	for _, s := range []string{"", rec.ID, good + "\n", strings.Repeat("pwl_", 1000)} {
		if e, err := f.s.findToken(f.ctx(), s); e != nil || err != nil {
			t.Errorf("%q is accepted (%v)", s, err)
		}
	}
	if f.views.Load() != views {
		t.Error("what is misspelt is looked up in the store")
	}
	if e, err := f.s.findToken(f.ctx(), aToken); e != nil || err != nil || f.views.Load() == views {
		t.Errorf("a well-formed token of nobody: %v, %v", e, err)
	}
	if f.findsToken(token) == nil {
		t.Error("the token itself is not found")
	}
}

// The hash is keyed: whoever can write to the database cannot plant a token.
func TestToken_IsWorthlessUnderAnotherRootKey(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, _ := f.createToken(alice, "", 0)
	other := fixtureAt(t, f.store, [32]byte{2}, portalConfig(t))
	if other.findsToken(token) != nil {
		t.Error("the token works under another root key")
	}
	if f.rt.tokenHash(token) == other.rt.tokenHash(token) {
		t.Error("the hash does not depend on the root key")
	}
}

// SE-5: each of these ends the token with the answer, cached or not, and no
// sign-in or enabling brings it back.
func TestToken_DiesWithTheChangeThatEndsIt_SE5(t *testing.T) {
	for name, end := range map[string]func(f *fixture, b Browser, rec *store.AccessToken) error{
		"revoked": func(f *fixture, _ Browser, rec *store.AccessToken) error {
			return f.s.RevokeToken(f.ctx(), "host", rec.ID)
		},
		"disabled": func(f *fixture, _ Browser, _ *store.AccessToken) error { return f.s.DisableUser(f.ctx(), "cli", alice) },
		"deleted":  func(f *fixture, _ Browser, _ *store.AccessToken) error { return f.s.DeleteUser(f.ctx(), "cli", alice) },
		"operator": func(f *fixture, _ Browser, _ *store.AccessToken) error { return f.s.SignOutUser(f.ctx(), "cli", alice) },
		"all": func(f *fixture, b Browser, _ *store.AccessToken) error {
			return f.s.SignOutScope(f.ctx(), b.Session, "all", Client{})
		},
		"otherwise": func(f *fixture, b Browser, _ *store.AccessToken) error {
			return f.s.SignOutScope(f.ctx(), b.Session, "others", Client{})
		},
	} {
		for _, fault := range []storetest.Fault{storetest.None, storetest.RunTwice, storetest.CrashAfter} {
			f := newFixture(t)
			b, _ := f.signIn(alice)
			token, rec := f.createToken(alice, "", 0)
			f.signIn(bob)
			others, _ := f.createToken(bob, "", 0)
			if f.findsToken(token) == nil {
				t.Fatal("the token does not work")
			}
			f.setFault(storetest.Always(fault))
			err := end(f, b, rec)
			f.setFault(nil)
			if fault == storetest.CrashAfter != errors.Is(err, storetest.ErrCrash) || fault != storetest.CrashAfter && err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if f.findsToken(token) != nil {
				t.Errorf("%s (fault %d): the token still works", name, fault)
			}
			if f.findsToken(others) == nil {
				t.Errorf("%s: another user's token is dead", name)
			}
			if f.storedToken(rec.ID) != nil {
				t.Errorf("%s: the record is kept", name)
			}
			if a := f.audit(evTokenRevoked); name != "deleted" && (len(a) != 1 || !a[0].Success || a[0].Details["token"] != rec.ID) {
				t.Errorf("%s: the audit log has %+v", name, a)
			}
		}
	}
}

func TestToken_EnableBringsNoneBack_SE5(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, _ := f.createToken(alice, "", 0)
	f.must(f.s.DisableUser(f.ctx(), "cli", alice))
	f.must(f.s.EnableUser(f.ctx(), "cli", alice))
	f.signIn(alice)
	if f.findsToken(token) != nil {
		t.Error("an old token came back")
	}
}

// What a database holds does not open anything by itself: an epoch that is
// over, a user who is disabled or was never verified, somebody else's record.
func TestToken_RecordIsJudgedWhenItIsRead(t *testing.T) {
	for name, spoil := range map[string]func(*store.AccessToken, *store.User){
		"device epoch": func(_ *store.AccessToken, u *store.User) { u.DeviceEpoch++ },
		"disabled":     func(_ *store.AccessToken, u *store.User) { u.Disabled = true },
		"not verified": func(_ *store.AccessToken, u *store.User) { u.VerifiedAt = time.Time{} },
		"owner gone":   func(rec *store.AccessToken, _ *store.User) { rec.UserID = "gone" },
	} {
		f := newFixture(t)
		f.signIn(alice)
		token, rec := f.createToken(alice, "", 0)
		u := f.user(alice)
		spoil(rec, u)
		f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return errors.Join(tx.PutToken(rec), tx.PutUser(u)) }))
		if f.findsToken(token) != nil {
			t.Errorf("%s: the token works", name)
		}
		if list, err := f.s.ListTokens(f.ctx(), alice); err != nil || len(list) != 0 {
			t.Errorf("%s: it is listed", name)
		}
	}
}

// A passkey that is added takes no token away, though it renews the epoch of
// everything pending.
func TestToken_OutlivesAnAddedPasskey(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	token, _ := f.createToken(alice, "", 0)
	f.addKey(b)
	if f.findsToken(token) == nil {
		t.Error("adding a passkey ended an access token")
	}
}

func TestToken_Expires(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, rec := f.createToken(alice, "", time.Hour)
	forever, _ := f.createToken(alice, "", 0)
	f.clock.advance(time.Hour - 1)
	if f.findsToken(token) == nil {
		t.Error("it is dead before its time")
	}
	f.clock.advance(1) // from the cache
	if f.findsToken(token) != nil {
		t.Error("it works past its time")
	}
	f.rt.tokens = tokenCache{} // and from the store
	if f.findsToken(token) != nil {
		t.Error("it is read past its time")
	}
	if list, err := f.s.ListTokens(f.ctx(), alice); err != nil || len(list) != 1 || list[0].ID == rec.ID {
		t.Errorf("listed are %v, %v", list, err)
	}
	f.clock.advance(sweepDelay + time.Second)
	f.must(f.rt.sweep(f.ctx()))
	if f.storedToken(rec.ID) != nil {
		t.Error("it is kept for ever")
	}
	f.clock.advance(50 * 365 * 24 * time.Hour)
	if f.findsToken(forever) == nil {
		t.Error("a token without a time has one")
	}
}

// FA-12: below a name each host is an app of its own, for tokens too.
func TestToken_OpensOneHostBelowAName(t *testing.T) {
	f := newFixture(t, below(t))
	f.signIn(alice)
	token, rec, err := f.s.CreateToken(f.ctx(), "host", alice, grantOf(t, "app=One.example.net."), "", 0)
	f.must(err)
	if rec.App != "one.example.net" {
		t.Errorf("stored is %q", rec.App)
	}
	for host, want := range map[string]Verdict{"one.example.net": Allow, "ONE.example.net:443": Allow, "two.example.net": BadToken, appHost: BadToken} {
		if d := f.s.Check(f.ctx(), &Request{Host: host, Path: "/", Here: "/", Method: "GET", Authorization: []string{"Bearer " + token.Reveal()}}); d.Verdict != want {
			t.Errorf("%s: %v, want %v", host, d.Verdict, want)
		}
	}
}
