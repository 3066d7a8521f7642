package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// The story of each method, from the first visit to its removal, as its owner
// lives it. Mailed codes and links are in email_test.go, and what passkeys do in
// passkey_test.go.

// storyteller is a person at a browser, with the parts that their story needs.
type storyteller struct {
	*world
	*harness.Browser
	t       *testing.T
	address string
	keys    *harness.Authenticator
}

// person is somebody new, on the account page after their first sign-in by mail.
func (w *world) person(t *testing.T, address string) *storyteller {
	t.Helper()
	p := &storyteller{w, w.browser(t), t, address, nil}
	p.keys = p.AddAuthenticator()
	p.keys.NoAutofill()
	w.mailedCode(t, p.Browser, p.account(), address)
	p.Click("#not-now")
	p.Read("Your account")
	return p
}

func (p *storyteller) account() string { return p.world.URL(authHost, "/account") }

// addPasskey adds one on the account page.
func (p *storyteller) addPasskey() {
	p.t.Helper()
	p.Goto(p.account())
	p.Click("#add-button")
	p.Read("Passkey added.")
}

// confirm gives the proof by passkey that the page asks for.
func (p *storyteller) confirm() {
	p.t.Helper()
	p.Goto(p.world.URL(authHost, "/login/step-up"))
	p.Click("#passkey-button")
	p.Read("Thank you, that was you.")
}

// setUpTOTP sets up an authenticator app by the key for typing, and confirms it
// with the code of the step before.
func (p *storyteller) setUpTOTP() (secret string) {
	p.t.Helper()
	p.Goto(p.account())
	p.Click("form[action='/account/totp'] button")
	p.See(".qr svg")
	p.Click(".steps summary")
	secret = strings.ReplaceAll(p.Text("#secret"), " ", "")
	p.Fill("#totp", oathCode(p.t, secret, -1))
	p.Press("\r")
	p.Read("Authenticator app added.")
	return secret
}

func (p *storyteller) signOut() {
	p.t.Helper()
	p.Goto(p.account())
	p.Click("footer .session button")
	p.Read("You are signed out")
}

// byMail gives the mailed code, from a page of another host or the account page.
func (p *storyteller) byMail(at string) {
	p.t.Helper()
	p.mailedCode(p.t, p.Browser, at, p.address)
}

func TestStories(t *testing.T) {
	w := startWorld(t, worldOptions{})
	for name, tell := range map[string]func(*testing.T, *world){
		"AuthenticatorApp": storyOfTOTP, "RecoveryCodes": storyOfRecovery, "NewAddress": storyOfAddress, "NotMe": storyOfNotMe,
		"AccessToken": storyOfToken, "Devices": storyOfDevices, "Deleted": storyOfDeletion,
	} {
		t.Run(name, func(t *testing.T) { tell(t, w) })
	}
}

func storyOfTOTP(t *testing.T, w *world) {
	p := w.person(t, "totp@example.test")
	secret := p.setUpTOTP()
	app := w.URL(appHost, "/page")
	p.signOut()

	// By the keyboard alone: a wrong code, the right one, and into the app.
	p.byMail(app)
	p.Read("One more step")
	p.NextPage(func() { p.Press(noOathCode(t, secret) + kb.Enter) })
	p.Read("not the code that your authenticator app shows now")
	used := oathCode(t, secret, 0)
	p.Press(used + kb.Enter)
	p.WaitURL(app)
	p.Read(p.address)

	// The same code again, on another device, is no good.
	other := w.browser(t)
	w.mailedCode(t, other, app, p.address)
	other.Fill("#totp", used)
	other.Press("\r")
	other.Read("or it was used already")

	// Removing it needs a fresh proof, which is a code of it.
	p.DeleteCookie(w.URL(authHost, "/"), sessionCookie)
	p.byMail(p.account())
	p.Fill("#totp", oathCode(t, secret, 1))
	p.Press("\r")
	p.Read("signed in by e-mail and authenticator app")
	p.Click("details:has([action='/account/totp/remove']) summary")
	p.Click("[action='/account/totp/remove'] .danger")
	p.Read("Authenticator app removed.")
	p.signOut()
	p.byMail(app)
	p.WaitURL(app)
}

