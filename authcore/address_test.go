package authcore

import (
	"slices"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

const fresh = "alice@new.example.com"

// SE-5, SE-7: who reads the old mailbox does not stay signed in by it.
func TestAddress_ChangeEndsWhatTheOldMailboxOpened_SE7(t *testing.T) {
	f := newFixture(t)
	k := f.givePasskey(alice)
	thief, _ := f.signIn(alice)
	app := f.handOver(thief.Session, appHost)
	tokens := f.apiSignIn(alice, "spa")
	confirmed, _ := f.signIn(alice)
	f.stepUp(&confirmed, k)
	other, by := f.keySignIn(k), f.keySignIn(k)
	f.changeAddress(&by, eve)
	if f.live(f.tokenOf(thief)) != nil || f.allowed(appHost, app) {
		t.Error("a session of the old mailbox is live")
	}
	_, err := f.s.Refresh(f.ctx(), tokens.Refresh.Reveal(), "", Client{})
	f.refused(err, TokenInvalid)
	for name, b := range map[string]Browser{"by passkey": other, "confirmed by one": confirmed, "that changed it": by} {
		if f.live(f.tokenOf(b)) == nil {
			t.Errorf("the session %s ended", name)
		}
	}
}

func TestAddress_ChangesWithTheCodeAndKillsWhatTheOldOneHas_EM6(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	other, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	pending := f.newBrowser()
	mailed := f.start(alice, pending)
	invited := f.invite(NewUser{Email: alice}, false)
	link, err := f.s.HandOut(f.ctx(), "cli", alice)
	f.must(err)

	f.must(f.s.StartAddress(f.ctx(), b.Session, "Alice@NEW.example.com", b.Client))
	m := f.lastMail()
	if m.To != fresh || m.Template != TemplateAddress || m.link != "" || m.Params[ParamAgent] != "Browser/1" {
		t.Errorf("the mail is %+v", m.Message)
	}
	if got, _ := f.s.PendingAddress(f.ctx(), b.Session); got != fresh {
		t.Errorf("the page shows %q", got)
	}
	if got, _ := f.s.PendingAddress(f.ctx(), other.Session); got != "" {
		t.Errorf("another session's page shows %q", got)
	}
	if f.user(alice).Email != alice { // inert until confirmed
		t.Fatal("it changed already")
	}
	_, err = f.s.ConfirmAddress(f.ctx(), other.Session, m.code, other.Client)
	f.refused(err, FlowExpired)

	token, err := f.s.ConfirmAddress(f.ctx(), b.Session, m.code[:4]+" "+m.code[4:], b.Client)
	f.must(err)
	if f.live(f.tokenOf(b)) != nil {
		t.Error("the session has its old token still")
	}
	f.renew(&b, token)
	u := f.user(fresh)
	if u.ID != b.Session.User.ID || u.Name != alice { // names do not change
		t.Errorf("the user is %+v", u)
	}
	if d := f.check(appHost, "/", app); d.Verdict != Allow || d.Identity.Email != fresh || d.Identity.Name != alice {
		t.Errorf("the app sees %+v", d.Identity)
	}
	if f.live(f.tokenOf(other)) != nil {
		t.Error("another session that the old mailbox opened is live")
	}
	_, err = f.s.VerifyCode(f.ctx(), mailed.code, pending)
	f.refused(err, FlowExpired)
	_, err = f.s.RedeemLink(f.ctx(), mailed.link, pending)
	f.refused(err, LinkInvalid)
	for _, raw := range []string{invited, urlOf(t, link).Fragment} {
		_, err = f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
		f.refused(err, InviteInvalid)
	}
	f.signIn(fresh)
	if _, err := f.s.FindUser(f.ctx(), alice); err != nil {
		t.Errorf("by the name that the address was: %v", err)
	}
	for typ, masked := range map[string]string{evAddressAsked: "email", evAddressChanged: "to"} {
		if a := f.audit(typ); len(a) != 1 || !a[0].Success || a[0].Details[masked] == fresh || a[0].Details[masked] == "" {
			t.Errorf("%s: %+v", typ, a)
		}
	}
}

// EN: an address that is somebody's gets no mail, and who asks learns nothing.
func TestAddress_OfSomebodyElseLooksTheSameAndNeverComes_EN(t *testing.T) {
	f := newFixture(t)
	f.addUser(bob)
	b, _ := f.signIn(alice)
	type seen struct {
		start, wrong, last, after Reason
		pending                   bool
		updates                   int64
	}
	look := func(addr string) (s seen) {
		before := f.updates.Load()
		s.start = reasonOf(f.s.StartAddress(f.ctx(), b.Session, addr, b.Client))
		got, err := f.s.PendingAddress(f.ctx(), b.Session)
		f.must(err)
		s.pending = got == addr
		for range maxCodeTries {
			_, err := f.s.ConfirmAddress(f.ctx(), b.Session, "00000000", b.Client)
			s.wrong, s.last = s.last, reasonOf(err)
		}
		_, err = f.s.ConfirmAddress(f.ctx(), b.Session, "00000000", b.Client)
		s.after, s.updates = reasonOf(err), f.updates.Load()-before
		return s
	}
	free := look(fresh)
	if len(f.mails()) != 1 || free.wrong != CodeInvalid || free.last != CodeExhausted || free.after != FlowExpired || !free.pending {
		t.Fatalf("a free address: %+v", free)
	}
	if taken := look(bob); taken != free {
		t.Errorf("one that is taken: %+v\nwant %+v", taken, free)
	}
	if len(f.mails()) != 1 {
		t.Error("a mail went to whom it belongs")
	}
	// Who guesses the decoy's code gets nothing either.
	f.must(f.s.StartAddress(f.ctx(), b.Session, bob, b.Client))
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		key := addressKey(b.Session.Session)
		var rec addressChange
		f.must(tx.Peek(store.KindAddress, key, &rec))
		rec.Code = f.s.codeMAC(key, "12345678")
		return tx.Put(store.KindAddress, key, rec, f.s.Now().Add(time.Minute))
	}))
	_, err := f.s.ConfirmAddress(f.ctx(), b.Session, "12345678", b.Client)
	f.refused(err, CodeInvalid)
}

