package aaguid_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/passwordless-auth/passwordless-auth/authcore/aaguid"
)

func id(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestName_KnowsTheCommonProviders(t *testing.T) {
	for text, want := range map[string]string{
		"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
		"fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "Apple Passwords",
		"08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
		"bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
		"d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
		"53414d53-554e-4700-0000-000000000000": "Samsung Pass",
		"cb69481e-8ff7-4039-93ec-0a2729a154a8": "YubiKey 5 Series",
		"00000000-0000-0000-0000-000000000000": "",
		"ffffffff-ffff-ffff-ffff-ffffffffffff": "",
	} {
		if got := aaguid.Name(id(t, text)); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
	bitwarden := id(t, "d548826e-79b4-db40-a3d8-11116f7e8349")
	for _, bad := range [][]byte{nil, {}, bitwarden[:15], append(bitwarden, 0)} {
		if got := aaguid.Name(bad); got != "" {
			t.Errorf("%x is %q", bad, got)
		}
	}
}

// EM-8: the names end up in pages and in mails. The file is read here token by
// token, because a map would hide what stands twice.
func TestNames_AreSortedUniqueAndHarmless(t *testing.T) {
	text, err := os.ReadFile("names.json")
	if err != nil {
		t.Fatal(err)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		t.Fatal(open, err)
	}
	n, before := 0, ""
	for ; d.More(); n++ {
		var entry [2]string
		for i := range entry {
			token, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			s, ok := token.(string)
			if !ok {
				t.Fatalf("%v is no text", token)
			}
			entry[i] = s
		}
		key, name := entry[0], entry[1]
		if !uuid.MatchString(key) || key <= before || strings.Trim(key, "0-") == "" {
			t.Errorf("%q behind %q", key, before)
		}
		before = key
		if name == "" || len(name) > 64 || strings.TrimSpace(name) != name || !utf8.ValidString(name) ||
			strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) ||
			strings.ContainsAny(name, "<>@\\") || strings.Contains(name, "://") {
			t.Errorf("%s: %q", key, name)
		}
		if got := aaguid.Name(id(t, key)); got != name {
			t.Errorf("%s is %q, want %q", key, got, name)
		}
	}
	if n < 300 {
		t.Errorf("%d names", n)
	}
	if len(text) > 32<<10 {
		t.Errorf("%d bytes", len(text))
	}
}
