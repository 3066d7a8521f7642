package portal

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// intruded is a site whose owner has a passkey, and into whose account somebody
// else signed in by mail; secret is in the link of the notice.
func intruded(t *testing.T, change ...func(*authcore.Config)) (s *site, owner, intruder *browser, k *authenticator, secret string) {
	t.Helper()
	s = newSite(t, change...)
	owner, k = s.withPasskey()
	intruder = s.browser()
	intruder.agent, intruder.ip = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "198.51.100.9"
	intruder.signIn(ada, portalURL+"/").want(t, 200, "Your account")
	secrets := s.notices()
	if len(secrets) != 2 { // of the passkey, and of the new browser
		t.Fatalf("%d notices", len(secrets))
	}
	return s, owner, intruder, k, secrets[0]
}

// ML-4: scanners and previews open links. Nothing comes of that.
func TestNotMe_OpeningTheLinkDoesNothing_ML4(t *testing.T) {
	s, owner, intruder, _, secret := intruded(t)
	before := s.records()
	for name, b := range map[string]*browser{"a stranger": s.browser(), "the owner": owner, "the intruder": intruder} {
		for _, header := range []map[string]string{pageLoad("none"), pageLoad("cross-site"), {"Sec-Purpose": "prefetch;prerender"}, nil} {
			for _, method := range []string{"GET", "HEAD"} {
				a := b.send(method, portalURL+"/not-me", "", header)
				if a.StatusCode != 200 || a.Header.Get("Location") != "" || a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s to %s with %v: %d to %q", method, name, header, a.StatusCode, a.Header.Get("Location"))
				}
			}
		}
	}
	b := s.browser()
	page := b.load(portalURL + "/not-me")
	for range 2 { // peek spends nothing
		about := b.fetch(page, "/not-me/peek", mailed{Token: secret}).want(t, 200, "{").json(t)
		if about["email"] != ada || about["what"] != "A new browser or app signed in." || about["device"] != "Safari on iPhone" || about["requested_at"] == "" {
			t.Errorf("peek: %v", about)
		}
	}
	s.unchanged(t, before, "opening and peeking")
	intruder.account().want(t, 200, ada)
	b.fetch(page, "/not-me/peek", mailed{Token: strings.Repeat("A", 43)}).want(t, 400, "LINK_INVALID")
	b.fetch(page, "/not-me/peek", mailed{}).want(t, 400, "LINK_INVALID")
	s.noSecretsIn(t, secret, b, owner, intruder)

	german := b.send("GET", portalURL+"/not-me", "", map[string]string{"Accept-Language": "de", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
	german.want(t, 200, "Waren Sie das nicht?")
}

func TestNotMe_EndsTheSessionAndFreezesTheAccountUntilThePasskeyOfBefore(t *testing.T) {
	s, owner, intruder, k, secret := intruded(t)
	b := s.browser()
	page := b.load(portalURL + "/not-me")
	b.next(b.fetch(page, "/not-me", mailed{Token: secret})).want(t, 200, "That session has ended")
	b.fetch(page, "/not-me", mailed{Token: secret}).want(t, 400, "LINK_INVALID") // once
	b.fetch(page, "/not-me/peek", mailed{Token: secret}).want(t, 400, "LINK_INVALID")
	intruder.account().want(t, 200, "Sign in to Example")
	if b.session() != "" {
		t.Error("it signed somebody in")
	}

	// The owner is told why nothing can be added, and what lifts that.
	page = owner.account().want(t, 200, "Somebody said “that was not me”")
	confirm := owner.link(page, "Confirm now").want(t, 200, "Confirm with what you had before")
	owner.next(k.prove(owner, confirm, "/login/step-up/passkey")).want(t, 200, "Thank you, that was you")
	if s.user(ada).Freeze != nil || strings.Contains(owner.account().body, "nothing can be changed in it") {
		t.Error("the passkey of before lifts nothing")
	}
	owner.fill(owner.account(), "/account/recovery-codes").want(t, 200, "They are shown only now")
}

func TestNotMe_AFrozenAccountSaysWhyOnThePageThatRefuses(t *testing.T) {
	s, owner, _, k, secret := intruded(t)
	owner.next(k.prove(owner, owner.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	owner.fetch(owner.load(portalURL+"/not-me"), "/not-me", mailed{Token: secret}).want(t, 200, "/not-me/done")
	account := owner.account()
	for path, fields := range map[string][]string{
		"/account/totp": {}, "/account/recovery-codes": {}, "/account/email": {"email", "x@example.org"},
		"/account/tokens": {"name", "x", "app", "app.example.com", "expires", "30d"},
	} {
		page := owner.raw(account, path, fields...).want(t, 403, "Confirm with a passkey or recovery code from before")
		page.want(t, 403, "<h1>Your account</h1>").want(t, 403, "Confirm now")
	}
	for _, path := range []string{"/account/email", "/account/tokens"} {
		owner.load(portalURL+path).want(t, 403, "Confirm now")
	}
	owner.fetch(account, "/account/passkeys/options", nothing{}).want(t, 403, `"code":"FROZEN"`)
	if u := s.user(ada); u.TOTP != nil || u.Recovery != nil {
		t.Error("something was added")
	}
}

func TestNotMe_WithoutAnythingOfBeforeAnAdminIsAsked(t *testing.T) {
	s := newSite(t)
	owner, intruder := s.browser(), s.browser()
	owner.signIn(ada, portalURL+"/")
	intruder.signIn(ada, portalURL+"/")
	b := s.browser()
	b.fetch(b.load(portalURL+"/not-me"), "/not-me", mailed{Token: s.notices()[0]}).want(t, 200, "/not-me/done")
	page := owner.account().want(t, 200, "Ask an administrator to lift that")
	if strings.Contains(page.body, "Confirm now") {
		t.Error("the page asks for what there is not")
	}
}

// A recovery code of before lifts it, too, and the page has its form at hand.
func TestNotMe_ARecoveryCodeOfBeforeLiftsIt(t *testing.T) {
	s := newSite(t)
	owner, k := s.withPasskey()
	owner.next(k.prove(owner, owner.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	codes := owner.withCodes()
	s.browser().signIn(ada, portalURL+"/")
	owner.fetch(owner.load(portalURL+"/not-me"), "/not-me", mailed{Token: s.notices()[0]}).want(t, 200, "/not-me/done")
	page := owner.link(owner.account(), "Confirm now").want(t, 200, `<details class="standalone" open>`)
	owner.fill(page, "/login/step-up/recovery", "code", codes[3]).want(t, 200, "Recovery code accepted")
	if s.user(ada).Freeze != nil {
		t.Error("the account is still frozen")
	}
}

func TestNotMe_InASidecar(t *testing.T) {
	s := newSidecar(t)
	s.browser().signIn(ada, appURL+"/")
	intruder := s.browser()
	intruder.signIn(ada, appURL+"/").want(t, 200, "the app sees")
	link, secret, _ := strings.Cut(s.lastMail().link, "#")
	if link != appURL+"/.auth/not-me" {
		t.Fatalf("the link leads to %s", link)
	}
	b := s.browser()
	page := b.load(link).want(t, 200, "Was that not you?")
	b.fetch(page, "/not-me/peek", mailed{Token: secret}).want(t, 200, ada)
	b.next(b.fetch(page, "/not-me", mailed{Token: secret})).want(t, 200, "That session has ended")
	intruder.load(appURL+"/").want(t, 200, "Sign in to Example")
}
