package authcore

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// noticed is an act in alice's account, done in b, and how the mail about it
// names what it concerns.
type noticed struct {
	act  func(f *fixture, b *Browser, k *key)
	name string
}

// notables are acts that their owner is told of, one for each kind of notice.
var notables = map[NoticeKind]noticed{
	NoticeSignIn:       {act: func(f *fixture, _ *Browser, k *key) { f.keySignIn(k) }},
	NoticePasskeyAdded: {act: func(f *fixture, b *Browser, _ *key) { f.addKey(*b) }, name: "My key"},
	NoticePasskeyRemoved: {act: func(f *fixture, b *Browser, k *key) {
		f.addKey(*b) // without mail the last one stays
		f.forgetMails()
		f.must(f.s.RemovePasskey(f.ctx(), b.Session, k.cred.ID, b.Client))
	}, name: "My key"},
	NoticeTOTPAdded: {act: func(f *fixture, b *Browser, _ *key) {
		f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
		f.renew(b, f.tokenOf(*b))
		f.forgetMails()
		f.giveTOTP(b)
	}},
	NoticeTOTPRemoved:  {act: func(f *fixture, b *Browser, _ *key) { f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client)) }},
	NoticeRecoveryMade: {act: func(f *fixture, b *Browser, _ *key) { f.printed(*b) }},
	NoticeRecoveryUsed: {act: func(f *fixture, b *Browser, _ *key) {
		codes := f.printed(*b)
		f.forgetMails()
		_, err := f.s.StepUpRecovery(f.ctx(), codes[0], *b)
		f.must(err)
	}},
	NoticeAddress: {act: func(f *fixture, b *Browser, _ *key) { f.changeAddress(b, "new@example.com") }},
	NoticeToken: {act: func(f *fixture, b *Browser, _ *key) {
		_, _, err := f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "Backup", 0, b.Client)
		f.must(err)
	}, name: "Backup"},
	NoticeHandOut: {act: func(f *fixture, _ *Browser, _ *key) {
		_, err := f.s.HandOut(f.ctx(), "cli", alice)
		f.must(err)
	}},
	NoticeDeleted: {act: func(f *fixture, b *Browser, _ *key) { f.must(f.s.DeleteSelf(f.ctx(), b.Session, alice, b.Client)) }},
	NoticeNotMe: {act: func(f *fixture, b *Browser, _ *key) {
		f.addKey(*b)
		link := f.notices()[0].link
		f.forgetMails()
		f.must(f.s.NotMe(f.ctx(), link, b.Client))
	}},
}

// changeAddress confirms a new address in a browser.
func (f *fixture) changeAddress(b *Browser, to string) {
	f.t.Helper()
	f.must(f.s.StartAddress(f.ctx(), b.Session, to, b.Client))
	token, err := f.s.ConfirmAddress(f.ctx(), b.Session, f.lastMail().code, b.Client)
	f.must(err)
	f.renew(b, token)
}

// owned is an account with every factor, whose owner is signed in in b by all of
// them and has read the mails.
func (f *fixture) owned() (b Browser, k *key, a *authApp) {
	f.t.Helper()
	b, _ = f.signIn(alice)
	k = f.addKey(b)
	f.stepUp(&b, k)
	a = f.giveTOTP(&b)
	f.clock.advance(time.Minute)
	f.forgetMails()
	return b, k, a
}

func TestNotice_WhichActMailsWhom(t *testing.T) {
	for _, kind := range NoticeKinds() {
		t.Run(string(kind), func(t *testing.T) {
			n, ok := notables[kind]
			if !ok {
				t.Fatal("no act gives this notice")
			}
			f := newFixture(t)
			b, k, _ := f.owned()
			f.edit(alice, func(u *User) { u.Lang = "fr" })
			n.act(f, &b, k)
			got := f.notices()
			if len(got) != 1 || len(f.mails()) != 0 {
				t.Fatalf("%d notices and %d other mails", len(got), len(f.mails()))
			}
			m := got[0]
			if !isNoticeOf(m, kind) || m.To != alice || m.Params[ParamName] != n.name || m.Params[ParamLang] != "fr" || m.code != "" {
				t.Errorf("the mail is %+v, want one to %s about %q", m.Message, alice, n.name)
			}
			if at, err := time.Parse(time.RFC3339, m.Params[ParamTime]); err != nil || f.s.Now().Sub(at) > time.Minute {
				t.Errorf("it happened at %s: %v", m.Params[ParamTime], err)
			}
			if agent := m.Params[ParamAgent]; agent != "Browser/1" && kind != NoticeHandOut {
				t.Errorf("it was done in %q", agent)
			}
			if !m.NotAfter.Equal(m.CreatedAt.Add(noticeTTL)) {
				t.Errorf("it is delivered until %v", m.NotAfter)
			}
			if kind.Next() != "" { // nothing is left to take back
				if link := f.secretLink(m); m.link != "" || link != map[NoticeKind]string{NoticeNotMe: portalOrigin + "/login"}[kind] {
					t.Errorf("the link is %s", link)
				}
				return
			}
			if len(m.link) < 40 || !strings.HasPrefix(f.secretLink(m), portalOrigin+"/not-me#") {
				t.Errorf("the link is %s", f.secretLink(m))
			}
			info, err := f.s.PeekNotice(f.ctx(), m.link)
			f.must(err)
			now := f.user(b.Session.User.ID).Email
			if want := (NoticeInfo{What: kind, Email: alice, Now: now, Name: n.name, Agent: m.Params[ParamAgent], At: info.At}); *info != want {
				t.Errorf("the page shows %+v, want %+v", *info, want)
			}
		})
	}
}

