package portal

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// authenticator makes and uses one passkey.
type authenticator struct {
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

func newAuthenticator() *authenticator {
	return &authenticator{
		rp:   virtualwebauthn.RelyingParty{Name: "Example", ID: "auth.example.com", Origin: portalURL},
		auth: virtualwebauthn.NewAuthenticator(), cred: newCredential(),
	}
}

// newCredential draws again where a coordinate begins with a zero byte, which
// the library leaves out and COSE demands (RFC 9053 section 7.1.1): a whole key
// has 77 bytes.
func newCredential() virtualwebauthn.Credential {
	for {
		c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
		if len(c.Key.AttestationData()) == 77 {
			return c
		}
	}
}

// name is the credential's id, as JSON has it.
func (k *authenticator) name() string { return base64.RawURLEncoding.EncodeToString(k.cred.ID) }

// ceremony is what options answer.
type ceremony struct {
	Flow      string          `json:"flow"`
	PublicKey json.RawMessage `json:"publicKey"`
}

func (a *answer) ceremony(t *testing.T) ceremony {
	t.Helper()
	var c ceremony
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.Flow == "" {
		t.Fatalf("%s answers %d %s", a.url, a.StatusCode, a.body)
	}
	return c
}

// answerTo is the script's second request.
func answerTo(c ceremony, credential, to string) answerDoc {
	return answerDoc{Flow: c.Flow, Credential: json.RawMessage(credential), To: to}
}

func (k *authenticator) create(t *testing.T, c ceremony) string {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(c.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	k.auth.Options.UserHandle = []byte(o.UserID)
	return virtualwebauthn.CreateAttestationResponse(k.rp, k.auth, k.cred, *o)
}

func (k *authenticator) get(t *testing.T, c ceremony) string {
	t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(c.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	k.cred.Counter++
	return virtualwebauthn.CreateAssertionResponse(k.rp, k.auth, k.cred, *o)
}

// add registers the passkey from a page of somebody signed in.
func (k *authenticator) add(b *browser, page *answer) *answer {
	b.s.t.Helper()
	c := b.fetch(page, "/account/passkeys/options", nothing{}).ceremony(b.s.t)
	return b.fetch(page, "/account/passkeys", answerTo(c, k.create(b.s.t, c), page.to(b.s.t)))
}

// prove answers a sign-in or step-up from a page.
func (k *authenticator) prove(b *browser, page *answer, path string) *answer {
	b.s.t.Helper()
	c := b.fetch(page, path+"/options", nothing{}).ceremony(b.s.t)
	return b.fetch(page, path, answerTo(c, k.get(b.s.t, c), page.to(b.s.t)))
}

// withPasskey is a browser that is signed in and has just added a passkey.
func (s *site) withPasskey() (*browser, *authenticator) {
	s.t.Helper()
	b, k := s.browser(), newAuthenticator()
	b.next(k.add(b, b.signIn(ada, portalURL+"/"))).want(s.t, 200, "Passkey added")
	return b, k
}

func TestPasskey_OfferedAddedAndUsed(t *testing.T) {
	s := newSite(t)
	b, k := s.browser(), newAuthenticator()
	offer := b.code(b.fill(b.load(appURL+"/x"), "/login", "email", ada)).want(t, 200, "Next time, use a passkey")
	b.next(k.add(b, offer)).want(t, 200, "the app sees "+ada)
	b.fill(b.load(portalURL+"/account").want(t, 200, "Firefox on Linux"), "/logout")
	page := b.load(wikiURL + "/y")
	b.next(k.prove(b, page, "/login/passkey")).want(t, 200, "the app sees "+ada)
	if b.load(portalURL+"/login/offer").want(t, 200, "").url.Path != "/account" {
		t.Error("a passkey is offered to somebody who has one")
	}
}

func TestPasskey_NotNowIsRemembered(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.fill(b.code(b.fill(b.load(portalURL+"/"), "/login", "email", ada)), "/login/offer").want(t, 200, "Your account")
	b.fill(b.load(portalURL+"/account"), "/logout")
	b.code(b.fill(b.load(portalURL+"/"), "/login", "email", ada)).want(t, 200, "Your account")
}

func TestPasskey_WrongUseIsRefusedInOneWay(t *testing.T) {
	s := newSite(t)
	_, k := s.withPasskey()
	b := s.browser()
	page := b.load(portalURL + "/login")
	c := b.fetch(page, "/login/passkey/options", nothing{}).ceremony(t)
	good := k.get(t, c)
	other := s.browser()
	otherPage := other.load(portalURL + "/login")
	other.fetch(otherPage, "/login/passkey", answerTo(c, good, "")).want(t, 400, "FLOW_EXPIRED")
	b.fetch(page, "/login/passkey", answerTo(c, good, "")).want(t, 400, "FLOW_EXPIRED") // spent by the other
	stranger := newAuthenticator()
	stranger.auth.Options.UserHandle = k.auth.Options.UserHandle
	c = b.fetch(page, "/login/passkey/options", nothing{}).ceremony(t)
	b.fetch(page, "/login/passkey", answerTo(c, stranger.get(t, c), "")).want(t, 400, "CREDENTIAL_UNKNOWN")
	for _, bad := range []string{`{}`, `"x"`, `[]`, `{"id":"AA"}`} {
		c = b.fetch(page, "/login/passkey/options", nothing{}).ceremony(t)
		b.fetch(page, "/login/passkey", answerTo(c, bad, "")).want(t, 400, "PASSKEY_REFUSED")
	}
	if b.has(portalURL, "__Host-passwordless") {
		t.Error("signed in")
	}
}

func TestStepUp_ByMailThenAPasskeyIsAdded(t *testing.T) {
	s := newSite(t)
	b, k := s.browser(), newAuthenticator()
	page := b.signIn(ada, portalURL+"/").want(t, 200, "Your account")
	s.wait(16 * time.Minute)
	b.fetch(page, "/account/passkeys/options", nothing{}).want(t, 403, `"methods":["email"]`)
	before := b.jar["auth.example.com"]["__Host-passwordless"]
	page = b.load(portalURL+"/login/step-up").want(t, 200, "Mail me a code")
	page = b.code(b.fill(page, "/login/step-up/email")).want(t, 200, "that was you")
	if b.jar["auth.example.com"]["__Host-passwordless"] == before {
		t.Error("the session kept its id (SE-2)")
	}
	b.next(k.add(b, page)).want(t, 200, "Passkey added")
}

func TestStepUp_ByPasskeyThenItIsRenamedAndRemoved(t *testing.T) {
	s := newSite(t)
	b, k := s.withPasskey()
	page := b.load(portalURL + "/account")
	// The session was proved by mail; with a passkey there that is too little (SE-8).
	page = b.fill(page, "/rename", "name", "Desk key").want(t, 200, "Confirm with a passkey")
	if strings.Contains(page.body, "Mail me a code") {
		t.Error("mail is offered to an account with a passkey")
	}
	page = b.next(k.prove(b, page, "/login/step-up/passkey")).want(t, 200, "that was you")
	page = b.fill(page, "/rename", "name", "Desk <key>").want(t, 200, "Passkey renamed")
	page.want(t, 200, "Desk &lt;key&gt;")
	b.fill(page, "/rename", "name", "").want(t, 400, "1 to 64 characters")
	b.fill(page, "/remove").want(t, 200, "You have no passkey yet")
	b.fill(page, "/rename", "name", "x").want(t, 404, "not yours")
}

func TestAccount_RevokesOneBrowserAndAll(t *testing.T) {
	s := newSite(t)
	phone, laptop := s.browser(), s.browser()
	phone.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1"
	phone.signIn(ada, appURL+"/").want(t, 200, "the app sees")
	laptop.signIn(ada, appURL+"/").want(t, 200, "the app sees")
	page := laptop.load(portalURL+"/account").want(t, 200, "Safari on iPhone").want(t, 200, "and access tokens are revoked")
	if i, j := strings.Index(page.body, "This device"), strings.Index(page.body, "Safari on iPhone"); i < 0 || i > j {
		t.Error("this device is not first")
	}
	page = laptop.fill(page, "/revoke").want(t, 200, "That browser is signed out")
	phone.load(appURL+"/").want(t, 200, "Sign in to Example")
	laptop.load(appURL+"/").want(t, 200, "the app sees")
	done := laptop.sendForm(laptop.form(page, "/revoke-all"))
	if done.Header.Get("Clear-Site-Data") != `"cache"` {
		t.Errorf("Clear-Site-Data %q (SE-4)", done.Header.Get("Clear-Site-Data"))
	}
	laptop.follow(done).want(t, 200, "You are signed out")
	laptop.load(appURL+"/").want(t, 200, "Sign in to Example")
	laptop.load(portalURL+"/account").want(t, 200, "Sign in to Example")
}

func TestAccount_AnotherPersonsThingsAreNotThere(t *testing.T) {
	s := newSite(t)
	hers, _ := s.withPasskey()
	page := hers.load(portalURL + "/account")
	ids := regexp.MustCompile(`/account/passkeys/([^/]+)/rename`).FindStringSubmatch(page.body)
	his := s.browser()
	mine := his.signIn(bob, portalURL+"/")
	f := his.form(mine, "/revoke-all")
	f.action.Path = "/account/passkeys/" + ids[1] + "/remove"
	his.sendForm(f).want(t, 404, "not yours")
	sessions := regexp.MustCompile(`/account/sessions/([^/]+)/revoke"`)
	other := s.browser()
	other.signIn(ada, portalURL+"/")
	// She signed in by mail alone, and has a passkey by now (SE-8).
	id := sessions.FindStringSubmatch(hers.load(portalURL+"/account").want(t, 200, "Access tokens stay").body)
	f.action.Path = "/account/sessions/" + id[1] + "/revoke"
	his.sendForm(f).want(t, 404, "not yours")
	other.load(portalURL+"/account").want(t, 200, ada)
}

func TestLogout_OffersTheRestAndEndsIt(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, appURL+"/")
	b.load(wikiURL + "/")
	h := pageLoad("same-origin")
	h["Content-Type"] = "application/x-www-form-urlencoded"
	page := b.follow(b.send("POST", appURL+"/.auth/logout", "", h)).want(t, 200, "Signed out of app.example.com")
	b.load(wikiURL+"/").want(t, 200, "the app sees")
	b.fill(page, "/logout").want(t, 200, "You are signed out")
	b.load(wikiURL+"/").want(t, 200, "Sign in to Example")
	for _, app := range []string{"evil.example", "app.example.com&app=wiki.example.org", "auth.example.com", "<b>"} {
		got := b.load(portalURL+"/signed-out?app="+app).want(t, 200, "You are signed out")
		if strings.Contains(got.body, "evil") || strings.Contains(got.body, "<b>") {
			t.Error("the query is echoed")
		}
	}
}

func TestLogout_TakesTheBareFormOfAnyPage(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	a := b.send("POST", portalURL+"/logout", "", map[string]string{"Origin": portalURL})
	if a.StatusCode != 303 || b.has(portalURL, "__Host-passwordless") || b.has(portalURL, "__Host-passwordless-flow") {
		t.Errorf("%d, still with cookies", a.StatusCode)
	}
	b.follow(b.send("POST", portalURL+"/logout", "", map[string]string{"Origin": portalURL})).want(t, 200, "You are signed out")
}

func TestInvite_MakesTheAccountByAPress(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	link := s.invite("new@example.com")
	where, secret, _ := strings.Cut(link, "#")
	page := b.load(where).want(t, 200, "Invitation to Example")
	before := s.records()
	if about := b.fetch(page, "/invite/peek", mailed{Token: secret}).json(t); about["email"] != "new@example.com" || about["state"] != nil {
		t.Errorf("peek: %v", about)
	}
	if s.records().counts != before.counts {
		t.Error("peek changed something")
	}
	b.next(b.fetch(page, "/invite", mailed{Token: secret})).want(t, 200, "use a passkey")
	b.fetch(page, "/invite", mailed{Token: secret}).want(t, 400, "INVITE_INVALID")
	s.noSecretsIn(t, secret, b)
}

func TestInvite_ToAnAccountWithAPasskeyNeedsIt(t *testing.T) {
	s := newSite(t)
	b, k := s.withPasskey()
	b.fill(b.load(portalURL+"/account"), "/logout")
	where, secret, _ := strings.Cut(s.invite(ada), "#")
	b.fetch(b.load(where), "/invite", mailed{Token: secret}).want(t, 403, "Sign in here with that passkey")
	b.next(k.prove(b, b.load(portalURL+"/login"), "/login/passkey"))
	b.next(b.fetch(b.load(where), "/invite", mailed{Token: secret})).want(t, 200, "Your account")
}

func TestInvite_ToAnAccountThatWasSignedOutSinceNeedsAFreshSignIn_SE5(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	where, secret, _ := strings.Cut(s.invite(ada), "#")
	s.must(s.svc.SignOutUser(t.Context(), "cli", ada))
	b.fetch(b.load(where), "/invite", mailed{Token: secret}).want(t, 403, "Sign in by e-mail, then open it again")
	b.signIn(ada, portalURL+"/")
	b.fetch(b.load(where), "/invite", mailed{Token: secret}).want(t, 200, "next")
}

// Where no mail server is configured the page asks nobody for an address, and
// says what to do instead.
func TestLogin_WithoutAMailServerSaysSo(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) { c.NoMailServer = true })
	page := s.browser().load(portalURL+"/login").want(t, 200, "cannot send mail yet")
	page.want(t, 200, "ask whoever runs it for an invitation")
	if strings.Contains(page.body, `name="email"`) {
		t.Error("it asks for an address")
	}
}

