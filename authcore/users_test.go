package authcore

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestUsers_BadEntriesAreRefusedAndNothingIsStored(t *testing.T) {
	f := newFixture(t)
	carol := f.addUser("carol@example.com", "staff")
	for name, c := range map[string]struct {
		n    NewUser
		want Reason
	}{
		"no address":       {NewUser{}, EmailInvalid},
		"bad address":      {NewUser{Email: "x"}, EmailInvalid},
		"capital in name":  {NewUser{Email: alice, Name: "Alice"}, NameInvalid},
		"comma in a group": {NewUser{Email: alice, Groups: []string{"a,b"}}, NameInvalid},
		"empty group":      {NewUser{Email: alice, Groups: []string{""}}, NameInvalid},
	} {
		if _, err := f.s.AddUser(f.ctx(), "cli", c.n); err != nil {
			if r, ok := AsRefusal(err); !ok || r.Reason != c.want {
				t.Errorf("%s: %v", name, err)
			}
		} else {
			t.Errorf("%s is accepted", name)
		}
	}
	f.refused(f.s.SetGroups(f.ctx(), "cli", carol.Email, []string{"A"}), NameInvalid)
	f.refused(f.s.NameUser(f.ctx(), "cli", carol.Email, "a b"), NameInvalid)
	users, err := f.s.ListUsers(f.ctx(), "", 10)
	f.must(err)
	if len(users) != 1 || !reflect.DeepEqual(users[0], carol) {
		t.Errorf("stored are %+v", users)
	}
}

// AD-6: what an operator was refused is in the log as well, and nothing else of
// it happened.
func TestUsers_RefusedActsAreAudited_AD6(t *testing.T) {
	f := newFixture(t)
	f.makeAdmin(f.addUser(alice).Email)
	for typ, act := range map[string]func() error{
		evUserRegistered: func() error { _, err := f.s.AddUser(f.ctx(), "cli", NewUser{Email: alice}); return err },
		evUserDisabled:   func() error { return f.s.DisableUser(f.ctx(), "cli", alice) },
		evUserDeleted:    func() error { return f.s.DeleteUser(f.ctx(), "cli", alice) },
		evUserEnabled:    func() error { return f.s.EnableUser(f.ctx(), "cli", bob) },
		evUserChanged:    func() error { return f.s.NameUser(f.ctx(), "cli", alice, "A") },
		evLoggedOut:      func() error { return f.s.SignOutUser(f.ctx(), "cli", bob) },
		evSessionRevoked: func() error { return f.s.RevokeSession(f.ctx(), "cli", "nothing") },
		evUserInvited:    func() error { _, err := f.s.Invite(f.ctx(), "cli", NewUser{Email: "x"}, false); return err },
	} {
		before := len(f.audit(typ))
		f.clock.advance(time.Second) // the lines are in the order of time
		r, ok := AsRefusal(act())
		if !ok {
			t.Fatalf("%s is not refused", typ)
		}
		lines := f.audit(typ)
		if len(lines) != before+1 {
			t.Errorf("%s: %d lines more", typ, len(lines)-before)
			continue
		}
		if a := lines[0]; a.Success || a.Actor != "cli" || a.Details["why"] != string(r.Reason) {
			t.Errorf("%s: the audit log has %+v", typ, a)
		}
	}
}

func TestUsers_AddressAndNameAreUniqueForEver_SE9(t *testing.T) {
	f := newFixture(t)
	u, err := f.s.AddUser(f.ctx(), "cli", NewUser{Email: alice, Name: "ally", DisplayName: " Alice\x00 ", Groups: []string{"b", "a", "b"}})
	f.must(err)
	if u.DisplayName != "Alice" || strings.Join(u.Groups, ",") != "a,b" || len(u.ID) != 26 {
		t.Errorf("stored is %+v", u)
	}
	_, err = f.s.AddUser(f.ctx(), "cli", NewUser{Email: "ALICE@example.com"})
	f.refused(err, Conflict)
	_, err = f.s.AddUser(f.ctx(), "cli", NewUser{Email: bob, Name: "ally"})
	f.refused(err, Conflict)
	if _, err := f.s.FindUser(f.ctx(), bob); err == nil {
		t.Error("a refused user is stored")
	}
	f.must(f.s.DeleteUser(f.ctx(), "cli", alice))
	_, err = f.s.AddUser(f.ctx(), "cli", NewUser{Email: bob, Name: "ally"})
	f.refused(err, Conflict)
	again, err := f.s.AddUser(f.ctx(), "cli", NewUser{Email: alice})
	f.must(err)
	if again.ID == u.ID || string(again.Handle) == string(u.Handle) || len(again.Groups) != 0 {
		t.Errorf("a re-created account inherits: %+v", again)
	}
	f.refused(f.s.NameUser(f.ctx(), "cli", alice, "ally"), Conflict)
}

