package authcore

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

// secondStory goes through every flow around second factors, notices, addresses
// and requests once, and checks what came of it.
func secondStory(t *testing.T, f *fixture) {
	t.Helper()
	const carol, moved = "carol@example.com", "carol@new.example.com"
	f.reload(portalConfig(t, byInvitation, func(c *Config) { c.SelfDelete = "allow" }))
	f.refused(f.apply(carol, false), ApprovalPending)
	u, err := f.s.Approve(f.ctx(), "cli", NewUser{Email: carol})
	f.must(err)
	if m := f.lastMail(); m.Template != TemplateApproved {
		t.Errorf("the mail is %+v", m.Message)
	}
	b, _ := f.signIn(carol)
	a := f.giveTOTP(&b)
	_, err = f.s.FinishSecond(f.ctx(), SecondTOTP, f.notShown(a), f.owe(carol))
	f.refused(err, TOTPInvalid)
	b = f.signInTOTP(carol, a)
	f.apiSignInTOTP(carol, a)
	f.stepUpTOTP(&b, a)
	codes := f.printed(b)
	_, _, err = f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "", 0, b.Client)
	f.must(err)
	f.changeAddress(&b, moved)

	lost := f.finish(f.owe(moved), SecondRecovery, codes[0])
	k := f.enrolKey(&lost)
	f.clock.advance(time.Hour)
	b = f.signInTOTP(moved, a)
	token, err := f.s.StepUpRecovery(f.ctx(), codes[1], b)
	f.must(err)
	f.renew(&b, token)
	f.enrolKey(&b)
	if got := Recovery(f.user(moved)).Left; got != recoveryCodes-2 {
		t.Errorf("%d recovery codes are left", got)
	}

	f.forgetMails()
	f.clock.advance(time.Hour)
	f.must(f.s.SignOut(f.ctx(), f.signInTOTP(moved, a)))
	f.must(f.s.NotMe(f.ctx(), f.notices()[0].link, Client{}))
	b = f.keySignIn(k)
	if f.user(moved).Freeze != nil {
		t.Error("the older passkey did not thaw the account")
	}
	_, err = f.s.Export(f.ctx(), b.Session, b.Client)
	f.must(err)
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	b = f.keySignIn(k)
	f.must(f.s.DeleteSelf(f.ctx(), b.Session, moved, b.Client))
	if _, err := f.s.FindUser(f.ctx(), u.ID); err == nil {
		t.Error("the account is there")
	}
	for typ, want := range map[string]int{
		evAsked: 1, evApproved: 1, evTOTPEnrolled: 1, evTOTPFailed: 1, evTOTPVerified: 6, evTOTPRemoved: 1, evRecoveryMade: 1, evRecoveryUsed: 2,
		evTokenCreated: 1, evAddressAsked: 1, evAddressChanged: 1, evNotMe: 1, evThawed: 1, evExported: 1, evUserDeleted: 1,
	} {
		if got := len(f.audit(typ)); got != want {
			t.Errorf("%d lines of %s, want %d", got, typ, want)
		}
	}
}

func TestStory_SecondFactors(t *testing.T) { secondStory(t, newFixture(t)) }

func TestStory_SecondFactorsClosuresThatRunTwiceChangeNothing(t *testing.T) {
	f := newFixture(t)
	f.setFault(storetest.Always(storetest.RunTwice))
	secondStory(t, f)
}
