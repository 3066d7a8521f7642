package authcore

import "testing"

// DESIGN §3.1, §6: what a mail does in an account that has more, for each value of
// email_after_passkey and each set of factors.
func TestEmailAfterPasskey_ModesAndFactors(t *testing.T) {
	const (
		nothing  = "no mail"
		whole    = "a session"
		totp     = "a second step by TOTP"
		either   = "a second step by TOTP or recovery code"
		recovery = "a second step by recovery code"
	)
	for _, c := range []struct {
		factors            string // p passkey, t TOTP, r recovery codes
		allow, second, off string
	}{
		{"", whole, whole, whole},
		{"p", whole, nothing, nothing},
		{"pr", whole, recovery, nothing},
		{"t", totp, totp, totp},
		{"tr", either, either, either},
		{"pt", totp, totp, nothing},
		{"ptr", either, either, nothing},
	} {
		for mode, want := range map[string]string{"allow": c.allow, "second": c.second, "off": c.off} {
			t.Run(mode+" "+c.factors, func(t *testing.T) {
				f := newFixture(t, func(cfg *Config) { cfg.EmailAfterPasskey = mode })
				f.equip(alice, c.factors)
				b := f.newBrowser()
				_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: b})
				f.must(err)
				if got := f.outcome(b); got != want {
					t.Errorf("a mail gives %s, want %s", got, want)
				}
			})
		}
	}
}

// equip gives a new user factors, and answers the browser that did.
func (f *fixture) equip(addr, factors string) Browser {
	f.t.Helper()
	b, _ := f.signIn(addr)
	var k *key
	if contains(factors, "p") {
		k = f.addKey(b)
		f.stepUp(&b, k)
	}
	if contains(factors, "t") {
		f.giveTOTP(&b)
	}
	if contains(factors, "r") {
		f.printed(b)
	}
	return b
}

// outcome says what the mail that a browser asked for leads to.
func (f *fixture) outcome(b Browser) string {
	f.t.Helper()
	if len(f.mails()) == 0 {
		return "no mail"
	}
	v, err := f.s.VerifyCode(f.ctx(), f.lastMail().code, b)
	f.must(err)
	if v.SignedIn != nil {
		return "a session"
	}
	info, err := f.s.Second(f.ctx(), b)
	f.must(err)
	switch {
	case info == nil:
		return "nothing"
	case info.TOTP && info.Recovery:
		return "a second step by TOTP or recovery code"
	case info.TOTP:
		return "a second step by TOTP"
	case info.Recovery:
		return "a second step by recovery code"
	}
	return "a second step by nothing"
}

// EM-7: what hangs on an account before the first proof of its address stands in
// nobody's way, and is gone after it.
func TestSecond_OfAnUnprovenAccountIsNotAsked_EM7(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(bob)
	f.giveTOTP(&b)
	f.addUser(alice)
	f.edit(alice, func(u *User) { u.TOTP = f.user(bob).TOTP })
	if _, in := f.signIn(alice); in.User.TOTP != nil || f.user(alice).TOTP != nil {
		t.Error("a factor from before the first proof survived it")
	}
}