// CK-2: a session cookie that we never set in that form is nobody's, and goes,
// on pages of the portal and of app hosts alike.
func TestCookie_BadOneIsCleared_CK2(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	const name = "__Host-passwordless"
	token := strings.Repeat("A", 43)
	for what, cookie := range map[string]string{
		"quoted": name + `="` + token + `"`, "twice": name + "=" + token + "; " + name + "=" + token, "long": name + "=" + strings.Repeat("A", 5000),
	} {
		for _, target := range []string{portalURL + "/", portalURL + "/login", portalURL + "/account", appURL + "/.auth/me", appURL + "/.auth/start?rd=/", appURL + "/"} {
			a := s.browser().send("GET", target, "", map[string]string{"Cookie": cookie})
			if cleared := a.Header.Get("Set-Cookie"); !strings.HasPrefix(cleared, name+"=;") || !strings.Contains(cleared, "Max-Age=0") {
				t.Errorf("%s, %s: %d, Set-Cookie %q", target, what, a.StatusCode, cleared)
			}
		}
	}
}

// A link to /logout signs nobody out (CS-1), and is no dead end either.
func TestLogout_ALinkAsksFirst(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, appURL+"/")
	page := b.load(appURL+"/.auth/logout").want(t, 200, "Sign out of app.example.com")
	b.load(appURL+"/").want(t, 200, "the app sees "+ada)
	if page = b.fill(page, "/.auth/logout").want(t, 200, "Signed out of app.example.com"); strings.Contains(page.body, `class="session"`) {
		t.Error("the page offers to sign out twice")
	}
	b.load(appURL + "/") // by its live root session
	page = b.load(portalURL+"/logout").want(t, 200, "Sign out?")
	b.load(portalURL+"/account").want(t, 200, ada)
	b.fill(page, "/logout").want(t, 200, "You are signed out")
	b.load(portalURL+"/logout").want(t, 200, "You are signed out")
	b.load(appURL+"/.auth/logout").want(t, 200, "You are signed out")
}

