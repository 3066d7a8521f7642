package authcore

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// enrolKey is a passkey made in the browser, which is answered as the portal leaves
// it: with its new token, if it got one.
func (f *fixture) enrolKey(b *Browser) *key {
	f.t.Helper()
	k := f.newKey()
	c, err := f.s.BeginAddPasskey(f.ctx(), *b)
	f.must(err)
	added, err := f.s.FinishAddPasskey(f.ctx(), c.ID.Reveal(), f.attest(k, c), "My key", *b)
	f.must(err)
	if added.Token != "" {
		f.renew(b, added.Token)
	}
	return k
}

func TestRecovery_CodesAreShownOnceAndNeedSomethingToRecover(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	_, err := f.s.NewRecoveryCodes(f.ctx(), b.Session, b.Client)
	f.refused(err, Conflict) // TO-4: the mailbox is all there is
	f.giveTOTP(&b)
	codes := f.printed(b)
	seen := map[string]bool{}
	for _, c := range codes {
		seen[c] = true
		if len(c) != 29 {
			t.Errorf("a code is %q", c)
		}
	}
	if len(seen) != recoveryCodes {
		t.Errorf("%d codes", len(seen))
	}
	if got := Recovery(f.user(alice)); got != (RecoveryStatus{Left: recoveryCodes, Made: recoveryCodes}) {
		t.Errorf("the account page shows %+v", got)
	}
	if Recovery(&store.User{}) != (RecoveryStatus{}) {
		t.Error("who has none has some")
	}
	f.stepUp(&b, f.enrolKey(&b)) // with both, either may go
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	if f.user(alice).Recovery == nil {
		t.Error("the codes went with one of two factors")
	}
	f.must(f.s.RemovePasskey(f.ctx(), f.live(f.tokenOf(b)), b.Session.Session.PasskeyID, b.Client))
	if f.user(alice).Recovery != nil {
		t.Error("there are codes, and nothing to recover")
	}
	b, _ = f.signIn(alice)
	f.giveTOTP(&b)
	f.printed(b)
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	if f.user(alice).Recovery != nil {
		t.Error("there are codes, and nothing to recover")
	}
}

func TestRecovery_LowIsSaid_TO4(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "t")
	codes := f.printed(b)
	for i, c := range codes {
		token, err := f.s.StepUpRecovery(f.ctx(), c, b)
		f.must(err)
		f.renew(&b, token)
		left := recoveryCodes - 1 - i
		if got := Recovery(f.user(alice)); got.Left != left || got.Low != (left <= lowRecoveryCodes) {
			t.Errorf("after %d: %+v", i+1, got)
		}
	}
	_, err := f.s.StepUpRecovery(f.ctx(), codes[0], b)
	f.refused(err, RecoveryInvalid)
}

func TestRecovery_OfAnotherUserIsRefused_TO4(t *testing.T) {
	f := newFixture(t)
	a := f.printed(f.equip(alice, "t"))
	b := f.equip(bob, "t")
	f.printed(b)
	_, err := f.s.FinishSecond(f.ctx(), SecondRecovery, a[0], f.owe(bob))
	f.refused(err, RecoveryInvalid)
	_, err = f.s.StepUpRecovery(f.ctx(), a[0], b)
	f.refused(err, RecoveryInvalid)
	// Nor with her salt and her hash copied beside his: they are bound to her.
	f.edit(bob, func(u *User) { u.Recovery = f.user(alice).Recovery })
	_, err = f.s.StepUpRecovery(f.ctx(), a[0], b)
	f.refused(err, RecoveryInvalid)
	if got := Recovery(f.user(alice)).Left; got != recoveryCodes {
		t.Errorf("she has %d left", got)
	}
	f.finish(f.owe(alice), SecondRecovery, a[0])
}

