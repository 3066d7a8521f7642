package authcore

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestHandOver_GivesTheAppASessionOfItsOwn_FA12(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	nonce, err := f.s.NewToken()
	f.must(err)
	got, err := f.s.RedeemTicket(f.ctx(), f.app(appHost), f.ticket(b.Session, appHost, nonce), nonce, Client{})
	f.must(err)
	if got.Path != "/page?x=1" {
		t.Errorf("leads back to %q", got.Path)
	}
	d := f.check(appHost, "/", got.Token)
	if d.Verdict != Allow || d.Identity.Email != alice || d.At != "Caddyfile:3" {
		t.Errorf("decision is %+v", d)
	}
	if got.Token == f.tokenOf(b) {
		t.Error("the app got the root session's token")
	}
}

func TestTicket_OneOf50PresentationsWins(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	nonce, _ := f.s.NewToken()
	raw := f.ticket(b.Session, appHost, nonce)
	won := f.race(func(int) error {
		_, err := f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, nonce, Client{})
		return err
	})
	if won != 1 {
		t.Errorf("%d of 50 presentations of one ticket succeeded", won)
	}
}

func TestTicket_WorthlessWithoutItsNonceAndBurntByTheTry(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	for name, present := range map[string]func(raw string, nonce Token) (*Handed, error){
		"wrong nonce": func(raw string, _ Token) (*Handed, error) {
			other, _ := f.s.NewToken()
			return f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, other, Client{})
		},
		"no nonce": func(raw string, _ Token) (*Handed, error) {
			return f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, "", Client{})
		},
		"another host": func(raw string, nonce Token) (*Handed, error) {
			return f.s.RedeemTicket(f.ctx(), f.app(wikiHost), raw, nonce, Client{})
		},
		"too late": func(raw string, nonce Token) (*Handed, error) {
			f.clock.advance(ticketTTL + time.Second)
			return f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, nonce, Client{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			nonce, _ := f.s.NewToken()
			raw := f.ticket(b.Session, appHost, nonce)
			got, err := present(raw, nonce)
			f.refused(err, HandoverFailed)
			if got.Token != "" {
				t.Error("a refusal came with a session")
			}
			_, err = f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, nonce, Client{})
			f.refused(err, HandoverFailed)
		})
	}
	if n := len(f.audit(evSessionCreated)); n != 1 {
		t.Errorf("%d sessions were made, want the root's only", n)
	}
}

func TestTicket_ForeignTextIsRefused(t *testing.T) {
	f := newFixture(t)
	nonce, _ := f.s.NewToken()
	b, _ := f.signIn(alice)
	raw := f.ticket(b.Session, appHost, nonce)
	written := f.updates.Load()
	for _, bad := range []string{"", "x", nonce.Reveal(), raw[:42], raw + "A", raw + "\n", strings.Repeat("A", 43), strings.ToUpper(raw)} {
		got, err := f.s.RedeemTicket(f.ctx(), f.app(appHost), bad, nonce, Client{})
		f.refused(err, HandoverFailed)
		if got.Path != "/" {
			t.Errorf("an unknown ticket leads to %q", got.Path)
		}
	}
	if n := f.updates.Load() - written; n != 0 {
		t.Errorf("guesses began %d write transactions (DS-3)", n)
	}
}

func TestTicket_DiesWithItsRootSessionAndUser_SE5(t *testing.T) {
	for name, end := range map[string]func(f *fixture, l *Live){
		"signed out":            func(f *fixture, l *Live) { f.must(f.s.SignOut(f.ctx(), Browser{Session: l})) },
		"signed out everywhere": func(f *fixture, l *Live) { f.must(f.s.SignOutScope(f.ctx(), l, "all", Client{})) },
		"revoked":               func(f *fixture, l *Live) { f.must(f.s.RevokeSession(f.ctx(), "cli", l.Session.ID)) },
		"others signed out":     func(f *fixture, l *Live) { f.must(f.s.SignOutScope(f.ctx(), l, "others", Client{})) },
		"disabled":              func(f *fixture, _ *Live) { f.must(f.s.DisableUser(f.ctx(), "cli", alice)) },
		"deleted":               func(f *fixture, _ *Live) { f.must(f.s.DeleteUser(f.ctx(), "cli", alice)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			b, _ := f.signIn(alice)
			nonce, _ := f.s.NewToken()
			raw := f.ticket(b.Session, appHost, nonce)
			end(f, b.Session)
			_, err := f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, nonce, Client{})
			f.refused(err, HandoverFailed)
		})
	}
}

func TestTicket_NeedsALiveSession(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	f.must(f.s.SignOut(f.ctx(), Browser{Session: b.Session}))
	_, err := f.s.IssueTicket(f.ctx(), b.Session, &Return{Path: "/"}, f.app(appHost))
	f.refused(err, Unauthenticated)
}

