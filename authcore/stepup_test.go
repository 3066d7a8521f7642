package authcore

import (
	"testing"
	"time"
)

// ways asks what would let a session in where a path leads.
func (f *fixture) ways(b Browser, path string) Ways {
	f.t.Helper()
	w, err := f.s.Ways(f.ctx(), b.Session, &Return{Path: path}, f.app(appHost))
	f.must(err)
	return w
}

// SE-8: only what this person has and the app takes; the times are those by which
// the policy judges, so that a page never asks for what would be refused.
func TestWays_AreThisPersonsAndTheApps_SE8(t *testing.T) {
	f := newFixture(t, strict(t))
	f.signIn(alice)
	f.clock.advance(2 * time.Minute)
	b, _ := f.signIn(alice)
	if w := f.ways(b, "/"); !w.Met {
		t.Errorf("a path that asks for nothing: %+v", w)
	}
	later := f.s.Now().Add(factorWait)
	if w := f.ways(b, "/strong/x"); w != (Ways{Methods: true, Add: true, Added: later}) {
		t.Errorf("without a passkey: %+v", w)
	}
	f.clock.advance(61 * time.Minute)
	if w := f.ways(b, "/fresh/x"); w != (Ways{Mail: true}) {
		t.Errorf("too old, without a passkey: %+v", w)
	}

	b, _ = f.signIn(alice)
	later = f.s.Now().Add(factorWait)
	first := f.addKey(b)
	if w := f.ways(b, "/strong/x"); w.Waits.Unix() != later.Unix() || w.Passkey || w.Mail || w.Add {
		t.Errorf("with one that does not count yet: %+v", w)
	}
	f.stepUp(&b, first)
	if w := f.ways(b, "/strong/x"); w.Met || w.Passkey {
		t.Errorf("after using it: %+v", w)
	}
	f.clock.advance(factorWait - time.Minute)
	b = f.keySignIn(first)
	second := f.addKey(b) // the session could not have met the policy itself
	f.clock.advance(time.Minute)
	if w := f.ways(b, "/strong/x"); !w.Met {
		t.Errorf("with one that counts by now: %+v", w)
	}
	mailed, _ := f.signIn(alice)
	if w := f.ways(mailed, "/strong/x"); !w.Passkey || w.Waits.IsZero() || w.Add || w.Mail {
		t.Errorf("with one that counts and one that does not: %+v", w)
	}
	for required, want := range map[bool]int{true: 1, false: 2} {
		c, err := f.s.BeginStepUp(f.ctx(), mailed, required)
		f.must(err)
		if got := requestOptions(t, c).AllowedCredentials; len(got) != want {
			t.Errorf("required %v: %d passkeys are asked for, want %d", required, len(got), want)
		}
	}

	// One that was not asked for is refused, though it is this person's.
	c, err := f.s.BeginStepUp(f.ctx(), mailed, true)
	f.must(err)
	_, err = f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(second, c), mailed)
	f.refused(err, PasskeyRefused)
}

func TestWays_StoreFaultIsAnError(t *testing.T) {
	f := newFixture(t, strict(t))
	b, _ := f.signIn(alice)
	f.must(f.store.Close())
	if _, err := f.s.Ways(f.ctx(), b.Session, &Return{Path: "/strong/x"}, f.app(appHost)); err == nil {
		t.Error("an answer without a store")
	}
}
