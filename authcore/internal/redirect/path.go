// Package redirect decides where a browser may be sent: to a path of the same
// host, or to an origin that the configuration names; never to what a request
// says (RD-1, RD-2).
package redirect

import "strings"

// MaxPath is the most bytes of a path with its query, as it came and as it is
// written out. It travels sealed in a URL, and 2 KiB of it still fit anywhere.
const MaxPath = 2048

// Path validates raw, a path of the same host with an optional query
// ("/a/b?c=d"), and returns it re-serialised, safe to stand after an origin.
// It refuses, and never repairs, whatever some browser, proxy or server could
// read as another place (RD-2):
//
//   - what does not begin with exactly one slash: schemes, hosts, user names,
//     //host, and /\host, which browsers read as //host, also with the second
//     slash percent-encoded;
//   - white space and control characters, which browsers remove (so /<tab>/host
//     is //host), and bytes above ASCII, which they convert;
//   - a backslash in the path, raw or encoded, and encoded control characters;
//   - dot segments, encoded or with parameters too: /..//host and /%2e%2e//host
//     become //host when they are resolved;
//   - a percent sign without two hexadecimal digits, and a fragment.
//
// Path(result) is result again.
func Path(raw string) (string, bool) {
	if len(raw) == 0 || len(raw) > MaxPath || raw[0] != '/' {
		return "", false
	}
	path, query, hasQuery := strings.Cut(raw, "?")
	if !safePath(path) || !safeBytes(query) {
		return "", false
	}
	var b strings.Builder
	b.Grow(len(raw))
	write(&b, path)
	if hasQuery {
		b.WriteByte('?')
		write(&b, query)
	}
	if b.Len() > MaxPath {
		return "", false
	}
	return b.String(), true
}

// safeBytes reports whether s is visible ASCII with well-formed
// percent-encodings and without a fragment.
func safeBytes(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c > '~' || c == '#':
			return false
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		}
	}
	return true
}

// safePath judges the part before the query; it begins with a slash.
func safePath(path string) bool {
	if !safeBytes(path) {
		return false
	}
	for i := range len(path) {
		switch path[i] {
		case '\\':
			return false
		case '%':
			if c := encodedByte(path[i:]); c < ' ' || c == 0x7f || c == '\\' {
				return false
			}
		}
	}
	first := path[1:]
	if first != "" && first[0] == '/' || encodedByte(first) == '/' {
		return false
	}
	for segment := range strings.SplitSeq(first, "/") {
		if isDotSegment(segment) {
			return false
		}
	}
	return true
}

// isDotSegment reports whether a segment is "." or ".." for any reader: one
// that decodes %2e, as browsers do, or one that drops parameters after a
// semicolon, as servlet containers do.
func isDotSegment(segment string) bool {
	dots := 0
	for segment != "" {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case encodedByte(segment) == '.':
			segment = segment[3:]
		case segment[0] == ';', encodedByte(segment) == ';':
			return dots == 1 || dots == 2
		default:
			return false
		}
		dots++
	}
	return dots == 1 || dots == 2
}

// encodedByte returns the byte that s encodes at its start, or 0xff where there
// is no encoding. safeBytes has checked that encodings are whole.
func encodedByte(s string) byte {
	if len(s) < 3 || s[0] != '%' {
		return 0xff
	}
	return unhex(s[1])<<4 | unhex(s[2])
}

// write writes s with the visible characters that RFC 3986 has no place for
// percent-encoded. Browsers send some of them raw; a header, a page and a URL
// parser are each better off without them.
func write(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			c = hex[c&15]
		}
		b.WriteByte(c)
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// unhex returns the value of a digit that isHex accepted.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
