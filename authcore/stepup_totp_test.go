package authcore

import (
	"testing"
	"time"
)

// demanding is an app whose paths ask for each kind of proof.
func demanding(t testing.TB) func(*Config) {
	return func(c *Config) {
		path := func(p string, spec PolicySpec) PathSpec { return PathSpec{Path: p, Rules: spec} }
		c.Apps[0] = appAt(t, appOrigin, PolicySpec{Paths: []PathSpec{
			path("/totp/*", PolicySpec{Require: line("totp", "totp")}),
			path("/passkey/*", PolicySpec{Require: line("passkey", "passkey")}),
			path("/either/*", PolicySpec{Require: line("either", "passkey", "totp")}),
			path("/both/*", PolicySpec{Require: []Line{{[]string{"passkey"}, "passkey"}, {[]string{"totp"}, "totp"}}}),
			path("/fresh/*", PolicySpec{Reauth: time.Hour, ReauthAt: "fresh"}),
			path("/freshtotp/*", PolicySpec{Require: line("totp", "totp"), Reauth: time.Hour, ReauthAt: "fresh"}),
		}})
	}
}

// paths are those that ask.
var paths = []string{"/totp/x", "/passkey/x", "/either/x", "/both/x", "/fresh/x", "/freshtotp/x"}

// opened are the paths that a session's app session may reach.
func (f *fixture) opened(token Token) (list []string) {
	for _, p := range paths {
		if f.decide(token, p).Verdict == Allow {
			list = append(list, p[1:len(p)-2])
		}
	}
	return list
}

func TestStepUpTOTP_OpensWhatAsksForIt_SE8(t *testing.T) {
	f := newFixture(t, demanding(t))
	b := f.equip(alice, "p")
	a := f.giveTOTP(&b)
	k := f.enrolKey(&b)
	f.clock.advance(2 * time.Hour)

	b = f.signInTOTP(alice, a)
	app := f.handOver(b.Session, appHost)
	if got := sprint(f.opened(app)); got != sprint([]string{"totp", "either", "fresh", "freshtotp"}) {
		t.Errorf("signed in by TOTP: %s", got)
	}
	f.stepUp(&b, k)
	if got := sprint(f.opened(app)); got != sprint([]string{"totp", "passkey", "either", "both", "fresh", "freshtotp"}) {
		t.Errorf("with a passkey as well: %s", got)
	}
	f.clock.advance(61 * time.Minute)
	if got := sprint(f.opened(app)); got != sprint([]string{"totp", "passkey", "either", "both"}) {
		t.Errorf("an hour later: %s", got)
	}
	b = f.keySignIn(k)
	app = f.handOver(b.Session, appHost)
	if got := sprint(f.opened(app)); got != sprint([]string{"passkey", "either", "fresh"}) {
		t.Errorf("signed in by passkey: %s", got)
	}
	old := f.tokenOf(b)
	f.stepUpTOTP(&b, a)
	if f.live(old) != nil || !b.Session.SteppedUp(f.s.Now()) { // SE-2
		t.Error("the step-up did not renew the session")
	}
	if got := sprint(f.opened(app)); got != sprint([]string{"totp", "passkey", "either", "both", "fresh", "freshtotp"}) {
		t.Errorf("stepped up by TOTP: %s", got)
	}

	// SE-7: what was removed proves nothing any more, here and elsewhere.
	other := f.signInTOTP(alice, a)
	theirs := f.handOver(other.Session, appHost)
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	if got := sprint(f.opened(app)); got != sprint([]string{"passkey", "either", "fresh"}) {
		t.Errorf("without TOTP: %s", got)
	}
	if f.allowed(appHost, theirs) || f.live(f.tokenOf(other)) != nil {
		t.Error("another session survived")
	}
	if l := f.live(f.tokenOf(b)); l == nil || l.Has(AMRTOTP) {
		t.Errorf("the own session is %+v", l)
	}
	_, err := f.s.StepUpTOTP(f.ctx(), f.nextCode(a), Browser{Session: f.live(f.tokenOf(b))})
	f.refused(err, MethodOff)
	// A new one proves nothing for sessions that used the one before.
	b.Session = f.live(f.tokenOf(b))
	f.giveTOTP(&b)
	if !b.Session.Has(AMRTOTP) {
		t.Error("confirming the new one is no use of it")
	}
}

