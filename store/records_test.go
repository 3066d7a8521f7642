package store_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestHash_TextRoundTrip(t *testing.T) {
	var h store.Hash
	for i := range h {
		h[i] = byte(255 - i)
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"`; string(text) != want {
		t.Errorf("encoded as %s, want %s", text, want)
	}
	var got store.Hash
	if err := json.Unmarshal(text, &got); err != nil || got != h {
		t.Errorf("decoded %v (%v)", got, err)
	}
}

func TestHash_AcceptsOnlyWhatItWrites(t *testing.T) {
	good, err := store.Hash{1}.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	for name, bad := range map[string]string{
		"empty":         "",
		"short":         text[:42],
		"long":          text + "A",
		"padded":        text + "=",
		"line break":    text[:42] + "\n",
		"alphabet":      "+" + text[1:],
		"trailing bits": text[:42] + "B",
		"huge":          strings.Repeat("A", 1000),
	} {
		h := store.Hash{9}
		if err := h.UnmarshalText([]byte(bad)); err == nil || h != (store.Hash{9}) {
			t.Errorf("%s: accepted %q (%v)", name, bad, err)
		}
	}
}
