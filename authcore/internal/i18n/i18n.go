// Package i18n holds the words that people read, in every language that has a
// file in locales/. docs/translating.md is for those who write the files.
//
// A file is one flat JSON object: "login.title": "Sign in to {brand}". A
// message that counts is an object of CLDR plural categories; its argument
// {count} chooses. Tags in a message are ours and trusted; arguments never are.
//
// It is a loader of our own and not go-i18n, of which it would use little: there
// a message is a program of text/template, whose arguments can neither be
// compared between languages nor escaped one by one; a missing one prints
// "<no value>", and a missing message comes in another language. Matching of
// languages and plural rules are those of golang.org/x/text (CLDR).
package i18n

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

//go:embed locales/*.json
var files embed.FS

// Default is the language of whoever asks for none that we have.
const Default = "en"

// maxAccept bounds the Accept-Language header that is read (DS-1): browsers
// send far less.
const maxAccept = 512

// Embedded is our catalogue. It is read once, when first asked for.
var Embedded = sync.OnceValue(func() *Catalogue {
	c, err := Load(files)
	if err != nil {
		panic(err) // our own files, which a test reads too
	}
	return c
})

// English is the language of whatever is not written for people who chose one.
func English() *Language { return Embedded().English() }

// Catalogue is all languages there are. It is immutable once made.
type Catalogue struct {
	languages []*Language // English first, then by tag
	matcher   language.Matcher
}

// Language is one file. It is immutable once made.
type Language struct {
	tag      language.Tag
	name     string // of the file
	rtl      bool
	messages map[string]message
	months   []string
}

// Load reads locales/*.json of a file system. A file that is no catalogue is an
// error; what is missing in one is found by the tests of this package.
func Load(from fs.FS) (*Catalogue, error) {
	names, err := fs.Glob(from, "locales/*.json")
	if err != nil {
		return nil, fmt.Errorf("listing languages: %w", err)
	}
	c := &Catalogue{}
	for _, name := range names {
		l, err := load(from, name)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if l.name == Default {
			c.languages = slices.Insert(c.languages, 0, l)
		} else {
			c.languages = append(c.languages, l)
		}
	}
	if len(c.languages) == 0 || c.languages[0].name != Default {
		return nil, errors.New("there is no locales/" + Default + ".json")
	}
	var tags []language.Tag
	for _, l := range c.languages {
		tags = append(tags, l.tag)
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

func load(from fs.FS, file string) (*Language, error) {
	content, err := fs.ReadFile(from, file)
	if err != nil {
		return nil, err
	}
	l := &Language{name: strings.TrimSuffix(path.Base(file), ".json"), messages: map[string]message{}}
	if l.tag, err = language.Parse(l.name); err != nil || l.tag.String() != l.name {
		return nil, errors.New("the file's name is not a BCP 47 tag in its usual form")
	}
	script, _ := l.tag.Script()
	l.rtl = slices.Contains([]string{"Arab", "Hebr", "Thaa", "Syrc", "Nkoo"}, script.String())
	var raw map[string]any
	if err := json.Unmarshal(content, &raw); err != nil {
		return nil, err
	}
	for key, value := range raw {
		if l.messages[key], err = parseMessage(value); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	l.months = strings.Split(l.Text("time.months"), "|")
	if len(l.months) != 12 {
		return nil, errors.New("time.months: twelve names, with | between them")
	}
	return l, nil
}

// Languages are all there are, English first.
func (c *Catalogue) Languages() []*Language { return c.languages }

// English is the language that every other is compared with.
func (c *Catalogue) English() *Language { return c.languages[0] }

// Find returns the language of exactly this tag, or nil.
func (c *Catalogue) Find(tag string) *Language {
	for _, l := range c.languages {
		if l.name == tag {
			return l
		}
	}
	return nil
}

// Lookup is Find with English in place of nil: for tags that were stored.
func (c *Catalogue) Lookup(tag string) *Language {
	if l := c.Find(tag); l != nil {
		return l
	}
	return c.English()
}

// Match chooses by an Accept-Language header (RFC 9110 section 12.5.4). One
// that is absent, malformed, too long or names nothing we have means English.
func (c *Catalogue) Match(accept string) *Language {
	if accept == "" || len(accept) > maxAccept {
		return c.English()
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return c.English()
	}
	_, i, confidence := c.matcher.Match(wanted...)
	if confidence == language.No {
		return c.English()
	}
	return c.languages[i]
}

// Tag is the language's BCP 47 tag, for lang attributes.
func (l *Language) Tag() string { return l.name }

// Dir is the direction in which it is written, for dir attributes.
func (l *Language) Dir() string {
	if l.rtl {
		return "rtl"
	}
	return "ltr"
}

// Name is what its own speakers call it.
func (l *Language) Name() string { return l.Text("language") }
