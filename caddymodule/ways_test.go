package caddymodule

import (
	"strings"
	"testing"
)

func TestSelfDelete_IsWhereRegistrationIsOpenUnlessSaid(t *testing.T) {
	s := newSite(t, "", "")
	for option, want := range map[string]bool{
		"": false, "registration closed": false, "registration invite": false, "registration open": true,
		"self_delete allow": true, "registration open\nself_delete off": false, "registration open\nself_delete allow": true,
	} {
		s.app = reloadWith(t, s, option)
		if got := s.service().MayDelete(); got != want {
			t.Errorf("%q: %v, want %v", option, got, want)
		}
	}
}

func TestEmailAfterPasskey_ReachesTheCore(t *testing.T) {
	s := newSite(t, "", "")
	for option, want := range map[string]string{"": "allow", "email_after_passkey second": "second", "email_after_passkey off": "off"} {
		s.app = reloadWith(t, s, option)
		if got := s.service().Config().EmailAfterPasskey; got != want {
			t.Errorf("%q: %s, want %s", option, got, want)
		}
	}
}

// An authenticator app satisfies what only it may, and explain says so.
func TestExplain_KnowsAuthenticatorApps(t *testing.T) {
	s := newSite(t, "require totp\npath /either/* {\nrequire passkey totp\n}", "")
	address := "https://app.example.test:" + s.port
	for _, tc := range []struct{ path, with, want string }{
		{"/", "email,totp", "verdict:  allow"},
		{"/", "passkey", "verdict:  step up\nbecause:  it requires totp"},
		{"/", "email", "verdict:  step up\nbecause:  it requires totp"},
		{"/either/x", "passkey", "verdict:  step up\nbecause:  it requires totp and passkey"}, // both lines hold
		{"/either/x", "totp", "verdict:  allow"},
	} {
		out, errOut, code := runCaddy(t, "explain", address+tc.path, "--user", "alice", "--with", tc.with, "--socket", s.socket())
		if code != 0 || errOut != "" || !strings.Contains(out, tc.want) {
			t.Errorf("%s with %s: %d, no %q in\n%s%s", tc.path, tc.with, code, tc.want, out, errOut)
		}
	}
}
