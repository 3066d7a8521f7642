package authcore

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// invite makes an invitation and answers its token.
func (f *fixture) invite(n NewUser, admin bool) string {
	f.t.Helper()
	link, err := f.s.Invite(f.ctx(), "cli", n, admin)
	f.must(err)
	token, ok := strings.CutPrefix(link, portalOrigin+"/invite#") // ML-7: in the fragment
	if !ok {
		f.t.Fatalf("the invitation is %q", link)
	}
	return token
}

func TestInvite_MakesTheAccountAndSignsIn(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Registration.Mode = "invite" })
	raw := f.invite(NewUser{Email: "Alice@example.com", Name: "ally", Groups: []string{"staff"}}, false)
	for range 3 { // ML-4
		if info, err := f.s.PeekInvite(f.ctx(), raw); err != nil || info.Email != alice || info.Admin {
			t.Fatalf("peeking gives %+v, %v", info, err)
		}
	}
	if _, err := f.s.FindUser(f.ctx(), alice); err == nil {
		t.Fatal("the account exists before it is accepted")
	}
	got, err := f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.must(err)
	l := f.live(got.Token)
	if l == nil || l.User.Name != "ally" || !l.Has(AMRInvite) || l.User.Groups[0] != "staff" || l.User.Admin || l.User.VerifiedAt.IsZero() {
		t.Errorf("session is %+v", l)
	}
	_, err = f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.refused(err, InviteInvalid)
	_, err = f.s.PeekInvite(f.ctx(), raw)
	f.refused(err, InviteInvalid)
}

func TestInvite_OneOf50AcceptancesWins(t *testing.T) {
	f := newFixture(t)
	raw := f.invite(NewUser{Email: alice}, false)
	if won := f.race(func(int) error { _, err := f.s.AcceptInvite(f.ctx(), raw, f.newBrowser()); return err }); won != 1 {
		t.Errorf("%d of 50 acceptances succeeded", won)
	}
	if n := len(f.audit(evSessionCreated)); n != 1 {
		t.Errorf("%d sessions were made", n)
	}
}

func TestInvite_Expires(t *testing.T) {
	f := newFixture(t)
	raw := f.invite(NewUser{Email: alice}, false)
	f.clock.advance(inviteTTL + time.Second)
	_, err := f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.refused(err, InviteInvalid)
	_, err = f.s.PeekInvite(f.ctx(), raw)
	f.refused(err, InviteInvalid)
}

func TestInvite_AdminIsOnlyWhoIsConfigured_BT1(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Admins = []string{"Alice@Example.com"} })
	_, err := f.s.Invite(f.ctx(), "cli", NewUser{Email: eve}, true)
	f.refused(err, Forbidden)
	raw := f.invite(NewUser{}, true) // takes the configured one
	got, err := f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.must(err)
	if got.User.Email != alice || !got.User.Admin || !got.Offer {
		t.Errorf("accepted by %+v; a passkey, without which the role is nothing, was offered: %v", got.User, got.Offer)
	}
	if a := f.audit(evAdminGranted); len(a) != 1 || a[0].Actor != "cli" || a[0].Subject != got.User.ID {
		t.Errorf("the audit log has %+v", a)
	}
	f.reload(portalConfig(t, func(c *Config) { c.Admins = []string{alice, bob} }))
	_, err = f.s.Invite(f.ctx(), "cli", NewUser{}, true)
	f.refused(err, EmailInvalid)
}

func TestInvite_AccountWithAPasskeyMustProveIt_SE8(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	raw := f.invite(NewUser{Email: alice}, true)
	byMail, _ := f.signIn(alice)
	for _, b := range []Browser{f.newBrowser(), byMail} {
		_, err := f.s.AcceptInvite(f.ctx(), raw, b)
		if r := f.refused(err, StepUpRequired); !slices.Equal(r.Methods, []string{AMRPasskey}) {
			t.Errorf("asks for %v", r.Methods)
		}
	}
	if f.user(alice).Admin {
		t.Fatal("a refusal gave the role")
	}
	b := f.keySignIn(k)
	got, err := f.s.AcceptInvite(f.ctx(), raw, b) // it was not used up
	f.must(err)
	if l := f.live(got.Token); l == nil || l.Session.ID != b.Session.Session.ID || !l.Has(AMRPasskey) || !f.user(alice).Admin {
		t.Errorf("accepted is %+v", got)
	}
}

func TestInvite_SessionThatEndedMeanwhileProvesNothing(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b := f.keySignIn(f.givePasskey(alice))
	raw := f.invite(NewUser{Email: alice}, true)
	f.must(f.s.SignOut(f.ctx(), Browser{Session: b.Session}))
	_, err := f.s.AcceptInvite(f.ctx(), raw, b)
	f.refused(err, StepUpRequired)
}

