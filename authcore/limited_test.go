package authcore

import (
	"reflect"
	"slices"
	"testing"
)

// limitedActs is everything that somebody who is signed in can have the Service
// do, and what a session gets that a recovery code began; "" is allowed.
func limitedActs(f *fixture, b Browser, k *key) map[string]func() (Reason, error) {
	ctx, l := f.ctx(), b.Session
	refused := func(do func() error) func() (Reason, error) {
		return func() (Reason, error) { return StepUpRequired, do() }
	}
	allowed := func(do func() error) func() (Reason, error) { return func() (Reason, error) { return "", do() } }
	return map[string]func() (Reason, error){
		"BeginTOTP":        refused(func() error { _, err := f.s.BeginTOTP(ctx, l); return err }),
		"ConfirmTOTP":      refused(func() error { _, err := f.s.ConfirmTOTP(ctx, l, "000000", Client{}); return err }),
		"RemoveTOTP":       refused(func() error { return f.s.RemoveTOTP(ctx, l, Client{}) }),
		"NewRecoveryCodes": refused(func() error { _, err := f.s.NewRecoveryCodes(ctx, l, Client{}); return err }),
		"StartAddress":     refused(func() error { return f.s.StartAddress(ctx, l, "new@example.com", Client{}) }),
		"ConfirmAddress":   refused(func() error { _, err := f.s.ConfirmAddress(ctx, l, "00000000", Client{}); return err }),
		"CreateOwnToken": refused(func() error {
			_, _, err := f.s.CreateOwnToken(ctx, l, Grant{App: appHost}, "", 0, Client{})
			return err
		}),
		"RevokeOwnToken": refused(func() error { return f.s.RevokeOwnToken(ctx, l, "x", Client{}) }),
		"SetDisplayName": refused(func() error { return f.s.SetDisplayName(ctx, l, "Eve", Client{}) }),
		"Export":         refused(func() error { _, err := f.s.Export(ctx, l, Client{}); return err }),
		"DeleteSelf":     refused(func() error { return f.s.DeleteSelf(ctx, l, l.User.Email, Client{}) }),
		"RenamePasskey":  refused(func() error { return f.s.RenamePasskey(ctx, l, k.cred.ID, "Eve's", Client{}) }),
		"RemovePasskey":  refused(func() error { return f.s.RemovePasskey(ctx, l, k.cred.ID, Client{}) }),
		"IssueTicket": refused(func() error {
			_, err := f.s.IssueTicket(ctx, l, &Return{Path: "/"}, f.app(appHost))
			return err
		}),
		"Unmet": refused(func() error {
			r, err := f.s.Unmet(ctx, l, &Return{Path: "/"}, f.app(appHost))
			if err == nil && r != nil {
				err = r
			}
			return err
		}),
		"MayManage": refused(func() error {
			keys, err := f.s.Passkeys(ctx, l.User)
			f.must(err)
			if r := f.s.MayManage(l, keys); r != nil {
				return r
			}
			return nil
		}),
		"SignOutScope": refused(func() error { return f.s.SignOutScope(ctx, l, "others", Client{}) }),

		// What it was let in for.
		"MayEnrol": allowed(func() error {
			keys, err := f.s.Passkeys(ctx, l.User)
			f.must(err)
			if r := f.s.MayEnrol(l, keys); r != nil {
				return r
			}
			return nil
		}),
		// Neither gives nor takes anything.
		"Confirms": allowed(func() error {
			keys, err := f.s.Passkeys(ctx, l.User)
			if methods := f.s.Confirms(l, keys); slices.Contains(methods, AMREmail) || slices.Contains(methods, AMRRecovery) {
				f.t.Errorf("%v would do", methods)
			}
			return err
		}),
		"Weaker": allowed(func() error {
			keys, err := f.s.Passkeys(ctx, l.User)
			if !f.s.Weaker(l, keys) {
				f.t.Error("a recovery code is as good as a passkey")
			}
			return err
		}),
		"NotNow":         allowed(func() error { return f.s.NotNow(ctx, l) }),
		"PendingAddress": allowed(func() error { _, err := f.s.PendingAddress(ctx, l); return err }),
		"Ways": allowed(func() error {
			w, err := f.s.Ways(ctx, l, &Return{Path: "/"}, f.app(appHost))
			if err == nil && (w.Met || !w.Limited) {
				f.t.Errorf("Ways says %+v", w)
			}
			return err
		}),
	}
}

