package authcore

import (
	"strings"
	"testing"
)

// A passkey works under the rp_id that it was made for. Where that has changed,
// as when a portal takes over from a sidecar, it is neither a way in nor a proof
// that its owner could still give, and must not stand in the way.
func TestPasskey_OfAnotherRPIDStandsInNobodysWay(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.givePasskey(alice)
	link := f.invite(NewUser{Email: alice}, false)
	_, err := f.s.AcceptInvite(f.ctx(), link, f.newBrowser())
	f.refused(err, StepUpRequired)

	f.reload(portalConfig(t, func(c *Config) { c.RPID, c.EmailAfterPasskey = "example.test", "off" }))
	b, got := f.signIn(alice) // email_after_passkey off speaks of passkeys that work
	if !got.Offer {
		t.Error("no passkey is offered")
	}
	keys, err := f.s.Passkeys(f.ctx(), b.Session.User)
	f.must(err)
	if len(keys) != 1 || len(f.s.Usable(keys)) != 0 || f.s.MayManage(b.Session, keys) != nil {
		t.Fatalf("%d passkeys, %d of use, managing: %v", len(keys), len(f.s.Usable(keys)), f.s.MayManage(b.Session, keys))
	}
	old := keys[0].ID
	f.addKey(b)
	keys, err = f.s.Passkeys(f.ctx(), b.Session.User)
	f.must(err)
	if usable := f.s.Usable(keys); len(keys) != 2 || len(usable) != 1 || string(usable[0].ID) == string(old) {
		t.Errorf("%d passkeys, %d of use", len(keys), len(usable))
	}
	f.refused(f.s.RemovePasskey(f.ctx(), b.Session, old, Client{}), StepUpRequired) // now there is one that works

	f.reload(portalConfig(t, func(c *Config) { c.NoEmail = true }))
	if usable := f.s.Usable(keys); len(usable) != 1 || string(usable[0].ID) != string(old) {
		t.Error("under the old rp_id the old passkey is of no use")
	}
}

func TestPasskey_ChangedRPIDIsSaidOnce(t *testing.T) {
	const said = "rp_id has changed"
	f := newFixture(t)
	f.s.Start()
	f.reload(portalConfig(t, func(c *Config) { c.RPID = "example.test" }))
	f.s.Start()
	if strings.Contains(f.log.String(), said) {
		t.Error("warned about passkeys where there are no users")
	}
	f.addUser(alice)
	f.reload(portalConfig(t))
	for range 2 {
		f.s.Start()
	}
	if n := strings.Count(f.log.String(), said); n != 1 || !strings.Contains(f.log.String(), "write rp_id example.test where") {
		t.Errorf("said %d times: %s", n, f.log)
	}
}

// An operator can find out why somebody got no mail; a visitor cannot (EN).
func TestStartEmail_LogsWhyNothingIsSent(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Registration.Mode = "closed" })
	f.addUser(bob)
	f.must(f.s.DisableUser(f.ctx(), "cli", bob))
	f.addUser("carol@example.com")
	for f.mailed("carol@example.com", f.newBrowser()) {
	}
	f.mailed(alice, f.newBrowser())
	f.mailed(bob, f.newBrowser())
	log := f.log.String()
	for _, want := range []string{"too many mails", "registration is not open", "the user is disabled"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q: %s", want, log)
		}
	}
	for _, address := range []string{alice, bob, "carol@"} {
		if strings.Contains(log, address) {
			t.Errorf("LG-1: the log has %s", address)
		}
	}
}
