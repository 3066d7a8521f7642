package authcore

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// movedAway is alice's account, whose session b has changed its address to eve's,
// and the notice that the old mailbox got.
func movedAway(f *fixture, b *Browser) (link string) {
	f.t.Helper()
	f.clock.advance(time.Minute)
	f.forgetMails()
	f.changeAddress(b, eve)
	for _, m := range f.notices() {
		if isNoticeOf(m, NoticeAddress) {
			link = m.link
		}
	}
	f.clock.advance(time.Minute)
	return link
}

// EM-6: for a week the old address can be given back, so nobody else may take it.
// A stranger who reads the mailbox could, or its owner by mistake.
func TestAddress_TheOldOneIsKeptForAWeek(t *testing.T) {
	f := newFixture(t)
	other, _ := f.signIn(bob)
	b, _ := f.signIn(alice)
	link := movedAway(f, &b)
	if f.mailed(alice, f.newBrowser()) {
		t.Error("somebody new can register the address")
	}
	f.forgetMails()
	f.must(f.s.StartAddress(f.ctx(), other.Session, alice, Client{}))
	if len(f.queued()) != 0 {
		t.Error("another account can take the address")
	}
	f.changeAddress(&b, alice) // its own account can
	if got := f.user(alice).ID; got != b.Session.User.ID {
		t.Errorf("the address is %s's", got)
	}
	f.changeAddress(&b, eve)
	f.clock.advance(noticeTTL + time.Minute)
	f.refused(f.s.NotMe(f.ctx(), link, Client{}), LinkInvalid)
	in, _ := f.signIn(alice)
	if in.Session.User.ID == b.Session.User.ID {
		t.Error("a week later the address signs in to the account that left it")
	}
}

// A sign-in that began while nobody had the address does not take it either.
func TestAddress_KeptFromWhoBeganBefore(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	f.clock.advance(time.Minute)
	f.changeAddress(&b, bob)
	pending := f.newBrowser()
	m := f.start(eve, pending) // nobody's
	f.changeAddress(&b, eve)
	f.changeAddress(&b, fresh)
	_, err := f.s.VerifyCode(f.ctx(), m.code, pending)
	f.refused(err, FlowExpired)
}

func TestAddress_OfARemovedAccountIsFree(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	movedAway(f, &b)
	f.must(f.s.DeleteUser(f.ctx(), "cli", eve))
	f.signIn(alice)
}

// Where an operator has given the old address to somebody else, it stays theirs,
// and whoever took the account over signs in no more by the address they gave it.
func TestNotMe_OfALostAddressClosesTheOtherMailbox_EM6(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	link := movedAway(f, &b)
	f.addUser(alice)
	f.must(f.s.NotMe(f.ctx(), link, Client{}))
	f.forgetMails()
	asked := len(f.audit(evLinkRequested))
	if f.mailed(eve, f.newBrowser()) {
		t.Error("the thief's mailbox still signs in")
	}
	if list := f.audit(evLinkRequested); len(list) != asked+1 || !slices.ContainsFunc(list, func(r *store.AuditRecord) bool { return contains(r.Details["why"], "that was not me") }) {
		t.Error("the operator is not told why no mail is sent")
	}
	f.must(f.s.EnableUser(f.ctx(), "cli", eve)) // whose it is, an operator has found out
	f.signIn(eve)
}

// An owner with a passkey has left a mailbox that somebody else reads. The link in
// it brings the address back, and gives its reader no sign-in.
func TestNotMe_GivesALeftMailboxNoSignIn(t *testing.T) {
	f := newFixture(t)
	first, _ := f.signIn(alice)
	k := f.addKey(first)
	f.clock.advance(time.Hour)
	f.forgetMails()
	f.keySignIn(k)
	earlier := f.signInNotices()[0].link
	f.clock.advance(time.Minute)
	b := f.keySignIn(k)
	link := movedAway(f, &b)
	f.must(f.s.NotMe(f.ctx(), link, Client{}))
	f.must(f.s.NotMe(f.ctx(), earlier, Client{}))
	f.forgetMails()
	if f.mailed(alice, f.newBrowser()) {
		t.Error("the left mailbox signs in")
	}
	f.keySignIn(k) // thaws
	f.signIn(alice)
}

// What was handed out for an account dies when its address goes back: whoever has
// that one next is somebody else.
func TestNotMe_EndsLinksForTheAddressThatGoes(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	notMe := movedAway(f, &b)
	f.handOut(eve)
	f.must(f.s.NotMe(f.ctx(), notMe, Client{}))
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		n, err := tx.CountTakes(store.KindInvite)
		if n != 0 {
			t.Errorf("%d links are left", n)
		}
		return err
	}))
}

// A link that was made for one account opens no other, whatever its address and
// epoch (SE-9).
func TestInvite_IsForTheAccountThatItWasMadeFor(t *testing.T) {
	f := newFixture(t)
	u := f.addUser(alice)
	for _, lost := range []bool{true, false} {
		for _, owner := range []string{"somebody-else", u.ID} {
			token, err := f.s.NewToken()
			f.must(err)
			inv := invite{ID: "i", User: NewUser{Email: alice}, Lost: lost, UserID: owner, Epoch: u.Epoch, MadeAt: f.clock.now()}
			f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
				return tx.Put(store.KindInvite, token.Hash(), inv, inv.MadeAt.Add(inviteTTL))
			}))
			_, err = f.s.AcceptInvite(f.ctx(), token.Reveal(), f.newBrowser())
			switch {
			case owner == u.ID:
				f.must(err)
				u = f.user(alice)
			case lost:
				f.refused(err, InviteInvalid)
			default:
				f.refused(err, StepUpRequired)
			}
		}
	}
}

// EC-4: the mails that one person causes from many accounts are counted too.
func TestAddress_MailsAreChargedToTheirSource_EC4(t *testing.T) {
	f := newFixture(t)
	from := Client{IP: netip.MustParseAddr("198.51.100.9")}
	asked, refused := 0, false
	for account := 0; !refused && account < 20; account++ { // as many as one has made
		f.forgetMails()
		b := f.browserOf(fmt.Sprintf("account%d@example.com", account))
		for range f.s.cfg.MailsPerAddress {
			err := f.s.StartAddress(f.ctx(), b.Session, fmt.Sprintf("victim%d@example.com", asked), from)
			if r, ok := AsRefusal(err); ok && r.Reason == RateLimited {
				refused = true
				break
			}
			f.must(err)
			asked++
		}
	}
	b := f.browserOf(alice)
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		_, err := tx.AddCounter("mail/all", mailsGlobal, f.clock.now(), time.Hour)
		return err
	}))
	f.refused(f.s.StartAddress(f.ctx(), b.Session, fresh, Client{IP: netip.MustParseAddr("203.0.113.9")}), RateLimited)
	if want := max(mailsPerSource, f.s.cfg.requestsIn(time.Minute)); asked != want {
		t.Errorf("%d mails from one source, want %d", asked, want)
	}
}

// EN: the asker reads their own history, which tells nothing of others' addresses.
func TestAddress_HistoryTellsNoAddress_EN(t *testing.T) {
	f := newFixture(t)
	f.addUser(bob)
	b, _ := f.signIn(alice)
	for _, to := range []string{bob, fresh} {
		f.must(f.s.StartAddress(f.ctx(), b.Session, to, Client{}))
	}
	list := f.audit(evAddressAsked)
	if len(list) != 2 || !list[0].Success || !list[1].Success || len(list[0].Details) != len(list[1].Details) {
		t.Errorf("the history says %+v", list)
	}
}
