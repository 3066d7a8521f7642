package authcore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestMayManage_EmailManagesNothingWhereAPasskeyExists_SE8(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	byMail, _ := f.signIn(alice)
	id := k.cred.ID
	for name, do := range map[string]func() error{
		"add":    func() error { _, err := f.s.BeginAddPasskey(f.ctx(), byMail); return err },
		"rename": func() error { return f.s.RenamePasskey(f.ctx(), byMail.Session, id, "Mine", Client{}) },
		"remove": func() error { return f.s.RemovePasskey(f.ctx(), byMail.Session, id, Client{}) },
	} {
		r := f.refused(do(), StepUpRequired)
		if !slices.Equal(r.Methods, []string{AMRPasskey}) {
			t.Errorf("%s: a step-up by %v would do", name, r.Methods)
		}
	}
	// E-mail does not step up such an account either: a decoy, no mail.
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Browser: byMail, StepUp: true})
	f.must(err)
	if n := len(f.mails()); n != 0 {
		t.Errorf("%d step-up mails for an account with a passkey", n)
	}

	// The passkey does, and gives the session a new token (SE-2).
	c, err := f.s.BeginStepUp(f.ctx(), byMail, false)
	f.must(err)
	token, err := f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(k, c), byMail)
	f.must(err)
	l := f.live(token)
	if l == nil || l.Session.ID != byMail.Session.Session.ID || !l.Has(AMRPasskey) || !l.Has(AMREmail) {
		t.Fatalf("after the step-up the session is %+v", l)
	}
	f.must(f.s.RenamePasskey(f.ctx(), l, id, "Mine", Client{}))
}

func TestMayManage_NeedsAFreshProof(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.keySignIn(k)
	f.clock.advance(stepUpAge)
	f.must(f.s.RenamePasskey(f.ctx(), b.Session, k.cred.ID, "A", Client{}))
	f.clock.advance(time.Second)
	f.refused(f.s.RenamePasskey(f.ctx(), b.Session, k.cred.ID, "B", Client{}), StepUpRequired)
	c, _ := f.signIn(bob)
	f.clock.advance(stepUpAge + time.Second)
	_, err := f.s.BeginAddPasskey(f.ctx(), c)
	if r := f.refused(err, StepUpRequired); !slices.Equal(r.Methods, []string{AMREmail}) {
		t.Errorf("without a factor a step-up by %v would do, want e-mail", r.Methods)
	}
}

func TestStepUp_ByMailRenewsTheAskingSessionOnly(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b, _ := f.signIn(alice)
	child := f.handOver(b.Session, appHost)
	f.clock.advance(time.Hour)
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: "ignored", Browser: b, StepUp: true})
	f.must(err)
	m := f.lastMail()
	if m.To != alice {
		t.Fatalf("the step-up mail went to %s", m.To)
	}

	// Opened elsewhere the link does not exist, and is not used up.
	other, _ := f.signIn(bob)
	for _, who := range []Browser{other, f.newBrowser()} {
		_, err = f.s.PeekLink(f.ctx(), m.link, who)
		f.refused(err, LinkInvalid)
		_, err = f.s.RedeemLink(f.ctx(), m.link, who)
		f.refused(err, LinkInvalid)
	}
	v, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.must(err)
	if v.SignedIn != nil || v.StepUp == "" {
		t.Fatalf("a step-up ended in %+v", v)
	}
	if f.live(f.tokenOf(b)) != nil || f.live(v.StepUp) == nil {
		t.Error("the new token is not the session's")
	}
	if l := f.live(v.StepUp); l.Session.ID != b.Session.Session.ID || !l.SteppedUp(f.s.Now()) {
		t.Errorf("stepped up is %+v", l.Session)
	}
	if !f.allowed(appHost, child) {
		t.Error("the step-up ended the app session")
	}
}

func TestStepUp_OfASessionThatEndedMeanwhileIsRefused(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.keySignIn(k)
	c, err := f.s.BeginStepUp(f.ctx(), b, false)
	f.must(err)
	f.must(f.s.SignOut(f.ctx(), Browser{Session: b.Session}))
	_, err = f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
	f.refused(err, Unauthenticated)

	mailed, _ := f.signIn(bob)
	_, err = f.s.StartEmail(f.ctx(), StartEmail{Browser: mailed, StepUp: true})
	f.must(err)
	m := f.lastMail()
	f.must(f.s.SignOut(f.ctx(), Browser{Session: mailed.Session}))
	_, err = f.s.VerifyCode(f.ctx(), m.code, mailed)
	f.refused(err, FlowExpired)
	if len(f.audit(evLinkVerified)) != 2 {
		t.Error("a refused step-up stands in the audit log as verified")
	}
}

