package test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// Passkeys in a real browser, with a virtual authenticator that holds them.
func TestPasskey(t *testing.T) {
	w := startWorld(t, worldOptions{})
	app, login, account := w.URL(appHost, "/page"), w.URL(authHost, "/login"), w.URL(authHost, "/account")

	// enrol is a new person's first sign-in, with a passkey made from the offer.
	enrol := func(t *testing.T, address string) (*harness.Browser, *harness.Authenticator) {
		t.Helper()
		b := w.browser(t)
		keys := b.AddAuthenticator()
		w.mailedCode(t, b, app, address)
		b.Click("#add-button")
		b.WaitURL(app)
		return b, keys
	}
	signOut := func(b *harness.Browser) {
		b.Goto(account)
		b.Click("footer form button")
		b.Read("You are signed out")
	}
	// comeBack signs in with the passkey, by the button.
	comeBack := func(b *harness.Browser, keys *harness.Authenticator) {
		keys.NoAutofill()
		signOut(b)
		b.Goto(app)
		b.Click("#passkey-button")
		b.WaitURL(app)
	}

	t.Run("SignsInWithoutAName", func(t *testing.T) {
		b, keys := enrol(t, "nameless@example.test")
		got := keys.Credentials()
		if len(got) != 1 || !got[0].IsResidentCredential || got[0].RpID != authHost {
			t.Fatalf("%+v", got)
		}
		if handle := got[0].UserHandle; len(handle) < 16 || strings.Contains(string(handle), "nameless") {
			t.Errorf("user handle %q", handle)
		}
		comeBack(b, keys)
		b.Read("nameless@example.test")
	})

	t.Run("AutofillSignsInWithoutAPress", func(t *testing.T) {
		b, _ := enrol(t, "autofill@example.test")
		signOut(b)
		b.Goto(app) // and the passkey is picked from the field's list
		b.WaitURL(app)
		b.Read("autofill@example.test")
	})

	t.Run("SyncedPasskeyWorksOnAnotherDevice", func(t *testing.T) {
		_, keys := enrol(t, "synced@example.test")
		phone := w.browser(t)
		keys.SyncTo(phone).NoAutofill()
		phone.Goto(app)
		phone.Click("#passkey-button")
		phone.WaitURL(app)
		phone.Read("synced@example.test")
	})

	t.Run("DeviceThatHasOneIsNotGivenASecond", func(t *testing.T) {
		b, keys := enrol(t, "second@example.test")
		comeBack(b, keys)
		b.Goto(account)
		b.Click("#add-button")
		b.Read("This device already has a passkey for your account.")
		if n := len(keys.Credentials()); n != 1 {
			t.Errorf("%d passkeys", n)
		}
	})

	t.Run("UnverifiedPersonIsRefusedAndTold", func(t *testing.T) {
		b, keys := enrol(t, "unverified@example.test")
		keys.NoAutofill()
		signOut(b)
		keys.UserVerifies(false)
		b.Goto(app)
		b.Click("#passkey-button")
		b.Read("No passkey was used. Try again, or continue with e-mail.")
		b.WaitURL(login)
		keys.UserVerifies(true)
		b.Click("#passkey-button")
		b.WaitURL(app)
	})

	t.Run("OneWhoWalksAwayCanGoOnByMail", func(t *testing.T) {
		b, keys := enrol(t, "away@example.test")
		signOut(b)
		keys.UserPresent(false)
		b.Goto(app)
		b.Click("#passkey-button") // ends the wait for a pick from the list, and gets no answer either
		b.See("#passkey-button[aria-busy]")
		b.Fill("#email", "away@example.test")
		b.Press("\r")
		b.Fill("#code", w.mail.Wait("away@example.test").Code(t))
		b.Press("\r")
		b.WaitURL(app)
	})

	t.Run("NotNowIsRemembered", func(t *testing.T) {
		b := w.browser(t)
		w.signInByCode(t, b, app, "later@example.test")
		b.Goto(account)
		b.Read("You have no passkey yet.")
		b.Click("footer form button")
		b.Read("You are signed out")
		w.mailedCode(t, b, app, "later@example.test")
		b.WaitURL(app)
	})

	t.Run("RenamedAndAddedFromTheAccountPage", func(t *testing.T) {
		b := w.browser(t)
		keys := b.AddAuthenticator()
		w.mailedCode(t, b, account, "namer@example.test")
		b.Click("#not-now")
		b.WaitURL(account)
		b.Click("#add-button")
		b.Read("Passkey added.")
		if n := len(keys.Credentials()); n != 1 {
			t.Fatalf("%d passkeys", n)
		}
		comeBack(b, keys) // a session by mail changes nothing any more (SE-8)
		b.Goto(account)
		b.Click("section[aria-labelledby=passkeys] details summary")
		b.Fill("section[aria-labelledby=passkeys] input[name=name]", "Blue <key> & co")
		b.Press("\r")
		b.Read("Passkey renamed.")
		b.Read("Blue <key> & co")
	})

	t.Run("RemovedOnlyAfterConfirming", func(t *testing.T) {
		const address = "remover@example.test"
		b, keys := enrol(t, address)
		keys.NoAutofill()
		elsewhere := w.client(t)
		w.enter(t, elsewhere, app, address)

		// Signed in by mail only, this account changes nothing (SE-8).
		signOut(b)
		w.mailedCode(t, b, account, address)
		b.WaitURL(account)
		remove := func() {
			b.Click("details:has(.danger) summary")
			b.Click("form[action$='/remove'] .danger")
		}
		remove()
		b.WaitURL(w.URL(authHost, "/login/step-up"))
		b.Click("#passkey-button")
		b.Read("Thank you, that was you.")
		remove()
		b.Read("Passkey removed.")
		b.Read("You have no passkey yet.")
		if got := status(elsewhere, w.URL(appHost, "/.auth/me")); got != http.StatusUnauthorized {
			t.Errorf("another browser is still signed in: status %d", got)
		}
		harness.Eventually(t, "waiting for the browser to forget the passkey", func() string {
			if len(keys.Credentials()) != 0 {
				return "still offered"
			}
			return ""
		})
	})

	t.Run("PasskeyNobodyKnowsIsNoLongerOffered", func(t *testing.T) {
		const address = "gone@example.test"
		b, keys := enrol(t, address)
		copied := w.browser(t)
		stale := keys.SyncTo(copied)
		stale.NoAutofill()
		comeBack(b, keys)
		b.Goto(account)
		b.Click("details:has(.danger) summary")
		b.Click("form[action$='/remove'] .danger")
		b.Read("Passkey removed.")
		copied.Goto(app)
		copied.Click("#passkey-button")
		copied.Read("That passkey is not registered here any more.")
		harness.Eventually(t, "waiting for the browser to forget the passkey", func() string {
			if len(stale.Credentials()) != 0 {
				return "still offered"
			}
			return ""
		})
	})
}
