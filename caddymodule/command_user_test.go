package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// change edits what is stored, as sign-ins of weeks would have.
func (s *site) change(t *testing.T, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.app.lease.value.rt.Store().Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestUserShow_TellsWhatSomebodySignsInWith(t *testing.T) {
	s := newSite(t, "", "")
	at := []string{"--socket", s.socket()}
	show := func(args ...string) string {
		t.Helper()
		out, errOut, code := runCaddy(t, append(append([]string{"user", "show", "alice"}, args...), at...)...)
		if code != 0 || errOut != "" {
			t.Fatalf("%d\n%s%s", code, out, errOut)
		}
		return out
	}
	const bare = "passkey:              none\nauthenticator app:    no\nrecovery codes left:  0\nsessions:             1\naccess tokens:        0\n"
	if out := show(); !strings.HasSuffix(out, bare) || strings.Contains(out, "frozen") {
		t.Errorf("bare:\n%s", out)
	}
	bitwarden := []byte{0xd5, 0x48, 0x82, 0x6e, 0x79, 0xb4, 0xdb, 0x40, 0xa3, 0xd8, 0x11, 0x11, 0x6f, 0x7e, 0x83, 0x49}
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.change(t, func(tx store.Tx) error {
		u, err := tx.User(s.user)
		if err != nil {
			return err
		}
		u.TOTP = &store.TOTP{ID: "x", Sealed: []byte("sealed"), CreatedAt: made}
		u.Recovery = &store.RecoveryCodes{Left: make([]store.Hash, 7), Made: 10, MadeAt: made}
		u.Freeze = &store.Freeze{At: made.AddDate(0, 0, 1), Since: made}
		for _, k := range []*store.Passkey{
			{ID: []byte("1"), Name: "Phone", RPID: "app.example.test", CreatedAt: made, LastUsed: made.AddDate(0, 1, 0), Synced: true, AAGUID: bitwarden},
			{ID: []byte("2"), Name: "Key", RPID: "old.example.test", CreatedAt: made, AAGUID: make([]byte, 16)},
		} {
			k.UserID, k.Credential = u.ID, []byte(`{"secret":"credential"}`)
			if err := tx.PutPasskey(k); err != nil {
				return err
			}
		}
		return tx.PutUser(u)
	})
	out := show()
	for _, want := range []string{
		"state:                frozen\n", "frozen since:         2026-01-03T03:04:05Z; user enable lifts it\n",
		"passkey:              Phone (Bitwarden), made 2026-01-02, used 2026-02-02, synced\n",
		"passkey:              Key, made 2026-01-02, never used, on one device, useless here: it was made for old.example.test\n",
		"authenticator app:    yes\n", "recovery codes left:  7\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	asJSON := show("--json")
	var v adminUserInFull
	if err := json.Unmarshal([]byte(asJSON), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Passkeys) != 2 || !v.Passkeys[0].Works || v.Passkeys[1].Works || !v.TOTP || v.RecoveryCodes != 7 || v.Sessions != 1 || v.Email != "alice@example.com" || v.FrozenSince.IsZero() {
		t.Errorf("%+v", v)
	}
	for _, secret := range []string{"sealed", "credential", "handle", "c2VhbGVk"} { // AD-4
		if strings.Contains(asJSON, secret) {
			t.Errorf("it holds %q:\n%s", secret, asJSON)
		}
	}
	if out, _, code := runCaddy(t, append([]string{"user", "list"}, at...)...); code != 0 || !strings.Contains(out, "  frozen  ") {
		t.Errorf("listed\n%s", out)
	}
	// An operator who has spoken with her lets her go on.
	if out, errOut, code := runCaddy(t, append([]string{"user", "enable", "alice"}, at...)...); code != 0 || out != "alice is enabled.\n" {
		t.Errorf("%d %s%s", code, out, errOut)
	}
	if out := show(); strings.Contains(out, "frozen") || !strings.Contains(out, "state:                active\n") {
		t.Errorf("thawed:\n%s", out)
	}
}

// Whoever asks for help with a command learns how it is written.
func TestCommand_HelpShowsExamples(t *testing.T) {
	for command, want := range map[string]string{
		"user approve": "user approve bob@example.com --name bob --group staff", "user decline": "user decline eve@example.com",
		"user show": "user show alice@example.com", "user enable": "lifts a freeze", "invite": "invite bob@example.com --mail",
		"user requests": "forgotten after 30 days",
	} {
		out, errOut, code := runCaddy(t, append(strings.Fields(command), "--help")...)
		if code != 0 || errOut != "" || !strings.Contains(out, want) {
			t.Errorf("%s: %d, no %q in\n%s%s", command, code, want, out, errOut)
		}
	}
}
