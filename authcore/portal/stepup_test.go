package portal

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// passkeyOnly is a policy's "require passkey".
var passkeyOnly = []authcore.Line{{Words: []string{"passkey"}, At: "Caddyfile:21"}}

// asking gives the first app a policy; sessions live long enough to wait a day.
func asking(t *testing.T, spec authcore.PolicySpec) func(*authcore.Config) {
	return func(c *authcore.Config) {
		c.SessionIdle = 30 * 24 * time.Hour
		c.Apps[0] = app(t, appURL, spec)
	}
}

// known signs a user in for the first time, some while ago: from now on the
// mailbox alone makes no passkey that counts at once.
func (s *site) known(address string) {
	s.t.Helper()
	b := s.browser()
	b.signIn(address, s.svc.URL("/account"))
	s.wait(time.Hour)
}

// session is the browser's cookie where sign-in is served.
func (b *browser) session() string { return b.jar[b.s.svc.Portal().Host]["__Host-passwordless"] }

// link follows a link of a page by its text.
func (b *browser) link(page *answer, text string) *answer {
	b.s.t.Helper()
	m := regexp.MustCompile(`<a [^>]*href="([^"]*)"[^>]*>` + regexp.QuoteMeta(text) + `</a>`).FindStringSubmatch(page.body)
	if m == nil {
		b.s.t.Fatalf("%s has no link %q:\n%s", page.url, text, page.body)
	}
	target, err := page.url.Parse(attrs(`href="` + m[1] + `"`)["href"])
	b.s.must(err)
	return b.load(target.String())
}

// asksFor fails the test unless the page asks for exactly these.
func (a *answer) asksFor(t *testing.T, passkey, mail bool) *answer {
	t.Helper()
	if got := strings.Contains(a.body, `id="passkey-button"`); got != passkey {
		t.Errorf("%s asks for a passkey: %v\n%s", a.url, got, a.body)
	}
	if got := strings.Contains(a.body, `/login/step-up/email"`); got != mail {
		t.Errorf("%s offers a mail: %v\n%s", a.url, got, a.body)
	}
	return a
}

// authenticator is one for where this site serves sign-in.
func (s *site) authenticator() *authenticator {
	k := newAuthenticator()
	k.rp.ID, k.rp.Origin = s.svc.Config().RPID, s.svc.Portal().String()
	return k
}

// distrust has the user's passkeys count in an hour only.
func (s *site) distrust(address string) {
	s.t.Helper()
	s.must(s.db.Update(context.Background(), func(tx store.Tx) error {
		u, err := tx.UserByEmail(address)
		if err != nil {
			return err
		}
		keys, err := tx.PasskeysOf(u.ID)
		for _, k := range keys {
			k.TrustedAt = s.clock().Add(time.Hour)
			if err := tx.PutPasskey(k); err != nil {
				return err
			}
		}
		return err
	}))
}

// bothShapes runs a test with a portal and as a sidecar. Redirects are bounded
// by the browser of the tests, as by any other.
func bothShapes(t *testing.T, change func(*authcore.Config), run func(*testing.T, *site)) {
	t.Helper()
	t.Run("Portal", func(t *testing.T) { run(t, newSite(t, change)) })
	t.Run("Sidecar", func(t *testing.T) { run(t, newSidecar(t, change)) })
}

// Nobody is signed in, the app wants a passkey, and there is none: e-mail leads
// to a page that says so, and a passkey that the mailbox alone stands behind
// counts a day later (DESIGN §6). Nothing of it goes round in circles.
func TestStepUp_AppWantsAPasskeyAndThereIsNone_SE8(t *testing.T) {
	bothShapes(t, asking(t, authcore.PolicySpec{Require: passkeyOnly}), func(t *testing.T, s *site) {
		s.known(ada)
		b, k := s.browser(), s.authenticator()
		page := b.signIn(ada, appURL+"/x?y=1").want(t, 200, "opens with a passkey only, and your account has none yet").asksFor(t, false, false)
		page.want(t, 200, "so it counts from <time")
		page = b.link(page, "Add a passkey").want(t, 200, "Your account")
		added := s.clock()
		page = b.next(k.add(b, page)).want(t, 200, "Your passkey does not count yet").asksFor(t, false, false)
		page.want(t, 200, added.Add(24*time.Hour).UTC().Format("2 January 2006, 15:04 UTC"))
		b.load(appURL+"/x").want(t, 200, "does not count yet")

		// Signing in with it changes nothing about that.
		other := s.browser()
		other.next(k.prove(other, other.load(appURL+"/x"), "/login/passkey")).want(t, 200, "does not count yet").asksFor(t, false, false)

		s.wait(24 * time.Hour)
		other.load(appURL+"/x").want(t, 200, "the app sees "+ada) // it was used already
		page = b.load(appURL+"/x?y=1").want(t, 200, "asks you to confirm with your passkey").asksFor(t, true, false)
		before := b.session()
		page = b.next(k.prove(b, page, "/login/step-up/passkey")).want(t, 200, "the app sees "+ada)
		if page.url.String() != appURL+"/x?y=1" {
			t.Errorf("ended at %s", page.url)
		}
		if b.session() == before {
			t.Error("the session kept its id (SE-2)")
		}
	})
}

