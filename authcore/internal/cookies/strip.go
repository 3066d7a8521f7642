package cookies

import "strings"

// Strip removes the cookies called names from Cookie header values before a
// request goes upstream (HD-5), in every spelling that a lenient server might
// take for one of them. All others stay, in place and byte for byte; a header
// that held nothing else goes away. Without a cookie of ours it returns headers
// itself and allocates nothing; it never writes to headers.
func Strip(headers []string, names ...string) (kept []string, changed bool) {
	for i, header := range headers {
		rest, found := without(header, names)
		if found && !changed {
			kept, changed = append(make([]string, 0, len(headers)), headers[:i]...), true
		}
		if changed && (rest != "" || !found) {
			kept = append(kept, rest)
		}
	}
	if !changed {
		return headers, false
	}
	return kept, true
}

// IsOurs reports whether an upstream's Set-Cookie header value would set a
// cookie that a browser stores, or sends back, under one of names, or that we
// or a lenient server would read so. The guard drops such a header: no app may
// set a session for its host.
func IsOurs(setCookieHeader string, names ...string) bool {
	pair, _, _ := strings.Cut(setCookieHeader, ";")
	return isOurs(pair, names)
}

// without returns what of header is not ours, spacing included, and whether
// anything was; it is empty where only blanks would be left. As long as that is
// one piece, it is a part of header and copies nothing.
func without(header string, names []string) (rest string, found bool) {
	var pieces strings.Builder
	piece := "" // of neighbouring pairs to keep
	from := 0   // where it begins
	for start := 0; start <= len(header); {
		end := len(header)
		if i := strings.IndexByte(header[start:], ';'); i >= 0 {
			end = start + i
		}
		switch {
		case isOurs(header[start:end], names):
			found = true
		case piece != "" && from+len(piece)+1 == start:
			piece = header[from:end]
		default:
			appendPiece(&pieces, piece, len(header))
			piece, from = header[start:end], start
		}
		start = end + 1
	}
	if !found {
		return header, false
	}
	rest = piece
	if pieces.Len() > 0 {
		appendPiece(&pieces, piece, len(header))
		rest = pieces.String()
	}
	if strings.Trim(rest, "; \t") == "" {
		return "", true
	}
	return strings.TrimLeft(rest, " \t"), true
}

// appendPiece joins pieces; all of them fit into size, so they cost one
// allocation.
func appendPiece(pieces *strings.Builder, piece string, size int) {
	if piece == "" {
		return
	}
	if pieces.Len() == 0 {
		pieces.Grow(size)
	} else {
		pieces.WriteByte(';')
	}
	pieces.WriteString(piece)
}

// isOurs reports whether the name in pair is one of names to the most lenient
// reader. Readers are known to trim white space and quotes, to decode
// percent-encodings (PHP before 7.4.11), to turn blanks, dots and brackets into
// underscores (PHP), and to ignore case (ASP.NET, and browsers for the __Host-
// prefix). A pair without a name is sent back by browsers as its bare value, so
// "=name=value" is "name=value" to the next reader (RFC 6265bis section 5.7).
//
// Readers of RFC 2109 and 2965 end a pair at a comma, too, so each part counts.
func isOurs(pair string, names []string) bool {
	for {
		if namesOurs(pair, names) {
			return true
		}
		i := strings.IndexByte(pair, ',')
		if i < 0 {
			return false
		}
		pair = pair[i+1:]
	}
}

func namesOurs(pair string, names []string) bool {
	for pair != "" {
		c, size := next(pair)
		if isTrimmed(c) || c == '=' {
			pair = pair[size:]
			continue
		}
		first := foldByte(c)
		for _, name := range names {
			if first != foldByte(name[0]) { // most cookies are somebody else's
				continue
			}
			if rest, ok := cutFolded(pair, name); ok && endsName(rest) {
				return true
			}
		}
		break
	}
	return false
}

// cutFolded returns what follows name, in any spelling, at the start of s.
func cutFolded(s, name string) (string, bool) {
	if rest, ok := strings.CutPrefix(s, name); ok {
		return rest, true // as everybody writes it
	}
	for i := range len(name) {
		if s == "" {
			return "", false
		}
		c, size := next(s)
		if c != name[i] && foldByte(c) != foldByte(name[i]) {
			return "", false
		}
		s = s[size:]
	}
	return s, true
}

// endsName reports whether a name is over where s begins, for some reader: at
// an equals sign, after what is trimmed, at a bracket, which makes an entry of
// an array (PHP), and at a NUL, which ends a string in C.
func endsName(s string) bool {
	for s != "" {
		c, size := next(s)
		if c == '=' || c == '[' || c == 0 {
			return true
		}
		if !isTrimmed(c) {
			return false
		}
		s = s[size:]
	}
	return true
}

// next returns the first byte of s, percent-decoded, and how many bytes of s
// it took.
func next(s string) (byte, int) {
	if s[0] == '%' && len(s) >= 3 {
		if high, low := unhex(s[1]), unhex(s[2]); high < 16 && low < 16 {
			return high<<4 | low, 3
		}
	}
	return s[0], 1
}

func isTrimmed(c byte) bool { return isBlank(c) || c == '"' || c == '\'' }

func foldByte(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '.' || c == '[' || c == '+' || c == '-' || isBlank(c):
		return '_'
	}
	return c
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