func reasonOf(err error) Reason {
	if r, ok := AsRefusal(err); ok {
		return r.Reason
	}
	return ""
}

func TestAddress_IsRefusedWhereItCannotBe(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	for typed, want := range map[string]Reason{
		"": EmailInvalid, "x": EmailInvalid, "a@b": EmailInvalid, "Alice <a@example.com>": EmailInvalid, "a@example.com,b@example.com": EmailInvalid,
		"аlice@example.com": EmailInvalid, "ALICE@example.com": Conflict,
	} {
		f.refused(f.s.StartAddress(f.ctx(), b.Session, typed, b.Client), want)
	}
	_, err := f.s.ConfirmAddress(f.ctx(), b.Session, "12345678", b.Client)
	f.refused(err, FlowExpired)
	// SE-8: in an account that has more, the mailbox does not change it.
	f.addKey(b)
	mailed, _ := f.signIn(alice)
	if r := f.refused(f.s.StartAddress(f.ctx(), mailed.Session, fresh, b.Client), StepUpRequired); !slices.Equal(r.Methods, []string{AMRPasskey}) {
		t.Errorf("asks for %v", r.Methods)
	}
	f.clock.advance(stepUpAge + time.Second)
	f.refused(f.s.StartAddress(f.ctx(), b.Session, fresh, b.Client), StepUpRequired)
}

// DESIGN §3.1: `admins` says who may hold the role.
func TestAddress_OfAnAdminStaysAmongTheAdmins(t *testing.T) {
	among := func(list ...string) func(*Config) { return func(c *Config) { c.Admins = list } }
	f := newFixture(t, among(alice, fresh))
	b := f.equip(alice, "p")
	f.makeAdmin(alice)
	f.refused(f.s.StartAddress(f.ctx(), b.Session, eve, b.Client), Forbidden)
	f.must(f.s.StartAddress(f.ctx(), b.Session, fresh, b.Client))
	code := f.lastMail().code
	f.reload(portalConfig(t, among(alice)))
	_, err := f.s.ConfirmAddress(f.ctx(), b.Session, code, b.Client)
	f.refused(err, FlowExpired)
	f.reload(portalConfig(t, among(alice, fresh)))
	f.changeAddress(&b, fresh)
	if !f.user(fresh).Admin {
		t.Error("the role is gone")
	}
}

