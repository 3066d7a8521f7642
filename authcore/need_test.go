package authcore

import (
	"net/url"
	"testing"
	"time"
)

func urlOf(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// strict is an app part of which asks for a passkey, and part for a fresh
// sign-in.
func strict(t testing.TB) func(*Config) {
	return func(c *Config) {
		c.Apps[0] = appAt(t, appOrigin, PolicySpec{At: "Caddyfile:3", Paths: []PathSpec{
			{Path: "/strong/*", Rules: PolicySpec{At: "Caddyfile:4", Require: line("Caddyfile:5", "passkey")}},
			{Path: "/fresh/*", Rules: PolicySpec{At: "Caddyfile:7", Reauth: time.Hour, ReauthAt: "Caddyfile:8"}},
		}})
	}
}

func (f *fixture) decide(token Token, path string) Decision {
	return f.s.Check(f.ctx(), &Request{Host: appHost, Path: path, Here: path, Method: "GET", Cookies: f.cookies(f.app(appHost).Origin, token)})
}

// stepUp confirms a browser's session with a passkey.
func (f *fixture) stepUp(b *Browser, k *key) {
	f.t.Helper()
	c, err := f.s.BeginStepUp(f.ctx(), *b, false)
	f.must(err)
	token, err := f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(k, c), *b)
	f.must(err)
	f.renew(b, token)
}

func (f *fixture) wants(d Decision, verdict Verdict, at string) {
	f.t.Helper()
	if d.Verdict != verdict || d.At != at {
		f.t.Errorf("%v by %q, want %v by %q", d.Verdict, d.At, verdict, at)
	}
}

// SE-8: a proof that is too weak or too old is told from nobody and from
// somebody who may not, and the hand-over asks for a better one.
func TestStepUp_AppsAskForMoreThanASession(t *testing.T) {
	f := newFixture(t, strict(t))
	key := f.givePasskey(alice)
	b, _ := f.signIn(alice)
	token := f.handOver(b.Session, appHost)
	f.wants(f.decide(token, "/"), Allow, "Caddyfile:3")
	f.wants(f.decide(token, "/strong/x"), StepUp, "Caddyfile:5")
	f.wants(f.decide(token, "/STRONG/x"), StepUp, "Caddyfile:5")
	f.wants(f.decide(token, "/fresh/x"), Allow, "Caddyfile:7")
	if d := f.decide(token, "/strong/x"); sprint(d.Need) != sprint(Need{Require: []string{"passkey"}}) {
		t.Errorf("needs %+v", d.Need)
	}

	f.clock.advance(61 * time.Minute)
	f.wants(f.decide(token, "/fresh/x"), StepUp, "Caddyfile:8")
	_, err := f.s.IssueTicket(f.ctx(), b.Session, &Return{Path: "/fresh/x"}, f.app(appHost))
	f.refused(err, StepUpRequired)
	_, err = f.s.IssueTicket(f.ctx(), b.Session, &Return{Path: "/", Need: Need{MaxAge: time.Hour}}, f.app(appHost))
	f.refused(err, StepUpRequired)
	_, err = f.s.IssueTicket(f.ctx(), b.Session, &Return{Path: "/strong/x"}, f.app(appHost))
	if r := f.refused(err, StepUpRequired); len(r.Methods) != 1 || r.Methods[0] != AMRPasskey {
		t.Errorf("asks for %v", r.Methods)
	}

	f.stepUp(&b, key)
	f.wants(f.decide(token, "/strong/x"), Allow, "Caddyfile:4") // children read their root
	f.wants(f.decide(token, "/fresh/x"), Allow, "Caddyfile:7")
	_, err = f.s.IssueTicket(f.ctx(), b.Session, &Return{Path: "/strong/x"}, f.app(appHost))
	f.must(err)

	// SE-7: what was removed proves nothing any more.
	f.must(f.s.RemovePasskey(f.ctx(), b.Session, key.cred.ID, Client{}))
	f.wants(f.decide(token, "/strong/x"), StepUp, "Caddyfile:5")
}

// DESIGN §6: the mailbox alone cannot add what a policy requires, not before
// its owner had time to notice.
func TestStepUp_APasskeyAddedByMailCountsLater(t *testing.T) {
	f := newFixture(t, strict(t))
	f.signIn(alice) // the account is older than the session that adds
	f.clock.advance(2 * time.Minute)
	b, _ := f.signIn(alice)
	key := f.addKey(b)
	f.stepUp(&b, key)
	token := f.handOver(b.Session, appHost)
	f.wants(f.decide(token, "/strong/x"), StepUp, "Caddyfile:5")
	f.clock.advance(factorWait - time.Second)
	f.wants(f.decide(token, "/strong/x"), StepUp, "Caddyfile:5")
	f.clock.advance(time.Second)
	f.wants(f.decide(token, "/strong/x"), Allow, "Caddyfile:4") // cached as it was before
}

// The session of the first sign-in is one by e-mail like any other, once that is
// over.
func TestStepUp_TheFirstSessionIsNoRegistrationForLong(t *testing.T) {
	for name, enter := range map[string]func(*fixture) Browser{
		"first sign-in": func(f *fixture) Browser {
			b, _ := f.signIn(alice)
			return b
		},
		"invitation": func(f *fixture) Browser {
			link, err := f.s.Invite(f.ctx(), "cli", NewUser{Email: alice}, false)
			f.must(err)
			b := f.newBrowser()
			in, err := f.s.AcceptInvite(f.ctx(), urlOf(f.t, link).Fragment, b)
			f.must(err)
			b.Session = f.live(in.Token)
			return b
		},
	} {
		for _, c := range []struct {
			after time.Duration
			want  Verdict
		}{{registrationAge, Allow}, {registrationAge + time.Second, StepUp}} {
			t.Run(name, func(t *testing.T) {
				f := newFixture(t, strict(t))
				b := enter(f)
				f.clock.advance(c.after)
				m := f.startStepUp(b)
				v, err := f.s.VerifyCode(f.ctx(), m.code, b)
				f.must(err)
				b.Session = f.live(v.StepUp)
				f.stepUp(&b, f.addKey(b))
				if d := f.decide(f.handOver(b.Session, appHost), "/strong/x"); d.Verdict != c.want {
					t.Errorf("after %v: %v, want %v", c.after, d.Verdict, c.want)
				}
			})
		}
	}
}

// startStepUp asks for a mail to confirm the browser's session.
func (f *fixture) startStepUp(b Browser) mail {
	f.t.Helper()
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Browser: b, StepUp: true})
	f.must(err)
	return f.lastMail()
}

func TestStepUp_APasskeyOfTheFirstSignInCounts(t *testing.T) {
	f := newFixture(t, strict(t))
	b, _ := f.signIn(alice)
	f.clock.advance(10 * time.Minute)
	f.stepUp(&b, f.addKey(b))
	f.wants(f.decide(f.handOver(b.Session, appHost), "/strong/x"), Allow, "Caddyfile:4")
}
