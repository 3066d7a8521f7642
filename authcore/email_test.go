package authcore

import (
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestEmail_CodeSignsInTheBrowserThatAsked(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b := f.newBrowser()
	m := f.start("Alice@Example.COM", b)
	if m.To != alice {
		t.Errorf("mailed to %q instead of the stored address (EM-4)", m.To)
	}
	if len(m.code) != 8 || m.link == "" {
		t.Fatalf("mail has code %q and link %q", m.code, m.link)
	}
	v, err := f.s.VerifyCode(f.ctx(), m.code[:4]+" "+m.code[4:], b)
	f.must(err)
	l := f.live(v.Token)
	if l == nil || l.User.Email != alice || !l.Has(AMREmail) || l.Has(AMRPasskey) {
		t.Fatalf("session is %+v", l)
	}
	if !v.Offer {
		t.Error("no passkey was offered after the first e-mail sign-in")
	}
	if v.Token == b.Flow {
		t.Error("SE-2: the flow's secret became the session")
	}
	if len(f.audit(evLinkRequested)) != 1 || len(f.audit(evLinkVerified)) != 1 || len(f.audit(evSessionCreated)) != 1 {
		t.Error("the audit log lacks a line of the sign-in")
	}
}

func TestEmail_MalformedCodeIsRefusedAndCostsNoTry(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b := f.newBrowser()
	m := f.start(alice, b)
	for _, typed := range []string{
		"", "1", m.code + "0", m.code[:7], "１２３４５６７８", "١٢٣٤٥٦٧٨", m.code + "\x00", m.code + "\n", "\t" + m.code,
		m.code[:2] + " " + m.code[2:], m.code[:4] + "  " + m.code[4:], "[" + m.code + "]", "null", strings.Repeat("1", 1000),
	} {
		_, err := f.s.VerifyCode(f.ctx(), typed, b)
		f.refused(err, CodeInvalid)
	}
	if _, err := f.s.VerifyCode(f.ctx(), " "+m.code+" ", b); err != nil {
		t.Errorf("EC-5: after malformed input the right code is refused: %v", err)
	}
}

func TestEmail_FifthWrongCodeDestroysCodeAndLink_EC2(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b := f.newBrowser()
	m := f.start(alice, b)
	for i := 1; i <= maxCodeTries; i++ {
		_, err := f.s.VerifyCode(f.ctx(), wrong(m.code), b)
		want := CodeInvalid
		if i == maxCodeTries {
			want = CodeExhausted
		}
		f.refused(err, want)
	}
	_, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.refused(err, FlowExpired)
	_, err = f.s.RedeemLink(f.ctx(), m.link, b)
	f.refused(err, LinkInvalid)
	if got := f.wrongCodes(alice); got != maxCodeTries {
		t.Errorf("the account counts %d wrong codes instead of %d", got, maxCodeTries)
	}
	if got := len(f.audit(evLinkFailed)); got != maxCodeTries {
		t.Errorf("%d refusals are in the audit log instead of %d", got, maxCodeTries)
	}
	before := f.updates.Load()
	_, _ = f.s.VerifyCode(f.ctx(), m.code, b)
	if got := f.wrongCodes(alice); got != maxCodeTries || f.updates.Load() != before+1 {
		t.Error("a try on a spent flow charged the account")
	}
}

func TestEmail_WrongCodesAreCountedUnderConcurrency_EC2(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b := f.newBrowser()
	m := f.start(alice, b)
	f.race(func(int) error { _, err := f.s.VerifyCode(f.ctx(), wrong(m.code), b); return err })
	if got := f.wrongCodes(alice); got != maxCodeTries {
		t.Errorf("50 parallel wrong codes counted as %d, want %d: more were compared than the flow allows", got, maxCodeTries)
	}
}

func TestEmail_OneMailWorksOnceBetweenLinkAndCode_ML2(t *testing.T) {
	for name, redeem := range map[string]func(f *fixture, m mail, b Browser, i int) error{
		"code": func(f *fixture, m mail, b Browser, _ int) error {
			_, err := f.s.VerifyCode(f.ctx(), m.code, b)
			return err
		},
		"link": func(f *fixture, m mail, b Browser, _ int) error {
			_, err := f.s.RedeemLink(f.ctx(), m.link, b)
			return err
		},
		"mixed": func(f *fixture, m mail, b Browser, i int) error {
			if i%2 == 0 {
				_, err := f.s.VerifyCode(f.ctx(), m.code, b)
				return err
			}
			_, err := f.s.RedeemLink(f.ctx(), m.link, f.newBrowser())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice)
			b := f.newBrowser()
			m := f.start(alice, b)
			if won := f.race(func(i int) error { return redeem(f, m, b, i) }); won != 1 {
				t.Errorf("%d of 50 parallel redemptions succeeded, want exactly 1", won)
			}
			if got := len(f.audit(evSessionCreated)); got != 1 {
				t.Errorf("%d sessions were made", got)
			}
		})
	}
}

