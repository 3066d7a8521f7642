package code

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

// CR-1, TO-4: every character is equally likely in every place. With 31 degrees of
// freedom chi-squared passes 100 once in a thousand million tries.
func TestNewRecovery_Uniform_TO4(t *testing.T) {
	const draws = 20_000
	var counts [recoveryChars][256]float64
	for range draws {
		s, err := NewRecovery(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if len(s) != recoveryChars {
			t.Fatalf("a code of %d characters", len(s))
		}
		for i := range len(s) {
			counts[i][s[i]]++
		}
	}
	for place := range counts {
		chi, kinds := 0.0, 0
		for _, n := range counts[place] {
			if n > 0 {
				kinds++
				chi += (n - draws/32.0) * (n - draws/32.0) / (draws / 32.0)
			}
		}
		if kinds != 32 || chi > 100 {
			t.Errorf("place %d: %d characters, chi-squared %.1f", place, kinds, chi)
		}
	}
}

func TestNewRecovery_FailsWithItsSource(t *testing.T) {
	broken := errors.New("no entropy")
	if s, err := NewRecovery(iotest.ErrReader(broken)); !errors.Is(err, broken) || s != "" {
		t.Errorf("NewRecovery = %q, %v", s, err)
	}
	if s, err := NewRecovery(bytes.NewReader(make([]byte, recoveryBytes-1))); err == nil || s != "" {
		t.Errorf("of too little: %q, %v", s, err)
	}
}

func TestRecovery_IsReadAsPeopleTypeIt(t *testing.T) {
	const code = "0123456789ABCDEFGHJK1MNP"
	for _, typed := range []string{
		code, GroupRecovery(code), strings.ToLower(GroupRecovery(code)), " " + GroupRecovery(code) + "  ", "O123 4567 89AB CDEF GHJK LMNP", "o-i-2-3 456789abcdefghjklmnp",
	} {
		if got, ok := NormalizeRecovery(typed); !ok || got != code {
			t.Errorf("NormalizeRecovery(%q) = %q, %v", typed, got, ok)
		}
	}
	if got := GroupRecovery(code); got != "0123-4567-89AB-CDEF-GHJK-1MNP" {
		t.Errorf("shown as %s", got)
	}
}

func TestRecovery_WhatIsNoneIsRefused(t *testing.T) {
	const code = "0123456789ABCDEFGHJKVMNP"
	for _, typed := range []string{
		"", " ", "-", code[1:], code + "0", "U" + code[1:], code[:23] + "\n", code[:23] + "\r", code + "\n", code[:12] + "\n" + code[12:], code[:23] + "=",
		code[:23] + "\x00", code[:21] + "\xff\xff\xff", code[:23] + "é", code[:23] + "Ｐ", code[:22] + "٠", "\u00a0" + code, code[:12] + "_" + code[12:], code[:12] + "\u2011" + code[12:], code + strings.Repeat(" ", 100),
	} {
		if got, ok := NormalizeRecovery(typed); ok || got != "" {
			t.Errorf("NormalizeRecovery(%q) = %q, accepted", typed, got)
		}
	}
}

func FuzzNormalizeRecovery(f *testing.F) {
	for _, s := range []string{"0123-4567-89AB-CDEF-GHJK-VMNP", "o l i", "\n", "000000000000000000000\xff\xff\xff", "0123456789abcdefghjkvmn\r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := NormalizeRecovery(s)
		if !ok {
			if got != "" {
				t.Errorf("%q is refused with %q", s, got)
			}
			return
		}
		raw, err := crockford.DecodeString(got)
		if err != nil || len(raw) != recoveryBytes || crockford.EncodeToString(raw) != got {
			t.Errorf("%q is read as %q, which is no code: %v", s, got, err)
		}
		if again, ok := NormalizeRecovery(GroupRecovery(got)); !ok || again != got {
			t.Errorf("%q is shown as %q and read as %q", got, GroupRecovery(got), again)
		}
	})
}

// FuzzNormalizeTOTP: what is accepted is six ASCII digits of what was typed, in
// their order.
func FuzzNormalizeTOTP(f *testing.F) {
	for _, s := range []string{"123456", " 123 456 ", "123-456", "１２３４５６", "12345\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := NormalizeTOTP(s)
		if !ok {
			return
		}
		bare := strings.NewReplacer(" ", "", "-", "").Replace(s)
		if len(got) != totpDigits || got != bare || strings.Trim(got, "0123456789") != "" {
			t.Errorf("%q is read as %q", s, got)
		}
	})
}

// The alphabet is Crockford's, of which no two characters look alike.
func TestCrockford_HasNoLettersThatAreMisread(t *testing.T) {
	if len(alphabet) != 32 || strings.ContainsAny(alphabet, "ILOU") || misread.Replace(alphabet) != alphabet {
		t.Errorf("the alphabet is %s", alphabet)
	}
}
