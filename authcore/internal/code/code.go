// Package code makes and reads the codes that people type: the eight digits of
// sign-in mails, the six of authenticator apps, and recovery codes.
package code

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	digits = 8
	space  = 100_000_000 // 10^digits, 26.5 bits; EC-1 asks for 20 or more

	// unbiased is the greatest multiple of space that 32 bits hold. Numbers
	// from there on would make low codes likelier, and are drawn again: 2.2 %.
	unbiased = (1 << 32) / space * space
)

// New draws a code of eight ASCII digits from r, every one of the hundred
// million equally likely (EC-1).
func New(r io.Reader) (string, error) {
	for {
		var b [4]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return "", fmt.Errorf("drawing a code: %w", err)
		}
		if n := binary.BigEndian.Uint32(b[:]); n < unbiased {
			return fmt.Sprintf("%0*d", digits, n%space), nil
		}
	}
}

// Normalize reads a code as a person typed or pasted it: ASCII spaces around
// it are dropped, and so is one ASCII space or hyphen in its middle
// ("1234 5678", "1234-5678"). Nothing else is a code (EC-5): no digits of other
// scripts, no tabs or line ends, no other grouping.
func Normalize(s string) (string, bool) { return normalize(s, digits) }

// totpDigits is what authenticator apps show (RFC 6238, RFC 4226 section 5.3).
const totpDigits = 6

// NormalizeTOTP is Normalize for the six digits of an authenticator app.
func NormalizeTOTP(s string) (string, bool) { return normalize(s, totpDigits) }

func normalize(s string, digits int) (string, bool) {
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	if len(s) == digits+1 && (s[digits/2] == ' ' || s[digits/2] == '-') {
		s = s[:digits/2] + s[digits/2+1:]
	}
	if len(s) != digits {
		return "", false
	}
	for i := range len(s) {
		if s[i] < '0' || '9' < s[i] {
			return "", false
		}
	}
	return s, true
}

// Group writes a code the way mails show it: "1234 5678". A string that is not
// eight bytes long is returned as it is.
func Group(s string) string {
	if len(s) != digits {
		return s
	}
	return s[:digits/2] + " " + s[digits/2:]
}
