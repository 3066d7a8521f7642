package authcore

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestSetDisplayName_IsSeenAtOnce(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	f.allowed(appHost, app)
	for _, name := range []string{strings.Repeat("鍵", 64), "Alice", "می\u200cخواهم", "👩\u200d💻", ""} {
		f.must(f.s.SetDisplayName(f.ctx(), b.Session, name, b.Client))
		if d := f.check(appHost, "/", app); d.Identity.DisplayName != name {
			t.Errorf("the app sees %q, want %q", d.Identity.DisplayName, name)
		}
	}
	for _, name := range []string{strings.Repeat("a", 65), " Alice", "Alice ", "A\x00", "A\nB", "A\u0085B", "\xff", "A\u202eB", "A\u2066B", "A\u200bB", "\ufeffA", "A\u2028B", "A\u200f", "A\u061c", "A\U000e0041"} {
		f.refused(f.s.SetDisplayName(f.ctx(), b.Session, name, b.Client), NameInvalid)
	}
	f.clock.advance(stepUpAge + time.Second)
	f.refused(f.s.SetDisplayName(f.ctx(), b.Session, "Eve", b.Client), StepUpRequired)
}

func TestHistory_IsOnesOwnNewestFirstInPages(t *testing.T) {
	f := newFixture(t)
	f.signIn(bob)
	b, _ := f.signIn(alice)
	for range 5 {
		f.clock.advance(time.Second)
		f.must(f.s.SetDisplayName(f.ctx(), b.Session, "Alice", b.Client))
	}
	u := b.Session.User
	all, older, err := f.s.History(f.ctx(), u, "", 100)
	f.must(err)
	if older != "" {
		t.Errorf("there is more before %s", older)
	}
	if len(all) < 8 {
		t.Fatalf("%d records", len(all))
	}
	var paged []*store.AuditRecord
	for before := ""; ; {
		page, older, err := f.s.History(f.ctx(), u, before, 3)
		f.must(err)
		paged = append(paged, page...)
		if before = older; before == "" {
			break
		}
		if len(page) != 3 {
			t.Errorf("a page of %d before the last", len(page))
		}
	}
	if len(paged) != len(all) {
		t.Errorf("%d records in pages, %d at once", len(paged), len(all))
	}
	for i, r := range all {
		if r.Subject != u.ID || r.ID != paged[i].ID || i > 0 && r.ID >= all[i-1].ID {
			t.Errorf("record %d is %+v", i, r)
		}
	}
}

// That a ceremony began says nothing to its owner. It stays in the audit log and
// in their copy of it, and neither hides what is older nor ends a page early.
func TestHistory_TellsNotWhatOnlyBegan(t *testing.T) {
	f := newFixture(t)
	b, k, _ := f.owned()
	begin := func(n int) {
		for range n {
			f.clock.advance(time.Second) // ids of one moment are in no order
			_, err := f.s.BeginAddPasskey(f.ctx(), b)
			f.must(err)
		}
	}
	f.clock.advance(time.Second)
	f.must(f.s.SetDisplayName(f.ctx(), b.Session, "Alice", b.Client))
	u, began := b.Session.User, len(f.audit(evRegisterStarted))
	all, _, err := f.s.History(f.ctx(), u, "", 1000)
	f.must(err)
	begin(3*3 + 2)
	f.clock.advance(time.Second)
	f.must(f.s.RenamePasskey(f.ctx(), b.Session, k.cred.ID, "Laptop", b.Client))
	page, older, err := f.s.History(f.ctx(), u, "", 2)
	f.must(err)
	if len(page) != 2 || page[0].Type != evPasskeyRenamed || page[1].ID != all[0].ID || older != page[1].ID {
		t.Errorf("%d records, older %q: %+v", len(page), older, page)
	}
	begin(historyReads*2 + 2) // more than one page reads through
	page, older, err = f.s.History(f.ctx(), u, "", 1)
	f.must(err)
	if len(page) != 0 || older == "" {
		t.Errorf("%d records, older %q", len(page), older)
	}
	if page, _, err = f.s.History(f.ctx(), u, older, 1); err != nil || len(page) != 1 || page[0].Type != evPasskeyRenamed {
		t.Errorf("it goes on with %+v, %v", page, err)
	}
	got, err := f.s.Export(f.ctx(), b.Session, b.Client)
	f.must(err)
	kept := slices.DeleteFunc(got.History, func(e ExportEvent) bool { return e.Type != evRegisterStarted })
	if n := began + 11 + historyReads*2 + 2; len(kept) != n || len(f.audit(evRegisterStarted)) != n {
		t.Errorf("the copy has %d, the log %d", len(kept), len(f.audit(evRegisterStarted)))
	}
}

