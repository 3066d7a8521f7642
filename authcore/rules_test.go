package authcore

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// compiled is a policy, each of whose rules stands where its words say.
func compiled(t *testing.T, spec PolicySpec) *Policy {
	t.Helper()
	p, err := CompilePolicy(spec)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func line(at string, words ...string) []Line { return []Line{{words, at}} }

// blocks is an app for staff with a part for admins, one that guests may read,
// and one that is public to read.
func blocks(t *testing.T) *Policy {
	return compiled(t, PolicySpec{
		At: "app", Allow: line("allow staff", "group:staff"), Deny: line("deny eve", "user:eve"),
		Public: line("public", "/assets/*", "/healthz"),
		Paths: []PathSpec{
			{Path: "/admin/*", Rules: PolicySpec{At: "admin", Allow: line("allow admins", "group:admins")}},
			{Path: "/admin/help/*", Rules: PolicySpec{At: "help", Allow: line("allow all", "email:*@example.com")}},
			{Path: "/guest/*", Methods: []string{"get", "HEAD"}, Rules: PolicySpec{At: "guest", Allow: line("allow guests", "group:guests", "group:staff")}},
			{Path: "/assets/private/*", Rules: PolicySpec{At: "private"}},
			{Path: "/sla/", Rules: PolicySpec{At: "slash", Allow: line("allow slash", "group:slash")}},
			{Path: "/hook", Methods: []string{"POST"}, Rules: PolicySpec{At: "hook", Public: line("public hook", "/hook")}},
			{Path: "/Docs/*", Rules: PolicySpec{At: "docs", Allow: line("allow docs", "group:docs")}},
		},
	})
}

// decided is what a policy says of a request by one identity: "public",
// "allow" or "deny", and the line.
func decided(p *Policy, id *Identity, method, path, here string) string {
	var v view
	v.look(p, &Request{Method: method, Path: path, Here: here})
	if v.public {
		return "public by " + v.publicAt
	}
	at, _, ok := v.admits(id)
	if ok {
		return "allow by " + at
	}
	return "deny by " + at
}

func TestPolicy_TheMostSpecificPathDecides(t *testing.T) {
	p := blocks(t)
	staff := &Identity{Name: "sam", Email: "sam@example.com", Groups: []string{"staff"}}
	admin := &Identity{Name: "ada", Email: "ada@example.com", Groups: []string{"admins"}}
	guest := &Identity{Name: "gus", Email: "gus@example.org", Groups: []string{"guests"}}
	both := &Identity{Name: "bo", Email: "bo@example.org", Groups: []string{"admins", "staff"}}
	evil := &Identity{Name: "eve", Email: "eve@example.com", Groups: []string{"admins", "staff"}}
	for _, c := range []struct {
		id     *Identity
		method string
		path   string
		want   string
	}{
		{staff, "GET", "/", "allow by allow staff"},
		{admin, "GET", "/", "deny by allow staff"},
		{staff, "GET", "/admin/users", "deny by allow admins"},
		{staff, "GET", "/admin", "deny by allow admins"},
		{staff, "GET", "/admin/", "deny by allow admins"},
		{staff, "GET", "/administrator", "allow by allow staff"},
		{admin, "GET", "/admin/users", "allow by allow admins"}, // an inner allow replaces
		{evil, "GET", "/admin/users", "deny by deny eve"},       // an outer deny adds up
		{guest, "GET", "/admin/help/x", "deny by allow all"},
		{staff, "GET", "/admin/help/x", "allow by allow all"},
		{guest, "GET", "/guest/x", "allow by allow guests"},
		{guest, "HEAD", "/guest/x", "allow by allow guests"},
		{guest, "POST", "/guest/x", "deny by allow staff"}, // falls to the less specific
		{guest, "get", "/guest/x", "allow by allow guests"},
		{staff, "GET", "/assets/a.css", "public by public"},
		{guest, "GET", "/assets/private/a", "deny by allow staff"}, // more specific than what is public
		{staff, "GET", "/healthz", "public by public"},
		{staff, "POST", "/hook", "public by public hook"},
		{guest, "GET", "/hook", "deny by allow staff"},

		{staff, "GET", "/sla", "deny by allow slash"}, // as it is with a slash
		{staff, "GET", "/sla/", "deny by allow slash"},
		{staff, "GET", "/sla/x", "allow by allow staff"},

		// FA-6: who hides in another case must satisfy both.
		{staff, "GET", "/ADMIN/users", "deny by allow admins"},
		{admin, "GET", "/Admin/users", "deny by allow staff"},
		{both, "GET", "/Admin/users", "allow by allow staff"},
		{staff, "GET", "/docs/x", "deny by allow docs"},
		{staff, "GET", "/DOCS", "deny by allow docs"},
		{staff, "GET", "/%c5%bfecret", "allow by allow staff"},
		{staff, "GET", "/gue%c5%bft/x", "allow by allow staff"},    // ſ is an s to some
		{staff, "GET", "/adm%c4%b1n/x", "deny by allow admins"},    // ı is an i
		{staff, "GET", "/adm%c4%b0n/x", "deny by allow admins"},    // and so is İ
		{staff, "GET", "/%ef%bd%81dmin/x", "deny by allow admins"}, // a wide a
		{staff, "GET", "/admin./x", "deny by allow admins"},        // as Windows trims names
		{staff, "GET", "/admin%20/x", "deny by allow admins"},
		{staff, "GET", "/admin:$i30:$INDEX_ALLOCATION/x", "deny by allow admins"},
		{staff, "GET", "/x/admin/y:z", "allow by allow staff"},
		{guest, "CONNECT", "/guest/x", "allow by allow guests"}, // a WebSocket of HTTP/2
		{guest, "GET", "/gue%c5%bft/x", "deny by allow staff"},
		{staff, "GET", "/Assets/private/a", "allow by allow staff"},
		{guest, "GET", "/ASSETS/a.css", "deny by allow staff"}, // never public in another case
		{guest, "GET", "/Healthz", "deny by allow staff"},

		// FA-5: what is not canonical must satisfy every block.
		{staff, "GET", "/x/../y", "deny by allow admins"},
		{both, "GET", "/x/../y", "deny by allow all"},
		{staff, "GET", "/x%2fy", "deny by allow admins"},
		{staff, "GET", "//admin/users", "deny by allow admins"},
		{staff, "GET", "/admin;x/users", "deny by allow admins"},
		{staff, "GET", "/assets/%2e%2e/admin", "deny by allow admins"},
		{staff, "GET", "*", "deny by allow admins"},
		{staff, "GET", "", "deny by allow admins"},
	} {
		if got := decided(p, c.id, c.method, c.path, c.path); got != c.want {
			t.Errorf("%s %s as %s: %s, want %s", c.method, c.path, c.id.Name, got, c.want)
		}
	}
}

// FA-13: the original URI and the one at the guard's place must both be open.
func TestPolicy_TheStricterReadingWins(t *testing.T) {
	p := blocks(t)
	staff := &Identity{Name: "sam", Email: "sam@example.com", Groups: []string{"staff"}}
	for _, c := range []struct{ path, here, want string }{
		{"/x/admin/users", "/admin/users", "deny by allow admins"},
		{"/admin/users", "/users", "deny by allow admins"},
		{"/assets/a", "/a", "allow by allow staff"},
		{"/a", "/assets/a", "allow by allow staff"},
		{"/assets/a", "/assets/b", "public by public"},
		{"/assets/a", "/healthz", "public by public"},
		{"/a", "/b/../c", "deny by allow admins"},
	} {
		if got := decided(p, staff, "GET", c.path, c.here); got != c.want {
			t.Errorf("%s, here %s: %s, want %s", c.path, c.here, got, c.want)
		}
	}
}

func TestPolicy_NetworksAddUp_FA1(t *testing.T) {
	p := compiled(t, PolicySpec{
		Network: []Line{{[]string{"10.0.0.0/8", "2001:db8::/32"}, "office"}, {[]string{"192.0.2.7"}, "office"}},
		Public:  line("public", "/healthz"),
		Paths:   []PathSpec{{Path: "/admin/*", Rules: PolicySpec{Network: line("admins' room", "10.1.0.0/16")}}},
	})
	for _, c := range []struct{ client, path, want string }{
		{"10.2.3.4", "/", ""},
		{"192.0.2.7", "/", ""},
		{"2001:db8::1", "/", ""},
		{"192.0.2.8", "/", "office"},
		{"", "/", "office"}, // an unknown address is nowhere
		{"", "/healthz", "office"},
		{"10.1.2.3", "/admin/", ""},
		{"10.2.3.4", "/admin/", "admins' room"},
		{"192.0.2.7", "/admin/", "admins' room"},
		{"10.2.3.4", "/ADMIN/", "admins' room"},
		{"10.2.3.4", "/x//", "admins' room"},
	} {
		client, _ := netip.ParseAddr(c.client)
		var v view
		v.look(p, &Request{Method: "GET", Path: c.path, Here: c.path, Client: client})
		if at, ok := v.within(client); ok != (c.want == "") || at != c.want {
			t.Errorf("%s from %q: %v by %q, want %q", c.path, c.client, ok, at, c.want)
		}
	}
	if !p.AsksForClient() || blocks(t).AsksForClient() {
		t.Error("who looks at addresses is not told apart")
	}
}

func TestPolicy_ProofsAddUp_SE8(t *testing.T) {
	p := compiled(t, PolicySpec{
		Reauth: 12 * time.Hour, ReauthAt: "daily",
		Paths: []PathSpec{
			{Path: "/admin/*", Rules: PolicySpec{Require: line("strong", "passkey"), Reauth: time.Hour, ReauthAt: "hourly"}},
			{Path: "/any/*", Rules: PolicySpec{Require: []Line{{[]string{"passkey", "totp"}, "either"}}, Reauth: 24 * time.Hour, ReauthAt: "loose"}},
		},
	})
	const email, passkey, totp = bitEmail, bitEmail | bitPasskey | bitTrustedPasskey, bitEmail | bitTOTP | bitTrustedTOTP
	for _, c := range []struct {
		path string
		bits uint8
		age  time.Duration
		want string
	}{
		{"/", email, 12 * time.Hour, ""},
		{"/", email, 12*time.Hour + time.Second, "daily"},
		{"/admin/", email, 0, "strong"},
		{"/admin/", email | bitPasskey, 0, "strong"}, // one that does not count yet
		{"/admin/", totp, 0, "strong"},
		{"/admin/", passkey, 0, ""},
		{"/admin/", passkey, 61 * time.Minute, "hourly"},
		{"/any/", email, 0, "either"},
		{"/any/", totp, 0, ""},
		{"/any/", email | bitTOTP, 0, "either"},     // one that does not count yet
		{"/any/", passkey, 13 * time.Hour, "daily"}, // the stricter of both
		{"/any/", passkey, -time.Second, ""},
	} {
		var v view
		v.look(p, &Request{Method: "GET", Path: c.path, Here: c.path})
		if at, _, ok := v.shows(c.bits, c.age); ok != (c.want == "") || at != c.want {
			t.Errorf("%s with %b of %v: %v by %q, want %q", c.path, c.bits, c.age, ok, at, c.want)
		}
		if met := v.need().meets(c.bits, c.age); met != (c.want == "") {
			t.Errorf("%s with %b of %v: the need %+v is met %v", c.path, c.bits, c.age, v.need(), met)
		}
	}
	if n := p.NeedAt("/admin/x?y=/../z"); len(n.Require) != 1 || n.Require[0] != "passkey" || n.MaxAge != time.Hour {
		t.Errorf("a page of admins needs %+v", n)
	}
}

// Tokens are for programs: where a person's proof is asked for they are off
// unless the block says otherwise.
func TestPolicy_TokensAreOffWhereProofIsAskedFor(t *testing.T) {
	strong := line("strong", "passkey")
	p := compiled(t, PolicySpec{Paths: []PathSpec{
		{Path: "/strong/*", Rules: PolicySpec{Require: strong}},
		{Path: "/fresh/*", Rules: PolicySpec{Reauth: time.Hour}},
		{Path: "/both/*", Rules: PolicySpec{Require: strong, Tokens: On}},
		{Path: "/off/*", Rules: PolicySpec{Tokens: Off}},
	}})
	for path, want := range map[string]bool{"/": true, "/strong/": false, "/fresh/": false, "/both/": true, "/off/": false, "/OFF/": false, "/x//": false} {
		var v view
		if v.look(p, &Request{Method: "GET", Path: path, Here: path}); v.takesTokens() != want {
			t.Errorf("%s takes tokens: %v", path, !want)
		}
	}
	inherited := compiled(t, PolicySpec{Require: strong, Tokens: On, Paths: []PathSpec{{Path: "/x/*"}, {Path: "/y/*", Rules: PolicySpec{Reauth: time.Hour}}}})
	for path, want := range map[string]bool{"/": true, "/x/": true, "/y/": false} {
		var v view
		if v.look(inherited, &Request{Method: "GET", Path: path, Here: path}); v.takesTokens() != want {
			t.Errorf("below tokens on, %s takes them: %v", path, !want)
		}
	}
}

func TestPolicy_RefusesBlocksThatCannotBeMeant(t *testing.T) {
	path := func(specs ...PathSpec) PolicySpec { return PolicySpec{Paths: specs} }
	for want, spec := range map[string]PolicySpec{
		"begins with a slash":          path(PathSpec{Path: "admin/*"}),
		"stands only at the end":       path(PathSpec{Path: "/a*/b"}),
		"already":                      path(PathSpec{Path: "/a/*"}, PathSpec{Path: "/a/*"}),
		"by case only":                 path(PathSpec{Path: "/a/*"}, PathSpec{Path: "/A/*"}),
		"write names such as GET":      path(PathSpec{Path: "/a/*", Methods: []string{"GE T"}}),
		"is not below":                 path(PathSpec{Path: "/a/*", Rules: PolicySpec{Public: line("", "/b")}}),
		"of the app":                   path(PathSpec{Path: "/a/*", Rules: PolicySpec{Assertion: true}}),
		"write passkey, totp or both":  {Require: line("", "password")},
		"must be 1m or more":           {Reauth: time.Second},
		"an address or a network":      {Network: line("", "office")},
		"has bits beyond its length":   {Network: line("", "10.1.2.3/8")},
		"user: takes":                  path(PathSpec{Path: "/a/*", Rules: PolicySpec{Deny: line("", "user:a b")}}),
		"letters, digits and hyphens":  {Headers: map[string]string{"jwt": "X Jwt"}},
		"cannot both be called":        {Headers: map[string]string{"jwt": "Remote-User"}},
		"write one of user, sub, emai": {Headers: map[string]string{"session": "X-S"}},
	} {
		if _, err := CompilePolicy(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if _, err := CompilePolicy(path(PathSpec{Path: "/a/*", Methods: []string{"GET"}}, PathSpec{Path: "/a/*", Methods: []string{"POST"}}, PathSpec{Path: "/a/*"})); err != nil {
		t.Errorf("blocks for different methods: %v", err)
	}
}

func TestNeed_SurvivesTheAddressOfAStart(t *testing.T) {
	f := newFixture(t)
	app := f.app(appHost)
	for _, n := range []Need{{}, {Require: []string{"passkey"}}, {Require: []string{"passkey totp", "passkey"}, MaxAge: 12 * time.Hour}, {MaxAge: time.Minute}} {
		u := urlOf(t, StartURL(app, "/a?b=c", 1, n))
		if got := ParseNeed(u.Query()); sprint(got) != sprint(n) {
			t.Errorf("%+v came back as %+v from %s", n, got, u)
		}
	}
	for _, q := range []string{"require=password", "require=", "require=passkey+password", "max_age=-1", "max_age=x", "max_age=1", "max_age=99999999999", "require=" + strings.Repeat("&require=", 1000)} {
		if n := ParseNeed(urlOf(t, "/?"+q).Query()); !n.IsZero() {
			t.Errorf("%.40s asks for %+v", q, n)
		}
	}
}