func TestHandOver_PolicyIsAskedAtIssueAndAtRedemption(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	_, err := f.s.IssueTicket(f.ctx(), b.Session, &Return{Path: "/"}, f.app(wikiHost))
	if r := f.refused(err, Forbidden); r.Detail != "Caddyfile:12" {
		t.Errorf("refused by line %q", r.Detail)
	}
	f.clock.advance(deniedEvery)
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"staff"}))
	nonce, _ := f.s.NewToken()
	raw := f.ticket(b.Session, wikiHost, nonce)
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, nil))
	_, err = f.s.RedeemTicket(f.ctx(), f.app(wikiHost), raw, nonce, Client{})
	f.refused(err, Forbidden)
	if n := len(f.audit(evAccessDenied)); n != 2 {
		t.Errorf("%d refusals are in the audit log, want 2", n)
	}
}

func TestHandOver_SecondOnOneHostEndsTheFirst(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	b, _ := f.signIn(alice)
	first, wiki := f.handOver(b.Session, appHost), f.handOver(b.Session, wikiHost)
	if !f.allowed(appHost, first) {
		t.Fatal("the first session does not work")
	}
	second := f.handOver(b.Session, appHost)
	if f.allowed(appHost, first) {
		t.Error("the replaced session is still good, maybe in the cache")
	}
	if !f.allowed(appHost, second) || !f.allowed(wikiHost, wiki) {
		t.Error("the new session, or that of another host, is not good")
	}
}

func TestHandOver_LoopIsStopped(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	issue := func() error {
		_, err := f.s.IssueTicket(f.ctx(), b.Session, &Return{Path: "/"}, f.app(appHost))
		return err
	}
	for range maxBounces {
		f.handOver(b.Session, appHost) // made, and never presented
	}
	f.refused(issue(), HandoverLoop)
	f.clock.advance(bounceWindow)
	f.must(issue())
}

func TestHandOver_AppsThatKeepTheirCookieNeverLoop(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	for range 3 * maxBounces {
		token := f.handOver(b.Session, appHost)
		if !f.allowed(appHost, token) {
			t.Fatal("the new session is not good")
		}
	}
	for range 3 * maxBounces {
		token := f.handOver(b.Session, appHost)
		d := f.check(appHost, "/", token)
		f.must(f.s.SignOutApp(f.ctx(), &d, Client{}))
	}
}

func TestReturn_TamperedOrForeignStateOpensNothing_RD3(t *testing.T) {
	f := newFixture(t)
	nonce, _ := f.s.NewToken()
	sealed, err := f.s.SealReturn(f.app(appHost), Return{Path: "/a", Tries: 2}, nonce)
	f.must(err)
	if r, app := f.s.OpenReturn(sealed); r == nil || app.Origin.Host != appHost || r.Path != "/a" || r.Tries != 2 {
		t.Fatalf("opened is %+v", r)
	}
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] = "AB"[b2i(changed[i] == 'A')]
		if r, _ := f.s.OpenReturn(string(changed)); r != nil {
			t.Fatalf("byte %d may be changed", i)
		}
	}
	for _, bad := range []string{"", "x", sealed + "A", sealed + "=", sealed + "\n", sealed[:40], strings.Repeat("A", 9000)} {
		if r, _ := f.s.OpenReturn(bad); r != nil {
			t.Errorf("%.20q opens", bad)
		}
	}
	// A value of ours for another purpose, and one of another server.
	plain, _ := json.Marshal(Return{Origin: appOrigin, Path: "/", At: f.s.Now()})
	other, err := f.rt.keys.Seal(f.rt.rand, "outbox", plain, []byte(portalOrigin))
	f.must(err)
	if r, _ := f.s.OpenReturn(base64.RawURLEncoding.EncodeToString(other)); r != nil {
		t.Error("a value sealed for another purpose opens")
	}
	g := newFixture(t)
	g.rt.keys = f.rt.keys
	if r, _ := g.s.OpenReturn(sealed); r == nil {
		t.Error("the same key and portal do not open it")
	}
	h := fixtureAt(t, g.store, [32]byte{2}, portalConfig(t))
	if r, _ := h.s.OpenReturn(sealed); r != nil {
		t.Error("another root key opens it")
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestReturn_ExpiresAndForgetsRemovedHosts_RD3(t *testing.T) {
	f := newFixture(t)
	nonce, _ := f.s.NewToken()
	seal := func() string {
		s, err := f.s.SealReturn(f.app(appHost), Return{Path: "/a", Tries: 0}, nonce)
		f.must(err)
		return s
	}
	sealed := seal()
	f.clock.advance(returnTTL)
	if r, _ := f.s.OpenReturn(sealed); r == nil {
		t.Error("at its last moment it does not open")
	}
	f.clock.advance(time.Second)
	if r, _ := f.s.OpenReturn(sealed); r != nil {
		t.Error("an old state opens")
	}
	sealed = seal()
	f.reload(portalConfig(t, func(c *Config) { c.Apps = c.Apps[1:] }))
	if r, _ := f.s.OpenReturn(sealed); r != nil {
		t.Error("a host that is not guarded any more is returned to")
	}
	f.reload(portalConfig(t, func(c *Config) { c.Apps[0] = appAt(t, appOrigin+":8443", PolicySpec{}) }))
	if r, _ := f.s.OpenReturn(sealed); r != nil {
		t.Error("another port of the host is returned to")
	}
}

func TestReturn_PathIsOfTheSameHost_RD2(t *testing.T) {
	f := newFixture(t)
	nonce, _ := f.s.NewToken()
	for _, path := range []string{
		"//evil.example", "/\\evil.example", "https://evil.example/", "\\/evil.example", "/%2fevil.example", "/\tevil", "evil",
		"", "/..//evil.example", "/a\r\nSet-Cookie: x", "javascript:alert(1)", "/" + strings.Repeat("a", maxReturnPath),
		"/.auth", "/.auth/logout", "/%2eauth/logout", "/.%61uth/start?rd=/", "/.auth%2flogout", // our own, where nobody wants to end
	} {
		sealed, err := f.s.SealReturn(f.app(appHost), Return{Path: path, Tries: 0}, nonce)
		f.must(err)
		if r, _ := f.s.OpenReturn(sealed); r == nil || r.Path != "/" {
			t.Errorf("%.30q is kept as %+v", path, r)
		}
		if u := StartURL(f.app(appHost), path, 0, Need{}); u != appOrigin+"/.auth/start?rd=%2F" {
			t.Errorf("%.30q starts at %q", path, u)
		}
	}
	if p := SafePath("/.authority?a=/.auth/"); p != "/.authority?a=/.auth/" {
		t.Errorf("an app's own path becomes %q", p)
	}
	if u := StartURL(f.app(appHost), "/a?b=c&d", 2, Need{}); u != appOrigin+"/.auth/start?rd=%2Fa%3Fb%3Dc%26d&n=2" {
		t.Errorf("start is %q", u)
	}
}

func TestTicket_IsStoredHashedAndExpires_SE1(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	nonce, _ := f.s.NewToken()
	raw := f.ticket(b.Session, appHost, nonce)
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		return tx.ListTakes(store.KindTicket, store.Hash{}, 10, func(_ store.Hash, decode func(any) error) bool {
			var rec json.RawMessage
			f.must(decode(&rec))
			if strings.Contains(string(rec), raw) || strings.Contains(string(rec), nonce.Reveal()) {
				t.Errorf("the record holds a secret: %s", rec)
			}
			return true
		})
	}))
	f.clock.advance(ticketTTL + sweepDelay + time.Second)
	f.must(f.rt.sweep(f.ctx()))
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		n, err := tx.CountTakes(store.KindTicket)
		if n != 0 {
			t.Errorf("%d tickets stay", n)
		}
		return err
	}))
}

