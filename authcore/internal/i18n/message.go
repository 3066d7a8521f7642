package i18n

import (
	"errors"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
)

// message is one entry of a file: one text, or one for each plural category.
type message struct {
	text  text
	forms map[plural.Form]text // nil: it counts nothing
}

// text is what stands between arguments, and their names: words, argument,
// words, argument, …, words.
type text []part

// part is an argument's name, or words as they stand in the file, as plain text
// and as HTML.
type part struct{ source, plain, html string }

// forms are the CLDR plural categories by their names in a file.
var forms = map[string]plural.Form{
	"zero": plural.Zero, "one": plural.One, "two": plural.Two, "few": plural.Few, "many": plural.Many, "other": plural.Other,
}

func parseMessage(raw any) (m message, err error) {
	if one, ok := raw.(string); ok {
		m.text, err = parseText(one)
		return m, err
	}
	several, ok := raw.(map[string]any)
	if !ok {
		return m, errors.New("neither a text nor an object of plural categories")
	}
	m.forms = map[plural.Form]text{}
	for name, v := range several {
		s, isText := v.(string)
		form, ok := forms[name]
		if !ok || !isText {
			return m, fmt.Errorf("%q is no text of a plural category; there are zero, one, two, few, many and other", name)
		}
		if m.forms[form], err = parseText(s); err != nil {
			return m, err
		}
	}
	if m.forms[plural.Other] == nil {
		return m, errors.New(`the category "other" is missing`)
	}
	return m, nil
}

func parseText(s string) (t text, err error) {
	for {
		before, rest, found := strings.Cut(s, "{")
		if strings.Contains(before, "}") {
			return nil, errors.New("a } without a {")
		}
		p := part{before, before, before}
		if strings.ContainsAny(before, `<>&'"`) {
			p.plain, p.html = plainTags.Replace(before), htmlTags.Replace(template.HTMLEscapeString(before))
		}
		t = append(t, p)
		if !found {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return nil, errors.New("an argument is written {name}, in small letters")
		}
		t, s = append(t, part{source: name}), after
	}
}

// String is the text as it stands in the file.
func (t text) String() string {
	var b strings.Builder
	for i, p := range t {
		if i%2 == 1 {
			p.source = "{" + p.source + "}"
		}
		b.WriteString(p.source)
	}
	return b.String()
}

// The tags that a message may have. Whatever else looks like markup is text.
var (
	plainTags = strings.NewReplacer("<strong>", "", "</strong>", "", "<code>", "", "</code>", "")
	htmlTags  = strings.NewReplacer("&lt;strong&gt;", "<strong>", "&lt;/strong&gt;", "</strong>", "&lt;code&gt;", "<code>", "&lt;/code&gt;", "</code>")
)

// Text writes a message as plain text, without its tags. args are names and values in turn:
// "brand", name. A key or argument that does not fit is a fault of ours, which
// tests look for; then the key stands in for the text.
func (l *Language) Text(key string, args ...any) string {
	s, err := l.Format(key, args...)
	if err != nil {
		return key
	}
	return s
}

// Format is Text with the fault as an error, for templates.
func (l *Language) Format(key string, args ...any) (string, error) {
	return l.write(key, args, func(p part) string { return p.plain }, func(v any) string {
		switch s, ok := v.(string); {
		case ok && l.rtl:
			return "\u2068" + s + "\u2069" // isolated: its direction is its own (Unicode 9, section 2.4)
		case ok:
			return s
		}
		return fmt.Sprint(v)
	})
}

// Rich writes a message as HTML: its own tags stay, strings among the arguments
// are escaped, and isolated where their direction may differ from the text's.
func (l *Language) Rich(key string, args ...any) (template.HTML, error) {
	s, err := l.write(key, args, func(p part) string { return p.html }, func(v any) string {
		switch v := v.(type) {
		case template.HTML:
			return string(v)
		case string:
			return string(l.isolate(v))
		}
		return template.HTMLEscaper(v)
	})
	return template.HTML(s), err //nolint:gosec // the catalogue's own text, around arguments that are escaped
}

// isolate escapes what a stranger may have chosen. ASCII has no letters that run
// from right to left, so in a text from left to right it needs no element.
func (l *Language) isolate(s string) template.HTML {
	escaped := template.HTMLEscapeString(s)
	if l.rtl || strings.ContainsFunc(s, func(r rune) bool { return r > '~' }) {
		escaped = "<bdi>" + escaped + "</bdi>"
	}
	return template.HTML(escaped) //nolint:gosec // escaped above
}

func (l *Language) write(key string, args []any, words func(part) string, show func(any) string) (string, error) {
	m, ok := l.content().messages[key]
	if !ok {
		return "", fmt.Errorf("language %s: there is no message %q", l.name, key)
	}
	t, err := l.choose(m, args)
	if err != nil {
		return "", fmt.Errorf("message %q: %w", key, err)
	}
	var b strings.Builder
	for i, p := range t {
		if i%2 == 0 {
			b.WriteString(words(p))
			continue
		}
		v, ok := argument(args, p.source)
		if !ok {
			return "", fmt.Errorf("message %q: the argument %q is missing", key, p.source)
		}
		b.WriteString(show(v))
	}
	return b.String(), nil
}

// choose finds the text for the argument "count".
func (l *Language) choose(m message, args []any) (text, error) {
	if m.forms == nil {
		return m.text, nil
	}
	v, _ := argument(args, "count")
	n, ok := v.(int)
	if !ok || n < 0 {
		return nil, errors.New(`the argument "count" is no whole number`)
	}
	if t, ok := m.forms[plural.Cardinal.MatchPlural(l.tag(), n, 0, 0, 0, 0)]; ok {
		return t, nil
	}
	return m.forms[plural.Other], nil
}

func argument(args []any, name string) (any, bool) {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == name {
			return args[i+1], true
		}
	}
	return nil, false
}

// Has reports whether there is such a message.
func (l *Language) Has(key string) bool {
	_, ok := l.content().messages[key]
	return ok
}

// Keys are all messages there are, sorted.
func (l *Language) Keys() []string { return slices.Sorted(maps.Keys(l.content().messages)) }

// Source is a message as it stands in the file, for scripts, which put the
// arguments in themselves: a string, or a map of plural categories.
func (l *Language) Source(key string) (any, error) {
	m, ok := l.content().messages[key]
	if !ok {
		return nil, fmt.Errorf("language %s: there is no message %q", l.name, key)
	}
	if m.forms == nil {
		return m.text.String(), nil
	}
	several := map[string]string{}
	for name, form := range forms {
		if t, ok := m.forms[form]; ok {
			several[name] = t.String()
		}
	}
	return several, nil
}
