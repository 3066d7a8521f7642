package secret

import (
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
)

const (
	// AccessPrefix opens every access token, for people and for scanners of
	// leaked secrets.
	AccessPrefix = "pwl_"

	// AccessChars is the length of each.
	AccessChars = secretEnd + checkChars

	checkChars = 6 // 62^6 > 2^32
	secretEnd  = len(AccessPrefix) + tokenChars
)

// AccessToken is an access token: "pwl_", the 43 characters of a Token, and a
// checksum of both, so that one that was cut short or mistyped is known for
// what it is without a look at the store.
type AccessToken string

// NewAccess draws an AccessToken from r, which is crypto/rand.Reader outside
// tests.
func NewAccess(r io.Reader) (AccessToken, error) {
	t, err := New(r)
	if err != nil {
		return "", err
	}
	s := AccessPrefix + t.Reveal()
	sum := checksum(s)
	return AccessToken(s + string(sum[:])), nil
}

// ParseAccess accepts exactly the strings that NewAccess can return (SE-1).
func ParseAccess(s string) (AccessToken, bool) {
	if len(s) != AccessChars || !strings.HasPrefix(s, AccessPrefix) {
		return "", false
	}
	if _, ok := Parse(s[len(AccessPrefix):secretEnd]); !ok {
		return "", false
	}
	if sum := checksum(s[:secretEnd]); string(sum[:]) != s[secretEnd:] {
		return "", false
	}
	return AccessToken(s), true
}

// checksum is the CRC-32 (IEEE) of s in base62, most significant first. Each
// s has one, so it adds no second spelling.
func checksum(s string) (sum [checkChars]byte) {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n := crc32.ChecksumIEEE([]byte(s))
	for i := len(sum) - 1; i >= 0; i-- {
		sum[i] = base62[n%62]
		n /= 62
	}
	return sum
}

// Reveal returns the secret itself.
func (t AccessToken) Reveal() string { return string(t) }

// String returns "[redacted]".
func (AccessToken) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (AccessToken) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (AccessToken) Format(f fmt.State, _ rune) { writeRedacted(f) }

// MarshalJSON encodes "[redacted]".
func (AccessToken) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText encodes [redacted], for encodings other than JSON.
func (AccessToken) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs "[redacted]".
func (AccessToken) LogValue() slog.Value { return slog.StringValue(redacted) }
