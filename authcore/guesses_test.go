package authcore

import (
	"fmt"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// guessing is one way to try a second step.
type guessing struct {
	name  string
	guess func(f *fixture, typed string) error // of a code of the authenticator app
}

// guessings are all there are, for an account with an authenticator app whose
// owner is signed in in b. Each begins anew, so that no flow's tries run out.
func guessings(b Browser) []guessing {
	return []guessing{
		{"sign-in", func(f *fixture, typed string) error {
			f.allowMails()
			_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, typed, f.owe(alice))
			return err
		}},
		{"API", func(f *fixture, typed string) error {
			f.allowMails()
			_, err := f.s.FinishAPISecond(f.ctx(), SecondTOTP, f.oweAPI(alice, "cli"), typed, "", Client{})
			return err
		}},
		{"step-up", func(f *fixture, typed string) error { _, err := f.s.StepUpTOTP(f.ctx(), typed, b); return err }},
		{"recovery", func(f *fixture, _ string) error {
			_, err := f.s.StepUpRecovery(f.ctx(), "0000-0000-0000-0000-0000-0000", b)
			return err
		}},
		{"recovery at sign-in", func(f *fixture, _ string) error {
			f.allowMails()
			_, err := f.s.FinishSecond(f.ctx(), SecondRecovery, "0000-0000-0000-0000-0000-0000", f.owe(alice))
			return err
		}},
	}
}

// allowMails gives the address its mails of the hour back.
func (f *fixture) allowMails() {
	f.t.Helper()
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return tx.ClearCounter("mail/address/" + alice) }))
}

// TO-3: thirty wrong ones in any 24 hours over all flows and methods; the right
// one after them is refused too, and accepted exactly when the first of them is a
// day old.
func TestSecondGuesses_ThirtyInAnyDayOverAllFlows_TO3(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	ways := guessings(b)
	f.toStep()
	first := f.clock.now()
	for i := range maxSecondGuesses {
		f.refused(ways[i%len(ways)].guess(f, f.notShown(a)), []Reason{TOTPInvalid, RecoveryInvalid}[b2i(i%len(ways) > 2)])
		f.clock.advance(30 * time.Second)
	}
	if got := len(f.user(alice).Guesses); got != maxSecondGuesses {
		t.Fatalf("%d guesses are kept", got)
	}
	for _, w := range ways {
		r := f.refused(w.guess(f, f.code(a, 0)), GuessesSpent)
		if want := guessWindow - f.clock.now().Sub(first); r.RetryAfter != want {
			t.Errorf("%s: come back in %v, want %v", w.name, r.RetryAfter, want)
		}
	}
	f.clock.advance(guessWindow - f.clock.now().Sub(first) - time.Nanosecond)
	f.refused(ways[0].guess(f, f.code(a, 0)), GuessesSpent)
	f.clock.advance(time.Nanosecond)
	f.finish(f.owe(alice), SecondTOTP, f.code(a, 0))
	if got := len(f.user(alice).Guesses); got != maxSecondGuesses-1 { // RL-6: a success clears none
		t.Errorf("%d guesses are kept, and a success forgets none", got)
	}
	f.refused(ways[0].guess(f, f.notShown(a)), TOTPInvalid) // the window slides: one was free
	f.refused(ways[0].guess(f, f.code(a, 1)), GuessesSpent)
	if n := len(f.audit(evTOTPFailed)) + len(f.audit(evRecoveryFailed)); n < maxSecondGuesses+7 {
		t.Errorf("%d failures are in the audit log", n)
	}
}

func TestSecondGuesses_AreCountedUnderConcurrencyAndAfterARestart_RL3(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	for range maxSecondGuesses - 5 {
		_, err := f.s.StepUpTOTP(f.ctx(), f.notShown(a), b)
		f.refused(err, TOTPInvalid)
	}
	g := f.restart()
	wrong := make([]error, 50)
	g.race(func(i int) error {
		_, wrong[i] = g.s.StepUpTOTP(g.ctx(), g.notShown(a), b)
		return wrong[i]
	})
	invalid := 0
	for _, err := range wrong {
		if r, ok := AsRefusal(err); ok && r.Reason == TOTPInvalid {
			invalid++
		}
	}
	if invalid != 5 || len(g.user(alice).Guesses) != maxSecondGuesses {
		t.Errorf("%d of 50 more were answered, %d are counted", invalid, len(g.user(alice).Guesses))
	}
}

// RL-5: whoever spends them locks out no passkey and nobody who is in already.
func TestSecondGuesses_SpentLeavePasskeysAndSessions_RL5(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	f.stepUpTOTP(&b, a)
	k := f.addKey(b)
	app := f.handOver(b.Session, appHost)
	for range maxSecondGuesses {
		_, err := f.s.StepUpTOTP(f.ctx(), f.notShown(a), b)
		f.refused(err, TOTPInvalid)
	}
	f.must(f.s.RenamePasskey(f.ctx(), f.keySignIn(k).Session, k.cred.ID, "Mine", Client{}))
	if !f.allowed(appHost, app) {
		t.Error("the session ended")
	}
	// Another account is not concerned.
	_, other := f.withTOTP(bob)
	f.signInTOTP(bob, other)
}

// A wrong code that is taken back with its transaction would be a free guess
// (RL-3): what the guesser sees is what was counted.
func TestSecondGuesses_RefusalIsCommitted_RL3(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	for i, w := range guessings(b) {
		f.refused(w.guess(f, f.notShown(a)), []Reason{TOTPInvalid, RecoveryInvalid}[b2i(i > 2)])
		if got := len(f.user(alice).Guesses); got != i+1 {
			t.Errorf("%s: %d are counted, want %d", w.name, got, i+1)
		}
	}
	if s := fmt.Sprint(f.log); contains(s, f.notShown(a)) {
		t.Error("a typed code stands in the log")
	}
}
