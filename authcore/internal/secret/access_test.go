package secret

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

// The spelling is a promise to scanners and to tokens in use: it never changes.
func TestAccess_Spelling(t *testing.T) {
	for fill, want := range map[byte]string{
		0x00: "pwl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1l9Nu9",
		0xff: "pwl_" + strings.Repeat("_", 42) + "82DHHKw",
	} {
		got, err := NewAccess(bytes.NewReader(bytes.Repeat([]byte{fill}, 32)))
		if err != nil || got.Reveal() != want {
			t.Errorf("%#x is spelled %q, want %q (%v)", fill, got.Reveal(), want, err)
		}
	}
}

func TestAccess_ParsesAsItselfAndOnlySo_SE1(t *testing.T) {
	token, err := NewAccess(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := token.Reveal()
	if got, ok := ParseAccess(good); !ok || got != token || len(good) != 53 {
		t.Fatalf("a new token does not parse to itself: %q", good)
	}
	for i := range good { // every byte that is changed, left out or doubled
		for c := range 256 {
			if s := good[:i] + string([]byte{byte(c)}) + good[i+1:]; s != good {
				if _, ok := ParseAccess(s); ok {
					t.Fatalf("%q is accepted in place of %q", s, good)
				}
			}
		}
		for _, s := range []string{good[:i] + good[i+1:], good[:i] + good[i:i+1] + good[i:], good[:i], good[i+1:]} {
			if _, ok := ParseAccess(s); ok {
				t.Fatalf("%q is accepted", s)
			}
		}
	}
	for _, s := range []string{"", " " + good, good + " ", good + "=", strings.ToUpper(good[:4]) + good[4:], good[4:]} {
		if got, ok := ParseAccess(s); ok || got != "" {
			t.Errorf("%q is accepted", s)
		}
	}
}

// A checksum that fits does not make a secret of what is none.
func TestAccess_ChecksumAloneIsNotEnough(t *testing.T) {
	for _, body := range []string{strings.Repeat("A", 42) + "B", strings.Repeat("A", 42) + "+", strings.Repeat("A", 42)} {
		sum := checksum(AccessPrefix + body)
		if _, ok := ParseAccess(AccessPrefix + body + string(sum[:])); ok {
			t.Errorf("%q is accepted with its checksum", body)
		}
	}
}

func TestAccess_FailsWithItsSource(t *testing.T) {
	broken := errors.New("no entropy")
	if token, err := NewAccess(iotest.ErrReader(broken)); !errors.Is(err, broken) || token != "" {
		t.Errorf("NewAccess = %q, %v", token.Reveal(), err)
	}
}

func FuzzParseAccess(f *testing.F) {
	f.Add("pwl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1l9Nu9")
	f.Add("pwl_")
	f.Add("pwl_" + strings.Repeat("\n", 49))
	f.Fuzz(func(t *testing.T, s string) {
		token, ok := ParseAccess(s)
		if !ok {
			return
		}
		raw, err := base64url.DecodeString(s[len(AccessPrefix):secretEnd])
		if err != nil {
			t.Fatal(err)
		}
		again, err := NewAccess(bytes.NewReader(raw))
		if err != nil || again != token || again.Reveal() != s {
			t.Errorf("accepted %q, which is made as %q", s, again.Reveal())
		}
	})
}