func TestRecovery_CodeWorksOnceOverFlowsAndRestarts_TO4(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "t")
	codes := f.printed(b)
	f.finish(f.owe(alice), SecondRecovery, codes[0])
	_, err := f.s.StepUpRecovery(f.ctx(), codes[1], b)
	f.must(err)
	_, err = f.s.FinishAPISecond(f.ctx(), SecondRecovery, f.oweAPI(alice, "cli"), codes[2], "", Client{})
	f.must(err)
	g := f.restart()
	again := g.owe(alice)
	for _, c := range codes[:3] {
		_, err = g.s.FinishSecond(g.ctx(), SecondRecovery, c, again)
		g.refused(err, RecoveryInvalid)
		_, err = g.s.FinishAPISecond(g.ctx(), SecondRecovery, g.oweAPI(alice, "cli"), c, "", Client{})
		g.refused(err, RecoveryInvalid)
	}
	g.finish(again, SecondRecovery, codes[3])
}

func TestRecovery_OneOfManyParallelUsesWins_TO4(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "t")
	codes := f.printed(b)
	owed, api := f.owe(alice), f.oweAPI(alice, "spa")
	if won := f.race(func(i int) (err error) {
		switch i % 3 {
		case 0:
			_, err = f.s.StepUpRecovery(f.ctx(), codes[4], b)
		case 1:
			_, err = f.s.FinishSecond(f.ctx(), SecondRecovery, codes[4], owed)
		default:
			_, err = f.s.FinishAPISecond(f.ctx(), SecondRecovery, api, codes[4], "", Client{})
		}
		return err
	}); won != 1 {
		t.Errorf("%d of 50 uses of one code succeeded", won)
	}
	if got := Recovery(f.user(alice)).Left; got != recoveryCodes-1 {
		t.Errorf("%d are left", got)
	}
}

func TestRecovery_NewCodesMakeTheOldWorthless_TO4(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "t")
	old, fresh := f.printed(b), f.printed(b)
	for _, c := range old[:3] {
		_, err := f.s.FinishSecond(f.ctx(), SecondRecovery, c, f.owe(alice))
		f.refused(err, RecoveryInvalid)
	}
	f.finish(f.owe(alice), SecondRecovery, fresh[0])
}

// A session that a code began may add a passkey, which makes it whole; it counts
// where an app requires one only after its owner had time to notice.
func TestRecovery_SessionAddsAPasskeyAndIsWholeThen(t *testing.T) {
	f := newFixture(t, strict(t))
	codes := f.printed(f.equip(alice, "t"))
	f.clock.advance(2 * time.Hour)
	b := f.finish(f.owe(alice), SecondRecovery, codes[0])
	if !b.Session.Limited() {
		t.Fatal("the session is whole already")
	}
	k := f.enrolKey(&b)
	if b.Session.Limited() || !b.Session.Has(AMRPasskey) || string(b.Session.Session.PasskeyID) != string(k.cred.ID) {
		t.Errorf("after adding a passkey the session is %+v", b.Session.Session)
	}
	f.must(f.s.RenamePasskey(f.ctx(), b.Session, k.cred.ID, "Mine", b.Client))
	app := f.handOver(b.Session, appHost)
	f.wants(f.decide(app, "/"), Allow, "Caddyfile:3")
	f.wants(f.decide(app, "/strong/x"), StepUp, "Caddyfile:5")
	f.clock.advance(factorWait - time.Second)
	f.wants(f.decide(app, "/strong/x"), StepUp, "Caddyfile:5")
	f.clock.advance(time.Second)
	f.wants(f.decide(app, "/strong/x"), Allow, "Caddyfile:4")
}

func TestRecovery_SessionMayAddForAQuarterOfAnHour(t *testing.T) {
	f := newFixture(t)
	codes := f.printed(f.equip(alice, "t"))
	b := f.finish(f.owe(alice), SecondRecovery, codes[0])
	f.clock.advance(stepUpAge + time.Second)
	_, err := f.s.BeginAddPasskey(f.ctx(), b)
	if r := f.refused(err, StepUpRequired); !slices.Equal(r.Methods, []string{AMRTOTP, AMRRecovery}) {
		t.Errorf("asks for %v", r.Methods)
	}
	token, err := f.s.StepUpRecovery(f.ctx(), codes[1], b) // with another code it may again
	f.must(err)
	f.renew(&b, token)
	if !b.Session.Limited() {
		t.Error("a second code made the session whole")
	}
	f.enrolKey(&b)
}

