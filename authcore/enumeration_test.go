package authcore

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// outcome is all that somebody who knows only an address can see of it.
type outcome struct {
	started         EmailStarted
	err             error
	flow            FlowInfo
	commits, verify int64
	wrong, last     Reason
	afterwards      Reason
}

// probe asks for a mail and then guesses until the flow is gone.
func probe(f *fixture, addr string, client *APIClient) (o outcome) {
	f.t.Helper()
	b := f.newBrowser()
	before := f.updates.Load()
	got, err := f.s.StartEmail(f.ctx(), StartEmail{Address: addr, Browser: b, Client: client})
	if o.err = err; err == nil {
		o.started = *got
		o.started.Flow = "" // random for everybody
	}
	o.commits = f.updates.Load() - before
	if client != nil {
		return o
	}
	info, err := f.s.Flow(f.ctx(), b.Flow)
	f.must(err)
	o.flow = *info
	o.flow.Email = ""
	before = f.updates.Load()
	for range maxCodeTries {
		_, err := f.s.VerifyCode(f.ctx(), "00000000", b)
		r, _ := AsRefusal(err)
		o.wrong, o.last = o.last, r.Reason
	}
	o.verify = f.updates.Load() - before
	_, err = f.s.VerifyCode(f.ctx(), "00000000", b)
	r, _ := AsRefusal(err)
	o.afterwards = r.Reason
	return o
}

func TestEmail_KnownUnknownDisabledAndThrottledLookTheSame_EN(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Registration.Mode = "closed"; c.EmailAfterPasskey = "off" })
	f.addUser(alice)
	f.addUser(eve)
	f.must(f.s.DisableUser(f.ctx(), "cli", eve))
	f.addUser("keys@example.com")
	f.givePasskey("keys@example.com")
	const throttled = "throttled@example.com"
	f.addUser(throttled)
	f.exhaustMails(throttled)
	for _, client := range []*APIClient{nil, f.s.Client("spa")} {
		want := probe(f, alice, client)
		if want.err != nil || client == nil && want.last != CodeExhausted {
			t.Fatalf("the known address got %+v", want)
		}
		for _, addr := range []string{"unknown@example.com", eve, "keys@example.com", throttled} {
			if got := probe(f, addr, client); got != want {
				t.Errorf("%s tells itself apart:\n got %+v\nwant %+v", addr, got, want)
			}
		}
	}
	for _, m := range f.mails() {
		if m.To != alice {
			t.Errorf("a mail went to %s", m.To)
		}
	}
}

// exhaustMails uses up the address's mails of the hour.
func (f *fixture) exhaustMails(addr string) {
	f.t.Helper()
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		_, err := tx.AddCounter("mail/address/"+addr, f.s.Config().MailsPerAddress, f.s.Now(), time.Hour)
		return err
	}))
}

func TestEmail_DecoyNeverSucceeds_EN(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Registration.Mode = "closed" })
	f.addUser(eve)
	f.must(f.s.DisableUser(f.ctx(), "cli", eve))
	for _, addr := range []string{"unknown@example.com", eve} {
		b := f.newBrowser()
		if _, err := f.s.StartEmail(f.ctx(), StartEmail{Address: addr, Browser: b}); err != nil {
			t.Fatal(err)
		}
		// Whoever guessed the decoy's code would have to be refused too.
		const code = "12345678"
		f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
			var fl flow
			if err := tx.Peek(store.KindFlow, b.Flow.Hash(), &fl); err != nil {
				return err
			}
			fl.Code = f.s.codeMAC(b.Flow.Hash(), code)
			return tx.Put(store.KindFlow, b.Flow.Hash(), fl, f.s.Now().Add(time.Minute))
		}))
		_, err := f.s.VerifyCode(f.ctx(), code, b)
		f.refused(err, FlowExpired)
		_, err = f.s.VerifyCode(f.ctx(), code, b)
		f.refused(err, FlowExpired)
	}
	if len(f.mails()) != 0 || len(f.audit(evSessionCreated)) != 0 {
		t.Error("a decoy mailed or made a session")
	}
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		n, err := tx.CountTakes(store.KindLink)
		if n != 0 {
			t.Errorf("decoys left %d links", n)
		}
		return err
	}))
}

func TestPasskey_OptionsAreTheSameForEverybody_EN(t *testing.T) {
	f := newFixture(t)
	b := f.newBrowser()
	c, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	if ids := requestOptions(t, c).AllowedCredentials; len(ids) != 0 {
		t.Errorf("the options name %d credentials before anybody is known", len(ids))
	}
}

func TestRegistration_OpenMakesAnOrdinaryUserAtTheFirstProof_BT1(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Registration = Registration{Mode: "open", Domains: []string{"example.com"}} })
	b := f.newBrowser()
	m := f.start(alice, b)
	if _, err := f.s.FindUser(f.ctx(), alice); err == nil {
		t.Fatal("EM-7: an account exists before its address is proved")
	}
	v, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.must(err)
	if v.User.Admin || v.User.VerifiedAt.IsZero() || v.User.Name != alice || len(v.User.Handle) != 64 {
		t.Errorf("the first registrant is %+v", v.User)
	}
	for _, addr := range []string{"x@evil-example.com", "x@example.com.evil.com", "x@sub.example.com"} {
		if _, err := f.s.StartEmail(f.ctx(), StartEmail{Address: addr, Browser: f.newBrowser()}); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.mails(); len(got) != 0 {
		t.Errorf("EM-5: %s may register", got[0].To)
	}
}

func TestRegistration_FlowOfAnAccountMadeMeanwhileIsOver_SE5(t *testing.T) {
	f := newFixture(t)
	first, second := f.newBrowser(), f.newBrowser()
	m, n := f.start(alice, first), f.start(alice, second)
	if _, err := f.s.VerifyCode(f.ctx(), m.code, first); err != nil {
		t.Fatal(err)
	}
	_, err := f.s.VerifyCode(f.ctx(), n.code, second)
	f.refused(err, FlowExpired)
}

func TestRegistration_ClosedMeanwhileMakesNobody(t *testing.T) {
	f := newFixture(t)
	b := f.newBrowser()
	m := f.start(alice, b)
	f.reload(portalConfig(t, func(c *Config) { c.Registration.Mode = "closed" }))
	_, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.refused(err, FlowExpired)
	if _, err := f.s.FindUser(f.ctx(), alice); err == nil {
		t.Error("an account was made")
	}
}
