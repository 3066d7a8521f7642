package authcore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// actsAsAdmin reports whether the account's role has its effect.
func (f *fixture) actsAsAdmin(addr string) (is bool) {
	f.t.Helper()
	u := f.user(addr)
	f.must(f.store.View(f.ctx(), func(tx store.Tx) (err error) {
		is, err = f.s.isAdmin(tx, u)
		return err
	}))
	return is
}

// accept opens an invitation or hand-out link in a new browser.
func (f *fixture) accept(link string, b Browser) Browser {
	f.t.Helper()
	_, raw, _ := strings.Cut(link, "#")
	in, err := f.s.AcceptInvite(f.ctx(), raw, b)
	f.must(err)
	f.renew(&b, in.Token)
	return b
}

func (f *fixture) handOut(addr string) string {
	f.t.Helper()
	link, err := f.s.HandOut(f.ctx(), "cli", addr)
	f.must(err)
	return link
}

// BT-1: the role takes effect with an authenticator app as it does with a passkey.
func TestAdmin_TOTPGivesTheRoleItsEffect_BT1(t *testing.T) {
	f := newFixture(t)
	link, err := f.s.Invite(f.ctx(), "cli", NewUser{Email: alice}, true)
	f.must(err)
	b := f.accept(link, f.newBrowser())
	if f.actsAsAdmin(alice) {
		t.Fatal("the invitation alone gave the role its effect")
	}
	f.giveTOTP(&b)
	if !f.actsAsAdmin(alice) {
		t.Error("with TOTP the role has no effect")
	}
	f.refused(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client), Conflict)
	k := f.addKey(b)
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	b = f.keySignIn(k)
	f.refused(f.s.RemovePasskey(f.ctx(), b.Session, k.cred.ID, b.Client), Conflict)
	f.giveTOTP(&b)
	f.must(f.s.RemovePasskey(f.ctx(), b.Session, k.cred.ID, b.Client))
	if !f.actsAsAdmin(alice) {
		t.Error("the role lost its effect")
	}
}

// BT-1: the mailbox alone never gives the role its effect, nor restores it: not a
// sign-in by mail, not a fresh one, not an invitation that was mailed, not one of
// the host that is long past.
func TestAdmin_MailboxAloneNeverGivesTheRoleItsEffect_BT1(t *testing.T) {
	for name, enter := range map[string]func(f *fixture) Browser{
		"a sign-in by mail": func(f *fixture) Browser { b, _ := f.signIn(alice); return b },
		"a mailed invitation": func(f *fixture) Browser {
			link, err := f.s.MailInvite(f.ctx(), "cli", NewUser{Email: alice}, false)
			f.must(err)
			return f.accept(link, f.newBrowser())
		},
		"a mailed invitation in a session": func(f *fixture) Browser {
			b, _ := f.signIn(alice)
			link, err := f.s.MailInvite(f.ctx(), "cli", NewUser{Email: alice}, false)
			f.must(err)
			return f.accept(link, b)
		},
		"an invitation of long ago and a mail": func(f *fixture) Browser {
			b := f.accept(f.s.URL("/invite#"+f.invite(NewUser{Email: alice}, false)), f.newBrowser())
			f.clock.advance(registrationAge + time.Second)
			return f.renewByMail(b)
		},
		"a hand-out of long ago and a mail": func(f *fixture) Browser {
			b := f.accept(f.handOut(alice), f.newBrowser())
			f.clock.advance(registrationAge + time.Second)
			return f.renewByMail(b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.signIn(alice)
			f.makeAdmin(alice)
			f.clock.advance(time.Hour)
			b := enter(f)
			_, err := f.s.BeginAddPasskey(f.ctx(), b)
			if r := f.refused(err, StepUpRequired); !slices.Equal(r.Methods, []string{AMRHandOut}) {
				t.Errorf("asks for %v", r.Methods)
			}
			_, err = f.s.BeginTOTP(f.ctx(), b.Session)
			f.refused(err, StepUpRequired)
			f.giveTOTPByHandOut(alice)
			if !f.actsAsAdmin(alice) {
				t.Error("a hand-out does not restore it")
			}
		})
	}
}

func (f *fixture) renewByMail(b Browser) Browser {
	f.t.Helper()
	v, err := f.s.VerifyCode(f.ctx(), f.startStepUp(b).code, b)
	f.must(err)
	f.renew(&b, v.StepUp)
	return b
}

func (f *fixture) giveTOTPByHandOut(addr string) {
	f.t.Helper()
	b := f.accept(f.handOut(addr), f.newBrowser())
	f.giveTOTP(&b)
}

// An invitation is no proof of what a session showed once: in an account that has
// more it makes nothing fresh.
func TestInvite_MakesNoOldProofFresh_SE8(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "p")
	for _, mailed := range []bool{false, true} {
		f.clock.advance(stepUpAge + time.Second)
		invite := f.s.Invite
		if mailed {
			invite = f.s.MailInvite
		}
		link, err := invite(f.ctx(), "cli", NewUser{Email: alice}, false)
		f.must(err)
		before := b.Session.Session
		b = f.accept(link, b)
		after := b.Session.Session
		if after.ID != before.ID || after.Hash == before.Hash || !after.AuthTime.Equal(before.AuthTime) || slices.Contains(after.AMR, AMRInvite) {
			t.Errorf("the session is %+v, before %+v", after, before)
		}
		_, err = f.s.BeginTOTP(f.ctx(), b.Session)
		f.refused(err, StepUpRequired)
	}
}

// An account without factors is entered anew, by what the link proves.
func TestInvite_SessionIsWhatItsLinkProves(t *testing.T) {
	for mailed, want := range map[bool]string{false: AMRInvite, true: AMREmail} {
		f := newFixture(t)
		old, _ := f.signIn(alice)
		invite := f.s.Invite
		if mailed {
			invite = f.s.MailInvite
		}
		link, err := invite(f.ctx(), "cli", NewUser{Email: alice}, false)
		f.must(err)
		b := f.accept(link, old)
		if b.Session.Session.ID == old.Session.Session.ID || f.live(f.tokenOf(old)) != nil || !slices.Equal(b.Session.Session.AMR, []string{want}) {
			t.Errorf("mailed %v: the session is %+v", mailed, b.Session.Session)
		}
	}
}

// A hand-out proves enough for an hour, not for as long as its session lives.
func TestHandOut_SessionManagesForAnHourAtMost(t *testing.T) {
	f := newFixture(t)
	k := f.givePasskey(alice)
	b := f.accept(f.handOut(alice), f.newBrowser())
	f.must(f.s.RenamePasskey(f.ctx(), b.Session, k.cred.ID, "Mine", b.Client))
	f.clock.advance(registrationAge + time.Second)
	sess := *b.Session.Session
	sess.AuthTime = f.s.Now()
	f.must(f.s.update(f.ctx(), func(tx *txn) error { return tx.PutSession(&sess) }))
	f.refused(f.s.RenamePasskey(f.ctx(), b.Session, k.cred.ID, "Mine", b.Client), StepUpRequired)
}