func TestStepUp_CredentialOfAnotherUserIsRefused_SE8(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.addUser(bob)
	ka, kb := f.givePasskey(alice), f.givePasskey(bob)
	b := f.keySignIn(ka)
	c, err := f.s.BeginStepUp(f.ctx(), b, false)
	f.must(err)
	if ids := requestOptions(t, c).AllowedCredentials; len(ids) != 1 || string(ids[0].CredentialID) != string(ka.cred.ID) {
		t.Errorf("the step-up lists %v", ids)
	}
	_, err = f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(kb, c), b)
	f.refused(err, PasskeyRefused)

	// Nor does a ceremony of one session step up another of the same user.
	c, err = f.s.BeginStepUp(f.ctx(), b, false)
	f.must(err)
	second := f.keySignIn(ka)
	second.Flow = b.Flow
	_, err = f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(ka, c), second)
	f.refused(err, FlowExpired)
}

func TestStepUp_NobodySignedInIsRefused(t *testing.T) {
	f := newFixture(t)
	b := f.newBrowser()
	for name, do := range map[string]func() error{
		"begin step-up": func() error { _, err := f.s.BeginStepUp(f.ctx(), b, false); return err },
		"step-up":       func() error { _, err := f.s.FinishStepUp(f.ctx(), "x", nil, b); return err },
		"begin add":     func() error { _, err := f.s.BeginAddPasskey(f.ctx(), b); return err },
		"add":           func() error { _, err := f.s.FinishAddPasskey(f.ctx(), "x", nil, "", b); return err },
	} {
		if r, ok := AsRefusal(do()); !ok || r.Reason != Unauthenticated {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func TestAddPasskey_CredentialOfAnybodyIsTaken_WA4(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.addUser(bob)
	k := f.givePasskey(alice)
	b, _ := f.signIn(bob)
	c, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.must(err)
	stolen := f.newKey()
	stolen.cred.ID = k.cred.ID
	_, err = f.s.FinishAddPasskey(f.ctx(), c.ID.Reveal(), f.attest(stolen, c), "", b)
	f.refused(err, CredentialTaken)
	if len(f.audit(evRegisterFailed)) != 1 {
		t.Error("the refusal is not in the audit log")
	}
	if l := f.keySignIn(k); l.Session.User.Email != alice {
		t.Error("the credential changed hands")
	}
}

func TestAddPasskey_BadAttestationIsRefused(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	for name, c := range map[string]func(k *key, o *Ceremony) []byte{
		"another origin":        func(k *key, o *Ceremony) []byte { k.rp.Origin = appOrigin; return f.attest(k, o) },
		"another relying party": func(k *key, o *Ceremony) []byte { k.rp.ID = "example.test"; return f.attest(k, o) },
		"user not verified":     func(k *key, o *Ceremony) []byte { k.auth.Options.UserNotVerified = true; return f.attest(k, o) },
		"garbage":               func(*key, *Ceremony) []byte { return []byte("\xff\xfe") },
		"bad object": func(k *key, o *Ceremony) []byte {
			return edit(t, f.attest(k, o), "response.attestationObject", "v39_")
		},
		"an assertion": func(k *key, o *Ceremony) []byte { return f.assert(k, o) },
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := f.signIn(alice)
			o, err := f.s.BeginAddPasskey(f.ctx(), b)
			f.must(err)
			k := f.newKey()
			_, err = f.s.FinishAddPasskey(f.ctx(), o.ID.Reveal(), c(k, o), "", b)
			f.refused(err, PasskeyRefused)
			again := f.newKey()
			_, err = f.s.FinishAddPasskey(f.ctx(), o.ID.Reveal(), f.attest(again, o), "", b)
			f.refused(err, FlowExpired)
		})
	}
	if keys, _ := f.s.Passkeys(f.ctx(), f.user(alice)); len(keys) != 0 {
		t.Errorf("%d passkeys were stored", len(keys))
	}
}

func TestAddPasskey_AccountHasACap_WA9(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b, _ := f.signIn(alice)
	b = f.keySignIn(f.addKey(b))
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		for i := range maxPasskeys - 1 {
			if err := tx.PutPasskey(&store.Passkey{ID: []byte{byte(i), 1}, UserID: b.Session.User.ID, Credential: []byte("{}")}); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.refused(err, TooMany)
}

func TestAddPasskey_KillsWhatIsPendingAndKeepsSessions_SE5(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b, _ := f.signIn(alice)
	other, _ := f.signIn(alice)
	child := f.handOver(other.Session, appHost)
	pending := f.newBrowser()
	m := f.start(alice, pending)
	nonce, _ := f.s.NewToken()
	ticket := f.ticket(b.Session, appHost, nonce)
	f.addKey(b)
	_, err := f.s.VerifyCode(f.ctx(), m.code, pending)
	f.refused(err, FlowExpired)
	_, err = f.s.RedeemTicket(f.ctx(), f.app(appHost), ticket, nonce, Client{})
	f.refused(err, HandoverFailed)
	if !f.allowed(appHost, child) {
		t.Error("another browser's app session ended")
	}
}

func TestRemovePasskey_EndsOtherSessionsAndDowngradesItsOwn_SE7(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b, other := f.keySignIn(k), f.keySignIn(k)
	mine, theirs := f.handOver(b.Session, appHost), f.handOver(other.Session, appHost)
	if !f.allowed(appHost, mine) || !f.allowed(appHost, theirs) {
		t.Fatal("the app sessions do not work")
	}
	otherToken := f.tokenOf(other)
	f.must(f.s.RemovePasskey(f.ctx(), b.Session, k.cred.ID, Client{}))
	if f.allowed(appHost, theirs) || f.live(otherToken) != nil {
		t.Error("another session survived, maybe in the cache")
	}
	if !f.allowed(appHost, mine) {
		t.Error("the own app session ended")
	}
	l := f.live(f.tokenOf(b))
	if l == nil || l.Has(AMRPasskey) || l.Session.PasskeyID != nil {
		t.Errorf("the own session still relies on the removed passkey: %+v", l)
	}
	c, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
	f.refused(err, CredentialUnknown)
}

func TestRemovePasskey_OwnOnlyAndNeverTheLastWayIn(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.addUser(bob)
	ka, kb := f.givePasskey(alice), f.givePasskey(bob)
	a := f.keySignIn(ka)
	f.refused(f.s.RemovePasskey(f.ctx(), a.Session, kb.cred.ID, Client{}), NotFound)
	f.refused(f.s.RenamePasskey(f.ctx(), a.Session, kb.cred.ID, "Mine now", Client{}), NotFound)
	for _, name := range []string{"", " \x00 ", "a\x00b", "a\nb", "\xff", strings.Repeat("a", 65), strings.Repeat("鍵", 65)} {
		f.refused(f.s.RenamePasskey(f.ctx(), a.Session, ka.cred.ID, name, Client{}), NameInvalid)
	}
	f.must(f.s.RenamePasskey(f.ctx(), a.Session, ka.cred.ID, " "+strings.Repeat("鍵", 64)+" ", Client{}))
	if keys, _ := f.s.Passkeys(f.ctx(), a.Session.User); keys[0].Name != strings.Repeat("鍵", 64) {
		t.Errorf("it is called %q", keys[0].Name)
	}
	f.reload(portalConfig(t, func(c *Config) { c.NoEmail = true }))
	f.refused(f.s.RemovePasskey(f.ctx(), a.Session, ka.cred.ID, Client{}), Conflict)
	f.reload(portalConfig(t, func(c *Config) { c.NoMailServer = true }))
	f.refused(f.s.RemovePasskey(f.ctx(), a.Session, ka.cred.ID, Client{}), Conflict)
	f.keySignIn(ka)
	f.keySignIn(kb)
}

func TestSignIn_FirstProofPurgesWhatHungOnTheAccount_EM7(t *testing.T) {
	f := newFixture(t)
	u := f.addUser(alice)
	k := f.newKey()
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		return tx.PutPasskey(&store.Passkey{ID: k.cred.ID, UserID: u.ID, Credential: []byte("{}")})
	}))
	f.signIn(alice)
	if keys, _ := f.s.Passkeys(f.ctx(), u); len(keys) != 0 {
		t.Error("a credential from before the first verification survived it")
	}
}

func TestOffer_RestsAfterNotNow(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b, got := f.signIn(alice)
	if !got.Offer {
		t.Fatal("no passkey is offered")
	}
	f.must(f.s.NotNow(f.ctx(), b.Session))
	if _, got = f.signIn(alice); got.Offer {
		t.Error("the passkey is offered again at once")
	}
	f.clock.advance(notNow + time.Second)
	if b, got = f.signIn(alice); !got.Offer {
		t.Error("the passkey is never offered again")
	}
	f.addKey(b)
	f.clock.advance(notNow + time.Second)
	if _, got = f.signIn(alice); got.Offer {
		t.Error("a passkey is offered to somebody who has one")
	}
}
