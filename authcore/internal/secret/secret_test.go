package secret

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestNew_ParsesAndHashesAsItself(t *testing.T) {
	token, err := New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parsed, ok := Parse(token.Reveal())
	if !ok || parsed != token {
		t.Fatal("a new token does not parse to itself")
	}
	if len(token) != tokenChars {
		t.Errorf("token has %d characters, want %d", len(token), tokenChars)
	}
	if token.Hash() != sha256.Sum256([]byte(token.Reveal())) {
		t.Error("the hash is not the SHA-256 of the characters")
	}
}

func TestNew_FailsWithItsSource(t *testing.T) {
	broken := errors.New("no entropy")
	sources := map[string]io.Reader{
		"error": iotest.ErrReader(broken),
		"short": io.MultiReader(bytes.NewReader(make([]byte, 9)), iotest.ErrReader(broken)),
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			if token, err := New(source); !errors.Is(err, broken) || token != "" {
				t.Errorf("New = %q, %v", token.Reveal(), err)
			}
		})
		t.Run("id "+name, func(t *testing.T) {
			if id, err := ID(iotest.ErrReader(broken)); !errors.Is(err, broken) || id != "" {
				t.Errorf("ID = %q, %v", id, err)
			}
			if id, err := TimeID(iotest.ErrReader(broken), time.Now()); !errors.Is(err, broken) || id != "" {
				t.Errorf("TimeID = %q, %v", id, err)
			}
		})
	}
}

