package authcore

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// moves is alice's account after its address was changed twice, by two sessions:
// to one that a stranger reads, and on to another.
func moves(t *testing.T) (f *fixture, first, second mail, k *key) {
	f = newFixture(t)
	b, _ := f.signIn(alice)
	k = f.addKey(b)
	f.clock.advance(time.Hour)
	f.forgetMails()
	for i, to := range []string{bob, eve} {
		by := f.keySignIn(k)
		f.changeAddress(&by, to)
		for _, m := range f.notices() {
			if isNoticeOf(m, NoticeAddress) && i == 0 {
				first = m
			} else if isNoticeOf(m, NoticeAddress) {
				second = m
			}
		}
		f.forgetMails()
		f.clock.advance(time.Hour)
	}
	if first.To != alice || second.To != bob {
		t.Fatalf("the notices went to %s and %s", first.To, second.To)
	}
	return f, first, second, k
}

func (f *fixture) wantAddress(k *key, want string) {
	f.t.Helper()
	if got := f.keySignIn(k).Session.User.Email; got != want {
		f.t.Errorf("the address is %s, want %s", got, want)
	}
}

func TestNotMe_BringsTheAddressBack_EM6(t *testing.T) {
	f, first, second, k := moves(t)
	f.must(f.s.NotMe(f.ctx(), second.link, Client{}))
	f.wantAddress(k, bob)
	f.must(f.s.NotMe(f.ctx(), first.link, Client{}))
	f.wantAddress(k, alice)
	f.signIn(alice)
}

// Whoever reads the mailbox of an address that the account had in between must
// not get it back, once the owner has undone the change that gave it to them.
func TestNotMe_OfAnUndoneChangeRestoresNothing(t *testing.T) {
	f, first, second, k := moves(t)
	f.must(f.s.NotMe(f.ctx(), first.link, Client{}))
	f.wantAddress(k, alice)
	f.must(f.s.NotMe(f.ctx(), second.link, Client{}))
	f.wantAddress(k, alice)
	b := f.keySignIn(k) // thaws
	f.changeAddress(&b, fresh)
	f.wantAddress(k, fresh)
	if _, err := f.s.FindUser(f.ctx(), bob); err == nil {
		t.Error("the stranger's address is an account's")
	}
}

func TestNotMe_LeavesAnAddressThatIsTakenByNow(t *testing.T) {
	f, first, _, k := moves(t)
	f.addUser(alice)
	f.must(f.s.NotMe(f.ctx(), first.link, Client{}))
	f.wantAddress(k, eve)
}

// Every notice of the session brings it back, not only the one about the address.
func TestNotMe_OfTheSignInBringsTheAddressBack(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	k := f.addKey(b)
	f.forgetMails()
	by := f.keySignIn(k)
	in := f.notices()[0]
	f.changeAddress(&by, eve)
	f.changeAddress(&by, bob) // and once more: the first counts
	f.must(f.s.NotMe(f.ctx(), in.link, Client{}))
	f.wantAddress(k, alice)
}

// What a week has passed over stays, and its record goes.
func TestNotMe_AddressesOfBeforeAreForgotten(t *testing.T) {
	f, first, _, k := moves(t)
	f.clock.advance(noticeTTL - time.Hour) // the second change was an hour after the first
	f.refused(f.s.NotMe(f.ctx(), first.link, Client{}), LinkInvalid)
	by := f.keySignIn(k)
	f.changeAddress(&by, fresh)
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		list, err := f.s.formerAddresses(tx, by.Session.User.ID)
		if len(list) != 2 || list[0].Email != bob || list[1].Email != eve {
			t.Errorf("kept are %+v", list)
		}
		return err
	}))
	f.clock.advance(noticeTTL + time.Hour)
	f.must(f.rt.sweep(f.ctx()))
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		n, err := tx.CountTakes(store.KindAddress)
		if n != 0 {
			t.Errorf("%d records are left", n)
		}
		return err
	}))
}
