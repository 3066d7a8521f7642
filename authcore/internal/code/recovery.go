package code

import (
	"encoding/base32"
	"fmt"
	"io"
	"strings"
)

const (
	recoveryBytes = 15 // 120 bits (TO-4)
	recoveryChars = 24
	recoveryGroup = 4
)

// alphabet is Crockford's: it leaves out I, L, O and U, which people misread on
// paper or would rather not find there.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var crockford = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// misread are the letters that Crockford's alphabet leaves out, and what people
// mean who type them.
var misread = strings.NewReplacer("O", "0", "I", "1", "L", "1")

// NewRecovery draws a recovery code of 120 bits, in the spelling that
// NormalizeRecovery answers.
func NewRecovery(r io.Reader) (string, error) {
	var b [recoveryBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", fmt.Errorf("drawing a recovery code: %w", err)
	}
	return crockford.EncodeToString(b[:]), nil
}

// NormalizeRecovery reads a recovery code as a person typed it from paper:
// letters of either case, ASCII spaces and hyphens anywhere, and the usual
// misreadings of 0 and 1.
func NormalizeRecovery(s string) (string, bool) {
	if len(s) > 4*recoveryChars {
		return "", false
	}
	b := make([]byte, 0, recoveryChars)
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' || c == '-':
		case 'a' <= c && c <= 'z':
			b = append(b, c-'a'+'A')
		default:
			b = append(b, c)
		}
	}
	// Decoding would tell less: it skips line ends, and takes 0xff for padding.
	code := misread.Replace(string(b))
	if len(code) != recoveryChars || strings.Trim(code, alphabet) != "" {
		return "", false
	}
	return code, true
}

// GroupRecovery writes a recovery code as it is shown: "ABCD-EFGH-…".
func GroupRecovery(code string) string {
	var groups []string
	for len(code) > recoveryGroup {
		groups, code = append(groups, code[:recoveryGroup]), code[recoveryGroup:]
	}
	return strings.Join(append(groups, code), "-")
}