func (f *fixture) secretLink(m mail) string {
	f.t.Helper()
	secrets, err := f.rt.OpenSecrets(m.Message)
	f.must(err)
	return secrets[SecretLink]
}

// The mail about a new address tells the old one which it is now.
func TestNotice_OldAddressLearnsTheNew_EM6(t *testing.T) {
	f := newFixture(t)
	b, k, _ := f.owned()
	notables[NoticeAddress].act(f, &b, k)
	if m := f.notices()[0]; m.To != alice || m.Params[ParamEmail] != "new@example.com" {
		t.Errorf("the mail is %+v", m.Message)
	}
	if info, err := f.s.PeekNotice(f.ctx(), f.notices()[0].link); err != nil || info.Email != alice || info.Now != "new@example.com" {
		t.Errorf("the page shows %+v, %v", info, err)
	}
	f.clock.advance(time.Second)
	f.addKey(b)
	if m := f.notices()[0]; m.To != "new@example.com" {
		t.Errorf("the next one goes to %s", m.To)
	}
}

func TestNotice_WithoutAMailServerThereIsNone(t *testing.T) {
	for kind, n := range notables {
		if kind == NoticeAddress || kind == NoticeNotMe {
			continue // needs a mail before
		}
		f := newFixture(t)
		b, k, _ := f.owned()
		f.reload(portalConfig(t, func(c *Config) { c.NoMailServer = true }))
		n.act(f, &b, k)
		var links int64
		f.must(f.store.View(f.ctx(), func(tx store.Tx) (err error) {
			links, err = tx.CountTakes(store.KindNotice)
			return err
		}))
		if len(f.queued()) != 0 || links != 2 { // of the time with mail: a passkey and TOTP
			t.Errorf("%s: %d mails and %d links", kind, len(f.queued()), links)
		}
	}
}

// What is neither a factor nor a way in is told to nobody.
func TestNotice_OtherActsMailNobody(t *testing.T) {
	f := newFixture(t)
	b, k, _ := f.owned()
	f.must(f.s.SetDisplayName(f.ctx(), b.Session, "Alice", b.Client))
	f.must(f.s.RenamePasskey(f.ctx(), b.Session, k.cred.ID, "Mine", b.Client))
	_, err := f.s.Export(f.ctx(), b.Session, b.Client)
	f.must(err)
	f.stepUp(&b, k)
	_, err = f.s.StepUpTOTP(f.ctx(), "000000", b)
	f.refused(err, TOTPInvalid)
	if n := len(f.queued()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// New device: not the first, not one that is known, and a client's program once.
func TestNotice_OfANewDevice(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	f.wantNotices(0)       // the first proof of the address
	b.Session = nil        // signed out, the browser keeps its device cookie
	m := f.start(alice, b) // and signs in again
	v, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.must(err)
	f.wantNotices(0)
	f.signIn(alice)
	f.wantNotices(1)
	b.Session = f.live(v.Token)
	f.must(f.s.SignOutScope(f.ctx(), b.Session, "all", b.Client)) // forgets the browsers
	b.Session = nil
	_, err = f.s.VerifyCode(f.ctx(), f.start(alice, b).code, b)
	f.must(err)
	f.wantNotices(2)

	f.apiSignIn(alice, "cli")
	f.wantNotices(3)
	f.apiSignIn(alice, "cli")
	f.wantNotices(3)
	f.apiSignIn(alice, "spa") // another program
	f.wantNotices(4)
	f.apiSignInFrom(alice, "cli", Client{IP: netip.MustParseAddr("203.0.113.9")}) // the same program, as anybody can say
	f.wantNotices(5)
	f.signIn(bob) // who shares the browser is told of their own only
	f.wantNotices(5)
}

func (f *fixture) wantNotices(n int) {
	f.t.Helper()
	if got := len(f.notices()); got != n {
		f.t.Errorf("%d notices, want %d", got, n)
	}
}

// SE-6: a sign-in that is not complete is none.
func TestNotice_OfANewDeviceComesWithTheSecondStep(t *testing.T) {
	f := newFixture(t)
	_, a := f.withTOTP(alice)
	f.forgetMails()
	b := f.owe(alice)
	f.wantNotices(0)
	_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, f.notShown(a), b)
	f.refused(err, TOTPInvalid)
	f.wantNotices(0)
	f.finish(b, SecondTOTP, f.nextCode(a))
	f.wantNotices(1)
}

// DS-1: a loop of sign-ins fills no queue; whoever got so many has been told.
func TestNotice_SignInsAreToldOfUpToABound_DS1(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	k := f.addKey(b)
	f.forgetMails()
	for range signInNotices + 5 {
		f.keySignIn(k)
	}
	f.wantNotices(signInNotices)
	b = f.keySignIn(k)
	f.addKey(b) // other acts are told of all the same
	f.wantNotices(signInNotices + 1)
	f.clock.advance(time.Hour)
	f.keySignIn(k)
	f.wantNotices(signInNotices + 2)
}

// DS-1: what mails somebody is bounded by account.
func TestManage_ActsOfAnAccountAreBounded_DS1(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		_, err := tx.AddCounter("acts/"+b.Session.User.ID, actsPerHour-1, f.s.Now(), time.Hour)
		return err
	}))
	f.must(f.s.SetDisplayName(f.ctx(), b.Session, "Alice", b.Client))
	r := f.refused(f.s.SetDisplayName(f.ctx(), b.Session, "Alice", b.Client), RateLimited)
	if r.RetryAfter <= 0 || r.RetryAfter > time.Hour {
		t.Errorf("come back in %v", r.RetryAfter)
	}
	f.must(f.s.SignOut(f.ctx(), b))
}
