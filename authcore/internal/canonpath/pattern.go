package canonpath

import (
	"errors"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Pattern is a path as rules name it: one path ("/x"), or all below one
// ("/x/*", "/*"). The zero value matches nothing.
type Pattern struct {
	literal string // "/x", or "/x/" with the star cut off
	below   bool
}

// ParsePattern reads a pattern. It is written decoded (é, not %C3%A9) and must
// be canonical, for otherwise it could never match; the error says what to
// write, and holds nothing of s.
func ParsePattern(s string) (Pattern, error) {
	if s == "" || s[0] != '/' {
		return Pattern{}, errors.New(`a path begins with a slash: write /x for one path, /x/* for all below it, /* for all`)
	}
	literal, below := strings.CutSuffix(s, "/*")
	if below {
		literal += "/"
	}
	if strings.Contains(literal, "*") {
		return Pattern{}, errors.New(`a * stands only at the end, after a slash: write /x/*`)
	}
	if strings.Contains(literal, "%") {
		return Pattern{}, errors.New(`paths are matched decoded: write the character itself in place of its percent-encoding`)
	}
	if i := strings.IndexAny(literal, `?#;\`); i >= 0 {
		return Pattern{}, errors.New(`a path with ? # ; or \ is never matched: leave that character and what follows it out`)
	}
	for i := range len(literal) {
		if literal[i] < ' ' || literal[i] == 0x7f {
			return Pattern{}, errors.New("a path holds no control characters: remove them")
		}
	}
	if !plainText(literal) {
		return Pattern{}, errors.New("a path holds no invalid UTF-8, control characters or look-alikes of . / ; and the like: remove them")
	}
	if !cleanSegments(literal) {
		return Pattern{}, errors.New("a path holds no // and no segment of dots: write it as a browser sends it")
	}
	return Pattern{literal: literal, below: below}, nil
}

// Match reports whether p is covered, compared byte by byte (FA-6). "/x/*"
// covers "/x/" and all below it, not "/x".
func (pt Pattern) Match(p Path) bool {
	if pt.below {
		return strings.HasPrefix(string(p), pt.literal)
	}
	return pt.literal != "" && string(p) == pt.literal
}

// String returns the pattern as it was written.
func (pt Pattern) String() string {
	if pt.below {
		return pt.literal + "*"
	}
	return pt.literal
}

// Covers reports whether p is under a rule that protects: unlike Match, "/x/*"
// covers "/x" too, and "/x" and "/x/" cover each other, because many servers
// read both as one page.
func (pt Pattern) Covers(p Path) bool {
	if pt.below {
		return strings.HasPrefix(string(p), pt.literal) || string(p) == pt.literal[:len(pt.literal)-1]
	}
	return pt.literal != "" && strings.TrimSuffix(string(p), "/") == strings.TrimSuffix(pt.literal, "/")
}

// Contains reports whether pt covers all that inner matches.
func (pt Pattern) Contains(inner Pattern) bool {
	if inner.below && !pt.below {
		return false
	}
	return pt.Covers(Path(inner.literal))
}

// Compare says which of two patterns that may cover one path is more specific:
// the longer one, and of two of one length that which names a single path. The
// result is positive where pt is.
func (pt Pattern) Compare(other Pattern) int {
	a, b := strings.TrimSuffix(pt.literal, "/"), strings.TrimSuffix(other.literal, "/")
	switch {
	case len(a) != len(b):
		return len(a) - len(b)
	case pt.below == other.below:
		return 0
	case other.below:
		return 1
	}
	return -1
}

// Fold returns the pattern for folded paths.
func (pt Pattern) Fold() Pattern { return Pattern{string(Path(pt.literal).Fold()), pt.below} }

// Fold returns p as the most forgiving server reads it: one that does not tell
// letters by case or width, in any script, and a file system that trims dots and
// spaces from the end of a name and takes what is behind a colon for a stream
// of the file. It allocates only where that changes something.
func (p Path) Fold() Path {
	plain := true
	for i := range len(p) {
		switch c := p[i]; {
		case c >= 'A' && c <= 'Z', c == ':', c >= 0x80:
			plain = false
		case c == '/' && i > 0 && (p[i-1] == '.' || p[i-1] == ' '):
			plain = false
		}
	}
	if plain && !strings.HasSuffix(string(p), ".") && !strings.HasSuffix(string(p), " ") {
		return p
	}
	folded := strings.Map(foldRune, norm.NFKC.String(string(p)))
	segments := strings.Split(folded, "/")
	for i, s := range segments {
		s, _, _ = strings.Cut(s, ":")
		segments[i] = strings.TrimRight(s, ". ")
	}
	return Path(strings.Join(segments, "/"))
}

// foldRune is the least rune of those that differ by case only, with ASCII
// letters small: K, k and the Kelvin sign are one letter, and so are i and the
// Turkish letters without and with a dot.
func foldRune(r rune) rune {
	if r == 'ı' || r == 'İ' {
		return 'i'
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least >= 'A' && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