func storyOfRecovery(t *testing.T, w *world) {
	p := w.person(t, "lost@example.test")
	p.setUpTOTP()
	p.addPasskey()
	p.Click("form[action='/account/recovery-codes'] button")
	p.Read("They are shown only now.")
	codes := strings.Fields(harness.Eval[string](p.Browser, `[...document.querySelectorAll(".codes code")].map(c => c.textContent).join(" ")`))
	if len(codes) != 10 {
		t.Fatalf("%d codes", len(codes))
	}
	harness.Eval[bool](p.Browser, `(window.print = () => document.body.dataset.printed = "yes", true)`)
	p.Click("#print")
	if harness.Eval[string](p.Browser, "document.body.dataset.printed") != "yes" {
		t.Error("the button prints nothing")
	}
	p.Click("main a.button")
	p.Read("10 of 10 are left.")

	// Phone and laptop are gone. What is left is the mailbox and the paper.
	found := &storyteller{w, w.browser(t), t, p.address, nil}
	found.keys = found.AddAuthenticator()
	found.keys.NoAutofill()
	app := w.URL(appHost, "/page")
	found.byMail(app)
	found.Click(".choices a[href*='by=recovery']")
	found.Fill("#recovery", strings.ToLower(codes[3]))
	found.Press("\r")
	found.Read("Add a passkey on this device now")
	if body := harness.Eval[string](found.Browser, "document.body.innerText"); strings.Contains(body, "Where you are signed in") || strings.Contains(body, "Authenticator app") {
		t.Errorf("the page shows more than it should:\n%s", body)
	}
	found.Goto(app) // an app that asks for nothing more than a session stays closed, too
	found.Read("You came in with a recovery code. Add a passkey first")
	found.Click("main a.primary")
	found.Click("#add-button")
	found.WaitURL(app)
	found.Read(p.address)

	// Whole again: the lost things are taken away.
	found.Goto(found.account())
	found.Read("9 of 10 are left.")
	found.Click("details:has([action='/account/totp/remove']) summary")
	found.Click("[action='/account/totp/remove'] .danger")
	found.Read("Authenticator app removed.")
	w.notice(t, p.address, "A recovery code was used", 1)
	if got := harness.Eval[int](p.Browser, "fetch('/account', {redirect: 'manual'}).then(r => r.status)"); got == http.StatusOK {
		t.Error("the lost laptop is still signed in")
	}
}

// notice is the nth of the notices to an address that say something.
func (w *world) notice(t *testing.T, address, says string, n int) (found harness.Message) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("waiting for notice %d: %s", n, says), func() string {
		seen := 0
		for _, m := range w.mail.Messages() {
			if len(m.To) == 1 && m.To[0] == address && strings.Contains(m.Text, says) {
				if seen++; seen == n {
					found = m
					return ""
				}
			}
		}
		return fmt.Sprintf("there are %d", seen)
	})
	return found
}

func storyOfAddress(t *testing.T, w *world) {
	const to = "moved@example.test"
	p := w.person(t, "moving@example.test")
	p.Click("a[href='/account/email']")
	p.Fill("#email", to)
	p.Press("\r")
	p.Read("a code is on its way there")
	code := w.mail.Wait(to).Code(t)
	p.Fill("#code", notThis(code))
	p.NextPage(func() { p.Press("\r") })
	p.Read("not the code from the newest mail")
	p.Fill("#code", code)
	p.Press("\r")
	p.Read("E-mail address changed.")
	p.Read("Signed in as " + to)
	w.notice(t, p.address, "The e-mail address was changed from "+p.address+" to "+to+".", 1)
	p.signOut()
	p.address = to
	p.byMail(w.URL(appHost, "/page"))
	p.WaitURL(w.URL(appHost, "/page"))
	p.Read(to)
}

func storyOfNotMe(t *testing.T, w *world) {
	p := w.person(t, "owner@example.test")
	p.addPasskey()
	p.confirm()
	phone := w.browser(t) // has the first passkey, too
	p.keys.SyncTo(phone).NoAutofill()
	p.keys.Remove()
	p.keys = p.AddAuthenticator()
	p.addPasskey() // a second one, on a tablet that is stolen

	thief := w.browser(t)
	stolen := p.keys.SyncTo(thief)
	stolen.NoAutofill()
	thief.Goto(p.account())
	thief.Click("#passkey-button")
	thief.Read("Your account")
	stolen.Remove()
	own := thief.AddAuthenticator()
	thief.Reload()
	thief.Click("#add-button")
	thief.Read("Passkey added.")

	// The owner reads of it on the phone.
	phone.Goto(w.notice(t, p.address, "was added.", 3).Link(t, "/not-me"))
	phone.Read("Was that not you?")
	phone.Read("In the account " + p.address)
	if strings.Contains(phone.URL(), "#") {
		t.Errorf("the address holds the secret: %s", phone.URL())
	}
	phone.Looks("not-me")
	phone.Reload()
	phone.Read("has forgotten the link")
	phone.Goto(w.notice(t, p.address, "was added.", 3).Link(t, "/not-me"))
	phone.Click("[data-state=here] .danger")
	phone.Read("That session has ended")
	phone.Goto(w.notice(t, p.address, "was added.", 3).Link(t, "/not-me"))
	phone.Read("This link does not work") // once

	thief.Goto(p.account())
	thief.WaitURL(w.URL(authHost, "/login"))
	thief.Click("#passkey-button")
	thief.Read("That passkey is not registered here any more.")
	harness.Eventually(t, "waiting for the browser to forget the passkey", func() string {
		if len(own.Credentials()) != 0 {
			return "still offered"
		}
		return ""
	})

	// Until the passkey of before is used, nothing can be added.
	p.Goto(p.account())
	p.Read("nothing can be changed in it now")
	p.Click("form[action='/account/totp'] button")
	p.Read("Confirm with a passkey or recovery code from before")
	phone.Goto(p.account())
	phone.Click("#passkey-button")
	phone.WaitURL(p.account())
	phone.Goto(w.URL(authHost, "/login/step-up"))
	phone.Click("#passkey-button")
	phone.Read("Thank you, that was you.")
	p.Goto(p.account())
	p.Read("Authenticator app")
	if strings.Contains(harness.Eval[string](p.Browser, "document.body.innerText"), "nothing can be changed in it") {
		t.Error("the account is still frozen")
	}
	p.Click("form[action='/account/totp'] button")
	p.See(".qr svg")
}