// Each line about a passkey says which, by the name of that time.
func TestAudit_SaysWhichPasskeyItWas(t *testing.T) {
	f := newFixture(t)
	b, k, _ := f.owned()
	f.must(f.s.RenamePasskey(f.ctx(), b.Session, k.cred.ID, "Laptop", b.Client))
	f.stepUp(&b, k)
	f.must(f.s.RemovePasskey(f.ctx(), b.Session, k.cred.ID, b.Client))
	for typ, want := range map[string]string{
		evRegisterCompleted: "My key", evPasskeyRenamed: "Laptop", evLoginCompleted: "Laptop", evPasskeyRemoved: "Laptop",
	} {
		if a := f.audit(typ); len(a) == 0 || a[0].Details[detailPasskey] != want {
			t.Errorf("%s is of %+v, want %s", typ, a, want)
		}
	}
}

// AD-4: a copy of what is kept, and nothing that opens anything.
func TestExport_HasEverythingButSecrets_AD4(t *testing.T) {
	f := newFixture(t)
	f.rand.kept = [][]byte{}
	b, k, a := f.owned()
	codes := f.printed(b)
	token, _, err := f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost, Path: "/dav/*"}, "Backup", time.Hour, b.Client)
	f.must(err)
	f.apiSignInTOTP(alice, a)
	got, err := f.s.Export(f.ctx(), b.Session, b.Client)
	f.must(err)
	out, err := json.Marshal(got)
	f.must(err)
	for _, part := range []string{`"email":"` + alice, `"My key"`, `"app=` + appHost + `,path=/dav/*"`, `"totp":{"created_at"`, `"recovery_codes":{"left":10,"made":10,"low":false}`, `"session_created"`, `"client_id":"cli"`} {
		if !contains(string(out), part) {
			t.Errorf("it lacks %s: %s", part, out)
		}
	}
	if len(got.Passkeys) != 1 || len(got.Sessions) != 2 || len(got.Tokens) != 1 || len(got.History) < 10 {
		t.Errorf("it has %d passkeys, %d sessions, %d tokens, %d events", len(got.Passkeys), len(got.Sessions), len(got.Tokens), len(got.History))
	}
	u := f.user(alice)
	secrets := append(f.rand.kept, u.Handle, u.TOTP.Sealed, u.Recovery.Salt, k.cred.ID, a.secret, []byte(token.Reveal()))
	for _, c := range codes {
		secrets = append(secrets, []byte(c))
	}
	for _, sess := range f.sessions(alice) {
		secrets = append(secrets, sess.Hash[:])
	}
	for _, h := range u.Recovery.Left {
		secrets = append(secrets, h[:])
	}
	for _, s := range secrets {
		if len(s) < 16 {
			continue // ids
		}
		for _, spelled := range []string{
			string(s), base64.StdEncoding.EncodeToString(s), base64.RawURLEncoding.EncodeToString(s), hex.EncodeToString(s), totpEncoding.EncodeToString(s),
		} {
			if contains(string(out), spelled) && !isID(s) {
				t.Errorf("it has a secret of %d bytes", len(s))
			}
		}
	}
	if a := f.audit(evExported); len(a) != 1 || a[0].Subject != u.ID {
		t.Errorf("the audit log has %+v", a)
	}
	f.clock.advance(stepUpAge + time.Second)
	_, err = f.s.Export(f.ctx(), b.Session, b.Client)
	f.refused(err, StepUpRequired)
}

