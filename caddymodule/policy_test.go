package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// policyBlock is every kind of rule that can decide, each on a line of its own.
const policyBlock = `public /healthz
allow group:staff
deny user:eve
network 127.0.0.0/8 10.0.0.0/8
path /admin/* {
	methods POST DELETE
	allow group:admins
}
path /ops/* {
	allow group:ops
	deny user:bob
	network 10.0.0.0/8
}
path /secret {
	require passkey
}
path /fresh/* {
	reauth 1m
	public /fresh/air
}`

// lineOf is where a text stands in a Caddyfile.
func lineOf(t *testing.T, caddyfile, text string) string {
	t.Helper()
	before, _, ok := strings.Cut(caddyfile, text)
	if !ok {
		t.Fatalf("no %q in\n%s", text, caddyfile)
	}
	return fmt.Sprintf("Caddyfile:%d", 1+strings.Count(before, "\n"))
}

// BT-2: what a decision names is the line that somebody can change.
func TestGuard_DecisionsNameTheirLine(t *testing.T) {
	s := newSite(t, policyBlock, "")
	bob, _ := s.signIn(t, authcore.NewUser{Email: "bob@example.com", Name: "bob", Groups: []string{"admins", "staff", "ops"}})
	eve, _ := s.signIn(t, authcore.NewUser{Email: "eve@example.com", Name: "eve", Groups: []string{"staff"}})
	here, text := netip.MustParseAddr("127.0.0.1"), s.caddyfile()
	for _, tc := range []struct {
		cookie, method, path string
		client               netip.Addr
		verdict              authcore.Verdict
		line                 string
	}{
		{"", "GET", "/", here, authcore.SignIn, "passwordless_guard {"},
		{"", "GET", "/healthz", here, authcore.Allow, "public /healthz"},
		{"", "GET", "/healthz", netip.MustParseAddr("192.0.2.1"), authcore.Deny, "network 127.0.0.0/8"},
		{"", "GET", "/healthz", netip.Addr{}, authcore.Deny, "network 127.0.0.0/8"}, // FA-1: unknown is nowhere
		{s.cookie, "GET", "/", here, authcore.Allow, "allow group:staff"},
		{eve, "GET", "/", here, authcore.Deny, "deny user:eve"},
		{s.cookie, "GET", "/admin/x", here, authcore.Allow, "allow group:staff"}, // GET is not limited
		{s.cookie, "post", "/admin/x", here, authcore.Deny, "allow group:admins"},
		{s.cookie, "DELETE", "/admin", here, authcore.Deny, "allow group:admins"},
		{s.cookie, "POST", "/ADMIN/x", here, authcore.Deny, "allow group:admins"},        // FA-6
		{s.cookie, "POST", "/x/../admin/x", here, authcore.Deny, "network 10.0.0.0/8\n"}, // FA-5: all blocks hold
		{bob, "POST", "/admin/x", here, authcore.Allow, "allow group:admins"},            // in place of the app's
		{"", "POST", "/admin/x", here, authcore.SignIn, "path /admin/*"},                 // the block that decides
		{s.cookie, "GET", "/ops/", here, authcore.Deny, "network 10.0.0.0/8\n"},          // both networks hold
		{s.cookie, "GET", "/ops/", netip.MustParseAddr("10.1.1.1"), authcore.Allow, "allow group:ops"},
		{bob, "GET", "/ops/", netip.MustParseAddr("10.1.1.1"), authcore.Deny, "deny user:bob"},
		{s.cookie, "HEAD", "/secret", here, authcore.StepUp, "require passkey"},
		{s.cookie, "GET", "/fresh/x", here, authcore.Allow, "allow group:staff"},
		{"", "GET", "/fresh/air", here, authcore.Allow, "public /fresh/air"},
	} {
		d := s.service().Check(t.Context(), &authcore.Request{
			Host: "app.example.test:" + s.port, Path: tc.path, Here: tc.path, Method: tc.method, Client: tc.client, Cookies: []string{tc.cookie},
		})
		if want := lineOf(t, text, tc.line); d.Verdict != tc.verdict || d.At != want {
			t.Errorf("%s %s from %v: %v by %s, want %v by %s (%s)", tc.method, tc.path, tc.client, d.Verdict, d.At, tc.verdict, want, tc.line)
		}
	}
}

