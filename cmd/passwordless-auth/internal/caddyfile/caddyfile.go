// Package caddyfile writes Caddyfiles from settings and has Caddy adapt them.
// It remembers which setting each line came from, so that what the adapter says
// about line 12 becomes a sentence about the variable that somebody wrote.
package caddyfile

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// File is a Caddyfile being written. The zero value is an empty one.
type File struct {
	text   strings.Builder
	depth  int
	owners []string // by line, from the first
}

// Open writes a line that begins a block; Close ends it.
func (f *File) Open(owner string, words ...string) {
	f.write(owner, f.join(append(words, "{")))
	f.depth++
}

// Close ends the innermost block.
func (f *File) Close() {
	f.depth--
	f.write("", "}")
}

// Line writes a line. owner is the setting to blame for it, "" for nobody.
// Words are quoted where needed; CheckValue says which cannot be.
func (f *File) Line(owner string, words ...string) {
	f.write(owner, f.join(words))
}

// Comment writes a comment.
func (f *File) Comment(text string) {
	f.write("", "# "+text)
}

// LogFormat writes the format of a log. Caddy's console format has colours,
// which a file or a collector of logs would keep as control codes.
func LogFormat(f *File, owner, format string, colour bool) {
	if format != "console" || colour {
		f.Line(owner, "format", format)
		return
	}
	f.Open(owner, "format", format)
	f.Line("", "level_format", "upper")
	f.Close()
}

// Blank writes an empty line.
func (f *File) Blank() {
	f.text.WriteByte('\n')
	f.owners = append(f.owners, "")
}

// String is the Caddyfile.
func (f *File) String() string { return f.text.String() }

func (f *File) write(owner, line string) {
	f.text.WriteString(strings.Repeat("\t", f.depth) + line + "\n")
	f.owners = append(f.owners, owner)
}

func (f *File) join(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

// bare are words that need no quotes: plain text, and places of secrets.
var bare = regexp.MustCompile(`^([A-Za-z0-9_./:@*+=,\[\]-]+|\{(env|file)\.[^{}\s"` + "`" + `\\]+\})$`)

func quote(word string) string {
	switch {
	case word == "{", bare.MatchString(word):
		return word
	case strings.ContainsAny(word, `"\`): // a backslash cannot be escaped inside double quotes
		return "`" + word + "`"
	default:
		return `"` + word + `"`
	}
}

// CheckValue refuses what cannot stand in a Caddyfile literally. Braces would be
// taken for placeholders, which must not come from a value (BT-3).
func CheckValue(s string) error {
	if strings.ContainsAny(s, "{}`") || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return errors.New("braces, backquotes, tabs and line breaks cannot be used here")
	}
	return nil
}

// Error is what the adapter found wrong with a setting.
type Error struct {
	Owner   string // whose line it was, "" when unknown
	Message string
}

func (e *Error) Error() string {
	if e.Owner == "" {
		return e.Message
	}
	return e.Owner + ": " + e.Message
}

// Adapt turns the file into Caddy's JSON.
func (f *File) Adapt() ([]byte, error) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	if adapter == nil {
		return nil, errors.New("the Caddyfile adapter is not part of this program")
	}
	cfg, warnings, err := adapter.Adapt([]byte(f.String()), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return nil, f.blame(err)
	}
	for _, w := range warnings {
		return nil, fmt.Errorf("adapting the configuration: %s", w)
	}
	return cfg, nil
}

// located is the end of the adapter's messages: where, and in which import.
var located = regexp.MustCompile(`(?s)^(.*), at Caddyfile:(\d+)`)

// blame finds the setting behind an error of the adapter.
func (f *File) blame(err error) error {
	m := located.FindStringSubmatch(err.Error())
	if m == nil {
		return &Error{Message: err.Error()}
	}
	message := strings.TrimPrefix(m[1], "parsing caddyfile tokens for 'passwordless': ")
	line, _ := strconv.Atoi(m[2]) // digits
	if line < 1 || line > len(f.owners) || f.owners[line-1] == "" {
		return &Error{Message: message}
	}
	// "portal: …" names the line; its owner does so in the user's words.
	word, _, _ := strings.Cut(strings.TrimSpace(strings.Split(f.String(), "\n")[line-1]), " ")
	for _, prefix := range []string{word + ": ", word + " "} {
		message = strings.TrimPrefix(message, prefix)
	}
	return &Error{Owner: f.owners[line-1], Message: message}
}
