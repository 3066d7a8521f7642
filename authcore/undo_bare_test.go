package authcore

import "testing"

// Whoever reads the mailbox can say "that was not me" of what its owner did. A
// site where mail opens nothing in an account with a passkey stays closed to
// them when that takes the last one back.
func TestNotMe_TheMailboxIsNotLetInByTakingTheLastFactorBack(t *testing.T) {
	for _, mode := range []string{"off", "second"} {
		t.Run(mode, func(t *testing.T) {
			f := newFixture(t, func(c *Config) { c.EmailAfterPasskey = mode })
			b, _ := f.signIn(alice)
			f.addKey(b)
			f.must(f.s.NotMe(f.ctx(), f.notices()[0].link, Client{}))
			if u := f.user(alice); u.Freeze == nil || !u.Freeze.Bare {
				t.Fatalf("the freeze is %+v", u.Freeze)
			}
			if _, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: f.newBrowser()}); err != nil {
				t.Fatal(err) // EN: it looks as ever
			}
			if got := f.mails(); len(got) > 0 {
				t.Errorf("a mail went to %s that would let its reader in", got[0].To)
			}
			f.must(f.s.EnableUser(f.ctx(), "cli", alice)) // the operator has spoken with its owner
			b, _ = f.signIn(alice)
			f.addKey(b)
		})
	}
}

// An account that never had more than the mailbox loses no way in.
func TestNotMe_AnAccountWithoutFactorsStillSignsInByMail(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.EmailAfterPasskey = "off" })
	f.signIn(alice)
	f.signIn(alice)
	f.must(f.s.NotMe(f.ctx(), f.notices()[0].link, Client{}))
	if u := f.user(alice); u.Freeze == nil || u.Freeze.Bare {
		t.Fatalf("the freeze is %+v", u.Freeze)
	}
	f.clock.advance(1)
	f.signIn(alice)
}
