package authcore

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// byInvitation is where people ask for an account.
func byInvitation(c *Config) {
	c.Registration = Registration{Mode: "invite", Domains: []string{"example.com"}}
}

// apply asks for an account in a new browser, by code or by link.
func (f *fixture) apply(addr string, byLink bool) error {
	f.t.Helper()
	b := f.newBrowser()
	b.Lang = "de"
	m := f.start(addr, b)
	if byLink {
		_, err := f.s.RedeemLink(f.ctx(), m.link, b)
		return err
	}
	_, err := f.s.VerifyCode(f.ctx(), m.code, b)
	return err
}

// nothingMade fails the test if an address has an account, or the name of one.
func (f *fixture) nothingMade(addr string) {
	f.t.Helper()
	if _, err := f.s.FindUser(f.ctx(), addr); err == nil {
		f.t.Errorf("%s has an account", addr)
	}
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		if _, err := tx.NameOwner(addr); err == nil {
			f.t.Errorf("%s is reserved as a name", addr)
		}
		return nil
	}))
}

// Of those that wait one network has a part only.
func TestApplicant_OneNetworkDoesNotFillTheQueue_DS1(t *testing.T) {
	f := newFixture(t, byInvitation, func(c *Config) { c.Requests, c.RequestsPer = 100_000, time.Minute })
	for i := range requestsPerSource {
		f.refused(f.apply(fmt.Sprintf("a%d@example.com", i), false), ApprovalPending)
	}
	f.refused(f.apply("late@example.com", false), FlowExpired)
	b := f.newBrowser()
	b.IP = netip.MustParseAddr("203.0.113.9")
	_, err := f.s.VerifyCode(f.ctx(), f.start(bob, b).code, b)
	f.refused(err, ApprovalPending)
	f.clock.advance(requestTTL + time.Second)
	f.refused(f.apply("late@example.com", false), ApprovalPending)
}

// EM-7: before an admin approves there is nothing to hang anything on; then it is
// an account as any other.
func TestApplicant_AsksWaitsAndSignsInOnceApproved_EM7(t *testing.T) {
	for _, byLink := range []bool{false, true} {
		f := newFixture(t, byInvitation)
		f.refused(f.apply(alice, byLink), ApprovalPending)
		f.nothingMade(alice)
		if c := f.counts(); c.Users != 0 || c.Sessions != 0 {
			t.Fatalf("there are %+v", c)
		}
		list, err := f.s.Applicants(f.ctx())
		f.must(err)
		if len(list) != 1 || list[0].Email != alice || list[0].IP != "192.0.2.7" || list[0].Agent != "Browser/1" {
			t.Fatalf("waiting are %+v", list)
		}
		u, err := f.s.Approve(f.ctx(), "cli", NewUser{Email: "ALICE@example.com", Name: "ally", Groups: []string{"staff"}})
		f.must(err)
		if u.Email != alice || u.Name != "ally" || !u.VerifiedAt.IsZero() || u.Admin {
			t.Errorf("made was %+v", u)
		}
		m := f.lastMail()
		if m.To != alice || m.Template != TemplateApproved || m.Params[ParamLang] != "de" || f.secretLink(m) != portalOrigin+"/login" {
			t.Errorf("the mail is %+v", m.Message)
		}
		if list, _ := f.s.Applicants(f.ctx()); len(list) != 0 {
			t.Errorf("waiting are %+v", list)
		}
		b, _ := f.signIn(alice)
		if !f.allowed(wikiHost, f.handOver(b.Session, wikiHost)) {
			t.Error("the app of the group is closed")
		}
		if a := f.audit(evAsked); len(a) != 1 || !a[0].Success || a[0].Subject != "" || a[0].Details["email"] == alice {
			t.Errorf("the audit log has %+v", a)
		}
		if a := f.audit(evApproved); len(a) != 1 || a[0].Actor != "cli" || a[0].Subject != u.ID {
			t.Errorf("the audit log has %+v", a)
		}
	}
}

func TestApplicant_OverTheAPIIsToldToo(t *testing.T) {
	f := newFixture(t, byInvitation)
	got, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Client: f.s.Client("spa")})
	f.must(err)
	_, err = f.s.VerifyAPICode(f.ctx(), got.Flow, f.lastMail().code, "", Client{})
	f.refused(err, ApprovalPending)
	f.nothingMade(alice)
}

// EN: at the start nobody learns who has an account, who may ask for one, and who
// may not.
func TestApplicant_StartLooksTheSame_EN(t *testing.T) {
	f := newFixture(t, byInvitation)
	f.addUser(bob)
	want := probe(f, bob, nil)
	for _, addr := range []string{alice, "eve@elsewhere.example"} {
		if got := probe(f, addr, nil); got != want {
			t.Errorf("%s tells itself apart:\n got %+v\nwant %+v", addr, got, want)
		}
	}
	for _, m := range f.mails() {
		if m.To == "eve@elsewhere.example" {
			t.Error("a mail goes to a domain that may not ask")
		}
	}
	if list, _ := f.s.Applicants(f.ctx()); len(list) != 0 {
		t.Errorf("without proof of the address they wait: %+v", list)
	}
}

func TestApplicant_DeclinedIsForgottenAndMayAskAgain(t *testing.T) {
	f := newFixture(t, byInvitation)
	f.refused(f.apply(alice, false), ApprovalPending)
	f.must(f.s.Decline(f.ctx(), "cli", "Alice@example.com"))
	f.nothingMade(alice)
	if len(f.queued()) != 0 {
		t.Error("they are told")
	}
	f.refused(f.s.Decline(f.ctx(), "cli", alice), NotFound)
	_, err := f.s.Approve(f.ctx(), "cli", NewUser{Email: alice})
	f.refused(err, NotFound)
	f.refused(f.apply(alice, false), ApprovalPending)
	if a := f.audit(evDeclined); len(a) != 2 || a[0].Success == a[1].Success {
		t.Errorf("the audit log has %+v", a)
	}
}

