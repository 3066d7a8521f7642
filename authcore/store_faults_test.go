package authcore

import (
	"errors"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

func alwaysFail(int) storetest.Fault { return storetest.FailBefore }

// story goes through every flow once and checks what came of it.
func story(t *testing.T, f *fixture) {
	f.addUser(alice, "staff")
	b, first := f.signIn(alice)
	k := f.addKey(b)
	app := f.handOver(b.Session, appHost)
	if !f.allowed(appHost, app) {
		t.Error("the app session does not work")
	}
	b2 := f.keySignIn(k)
	c, err := f.s.BeginStepUp(f.ctx(), b2, false)
	f.must(err)
	token, err := f.s.FinishStepUp(f.ctx(), c.ID.Reveal(), f.assert(k, c), b2)
	f.must(err)
	if f.live(token) == nil || f.live(f.tokenOf(b2)) != nil {
		t.Error("the step-up did not change the token")
	}
	wrongly := f.newBrowser()
	m := f.start(alice, wrongly)
	for i := range maxCodeTries {
		_, err := f.s.VerifyCode(f.ctx(), wrong(m.code), wrongly)
		f.refused(err, []Reason{CodeInvalid, CodeExhausted}[b2i(i == maxCodeTries-1)])
	}
	if got := f.wrongCodes(alice); got != maxCodeTries {
		t.Errorf("%d wrong codes are counted", got)
	}
	api := f.apiSignIn(alice, "spa")
	next, err := f.s.Refresh(f.ctx(), api.Refresh.Reveal(), "", Client{})
	f.must(err)
	again, err := f.s.Refresh(f.ctx(), api.Refresh.Reveal(), "", Client{})
	f.must(err)
	if again.Refresh != next.Refresh {
		t.Error("one refresh token has two successors")
	}
	raw := f.invite(NewUser{Email: bob, Name: "bobby"}, false)
	got, err := f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.must(err)
	if f.live(got.Token) == nil {
		t.Error("the invited is not signed in")
	}
	f.must(f.s.SignOutScope(f.ctx(), f.live(token), "others", Client{}))
	if f.allowed(appHost, app) || f.live(first.Token) != nil || f.live(token) == nil {
		t.Error("signing out the others did something else")
	}
	f.must(f.s.DisableUser(f.ctx(), "cli", alice))
	if f.live(token) != nil || len(f.audit(evUserDisabled)) != 1 {
		t.Error("disabling did something else")
	}
	if s, r := len(f.audit(evSessionCreated)), len(f.audit(evUserRegistered)); s != 5 || r != 2 {
		t.Errorf("%d sessions and %d users were made", s, r)
	}
}

func TestStory_AllFlows(t *testing.T) { story(t, newFixture(t)) }

func TestStory_ClosuresThatRunTwiceChangeNothing(t *testing.T) {
	f := newFixture(t)
	f.setFault(storetest.Always(storetest.RunTwice))
	story(t, f)
}

// TestChange_CommittedThoughAnErrorWasReportedLeavesTheCache: the process may
// lose the answer to a commit that happened.
func TestChange_CommittedThoughAnErrorWasReportedLeavesTheCache(t *testing.T) {
	for name, change := range map[string]func(f *fixture, b Browser) error{
		"sign out":  func(f *fixture, b Browser) error { return f.s.SignOut(f.ctx(), Browser{Session: b.Session}) },
		"everyone":  func(f *fixture, b Browser) error { return f.s.SignOutScope(f.ctx(), b.Session, "all", Client{}) },
		"disabled":  func(f *fixture, _ Browser) error { return f.s.DisableUser(f.ctx(), "cli", alice) },
		"deleted":   func(f *fixture, _ Browser) error { return f.s.DeleteUser(f.ctx(), "cli", alice) },
		"no group":  func(f *fixture, _ Browser) error { return f.s.SetGroups(f.ctx(), "cli", alice, nil) },
		"by origin": func(f *fixture, b Browser) error { return f.s.RevokeSession(f.ctx(), "cli", b.Session.Session.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice, "staff")
			b, _ := f.signIn(alice)
			wiki := f.handOver(b.Session, wikiHost)
			if !f.allowed(wikiHost, wiki) {
				t.Fatal("the session does not work")
			}
			f.setFault(storetest.Always(storetest.CrashAfter))
			if err := change(f, b); !errors.Is(err, storetest.ErrCrash) {
				t.Fatalf("got %v", err)
			}
			if f.allowed(wikiHost, wiki) {
				t.Error("the cache still lets the session in")
			}
		})
	}
}

