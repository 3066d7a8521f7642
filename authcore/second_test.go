package authcore

import (
	"slices"
	"testing"
	"time"
)

// SE-6: what the first step leaves is no session and no other secret; only the
// second step takes it, of the kind of flow that it is.
func TestSecond_FlowSecretIsAcceptedByNothingElse_SE6(t *testing.T) {
	f := newFixture(t)
	_, a := f.withTOTP(alice)
	b, api := f.owe(alice), f.oweAPI(alice, "spa")
	code := f.nextCode(a)
	for _, held := range []Token{b.Flow, api} {
		raw, who := held.Reveal(), Browser{Flow: held}
		if f.live(held) != nil || f.s.Check(f.ctx(), &Request{Host: appHost, Path: "/", Here: "/", Cookies: f.cookies(f.app(appHost).Origin, held)}).Identity != nil {
			t.Error("it is a session")
		}
		for _, bearer := range []func() (*Live, error){
			func() (*Live, error) { return f.s.APISession(f.ctx(), raw, "") },
			func() (*Live, error) { return f.s.AccessUser(f.ctx(), raw, "") },
		} {
			if l, err := bearer(); l != nil || err != nil {
				t.Errorf("it is a bearer token: %v, %v", l, err)
			}
		}
		for name, do := range map[string]func() error{
			"refresh":    func() error { _, err := f.s.Refresh(f.ctx(), raw, "", Client{}); return err },
			"code":       func() error { _, err := f.s.VerifyCode(f.ctx(), "00000000", who); return err },
			"API code":   func() error { _, err := f.s.VerifyAPICode(f.ctx(), held, "00000000", "", Client{}); return err },
			"link":       func() error { _, err := f.s.RedeemLink(f.ctx(), raw, f.newBrowser()); return err },
			"peek":       func() error { _, err := f.s.PeekLink(f.ctx(), raw, who); return err },
			"invitation": func() error { _, err := f.s.AcceptInvite(f.ctx(), raw, who); return err },
			"not me":     func() error { return f.s.NotMe(f.ctx(), raw, Client{}) },
			"ceremony":   func() error { _, err := f.s.FinishPasskey(f.ctx(), raw, nil, who); return err },
			"ticket":     func() error { _, err := f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, held, Client{}); return err },
		} {
			if err := do(); err == nil {
				t.Errorf("%s accepts it", name)
			} else if _, ok := AsRefusal(err); !ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, code, Browser{Flow: api})
	f.refused(err, FlowExpired)
	_, err = f.s.FinishAPISecond(f.ctx(), SecondTOTP, b.Flow, code, "", Client{})
	f.refused(err, FlowExpired)
	_, err = f.s.FinishAPISecond(f.ctx(), SecondTOTP, api, code, "https://evil.example.com", Client{}) // CS-2
	f.refused(err, FlowExpired)
	_, err = f.s.FinishSecond(f.ctx(), SecondTOTP, code, Browser{})
	f.refused(err, FlowExpired)
	if n := len(f.sessions(alice)); n != 1 || len(f.user(alice).Guesses) != 0 {
		t.Fatalf("%d sessions, guesses %v", n, f.user(alice).Guesses)
	}
	if l := f.finish(b, SecondTOTP, code).Session; !slices.Equal(l.Session.AMR, []string{AMREmail, AMRTOTP}) {
		t.Errorf("the session used %v", l.Session.AMR)
	}
	tokens, err := f.s.FinishAPISecond(f.ctx(), SecondTOTP, api, f.nextCode(a), "https://spa.example.com", Client{})
	f.must(err)
	if l, _ := f.s.APISession(f.ctx(), tokens.SessionToken.Reveal(), ""); l == nil || !l.Has(AMRTOTP) || l.Session.ClientID != "spa" {
		t.Errorf("the client's session is %+v", l)
	}
}

func TestSecond_IsTakenOnce_SE6(t *testing.T) {
	f := newFixture(t)
	_, a := f.withTOTP(alice)
	b := f.owe(alice)
	f.toStep()
	codes := []string{f.code(a, -1), f.code(a, 0), f.code(a, 1)} // each is right
	if won := f.race(func(i int) error { _, err := f.s.FinishSecond(f.ctx(), SecondTOTP, codes[i%3], b); return err }); won != 1 {
		t.Errorf("%d of 50 sign-ins of one flow succeeded", won)
	}
	if n := len(f.sessions(alice)); n != 2 {
		t.Errorf("%d sessions", n)
	}
}

func TestSecond_FiveWrongCodesOfAnyKindEndTheFlow_EC2(t *testing.T) {
	f := newFixture(t)
	first, a := f.withTOTP(alice)
	f.stepUpTOTP(&first, a)
	f.printed(first)
	b, api := f.owe(alice), f.oweAPI(alice, "cli")
	by := []string{SecondTOTP, SecondRecovery, SecondTOTP, SecondRecovery, SecondTOTP}
	typed := map[string]string{SecondTOTP: f.notShown(a), SecondRecovery: "0000-0000-0000-0000-0000-0000"}
	for i, kind := range by {
		want := map[string]Reason{SecondTOTP: TOTPInvalid, SecondRecovery: RecoveryInvalid}[kind]
		if i == maxCodeTries-1 {
			want = CodeExhausted
		}
		_, err := f.s.FinishSecond(f.ctx(), kind, typed[kind], b)
		f.refused(err, want)
		_, err = f.s.FinishAPISecond(f.ctx(), kind, api, typed[kind], "", Client{})
		f.refused(err, want)
	}
	code := f.nextCode(a)
	_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, code, b)
	f.refused(err, FlowExpired)
	_, err = f.s.FinishAPISecond(f.ctx(), SecondTOTP, api, code, "", Client{})
	f.refused(err, FlowExpired)
	f.finish(f.owe(alice), SecondTOTP, code)
}