func TestEmail_NewerMailOfTheSameFlowReplacesTheOlder_ML2(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.signIn(alice)
	mine, other := f.newBrowser(), f.newBrowser()
	first := f.start(alice, mine)
	strangers := f.start(alice, other)
	second := f.start(alice, mine)
	_, err := f.s.RedeemLink(f.ctx(), first.link, mine)
	f.refused(err, LinkInvalid)
	if first.code != second.code {
		_, err = f.s.VerifyCode(f.ctx(), first.code, mine)
		f.refused(err, CodeInvalid)
	}
	if _, err := f.s.VerifyCode(f.ctx(), second.code, mine); err != nil {
		t.Errorf("the newer mail does not work: %v", err)
	}
	if _, err := f.s.VerifyCode(f.ctx(), strangers.code, other); err != nil {
		t.Errorf("a mail of another flow was killed: %v", err)
	}
}

func TestEmail_CodeOfAnotherFlowIsWrong_EC1(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	mine, other := f.newBrowser(), f.newBrowser()
	m := f.start(alice, mine)
	o := f.start(alice, other)
	for m.code == o.code { // as one in 10^8 pairs are
		o = f.start(alice, other)
	}
	_, err := f.s.VerifyCode(f.ctx(), m.code, other)
	f.refused(err, CodeInvalid)
	_, err = f.s.VerifyCode(f.ctx(), m.code, f.newBrowser())
	f.refused(err, FlowExpired)
	_, err = f.s.VerifyCode(f.ctx(), m.code, Browser{})
	f.refused(err, FlowExpired)
}

func TestLink_NeverSignsInTheBrowserThatAsked_ML6(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	asked, clicked := f.newBrowser(), f.newBrowser()
	clicked.UserAgent = "Other/2"
	m := f.start(alice, asked)
	info, err := f.s.PeekLink(f.ctx(), m.link, clicked)
	f.must(err)
	if info.Same || info.Agent != "Browser/1" || info.IP != "192.0.2.7" {
		t.Errorf("the page elsewhere is told %+v", info)
	}
	if info, err = f.s.PeekLink(f.ctx(), m.link, asked); err != nil || !info.Same {
		t.Errorf("the page in the asking browser is told %+v, %v", info, err)
	}
	v, err := f.s.RedeemLink(f.ctx(), m.link, clicked)
	f.must(err)
	if v.Same || v.Token == asked.Flow || v.Token == clicked.Flow {
		t.Errorf("signed in is %+v", v.SignedIn)
	}
	if l := f.live(asked.Flow); l != nil {
		t.Error("SE-6: the flow secret opens a session")
	}
	_, err = f.s.VerifyCode(f.ctx(), m.code, asked)
	f.refused(err, FlowExpired)
	if info, err := f.s.Flow(f.ctx(), asked.Flow); info != nil || err != nil {
		t.Errorf("the asking browser's flow is still there: %+v, %v", info, err)
	}
}

func TestLink_PeekConsumesNothing_ML4(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b := f.newBrowser()
	m := f.start(alice, b)
	before := f.updates.Load()
	for range 20 {
		if _, err := f.s.PeekLink(f.ctx(), m.link, f.newBrowser()); err != nil {
			t.Fatal(err)
		}
	}
	if f.updates.Load() != before {
		t.Error("looking at a link wrote to the store")
	}
	if _, err := f.s.RedeemLink(f.ctx(), m.link, b); err != nil {
		t.Error(err)
	}
}

func TestLink_AnyChangedByteIsRefused_ML1(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	m := f.start(alice, f.newBrowser())
	for i := range m.link {
		changed := []byte(m.link)
		changed[i] ^= 1
		_, err := f.s.RedeemLink(f.ctx(), string(changed), f.newBrowser())
		f.refused(err, LinkInvalid)
	}
	for _, raw := range []string{"", m.link + "=", m.link + "\n", " " + m.link, m.code, strings.Repeat("A", 1<<16)} {
		_, err := f.s.RedeemLink(f.ctx(), raw, f.newBrowser())
		f.refused(err, LinkInvalid)
		_, err = f.s.PeekLink(f.ctx(), raw, f.newBrowser())
		f.refused(err, LinkInvalid)
	}
}

func TestEmail_LinkAndCodeLiveAsLongAsTheCurrentConfigurationSays_ML3(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b := f.newBrowser()
	m := f.start(alice, b)
	f.clock.advance(10 * time.Minute)
	if _, err := f.s.PeekLink(f.ctx(), m.link, b); err != nil {
		t.Errorf("at its last moment the link is refused: %v", err)
	}
	f.clock.advance(time.Second)
	_, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.refused(err, FlowExpired)
	_, err = f.s.RedeemLink(f.ctx(), m.link, b)
	f.refused(err, LinkInvalid)

	m = f.start(alice, b)
	f.clock.advance(2 * time.Minute)
	f.reload(portalConfig(t, func(c *Config) { c.LinkTTL = time.Minute }))
	_, err = f.s.VerifyCode(f.ctx(), m.code, b)
	f.refused(err, FlowExpired)
	f.reload(portalConfig(t, func(c *Config) { c.NoEmail = true }))
	_, err = f.s.VerifyCode(f.ctx(), m.code, b)
	f.refused(err, MethodOff)
	_, err = f.s.RedeemLink(f.ctx(), m.link, b)
	f.refused(err, MethodOff)
	_, err = f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: b})
	f.refused(err, MethodOff)
}