// SE-1: no aliases of the same token.
func TestParse_RefusesEveryOtherSpelling(t *testing.T) {
	token, err := New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := token.Reveal()
	bad := []string{
		"", good[:42], good + "A", good + "=", " " + good[1:], good[:42] + "=", good[:42] + " ",
		good[:21] + "\n" + good[22:], good[:21] + "\r" + good[22:], good[:42] + "\n", good + "\n",
		good[:21] + "+" + good[22:], good[:21] + "/" + good[22:], good[:21] + "é" + good[23:], good[:20] + "\x00" + good[21:],
	}
	for _, s := range bad {
		if got, ok := Parse(s); ok || got != "" {
			t.Errorf("Parse(%q) accepted", s)
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	accepted := 0
	for _, last := range alphabet {
		if _, ok := Parse(good[:42] + string(last)); ok {
			accepted++
		}
	}
	if accepted != 16 { // 43 characters hold 258 bits, two of the last must be zero
		t.Errorf("%d last characters are accepted, want 16", accepted)
	}
}

// CR-1: a statistical test per generator. Each bit of many draws is one half of
// the time set, within six standard deviations.
// TestParse_AgreesWithTheDecoder puts every byte in every place: what decodes
// strictly to 32 bytes and re-encodes to itself is a token, and nothing else.
func TestParse_AgreesWithTheDecoder(t *testing.T) {
	for _, seed := range []byte{0, 0xff, 0x5a} {
		good := FromBytes([32]byte(bytes.Repeat([]byte{seed}, 32))).Reveal()
		for at := range good {
			for c := range 256 {
				s := good[:at] + string([]byte{byte(c)}) + good[at+1:]
				decoded, err := base64.RawURLEncoding.Strict().DecodeString(s)
				want := err == nil && len(decoded) == 32 && base64.RawURLEncoding.EncodeToString(decoded) == s
				if got, ok := Parse(s); ok != want || ok != (got.Reveal() == s) {
					t.Fatalf("%q: accepted %v, want %v", s, ok, want)
				}
			}
		}
	}
}

func TestGenerators_Unbiased(t *testing.T) {
	const draws = 4096
	generators := map[string]struct {
		bits int
		draw func() []byte
	}{
		"token": {256, func() []byte {
			token, err := New(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			b, err := base64.RawURLEncoding.DecodeString(token.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			return b
		}},
		"id": {128, func() []byte {
			id, err := ID(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			b, err := plain32.DecodeString(id)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}},
		"time id": {64, func() []byte {
			id, err := TimeID(rand.Reader, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			b, err := hex32.DecodeString(id)
			if err != nil {
				t.Fatal(err)
			}
			return b[8:]
		}},
	}
	for name, g := range generators {
		t.Run(name, func(t *testing.T) {
			ones, seen := make([]int, g.bits), map[string]bool{}
			for range draws {
				b := g.draw()
				seen[string(b)] = true
				for i := range ones {
					ones[i] += int(b[i/8] >> (i % 8) & 1)
				}
			}
			if len(seen) != draws {
				t.Errorf("%d different values in %d draws", len(seen), draws)
			}
			for i, n := range ones {
				if math.Abs(float64(n)-draws/2) > 6*math.Sqrt(draws)/2 {
					t.Errorf("bit %d is set in %d of %d draws", i, n, draws)
				}
			}
		})
	}
}

func TestTimeID_SortsByTime(t *testing.T) {
	start := time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)
	var ids []string
	for _, after := range []time.Duration{-100 * 365 * 24 * time.Hour, 0, time.Nanosecond, time.Millisecond, time.Second, time.Hour, 30 * 365 * 24 * time.Hour} {
		id, err := TimeID(rand.Reader, start.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if len(id) != 26 || strings.ToLower(id) != id {
			t.Errorf("id %q is not 26 lower-case characters", id)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Errorf("ids of later times do not sort later: %q", ids)
	}
}

func TestID_IsLowerCaseBase32(t *testing.T) {
	id, err := ID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if len(id) != 26 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("id %q", id)
	}
}

// LG-1: a slip with a logger or a format string is harmless.
func TestSecrets_PrintRedacted(t *testing.T) {
	const hidden = "hunter2-hunter2-hunter2-hunter2-hunter2-abc"
	type holder struct {
		Token Token
		Text  Text
		Acc   AccessToken
		Map   map[string]Text
		Ptr   *Text
	}
	text := Text(hidden)
	values := map[string]any{
		"token": Token(hidden), "access": AccessToken(hidden), "text": text, "pointer": &text,
		"holder": holder{hidden, hidden, hidden, map[string]Text{"key": hidden}, &text}, "slice": []Token{hidden},
		"error": fmt.Errorf("taking ticket: %w", fmt.Errorf("%v %s", Token(hidden), text)),
	}
	var encoded bytes.Buffer
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s"} {
			fmt.Fprintf(&encoded, name+" "+verb+"\n", v)
		}
		fmt.Fprintln(&encoded, v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		encoded.Write(b)
		for _, h := range []slog.Handler{slog.NewJSONHandler(&encoded, nil), slog.NewTextHandler(&encoded, nil)} {
			slog.New(h).Info("said", name, v, "group", slog.GroupValue(slog.Any("inner", v)))
		}
	}
	out := encoded.String()
	if strings.Contains(out, "hunter2") || strings.Contains(out, fmt.Sprintf("%x", "hunter2")) || strings.Contains(out, fmt.Sprintf("%X", "hunter2")) {
		t.Errorf("a secret was printed:\n%s", out)
	}
	if !strings.Contains(out, redacted) {
		t.Error("nothing says that something was redacted")
	}
	for _, v := range []encoding.TextMarshaler{Token(hidden), AccessToken(hidden), text} {
		if b, err := v.MarshalText(); err != nil || string(b) != redacted {
			t.Errorf("MarshalText = %q, %v", b, err)
		}
	}
	if Token(hidden).Reveal() != hidden || AccessToken(hidden).Reveal() != hidden || text.Reveal() != hidden {
		t.Error("Reveal does not return the secret")
	}
	if AccessToken(hidden).String() != redacted || AccessToken(hidden).GoString() != redacted {
		t.Error("String or GoString of an access token reveals")
	}
	if Token(hidden).String() != redacted || text.String() != redacted || Token(hidden).GoString() != redacted || text.GoString() != redacted {
		t.Error("String or GoString reveals")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("__________________________________________8")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
	f.Fuzz(func(t *testing.T, s string) {
		token, ok := Parse(s)
		if !ok {
			return
		}
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || len(b) != tokenBytes || base64.RawURLEncoding.EncodeToString(b) != s || token.Reveal() != s {
			t.Errorf("accepted %q, which does not re-encode to itself", s)
		}
	})
}
