package authcore

import (
	"net/url"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestTOTP_UnconfirmedOpensNothingAndExpires_TO1(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	e, err := f.s.BeginTOTP(f.ctx(), b.Session)
	f.must(err)
	a := f.scan(e)
	if f.user(alice).TOTP != nil {
		t.Error("it is the account's already")
	}
	_, err = f.s.StepUpTOTP(f.ctx(), f.code(a, 0), b)
	f.refused(err, MethodOff)
	again, _ := f.signIn(alice) // and no second step is asked for
	_, err = f.s.ConfirmTOTP(f.ctx(), again.Session, f.code(a, 0), Client{})
	f.refused(err, FlowExpired) // it is the session's that began it

	f.clock.advance(stepUpAge + time.Second)
	m := f.startStepUp(b)
	v, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.must(err)
	f.renew(&b, v.StepUp)
	_, err = f.s.ConfirmTOTP(f.ctx(), b.Session, f.code(a, 0), b.Client)
	f.refused(err, FlowExpired)
	if f.user(alice).TOTP != nil || len(f.audit(evTOTPEnrolled)) != 0 {
		t.Error("an old enrolment was confirmed")
	}
}

func TestTOTP_TheSecondSecretReplacesTheFirst(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	first, err := f.s.BeginTOTP(f.ctx(), b.Session)
	f.must(err)
	second, err := f.s.BeginTOTP(f.ctx(), b.Session)
	f.must(err)
	if first.Secret == second.Secret || len(second.Secret) != 32 { // 160 bits
		t.Errorf("the secrets are %q and %q", first.Secret, second.Secret)
	}
	_, err = f.s.ConfirmTOTP(f.ctx(), b.Session, f.code(f.scan(first), 0), b.Client)
	f.refused(err, TOTPInvalid)
	token, err := f.s.ConfirmTOTP(f.ctx(), b.Session, f.code(f.scan(second), 0), b.Client)
	f.must(err)
	if f.live(f.tokenOf(b)) != nil { // SE-2
		t.Error("the session has its old token still")
	}
	f.renew(&b, token)
	if !b.Session.Has(AMRTOTP) {
		t.Error("who showed a code has not used the app")
	}
	_, err = f.s.BeginTOTP(f.ctx(), b.Session)
	f.refused(err, Conflict)
}

// The address that apps scan says who and where, and no space as "+", which some
// of them show.
func TestTOTP_AddressNamesAccountAndSite(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Brand = "Müller & Co" })
	b, _ := f.signIn(alice)
	e, err := f.s.BeginTOTP(f.ctx(), b.Session)
	f.must(err)
	u, err := url.Parse(e.URI)
	f.must(err)
	q := u.Query()
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Müller & Co:"+alice || contains(e.URI, "+") ||
		q.Get("secret") != e.Secret || q.Get("issuer") != "Müller & Co" || q.Get("algorithm") != "SHA1" || q.Get("digits") != "6" || q.Get("period") != "30" {
		t.Errorf("the address is %s", e.URI)
	}
}