// SE-8: a mail confirms nothing where there is an authenticator app.
func TestStepUpTOTP_IsNotTheMailboxesToGive_SE8(t *testing.T) {
	f := newFixture(t)
	b, _ := f.withTOTP(alice)
	f.clock.advance(stepUpAge)
	if r := f.refused(f.s.SetDisplayName(f.ctx(), b.Session, "Alice", b.Client), StepUpRequired); sprint(r.Methods) != sprint([]string{AMRTOTP}) {
		t.Errorf("asks for %v", r.Methods)
	}
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Browser: b, StepUp: true})
	f.must(err)
	if len(f.mails()) != 0 {
		t.Error("a mail to confirm by is sent")
	}
}

// DESIGN §6: an authenticator app that the mailbox alone added counts where one is
// required only after its owner had time to notice.
func TestStepUpTOTP_OneAddedByMailCountsLater(t *testing.T) {
	f := newFixture(t, demanding(t))
	f.signIn(alice) // the account is older than the session that adds
	f.clock.advance(2 * time.Minute)
	b, _ := f.signIn(alice)
	a := f.giveTOTP(&b)
	added := f.clock.now()
	app := f.handOver(b.Session, appHost)
	if got := sprint(f.opened(app)); got != sprint([]string{"fresh"}) {
		t.Errorf("at once: %s", got)
	}
	if w := f.ways(b, "/totp/x"); w.Met || w.TOTP || w.AddTOTP || !w.Waits.Equal(added.Add(factorWait)) {
		t.Errorf("the page says %+v", w)
	}
	f.clock.advance(factorWait - f.clock.now().Sub(added) - time.Second)
	if got := sprint(f.opened(app)); got != "[] [] []string(nil)" {
		t.Errorf("a second too early: %s", got)
	}
	f.clock.advance(time.Second)
	if got := sprint(f.opened(app)); got != sprint([]string{"totp", "either"}) { // cached as it was before
		t.Errorf("a day later: %s", got)
	}
	// It may manage the account from the beginning: what it protects is its own.
	b = f.signInTOTP(alice, a)
	f.must(f.s.SetDisplayName(f.ctx(), b.Session, "Alice", b.Client))
}

// DESIGN §6: "from a session that satisfied it". A code can be typed into the page
// of somebody in the middle, so it vouches for no passkey; a passkey vouches for
// either.
func TestTrust_ACodeVouchesForNoPasskey(t *testing.T) {
	f := newFixture(t, demanding(t))
	b := f.equip(alice, "t")
	a := f.giveTOTPAnew(&b)
	f.clock.advance(2 * time.Hour)
	b = f.signInTOTP(alice, a)
	if w := f.ways(b, "/passkey/x"); !w.Add || !w.Added.Equal(f.s.Now().Add(factorWait)) {
		t.Errorf("the page says %+v", w)
	}
	k := f.enrolKey(&b)
	f.stepUp(&b, k)
	app := f.handOver(b.Session, appHost)
	if got := sprint(f.opened(app)); got != sprint([]string{"totp", "either", "fresh", "freshtotp"}) {
		t.Errorf("with a passkey that a code added: %s", got)
	}
	f.clock.advance(factorWait)
	b = f.keySignIn(k)
	f.must(f.s.RemoveTOTP(f.ctx(), b.Session, b.Client))
	b = f.keySignIn(k)
	if w := f.ways(b, "/totp/x"); !w.AddTOTP || !w.Added.Equal(f.s.Now()) {
		t.Errorf("the page says %+v", w)
	}
	f.giveTOTP(&b)
	if got := sprint(f.opened(f.handOver(b.Session, appHost))); got != sprint([]string{"totp", "passkey", "either", "both", "fresh", "freshtotp"}) {
		t.Errorf("with TOTP that a passkey added: %s", got)
	}
}

