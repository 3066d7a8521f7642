package outbox

import (
	"bytes"
	"embed"
	"fmt"
	html "html/template"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	text "text/template"
	"unicode"
	"unicode/utf8"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

//go:embed templates/*.txt templates/*.html
var templateFiles embed.FS

// partsFile is what our own HTML parts have in common.
const partsFile = "templates/_parts.html"

// fileNames are the templates that a folder may replace, without those of one
// language, such as sign-in.de.txt.
func fileNames() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name+".txt", k.name+".html")
	}
	return names
}

// templates are the mails by language. They are immutable once made.
type templates struct {
	languages *i18n.Catalogue
	files     map[string]string                  // the folder's, by name
	spoken    map[string]func() (*spoken, error) // by tag, parsed when first asked for
}

// spoken are the mails of one language.
type spoken struct {
	text *text.Template
	html *html.Template
}

// loadTemplates parses the built-in templates and those that the folder dir
// puts in their place; dir may be empty. Each of a folder is tried out, so a
// mistake stops the start and not a mail.
func loadTemplates(dir string) (*templates, error) {
	t := &templates{
		languages: i18n.Embedded(), files: map[string]string{}, spoken: map[string]func() (*spoken, error){},
	}
	if dir != "" {
		if err := t.override(os.DirFS(dir), dir); err != nil {
			return nil, err
		}
	}
	for _, l := range t.languages.Languages() {
		t.spoken[l.Tag()] = sync.OnceValues(func() (*spoken, error) { return t.parse(l) })
	}
	if dir == "" {
		return t, nil // ours are tried out by a test
	}
	return t, t.try()
}

// parse makes the mails of one language: the folder's for this language, the
// folder's for all, or our own.
func (t *templates) parse(l *i18n.Language) (*spoken, error) {
	plain, rich := text.New("").Funcs(text.FuncMap(l.Funcs())), html.New("").Funcs(l.Funcs())
	if _, err := rich.ParseFS(templateFiles, partsFile); err != nil {
		return nil, fmt.Errorf("parsing mail template: %w", err)
	}
	for _, name := range fileNames() {
		from, content := t.file(l.Tag(), name)
		if content == "" && from == name {
			b, err := templateFiles.ReadFile(path.Join("templates", name))
			if err != nil {
				return nil, fmt.Errorf("reading mail template: %w", err)
			}
			content = string(b)
		}
		var err error
		if strings.HasSuffix(name, ".txt") {
			_, err = plain.New(name).Parse(content)
		} else {
			_, err = rich.New(name).Parse(content)
		}
		if err != nil {
			return nil, fmt.Errorf("parsing mail template %s: %w", from, err)
		}
	}
	return &spoken{plain, rich}, nil
}

// file is the folder's template that a language gets, by its file's name.
func (t *templates) file(tag, name string) (from, content string) {
	if own := inLanguage(name, tag); t.files[own] != "" {
		return own, t.files[own]
	}
	return name, t.files[name]
}

// inLanguage names a template for one language: sign-in.de.txt.
func inLanguage(name, tag string) string {
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + tag + ext
}

// override reads the templates of a folder. Files of other names are refused:
// they would be a mail that somebody wrote and nobody gets.
func (t *templates) override(from fs.FS, dir string) error {
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return fmt.Errorf("reading the folder of mail templates: %w", err)
	}
	known, tags := map[string]bool{}, []string{}
	for _, l := range t.languages.Languages() {
		tags = append(tags, l.Tag())
		for _, name := range fileNames() {
			known[name], known[inLanguage(name, l.Tag())] = true, true
		}
	}
	for _, e := range entries {
		switch ext := path.Ext(e.Name()); {
		case !known[e.Name()] && (ext == ".txt" || ext == ".html"):
			return fmt.Errorf("mail templates in %s: there is no mail called %q; known are %s, and each for one of the languages %s, such as %s",
				dir, e.Name(), strings.Join(fileNames(), ", "), strings.Join(tags, ", "), inLanguage(fileNames()[0], tags[len(tags)-1]))
		case !known[e.Name()]:
			continue
		}
		b, err := fs.ReadFile(from, e.Name())
		if err != nil {
			return fmt.Errorf("reading mail template: %w", err)
		}
		if len(b) == 0 {
			b = []byte("\n") // theirs, and shows nothing
		}
		t.files[e.Name()] = string(b)
	}
	return nil
}

// try renders every variant in every language and looks for what makes the mail
// of use.
func (t *templates) try() error {
	for _, l := range t.languages.Languages() {
		a := About{Lang: l.Tag(), Brand: "Example", Host: "auth.example.com", Device: l.Text("device.unknown"), Minutes: 10}
		for _, k := range kinds {
			for _, s := range k.samples(a) {
				if err := t.tryOne(l.Tag(), k, s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *templates) tryOne(tag string, k kind, s sample) error {
	plain, rich, err := t.render(tag, k.name, s.data)
	if err != nil {
		return err
	}
	bodies := map[string]string{".txt": plain, ".html": rich}
	for _, ext := range slices.Sorted(maps.Keys(bodies)) {
		for _, must := range s.shows {
			if !strings.Contains(bodies[ext], must.text) {
				from, _ := t.file(tag, k.name+ext)
				return fmt.Errorf("mail template %s does not show %s; write %s", from, must.what, must.how)
			}
		}
	}
	return nil
}

// render answers the text and the HTML part of the mail called name, in the
// language of the tag.
func (t *templates) render(tag, name string, data any) (plain, rich string, err error) {
	mails, err := t.spoken[tag]()
	if err != nil {
		return "", "", err
	}
	var out bytes.Buffer
	if err := mails.text.ExecuteTemplate(&out, name+".txt", data); err != nil {
		return "", "", fmt.Errorf("rendering mail template: %w", err)
	}
	plain = out.String()
	out.Reset()
	if err := mails.html.ExecuteTemplate(&out, name+".html", data); err != nil {
		return "", "", fmt.Errorf("rendering mail template: %w", err)
	}
	return plain, out.String(), nil
}

// Bounds of what stands in a mail, in bytes.
const (
	maxBrand = 80
	maxLink  = 900 // RFC 5322 section 2.1.1 ends a line at 998
)

func isLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && len(s) <= maxLink &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func hostname(s string) string {
	return strings.Map(func(r rune) rune {
		if notInLabel(r) && r != '.' && r != ':' && r != '[' && r != ']' {
			return -1
		}
		return r
	}, s)
}

// unlinked parts what mail programs would turn into a link though it has no
// scheme: "evil.example/x" and "a@evil.example" (EM-8). Version numbers stay.
func unlinked(s string) string {
	var b strings.Builder
	var before rune
	for i, r := range s {
		next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		b.WriteRune(r)
		dot := r == '.' || r == '\u3002' || r == '\uff0e' || r == '\uff61' // all are dots to IDNA
		if r == '@' || dot && before != 0 && before != ' ' && unicode.IsLetter(next) {
			b.WriteByte(' ')
		}
		before = r
	}
	return strings.TrimSpace(b.String())
}

// plain makes s fit to stand in a sentence of a mail (EM-8): one line, at most
// n bytes, no control, format or direction characters, and no word that mail
// programs would turn into a link of somebody else's choosing.
func plain(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) || r == '\uFFFD':
			return -1
		}
		return r
	}, s)
	words := slices.DeleteFunc(strings.Fields(s), func(w string) bool {
		w = strings.ToLower(w)
		return strings.Contains(w, "://") || strings.HasPrefix(w, "www.") || strings.HasPrefix(w, "mailto:")
	})
	return capped(strings.Join(words, " "), n)
}
