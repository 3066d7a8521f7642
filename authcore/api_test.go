package authcore

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestAPI_MailNamesTheClientAndHasNoLink(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	got, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Client: f.s.Client("spa")})
	f.must(err)
	m := f.lastMail()
	if m.link != "" || m.code == "" || m.Params[ParamClient] != "Example Web" || got.ExpiresIn != 10*time.Minute || got.Flow == "" {
		t.Errorf("mail is %+v, answer %+v", m, got)
	}
}

func TestAPI_SignInGivesThreeTokens(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	got := f.apiSignIn(alice, "spa")
	l, err := f.s.APISession(f.ctx(), got.SessionToken.Reveal(), "")
	f.must(err)
	if l == nil || l.User.Email != alice || l.Session.ClientID != "spa" || !l.Has(AMREmail) {
		t.Fatalf("session is %+v", l)
	}
	if me, err := f.s.AccessUser(f.ctx(), got.Access, ""); err != nil || me == nil || me.User.ID != l.User.ID {
		t.Errorf("the access token is %v, %v", me, err)
	}
	if got.Refresh == got.SessionToken {
		t.Error("two tokens are one")
	}
}

func TestAPI_CodeIsGoodOnceUnderConcurrency_EC2(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	got, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Client: f.s.Client("spa")})
	f.must(err)
	code := f.lastMail().code
	if won := f.race(func(int) error { _, err := f.s.VerifyAPICode(f.ctx(), got.Flow, code, "", Client{}); return err }); won != 1 {
		t.Errorf("%d of 50 sign-ins by one code succeeded", won)
	}
}

func TestAPI_ClientIsFoundByNameOrBecauseItIsTheOnlyOne(t *testing.T) {
	f := newFixture(t)
	if f.s.Client("spa") == nil || f.s.Client("nobody") != nil || f.s.Client("") != nil {
		t.Error("of two clients a nameless one is found, or a named one is not")
	}
	f.reload(portalConfig(t, func(c *Config) { c.Clients = c.Clients[:1] }))
	if c := f.s.Client(""); c == nil || c.ID != "spa" {
		t.Error("the only client is not found without a name")
	}
	f.reload(portalConfig(t, func(c *Config) { c.Clients = append(c.Clients, APIClient{ID: "default"}) }))
	if c := f.s.Client(""); c == nil || c.ID != "default" {
		t.Error("the default client is not found without a name")
	}
}

func TestRefresh_RotatesAndEndsTheTokensBefore_RT2(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	first := f.apiSignIn(alice, "spa")
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"staff"}))
	second, err := f.s.Refresh(f.ctx(), first.Refresh.Reveal(), "", Client{})
	f.must(err)
	if second.Refresh == first.Refresh || second.SessionToken == first.SessionToken || second.Session.ID != first.Session.ID {
		t.Error("the tokens did not rotate, or the session changed")
	}
	if len(second.User.Groups) != 1 {
		t.Error("RT-3: a refresh does not look at the user again")
	}
	if l, _ := f.s.APISession(f.ctx(), first.SessionToken.Reveal(), ""); l != nil {
		t.Error("the old session token still opens")
	}
	if l, _ := f.s.APISession(f.ctx(), second.SessionToken.Reveal(), ""); l == nil {
		t.Error("the new session token opens nothing")
	}
	if len(f.audit(evTokenRefreshed)) != 1 {
		t.Error("the audit log does not know")
	}
}

func TestRefresh_LostAnswerComesAgainWithinTheGrace_RT2(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	first := f.apiSignIn(alice, "spa")
	second, err := f.s.Refresh(f.ctx(), first.Refresh.Reveal(), "", Client{})
	f.must(err)
	f.clock.advance(refreshGrace)
	again, err := f.s.Refresh(f.ctx(), first.Refresh.Reveal(), "", Client{})
	f.must(err)
	if again.Refresh != second.Refresh || again.SessionToken != second.SessionToken {
		t.Error("the grace gives another successor")
	}
	if l, _ := f.s.APISession(f.ctx(), again.SessionToken.Reveal(), ""); l == nil {
		t.Error("the session ended")
	}
	if _, err := f.s.Refresh(f.ctx(), again.Refresh.Reveal(), "", Client{}); err != nil {
		t.Errorf("the successor is spent already: %v", err)
	}
}

func TestRefresh_ParallelUsesGetOneSuccessor_RT2(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	first := f.apiSignIn(alice, "spa")
	next := make([]Token, 50)
	won := f.race(func(i int) error {
		got, err := f.s.Refresh(f.ctx(), first.Refresh.Reveal(), "", Client{})
		if err == nil {
			next[i] = got.Refresh
		}
		return err
	})
	for _, n := range next {
		if n != next[0] {
			t.Fatal("one token has two successors")
		}
	}
	if rotations := len(f.audit(evTokenRefreshed)); won != 50 || rotations != 1 {
		t.Errorf("%d of 50 got an answer, of %d rotations; want all of one", won, rotations)
	}
}