// A signed-in browser fills no store with tickets (DS-1).
func TestTicket_PendingOnesAreBounded_DS1(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	b, _ := f.signIn(alice)
	nonce, err := f.s.NewToken()
	f.must(err)
	issue := func() error {
		sealed, err := f.s.SealReturn(f.app(appHost), Return{Path: "/", Tries: 0}, nonce)
		f.must(err)
		r, app := f.s.OpenReturn(sealed)
		_, err = f.s.IssueTicket(f.ctx(), b.Session, r, app)
		return err
	}
	for range ticketsPerRoot {
		f.must(issue())
	}
	written := f.updates.Load()
	if r := f.refused(issue(), RateLimited); r.RetryAfter <= 0 || r.RetryAfter > ticketTTL+time.Second {
		t.Errorf("come back in %v", r.RetryAfter)
	}
	if n := f.updates.Load() - written; n != 0 {
		t.Errorf("what is over the limit began %d write transactions (DS-3)", n)
	}
	f.clock.advance(ticketTTL)
	f.must(issue())
}

// Whoever an app does not admit may ask again and again: the disk hears of it
// once a minute, and the person the same each time (DS-1, DS-3).
func TestHandOver_RefusalsDoNotFillTheAuditLog_DS1(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	other, _ := f.signIn(alice)
	issue := func(l *Live) error {
		_, err := f.s.IssueTicket(f.ctx(), l, &Return{Path: "/"}, f.app(wikiHost))
		return err
	}
	audited := func(want int) {
		t.Helper()
		if n := len(f.audit(evAccessDenied)); n != want {
			t.Errorf("%d refusals are in the audit log, want %d", n, want)
		}
	}
	for range ticketsPerRoot {
		if r := f.refused(issue(b.Session), Forbidden); r.Detail != "Caddyfile:12" {
			t.Fatalf("refused by line %q", r.Detail)
		}
	}
	audited(1)
	written := f.updates.Load()
	for range 50 {
		f.refused(issue(b.Session), RateLimited)
	}
	if n := f.updates.Load() - written; n != 0 {
		t.Errorf("what is over the limit began %d write transactions", n)
	}
	f.refused(issue(other.Session), Forbidden) // has a budget, and a line, of its own
	audited(2)
	f.clock.advance(deniedEvery)
	f.refused(issue(b.Session), Forbidden)
	audited(3)
}
