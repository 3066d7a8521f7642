package authcore

import (
	"slices"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
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
	note := f.rt.noteRPID()
	f.must(note(f.ctx()))
	f.reload(portalConfig(t, func(c *Config) { c.RPID = "example.test" }))
	f.must(note(f.ctx()))
	if strings.Contains(f.log.String(), said) {
		t.Error("warned about passkeys where there are no users")
	}
	f.addUser(alice)
	for range 2 {
		f.reload(portalConfig(t))
		f.must(note(f.ctx()))
		f.must(note(f.ctx()))
	}
	if n := strings.Count(f.log.String(), said); n != 1 || !strings.Contains(f.log.String(), "write rp_id example.test where") {
		t.Errorf("said %d times: %s", n, f.log)
	}
}

// BT-1, SE-8: an operator's slip with rp_id hands no admin's account, and
// nobody's passkeys, to whoever reads the mailbox.
func TestPasskey_OfAnotherRPIDIsNotTheMailboxesToReplace(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.addUser(bob)
	f.givePasskey(alice)
	f.makeAdmin(alice)
	bobs := f.givePasskey(bob)
	f.reload(portalConfig(t, func(c *Config) { c.RPID = "example.test" }))

	admin, _ := f.signIn(alice)
	_, err := f.s.BeginAddPasskey(f.ctx(), admin)
	if r := f.refused(err, StepUpRequired); !slices.Equal(r.Methods, []string{AMRHandOut}) {
		t.Errorf("an admin is asked for %v", r.Methods)
	}
	link, err := f.s.HandOut(f.ctx(), "cli", alice)
	f.must(err)
	_, raw, _ := strings.Cut(link, "#")
	got, err := f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.must(err)
	admin.Session = f.live(got.Token)
	f.addKey(admin)

	b, _ := f.signIn(bob)
	f.refused(f.s.RemovePasskey(f.ctx(), b.Session, bobs.cred.ID, Client{}), Conflict)
	k := f.addKey(b)
	b = f.keySignIn(k)
	f.must(f.s.RemovePasskey(f.ctx(), b.Session, bobs.cred.ID, Client{}))
}

// An operator can find out why somebody got no mail; a visitor cannot (EN).
func TestStartEmail_KeepsWhyNothingIsSent(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Registration.Mode = "closed" })
	f.addUser(bob)
	f.must(f.s.DisableUser(f.ctx(), "cli", bob))
	f.addUser("carol@example.com")
	for f.mailed("carol@example.com", f.newBrowser()) {
	}
	f.mailed(alice, f.newBrowser())
	f.mailed(bob, f.newBrowser())
	var said []string
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		list, err := tx.ListMessages("", "", 100)
		for _, m := range list {
			said = append(said, m.Params[ParamUnsent])
		}
		return err
	}))
	slices.Sort(said)
	if want := []string{"nobody has this address, and registration is not open to it", "the user is disabled"}; !slices.Equal(said, want) {
		t.Errorf("delivery is told %q", said)
	}
	if log := f.log.String(); !strings.Contains(log, overBudget) || strings.Contains(log, "carol@") { // LG-1
		t.Errorf("the log: %s", log)
	}
}
