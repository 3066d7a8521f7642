package authcore

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// mint makes a token of the address's user; the grant's app is theirs.
func (f *fixture) mint(addr string, g Grant) string {
	f.t.Helper()
	token, _, err := f.s.CreateToken(f.ctx(), "cli", addr, g, "test", time.Hour)
	f.must(err)
	return token.Reveal()
}

func bearing(token, method, path string) *Request {
	return &Request{Host: appHost, Path: path, Here: path, Method: method, Authorization: []string{"Bearer " + token}}
}

func TestToken_OpensWhatItsGrantSaysAndNothingElse(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Apps[0] = appAt(t, appOrigin, PolicySpec{
			At: "Caddyfile:3", Public: line("Caddyfile:4", "/healthz"), Deny: line("Caddyfile:5", "user:"+eve),
			Paths: []PathSpec{
				{Path: "/admin/*", Rules: PolicySpec{At: "Caddyfile:6", Allow: line("Caddyfile:7", "group:admins")}},
				{Path: "/strong/*", Rules: PolicySpec{At: "Caddyfile:8", Require: line("Caddyfile:9", "passkey")}},
				{Path: "/machine/*", Rules: PolicySpec{At: "Caddyfile:10", Require: line("Caddyfile:11", "passkey"), Tokens: On}},
				{Path: "/people/*", Rules: PolicySpec{At: "Caddyfile:12", Tokens: Off}},
			},
		})
	})
	b, _ := f.signIn(alice)
	session := f.handOver(b.Session, appHost)
	all := f.mint(alice, Grant{App: appHost})
	dav := f.mint(alice, Grant{App: appHost, Path: "/dav/*", Methods: []string{"GET", "PUT"}, Networks: []string{"10.0.0.0/8"}})
	wiki := Grant{App: wikiHost}
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"staff"}))
	other := f.mint(alice, wiki)
	at := func(r *Request, client string) *Request {
		r.Client = netip.MustParseAddr(client)
		return r
	}
	with := func(r *Request, change func(*Request)) *Request {
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		r    *Request
		want string
	}{
		"Bearer":                     {bearing(all, "GET", "/"), "allow by Caddyfile:3"},
		"in another case":            {with(bearing(all, "GET", "/"), func(r *Request) { r.Authorization[0] = "bEARER " + all }), "allow by Caddyfile:3"},
		"Basic":                      {with(bearing(all, "GET", "/"), func(r *Request) { r.Authorization[0] = basic("whoever:" + all) }), "allow by Caddyfile:3"},
		"admins only":                {bearing(all, "GET", "/admin/"), "deny by Caddyfile:7"},
		"where a passkey is asked":   {bearing(all, "GET", "/strong/"), "deny by Caddyfile:8"},
		"but for tokens":             {bearing(all, "GET", "/machine/"), "allow by Caddyfile:10"},
		"off":                        {bearing(all, "GET", "/people/"), "deny by Caddyfile:12"},
		"public":                     {bearing(all, "GET", "/healthz"), "allow by Caddyfile:4"},
		"another app's":              {bearing(other, "GET", "/"), "bad token by "},
		"another app's, public":      {bearing(other, "GET", "/healthz"), "bad token by "},
		"in its path":                {at(bearing(dav, "PUT", "/dav/x"), "10.1.2.3"), "allow by Caddyfile:3"},
		"outside its path":           {at(bearing(dav, "GET", "/davx"), "10.1.2.3"), "deny by "},
		"by another method":          {at(bearing(dav, "DELETE", "/dav/x"), "10.1.2.3"), "deny by "},
		"from elsewhere":             {at(bearing(dav, "GET", "/dav/x"), "192.0.2.7"), "deny by "},
		"from who knows where":       {bearing(dav, "GET", "/dav/x"), "deny by "},
		"by a path without a form":   {at(bearing(dav, "GET", "/dav/../x"), "10.1.2.3"), "deny by Caddyfile:3"},
		"from a page elsewhere":      {with(bearing(all, "GET", "/"), func(r *Request) { r.Site = "cross-site" }), "bad token by "},
		"with the origin of a page":  {with(bearing(all, "GET", "/"), func(r *Request) { r.Origin = "https://evil.example" }), "bad token by "},
		"with the app's own":         {with(bearing(all, "GET", "/"), func(r *Request) { r.Origin = appOrigin }), "allow by Caddyfile:3"},
		"as the browser says":        {with(bearing(all, "GET", "/"), func(r *Request) { r.Site, r.Origin = "same-origin", "null" }), "allow by Caddyfile:3"},
		"a byte short":               {bearing(all[:len(all)-1], "GET", "/"), "bad token by "},
		"a byte changed":             {bearing(all[:9]+string(all[9]^1)+all[10:], "GET", "/"), "bad token by "},
		"in capitals":                {with(bearing(all, "GET", "/"), func(r *Request) { r.Authorization[0] = "Bearer PWL_" + all[4:] }), "sign in by Caddyfile:3"},
		"twice":                      {with(bearing(all, "GET", "/"), func(r *Request) { r.Authorization = append(r.Authorization, r.Authorization[0]) }), "bad token by "},
		"beside another":             {with(bearing(all, "GET", "/"), func(r *Request) { r.Authorization = append(r.Authorization, "Basic eDp5") }), "bad token by "},
		"bad, with a good cookie":    {with(bearing(all[:len(all)-1], "GET", "/"), func(r *Request) { r.Cookies = f.cookies(f.app(appHost).Origin, session) }), "bad token by "},
		"not ours, with a cookie":    {with(bearing("x", "GET", "/"), func(r *Request) { r.Cookies = f.cookies(f.app(appHost).Origin, session) }), "allow by Caddyfile:3"},
		"as a cookie":                {&Request{Host: appHost, Path: "/", Here: "/", Cookies: []string{"__Host-passwordless=" + all}}, "sign in by Caddyfile:3"},
		"the session as a token":     {bearing("pwl_"+session.Reveal(), "GET", "/"), "bad token by "},
		"the session as a Bearer":    {bearing(session.Reveal(), "GET", "/"), "sign in by Caddyfile:3"},
		"of the wiki, at the portal": {with(bearing(all, "GET", "/"), func(r *Request) { r.Host = portalHost }), "deny by "},
	} {
		d := f.s.Check(f.ctx(), c.r)
		if got := fmt.Sprintf("%v by %s", d.Verdict, d.At); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if ours := HoldsToken(c.r.Authorization); d.App != nil && d.Token != ours {
			t.Errorf("%s: the app would see the token", name)
		}
	}
	if l := f.live(Token(all)); l != nil {
		t.Error("a token opens the portal")
	}
}

