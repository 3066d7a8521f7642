package test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// Every page as people meet it: light and dark, on a phone and on a desktop,
// at 320 pixels, with axe finding nothing and a silent console.
func TestLooks(t *testing.T) {
	const alice = "alice@example.test"
	w := startWorld(t, worldOptions{
		globals: portalGlobals + "brand {\n\tname \"Lighthouse\"\n\taccent \"#0b6e4f\"\n}\n",
		sites: strings.Replace(portalSites, "app.example.org {\n\tpasswordless_guard",
			"app.example.org {\n\tpasswordless_guard {\n\t\tallow email:*@staff.example.test\n\t}", 1),
	})
	app, account := w.URL(appHost, "/page"), w.URL(authHost, "/account")
	b := w.browser(t)
	keys := b.AddAuthenticator()
	keys.NoAutofill()

	t.Run("SignIn", func(t *testing.T) {
		b.Goto(app)
		b.See("#passkey-button")
		b.Looks("login")
		b.Goto(w.URL(authHost, "/login?to=garbled"))
		b.Read("The way back to the app has run out")
		b.Looks("login-notice")
		b.Goto(app)
		harness.Eval[bool](b, "document.querySelector('#email').type = 'text', true") // let the server say it
		b.Fill("#email", "nobody at example")
		b.Press("\r")
		b.See("[role=alert]:not(:empty)")
		b.Looks("login-refused")
	})

	t.Run("Code", func(t *testing.T) {
		b.Goto(app)
		b.Fill("#email", alice)
		b.Press("\r")
		b.See("#code")
		b.Looks("code")
		m := w.mail.Wait(alice)
		b.Fill("#code", notThis(m.Code(t)))
		b.Press("\r")
		b.Read("Check the eight digits")
		b.Looks("code-refused")
		for range 4 {
			b.Fill("#code", notThis(m.Code(t)))
			b.NextPage(func() { b.Press("\r") })
		}
		b.Read("mistyped five times")
		b.Looks("code-spent")
	})

	t.Run("Link", func(t *testing.T) {
		b.Goto(app)
		b.Fill("#email", alice)
		b.Press("\r")
		link := w.mail.Wait(alice).Link(t, "/login/link")
		other := w.browser(t)
		other.Goto(link)
		other.Read("Sign in on this device?")
		other.Looks("link-elsewhere")
		b.Goto(link)
		b.See("[data-state=here] button")
		b.Looks("link")
		b.Click("[data-state=here] button")
		b.See("#add-button")
		b.Looks("offer")
		other.Reload()
		other.Read("This link does not work")
		other.Looks("link-failed")
		other.Goto(w.invite(t, "bob@example.test"))
		other.Read("You are invited to Lighthouse")
		other.Looks("invite")
	})

	t.Run("Account", func(t *testing.T) {
		b.Click("#not-now")
		b.WaitURL(app)
		b.Goto(account)
		b.Looks("account-empty")
		w.enter(t, w.client(t), app, alice) // another device
		b.Click("#add-button")
		b.Read("Passkey added.")
		for _, summary := range []string{"details:has(input[name=name]) summary", "details:has([action$='/remove']) summary", "details:has([action$='/revoke-all']) summary"} {
			b.Click(summary)
		}
		b.Looks("account")
		b.Click("form[action$='/remove'] .danger")
		b.See("#passkey-button")
		b.Looks("step-up")
	})

	t.Run("Refusals", func(t *testing.T) {
		b.Goto(w.URL(otherHost, "/"))
		b.Read("This app is not open to you")
		b.Looks("denied")
		b.Goto(w.URL(authHost, "/nothing"))
		b.Read("There is no page at this address")
		b.Looks("not-found")
		b.Goto(w.URL(appHost, "/.auth/start?rd=/page&n=3"))
		b.Read("Sign-in keeps coming back")
		b.Looks("bounces")
		b.Goto(account)
		b.DeleteCookie(w.URL(authHost, "/"), "__Host-passwordless-flow")
		b.Click("details:has([action$='/revoke-all']) summary")
		b.Click("[action$='/revoke-all'] .danger")
		b.Read("This page is too old")
		b.Looks("form-expired")

		// A form of the app whose person was signed out meanwhile.
		b.Goto(app)
		b.DeleteCookie(app, sessionCookie)
		harness.Eval[bool](b, `(() => { const f = document.createElement("form"); f.method = "post"; f.action = "/save";
			document.body.append(f); f.submit(); return true })()`)
		b.Read("Your session has ended")
		b.Looks("session-ended")
	})

	t.Run("SignedOut", func(t *testing.T) {
		b.Goto(w.URL(authHost, "/signed-out?app="+url.QueryEscape(w.host(appHost))))
		b.Read("Signed out of")
		b.Looks("signed-out-app")
		b.Click("main form[action='/logout'] button")
		b.Read("You are signed out")
		b.Looks("signed-out")
		b.Goto(w.URL(authHost, "/login?in=1"))
		b.Read("did not keep our cookie")
		b.Looks("cookie-missing")
	})
	if len(keys.Credentials()) != 1 {
		t.Error("the passkey is gone")
	}
}

// Everything works from the keyboard, and shows where it is.
func TestLooks_KeyboardAloneSignsIn(t *testing.T) {
	const address = "keys@example.test"
	w := startWorld(t, worldOptions{})
	app := w.URL(appHost, "/page")
	b := w.browser(t)
	focus := func(want string) {
		t.Helper()
		harness.Eventually(t, "waiting for the focus on "+want, func() string {
			return harness.Eval[string](b, `(() => {
				const e = document.activeElement, s = getComputedStyle(e);
				const seen = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || s.boxShadow !== 'none';
				return !e.matches("`+want+`") ? 'it is on ' + e.outerHTML.slice(0, 80) : seen ? '' : 'it cannot be seen';
			})()`)
		})
	}
	b.Goto(app)
	b.WaitURL(w.URL(authHost, "/login"))
	focus("#email")
	b.Press(address + kb.Tab)
	focus("form button")
	b.Press(kb.Enter)
	b.WaitURL(w.URL(authHost, "/login/code"))
	focus("#code")
	b.Press(w.mail.Wait(address).Code(t) + kb.Enter)
	b.WaitURL(w.URL(authHost, "/login/offer"))
	b.See("#add-button")
	b.Press(kb.Tab)
	focus("#add-button")
	b.Press(kb.Tab)
	focus("#not-now")
	b.Press(" ")
	b.WaitURL(app)
	if got := b.Status(); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
}
