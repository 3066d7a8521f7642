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

// Embedded is our catalogue. It is opened when first asked for, and each of its
// files read when somebody speaks that language: most sites need two of them.
var Embedded = sync.OnceValue(func() *Catalogue {
	c, err := open(files)
	if err != nil {
		panic(err) // our own files, which a test reads too
	}
	return c
})

// English is the language of whatever is not written for people who chose one.
func English() *Language { return Embedded().English() }

// Catalogue is all languages there are. It is immutable once made.
type Catalogue struct {
	languages []*Language             // English first, then by tag
	matcher   func() language.Matcher // made when first asked for: its tables are large
}

// Language is one file. It is immutable once made.
type Language struct {
	name   string // of the file, which is its BCP 47 tag
	called string // what its own speakers call it
	rtl    bool
	read   func() (*content, error) // the file, read once
}

// content is what a file holds.
type content struct {
	messages map[string]message
	months   []string
}

func (l *Language) tag() language.Tag { return language.MustParse(l.name) } // Load, or a test, has tried

// content is what the language's file holds. A file that is no catalogue is
// found by Load or, where it is our own, by a test.
func (l *Language) content() *content {
	c, err := l.read()
	if err != nil {
		panic(err)
	}
	return c
}

// Load reads locales/*.json of a file system. A file that is no catalogue is an
// error; what is missing in one is found by the tests of this package.
func Load(from fs.FS) (*Catalogue, error) {
	c, err := open(from)
	if err != nil {
		return nil, err
	}
	for _, l := range c.languages {
		if tag, err := language.Parse(l.name); err != nil || tag.String() != l.name {
			return nil, fmt.Errorf("locales/%s.json: the file's name is not a BCP 47 tag in its usual form", l.name)
		}
		if _, err := l.read(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// open finds the files, and reads of each no more than what it is called.
func open(from fs.FS) (*Catalogue, error) {
	names, err := fs.Glob(from, "locales/*.json")
	if err != nil {
		return nil, fmt.Errorf("listing languages: %w", err)
	}
	c := &Catalogue{}
	for _, name := range names {
		l, err := openLanguage(from, name)
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", name, err)
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
	c.matcher = sync.OnceValue(func() language.Matcher {
		var tags []language.Tag
		for _, l := range c.languages {
			tags = append(tags, l.tag())
		}
		return language.NewMatcher(tags)
	})
	return c, nil
}

func openLanguage(from fs.FS, file string) (*Language, error) {
	l := &Language{name: strings.TrimSuffix(path.Base(file), ".json")}
	base, _, _ := strings.Cut(l.name, "-")
	l.rtl = slices.Contains([]string{"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}, base)
	var err error
	if l.called, err = called(from, file); err != nil {
		return nil, err
	}
	l.read = sync.OnceValues(func() (*content, error) {
		c, err := read(from, file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		return c, nil
	})
	return l, nil
}

// called is the first message of a file: what its speakers call the language.
func called(from fs.FS, file string) (name string, err error) {
	f, err := from.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d := json.NewDecoder(f)
	var first [3]json.Token
	for i := range first {
		if first[i], err = d.Token(); err != nil {
			return "", err
		}
	}
	name, ok := first[2].(string)
	if first[0] != json.Delim('{') || first[1] != "language" || !ok {
		return "", errors.New(`its first message is not "language", what its speakers call it`)
	}
	return name, nil
}

func read(from fs.FS, file string) (*content, error) {
	text, err := fs.ReadFile(from, file)
	if err != nil {
		return nil, err
	}
	var raw map[string]any
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	c := &content{messages: map[string]message{}}
	for key, value := range raw {
		if c.messages[key], err = parseMessage(value); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	months, _ := raw["time.months"].(string)
	if c.months = strings.Split(months, "|"); len(c.months) != 12 {
		return nil, errors.New("time.months: twelve names, with | between them")
	}
	return c, nil
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
	_, i, confidence := c.matcher().Match(wanted...)
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
func (l *Language) Name() string { return l.called }