// SE-5: a token dies with what it rests on, and is good for nobody else.
func TestToken_DiesWithItsUser(t *testing.T) {
	for name, end := range map[string]func(*fixture){
		"disabled":              func(f *fixture) { f.must(f.s.DisableUser(f.ctx(), "cli", alice)) },
		"deleted":               func(f *fixture) { f.must(f.s.DeleteUser(f.ctx(), "cli", alice)) },
		"signed out everywhere": func(f *fixture) { f.must(f.s.SignOutUser(f.ctx(), "cli", alice)) },
		"expired":               func(f *fixture) { f.clock.advance(time.Hour) },
		"revoked": func(f *fixture) {
			list, err := f.s.ListTokens(f.ctx(), alice)
			f.must(err)
			f.must(f.s.RevokeToken(f.ctx(), "cli", list[0].ID))
		},
		"denied since": func(f *fixture) {
			f.reload(portalConfig(f.t, func(c *Config) { c.Apps[0] = appAt(f.t, appOrigin, PolicySpec{Deny: lines1("user:" + alice)}) }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.signIn(alice)
			r := bearing(f.mint(alice, Grant{App: appHost}), "GET", "/")
			if d := f.s.Check(f.ctx(), r); d.Verdict != Allow || d.Identity.Email != alice {
				t.Fatalf("%+v", d)
			}
			stream := f.watchRequest(*r)
			end(f)
			if d := f.s.Check(f.ctx(), r); d.Verdict == Allow {
				t.Error("it lives on")
			}
			if name != "expired" && stream.cut.Load() == 0 { // that is seen with the next round
				t.Error("its stream lives on")
			}
		})
	}
}

func TestToken_StoreThatDoesNotAnswer_FA10(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	r := bearing(f.mint(alice, Grant{App: appHost}), "GET", "/")
	f.breakViews(errors.New("down"))
	if d := f.s.Check(f.ctx(), r); d.Verdict != Unavailable || d.Err == nil {
		t.Errorf("%+v", d)
	}
	f.breakViews(nil)
	if d := f.s.Check(f.ctx(), r); d.Verdict != Allow {
		t.Fatalf("%+v", d)
	}
	f.breakViews(errors.New("down"))
	if d := f.s.Check(f.ctx(), r); d.Verdict != Allow { // it is cached, as sessions are
		t.Errorf("%+v", d)
	}
}

func TestToken_SaysWhereOneWouldHelp(t *testing.T) {
	for on, f := range map[bool]*fixture{
		true:  newFixture(t),
		false: newFixture(t, func(c *Config) { c.Apps[0] = appAt(t, appOrigin, PolicySpec{Tokens: Off}) }),
	} {
		if d := f.check(appHost, "/", ""); d.TokensHere != on {
			t.Errorf("tokens on %v: %+v", on, d)
		}
	}
	side := newSidecar(t)
	if d := side.s.Check(side.ctx(), &Request{Host: "app.localhost", Path: "/", Here: "/"}); d.TokensHere {
		t.Error("a sidecar offers tokens")
	}
}