func storyOfToken(t *testing.T, w *world) {
	p := w.person(t, "script@example.test")
	p.Click("a[href='/account/tokens']")
	p.Fill("#token-name", "Backup")
	p.Fill("#token-path", "/dav/*")
	p.Press("\r")
	p.Read("it is shown only this once")
	token := p.Text("#secret")
	script := w.client(t)
	get := func(host, path string) int {
		return script.Request(http.MethodGet, w.URL(host, path), "", "Authorization", "Bearer "+token).StatusCode
	}
	if got := get(appHost, "/dav/files"); got != http.StatusOK {
		t.Fatalf("the token opens nothing: %d", got)
	}
	if seen := w.app.Seen(); http.Header(seen[len(seen)-1].Headers).Get("Remote-User") != p.address {
		t.Errorf("the app sees %v", seen[len(seen)-1].Headers)
	}
	if got := get(appHost, "/other"); got != http.StatusForbidden {
		t.Errorf("another path: %d", got)
	}
	if got := get(otherHost, "/dav/files"); got != http.StatusUnauthorized {
		t.Errorf("another app: %d", got)
	}
	p.Click("main a.button")
	p.Read("Backup")
	p.Read("Reading only")
	p.Click("form[action$='/revoke'] button[aria-label='Revoke the token Backup']")
	p.Read("Token revoked.")
	if got := get(appHost, "/dav/files"); got != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", got)
	}
}

func storyOfDevices(t *testing.T, w *world) {
	p := w.person(t, "many@example.test")
	app := w.URL(appHost, "/page")
	devices := []*harness.Client{w.client(t), w.client(t), w.client(t)}
	for _, c := range devices {
		w.enter(t, c, app, p.address)
	}
	live := func() (n int) {
		for _, c := range devices {
			if status(c, w.URL(appHost, "/.auth/me")) == http.StatusOK {
				n++
			}
		}
		return n
	}
	p.Goto(p.account())
	p.Click("form[action$='/revoke'] button")
	p.Read("That browser is signed out.")
	if n := live(); n != 2 {
		t.Errorf("%d of 3 are left", n)
	}
	p.Click("details:has([action$='/revoke-others']) summary")
	p.Click("[action$='/revoke-others'] .danger")
	p.Read("All other browsers and apps are signed out.")
	if n := live(); n != 0 {
		t.Errorf("%d are left", n)
	}
	p.Read("This device")
	w.enter(t, devices[0], app, p.address)
	p.Click("details:has([action$='/revoke-all']) summary")
	p.Click("[action$='/revoke-all'] .danger")
	p.Read("You are signed out everywhere")
	if n := live(); n != 0 {
		t.Errorf("%d are left", n)
	}
	p.Back()
	p.WaitURL(w.URL(authHost, "/login")) // SE-4: the back button shows nothing
}

func storyOfDeletion(t *testing.T, w *world) {
	p := w.person(t, "leaving@example.test")
	p.addPasskey()
	p.confirm()
	p.Click("details:has([action='/account/delete']) summary")
	p.Fill("#delete-email", "somebody@example.test")
	p.NextPage(func() { p.Press("\r") })
	p.Read("Type your e-mail address to delete the account.")
	p.Fill("#delete-email", p.address)
	p.Press("\r")
	p.Read("Your account is deleted")
	for _, c := range p.Cookies(w.URL(authHost, "/")) {
		if c.Name == sessionCookie || c.Name == deviceCookie {
			t.Errorf("%s is left", c.Name)
		}
	}
	p.Goto(w.URL(authHost, "/login"))
	p.Click("#passkey-button")
	p.Read("That passkey is not registered here any more.")
}