func TestAccount_ListsTheAppsThatAreOpen(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.signIn(bob, portalURL+"/")
	if !strings.Contains(page.body, `href="`+appURL+`/"`) || strings.Contains(page.body, wikiURL) {
		t.Errorf("the apps that are open to bob: %s", page.body)
	}
	page.want(t, 200, "signed in by e-mail")
}

// What the operator changed under people's feet is said, and does not lock them
// out (DESIGN §6).
func TestAccount_PasskeyOfAnotherRPIDIsMarked(t *testing.T) {
	s := newSite(t)
	b, _ := s.withPasskey()
	c := s.svc.Config()
	c.RPID = "example.com"
	svc, err := authcore.NewService(s.rt, c)
	s.must(err)
	h, err := New(Options{Service: svc, Brand: Brand{Name: "Example"}, Log: s.h.Log, Health: healthy{}, Address: address})
	s.must(err)
	s.svc, s.h = svc, h
	page := b.load(portalURL+"/account").want(t, 200, "Made for auth.example.com. It does not work here any more")
	if !strings.Contains(page.body, `data-credentials=""`) {
		t.Error("the browser is told to keep it")
	}
	s.browser().signIn(ada, portalURL+"/").want(t, 200, "Your account")
}

func TestInvite_WithoutMailSaysThatThePasskeyIsTheWayBack(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) { c.NoMailServer = true })
	b := s.browser()
	where, secret, _ := strings.Cut(s.invite("new@example.com"), "#")
	page := b.load(where).want(t, 200, "which you add in the next step")
	b.next(b.fetch(page, "/invite", mailed{Token: secret})).want(t, 200, "Continue without a way back")
}

