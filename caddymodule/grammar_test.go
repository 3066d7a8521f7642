package caddymodule

import (
	"strings"
	"testing"
)

// What is accepted is spelled the one way that it is written.
func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{"https://a.example", "https://a.example:8443", "http://app.localhost:8080", "https://a.example:443", "https://A.example", "https://a..b", "https://[::1]", "https://a@b", "https://127.0.0.1", "https://-a", "http://a.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := parseOrigin(s)
		if err != nil {
			return
		}
		if o.String() != s {
			t.Errorf("%q is written %q", s, o)
		}
		if o.scheme == "http" && !isLocalName(o.host) {
			t.Errorf("%q is plain HTTP", s)
		}
		if strings.ContainsAny(s[len(o.scheme)+3:], "/?#@\\*[] ") || strings.ToLower(s) != s {
			t.Errorf("%q can be read in two ways", s)
		}
	})
}

// EM-1: a list of what the lenient parsers accept, and we must not.
func TestCheckEmail_IsStrict(t *testing.T) {
	for _, s := range []string{"a@b.example", "first.last+tag@sub.example.com", "o'hara@example.com"} {
		if err := checkEmail(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"", "a", "@example.com", "a@", "a@localhost", "a@b@example.com", "a b@example.com", `"a"@example.com`, "a@[192.0.2.1]", "a@192.0.2.1",
		".a@example.com", "a.@example.com", "a..b@example.com", "a@example..com", "a@example.com.", "a@-example.com", "A <a@example.com>", "a(c)@example.com",
		"a,b@example.com", "ä@example.com", "a@exämple.com", "a\n@example.com", strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("a.", 125) + "com",
	} {
		if checkEmail(s) == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestIntersect_KeepsWhatBothAdmit(t *testing.T) {
	for _, tc := range []struct{ outer, inner, want string }{
		{"", "a.example", "a.example"},
		{"*.example", "a.example b.c.example", "a.example"},
		{"a.example b.example", "*.example", "a.example b.example"},
		{"a.example", "b.example", ""},
		{"*.example", "*.example", "*.example"},
		{"{env.X}", "a.example", "a.example"},
		{"a.example", "{http.x}", "a.example"},
		{"*.*.example", "*.b.example", "*.b.example"},
	} {
		var outer []string
		if tc.outer != "" {
			outer = strings.Fields(tc.outer)
		}
		if got := strings.Join(intersect(outer, strings.Fields(tc.inner)), " "); got != tc.want {
			t.Errorf("%q within %q: %q, want %q", tc.inner, tc.outer, got, tc.want)
		}
	}
}
