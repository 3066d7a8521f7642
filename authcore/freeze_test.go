package authcore

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// frozen is alice's account after she said of a session that it was not hers. She
// has a passkey and recovery codes of before that session began, and there are
// others of after. TOTP is hers.
type frozen struct {
	*fixture
	older, newer *key
	codes        []string // of before
	app          *authApp
	since        time.Time
}

func freeze(t *testing.T) *frozen {
	f := &frozen{fixture: newFixture(t)}
	b, _ := f.signIn(alice)
	f.older = f.addKey(b)
	f.stepUp(&b, f.older)
	f.codes, f.app = f.printed(b), f.giveTOTP(&b)
	f.clock.advance(time.Hour)
	f.forgetMails()
	f.signInTOTP(alice, f.app)
	f.since = f.clock.now()
	notice := f.notices()[0]
	f.clock.advance(time.Hour)
	f.newer = f.addKey(f.keySignIn(f.older))
	f.must(f.s.NotMe(f.ctx(), notice.link, Client{}))
	f.forgetMails()
	if u := f.user(alice); u.Freeze == nil || !u.Freeze.Since.Equal(f.since) || u.TOTP == nil || u.Recovery == nil {
		t.Fatalf("the user is %+v", u)
	}
	return f
}

func (f *frozen) isFrozen() bool { return f.user(alice).Freeze != nil }

// changing are the acts (limitedActs) that change an account, or tell all about it.
var changing = []string{
	"BeginTOTP", "ConfirmTOTP", "RemoveTOTP", "NewRecoveryCodes", "StartAddress", "ConfirmAddress", "CreateOwnToken",
	"RevokeOwnToken", "SetDisplayName", "Export", "DeleteSelf", "RenamePasskey", "RemovePasskey",
}

// A frozen account is changed by nobody, however well they proved that it is
// theirs by what is newer or by TOTP: what tells the two apart must stay.
func TestFreeze_StopsWhatChangesTheAccount(t *testing.T) {
	f := freeze(t)
	b := f.keySignIn(f.newer)
	f.stepUpTOTP(&b, f.app)
	acts := limitedActs(f.fixture, b, f.newer)
	acts["BeginAddPasskey"] = func() (Reason, error) { _, err := f.s.BeginAddPasskey(f.ctx(), b); return "", err }
	for _, name := range append(changing, "BeginAddPasskey") {
		_, err := acts[name]()
		if r, ok := AsRefusal(err); !ok || r.Reason != Frozen {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What takes away from sessions goes on, and so do the apps.
	if !f.allowed(appHost, f.handOver(b.Session, appHost)) {
		t.Error("the app is closed")
	}
	f.must(f.s.SignOutScope(f.ctx(), b.Session, "others", b.Client))
	if !f.isFrozen() {
		t.Error("something of that thawed it")
	}
}

// A ceremony or code that began before the freeze finishes into it.
func TestFreeze_StopsWhatHadBegun(t *testing.T) {
	f := newFixture(t)
	b, k, _ := f.owned()
	c, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.must(err)
	f.must(f.s.StartAddress(f.ctx(), b.Session, eve, b.Client))
	code := f.lastMail().code
	f.keySignIn(k)
	f.must(f.s.NotMe(f.ctx(), f.notices()[0].link, Client{}))
	_, err = f.s.FinishAddPasskey(f.ctx(), c.ID.Reveal(), f.attest(f.newKey(), c), "", b)
	f.refused(err, Frozen)
	_, err = f.s.ConfirmAddress(f.ctx(), b.Session, code, b.Client)
	f.refused(err, Frozen)
}

func TestFreeze_IsLiftedByWhatIsOlderAndByAnAdmin(t *testing.T) {
	for name, thaw := range map[string]func(f *frozen){
		"sign-in with an older passkey": func(f *frozen) { f.keySignIn(f.older) },
		"step-up with an older passkey": func(f *frozen) {
			b := f.keySignIn(f.newer)
			f.stepUp(&b, f.older)
		},
		"an older recovery code at sign-in": func(f *frozen) { f.finish(f.owe(alice), SecondRecovery, f.codes[0]) },
		"an older recovery code later": func(f *frozen) {
			_, err := f.s.StepUpRecovery(f.ctx(), f.codes[0], f.keySignIn(f.newer))
			f.must(err)
		},
		"a hand-out": func(f *frozen) { f.givePasskeyByHandOut(alice) },
		"an admin":   func(f *frozen) { f.must(f.s.EnableUser(f.ctx(), "cli", alice)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := freeze(t)
			thaw(f)
			if f.isFrozen() {
				t.Fatal("it is frozen")
			}
			b := f.keySignIn(f.newer)
			f.addKey(b)
			if n := len(f.audit(evThawed)) + len(f.audit(evUserEnabled)); n != 1 {
				t.Errorf("%d lines in the audit log", n)
			}
		})
	}
}

func TestFreeze_IsLiftedByNothingElse(t *testing.T) {
	for name, try := range map[string]func(f *frozen){
		"a newer passkey": func(f *frozen) {
			b := f.keySignIn(f.newer)
			f.stepUp(&b, f.newer)
		},
		"TOTP": func(f *frozen) {
			b := f.signInTOTP(alice, f.app)
			f.stepUpTOTP(&b, f.app)
		},
		"a wrong recovery code": func(f *frozen) {
			_, err := f.s.StepUpRecovery(f.ctx(), "0000-0000-0000-0000-0000-0000", f.keySignIn(f.newer))
			f.refused(err, RecoveryInvalid)
		},
		"newer recovery codes": func(f *frozen) {
			f.edit(alice, func(u *User) { u.Recovery.MadeAt = u.Freeze.Since })
			f.finish(f.owe(alice), SecondRecovery, f.codes[0])
		},
		"a passkey of that moment": func(f *frozen) {
			f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
				k, err := tx.Passkey(f.newer.cred.ID)
				f.must(err)
				k.CreatedAt = f.since
				return tx.PutPasskey(k)
			}))
			f.keySignIn(f.newer)
		},
		"a hand-out nobody accepted": func(f *frozen) {
			_, err := f.s.HandOut(f.ctx(), "cli", alice)
			f.must(err)
		},
		"an invitation": func(f *frozen) {
			_, err := f.s.AcceptInvite(f.ctx(), f.invite(NewUser{Email: alice}, false), f.keySignIn(f.newer))
			f.must(err)
		},
		"being named": func(f *frozen) { f.must(f.s.NameUser(f.ctx(), "cli", alice, "ally")) },
		"time":        func(f *frozen) { f.clock.advance(30 * 24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			f := freeze(t)
			try(f)
			if !f.isFrozen() {
				t.Error("it is thawed")
			}
			_, err := f.s.BeginAddPasskey(f.ctx(), f.keySignIn(f.newer))
			f.refused(err, Frozen)
		})
	}
}

