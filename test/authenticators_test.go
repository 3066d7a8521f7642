package test

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// Authenticators of all kinds in Chromium, and what becomes of their owners.
func TestAuthenticators(t *testing.T) {
	w := startWorld(t, worldOptions{})
	login, account := w.URL(authHost, "/login"), w.URL(authHost, "/account")
	const (
		row = "section[aria-labelledby=passkeys] li"
		add = "#add-button"
	)
	// newcomer is a person's first visit to their account page, on a device.
	newcomer := func(t *testing.T, address string, d harness.Device) (*harness.Browser, *harness.Authenticator) {
		t.Helper()
		b := w.browser(t)
		keys := b.AddDevice(d)
		keys.NoAutofill()
		w.mailedCode(t, b, account, address)
		b.Click("#not-now")
		b.WaitURL(account)
		return b, keys
	}
	count := func(b *harness.Browser, selector string) int {
		return harness.Eval[int](b, "document.querySelectorAll('"+selector+"').length")
	}
	added := func(b *harness.Browser) { // a passkey, by the button
		b.Click(add)
		b.WaitURL(account + "?done=passkey-added")
	}
	signOut := func(b *harness.Browser) {
		b.Goto(account)
		b.Click("footer form button")
		b.WaitURL(w.URL(authHost, "/signed-out"))
	}
	comeBack := func(b *harness.Browser) { // to the account, by the button
		b.Goto(login)
		b.Click("#passkey-button")
		b.WaitURL(account)
	}

	// An old security key cannot keep a passkey, and some verify nobody. The page
	// says that there is none, and the mailbox goes on working.
	t.Run("DeviceThatCannotKeepOneIsRefused", func(t *testing.T) {
		const address = "old-key@example.test"
		b, keys := newcomer(t, address, harness.Device{KeepsNothing: true})
		for _, next := range []harness.Device{{VerifiesNobody: true}, {}} {
			b.Click(add)
			b.See("#alert:not(:empty)")
			b.See(add + ":not([aria-busy])") // to try another device
			b.Reload()
			if n := count(b, row) + len(keys.Credentials()); n != 0 {
				t.Errorf("%d passkeys are left", n)
			}
			keys.Remove()
			keys = b.AddDevice(next)
		}
		signOut(b)
		w.mailedCode(t, b, account, address)
		b.WaitURL(account)
		added(b) // by the one that can
	})

	t.Run("OneWhoIsNotVerifiedOrWalksAwayCanStartAgain", func(t *testing.T) {
		b, keys := newcomer(t, "away-from-making@example.test", harness.Device{})
		keys.UserVerifies(false)
		b.Click(add)
		b.See("#alert:not(:empty)")
		keys.UserVerifies(true)
		keys.UserPresent(false)
		b.Click(add)
		b.See(add + "[aria-busy]")
		b.Reload() // which ends the ceremony
		b.See(add + ":not([aria-busy])")
		if n := count(b, row) + len(keys.Credentials()); n != 0 {
			t.Errorf("%d passkeys are left", n)
		}
		keys.UserPresent(true)
		added(b)
	})

	t.Run("SyncedIsShownAndFollowsTheDevice", func(t *testing.T) {
		b, keys := newcomer(t, "syncing@example.test", harness.Device{NotSynced: true})
		added(b)
		without := count(b, row+" .tag")
		for _, synced := range []bool{true, false} {
			keys.Sync(true, synced)
			signOut(b)
			comeBack(b)
			if shown := count(b, row+" .tag") > without; shown != synced {
				t.Errorf("synced %v is shown as %v", synced, shown)
			}
		}
		// What may be synced does not change: this is another key, or a lie.
		keys.Sync(false, false)
		signOut(b)
		b.Goto(login)
		b.Click("#passkey-button")
		b.See("#alert:not(:empty)")
		b.WaitURL(login)
		keys.Sync(true, false)
		comeBack(b)
	})

	// WA-5: the copy of a key that counts is behind the key.
	t.Run("CopyThatIsBehindIsRefused", func(t *testing.T) {
		b, keys := newcomer(t, "copied@example.test", harness.Device{NeverSyncable: true})
		added(b)
		thief := w.browser(t)
		keys.SyncTo(thief).NoAutofill()
		for range 2 {
			signOut(b)
			comeBack(b)
		}
		thief.Goto(login)
		thief.Click("#passkey-button")
		thief.See("#alert:not(:empty)")
		thief.Goto(account)
		thief.WaitURL(login)
		if !strings.Contains(w.Output(), "may have been copied") {
			t.Error("the log says nothing")
		}
		signOut(b)
		comeBack(b)
	})
}