// isID: 128 random bits name users and sessions, and open nothing.
func isID(drawn []byte) bool { return len(drawn) == 16 }

// apiSignInTOTP signs the client cli in.
func (f *fixture) apiSignInTOTP(addr string, a *authApp) *Tokens {
	f.t.Helper()
	tokens, err := f.s.FinishAPISecond(f.ctx(), SecondTOTP, f.oweAPI(addr, "cli"), f.nextCode(a), "", Client{})
	f.must(err)
	return tokens
}

func TestDeleteSelf_EndsTheAccountForGood_SE9(t *testing.T) {
	f := newFixture(t)
	b, k, _ := f.owned()
	app := f.handOver(b.Session, appHost)
	token, _, err := f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "", 0, b.Client)
	f.must(err)
	raw := f.invite(NewUser{Email: alice}, false)
	id := b.Session.User.ID
	if !f.allowed(appHost, app) || f.bearer(token).Identity == nil {
		t.Fatal("the app is closed")
	}
	f.forgetMails()
	for _, typed := range []string{"", bob, "alice"} {
		f.refused(f.s.DeleteSelf(f.ctx(), b.Session, typed, b.Client), Conflict)
	}
	f.wantNotices(0)
	f.must(f.s.DeleteSelf(f.ctx(), b.Session, "Alice@example.com", b.Client))
	f.wantNotices(1)
	if f.live(f.tokenOf(b)) != nil || f.allowed(appHost, app) || f.bearer(token).Identity != nil {
		t.Error("something of the account opens")
	}
	if _, err := f.s.FindUser(f.ctx(), id); err == nil {
		t.Error("the account is there")
	}
	_, err = f.s.AcceptInvite(f.ctx(), raw, f.newBrowser())
	f.refused(err, InviteInvalid)
	c, err := f.s.BeginPasskey(f.ctx(), f.newBrowser())
	f.must(err)
	_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
	if _, ok := AsRefusal(err); !ok {
		t.Errorf("the passkey gave %v", err)
	}
	f.refused(f.s.DeleteSelf(f.ctx(), b.Session, alice, b.Client), Unauthenticated)
	if a := f.audit(evUserDeleted); len(a) != 1 || a[0].Actor != id || a[0].Subject != id {
		t.Errorf("the audit log has %+v", a)
	}
	again, in := f.signIn(alice) // whoever has the address by now
	if in.User.ID == id || !in.User.Unnamed || in.User.TOTP != nil || again.Session.User.Name == alice {
		t.Errorf("registered anew: %+v", in.User)
	}
}

// bearer is a request to the app with an access token.
func (f *fixture) bearer(token AccessToken) Decision {
	return f.s.Check(f.ctx(), &Request{Host: appHost, Path: "/", Here: "/", Method: "GET", Authorization: []string{"Bearer " + token.Reveal()}})
}

func TestDeleteSelf_IsRefused(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SelfDelete = "off" })
	b := f.equip(alice, "p")
	if f.s.MayDelete() {
		t.Error("the page offers it")
	}
	f.refused(f.s.DeleteSelf(f.ctx(), b.Session, alice, b.Client), MethodOff)
	f.reload(portalConfig(t))
	f.makeAdmin(alice)
	r := f.refused(f.s.DeleteSelf(f.ctx(), b.Session, alice, b.Client), Conflict) // the last admin
	if r.Detail == "" || f.live(f.tokenOf(b)) == nil {
		t.Errorf("refused with %+v", r)
	}
	f.addUser(bob)
	f.makeAdmin(bob)
	f.givePasskeyByHandOut(bob)
	mailed, _ := f.signIn(alice)
	f.refused(f.s.DeleteSelf(f.ctx(), mailed.Session, alice, b.Client), StepUpRequired) // SE-8
	f.must(f.s.DeleteSelf(f.ctx(), b.Session, alice, b.Client))
	for mode, want := range map[string]bool{"open": true, "invite": false, "closed": false} {
		f.reload(portalConfig(t, func(c *Config) { c.Registration.Mode = mode }))
		if f.s.MayDelete() != want {
			t.Errorf("registration %s: people may delete themselves: %v", mode, !want)
		}
	}
}
