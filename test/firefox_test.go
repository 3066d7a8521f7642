package test

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// Passkeys in Firefox, with its own software authenticator: made on the account
// page, and used.
func TestFirefox(t *testing.T) {
	const address = "firefox@example.test"
	w := startWorld(t, worldOptions{})
	app, login, account := w.URL(appHost, "/page"), w.URL(authHost, "/login"), w.URL(authHost, "/account")
	f := harness.StartFirefox(t, w.RootCA(t))

	// By mail, and "not now".
	f.Goto(app)
	f.Fill("#email", address)
	f.Click("form[action$='/login'] button")
	f.Fill("#code", w.mail.Wait(address).Code(t))
	f.Click("form[action$='/login/code'] button")
	f.Click("#not-now")
	f.WaitURL(app)
	f.Read(address)
	for _, c := range f.Cookies() {
		if strings.Contains(c.Name, "passwordless") && (!strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HTTPOnly || c.Path != "/" || c.SameSite != "Lax") {
			t.Errorf("CK-1: Firefox keeps %+v", c)
		}
	}

	// A passkey on the account page; where nobody verifies, there is none.
	f.AddAuthenticator()
	f.UserVerifies(false)
	f.Goto(account)
	f.Click("#add-button")
	f.See("#alert:not(:empty)")
	f.UserVerifies(true)
	f.Click("#add-button")
	f.WaitURL(account + "?done=passkey-added")
	f.See("form[action$='/remove'], details:has(form[action$='/remove'])")
	if n := f.Passkeys(); n != 1 {
		t.Fatalf("%d passkeys", n)
	}

	// The session is by mail, so changing anything asks for the passkey (SE-8).
	f.Click("details:has(.danger) summary")
	f.Click("form[action$='/remove'] .danger")
	f.WaitURL(w.URL(authHost, "/login/step-up"))
	f.Click("#passkey-button")
	f.WaitURL(account + "?done=confirmed")
	f.Click("#add-button") // this device has one
	f.See("#alert:not(:empty)")
	if n := f.Passkeys(); n != 1 {
		t.Errorf("%d passkeys", n)
	}

	// Signed out everywhere, and back by the button alone.
	f.Click("footer form button")
	f.WaitURL(w.URL(authHost, "/signed-out"))
	f.Goto(app)
	f.WaitURL(login)
	f.Click("#passkey-button")
	f.WaitURL(app)
	f.Read(address)
	f.Goto(app)
	f.WaitURL(app) // the cookie is kept
}
