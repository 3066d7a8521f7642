package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func testRoot(b byte) (root [32]byte) {
	for i := range root {
		root[i] = b + byte(i)
	}
	return root
}

func mustSeal(t *testing.T, k *Keys, purpose, plaintext, aad string) []byte {
	t.Helper()
	sealed, err := k.Seal(rand.Reader, purpose, []byte(plaintext), []byte(aad))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSeal_OpensToTheSame(t *testing.T) {
	k := New(testRoot(1))
	for _, plaintext := range []string{"", "x", strings.Repeat("long ", 1000)} {
		sealed := mustSeal(t, k, "state", plaintext, "host")
		got, err := New(testRoot(1)).Open("state", sealed, []byte("host"))
		if err != nil || string(got) != plaintext {
			t.Errorf("Open = %q, %v", got, err)
		}
	}
}

func TestSeal_TwiceTheSameLooksDifferent(t *testing.T) {
	k := New(testRoot(1))
	if bytes.Equal(mustSeal(t, k, "state", "x", ""), mustSeal(t, k, "state", "x", "")) {
		t.Error("two sealed values are equal: the nonce is not fresh")
	}
}

// CR-5: root, purpose and context are bound, and no byte can be changed.
func TestOpen_OneErrorForEverything(t *testing.T) {
	k := New(testRoot(1))
	sealed := mustSeal(t, k, "state", "plaintext", "host")
	type attempt struct {
		keys    *Keys
		purpose string
		sealed  []byte
		aad     string
	}
	attempts := map[string]attempt{
		"other root":         {New(testRoot(2)), "state", sealed, "host"},
		"other purpose":      {k, "ticket", sealed, "host"},
		"other context":      {k, "state", sealed, "other"},
		"no context":         {k, "state", sealed, ""},
		"shifted context":    {k, "stat", sealed, "ehost"},
		"empty":              {k, "state", nil, "host"},
		"version alone":      {k, "state", sealed[:1], "host"},
		"without plaintext":  {k, "state", sealed[:1+nonceBytes+tagBytes], "host"},
		"one byte too short": {k, "state", sealed[:len(sealed)-1], "host"},
		"one byte too long":  {k, "state", append(bytes.Clone(sealed), 0), "host"},
	}
	for i := range sealed {
		for _, bit := range []byte{1, 0x80} {
			changed := bytes.Clone(sealed)
			changed[i] ^= bit
			attempts[fmt.Sprintf("byte %d, bit %#x", i, bit)] = attempt{k, "state", changed, "host"}
		}
	}
	for name, a := range attempts {
		t.Run(name, func(t *testing.T) {
			got, err := a.keys.Open(a.purpose, a.sealed, []byte(a.aad))
			if err != ErrOpen || got != nil { //nolint:errorlint // the bare value is the promise: nothing may be wrapped around it
				t.Errorf("Open = %q, %v", got, err)
			}
		})
	}
}

func TestSeal_FailsWithItsSource(t *testing.T) {
	broken := errors.New("no entropy")
	if sealed, err := New(testRoot(1)).Seal(iotest.ErrReader(broken), "state", []byte("x"), nil); !errors.Is(err, broken) || sealed != nil {
		t.Errorf("Seal = %x, %v", sealed, err)
	}
}

func TestKeys_IndependentByRootPurposeAndUse(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, root := range []byte{1, 2} {
		k := New(testRoot(root))
		for _, purpose := range []string{"", "a", "b", "derive a", "mac a", "seal a"} {
			for use, key := range map[string][32]byte{
				"derive": k.Derive(purpose), "mac": k.derive("mac " + purpose), "seal": k.derive("seal " + purpose),
			} {
				name := fmt.Sprintf("root %d, %s %q", root, use, purpose)
				if other, ok := seen[key]; ok {
					t.Errorf("%s and %s are one key", name, other)
				}
				seen[key] = name
			}
		}
	}
}

// Stored values must open after an update: the derivation is a format.
func TestKeys_DerivationIsStable(t *testing.T) {
	k := New(testRoot(0))
	key, mac := k.Derive("test"), k.MAC("test", []byte("a"), []byte("bc"))
	for name, c := range map[string]struct{ got, want string }{
		"derive":      {hex.EncodeToString(key[:]), wantDerive},
		"mac":         {hex.EncodeToString(mac[:]), wantMAC},
		"fingerprint": {k.Fingerprint(), wantFingerprint},
	} {
		if c.got != c.want {
			t.Errorf("%s = %s, want %s", name, c.got, c.want)
		}
	}
	sealed, err := hex.DecodeString(wantSealed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open("test", sealed, []byte("aad")); err != nil || string(got) != "plaintext" {
		t.Errorf("Open of a stored value = %q, %v", got, err)
	}
}

func TestMAC_PartsCannotShift(t *testing.T) {
	k := New(testRoot(1))
	seen := map[[32]byte]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"a", "", "b"}, {"abc"}} {
		b := make([][]byte, len(parts))
		for i, p := range parts {
			b[i] = []byte(p)
		}
		sum := k.MAC("test", b...)
		if other, ok := seen[sum]; ok {
			t.Errorf("%q and %s have one MAC", parts, other)
		}
		seen[sum] = fmt.Sprintf("%q", parts)
		if again := New(testRoot(1)).MAC("test", b...); !hmac.Equal(again[:], sum[:]) {
			t.Errorf("%q has two MACs", parts)
		}
	}
}

func TestKeys_PrintRedacted(t *testing.T) {
	root := testRoot(0x61)
	k := New(root)
	k.Derive("x")
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", k)
	}
	fmt.Fprintln(&out, k, k.String(), k.GoString())
	b, err := json.Marshal(map[string]any{"keys": k})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("said", "keys", k)
	for _, leak := range []string{string(root[:4]), hex.EncodeToString(root[:4]), "97 98 99"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the root key was printed:\n%s", out.String())
		}
	}
	if n := strings.Count(out.String(), redacted); n != 12 {
		t.Errorf("%d times redacted, want 12:\n%s", n, out.String())
	}
}

func TestKeys_ConcurrentUse(t *testing.T) {
	k := New(testRoot(1))
	want := New(testRoot(1)).Derive("p0")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				purpose := fmt.Sprintf("p%d", (i+j)%7)
				sealed, err := k.Seal(rand.Reader, purpose, []byte("x"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := k.Open(purpose, sealed, nil); err != nil {
					t.Error(err)
				}
				k.MAC(purpose, sealed)
				if k.Derive("p0") != want {
					t.Error("a derived key changed")
				}
			}
		})
	}
	wg.Wait()
}

// No input opens but one that Seal made: whatever opens was found in the seeds.
func FuzzOpen(f *testing.F) {
	k := New(testRoot(1))
	sealed, err := k.Seal(bytes.NewReader(make([]byte, nonceBytes)), "state", []byte("plaintext"), []byte("host"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("state", sealed, []byte("host"))
	f.Add("state", sealed, []byte("other"))
	f.Add("", []byte{version}, []byte{})
	f.Fuzz(func(t *testing.T, purpose string, value, aad []byte) {
		got, err := k.Open(purpose, value, aad)
		forged := purpose != "state" || !bytes.Equal(value, sealed) || string(aad) != "host"
		if forged != errors.Is(err, ErrOpen) || forged != (got == nil) {
			t.Errorf("Open(%q, %x, %q) = %q, %v", purpose, value, aad, got, err)
		}
	})
}
