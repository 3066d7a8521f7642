// Package cookies reads, removes and recognises our cookies in raw header
// values (CK-2, HD-5). It does not parse what belongs to others, and leaves
// their bytes as they are.
package cookies

import "strings"

const (
	// maxValue bounds a value of ours; the longest in use has 43 characters.
	maxValue = 128

	// maxHeaders bounds all Cookie headers of a request together: what
	// browsers send fits, and one request cannot make us read for long (DS-1).
	maxHeaders = 16 << 10
)

// Status says what Find met.
type Status uint8

// What Find meets.
const (
	Absent Status = iota // no cookie of that name
	One                  // exactly one, well-formed
	Bad                  // more than one, malformed, over-long or oddly spelled: treat as signed out, and clear it
)

// Find returns the value of the cookie called name, given all Cookie header
// values of a request. It allocates nothing.
//
// Pairs are separated by semicolons, with or without spaces around
// (RFC 6265 section 4.2.1 and what servers accept beyond it). There is no
// "first wins": a second cookie of the name is the mark of somebody who could
// set one from a sibling host, and which one another reader takes is unknown
// (CK-2). A name that is ours but for other white space around it, for a
// leading equals sign or a missing one, is ours to some reader and so is Bad.
// Names are compared with case; another case is another cookie.
func Find(headers []string, name string) (value string, status Status) {
	total := 0
	for _, header := range headers {
		if total += len(header); total > maxHeaders {
			return "", Bad
		}
		for rest, more := header, true; more; {
			var pair string
			pair, rest, more = strings.Cut(rest, ";")
			pair = trimSpaces(pair)
			if v, ok := cutName(pair, name); ok && status == Absent && isValue(v) {
				value, status = v, One
			} else if ok || isStray(pair, name) {
				return "", Bad
			}
		}
	}
	return value, status
}

// cutName returns what follows "name=" in pair.
func cutName(pair, name string) (string, bool) {
	if len(pair) > len(name) && pair[len(name)] == '=' && pair[:len(name)] == name {
		return pair[len(name)+1:], true
	}
	return "", false
}

// isStray reports whether pair, not exactly "name=…", comes to that once white
// space and equals signs before the name, and white space after it, are gone.
func isStray(pair, name string) bool {
	for pair != "" && (isBlank(pair[0]) || pair[0] == '=') {
		pair = pair[1:]
	}
	if !strings.HasPrefix(pair, name) {
		return false
	}
	for pair = pair[len(name):]; pair != "" && isBlank(pair[0]); {
		pair = pair[1:]
	}
	return pair == "" || pair[0] == '='
}

// isValue accepts 1 to 128 cookie-octets (RFC 6265 section 4.1.1): no quotes,
// commas, backslashes, white space or control characters, nothing above ASCII.
func isValue(s string) bool {
	if s == "" || len(s) > maxValue {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == ',' || c == '\\' {
			return false
		}
	}
	return true
}

func trimSpaces(s string) string {
	for s != "" && s[0] == ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// isBlank lists what some reader of headers trims: controls and white space of
// ASCII, and the two of Latin-1, as which some frameworks decode headers.
func isBlank(c byte) bool { return c <= ' ' || c == 0x7f || c == 0x85 || c == 0xa0 }