func TestAddress_CodeIsSpentOnceAndFollowsTheAccount_SE5(t *testing.T) {
	t.Run("parallel", func(t *testing.T) {
		f := newFixture(t)
		b, _ := f.signIn(alice)
		f.must(f.s.StartAddress(f.ctx(), b.Session, fresh, b.Client))
		code := f.lastMail().code
		if won := f.race(func(int) error { _, err := f.s.ConfirmAddress(f.ctx(), b.Session, code, b.Client); return err }); won != 1 {
			t.Errorf("%d of 50 confirmations succeeded", won)
		}
		f.wantNotices(1)
	})
	for name, between := range map[string]func(f *fixture, b *Browser){
		"too old":         func(f *fixture, _ *Browser) { f.clock.advance(f.s.cfg.LinkTTL + time.Second) },
		"a passkey added": func(f *fixture, b *Browser) { f.stepUp(b, f.addKey(*b)) },
		"taken meanwhile": func(f *fixture, _ *Browser) { f.addUser(fresh) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			b, _ := f.signIn(alice)
			f.must(f.s.StartAddress(f.ctx(), b.Session, fresh, b.Client))
			code := f.lastMail().code
			between(f, &b)
			_, err := f.s.ConfirmAddress(f.ctx(), b.Session, code, b.Client)
			f.refused(err, FlowExpired)
			if b.Session.User.ID != f.user(alice).ID {
				t.Error("the address changed")
			}
		})
	}
}

// Of two sessions that change at once, and of two mails of one, one counts.
func TestAddress_TwoChangesAtOnce(t *testing.T) {
	f := newFixture(t)
	k := f.givePasskey(alice)
	one, two := f.keySignIn(k), f.keySignIn(k)
	f.must(f.s.StartAddress(f.ctx(), one.Session, eve, one.Client))
	first := f.lastMail().code
	f.must(f.s.StartAddress(f.ctx(), one.Session, fresh, one.Client)) // replaces it
	second := f.lastMail().code
	f.must(f.s.StartAddress(f.ctx(), two.Session, eve, two.Client))
	theirs := f.lastMail().code
	_, err := f.s.ConfirmAddress(f.ctx(), one.Session, first, one.Client)
	f.refused(err, CodeInvalid)
	_, err = f.s.ConfirmAddress(f.ctx(), one.Session, second, one.Client)
	f.must(err)
	_, err = f.s.ConfirmAddress(f.ctx(), two.Session, theirs, two.Client)
	f.refused(err, FlowExpired)
	if f.user(fresh).Name != alice {
		t.Error("it is not the address")
	}
}

// EC-4, RL-5: who changes addresses has a budget of mails; it is no other's, and
// takes nothing from the one that an address's owner has.
func TestAddress_MailsAreBounded_EC4(t *testing.T) {
	f := newFixture(t)
	known, _ := f.signIn(bob)
	b, _ := f.signIn(alice)
	for range f.s.cfg.MailsPerAddress {
		f.must(f.s.StartAddress(f.ctx(), b.Session, bob, b.Client))
	}
	f.refused(f.s.StartAddress(f.ctx(), b.Session, bob, b.Client), RateLimited)
	if !f.mailed(bob, known) {
		t.Error("the owner's own browser gets no mail")
	}
	other, _ := f.signIn(eve)
	const target = "target@example.com"
	f.exhaustMails(target)
	f.must(f.s.StartAddress(f.ctx(), other.Session, target, other.Client)) // looks the same
	if slices.ContainsFunc(f.mails(), func(m mail) bool { return m.To == target }) {
		t.Error("an address gets more mails than it should")
	}
}
