package authcore

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// What explain says is what requests get.
func TestExplain_AgreesWithCheck(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Apps[0] = appAt(t, appOrigin, PolicySpec{
			At: "Caddyfile:3", Public: line("Caddyfile:4", "/healthz"), Deny: line("Caddyfile:5", "user:"+eve),
			Paths: []PathSpec{
				{Path: "/admin/*", Rules: PolicySpec{At: "Caddyfile:6", Allow: line("Caddyfile:7", "group:admins")}},
				{Path: "/strong/*", Rules: PolicySpec{At: "Caddyfile:8", Require: line("Caddyfile:9", "passkey")}},
				{Path: "/fresh/*", Rules: PolicySpec{At: "Caddyfile:10", Reauth: time.Hour, ReauthAt: "Caddyfile:11"}},
				{Path: "/office/*", Rules: PolicySpec{At: "Caddyfile:12", Network: line("Caddyfile:13", "10.0.0.0/8")}},
			},
		})
	})
	f.addUser(eve)
	f.addUser(alice)
	f.addUser(bob, "admins")
	tokens := map[string]Token{}
	for _, who := range []string{alice, bob, eve} {
		b, _ := f.signIn(who)
		token, err := f.handOverOr(b.Session, appHost)
		if who == eve {
			f.refused(err, Forbidden)
			continue
		}
		f.must(err)
		tokens[who] = token
	}
	for _, path := range []string{"/", "/healthz", "/admin/x", "/ADMIN/x", "/strong/x", "/fresh/x", "/office/x", "/x/../y", "/%61dmin/x"} {
		for _, who := range []string{"", alice, bob} {
			for _, client := range []netip.Addr{{}, netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.0.2.1")} {
				e, err := f.s.Explain(f.ctx(), Question{Host: appHost, Path: path, Method: "GET", Client: client, Who: who, AMR: []string{AMREmail}})
				f.must(err)
				r := Request{Host: appHost, Path: path, Here: path, Method: "GET", Client: client}
				if who != "" {
					r.Cookies = f.cookies(f.app(appHost).Origin, tokens[who])
				}
				d := f.s.Check(f.ctx(), &r)
				got, want := fmt.Sprint(e.Verdict, e.Why, e.At, e.Public, e.Need), fmt.Sprint(d.Verdict, d.Why, d.At, d.Public, d.Need)
				if got != want {
					t.Errorf("%s as %q from %v: explained as %s, and is %s", path, who, client, got, want)
				}
			}
		}
	}
	for _, c := range []struct {
		q    Question
		want string
	}{
		{Question{Host: "other.example", Path: "/"}, "deny host "},
		{Question{Host: appHost, Path: "/strong/", Who: alice, AMR: []string{AMRPasskey}}, "allow allow Caddyfile:8"},
		{Question{Host: appHost, Path: "/fresh/", Who: alice, Age: 2 * time.Hour}, "step up reauth Caddyfile:11"},
		{Question{Host: appHost, Path: "/", Who: eve}, "deny deny Caddyfile:5"},
	} {
		e, err := f.s.Explain(f.ctx(), c.q)
		f.must(err)
		if got := fmt.Sprintf("%v %s %s", e.Verdict, e.Why, e.At); got != c.want {
			t.Errorf("%+v: %s, want %s", c.q, got, c.want)
		}
	}
	_, err := f.s.Explain(f.ctx(), Question{Host: appHost, Path: "/", Who: "nobody@example.com"})
	f.refused(err, NotFound)
	if e, err := f.s.Explain(f.ctx(), Question{Host: appHost, Path: "/x/../y"}); err != nil || e.Canonical || len(e.Blocks) != 5 {
		t.Errorf("%+v, %v", e, err)
	}
}

func (f *fixture) handOverOr(l *Live, host string) (Token, error) {
	nonce, err := f.s.NewToken()
	f.must(err)
	sealed, err := f.s.SealReturn(f.app(host), Return{Path: "/"}, nonce)
	f.must(err)
	r, app := f.s.OpenReturn(sealed)
	target, err := f.s.IssueTicket(f.ctx(), l, r, app)
	if err != nil {
		return "", err
	}
	got, err := f.s.RedeemTicket(f.ctx(), app, urlOf(f.t, target).Query().Get("ticket"), nonce, Client{})
	f.must(err)
	return got.Token, nil
}