func TestWays_ByFactorsAndDemand_SE8(t *testing.T) {
	for _, c := range []struct {
		factors, signedIn, path string
		want                    Ways // times apart
	}{
		{"", "email", "/totp/x", Ways{Methods: true, AddTOTP: true}},
		{"", "email", "/passkey/x", Ways{Methods: true, Add: true}},
		{"", "email", "/either/x", Ways{Methods: true, Add: true, AddTOTP: true}},
		{"", "email", "/both/x", Ways{Methods: true, Add: true, AddTOTP: true}},
		{"", "email", "/fresh/x", Ways{Mail: true}},
		{"p", "email", "/passkey/x", Ways{Methods: true, Passkey: true}},
		{"p", "email", "/totp/x", Ways{Methods: true, AddTOTP: true}},
		{"p", "email", "/either/x", Ways{Methods: true, Passkey: true, AddTOTP: true}},
		{"p", "email", "/both/x", Ways{Methods: true, Passkey: true, AddTOTP: true}},
		{"p", "email", "/fresh/x", Ways{Passkey: true}},
		{"p", "passkey", "/both/x", Ways{Methods: true, AddTOTP: true}},
		{"p", "passkey", "/freshtotp/x", Ways{Methods: true, AddTOTP: true}},
		{"t", "totp", "/both/x", Ways{Methods: true, Add: true}},
		{"t", "totp", "/fresh/x", Ways{TOTP: true}},
		{"t", "totp", "/freshtotp/x", Ways{Methods: true, TOTP: true}},
		{"pt", "totp", "/passkey/x", Ways{Methods: true, Passkey: true}},
		{"pt", "passkey", "/totp/x", Ways{Methods: true, TOTP: true}},
		{"pt", "passkey", "/both/x", Ways{Methods: true, TOTP: true}},
		{"pt", "passkey", "/fresh/x", Ways{Passkey: true, TOTP: true}},
	} {
		t.Run(c.factors+" by "+c.signedIn+c.path, func(t *testing.T) {
			f := newFixture(t, demanding(t))
			b := f.equip(alice, c.factors)
			f.clock.advance(factorWait)
			switch c.signedIn {
			case "email":
				b, _ = f.signIn(alice)
			default:
				b.Session.Session.AMR = []string{c.signedIn}
				f.putSession(&b)
			}
			f.clock.advance(2 * time.Hour)
			got := f.ways(b, c.path)
			got.Added, got.Waits = time.Time{}, time.Time{}
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// putSession makes a browser's session what the test says.
func (f *fixture) putSession(b *Browser) {
	f.t.Helper()
	sess := *b.Session.Session
	sess.AuthTime, sess.LastSeen, sess.CreatedAt = f.s.Now(), f.s.Now(), f.s.Now()
	f.must(f.s.update(f.ctx(), func(tx *txn) error { return tx.PutSession(&sess) }))
	b.Session.Session = &sess
}

// Where the rp_id has changed, TOTP is more than the mailbox: it takes away the
// passkeys that do not work, and a recovery code still brings no more than one
// that does.
func TestTOTP_StandsInForPasskeysOfAnotherRPID(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "p")
	k := f.enrolKey(&b)
	a := f.giveTOTP(&b)
	f.reload(portalConfig(t, func(c *Config) { c.RPID = "example.test" }))
	b = f.signInTOTP(alice, a)
	f.must(f.s.RemovePasskey(f.ctx(), b.Session, k.cred.ID, b.Client))

	g := newFixture(t, func(c *Config) { c.EmailAfterPasskey = "second" })
	b = g.equip(alice, "pr")
	b = g.finish(g.owe(alice), SecondRecovery, g.printed(b)[0])
	g.reload(portalConfig(t, func(c *Config) { c.RPID = "example.test" }))
	if r := g.refused(g.s.SetDisplayName(g.ctx(), b.Session, "Eve", b.Client), StepUpRequired); sprint(r.Methods) != sprint([]string{AMRPasskey}) {
		t.Errorf("asks for %v", r.Methods)
	}
	g.enrolKey(&b)
	g.must(g.s.SetDisplayName(g.ctx(), b.Session, "Alice", b.Client))
}
