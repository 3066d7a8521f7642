// Package secret holds the types of values that must not be seen. Whatever
// prints, logs or encodes one of them writes "[redacted]"; the value itself
// leaves only through Reveal, so every place where a secret goes out can be
// found by that name (LG-1).
//
// Two ways around it are known. Package fmt prints the unexported fields of a
// struct by reflection, without asking their types; encoding/json writes map
// keys that are strings by kind as they are. So a struct that keeps a secret in
// an unexported field must not be printed, and no map is keyed by a secret.
package secret

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const (
	tokenBytes = 32 // SE-1 asks for 128 bits or more
	tokenChars = 43 // base64url of 32 bytes without padding

	redacted = "[redacted]"
)

// base64url is strict: a last character with stray low bits would be a second
// spelling of the same token (SE-1).
var base64url = base64.RawURLEncoding.Strict()

// Token is a 256-bit secret: 43 characters of base64url without padding
// (RFC 4648 section 5). It is the whole of a session cookie, a ticket or the
// token in a mailed link. The zero value is no token.
type Token string

// New draws a Token from r, which is crypto/rand.Reader outside tests.
func New(r io.Reader) (Token, error) {
	var b [tokenBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", fmt.Errorf("drawing a token: %w", err)
	}
	return Token(base64url.EncodeToString(b[:])), nil
}

// FromBytes makes a Token of 32 bytes that are as good as random, such as a
// MAC.
func FromBytes(b [tokenBytes]byte) Token { return Token(base64url.EncodeToString(b[:])) }

// Parse accepts exactly the strings that New can return: one length, one
// alphabet and one last character for each secret, so no token has an alias
// (SE-1). It stands in the way of every guarded request, so it decodes nothing,
// allocates nothing, and looks at each character without a branch.
func Parse(s string) (Token, bool) {
	if len(s) != tokenChars {
		return "", false
	}
	// Characters of base64url as a set of 256 bits: - 0-9, A-Z _ a-z.
	alphabet := [4]uint64{0x03ff_2000_0000_0000, 0x07ff_fffe_87ff_fffe}
	ok := uint64(1)
	for i := range len(s) {
		c := s[i]
		ok &= alphabet[c>>6] >> (c & 63)
	}
	// 32 bytes are 42 characters and 4 bits: of the last one's 6 bits two are zero.
	if ok&1 == 0 || strings.IndexByte("AEIMQUYcgkosw048", s[tokenChars-1]) < 0 {
		return "", false
	}
	return Token(s), true
}

// Hash is the SHA-256 of the token's characters: what the store keeps and
// looks up in its place.
func (t Token) Hash() [sha256.Size]byte {
	var room [2 * tokenChars]byte // on the stack: no allocation for what Parse accepts
	return sha256.Sum256(append(room[:0], t...))
}

// Reveal returns the secret itself.
func (t Token) Reveal() string { return string(t) }

// String returns "[redacted]".
func (Token) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (Token) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, also those that would look
// through the type, such as %x and %q.
func (Token) Format(f fmt.State, _ rune) { writeRedacted(f) }

// MarshalJSON encodes "[redacted]".
func (Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText encodes [redacted], for encodings other than JSON.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs "[redacted]".
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// Text is any other secret: a code, a password, the key of a mail server.
type Text string

// Reveal returns the secret itself.
func (t Text) Reveal() string { return string(t) }

// String returns "[redacted]".
func (Text) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (Text) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (Text) Format(f fmt.State, _ rune) { writeRedacted(f) }

// MarshalJSON encodes "[redacted]".
func (Text) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText encodes [redacted], for encodings other than JSON.
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs "[redacted]".
func (Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// writeRedacted ignores the writer's error: fmt.State reports none that a
// Formatter could act on.
func writeRedacted(f fmt.State) { _, _ = io.WriteString(f, redacted) }