// Who reads the mailbox can undo what its owner did lately, and then signs in by
// mail alone as before that; to the account they can do nothing.
func TestFreeze_LeavesTheMailboxNothing(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	k := f.addKey(b)
	f.stepUp(&b, k)
	f.giveTOTP(&b)
	f.must(f.s.NotMe(f.ctx(), f.notices()[0].link, Client{}))
	by, _ := f.signIn(alice)
	acts := limitedActs(f, by, k)
	for _, name := range changing {
		_, err := acts[name]()
		if r, ok := AsRefusal(err); !ok || r.Reason != Frozen {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.enrolRefused(by, Frozen)
}

func (f *fixture) enrolRefused(b Browser, want Reason) {
	f.t.Helper()
	_, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.refused(err, want)
}

// Of two that were not hers the earlier counts, in whichever order she says so.
func TestFreeze_TwiceIsFromTheEarlier(t *testing.T) {
	for _, earlyFirst := range []bool{true, false} {
		f := newFixture(t)
		b, k, _ := f.owned()
		f.clock.advance(time.Hour)
		f.keySignIn(k)
		early, since := f.notices()[0], f.clock.now()
		f.clock.advance(time.Hour)
		f.stepUp(&b, k)
		middle := f.addKey(b)
		f.clock.advance(time.Hour)
		f.forgetMails()
		f.keySignIn(k)
		late := f.notices()[0]
		links := []string{late.link, early.link}
		if earlyFirst {
			links = []string{early.link, late.link}
		}
		for _, link := range links {
			f.must(f.s.NotMe(f.ctx(), link, Client{}))
		}
		if got := f.user(alice).Freeze; !got.Since.Equal(since) {
			t.Errorf("frozen since %v, want %v", got.Since, since)
		}
		f.keySignIn(middle)
		if f.user(alice).Freeze == nil {
			t.Error("a passkey from between the two thawed it")
		}
	}
}

// Whoever was not its owner may have left a browser that is known.
func TestFreeze_BrowsersOfSinceAreStrangers(t *testing.T) {
	f := freeze(t)
	b := f.keySignIn(f.newer)
	f.forgetMails()
	again := f.newBrowser()
	again.Device = b.Device
	signIn := func() {
		t.Helper()
		c, err := f.s.BeginPasskey(f.ctx(), again)
		f.must(err)
		_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), f.assert(f.newer, c), again)
		f.must(err)
	}
	signIn()
	f.wantNotices(1)
	f.must(f.s.EnableUser(f.ctx(), "cli", alice))
	for _, notices := range []int{1, 0} { // one of those who are told of is not its owner
		f.forgetMails()
		signIn()
		f.wantNotices(notices)
	}
}