// The address is new again to us, and known to apps as somebody else.
func TestDenied_SaysThatAUserNameIsMissing(t *testing.T) {
	s := newSite(t)
	s.must(s.svc.DeleteUser(t.Context(), "cli", bob))
	b := s.browser()
	where, secret, _ := strings.Cut(s.invite(bob), "#")
	b.next(b.fetch(b.load(where), "/invite", mailed{Token: secret}))
	b.load(appURL+"/").want(t, 403, "needs a name of its own before apps open")
}

func TestHandOut_LeadsToTheAccountInTime(t *testing.T) {
	s := newSite(t)
	_, _ = s.withPasskey()
	link, err := s.svc.HandOut(t.Context(), "cli", ada)
	s.must(err)
	b := s.browser()
	where, secret, _ := strings.Cut(link, "#")
	landing := b.load(where).want(t, 200, "Back into your account at Example")
	if about := b.fetch(landing, "/invite/peek", mailed{Token: secret}).json(t); about["email"] != ada || about["state"] != "lost" {
		t.Errorf("peek: %v", about) // it is for somebody who knows the site
	}
	page := b.next(b.fetch(landing, "/invite", mailed{Token: secret})).want(t, 200, "Within 15 minutes, add a passkey")
	page.want(t, 200, "signed in by a hand-out link")
	about := b.fetch(landing, "/not-me/peek", mailed{Token: s.notices()[1]}).json(t) // the newest is of the new browser
	if about["what"] != "An administrator made a link that signs in to your account without your devices." || about["device"] != nil {
		t.Errorf("the notice is %v", about)
	}
	b.fetch(page, "/account/passkeys/options", nothing{}).want(t, 200, "challenge")
}