func TestApplicant_ApprovingFailsCleanly(t *testing.T) {
	f := newFixture(t, byInvitation)
	f.addUser(bob)
	f.must(f.s.NameUser(f.ctx(), "cli", bob, "ally"))
	f.refused(f.apply(alice, false), ApprovalPending)
	for want, n := range map[Reason]NewUser{Conflict: {Email: alice, Name: "ally"}, NameInvalid: {Email: alice, Groups: []string{"a b"}}, EmailInvalid: {Email: "x"}} {
		_, err := f.s.Approve(f.ctx(), "cli", n)
		f.refused(err, want)
	}
	f.addUser(alice) // in another way, meanwhile
	_, err := f.s.Approve(f.ctx(), "cli", NewUser{Email: alice})
	f.refused(err, Conflict)
	if list, _ := f.s.Applicants(f.ctx()); len(list) != 1 {
		t.Errorf("waiting are %+v", list)
	}
	if won := f.race(func(int) error { return f.s.Decline(f.ctx(), "cli", alice) }); won != 1 {
		t.Errorf("it was taken %d times", won)
	}
}

// One request is answered once, whoever answers it.
func TestApplicant_OneOfManyAnswersWins(t *testing.T) {
	f := newFixture(t, byInvitation)
	f.refused(f.apply(alice, false), ApprovalPending)
	if won := f.race(func(i int) error {
		if i%2 == 0 {
			return f.s.Decline(f.ctx(), "cli", alice)
		}
		_, err := f.s.Approve(f.ctx(), "cli", NewUser{Email: alice})
		return err
	}); won != 1 {
		t.Errorf("%d of 50 answers were taken", won)
	}
}

func TestApplicant_WaitsThirtyDaysFromTheFirstTime(t *testing.T) {
	f := newFixture(t, byInvitation)
	f.refused(f.apply(alice, false), ApprovalPending)
	asked := f.clock.now()
	f.clock.advance(requestTTL / 2)
	f.refused(f.apply(bob, false), ApprovalPending)
	f.refused(f.apply(alice, false), ApprovalPending) // keeps their place
	list, err := f.s.Applicants(f.ctx())
	f.must(err)
	if len(list) != 2 || list[0].Email != alice || !list[0].AskedAt.Equal(asked) {
		t.Errorf("waiting are %+v", list)
	}
	f.clock.advance(requestTTL/2 + time.Second)
	if list, _ := f.s.Applicants(f.ctx()); len(list) != 1 || list[0].Email != bob {
		t.Errorf("waiting are %+v", list)
	}
	_, err = f.s.Approve(f.ctx(), "cli", NewUser{Email: alice})
	f.refused(err, NotFound)
	f.refused(f.apply(alice, false), ApprovalPending) // and once more
	if list, _ := f.s.Applicants(f.ctx()); len(list) != 2 {
		t.Errorf("waiting are %+v", list)
	}
}

// DS-1.
func TestApplicant_SoManyWaitAndNoMore_DS1(t *testing.T) {
	f := newFixture(t, byInvitation)
	f.refused(f.apply(alice, false), ApprovalPending)
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		for i := range maxRequests - 1 {
			addr := fmt.Sprintf("u%d@example.com", i)
			f.must(tx.Put(store.KindRequest, applicantKey(addr), applicant{Email: addr, AskedAt: f.s.Now()}, f.s.Now().Add(requestTTL)))
		}
		return nil
	}))
	f.refused(f.apply(bob, false), FlowExpired)
	f.refused(f.apply(alice, false), ApprovalPending) // who waits already is told so
	list, err := f.s.Applicants(f.ctx())
	f.must(err)
	if len(list) != maxRequests || slices.ContainsFunc(list, func(a Applicant) bool { return a.Email == bob }) {
		t.Errorf("%d wait", len(list))
	}
	if a := f.audit(evAsked); len(a) != 2 {
		t.Errorf("the audit log has %+v", a)
	}
}

// Only an invitation's mode has people ask, and it is asked again at the end.
func TestApplicant_OtherModesHaveNone(t *testing.T) {
	for mode, want := range map[string]int{"closed": 0, "open": 1} {
		f := newFixture(t, func(c *Config) { c.Registration = Registration{Mode: mode} })
		_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: f.newBrowser()})
		f.must(err)
		if got := len(f.mails()); got != want {
			t.Errorf("%s: %d mails, want %d", mode, got, want)
		}
	}
	f := newFixture(t, byInvitation)
	b := f.newBrowser()
	m := f.start(alice, b)
	f.reload(portalConfig(t, func(c *Config) { c.Registration.Mode = "closed" }))
	_, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.refused(err, FlowExpired)
	f.nothingMade(alice)
	if list, _ := f.s.Applicants(f.ctx()); len(list) != 0 {
		t.Errorf("waiting are %+v", list)
	}
}

func TestApplicant_ApprovedWithoutAMailServerIsNotMailed(t *testing.T) {
	f := newFixture(t, byInvitation)
	f.refused(f.apply(alice, false), ApprovalPending)
	f.reload(portalConfig(t, byInvitation, func(c *Config) { c.NoMailServer = true }))
	_, err := f.s.Approve(f.ctx(), "cli", NewUser{Email: alice})
	f.must(err)
	if len(f.queued()) != 0 {
		t.Error("a mail waits for a server that there is not")
	}
}