func TestInvite_OfYesterdaySignsNobodyInAgain_SE5(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Registration.Mode = "closed" })
	first, second, others := f.invite(NewUser{Email: alice}, false), f.invite(NewUser{Email: alice}, false), f.invite(NewUser{Email: bob}, false)
	b := f.newBrowser()
	got, err := f.s.AcceptInvite(f.ctx(), first, b)
	f.must(err)
	_, err = f.s.AcceptInvite(f.ctx(), second, f.newBrowser())
	if r := f.refused(err, StepUpRequired); !slices.Equal(r.Methods, []string{AMREmail}) {
		t.Errorf("asks for %v", r.Methods)
	}
	third := f.invite(NewUser{Email: alice}, false)
	f.must(f.s.SignOutScope(f.ctx(), f.live(got.Token), "all", Client{}))
	_, err = f.s.AcceptInvite(f.ctx(), third, f.newBrowser())
	f.refused(err, StepUpRequired)
	f.must(f.s.DeleteUser(f.ctx(), "cli", alice))
	for _, raw := range []string{second, third} {
		_, err = f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
		f.refused(err, InviteInvalid)
	}
	if _, err := f.s.FindUser(f.ctx(), alice); err == nil {
		t.Error("a removed user came back by an old invitation")
	}
	if _, err := f.s.AcceptInvite(f.ctx(), others, f.newBrowser()); err != nil {
		t.Errorf("somebody else's invitation went with it: %v", err)
	}
}

func TestInvite_AdminWhoWasTakenOffTheListIsRefused_BT1(t *testing.T) {
	only := func(addr string) func(*Config) { return func(c *Config) { c.Admins = []string{addr} } }
	f := newFixture(t, only(alice))
	link := f.invite(NewUser{Email: alice}, true)
	f.reload(portalConfig(t, only(bob)))
	_, err := f.s.AcceptInvite(f.ctx(), link, f.newBrowser())
	f.refused(err, InviteInvalid)
	f.reload(portalConfig(t, only(alice)))
	got, err := f.s.AcceptInvite(f.ctx(), link, f.newBrowser())
	f.must(err)
	if !got.User.Admin {
		t.Error("who is on the list got no role")
	}
}

func TestInvite_DisabledUserIsRefusedAndStaysSo_SE5(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	before := f.invite(NewUser{Email: alice}, false)
	f.must(f.s.DisableUser(f.ctx(), "cli", alice))
	after := f.invite(NewUser{Email: alice}, false)
	for _, raw := range []string{before, after} {
		_, err := f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
		f.refused(err, InviteInvalid)
	}
	f.must(f.s.EnableUser(f.ctx(), "cli", alice))
	_, err := f.s.AcceptInvite(f.ctx(), before, f.newBrowser())
	f.refused(err, InviteInvalid)
}

func TestInvite_NameThatIsTakenIsRefusedAndTheInvitationStays(t *testing.T) {
	f := newFixture(t)
	raw := f.invite(NewUser{Email: bob, Name: "ally"}, false)
	_, err := f.s.AddUser(f.ctx(), "cli", NewUser{Email: alice, Name: "ally"})
	f.must(err)
	_, err = f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.refused(err, Conflict)
	if _, err := f.s.PeekInvite(f.ctx(), raw); err != nil {
		t.Errorf("the invitation is gone: %v", err)
	}
	if _, err := f.s.FindUser(f.ctx(), bob); err == nil {
		t.Error("the account was made all the same")
	}
}

// DESIGN §6: a link made on the host is the way back for who has lost every
// passkey. It proves no more than that, and not for longer.
func TestHandOut_LetsALostPasskeyBeReplaced(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	lost := f.givePasskey(alice)
	_, err := f.s.HandOut(f.ctx(), "cli", bob)
	f.refused(err, NotFound)
	link, err := f.s.HandOut(f.ctx(), "cli", alice)
	f.must(err)
	_, raw, _ := strings.Cut(link, "#")
	b, _ := f.signIn(alice) // by mail, which manages nothing
	got, err := f.s.AcceptInvite(f.ctx(), raw, b)
	f.must(err)
	if f.live(got.Token) == nil || b.Session.Session.ID == got.Session.ID || got.User.Groups[0] != "staff" {
		t.Fatalf("the link made %+v", got)
	}
	b.Session = f.live(got.Token)
	f.addKey(b)
	b.Session = f.live(got.Token)
	f.must(f.s.RemovePasskey(f.ctx(), b.Session, lost.cred.ID, Client{}))
	f.clock.advance(stepUpAge + time.Second)
	_, err = f.s.BeginAddPasskey(f.ctx(), b)
	f.refused(err, StepUpRequired)
	_, err = f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.refused(err, InviteInvalid)
	if a := f.audit(evHandOut); len(a) != 2 || a[0].Success == a[1].Success || a[0].Subject+a[1].Subject != got.User.ID {
		t.Errorf("the audit log has %+v", a)
	}
}

func TestHandOut_DiesWithEverythingElseOfTheUser_SE5(t *testing.T) {
	for name, end := range map[string]func(f *fixture) error{
		"signed out everywhere": func(f *fixture) error { return f.s.SignOutUser(f.ctx(), "cli", alice) },
		"a passkey was added": func(f *fixture) error {
			b, _ := f.signIn(alice)
			f.addKey(b)
			return nil
		},
		"disabled and enabled": func(f *fixture) error {
			return errors.Join(f.s.DisableUser(f.ctx(), "cli", alice), f.s.EnableUser(f.ctx(), "cli", alice))
		},
		"deleted and made again": func(f *fixture) error {
			err := f.s.DeleteUser(f.ctx(), "cli", alice)
			f.addUser(alice)
			return err
		},
		"too old": func(f *fixture) error { f.clock.advance(inviteTTL + time.Second); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice)
			f.signIn(alice)
			link, err := f.s.HandOut(f.ctx(), "cli", alice)
			f.must(err)
			_, raw, _ := strings.Cut(link, "#")
			f.must(end(f))
			_, err = f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
			f.refused(err, InviteInvalid)
		})
	}
}
