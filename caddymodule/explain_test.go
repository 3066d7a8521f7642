package caddymodule

import (
	"strings"
	"testing"
)

// Explain names the line, and says so in words and in JSON.
func TestExplain_NamesTheLine(t *testing.T) {
	s := newSite(t, "allow group:staff", "")
	at := []string{"--socket", s.socket()}
	address := "https://app.example.test:" + s.port + "/page"
	for _, tc := range []struct {
		args string
		code int
		want []string
	}{
		{"--user alice", 0, []string{"verdict:", "allow", "line:", "Caddyfile:"}},
		{"", 0, []string{"sign in", "nobody is signed in", "Caddyfile:"}},
		{"--user alice --json", 0, []string{`"verdict": "allow"`, `"at": "`, `"canonical": true`}},
		{"--user nobody@example.com", 1, []string{"There is no such user."}},
		{"--from somewhere", 2, []string{`--from "somewhere" is no address`}},
		{"--method G=T", 2, []string{"is no method"}},
		{"--with password", 2, []string{"write email, passkey or totp"}},
	} {
		args := append([]string{"explain", address}, strings.Fields(tc.args)...)
		out, errOut, code := runCaddy(t, append(args, at...)...)
		for _, want := range tc.want {
			if code != tc.code || !strings.Contains(out+errOut, want) {
				t.Errorf("%s: %d, %q is not in\n%s%s", tc.args, code, want, out, errOut)
			}
		}
	}
	if _, errOut, code := runCaddy(t, append([]string{"explain", "app.example.test"}, at...)...); code != exitUsage || !strings.Contains(errOut, "write https://HOST/PATH") {
		t.Errorf("%d, %s", code, errOut)
	}
	out, _, _ := runCaddy(t, append([]string{"explain", "https://other.example.test/"}, at...)...)
	if !strings.Contains(out, "deny") || !strings.Contains(out, "no app has this host") {
		t.Error(out)
	}
}

func TestSplitURL_MendsNothing(t *testing.T) {
	for in, want := range map[string]string{
		"https://a.example":              "a.example /",
		"https://a.example?x":            "a.example /",
		"https://a.example/x/../%61?y#z": "a.example /x/../%61",
		"https://a.example:8443//x;y":    "a.example:8443 //x;y",
		"http://app.localhost/":          "app.localhost /",
	} {
		host, path, ok := splitURL(in)
		if got := host + " " + path; !ok || got != want {
			t.Errorf("%s: %s, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "a.example", "/x", "ftp://a.example", "https://", "https:///x"} {
		if _, _, ok := splitURL(in); ok {
			t.Errorf("%q is taken", in)
		}
	}
}