func TestUsers_NameIsGivenOnce(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.must(f.s.NameUser(f.ctx(), "cli", alice, "ally"))
	f.refused(f.s.NameUser(f.ctx(), "cli", "ally", "alice"), Conflict)
	f.addUser(bob)
	f.refused(f.s.NameUser(f.ctx(), "cli", bob, "ally"), Conflict)
}

func TestUsers_AreFoundByAddressNameOrID(t *testing.T) {
	f := newFixture(t)
	u := f.addUser(alice)
	f.must(f.s.NameUser(f.ctx(), "cli", alice, "ally"))
	for _, who := range []string{alice, "ALICE@EXAMPLE.COM", "ally", u.ID} {
		if got := f.user(who); got.ID != u.ID {
			t.Errorf("%q finds %s", who, got.Email)
		}
	}
	for _, who := range []string{"", "nobody", "alice", u.ID[:25], strings.Repeat("x", 5000)} {
		_, err := f.s.FindUser(f.ctx(), who)
		f.refused(err, NotFound)
		f.refused(f.s.DisableUser(f.ctx(), "cli", who), NotFound)
	}
	f.addUser(bob)
	all, err := f.s.ListUsers(f.ctx(), "", 10)
	f.must(err)
	rest, err := f.s.ListUsers(f.ctx(), all[0].ID, 10)
	f.must(err)
	if len(all) != 2 || len(rest) != 1 || rest[0].ID != all[1].ID {
		t.Errorf("pages have %d and %d users", len(all), len(rest))
	}
}

func TestUsers_EnableBringsNothingBack_SE5(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b, root := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	f.must(f.s.DisableUser(f.ctx(), "cli", alice))
	if _, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: f.newBrowser()}); err != nil || len(f.mails()) != 0 {
		t.Error("a disabled user gets mail")
	}
	f.must(f.s.EnableUser(f.ctx(), "cli", alice))
	if f.allowed(appHost, app) || f.live(root.Token) != nil {
		t.Error("an old session came back")
	}
	f.signIn(alice)
	for _, typ := range []string{evUserDisabled, evUserEnabled} {
		if got := f.audit(typ); len(got) != 1 || got[0].Actor != "cli" || got[0].Subject == "" {
			t.Errorf("%s: the audit log has %v", typ, got)
		}
	}
}

func TestUsers_LastAdminStays(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.addUser(bob)
	f.makeAdmin(alice)
	f.refused(f.s.DisableUser(f.ctx(), "cli", alice), Conflict)
	f.makeAdmin(bob)
	f.must(f.s.DisableUser(f.ctx(), "cli", bob)) // of two who cannot act either may go
	f.must(f.s.EnableUser(f.ctx(), "cli", bob))
	f.givePasskeyByHandOut(alice)
	f.refused(f.s.DeleteUser(f.ctx(), "cli", alice), Conflict)
	f.refused(f.s.DisableUser(f.ctx(), "cli", alice), Conflict) // BT-1: without a passkey bob's role has no effect
	f.givePasskeyByHandOut(bob)
	f.must(f.s.DisableUser(f.ctx(), "cli", alice))
	f.refused(f.s.DeleteUser(f.ctx(), "cli", bob), Conflict)
	f.must(f.s.DeleteUser(f.ctx(), "cli", alice))
}

// givePasskeyByHandOut is how somebody gets a passkey for whom the mailbox alone
// does not do.
func (f *fixture) givePasskeyByHandOut(addr string) *key {
	f.t.Helper()
	link, err := f.s.HandOut(f.ctx(), "cli", addr)
	f.must(err)
	_, raw, _ := strings.Cut(link, "#")
	b := f.newBrowser()
	got, err := f.s.AcceptInvite(f.ctx(), raw, b)
	f.must(err)
	b.Session = f.live(got.Token)
	return f.addKey(b)
}

func (f *fixture) makeAdmin(addr string) {
	f.t.Helper()
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		u, err := tx.UserByEmail(addr)
		if err != nil {
			return err
		}
		u.Admin = true
		return tx.PutUser(u)
	}))
}

func TestUsers_OperatorRevokesASession(t *testing.T) {
	f := newFixture(t)
	_, got := f.signIn(alice)
	f.refused(f.s.RevokeSession(f.ctx(), "cli", "nothing"), NotFound)
	f.must(f.s.RevokeSession(f.ctx(), "cli", got.Session.ID))
	if f.live(got.Token) != nil {
		t.Error("the session is good")
	}
	if a := f.audit(evSessionRevoked); len(a) != 2 || !slices.ContainsFunc(a, func(r *store.AuditRecord) bool {
		return r.Success && r.Actor == "cli" && r.Subject == got.User.ID
	}) {
		t.Errorf("the audit log has %+v", a)
	}
}