func TestRefresh_ReuseEndsTheFamily_RT2(t *testing.T) {
	for name, reuse := range map[string]func(f *fixture, first, second *Tokens) Token{
		"after the grace": func(f *fixture, first, _ *Tokens) Token {
			f.clock.advance(refreshGrace + time.Second)
			return first.Refresh
		},
		"of one whose successor is spent": func(f *fixture, first, second *Tokens) Token {
			_, err := f.s.Refresh(f.ctx(), second.Refresh.Reveal(), "", Client{})
			f.must(err)
			return first.Refresh
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice)
			first := f.apiSignIn(alice, "spa")
			second, err := f.s.Refresh(f.ctx(), first.Refresh.Reveal(), "", Client{})
			f.must(err)
			spent := reuse(f, first, second)
			last := second
			if name != "after the grace" {
				last, err = f.s.Refresh(f.ctx(), second.Refresh.Reveal(), "", Client{}) // within its own grace
				f.must(err)
			}
			_, err = f.s.Refresh(f.ctx(), spent.Reveal(), "", Client{})
			f.refused(err, TokenReused)
			for _, token := range []Token{first.Refresh, second.Refresh, last.Refresh} {
				_, err = f.s.Refresh(f.ctx(), token.Reveal(), "", Client{})
				f.refused(err, TokenInvalid)
			}
			if l, _ := f.s.APISession(f.ctx(), last.SessionToken.Reveal(), ""); l != nil {
				t.Error("the session outlives its family")
			}
			if l, _ := f.s.AccessUser(f.ctx(), last.Access, ""); l != nil {
				t.Error("JW-4: the access token still says who is here")
			}
			reuses := 0
			for _, r := range f.audit(evRefreshFailed) {
				if r.Details["why"] == "reuse" && r.Subject == first.User.ID {
					reuses++
				}
			}
			if reuses != 1 {
				t.Errorf("the audit log knows of %d reuses", reuses)
			}
		})
	}
}

func TestRefresh_UnknownOrMangledTokenIsRefused(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	got := f.apiSignIn(alice, "spa")
	raw := got.Refresh.Reveal()
	for i := range raw {
		changed := []byte(raw)
		changed[i] ^= 1
		_, err := f.s.Refresh(f.ctx(), string(changed), "", Client{})
		f.refused(err, TokenInvalid)
	}
	for _, bad := range []string{"", raw + "=", raw + "\n", got.Access} {
		_, err := f.s.Refresh(f.ctx(), bad, "", Client{})
		f.refused(err, TokenInvalid)
	}
	if _, err := f.s.Refresh(f.ctx(), raw, "", Client{}); err != nil {
		t.Error(err)
	}
}

func TestRefresh_LifetimeIsAbsolute_RT1(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.RefreshTTL = 48 * time.Hour })
	f.addUser(alice)
	got := f.apiSignIn(alice, "spa")
	for range 4 {
		f.clock.advance(12 * time.Hour)
		next, err := f.s.Refresh(f.ctx(), got.Refresh.Reveal(), "", Client{})
		if err != nil {
			break
		}
		got = next
	}
	f.clock.advance(time.Second)
	_, err := f.s.Refresh(f.ctx(), got.Refresh.Reveal(), "", Client{})
	f.refused(err, TokenInvalid)
	if l, _ := f.s.APISession(f.ctx(), got.SessionToken.Reveal(), ""); l != nil {
		t.Error("the session token outlives its family")
	}
}

func TestRefresh_DiesWithItsSessionUserAndClient_SE5(t *testing.T) {
	for name, end := range map[string]func(f *fixture, l *Live){
		"signed out":            func(f *fixture, l *Live) { f.must(f.s.SignOutScope(f.ctx(), l, "this", Client{})) },
		"signed out everywhere": func(f *fixture, l *Live) { f.must(f.s.SignOutScope(f.ctx(), l, "all", Client{})) },
		"disabled":              func(f *fixture, _ *Live) { f.must(f.s.DisableUser(f.ctx(), "cli", alice)) },
		"deleted":               func(f *fixture, _ *Live) { f.must(f.s.DeleteUser(f.ctx(), "cli", alice)) },
		"client removed": func(f *fixture, _ *Live) {
			f.reload(portalConfig(f.t, func(c *Config) { c.Clients = c.Clients[1:] }))
		},
		"portal moved": func(f *fixture, _ *Live) {
			f.reload(portalConfig(f.t, func(c *Config) { c.Portal = originOf(f.t, "https://login.example.test") }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice)
			got := f.apiSignIn(alice, "spa")
			l, err := f.s.APISession(f.ctx(), got.SessionToken.Reveal(), "")
			f.must(err)
			end(f, l)
			_, err = f.s.Refresh(f.ctx(), got.Refresh.Reveal(), "", Client{})
			f.refused(err, TokenInvalid)
			if l, _ := f.s.APISession(f.ctx(), got.SessionToken.Reveal(), ""); l != nil {
				t.Error("the session token still opens")
			}
			if l, _ := f.s.AccessUser(f.ctx(), got.Access, ""); l != nil {
				t.Error("the access token still says who is here")
			}
		})
	}
}

func TestRefresh_KeptSessionKeepsItsFamily(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	mine, other := f.apiSignIn(alice, "spa"), f.apiSignIn(alice, "cli")
	l, err := f.s.APISession(f.ctx(), mine.SessionToken.Reveal(), "")
	f.must(err)
	f.must(f.s.SignOutScope(f.ctx(), l, "others", Client{}))
	_, err = f.s.Refresh(f.ctx(), other.Refresh.Reveal(), "", Client{})
	f.refused(err, TokenInvalid)
	if _, err := f.s.Refresh(f.ctx(), mine.Refresh.Reveal(), "", Client{}); err != nil {
		t.Errorf("signing out the others ended this one: %v", err)
	}
}

func TestRefresh_RecordsHoldNoToken(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	got := f.apiSignIn(alice, "spa")
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		var r refresh
		return tx.Peek(store.KindRefresh, got.Refresh.Hash(), &r)
	}))
	for name, value := range map[string]any{"tokens": got, "session": got.Session} {
		if s := sprint(value); contains(s, got.Refresh.Reveal()) || contains(s, got.SessionToken.Reveal()) {
			t.Errorf("LG-1: printed %s show a token", name)
		}
	}
}