// TestFlows_StoreThatFailsLetsNobodyIn fails every Update of each flow in turn
// and asks that nothing came of it (FA-10, ST-4).
func TestFlows_StoreThatFailsLetsNobodyIn(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter} {
		f := newFixture(t)
		f.addUser(alice)
		k := f.givePasskey(alice)
		b := f.keySignIn(k)
		mailed := f.newBrowser()
		m := f.start(alice, mailed)
		cer, err := f.s.BeginPasskey(f.ctx(), mailed)
		f.must(err)
		assertion := f.assert(k, cer)
		step, err := f.s.BeginStepUp(f.ctx(), b, false)
		f.must(err)
		stepBody := f.assert(k, step)
		nonce, _ := f.s.NewToken()
		ticket := f.ticket(b.Session, appHost, nonce)
		raw := f.invite(NewUser{Email: bob}, false)
		api := f.apiSignIn(alice, "spa")
		before := f.counts()
		f.setFault(storetest.Always(fault))
		for name, do := range map[string]func() (any, error){
			"start": func() (any, error) {
				return f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: f.newBrowser()})
			},
			"code":    func() (any, error) { return f.s.VerifyCode(f.ctx(), m.code, mailed) },
			"wrong":   func() (any, error) { return f.s.VerifyCode(f.ctx(), wrong(m.code), mailed) },
			"link":    func() (any, error) { return f.s.RedeemLink(f.ctx(), m.link, mailed) },
			"passkey": func() (any, error) { return f.s.FinishPasskey(f.ctx(), cer.ID.Reveal(), assertion, mailed) },
			"step-up": func() (any, error) { return f.s.FinishStepUp(f.ctx(), step.ID.Reveal(), stepBody, b) },
			"ticket":  func() (any, error) { return f.s.RedeemTicket(f.ctx(), f.app(appHost), ticket, nonce, Client{}) },
			"invite":  func() (any, error) { return f.s.AcceptInvite(f.ctx(), raw, f.newBrowser()) },
			"refresh": func() (any, error) { return f.s.Refresh(f.ctx(), api.Refresh.Reveal(), "", Client{}) },
			"disable": func() (any, error) { return nil, f.s.DisableUser(f.ctx(), "cli", alice) },
		} {
			if _, err := do(); !errors.Is(err, storetest.ErrInjected) {
				t.Errorf("fault %d, %s: %v", fault, name, err)
			}
		}
		f.setFault(nil)
		if after := f.counts(); after != before {
			t.Errorf("fault %d: something was kept: %+v, before %+v", fault, after, before)
		}
		if f.live(f.tokenOf(b)) == nil {
			t.Error("a step-up that failed ended the session")
		}
		if _, err := f.s.VerifyCode(f.ctx(), m.code, mailed); err != nil { // ST-4: recovers
			t.Errorf("after the fault the code does not work: %v", err)
		}
	}
}

func (f *fixture) counts() (c store.Counts) {
	f.t.Helper()
	f.must(f.store.View(f.ctx(), func(tx store.Tx) (err error) {
		c, err = tx.Counts()
		return err
	}))
	return c
}

// TestTicket_TakenBeforeTheSessionCouldBeMadeIsBurnt: the first commit spends
// it, so a fault in the second costs a retry and never a second use.
func TestTicket_TakenBeforeTheSessionCouldBeMadeIsBurnt(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	nonce, _ := f.s.NewToken()
	raw := f.ticket(b.Session, appHost, nonce)
	f.setFault(storetest.At(2, storetest.FailBefore))
	_, err := f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, nonce, Client{})
	if !errors.Is(err, storetest.ErrInjected) {
		t.Fatalf("got %v", err)
	}
	f.setFault(nil)
	_, err = f.s.RedeemTicket(f.ctx(), f.app(appHost), raw, nonce, Client{})
	f.refused(err, HandoverFailed)
}

// TestPasskey_ChangedBetweenProofAndCommitIsRefused: what verification relied
// on is asked again in the transaction that signs in.
func TestPasskey_ChangedBetweenProofAndCommitIsRefused(t *testing.T) {
	for name, between := range map[string]func(tx store.Tx, u *store.User) error{
		"disabled": func(tx store.Tx, u *store.User) error { u.Disabled = true; return tx.PutUser(u) },
		"deleted":  func(tx store.Tx, u *store.User) error { _, err := tx.DeleteUser(u.ID); return err },
		"epoch":    func(tx store.Tx, u *store.User) error { u.Epoch++; return tx.PutUser(u) },
		"not verified": func(tx store.Tx, u *store.User) error {
			u.VerifiedAt = time.Time{}
			return tx.PutUser(u)
		},
		"counter": func(tx store.Tx, u *store.User) error {
			keys, err := tx.PasskeysOf(u.ID)
			if err != nil {
				return err
			}
			keys[0].Credential = append(keys[0].Credential, ' ')
			return tx.PutPasskey(keys[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice)
			k := f.givePasskey(alice)
			b := f.newBrowser()
			c, err := f.s.BeginPasskey(f.ctx(), b)
			f.must(err)
			body := f.assert(k, c)
			f.setFault(func(n int) storetest.Fault {
				if n == 2 { // 1 takes the ceremony, 2 writes the sign-in
					f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
						u, err := tx.UserByEmail(alice)
						if err != nil {
							return err
						}
						return between(tx, u)
					}))
				}
				return storetest.None
			})
			got, err := f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), body, b)
			if r, ok := AsRefusal(err); got != nil || !ok || r.Reason != PasskeyRefused {
				t.Errorf("got %v, %v", got, err)
			}
			if len(f.audit(evLoginFailed)) != 1 {
				t.Error("the refusal is not in the audit log")
			}
		})
	}
}
