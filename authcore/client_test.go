package authcore

import (
	"testing"
	"time"
)

// CS-2: a page acts for its own client only, at every step. What it got for
// another would carry that one's name and audience.
func TestClient_PageOfAnotherIsNobody_CS2(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Clients = []APIClient{
			{ID: "spa", Title: "Spa", Origins: []string{"https://spa.example.com"}},
			{ID: "bank", Title: "Bank", Origins: []string{"https://bank.example.com"}, Audience: "https://api.bank.example.com"},
		}
	})
	f.addUser(alice)
	spa, bank := f.s.Client("spa"), f.s.Client("bank")
	for origin, want := range map[string]bool{
		"": true, "https://bank.example.com": true, portalOrigin: true,
		"https://spa.example.com": false, "null": false, "https://bank.example.com:444": false, "http://bank.example.com": false, "https://evil.example": false,
	} {
		if got := f.s.PageMayUse(bank, origin); got != want {
			t.Errorf("a page of %q may use bank: %v", origin, got)
		}
	}
	started, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Client: bank})
	f.must(err)
	code := f.lastMail().code
	_, err = f.s.VerifyAPICode(f.ctx(), started.Flow, code, spa.Origins[0], Client{})
	f.refused(err, FlowExpired)
	v, err := f.s.VerifyAPICode(f.ctx(), started.Flow, code, bank.Origins[0], Client{}) // it is still there
	f.must(err)
	tokens := v.API
	if c, err := f.s.verifyAccess(tokens.Access); err != nil || c.Audience != bank.Audience || c.ClientID != "bank" {
		t.Errorf("claims %+v, %v", c, err)
	}
	_, err = f.s.Refresh(f.ctx(), tokens.Refresh.Reveal(), spa.Origins[0], Client{})
	f.refused(err, TokenInvalid)
	for origin, want := range map[string]bool{spa.Origins[0]: false, bank.Origins[0]: true} {
		l, err := f.s.APISession(f.ctx(), tokens.SessionToken.Reveal(), origin)
		f.must(err)
		u, err := f.s.AccessUser(f.ctx(), tokens.Access, origin)
		f.must(err)
		if (l != nil) != want || (u != nil) != want {
			t.Errorf("from %s: session %v, access token %v", origin, l != nil, u != nil)
		}
	}
	next, err := f.s.Refresh(f.ctx(), tokens.Refresh.Reveal(), bank.Origins[0], Client{})
	f.must(err) // the refusal spent nothing
	f.clock.advance(refreshGrace + time.Second)
	_, err = f.s.Refresh(f.ctx(), tokens.Refresh.Reveal(), spa.Origins[0], Client{})
	f.refused(err, TokenReused) // RT-2: theft is theft, wherever it shows
	if l, err := f.s.APISession(f.ctx(), next.SessionToken.Reveal(), ""); err != nil || l != nil {
		t.Errorf("the session goes on: %v, %v", l, err)
	}
}

// A client that is taken out of the configuration gets nothing more, what it
// had begun included.
func TestClient_RemovedOneFinishesNothing_SE5(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	tokens := f.apiSignIn(alice, "spa")
	started, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Client: f.s.Client("spa")})
	f.must(err)
	code := f.lastMail().code
	for name, clients := range map[string][]APIClient{"another is left": {{ID: "cli", Title: "Cli"}}, "none is left": nil} {
		f.reload(portalConfig(t, func(c *Config) { c.Clients = clients }))
		_, err = f.s.VerifyAPICode(f.ctx(), started.Flow, code, "", Client{})
		f.refused(err, FlowExpired)
		if c, err := f.s.verifyAccess(tokens.Access); err == nil {
			t.Errorf("%s: the access token is good: %+v", name, c)
		}
	}
	f.reload(portalConfig(t))
	_, err = f.s.VerifyAPICode(f.ctx(), started.Flow, code, "", Client{})
	f.must(err) // the refusals spent nothing
}
