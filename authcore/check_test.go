package authcore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/cookies"
)

// TestKinds_EachTokenOpensItsOwnDoorOnly presents every kind of secret to
// every consumer (FA-12, SE-6, JW-3).
func TestKinds_EachTokenOpensItsOwnDoorOnly(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	b, root := f.signIn(alice)
	api := f.apiSignIn(alice, "spa")
	nonce, _ := f.s.NewToken()
	pending := f.newBrowser()
	m := f.start(alice, pending)
	inviteURL, err := f.s.Invite(f.ctx(), "cli", NewUser{Email: eve}, false)
	f.must(err)
	cer, err := f.s.BeginPasskey(f.ctx(), pending)
	f.must(err)
	secrets := map[string]string{
		"root session": root.Token.Reveal(),
		"app session":  f.handOver(b.Session, appHost).Reveal(),
		"wiki session": f.handOver(b.Session, wikiHost).Reveal(),
		"API session":  api.SessionToken.Reveal(),
		"refresh":      api.Refresh.Reveal(),
		"access":       api.Access,
		"ticket":       f.ticket(b.Session, appHost, nonce),
		"flow":         pending.Flow.Reveal(),
		"link":         m.link,
		"invite":       inviteURL[len(f.s.URL("/invite#")):],
		"ceremony":     cer.ID.Reveal(),
		"device":       root.Device.Reveal(),
		"nonce":        nonce.Reveal(),
	}
	doors := f.doors(secrets["ceremony"], pending)
	for kind, secret := range secrets {
		for door, open := range doors {
			if got, want := open(secret), kind == door; got != want {
				t.Errorf("a %s at the door for a %s: opens %v, want %v", kind, door, got, want)
			}
		}
	}
	f.kindsThatAreTaken(secrets, nonce)
}

// doors say whether a secret opens them, and use nothing up.
func (f *fixture) doors(ceremony string, pending Browser) map[string]func(string) bool {
	who := f.newBrowser()
	return map[string]func(secret string) bool{
		"root session": func(s string) bool { return f.live(Token(s)) != nil },
		"app session":  func(s string) bool { return f.allowed(appHost, Token(s)) },
		"wiki session": func(s string) bool { return f.allowed(wikiHost, Token(s)) },
		"API session": func(s string) bool {
			l, err := f.s.APISession(f.ctx(), s, "")
			f.must(err)
			return l != nil
		},
		"access": func(s string) bool {
			l, err := f.s.AccessUser(f.ctx(), s, "")
			f.must(err)
			return l != nil
		},
		"link":   func(s string) bool { _, err := f.s.PeekLink(f.ctx(), s, who); return err == nil },
		"invite": func(s string) bool { _, err := f.s.PeekInvite(f.ctx(), s); return err == nil },
		"flow": func(s string) bool {
			i, err := f.s.Flow(f.ctx(), Token(s))
			f.must(err)
			return i != nil
		},
		"ceremony": func(s string) bool {
			if s == ceremony {
				return true // would be spent; its own tests present it
			}
			_, err := f.s.FinishPasskey(f.ctx(), s, []byte("{}"), pending)
			r, ok := AsRefusal(err)
			return !ok || r.Reason != FlowExpired
		},
	}
}

// kindsThatAreTaken are the doors that use up what they accept.
func (f *fixture) kindsThatAreTaken(secrets map[string]string, nonce Token) {
	f.t.Helper()
	for kind, secret := range secrets {
		if kind != "ticket" {
			_, err := f.s.RedeemTicket(f.ctx(), f.app(appHost), secret, nonce, Client{})
			f.refused(err, HandoverFailed)
		}
		if kind != "refresh" {
			_, err := f.s.Refresh(f.ctx(), secret, "", Client{})
			f.refused(err, TokenInvalid)
		}
		if kind != "link" {
			_, err := f.s.RedeemLink(f.ctx(), secret, f.newBrowser())
			f.refused(err, LinkInvalid)
		}
		if kind != "invite" {
			_, err := f.s.AcceptInvite(f.ctx(), secret, f.newBrowser())
			f.refused(err, InviteInvalid)
		}
		if kind != "flow" {
			_, err := f.s.VerifyAPICode(f.ctx(), Token(secret), "12345678", "", Client{})
			f.refused(err, FlowExpired)
		}
	}
	_, err := f.s.VerifyAPICode(f.ctx(), Token(secrets["flow"]), "12345678", "", Client{})
	f.refused(err, FlowExpired) // a browser's flow is not the API's
	got, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Client: f.s.Client("spa")})
	f.must(err)
	browser := f.newBrowser()
	browser.Flow = got.Flow
	_, err = f.s.VerifyCode(f.ctx(), f.lastMail().code, browser)
	f.refused(err, FlowExpired) // nor the other way round
}

