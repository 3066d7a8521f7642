package authcore

import (
	"strings"
	"testing"
)

func lines1(words ...string) []Line { return []Line{{words, "Caddyfile:5"}} }

func TestPolicy_AllowDenyAndDefault(t *testing.T) {
	staff := &Identity{Name: "ally", Email: alice, Groups: []string{"guests", "staff"}}
	for name, c := range map[string]struct {
		spec PolicySpec
		want bool
		at   string
	}{
		"nothing said":            {PolicySpec{At: "Caddyfile:4"}, true, "Caddyfile:4"},
		"group":                   {PolicySpec{Allow: lines1("group:staff")}, true, "Caddyfile:5"},
		"another group":           {PolicySpec{Allow: lines1("group:admins")}, false, "Caddyfile:5"},
		"part of a group":         {PolicySpec{Allow: lines1("group:staf")}, false, "Caddyfile:5"},
		"user":                    {PolicySpec{Allow: lines1("user:ally")}, true, "Caddyfile:5"},
		"user by address":         {PolicySpec{Allow: lines1("user:" + alice)}, false, "Caddyfile:5"},
		"address":                 {PolicySpec{Allow: lines1("email:" + alice)}, true, "Caddyfile:5"},
		"address in another case": {PolicySpec{Allow: lines1("email:ALICE@EXAMPLE.COM")}, true, "Caddyfile:5"},
		"domain":                  {PolicySpec{Allow: lines1("email:*@example.com")}, true, "Caddyfile:5"},
		"parent domain":           {PolicySpec{Allow: lines1("email:*@com.example")}, false, "Caddyfile:5"},
		"end of a domain (EM-5)":  {PolicySpec{Allow: lines1("email:*@ample.com")}, false, "Caddyfile:5"},
		"domain below (EM-5)":     {PolicySpec{Allow: lines1("email:*@mail.example.com")}, false, "Caddyfile:5"},
		"any of several":          {PolicySpec{Allow: lines1("user:bob", "group:staff")}, true, "Caddyfile:5"},
		"deny wins":               {PolicySpec{Allow: lines1("group:staff"), Deny: []Line{{[]string{"user:ally"}, "Caddyfile:9"}}}, false, "Caddyfile:9"},
		"deny by address, of somebody who was named since": {PolicySpec{Deny: lines1("user:" + alice)}, false, "Caddyfile:5"},
		"deny of somebody else":                            {PolicySpec{Deny: lines1("user:eve"), At: "Caddyfile:4"}, true, "Caddyfile:4"},
		"deny of a domain":                                 {PolicySpec{Deny: lines1("email:*@example.com")}, false, "Caddyfile:5"},
		"a group like the address":                         {PolicySpec{Allow: lines1("group:" + "ally")}, false, "Caddyfile:5"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := CompilePolicy(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			if at, _, ok := p.admits(staff); ok != c.want || at != c.at {
				t.Errorf("admits %v by %q, want %v by %q", ok, at, c.want, c.at)
			}
		})
	}
}

func TestPolicy_UnknownMatcherNeverMatches_FA10(t *testing.T) {
	p := rules{allow: []matcher{{kind: "network", value: "10.0.0.0/8"}}}
	if _, _, ok := p.admits(&Identity{Name: "10.0.0.0/8"}); ok {
		t.Error("a matcher of an unknown kind lets somebody in")
	}
}

func TestPolicy_BadWordsAreRefusedWithTheWord(t *testing.T) {
	for _, spec := range []PolicySpec{
		{Allow: lines1("alice")},
		{Allow: lines1("user:")},
		{Allow: lines1("user:a b")},
		{Allow: lines1("user:*")},
		{Allow: lines1("email:*bob@example.com")},
		{Allow: lines1("email:**@example.com")},
		{Allow: lines1("group:Staff")},
		{Allow: lines1("group:a,b")},
		{Allow: lines1("group:")},
		{Allow: lines1("email:*")},
		{Allow: lines1("email:*@*.com")},
		{Allow: lines1("email:@example.com")},
		{Allow: lines1("email:a@b@c.com")},
		{Allow: lines1("User:alice")},
		{Deny: lines1("role:admin")},
		{Public: lines1("healthz")},
		{Public: lines1("/a/../b")},
		{Public: lines1("/%61")},
		{Public: lines1("")},
	} {
		word := append(append(spec.Allow, spec.Deny...), spec.Public...)[0].Words[0]
		if _, err := CompilePolicy(spec); err == nil || !strings.Contains(err.Error(), `"`+word+`"`) {
			t.Errorf("%q: %v", word, err)
		}
	}
}

func TestPolicy_PublicIsCanonicalAndCaseSensitive_FA5(t *testing.T) {
	p, err := CompilePolicy(PolicySpec{Public: lines1("/healthz", "/assets/*")})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/healthz": true, "/assets/": true, "/assets/a.css": true, "/assets/a/b": true,
		"/": false, "/Healthz": false, "/healthz/": false, "/healthz/x": false, "/assets": false, "/ASSETS/a": false, "/assetsx": false,
		"/assets/../admin": false, "/assets/%2e%2e/admin": false, "/assets/..%2fadmin": false, "/assets//admin": false, "/assets/./a": false,
		"/assets/a;x=1": false, "/assets/%2561": false, "/assets/a%00": false, `/assets/a\b`: false, "/assets/a%5cb": false,
		"/assets/%ff": false, "/assets/%zz": false, "": false, "assets/a": false, "*": false, "//healthz": false,
	} {
		var v view
		if v.look(&p, &Request{Path: path, Here: path, Method: "GET"}); v.public != want {
			t.Errorf("%q: public %v by %q, want %v", path, v.public, v.publicAt, want)
		}
	}
}

func TestNames_GrammarLeavesNoWayToLookLikeTwo_HD4(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "a.b_c-9": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "A": false, "a b": false, "a,b": false, "a@b": false, "ä": false, "a\n": false, "a;b": false, "a%": false,
	} {
		if ValidName(name) != want || ValidGroup(name) != want {
			t.Errorf("%q: valid %v, want %v", name, !want, want)
		}
	}
}