// An app behind another proxy decides by its block, with no guard anywhere.
func TestApp_DecidesByItsBlock(t *testing.T) {
	s := &site{upstream: newUpstream(t), port: freePort(t), dir: t.TempDir()}
	block := "portal https://auth.example.test\nproxy traefik 172.18.0.2\napp wiki.example.org {\n" + policyBlock + "\n}\napp *.example.net:8443\n"
	text := strings.Replace(s.caddyfile(), "passwordless {\n", "passwordless {\n"+block, 1)
	text += "http://:" + freePort(t) + " {\npasswordless_portal\n}\n"
	s.app = run(t, text)
	s.issued(t)
	for _, tc := range []struct {
		host, path string
		verdict    authcore.Verdict
		at, origin string
	}{
		{"wiki.example.org", "/", authcore.SignIn, lineOf(t, text, "app wiki.example.org"), "https://wiki.example.org"},
		{"WIKI.example.org:443", "/healthz", authcore.Allow, lineOf(t, text, "public /healthz"), "https://wiki.example.org"},
		{"a.example.net", "/", authcore.SignIn, lineOf(t, text, "app *.example.net"), "https://a.example.net:8443"},
		{"a.b.example.net", "/", authcore.Deny, "", ""},
		{"example.net", "/", authcore.Deny, "", ""},
		{"auth.example.test", "/", authcore.Deny, "", ""},
	} {
		d := s.service().Check(t.Context(), &authcore.Request{Host: tc.host, Path: tc.path, Here: tc.path, Method: "GET", Client: netip.MustParseAddr("10.0.0.1")})
		origin := ""
		if d.App != nil {
			origin = d.App.Origin.String()
		}
		if d.Verdict != tc.verdict || d.At != tc.at || origin != tc.origin {
			t.Errorf("%s%s: %v by %q for %q", tc.host, tc.path, d.Verdict, d.At, origin)
		}
	}
}

// JSON of one's own has no lines, so rules say their own words.
func TestPolicy_RulesWithoutAPlaceNameThemselves(t *testing.T) {
	var p Policy
	if err := json.Unmarshal([]byte(`{"allow":["group:a"],"path":[{"path":"/x/*","network":["10.0.0.0/8"],"require":[["passkey","totp"]],"reauth":"1h"}]}`), &p); err != nil {
		t.Fatal(err)
	}
	spec := p.spec("app")
	inner := spec.Paths[0].Rules
	got := []string{spec.At, spec.Allow[0].At, inner.At, inner.Network[0].At, inner.Require[0].At, inner.ReauthAt}
	want := []string{"app", "allow group:a", "path /x/*", "path /x/* network 10.0.0.0/8", "path /x/* require passkey totp", "path /x/* reauth"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Two guards of a host are the same only if every rule is, wherever they stand.
func TestPolicy_SameMeansEveryRule(t *testing.T) {
	parse := func(text string) *Policy {
		p := new(Policy)
		if err := json.Unmarshal([]byte(text), p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, other := range []string{
		`{"public":["/a"]}`, `{"allow":["user:a"]}`, `{"deny":["user:a"]}`, `{"network":["10.0.0.1"]}`, `{"require":[["passkey"]]}`, `{"reauth":"1h"}`,
		`{"tokens":true}`, `{"assertion":true}`, `{"headers":{"user":"off"}}`, `{"path":[{"path":"/a","deny":["user:b"]}]}`,
		`{"path":[{"path":"/a","methods":["GET"],"deny":["user:a"]}]}`,
	} {
		if parse(`{"path":[{"path":"/a","deny":["user:a"]}]}`).same(parse(other)) || !parse(other).same(parse(other)) {
			t.Errorf("%s", other)
		}
	}
	if !parse(`{"at":{"app":"a:1"},"path":[{"path":"/a","at":{"path":"a:2"}}]}`).same(parse(`{"path":[{"path":"/a"}]}`)) {
		t.Error("the place makes a difference")
	}
}

func TestProxy_PrefixesAndSocket(t *testing.T) {
	list, unix, err := Proxy{Kind: "caddy", From: []string{"172.18.0.2", "unix", "fd00::/64"}}.prefixes()
	if err != nil || !unix || fmt.Sprint(list) != "[172.18.0.2/32 fd00::/64]" {
		t.Errorf("%v %v %v", list, unix, err)
	}
	if _, _, err := (Proxy{Kind: "caddy", From: []string{"private_ranges"}}).prefixes(); err == nil {
		t.Error("private_ranges was accepted")
	}
}

// FA-1: everybody in pieces is everybody.
func TestCatchAll(t *testing.T) {
	for s, want := range map[string]bool{
		"0.0.0.0/0": true, "0.0.0.0/1": true, "128.0.0.0/1": true, "64.0.0.0/7": true, "10.0.0.0/8": false, "172.18.0.2/32": false, "::ffff:0.0.0.0/97": true, "::ffff:10.0.0.0/104": false,
		"::/0": true, "::/1": true, "8000::/1": true, "2000::/3": true, "2a00::/15": true, "2001::/16": false, "fc00::/6": true, "fc00::/7": false, "fd00::/8": false, "fe80::/10": true,
	} {
		if got := CatchAll(netip.MustParsePrefix(s)); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}