func TestCheck_HostIsComparedAsANameOnly_FA6(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	cookie := f.cookies(f.app(appHost).Origin, app)
	for host, want := range map[string]Verdict{
		appHost: Allow, "APP.example.TEST": Allow, appHost + ":443": Allow, appHost + ".": Allow, appHost + ".:8443": Allow,
		portalHost: Deny, "": Deny, "." + appHost: Deny, "x." + appHost: Deny, appHost + "..": Deny, appHost + "/": Deny,
		"example.test": Deny, "app.example.test@evil": Deny, "[::1]": Deny, "app.example.teſt": Deny,
	} {
		if d := f.s.Check(f.ctx(), &Request{Host: host, Path: "/", Here: "/", Cookies: cookie}); d.Verdict != want {
			t.Errorf("%q: verdict %d, want %d", host, d.Verdict, want)
		}
	}
}

func TestCheck_PublicPathsLetAnybodyInAndStillKnowWho(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice) // not staff
	b, _ := f.signIn(alice)
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"staff"}))
	wiki := f.handOver(b.Session, wikiHost)
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, nil))
	if d := f.check(wikiHost, "/healthz", ""); d.Verdict != Allow || !d.Public || d.Identity != nil || d.At != "Caddyfile:11" {
		t.Errorf("nobody at a public path: %+v", d)
	}
	if d := f.check(wikiHost, "/healthz", wiki); d.Verdict != Allow || !d.Public || d.Identity == nil {
		t.Errorf("somebody at a public path: %+v", d)
	}
	if d := f.check(wikiHost, "/", wiki); d.Verdict != Deny || d.At != "Caddyfile:12" {
		t.Errorf("somebody without the group: %+v", d)
	}
	if d := f.check(wikiHost, "/", ""); d.Verdict != SignIn || d.At != "Caddyfile:10" {
		t.Errorf("nobody: %+v", d)
	}
	r := &Request{Host: wikiHost, Path: "/healthz", Here: "/admin"} // FA-13: the stricter reading wins
	if d := f.s.Check(f.ctx(), r); d.Verdict != SignIn {
		t.Errorf("a rewritten path is public: %+v", d)
	}
	r = &Request{Host: wikiHost, Path: "/admin", Here: "/healthz"}
	if d := f.s.Check(f.ctx(), r); d.Verdict != SignIn {
		t.Errorf("a path rewritten to a public one is public: %+v", d)
	}
}

func TestCheck_StoreThatDoesNotAnswerIsNeverAllow_FA10(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	b, root := f.signIn(alice)
	app, wiki := f.handOver(b.Session, appHost), f.handOver(b.Session, wikiHost)
	f.rt.cache.Flush()
	broken := errors.New("disk on fire")
	f.breakViews(broken)
	if d := f.check(appHost, "/", app); d.Verdict != Unavailable || !errors.Is(d.Err, broken) || d.Identity != nil {
		t.Errorf("decision is %+v", d)
	}
	if d := f.check(wikiHost, "/healthz", wiki); d.Verdict != Allow || d.Identity != nil {
		t.Errorf("a public path is %+v", d)
	}
	if d := f.check(appHost, "/", ""); d.Verdict != SignIn {
		t.Errorf("without a cookie nothing is asked of the store: %+v", d)
	}
	if l, _, err := f.s.Current(f.ctx(), f.cookies(f.s.Portal(), root.Token)); l != nil || !errors.Is(err, broken) {
		t.Errorf("the portal knows %v, %v", l, err)
	}
	f.breakViews(nil)
	if !f.allowed(appHost, app) {
		t.Error("after the fault the session is gone")
	}
	f.breakViews(broken)
	if !f.allowed(appHost, app) {
		t.Error("DS-2: a cached session needs the store")
	}
}

func TestCheck_HitDoesNoIO(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	f.allowed(appHost, app)
	views, updates := f.views.Load(), f.updates.Load()
	for range 100 {
		f.clock.advance(time.Minute)
		if !f.allowed(appHost, app) {
			t.Fatal("the session is over")
		}
	}
	if f.views.Load() != views || f.updates.Load() != updates {
		t.Errorf("100 hits made %d reads and %d writes", f.views.Load()-views, f.updates.Load()-updates)
	}
}

func TestCheck_UnknownTokensDoNotDisturbTheCache_DS1(t *testing.T) {
	f := newFixture(t)
	stamp := f.rt.cache.Stamp()
	for range 10 {
		token, _ := f.s.NewToken()
		f.allowed(appHost, token)
	}
	if f.rt.cache.Stamp() != stamp {
		t.Error("a stranger's cookie makes the fills of others start over")
	}
}

func TestCheck_ChangesAreSeenByTheNextRequest_FA15(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	b, _ := f.signIn(alice)
	wiki := f.handOver(b.Session, wikiHost)
	if !f.allowed(wikiHost, wiki) {
		t.Fatal("staff is not let in")
	}
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"guests"}))
	if d := f.check(wikiHost, "/", wiki); d.Verdict != Deny || d.Identity.Groups[0] != "guests" {
		t.Errorf("after the group was taken: %+v", d)
	}
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"staff", "guests", "staff"}))
	if d := f.check(wikiHost, "/", wiki); d.Verdict != Allow || fmt.Sprint(d.Identity.Groups) != "[guests staff]" {
		t.Errorf("after the group was given back: %+v", d)
	}
	f.must(f.s.NameUser(f.ctx(), "cli", alice, "ally"))
	if d := f.check(wikiHost, "/", wiki); d.Identity.Name != "ally" {
		t.Errorf("after the naming: %+v", d.Identity)
	}
}

