package authcore

import (
	"fmt"
	"maps"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// preview asks page by page and sorts who would lose what.
func (f *fixture) preview(newID string) (losses map[string]string, users int) {
	f.t.Helper()
	losses = map[string]string{}
	for after := ""; ; {
		page, err := f.s.PreviewRPID(f.ctx(), newID, after, 2)
		f.must(err)
		users += page.Users
		for _, l := range page.Losses {
			losses[l.User.Email] = fmt.Sprintf("%s: %d stop, %d work, mail %v, TOTP %v", l.Loss, l.Stop, l.Work, l.Mail, l.TOTP)
		}
		if after = page.Next; after == "" {
			return losses, users
		}
	}
}

// keepPasskey stores a passkey of any rp_id, as the years leave them behind.
func (f *fixture) keepPasskey(who, rpID string) {
	f.t.Helper()
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		u, err := tx.UserByEmail(who)
		if err != nil {
			return err
		}
		return tx.PutPasskey(&store.Passkey{ID: []byte(who + rpID), UserID: u.ID, Name: rpID, RPID: rpID})
	}))
}

func TestPreviewRPID_SaysWhoWouldLoseWhat(t *testing.T) {
	const carol, dave, erin, frank = "carol@example.com", "dave@example.com", "erin@example.com", "frank@example.com"
	f := newFixture(t)
	for _, who := range []string{alice, bob, carol, dave, erin, frank} {
		f.addUser(who)
	}
	f.givePasskey(alice)
	f.makeAdmin(alice)
	f.givePasskey(frank)
	f.makeAdmin(frank)
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		u, err := tx.UserByEmail(frank)
		if err != nil {
			return err
		}
		u.TOTP = new(store.TOTP)
		return tx.PutUser(u)
	}))
	f.givePasskey(bob)
	f.keepPasskey(bob, portalHost)
	f.givePasskey(dave)
	f.must(f.s.DisableUser(f.ctx(), "cli", dave))
	f.givePasskey(erin)
	f.keepPasskey(erin, "example.test") // she has been at the new name before
	f.keepPasskey(erin, "elsewhere.example")
	f.reload(portalConfig(t, func(c *Config) { c.EmailAfterPasskey = "off" })) // speaks of passkeys that work
	want := map[string]string{
		alice: "the admin role: 1 stop, 0 work, mail true, TOTP false",
		bob:   "every passkey: 2 stop, 0 work, mail true, TOTP false",
		erin:  "some passkeys: 1 stop, 1 work, mail true, TOTP false",
		frank: "every passkey: 1 stop, 0 work, mail true, TOTP true",
	}
	if got, users := f.preview("example.test"); !maps.Equal(got, want) || users != 6 {
		t.Errorf("of %d users: %v", users, got)
	}
	if got, _ := f.preview(portalHost); len(got) != 0 {
		t.Errorf("no change costs %v", got)
	}

	for _, noMail := range []func(*Config){func(c *Config) { c.NoEmail = true }, func(c *Config) { c.NoMailServer = true }} {
		f.reload(portalConfig(t, noMail))
		want = map[string]string{
			alice: "every way in: 1 stop, 0 work, mail false, TOTP false",
			bob:   "every way in: 2 stop, 0 work, mail false, TOTP false",
			erin:  "some passkeys: 1 stop, 1 work, mail false, TOTP false",
			frank: "every way in: 1 stop, 0 work, mail false, TOTP true",
		}
		if got, _ := f.preview("example.test"); !maps.Equal(got, want) {
			t.Errorf("without mail: %v", got)
		}
	}
}

// A store that nobody serves from knows its last rp_id; one that nobody ever
// served from counts every passkey of another name.
func TestPreviewRPID_OfAStoreAlone(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.givePasskey(alice)
	ask := func(c RPIDChange) int {
		t.Helper()
		page, err := PreviewRPID(f.ctx(), f.store, c, "", 10)
		f.must(err)
		stop := 0
		for _, l := range page.Losses {
			stop += l.Stop
		}
		return stop
	}
	f.keepPasskey(alice, "elsewhere.example")
	if got := ask(RPIDChange{New: "example.test"}); got != 2 {
		t.Errorf("never started: %d stop", got)
	}
	f.must(f.rt.noteRPID()(f.ctx()))
	if got := ask(RPIDChange{New: "example.test"}); got != 1 {
		t.Errorf("started: %d stop", got)
	}
	if got := ask(RPIDChange{New: portalHost}); got != 0 {
		t.Errorf("without a change: %d stop", got)
	}
	if got := ask(RPIDChange{New: "example.test", Before: "third.example"}); got != 0 {
		t.Errorf("passkeys that do not work now: %d stop", got)
	}
}

// What the preview says comes true: the one who keeps a way in gets in, the one
// who loses the role is no admin.
func TestPreviewRPID_ComesTrue(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.addUser(bob)
	f.givePasskey(alice)
	f.makeAdmin(alice)
	f.givePasskey(bob)
	losses, _ := f.preview("example.test")
	f.reload(portalConfig(t, func(c *Config) { c.RPID = "example.test" }))
	for who, can := range map[string]bool{alice: false, bob: true} {
		b, _ := f.signIn(who)
		_, err := f.s.BeginAddPasskey(f.ctx(), b)
		if (err == nil) != can {
			t.Errorf("%s (%s) adds a passkey by mail: %v", who, losses[who], err)
		}
	}
}
