package authcore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

// transactions are the acts around second factors, each of which is one
// transaction. prepare makes what the act needs, and answers it; it may be tried
// any number of times until it succeeds.
var transactions = map[string]func(f *fixture) (act func() error){
	"begin TOTP": func(f *fixture) func() error {
		b, _ := f.signIn(alice)
		return func() error { _, err := f.s.BeginTOTP(f.ctx(), b.Session); return err }
	},
	"confirm TOTP": func(f *fixture) func() error {
		b, _ := f.signIn(alice)
		e, err := f.s.BeginTOTP(f.ctx(), b.Session)
		f.must(err)
		return func() error {
			_, err := f.s.ConfirmTOTP(f.ctx(), b.Session, f.code(f.scan(e), 0), b.Client)
			return err
		}
	},
	"remove TOTP": func(f *fixture) func() error {
		b, _ := f.withTOTP(alice)
		return func() error { return f.s.RemoveTOTP(f.ctx(), b.Session, b.Client) }
	},
	"first step": func(f *fixture) func() error {
		f.withTOTP(alice)
		b := f.newBrowser()
		m := f.start(alice, b)
		return func() error { _, err := f.s.VerifyCode(f.ctx(), m.code, b); return err }
	},
	"second step": func(f *fixture) func() error {
		_, a := f.withTOTP(alice)
		b := f.owe(alice)
		return func() error { _, err := f.s.FinishSecond(f.ctx(), SecondTOTP, f.code(a, 0), b); return err }
	},
	"second step of a client": func(f *fixture) func() error {
		_, a := f.withTOTP(alice)
		flow := f.oweAPI(alice, "spa")
		return func() error {
			_, err := f.s.FinishAPISecond(f.ctx(), SecondTOTP, flow, f.code(a, 0), "", Client{})
			return err
		}
	},
	"step-up by TOTP": func(f *fixture) func() error {
		b, a := f.withTOTP(alice)
		return func() error { _, err := f.s.StepUpTOTP(f.ctx(), f.code(a, 0), b); return err }
	},
	"make recovery codes": func(f *fixture) func() error {
		b, _ := f.withTOTP(alice)
		return func() error { _, err := f.s.NewRecoveryCodes(f.ctx(), b.Session, b.Client); return err }
	},
	"sign in by recovery code": func(f *fixture) func() error {
		b, _ := f.withTOTP(alice)
		codes := f.printed(b)
		owed := f.owe(alice)
		return func() error { _, err := f.s.FinishSecond(f.ctx(), SecondRecovery, codes[0], owed); return err }
	},
	"step-up by recovery code": func(f *fixture) func() error {
		b, _ := f.withTOTP(alice)
		codes := f.printed(b)
		return func() error { _, err := f.s.StepUpRecovery(f.ctx(), codes[0], b); return err }
	},
	"ask for another address": func(f *fixture) func() error {
		b, _ := f.signIn(alice)
		return func() error { return f.s.StartAddress(f.ctx(), b.Session, fresh, b.Client) }
	},
	"change the address": func(f *fixture) func() error {
		b, _ := f.signIn(alice)
		f.invite(NewUser{Email: alice}, false)
		f.must(f.s.StartAddress(f.ctx(), b.Session, fresh, b.Client))
		code := f.lastMail().code
		return func() error { _, err := f.s.ConfirmAddress(f.ctx(), b.Session, code, b.Client); return err }
	},
	"not me": func(f *fixture) func() error {
		b, k, _ := f.owned()
		by := f.keySignIn(k)
		f.addKey(by)
		f.printed(by)
		f.changeAddress(&by, fresh)
		link := f.notices()[0].link
		f.apiSignInTOTP(fresh, f.giveTOTPAnew(&b))
		return func() error { return f.s.NotMe(f.ctx(), link, Client{}) }
	},
	"ask for an account": func(f *fixture) func() error {
		f.reload(portalConfig(f.t, byInvitation))
		b := f.newBrowser()
		m := f.start(alice, b)
		return func() error {
			_, err := f.s.VerifyCode(f.ctx(), m.code, b)
			if reasonOf(err) == ApprovalPending {
				return nil
			}
			return err
		}
	},
	"approve": func(f *fixture) func() error {
		f.reload(portalConfig(f.t, byInvitation))
		f.refused(f.apply(alice, false), ApprovalPending)
		return func() error { _, err := f.s.Approve(f.ctx(), "cli", NewUser{Email: alice}); return err }
	},
	"decline": func(f *fixture) func() error {
		f.reload(portalConfig(f.t, byInvitation))
		f.refused(f.apply(alice, false), ApprovalPending)
		return func() error { return f.s.Decline(f.ctx(), "cli", alice) }
	},
	"make an access token": func(f *fixture) func() error {
		b, _ := f.signIn(alice)
		return func() error {
			_, _, err := f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "", 0, b.Client)
			return err
		}
	},
	"delete the account": func(f *fixture) func() error {
		b, _ := f.withTOTP(alice)
		return func() error { return f.s.DeleteSelf(f.ctx(), b.Session, alice, b.Client) }
	},
	"accept a hand-out, thawing": func(f *fixture) func() error {
		f.withTOTP(alice)
		f.edit(alice, func(u *User) { u.Freeze = &store.Freeze{At: f.s.Now(), Since: f.s.Now().Add(-time.Minute)} })
		raw := urlOf(f.t, f.handOut(alice)).Fragment
		b := f.newBrowser()
		return func() error { _, err := f.s.AcceptInvite(f.ctx(), raw, b); return err }
	},
}