func TestCheck_UnnamedUserReachesNoApp(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.must(f.s.DeleteUser(f.ctx(), "cli", alice))
	again, root := f.signIn(alice) // open registration
	if !again.Session.User.Unnamed || again.Session.User.Name == alice {
		t.Fatalf("SE-9: whoever has the address now is called %q", again.Session.User.Name)
	}
	_, err := f.s.IssueTicket(f.ctx(), again.Session, &Return{Path: "/"}, f.app(appHost))
	f.refused(err, Forbidden)
	f.must(f.s.NameUser(f.ctx(), "cli", alice, "alice2"))
	app := f.handOver(f.live(root.Token), appHost)
	if d := f.check(appHost, "/", app); d.Verdict != Allow || d.Identity.Name != "alice2" {
		t.Errorf("after the naming: %+v", d)
	}
}

func TestSidecar_OneSessionServesAppAndAccount(t *testing.T) {
	f := newSidecar(t)
	if f.s.URL("/login") != "http://app.localhost:8080/.auth/login" || !f.s.Sidecar() {
		t.Errorf("login is at %s", f.s.URL("/login"))
	}
	_, got := f.signIn(alice)
	if !f.allowed("app.localhost", got.Token) || !f.allowed("app.localhost:8080", got.Token) {
		t.Error("the app does not accept the session")
	}
	if name := f.s.SessionCookie(f.s.Portal()); name != "passwordless" {
		t.Errorf("over http the cookie is %q", name)
	}
	d := f.check("app.localhost", "/", got.Token)
	f.must(f.s.SignOutApp(f.ctx(), &d, Client{}))
	if f.allowed("app.localhost", got.Token) || f.live(got.Token) != nil {
		t.Error("after signing out the session is good")
	}
}

func TestSidecar_SessionIsNotAnAppSessionOnceThereIsAPortal_FA12(t *testing.T) {
	f := newSidecar(t)
	_, got := f.signIn(alice)
	f.allowed("app.localhost", got.Token)
	f.reload(Config{Portal: originOf(t, "http://auth.localhost:8080"), Apps: []App{appAt(t, "http://app.localhost:8080", PolicySpec{})}})
	if f.allowed("app.localhost", got.Token) {
		t.Error("a root session opens an app host")
	}
}

func TestCookie_BadOneIsReported_CK2(t *testing.T) {
	f := newFixture(t)
	for _, header := range []string{
		"__Host-passwordless=", `__Host-passwordless="x"`, "__Host-passwordless=a; __Host-passwordless=b", "__Host-passwordless",
	} {
		d := f.s.Check(f.ctx(), &Request{Host: appHost, Path: "/", Here: "/", Cookies: []string{header}})
		if d.Verdict != SignIn || d.Cookie != cookies.Bad {
			t.Errorf("%q: %+v", header, d)
		}
	}
}

func TestCookie_AttributesAreStrict_CK1(t *testing.T) {
	f := newFixture(t)
	token, _ := f.s.NewToken()
	c := f.s.Cookie(f.s.Portal(), f.s.SessionCookie(f.s.Portal()), token, time.Hour)
	want := "__Host-passwordless=" + token.Reveal() + "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"
	if c.String() != want {
		t.Errorf("cookie is %q, want %q", c, want)
	}
	if c := f.s.ClearCookie(f.s.Portal(), "x"); c.MaxAge >= 0 || c.Value != "" || !c.Secure {
		t.Errorf("clearing is %q", c)
	}
	g := newSidecar(t)
	if c := g.s.Cookie(g.s.Portal(), "x", token, 0); c.Secure || c.Domain != "" {
		t.Errorf("over http://*.localhost the cookie is %q", c)
	}
}

func TestFormToken_BelongsToOneFlowCookie_CS1(t *testing.T) {
	f := newFixture(t)
	a, b := f.newBrowser(), f.newBrowser()
	token := f.s.FormToken(a.Flow)
	if !f.s.CheckForm(a.Flow, token) || f.s.CheckForm(b.Flow, token) || f.s.CheckForm(a.Flow, "") ||
		f.s.CheckForm("", f.s.FormToken("")) || f.s.CheckForm(a.Flow, token+"=") {
		t.Error("a form token is good for another browser, or not for its own")
	}
}

func TestService_ReadyNamesWhatDoesNotAnswer(t *testing.T) {
	f := newFixture(t)
	for _, c := range f.s.Ready(f.ctx()) {
		if c.Err != nil {
			t.Errorf("%s: %v", c.Name, c.Err)
		}
	}
	f.setFault(alwaysFail)
	for _, c := range f.s.Ready(f.ctx()) {
		if (c.Err != nil) != (c.Name == "store") {
			t.Errorf("with a store that takes no writes %s says %v", c.Name, c.Err)
		}
	}
}
