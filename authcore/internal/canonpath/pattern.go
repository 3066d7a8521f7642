package canonpath

import (
	"errors"
	"strings"
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