// SE-5: what happened since the first step is asked again at the second.
func TestSecond_DiesWithWhatItRestedOn_SE5(t *testing.T) {
	for name, between := range map[string]func(f *fixture, b *Browser, owner Browser, a *authApp){
		"too old":               func(f *fixture, _ *Browser, _ Browser, _ *authApp) { f.clock.advance(f.s.cfg.LinkTTL + time.Second) },
		"disabled":              func(f *fixture, _ *Browser, _ Browser, _ *authApp) { f.must(f.s.DisableUser(f.ctx(), "cli", alice)) },
		"deleted":               func(f *fixture, _ *Browser, _ Browser, _ *authApp) { f.must(f.s.DeleteUser(f.ctx(), "cli", alice)) },
		"signed out everywhere": func(f *fixture, _ *Browser, _ Browser, _ *authApp) { f.must(f.s.SignOutUser(f.ctx(), "cli", alice)) },
		"a passkey was added": func(f *fixture, _ *Browser, owner Browser, a *authApp) {
			f.stepUpTOTP(&owner, a)
			f.addKey(owner)
		},
		"TOTP was removed": func(f *fixture, _ *Browser, owner Browser, a *authApp) {
			f.stepUpTOTP(&owner, a)
			f.must(f.s.RemoveTOTP(f.ctx(), owner.Session, owner.Client))
		},
		"not me": func(f *fixture, _ *Browser, _ Browser, _ *authApp) {
			f.must(f.s.NotMe(f.ctx(), f.notices()[0].link, Client{}))
		},
		"e-mail was switched off": func(f *fixture, _ *Browser, _ Browser, _ *authApp) {
			f.reload(portalConfig(f.t, func(c *Config) { c.NoEmail = true }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			owner, a := f.withTOTP(alice)
			b, api := f.owe(alice), f.oweAPI(alice, "cli")
			between(f, &b, owner, a)
			want := FlowExpired
			if f.s.cfg.NoEmail {
				want = MethodOff
			}
			code := f.nextCode(a)
			_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, code, b)
			f.refused(err, want)
			_, err = f.s.FinishAPISecond(f.ctx(), SecondTOTP, api, code, "", Client{})
			f.refused(err, want)
			if info, err := f.s.Second(f.ctx(), b); want == FlowExpired && (info != nil || err != nil) {
				t.Errorf("the page shows %+v, %v", info, err)
			}
		})
	}
}

func TestSecond_IsOfTheBrowsersNewestMail(t *testing.T) {
	for name, end := range map[string]func(f *fixture, b Browser){
		"a new mail": func(f *fixture, b Browser) { f.start(bob, b) },
		"sign-out": func(f *fixture, b Browser) {
			b.Session = f.browserOf(bob).Session
			f.must(f.s.SignOut(f.ctx(), b))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, a := f.withTOTP(alice)
			b := f.owe(alice)
			end(f, b)
			_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, f.nextCode(a), b)
			f.refused(err, FlowExpired)
		})
	}
}

// browserOf is a new browser that somebody is signed in with.
func (f *fixture) browserOf(addr string) Browser {
	b, _ := f.signIn(addr)
	return b
}

// email_after_passkey may have changed between the steps.
func TestSecond_FollowsTheConfigurationOfNow(t *testing.T) {
	f := newFixture(t)
	owner, a := f.withTOTP(alice)
	f.stepUpTOTP(&owner, a)
	f.addKey(owner)
	b := f.owe(alice)
	f.reload(portalConfig(t, func(c *Config) { c.EmailAfterPasskey = "off" }))
	_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, f.nextCode(a), b)
	f.refused(err, FlowExpired)
	f.reload(portalConfig(t))
	f.finish(b, SecondTOTP, f.code(a, 0))
}

// ML-6: the browser that clicks owes the second step; the one that asked has
// nothing.
func TestSecond_LinkOpenedElsewhereSignsInThatBrowserOnly_ML6(t *testing.T) {
	f := newFixture(t)
	_, a := f.withTOTP(alice)
	asked, clicked := f.newBrowser(), f.newBrowser()
	m := f.start(alice, asked)
	_, err := f.s.RedeemLink(f.ctx(), m.link, Browser{}) // one that can hold nothing
	f.refused(err, LinkInvalid)
	v, err := f.s.RedeemLink(f.ctx(), m.link, clicked)
	f.must(err)
	if v.Second != clicked.Flow || v.SignedIn != nil || v.Same {
		t.Fatalf("the click gave %+v", v)
	}
	if info, _ := f.s.Second(f.ctx(), asked); info != nil {
		t.Error("the browser that asked owes a second step")
	}
	if info, _ := f.s.Second(f.ctx(), clicked); info == nil || *info != (SecondInfo{TOTP: true}) {
		t.Errorf("the page shows %+v", info)
	}
	code := f.nextCode(a)
	_, err = f.s.FinishSecond(f.ctx(), SecondTOTP, code, asked)
	f.refused(err, FlowExpired)
	_, err = f.s.VerifyCode(f.ctx(), m.code, asked)
	f.refused(err, FlowExpired)
	v, err = f.s.FinishSecond(f.ctx(), SecondTOTP, code, clicked)
	f.must(err)
	if v.Same || v.Session.UserID != f.user(alice).ID {
		t.Errorf("the second step gave %+v", v)
	}
	again := f.owe(alice) // by code, in the browser that asked
	if v, err = f.s.FinishSecond(f.ctx(), SecondTOTP, f.nextCode(a), again); err != nil || !v.Same {
		t.Errorf("the browser that asked gets %+v, %v", v, err)
	}
}