func TestEmail_BadAddressIsRefusedAndStoresNothing_EM1(t *testing.T) {
	f := newFixture(t)
	before := f.updates.Load()
	for _, addr := range []string{
		"", "x", "@example.com", "a@", "a@b", "a@@example.com", "a@example.com,b@example.com", "a@example.com\r\nBcc: b@example.com",
		"A <a@example.com>", "a@[192.0.2.1]", "\"a\"@example.com", "a@exämple.com", "ſ@example.com", "a b@example.com", strings.Repeat("a", 300) + "@example.com",
	} {
		_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: addr, Browser: f.newBrowser()})
		r := f.refused(err, EmailInvalid)
		if len(addr) > 2 && strings.Contains(r.Detail, addr) {
			t.Errorf("the refusal of %q repeats it", addr)
		}
	}
	if f.updates.Load() != before {
		t.Error("a bad address wrote to the store")
	}
}

func TestEmail_FlowNeedsABrowserThatHoldsIt(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice})
	f.refused(err, FlowExpired)
	_, err = f.s.StartEmail(f.ctx(), StartEmail{StepUp: true, Browser: f.newBrowser()})
	f.refused(err, Unauthenticated)
}

func TestEmail_UserLeavesPendingFlowsBehind_SE5(t *testing.T) {
	for name, end := range map[string]func(f *fixture){
		"disabled": func(f *fixture) { f.must(f.s.DisableUser(f.ctx(), "cli", alice)) },
		"deleted":  func(f *fixture) { f.must(f.s.DeleteUser(f.ctx(), "cli", alice)) },
		"disabled and enabled": func(f *fixture) {
			f.must(f.s.DisableUser(f.ctx(), "cli", alice))
			f.must(f.s.EnableUser(f.ctx(), "cli", alice))
		},
		"signed out everywhere": func(f *fixture) { f.must(f.s.SignOutUser(f.ctx(), "cli", alice)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice)
			code, link := f.newBrowser(), f.newBrowser()
			m, l := f.start(alice, code), f.start(alice, link)
			end(f)
			_, err := f.s.VerifyCode(f.ctx(), m.code, code)
			f.refused(err, FlowExpired)
			_, err = f.s.RedeemLink(f.ctx(), l.link, link)
			f.refused(err, LinkInvalid)
			if len(f.audit(evSessionCreated)) != 0 {
				t.Error("a session was made")
			}
		})
	}
}

func TestEmail_HundredWrongCodesLeaveTheLinkOnly_EC3(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	pending := f.newBrowser()
	before := f.start(alice, pending) // begun while codes were open
	f.setWrongCodes(alice, maxWrongCodes)
	_, err := f.s.VerifyCode(f.ctx(), before.code, pending)
	f.refused(err, CodeInvalid)

	b := f.newBrowser()
	m := f.start(alice, b)
	if m.code != "" || m.link == "" {
		t.Fatalf("after %d wrong codes a mail has code %q, link %q", maxWrongCodes, m.code, m.link)
	}
	_, err = f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Client: f.s.Client("spa")})
	f.must(err)
	if paused := f.lastMail(); paused.Template != TemplatePaused || paused.code != "" || paused.link != "" { // RL-5: its owner learns why
		t.Errorf("for a client of the API the mail is %s with code %q, link %q", paused.Template, paused.code, paused.link)
	}
	if _, err := f.s.RedeemLink(f.ctx(), m.link, b); err != nil {
		t.Fatal(err)
	}
	if got := f.wrongCodes(alice); got != 0 {
		t.Errorf("after a sign-in the account still counts %d wrong codes", got)
	}
	if m := f.start(alice, b); m.code == "" {
		t.Error("after a sign-in mails carry no code")
	}
}

func (f *fixture) setWrongCodes(addr string, n int) {
	f.t.Helper()
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		_, err := tx.AddCounter(wrongCounter(addr), n, f.clock.now(), wrongCodesKept)
		return err
	}))
}

// wrongCodes is how many are counted for the address.
func (f *fixture) wrongCodes(addr string) (n int) {
	f.t.Helper()
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		c, err := tx.AddCounter(wrongCounter(addr), 0, f.clock.now(), time.Hour)
		n = c.Count
		return err
	}))
	return n
}

func TestEmail_PendingFlowFollowsTheMethodsOfTheCurrentConfiguration_SE6(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.givePasskey(alice)
	code, link := f.newBrowser(), f.newBrowser()
	m, l := f.start(alice, code), f.start(alice, link)
	f.reload(portalConfig(t, func(c *Config) { c.EmailAfterPasskey = "off" }))
	_, err := f.s.VerifyCode(f.ctx(), m.code, code)
	f.refused(err, FlowExpired)
	_, err = f.s.RedeemLink(f.ctx(), l.link, link)
	f.refused(err, LinkInvalid)
}
