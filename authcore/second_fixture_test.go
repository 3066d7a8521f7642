package authcore

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238: what authenticator apps compute
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// What people do who have more than a mailbox and a passkey.

// authApp is an authenticator app, by RFC 4226 and RFC 6238 and nothing else.
type authApp struct{ secret []byte }

func (f *fixture) scan(e *TOTPEnrolment) *authApp {
	f.t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Secret)
	f.must(err)
	return &authApp{raw}
}

// rfc4226 is its section 5.3.
func rfc4226(secret []byte, counter uint64, digits int) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, counter)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	mod := uint32(1)
	for range digits {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%mod)
}

// code is what the app shows so many steps from now.
func (f *fixture) code(a *authApp, steps int64) string {
	return rfc4226(a.secret, uint64(f.clock.now().Unix()/30+steps), 6)
}

// nextCode waits until the app shows another code.
func (f *fixture) nextCode(a *authApp) string {
	f.toStep()
	return f.code(a, 0)
}

// toStep moves the clock to the beginning of the next time step.
func (f *fixture) toStep() {
	now := f.clock.now()
	f.clock.advance(30*time.Second - time.Duration(now.UnixNano())%(30*time.Second))
}

// notShown is a code that the app shows nowhere near now.
func (f *fixture) notShown(a *authApp) string {
	for n := range 10 {
		guess := fmt.Sprintf("%06d", n)
		near := false
		for at := int64(-2); at <= 2; at++ {
			near = near || f.code(a, at) == guess
		}
		if !near {
			return guess
		}
	}
	panic("ten codes in five steps")
}

// giveTOTP enrols an authenticator app from a browser that may.
func (f *fixture) giveTOTP(b *Browser) *authApp {
	f.t.Helper()
	e, err := f.s.BeginTOTP(f.ctx(), b.Session)
	f.must(err)
	a := f.scan(e)
	token, err := f.s.ConfirmTOTP(f.ctx(), b.Session, f.nextCode(a), b.Client)
	f.must(err)
	f.renew(b, token)
	return a
}

// renew gives a browser its new session token.
func (f *fixture) renew(b *Browser, token Token) {
	f.t.Helper()
	f.keep(token)
	if b.Session = f.live(token); b.Session == nil {
		f.t.Fatal("the new token opens no session")
	}
}

// withTOTP is a user with an authenticator app who signed in for the first time
// in the browser, two minutes ago.
func (f *fixture) withTOTP(addr string) (Browser, *authApp) {
	f.t.Helper()
	b, _ := f.signIn(addr)
	a := f.giveTOTP(&b)
	f.clock.advance(2 * time.Minute)
	return b, a
}

// owe gives the first step of a sign-in in a new browser, which then owes the
// second.
func (f *fixture) owe(addr string) Browser {
	f.t.Helper()
	b := f.newBrowser()
	v, err := f.s.VerifyCode(f.ctx(), f.start(addr, b).code, b)
	f.must(err)
	if v.Second != b.Flow || v.SignedIn != nil || v.API != nil || v.StepUp != "" {
		f.t.Fatalf("the first step gave %+v", v)
	}
	return b
}

// finish gives the second step and answers the browser signed in.
func (f *fixture) finish(b Browser, by, typed string) Browser {
	f.t.Helper()
	v, err := f.s.FinishSecond(f.ctx(), by, typed, b)
	f.must(err)
	b.Device = v.Device
	f.renew(&b, v.Token)
	return b
}

// signInTOTP signs a new browser in by mail and authenticator app.
func (f *fixture) signInTOTP(addr string, a *authApp) Browser {
	f.t.Helper()
	return f.finish(f.owe(addr), SecondTOTP, f.nextCode(a))
}

// printed makes recovery codes from a browser that may.
func (f *fixture) printed(b Browser) []string {
	f.t.Helper()
	codes, err := f.s.NewRecoveryCodes(f.ctx(), b.Session, b.Client)
	f.must(err)
	return codes
}

// oweAPI gives the first step of an API client's sign-in, and answers the flow
// secret of the second.
func (f *fixture) oweAPI(addr, client string) Token {
	f.t.Helper()
	got, err := f.s.StartEmail(f.ctx(), StartEmail{Address: addr, Client: f.s.Client(client)})
	f.must(err)
	v, err := f.s.VerifyAPICode(f.ctx(), got.Flow, f.lastMail().code, "", Client{})
	f.must(err)
	if v.Second == "" || v.Second == got.Flow || v.API != nil || v.SignedIn != nil {
		f.t.Fatalf("the first step gave %+v", v)
	}
	return v.Second
}

// restart is the process after it ended and began anew over the same store. The
// browsers' records of before are good.
func (f *fixture) restart() *fixture { return f.restartWith(f.rootKey) }

func (f *fixture) restartWith(key RootKey) *fixture {
	f.t.Helper()
	if key != f.rootKey {
		f.forgetMails() // which do not open any more
	}
	g := fixtureAt(f.t, f.store, key, f.s.cfg)
	g.clock.t = f.clock.now()
	return g
}

// forgetMails empties the queue.
func (f *fixture) forgetMails() {
	f.t.Helper()
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		list, err := tx.ListMessages("", "", 1000)
		for _, m := range list {
			if err := tx.DeleteMessage(m.ID); err != nil {
				return err
			}
		}
		return err
	}))
}

// edit changes a user's record beneath everything.
func (f *fixture) edit(addr string, change func(*store.User)) {
	f.t.Helper()
	u := f.user(addr)
	change(u)
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return tx.PutUser(u) }))
}