// TO-2: a code is spent wherever it was accepted: at confirmation, sign-in of a
// browser or client, and step-up, in the same process and after.
func TestTOTP_CodeWorksOnceOverAllFlowsAndRestarts_TO2(t *testing.T) {
	for spent, spend := range map[string]func(f *fixture) (*authApp, string){
		"confirmation": func(f *fixture) (*authApp, string) {
			b, _ := f.signIn(alice)
			a := f.giveTOTP(&b)
			return a, f.code(a, 0)
		},
		"sign-in": func(f *fixture) (*authApp, string) {
			_, a := f.withTOTP(alice)
			f.signInTOTP(alice, a)
			return a, f.code(a, 0)
		},
		"step-up": func(f *fixture) (*authApp, string) {
			b, a := f.withTOTP(alice)
			code := f.nextCode(a)
			_, err := f.s.StepUpTOTP(f.ctx(), code, b)
			f.must(err)
			return a, code
		},
		"API": func(f *fixture) (*authApp, string) {
			_, a := f.withTOTP(alice)
			flow := f.oweAPI(alice, "spa")
			code := f.nextCode(a)
			_, err := f.s.FinishAPISecond(f.ctx(), SecondTOTP, flow, code, "", Client{})
			f.must(err)
			return a, code
		},
	} {
		t.Run(spent, func(t *testing.T) {
			f := newFixture(t)
			a, code := spend(f)
			refused := func(f *fixture) {
				t.Helper()
				_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, code, f.owe(alice))
				f.refused(err, TOTPInvalid)
				_, err = f.s.FinishAPISecond(f.ctx(), SecondTOTP, f.oweAPI(alice, "spa"), code, "", Client{})
				f.refused(err, TOTPInvalid)
				_, err = f.s.StepUpTOTP(f.ctx(), code, f.finish(f.owe(alice), SecondTOTP, f.code(a, 1)))
				f.refused(err, TOTPInvalid)
			}
			f.toStep()
			f.clock.advance(-time.Second) // the code's own step
			f.restartAs(refused)
			f.clock.advance(time.Second)
			refused(f)
		})
	}
}

// restartAs runs what must hold after a restart, on a copy of the store's state
// that the test goes on with.
func (f *fixture) restartAs(check func(*fixture)) {
	f.t.Helper()
	before := f.user(alice)
	check(f.restart())
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return tx.PutUser(before) }))
}

func TestTOTP_CodeOfBeforeIsDeadAfterALaterOne_TO2(t *testing.T) {
	f := newFixture(t)
	_, a := f.withTOTP(alice)
	f.toStep()
	f.finish(f.owe(alice), SecondTOTP, f.code(a, 1))
	for _, step := range []int64{-1, 0, 1} {
		_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, f.code(a, step), f.owe(alice))
		f.refused(err, TOTPInvalid)
	}
	f.clock.advance(30 * time.Second)
	f.finish(f.owe(alice), SecondTOTP, f.code(a, 1))
}

func TestTOTP_ClocksMayDifferByOneStep_TO2(t *testing.T) {
	for step, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		f := newFixture(t)
		_, a := f.withTOTP(alice)
		f.toStep()
		_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, f.code(a, step), f.owe(alice))
		if r, ok := AsRefusal(err); want && err != nil || !want && (!ok || r.Reason != TOTPInvalid) {
			t.Errorf("the code of step %+d gave %v", step, err)
		}
	}
}

func TestTOTP_OneOfManyParallelUsesWins_TO2(t *testing.T) {
	t.Run("sign-in", func(t *testing.T) {
		f := newFixture(t)
		_, a := f.withTOTP(alice)
		var owed []Browser
		for range 8 {
			owed = append(owed, f.owe(alice))
		}
		code := f.nextCode(a)
		if won := f.race(func(i int) error {
			_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, code, owed[i%len(owed)])
			return err
		}); won != 1 {
			t.Errorf("%d of 50 sign-ins by one code succeeded", won)
		}
	})
	t.Run("step-up", func(t *testing.T) {
		f := newFixture(t)
		b, a := f.withTOTP(alice)
		code := f.nextCode(a)
		if won := f.race(func(int) error { _, err := f.s.StepUpTOTP(f.ctx(), code, b); return err }); won != 1 {
			t.Errorf("%d of 50 step-ups by one code succeeded", won)
		}
	})
	t.Run("confirmation", func(t *testing.T) {
		f := newFixture(t)
		b, _ := f.signIn(alice)
		e, err := f.s.BeginTOTP(f.ctx(), b.Session)
		f.must(err)
		code := f.code(f.scan(e), 0)
		if won := f.race(func(int) error { _, err := f.s.ConfirmTOTP(f.ctx(), b.Session, code, b.Client); return err }); won != 1 {
			t.Errorf("%d of 50 confirmations by one code succeeded", won)
		}
	})
	t.Run("all", func(t *testing.T) {
		f := newFixture(t)
		b, a := f.withTOTP(alice)
		owed, api := f.owe(alice), f.oweAPI(alice, "spa")
		code := f.nextCode(a)
		if won := f.race(func(i int) (err error) {
			switch i % 3 {
			case 0:
				_, err = f.s.StepUpTOTP(f.ctx(), code, b)
			case 1:
				_, err = f.s.FinishSecond(f.ctx(), SecondTOTP, code, owed)
			default:
				_, err = f.s.FinishAPISecond(f.ctx(), SecondTOTP, api, code, "", Client{})
			}
			return err
		}); won != 1 {
			t.Errorf("%d of 50 uses of one code succeeded", won)
		}
	})
}