func TestStepUp_PasskeyOfTheFirstSignInCountsAtOnce(t *testing.T) {
	bothShapes(t, asking(t, authcore.PolicySpec{Require: passkeyOnly}), func(t *testing.T, s *site) {
		b, k := s.browser(), s.authenticator()
		page := b.signIn(ada, appURL+"/x").want(t, 200, "it counts at once")
		page = b.next(k.add(b, b.link(page, "Add a passkey"))).asksFor(t, true, false)
		b.next(k.prove(b, page, "/login/step-up/passkey")).want(t, 200, "the app sees "+ada)
	})
}

func TestStepUp_FreshSignInByMailWhereThereIsNoPasskey(t *testing.T) {
	bothShapes(t, asking(t, authcore.PolicySpec{Reauth: 12 * time.Hour, ReauthAt: "Caddyfile:22"}), func(t *testing.T, s *site) {
		b := s.browser()
		b.signIn(ada, appURL+"/x").want(t, 200, "the app sees "+ada)
		s.wait(12*time.Hour + time.Minute)
		before := b.session()
		page := b.load(appURL+"/x").want(t, 200, "asks you to sign in again").asksFor(t, false, true)
		page = b.code(b.fill(page, "/login/step-up/email")).want(t, 200, "the app sees "+ada)
		if page.url.String() != appURL+"/x" || b.session() == before {
			t.Errorf("ended at %s with the old session: %v", page.url, b.session() == before)
		}
	})
}

// SE-8: where the account has a passkey, its mailbox confirms nothing.
func TestStepUp_FreshSignInByPasskeyWhereThereIsOne(t *testing.T) {
	bothShapes(t, asking(t, authcore.PolicySpec{Reauth: 12 * time.Hour}), func(t *testing.T, s *site) {
		b, k := s.browser(), s.authenticator()
		b.signIn(ada, s.svc.URL("/account"))
		b.next(k.add(b, b.load(s.svc.URL("/account"))))
		s.wait(13 * time.Hour)
		page := b.load(appURL+"/x").asksFor(t, true, false)
		b.next(k.prove(b, page, "/login/step-up/passkey")).want(t, 200, "the app sees "+ada)
	})
}

func TestStepUp_OnlyPasskeysThatCountAreAskedFor(t *testing.T) {
	s := newSite(t, asking(t, authcore.PolicySpec{Require: passkeyOnly}))
	b, _ := s.withPasskey()
	s.wait(time.Hour)
	b.fill(b.load(portalURL+"/account"), "/logout")
	page := b.signIn(ada, appURL+"/x").asksFor(t, true, false)
	if strings.Contains(page.body, "added lately") {
		t.Error("it speaks of a passkey that there is not")
	}
	c := b.fetch(page, "/login/step-up/passkey/options", forApp{To: page.to(t)}).ceremony(t)
	if n := strings.Count(string(c.PublicKey), `"type":"public-key"`); n != 1 {
		t.Errorf("%d passkeys are asked for", n)
	}
	s.distrust(ada)
	page = b.load(appURL+"/x").want(t, 200, "does not count yet").asksFor(t, false, false)
	b.fetch(page, "/login/step-up/passkey/options", forApp{To: page.to(t)}).want(t, 403, "METHOD_OFF")
	b.fetch(page, "/login/step-up/passkey/options", forApp{}).want(t, 200, "challenge") // for the account it does
}

