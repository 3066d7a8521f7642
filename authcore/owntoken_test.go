package authcore

import (
	"testing"
	"time"
)

// DESIGN §6: what a policy keeps for a passkey is not had by a token that the
// mailbox alone made, and not before the passkey counts.
func TestOwnToken_NeedsWhatTheAppRequires(t *testing.T) {
	require := []Line{{Words: []string{"passkey"}}}
	f := newFixture(t, func(c *Config) {
		c.Apps = append(c.Apps, appAt(t, "https://safe.example.net", PolicySpec{Require: require, Tokens: On}),
			appAt(t, "https://part.example.net", PolicySpec{Paths: []PathSpec{{Path: "/safe/*", Rules: PolicySpec{Require: require, Tokens: On}}}}),
			appAt(t, "https://people.example.net", PolicySpec{Paths: []PathSpec{{Path: "/safe/*", Rules: PolicySpec{Require: require}}}}))
	})
	f.signIn(alice)
	f.clock.advance(time.Hour)
	b, _ := f.signIn(alice) // no first proof: what it adds waits
	create := func(b Browser, app string) error {
		_, _, err := f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: app}, "", 0, b.Client)
		return err
	}
	f.must(create(b, "people.example.net")) // where it is required, no token is taken
	f.must(create(b, appHost))
	f.refused(create(b, "safe.example.net"), Conflict)
	f.refused(create(b, "part.example.net"), Conflict)
	k := f.addKey(b)
	b = f.keySignIn(k) // too young to count
	f.refused(create(b, "safe.example.net"), Conflict)
	f.refused(create(b, "part.example.net"), Conflict)
	f.clock.advance(factorWait)
	b = f.keySignIn(k)
	f.must(create(b, "safe.example.net"))
	f.must(create(b, "part.example.net"))
}

func TestOwnToken_IsMadeForAppsThatAreOpenToOne(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	token, rec, err := f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "Backup", time.Hour, b.Client)
	f.must(err)
	if rec.CreatedBy != b.Session.User.ID || rec.AddedBy != b.Session.Session.ID || rec.Name != "Backup" {
		t.Errorf("stored is %+v", rec)
	}
	if d := f.bearer(token); d.Verdict != Allow || d.Identity.Email != alice {
		t.Errorf("the app answers %v", d.Verdict)
	}
	_, _, err = f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: wikiHost}, "", 0, b.Client) // group staff only
	f.refused(err, Conflict)
	_, _, err = f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: "other.example.test"}, "", 0, b.Client)
	f.refused(err, NotFound)
	_, _, err = f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost, Path: "x"}, "", 0, b.Client)
	f.refused(err, NameInvalid)
	_, _, err = f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "", -time.Second, b.Client)
	f.refused(err, Conflict)
	f.clock.advance(time.Second)
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"staff"}))
	_, _, err = f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: wikiHost}, "", 0, b.Client)
	f.must(err)
	if list, err := f.s.OwnTokens(f.ctx(), b.Session.User); err != nil || len(list) != 2 || list[0].ID != rec.ID {
		t.Errorf("the list has %+v, %v", list, err)
	}
	f.clock.advance(time.Hour + time.Second)
	if list, _ := f.s.OwnTokens(f.ctx(), b.Session.User); len(list) != 1 {
		t.Errorf("the list has %d, one is over", len(list))
	}
	if a := f.audit(evTokenCreated); len(a) != 2 || a[0].Actor != b.Session.User.ID {
		t.Errorf("the audit log has %+v", a)
	}
}

func TestOwnToken_NeedsAFreshStrongProof_SE8(t *testing.T) {
	f := newFixture(t)
	b := f.equip(alice, "p")
	mailed, _ := f.signIn(alice)
	_, _, err := f.s.CreateOwnToken(f.ctx(), mailed.Session, Grant{App: appHost}, "", 0, b.Client)
	f.refused(err, StepUpRequired)
	f.clock.advance(stepUpAge + time.Second)
	_, _, err = f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "", 0, b.Client)
	f.refused(err, StepUpRequired)
	s := newSidecar(t)
	in, _ := s.signIn(alice)
	_, _, err = s.s.CreateOwnToken(s.ctx(), in.Session, Grant{App: "app.localhost"}, "", 0, b.Client)
	s.refused(err, Forbidden)
}

func TestOwnToken_EndsAtOnceByItsOwnerOnly_AD2(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	token, rec, err := f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "", 0, b.Client)
	f.must(err)
	other, _ := f.signIn(bob)
	f.refused(f.s.RevokeOwnToken(f.ctx(), other.Session, rec.ID, b.Client), NotFound)
	f.refused(f.s.RevokeOwnToken(f.ctx(), b.Session, "nothing", b.Client), NotFound)
	if f.bearer(token).Verdict != Allow {
		t.Fatal("the token does not work")
	}
	f.clock.advance(stepUpAge + time.Second)
	f.refused(f.s.RevokeOwnToken(f.ctx(), b.Session, rec.ID, b.Client), StepUpRequired)
	b = f.renewByMail(b)
	f.must(f.s.RevokeOwnToken(f.ctx(), b.Session, rec.ID, b.Client))
	if f.bearer(token).Verdict != BadToken {
		t.Error("the token works")
	}
	f.refused(f.s.RevokeOwnToken(f.ctx(), b.Session, rec.ID, b.Client), NotFound)
	f.must(f.s.SignOut(f.ctx(), b))
	f.refused(f.s.RevokeOwnToken(f.ctx(), b.Session, rec.ID, b.Client), Unauthenticated)
}
