package code

import (
	"bytes"
	"crypto/rand"
	"errors"
	"regexp"
	"testing"
	"testing/iotest"
)

// CR-1, EC-1: every digit is equally likely in every place. With nine degrees
// of freedom chi-squared passes 60 once in a thousand million tries.
func TestNew_Uniform(t *testing.T) {
	const draws = 50_000
	var counts [digits][10]float64
	for range draws {
		s, err := New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if len(s) != digits {
			t.Fatalf("code %q", s)
		}
		for i := range len(s) {
			counts[i][s[i]-'0']++
		}
	}
	for place := range counts {
		chi := 0.0
		for _, n := range counts[place] {
			chi += (n - draws/10) * (n - draws/10) / (draws / 10)
		}
		if chi > 60 {
			t.Errorf("place %d: chi-squared %.1f, counts %v", place, chi, counts[place])
		}
	}
}

func TestNew_DrawsAgainInTheBiasedTail(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"last unbiased number", []byte{0xfa, 0x56, 0xe9, 0xff}, "99999999"},
		{"first biased number is skipped", []byte{0xfa, 0x56, 0xea, 0x00, 0, 0, 0, 7}, "00000007"},
		{"greatest number is skipped", []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, "00000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := New(bytes.NewReader(c.in)); err != nil || got != c.want {
				t.Errorf("New = %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestNew_FailsWithItsSource(t *testing.T) {
	broken := errors.New("no entropy")
	if s, err := New(iotest.ErrReader(broken)); !errors.Is(err, broken) || s != "" {
		t.Errorf("New = %q, %v", s, err)
	}
}

// EC-5.
func TestNormalize_EC5(t *testing.T) {
	for _, s := range []string{"12345678", "1234 5678", "1234-5678", " 12345678", "12345678  ", "  1234 5678 "} {
		if got, ok := Normalize(s); !ok || got != "12345678" {
			t.Errorf("Normalize(%q) = %q, %v", s, got, ok)
		}
	}
	for _, s := range []string{
		"", " ", "1234567", "123456789", "1234  5678", "1234--5678", "1234 -5678", "123 45678", "12345 678", "1234_5678", "1234.5678",
		"1234\t5678", "\t12345678", "12345678\n", "12345678\x00", "1234\u00a05678", "\u00a012345678", "1234\u20115678", "1234\u20135678",
		"١٢٣٤٥٦٧٨", "１２３４５６７８", "1234567８", "+1234567", "-1234567", "0x123456", "1e345678", "[12345678]", `"12345678"`, "12 34 56 78",
		"1234-5678-", "-1234-5678", "1234 567", "1234 56789", "null", "12345678,12345678",
	} {
		if got, ok := Normalize(s); ok || got != "" {
			t.Errorf("Normalize(%q) = %q, accepted", s, got)
		}
	}
}

func TestGroup_IsReadBack(t *testing.T) {
	if got := Group("01234567"); got != "0123 4567" {
		t.Errorf("Group = %q", got)
	}
	if got := Group("123"); got != "123" {
		t.Errorf("Group of no code = %q", got)
	}
	if got, ok := Normalize(Group("01234567")); !ok || got != "01234567" {
		t.Errorf("Normalize(Group) = %q, %v", got, ok)
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"12345678", " 1234 5678", "1234-5678 ", "１２３４５６７８", "1234\t5678"} {
		f.Add(s)
	}
	spec := regexp.MustCompile(`\A *([0-9]{4})[ -]?([0-9]{4}) *\z`)
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := Normalize(s)
		m := spec.FindStringSubmatch(s)
		if ok != (m != nil) || ok && got != m[1]+m[2] {
			t.Errorf("Normalize(%q) = %q, %v; the specification says %q", s, got, ok, m)
		}
	})
}