func TestTOTP_WhatIsNoCodeIsNoGuess_EC5(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	owed := f.owe(alice)
	code := f.nextCode(a)
	for _, typed := range []string{
		"", " ", code[:5], code + "0", code + "00", "12345678", "１２３４５６", "١٢٣٤٥٦", code[:5] + "５", code[:2] + " " + code[2:],
		code[:3] + "  " + code[3:], code + "\n", "\t" + code, code[:3] + "\u00a0" + code[3:], "null", "[\"" + code + "\"]", "+" + code[1:], code + "\x00",
	} {
		_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, typed, owed)
		f.refused(err, TOTPInvalid)
		_, err = f.s.StepUpTOTP(f.ctx(), typed, b)
		f.refused(err, TOTPInvalid)
	}
	if n := len(f.user(alice).Guesses); n != 0 {
		t.Errorf("%d of them are guesses", n)
	}
	f.finish(owed, SecondTOTP, " "+code[:3]+" "+code[3:]+" ")
	hyphened := f.nextCode(a)
	_, err := f.s.StepUpTOTP(f.ctx(), hyphened[:3]+"-"+hyphened[3:], b)
	f.must(err)
}

func TestTOTP_WrongCodeAtEnrolmentIsAGuessAndNothingIsEnrolled_TO3(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	e, err := f.s.BeginTOTP(f.ctx(), b.Session)
	f.must(err)
	a := f.scan(e)
	_, err = f.s.ConfirmTOTP(f.ctx(), b.Session, f.notShown(a), b.Client)
	f.refused(err, TOTPInvalid)
	if u := f.user(alice); len(u.Guesses) != 1 || u.TOTP != nil {
		t.Errorf("the user is %+v", u)
	}
	if got := f.audit(evTOTPFailed); len(got) != 1 || got[0].Success {
		t.Errorf("the audit log has %+v", got)
	}
	_, err = f.s.ConfirmTOTP(f.ctx(), b.Session, f.code(a, 0), b.Client) // it is there still
	f.must(err)
}

// SE-5: links, codes, tickets and enrolments of before are dead, sessions are not.
func TestTOTP_ConfirmingKillsWhatIsPendingAndKeepsSessions_SE5(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	other, _ := f.signIn(alice)
	theirs, err := f.s.BeginTOTP(f.ctx(), other.Session)
	f.must(err)
	pending := f.newBrowser()
	m := f.start(alice, pending)
	nonce, _ := f.s.NewToken()
	ticket := f.ticket(b.Session, appHost, nonce)
	app := f.handOver(other.Session, appHost)
	f.giveTOTP(&b)
	_, err = f.s.VerifyCode(f.ctx(), m.code, pending)
	f.refused(err, FlowExpired)
	_, err = f.s.RedeemTicket(f.ctx(), f.app(appHost), ticket, nonce, Client{})
	f.refused(err, HandoverFailed)
	other.Session = f.live(f.tokenOf(other))
	other.Session.Session.AMR = []string{AMREmail, AMRTOTP}
	f.putSession(&other)
	_, err = f.s.ConfirmTOTP(f.ctx(), other.Session, f.code(f.scan(theirs), 0), other.Client)
	f.refused(err, FlowExpired)
	if !f.allowed(appHost, app) {
		t.Error("another browser's app session ended")
	}
}