// A session by mail, of an account with a passkey, gets a quarter of an hour for
// one passkey by a code, and nothing else: no fresher proof, no method that a
// policy asks for.
func TestStepUpRecovery_AllowsOnePasskeyAndNothingElse(t *testing.T) {
	f := newFixture(t, strict(t))
	codes := f.printed(f.equip(alice, "p"))
	b, _ := f.signIn(alice)
	f.clock.advance(2 * time.Hour)
	before := b.Session.Session
	token, err := f.s.StepUpRecovery(f.ctx(), codes[0], b)
	f.must(err)
	if f.live(f.tokenOf(b)) != nil { // SE-2
		t.Error("the old token is good")
	}
	f.renew(&b, token)
	after := b.Session.Session
	if after.ID != before.ID || !after.AuthTime.Equal(before.AuthTime) || !slices.Equal(after.AMR, before.AMR) || b.Session.Limited() {
		t.Errorf("the session is %+v, before %+v", after, before)
	}
	for path := range map[string]bool{"/strong/x": true, "/fresh/x": true} {
		_, err := f.s.IssueTicket(f.ctx(), b.Session, &Return{Path: path}, f.app(appHost))
		f.refused(err, StepUpRequired)
	}
	_, err = f.s.BeginTOTP(f.ctx(), b.Session)
	f.refused(err, StepUpRequired)
	f.enrolKey(&b)
	_, err = f.s.BeginAddPasskey(f.ctx(), b) // one
	f.refused(err, StepUpRequired)

	token, err = f.s.StepUpRecovery(f.ctx(), codes[1], b)
	f.must(err)
	f.renew(&b, token)
	f.clock.advance(stepUpAge + time.Second)
	_, err = f.s.BeginAddPasskey(f.ctx(), b)
	f.refused(err, StepUpRequired)
}

// Where passkeys are switched off a code could do nothing, so none is spent.
func TestRecovery_WithoutPasskeysIsOff(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "t")
	codes := f.printed(b)
	f.reload(portalConfig(t, func(c *Config) { c.NoPasskey = true }))
	_, err := f.s.FinishSecond(f.ctx(), SecondRecovery, codes[0], f.owe(alice))
	f.refused(err, MethodOff)
	_, err = f.s.StepUpRecovery(f.ctx(), codes[0], b)
	f.refused(err, MethodOff)
	_, err = f.s.NewRecoveryCodes(f.ctx(), b.Session, b.Client)
	f.refused(err, MethodOff)
	if info, err := f.s.Second(f.ctx(), f.owe(alice)); err != nil || *info != (SecondInfo{TOTP: true}) {
		t.Errorf("the page asks for %+v, %v", info, err)
	}
	got, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Client: f.s.Client("spa")})
	f.must(err)
	v, err := f.s.VerifyAPICode(f.ctx(), got.Flow, f.lastMail().code, "", Client{})
	f.must(err)
	if !slices.Equal(v.SecondBy, []string{SecondTOTP}) {
		t.Errorf("a client is told of %v", v.SecondBy)
	}
	if u := f.user(alice); Recovery(u).Left != recoveryCodes || len(u.Guesses) != 0 {
		t.Errorf("the user is %+v", u)
	}
}

func TestRecovery_RandomnessThatFailsMakesNoCodes_CR1(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "t")
	broken := errors.New("no entropy")
	for n := range 12 { // the salt, the codes, and what else is drawn
		f.rand.failAt(n, broken)
		codes, err := f.s.NewRecoveryCodes(f.ctx(), b.Session, b.Client)
		f.rand.failAt(-1, nil)
		if !errors.Is(err, broken) || codes != nil || f.user(alice).Recovery != nil {
			t.Errorf("draw %d fails: %v, %v", n, codes, err)
		}
	}
	f.printed(b)
}