// DESIGN §6: a recovery code may only enrol a passkey. The table is complete: a
// method that is new here says what such a session gets.
func TestLimited_MayDoNothingButAddAPasskey(t *testing.T) {
	for how, begin := range map[string]func(f *fixture, code string) Browser{
		"browser": func(f *fixture, code string) Browser { return f.finish(f.owe(alice), SecondRecovery, code) },
		"client": func(f *fixture, code string) Browser {
			tokens, err := f.s.FinishAPISecond(f.ctx(), SecondRecovery, f.oweAPI(alice, "cli"), code, "", Client{})
			f.must(err)
			l, err := f.s.APISession(f.ctx(), tokens.SessionToken.Reveal(), "")
			f.must(err)
			return Browser{Session: l}
		},
	} {
		t.Run(how, func(t *testing.T) {
			f := newFixture(t, func(c *Config) { c.EmailAfterPasskey = "second" })
			owner := f.equip(alice, "ptr")
			k := f.enrolKey(&owner)
			b := begin(f, f.printed(owner)[0])
			acts := limitedActs(f, b, k)
			for name, act := range acts {
				want, err := act()
				if r, ok := AsRefusal(err); want == "" && err != nil || want != "" && (!ok || r.Reason != want) {
					t.Errorf("%s: %v, want %q", name, err, want)
				} else if ok && slices.Contains(r.Methods, AMREmail) {
					t.Errorf("%s: a mail would do", name)
				}
			}
			service := reflect.TypeFor[*Service]()
			for i := range service.NumMethod() {
				m := service.Method(i)
				for p := range m.Type.NumIn() {
					if m.Type.In(p) == reflect.TypeFor[*Live]() && acts[m.Name] == nil {
						t.Errorf("%s takes a session, and the table does not know it", m.Name)
					}
				}
			}
			if len(f.sessions(alice)) != 2 {
				t.Error("a session ended")
			}
		})
	}
}

// A mail or an invitation makes such a session no stronger, and its own methods do.
func TestLimited_IsWholeByTheOwnersOtherMethods(t *testing.T) {
	f := newFixture(t)
	owner := f.equip(alice, "pt")
	k := f.enrolKey(&owner)
	codes := f.printed(owner)
	a := f.giveTOTPAnew(&owner)

	b := f.finish(f.owe(alice), SecondRecovery, codes[0])
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Browser: b, StepUp: true})
	f.must(err)
	if len(f.mails()) != 0 {
		t.Error("a step-up mail is sent")
	}
	_, err = f.s.AcceptInvite(f.ctx(), f.invite(NewUser{Email: alice}, false), b)
	f.refused(err, StepUpRequired)
	f.stepUp(&b, k)
	if b.Session.Limited() {
		t.Error("limited after a passkey was used")
	}
	b = f.finish(f.owe(alice), SecondRecovery, codes[1])
	f.stepUpTOTP(&b, a)
	if b.Session.Limited() {
		t.Error("limited after the authenticator app was used")
	}
	// SE-7: without what made it whole it is limited again.
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	if b.Session = f.live(f.tokenOf(b)); !b.Session.Limited() {
		t.Error("whole without what made it so")
	}
}

// giveTOTPAnew replaces the authenticator app by one that the test holds.
func (f *fixture) giveTOTPAnew(b *Browser) *authApp {
	f.t.Helper()
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	f.renew(b, f.tokenOf(*b))
	return f.giveTOTP(b)
}

// In a sidecar the root session is the app's: it opens no path, and on those that
// are open to all it is nobody.
func TestLimited_OpensNoPathOfASidecar(t *testing.T) {
	f := newSidecar(t, func(c *Config) {
		c.Apps[0] = appAt(t, "http://app.localhost:8080", PolicySpec{Public: line("Caddyfile:2", "/open/*"), At: "Caddyfile:1"})
	})
	codes := f.printed(f.equip(alice, "t"))
	b := f.finish(f.owe(alice), SecondRecovery, codes[0])
	token := f.tokenOf(b)
	ask := func(path string) Decision {
		return f.s.Check(f.ctx(), &Request{Host: "app.localhost:8080", Path: path, Here: path, Method: "GET", Cookies: f.cookies(f.s.Portal(), token)})
	}
	for range 2 { // the second is from the cache
		if d := ask("/"); d.Verdict != StepUp {
			t.Errorf("the app answers %v", d.Verdict)
		}
		if d := ask("/open/x"); d.Verdict != Allow || !d.Public || d.Identity != nil {
			t.Errorf("an open path answers %v, to %+v", d.Verdict, d.Identity)
		}
	}
	f.enrolKey(&b)
	token = f.tokenOf(b)
	if d := ask("/"); d.Verdict != Allow || d.Identity == nil {
		t.Errorf("with a passkey the app answers %v", d.Verdict)
	}
	if d := ask("/open/x"); d.Identity == nil {
		t.Error("with a passkey it is nobody on an open path")
	}
}

// An app session of before reads what its root is now.
func TestLimited_RootTakesItsAppsWithIt_SE7(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	f.stepUpTOTP(&b, a)
	codes := f.printed(b)
	b = f.finish(f.owe(alice), SecondRecovery, codes[0])
	f.stepUpTOTP(&b, a)
	app := f.handOver(b.Session, appHost)
	if !f.allowed(appHost, app) {
		t.Fatal("the app is closed")
	}
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	if d := f.check(appHost, "/", app); d.Verdict != StepUp {
		t.Errorf("the app answers %v", d.Verdict)
	}
}