func TestStepUp_WhatCannotBeGivenHereIsSaid(t *testing.T) {
	t.Run("PasskeysAreOff", func(t *testing.T) {
		s := newSite(t, asking(t, authcore.PolicySpec{Require: passkeyOnly}), func(c *authcore.Config) { c.NoPasskey = true })
		s.browser().signIn(ada, appURL+"/x").want(t, 200, "a way to sign in that this site does not offer").asksFor(t, false, false)
	})
	t.Run("NoTOTPYet", func(t *testing.T) {
		s := newSite(t, asking(t, authcore.PolicySpec{Require: []authcore.Line{{Words: []string{"totp"}}}}))
		b, _ := s.withPasskey()
		b.load(appURL+"/x").want(t, 200, "opens with an authenticator app only").asksFor(t, false, false)
	})
	t.Run("PasskeysAreOffAndTheAccountHasOne", func(t *testing.T) {
		s := newSite(t, asking(t, authcore.PolicySpec{Reauth: time.Hour}))
		b, _ := s.withPasskey()
		s.reload(func(c *authcore.Config) { c.NoPasskey = true })
		s.wait(2 * time.Hour)
		page := b.load(appURL+"/x").want(t, 200, "asks for a fresh sign-in").asksFor(t, false, false)
		page = b.fill(page, "/logout?switch=1").want(t, 200, "to continue to <strong>app.example.com</strong>")
		b.code(b.fill(page, "/login", "email", ada)).want(t, 200, "the app sees "+ada)
	})
}

func TestStepUp_OneThatIsNotNeededGoesOn(t *testing.T) {
	s := newSite(t, asking(t, authcore.PolicySpec{Reauth: time.Hour}))
	b := s.browser()
	page := b.load(appURL + "/x")
	stepUp := portalURL + "/login/step-up?" + page.url.RawQuery
	b.load(stepUp).want(t, 200, "to continue to <strong>app.example.com</strong>") // nobody is signed in: the way back is kept
	b.signIn(ada, portalURL+"/")
	b.load(stepUp).want(t, 200, "the app sees "+ada)
}

// A path that asks for more than the rest of the app, and clients that are no
// page loads.
func TestStepUp_OfOnePathOnly(t *testing.T) {
	s := newSite(t, asking(t, authcore.PolicySpec{Paths: []authcore.PathSpec{{Path: "/admin/*", Rules: authcore.PolicySpec{Require: passkeyOnly}}}}))
	b, k := s.withPasskey()
	b.load(appURL+"/x").want(t, 200, "the app sees "+ada)
	a := b.send("GET", appURL+"/admin/x", "", map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}).want(t, 401, `"code":"STEP_UP_REQUIRED"`)
	if methods, login := a.json(t)["methods"].([]any), a.json(t)["login_url"]; len(methods) != 1 || methods[0] != "passkey" || login != appURL+"/.auth/start?rd=%2F&require=passkey" {
		t.Errorf("methods %v, login_url %v", methods, login)
	}
	h := pageLoad("same-origin")
	b.send("POST", appURL+"/admin/x", "", h).want(t, 401, "Confirm it’s you first")
	page := b.load(appURL+"/admin/x").asksFor(t, true, false)
	if page = b.next(k.prove(b, page, "/login/step-up/passkey")).want(t, 200, "the app sees "+ada); page.url.Path != "/admin/x" {
		t.Errorf("ended at %s", page.url)
	}
	if a := b.send("GET", appURL+"/admin/x", "", nil); a.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d", a.StatusCode)
	}
}

// A session that a recovery code began is to add a passkey; to confirm with one
// that is lost is the second choice.
func TestStepUp_ALimitedSessionAddsFirst(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	for name, p := range map[string]stepUpPage{
		"passkey": {Passkey: true}, "totp": {TOTP: true}, "both": {Passkey: true, TOTP: true}, "mail": {Mail: true}, "neither": {},
	} {
		p.Page, p.For, p.Limited = r.page("", "x"), "wiki.example.com", true
		main := show(t, r, p).Body.String()
		if n := strings.Count(main, "primary"); n != 1 || !strings.Contains(main, `<a class="button primary" href="/account?to="`) {
			t.Errorf("%s: %d primary buttons: %s", name, n, main)
		}
		add, other := strings.Index(main, "button primary"), strings.Index(main, "secondary")
		if other >= 0 && other < add {
			t.Errorf("%s: adding is not first", name)
		}
	}
}
