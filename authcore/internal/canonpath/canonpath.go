// Package canonpath holds the one form of a path that access rules are matched
// against (FA-5, FA-6).
//
// A request's path is percent-decoded once. If the result could be read
// differently by the guard and by what stands behind it, there is no canonical
// path, and no rule that opens something may match. Nothing is repaired: a
// parser that cleans a path agrees with one that cleans it another way only by
// luck.
package canonpath

import (
	"strings"
	"unicode/utf8"
)

// Path is a canonical path, decoded: it begins with a slash and has no dot
// segment, no empty segment but a trailing slash, none of the characters
// \ % ; ? #, no control character, and is valid UTF-8. Only Parse makes one;
// the zero value is no path.
type Path string

// Parse decodes escaped, the path of a request target as it came over the wire
// (without query), and reports whether it is canonical. It allocates only where
// there is a percent-encoding to decode.
func Parse(escaped string) (Path, bool) {
	if escaped == "" || escaped[0] != '/' {
		return "", false
	}
	encoded := false
	for i := range len(escaped) {
		switch rawByte[escaped[i]] {
		case refused:
			return "", false
		case percent:
			encoded = true
		}
	}
	decoded := escaped
	if encoded {
		var ok bool
		if decoded, ok = decode(escaped); !ok {
			return "", false
		}
	}
	if !cleanSegments(decoded) {
		return "", false
	}
	return Path(decoded), true
}

// decode resolves percent-encodings, once.
func decode(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high > 15 || low > 15 {
			return "", false
		}
		c := high<<4 | low
		if !mayBeEncoded(c) {
			return "", false
		}
		b = append(b, c)
		i += 2
	}
	decoded := string(b)
	return decoded, plainText(decoded)
}

// mayBeEncoded refuses an encoded separator, a dot, and the start of a second
// encoding; and what needs no encoding (RFC 3986 section 6.2.2.2), since only
// somebody who hides a word from a matcher writes %61 for a.
func mayBeEncoded(c byte) bool {
	switch {
	case c < ' ' || c == 0x7f:
		return false
	case strings.IndexByte(`/\.%;?#`, c) >= 0:
		return false
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '~':
		return false
	}
	return true
}

// cleanSegments refuses empty segments, except the one after a trailing slash,
// and dot segments: also three dots and dots with spaces, which some file
// systems trim to dots.
func cleanSegments(path string) bool {
	rest := path[1:]
	for rest != "" {
		segment, after, more := strings.Cut(rest, "/")
		// Most segments begin with something else, so this is the fast way out.
		if segment == "" || (segment[0] == '.' || segment[0] == ' ') && strings.Trim(segment, ". ") == "" {
			return false
		}
		if !more {
			break
		}
		rest = after
	}
	return true
}

// plainText reports whether s is valid UTF-8 without control characters and
// without look-alikes of the dot and the slashes.
func plainText(s string) bool {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || 0x80 <= r && r < 0xa0 || isLookAlike(r) {
			return false
		}
		i += size
	}
	return true
}

// isLookAlike lists what a server that normalises file names (NFKC) or narrows
// them to an older code page turns into a dot segment or a separator: ".." in
// such letters would be one to that server alone.
func isLookAlike(r rune) bool {
	switch r {
	case 0x2024, 0x2025, 0xfe30, 0xfe52, 0xff0e: // . and ..
		return true
	case 0x2044, 0x2215, 0xff0f, 0x2100, 0x2101, 0x2105, 0x2106: // /, and letters around one
		return true
	case 0x2216, 0xfe68, 0xff3c, 0x00a5, 0x20a9: // \, and its places in code pages 932 and 949
		return true
	}
	return false
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// What a byte means where it stands unencoded.
const (
	refused = iota // the zero value: whatever is not listed
	plain
	percent
)

// rawByte lists what may stand in a path unencoded: RFC 3986's pchar and the
// slash, without the semicolon (path parameters), and the four that browsers
// send as they are ([ ] | ^).
var rawByte = func() (class [256]byte) {
	for c := range 256 {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			strings.IndexByte("/-._~!$&'()*+,=:@[]|^", byte(c)) >= 0:
			class[c] = plain
		case c == '%':
			class[c] = percent
		}
	}
	return class
}()