// dump is all that the store holds but counters, which it does not list.
func (f *fixture) dump() string {
	f.t.Helper()
	var b strings.Builder
	put := func(what string, v any) {
		text, err := json.Marshal(v)
		f.must(err)
		fmt.Fprintln(&b, what, string(text))
	}
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		users, err := tx.ListUsers("", 100)
		f.must(err)
		for _, u := range users {
			put("user", u)
			keys, err := tx.PasskeysOf(u.ID)
			f.must(err)
			put("passkeys", keys)
			tokens, err := tx.TokensOf(u.ID)
			f.must(err)
			put("tokens", tokens)
			sessions, err := tx.SessionsOf(u.ID)
			f.must(err)
			put("sessions", sessions)
		}
		for _, kind := range []store.Kind{
			store.KindFlow, store.KindLink, store.KindCeremony, store.KindTicket, store.KindInvite, store.KindRefresh, store.KindDevice,
			store.KindSecond, store.KindTOTP, store.KindAddress, store.KindNotice, store.KindRequest,
		} {
			f.must(tx.ListTakes(kind, store.Hash{}, 1000, func(key store.Hash, decode func(any) error) bool {
				var v any
				f.must(decode(&v))
				put(string(kind), map[string]any{fmt.Sprint(key): v})
				return true
			}))
		}
		mails, err := tx.ListMessages("", "", 1000)
		f.must(err)
		put("mails", mails)
		lines, err := tx.ListAudit("", 10_000)
		f.must(err)
		put("audit", lines)
		return nil
	}))
	return b.String()
}

// FA-10, ST-2: an act whose transaction fails, or whose process dies before it is
// committed, has done nothing, and does it when it is tried again. Where the
// answer to a commit is lost it has done everything.
func TestFaults_ActsAroundSecondFactorsDoAllOrNothing_ST2(t *testing.T) {
	for name, prepare := range transactions {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			act := prepare(f)
			f.toStep() // codes are good for a while from here
			before := f.dump()
			for fault, want := range map[storetest.Fault]error{storetest.FailBefore: storetest.ErrInjected, storetest.FailAfter: storetest.ErrInjected, storetest.CrashBefore: storetest.ErrCrash} {
				f.setFault(storetest.At(1, fault))
				if err := act(); !errors.Is(err, want) {
					t.Fatalf("fault %d: %v", fault, err)
				}
				f.setFault(nil)
				if after := f.dump(); after != before {
					t.Fatalf("fault %d: something was kept\nbefore %s\nafter  %s", fault, before, after)
				}
			}
			if err := f.failDraws(act, before); err != nil {
				t.Fatal(err)
			}
			f.setFault(storetest.At(1, storetest.CrashAfter))
			if err := act(); !errors.Is(err, storetest.ErrCrash) {
				t.Fatalf("the answer was lost, and it says %v", err)
			}
			f.setFault(nil)
			if f.dump() == before {
				t.Error("nothing was kept of a commit")
			}
		})
	}
}

// failDraws has randomness fail at each draw of the act in turn: nothing is kept.
func (f *fixture) failDraws(act func() error, before string) error {
	broken := errors.New("no entropy")
	for n := range 40 {
		f.rand.failAt(n, broken)
		f.setFault(storetest.At(1, storetest.FailAfter)) // that succeeds in none of these
		err := act()
		f.setFault(nil)
		f.rand.failAt(-1, nil)
		if errors.Is(err, storetest.ErrInjected) {
			return nil // it drew less
		}
		if !errors.Is(err, broken) {
			return fmt.Errorf("draw %d fails, and it says %w", n, err)
		}
		if f.dump() != before {
			return fmt.Errorf("draw %d fails, and something is kept", n)
		}
	}
	return errors.New("it draws for ever")
}

// STYLE 5: closures that ran once in vain do the same the second time.
func TestFaults_ActsAroundSecondFactorsMayRunTwice(t *testing.T) {
	for name, prepare := range transactions {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			act := prepare(f)
			f.toStep()
			f.setFault(storetest.Always(storetest.RunTwice))
			f.must(act())
			if n := f.since.Load(); n != 1 {
				t.Errorf("it is %d transactions", n)
			}
		})
	}
}

// A wrong code whose count cannot be written is no answer about the code (RL-3).
func TestFaults_WrongCodeThatIsNotCountedSaysNothing_RL3(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	for i, w := range guessings(b)[2:4] { // those that are one transaction
		f.setFault(storetest.At(1, []storetest.Fault{storetest.FailAfter, storetest.CrashBefore}[i]))
		err := w.guess(f, f.notShown(a))
		f.setFault(nil)
		if _, refused := AsRefusal(err); refused || err == nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
	if n := len(f.user(alice).Guesses); n != 0 {
		t.Errorf("%d are counted", n)
	}
}
