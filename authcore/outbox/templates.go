package outbox

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"io/fs"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	text "text/template"
	"time"
	"unicode"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/code"
	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
	"github.com/passwordless-auth/passwordless-auth/store"
)

//go:embed templates/*.txt templates/*.html
var templateFiles embed.FS

// mails are the names of all mails; each is a text and an HTML file.
var mails = []string{authcore.TemplateSignIn, authcore.TemplatePaused}

func fileNames() (names []string) {
	for _, mail := range mails {
		names = append(names, mail+".txt", mail+".html")
	}
	return names
}

// SignIn is what the templates of both mails are given: sign-in, and
// codes-paused, which has neither code nor link. Every
// field is one line without control characters, so that the text part needs no
// escaping; none holds text of a stranger (EM-8, BT-3).
type SignIn struct {
	Brand   string
	Host    string // where a code may be typed, such as "auth.example.com"
	Client  string // the app whose API call asked; empty: a browser
	Device  string // who asked, in our words: "Firefox on Linux"
	Code    string // "1234 5678"; empty: none
	Link    string // empty: none
	Minutes int    // how much longer both are valid, at least 1
}

// templates are the parsed mails. They are immutable once made.
type templates struct {
	text *text.Template
	html *html.Template
}

// loadTemplates parses the built-in templates and those that the folder dir
// puts in their place; dir may be empty. Each is tried out, so a mistake stops
// the start and not a mail.
func loadTemplates(dir string) (*templates, error) {
	files := map[string]string{}
	for _, name := range fileNames() {
		b, err := templateFiles.ReadFile(path.Join("templates", name))
		if err != nil {
			return nil, fmt.Errorf("reading template: %w", err)
		}
		files[name] = string(b)
	}
	if dir != "" {
		if err := override(files, os.DirFS(dir), dir); err != nil {
			return nil, err
		}
	}
	t := &templates{text: text.New(""), html: html.New("")}
	for _, name := range fileNames() {
		var err error
		if strings.HasSuffix(name, ".txt") {
			_, err = t.text.New(name).Parse(files[name])
		} else {
			_, err = t.html.New(name).Parse(files[name])
		}
		if err != nil {
			return nil, fmt.Errorf("parsing mail template: %w", err)
		}
	}
	return t, t.try()
}

// override replaces files by those of a folder. Files of other names are
// refused: they would be a mail that somebody wrote and nobody gets.
func override(files map[string]string, from fs.FS, dir string) error {
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return fmt.Errorf("reading the folder of mail templates: %w", err)
	}
	for _, e := range entries {
		known := files[e.Name()] != ""
		switch ext := path.Ext(e.Name()); {
		case !known && (ext == ".txt" || ext == ".html"):
			return fmt.Errorf("mail templates in %s: there is no mail called %q; known are %s", dir, e.Name(), strings.Join(fileNames(), ", "))
		case !known:
			continue
		}
		b, err := fs.ReadFile(from, e.Name())
		if err != nil {
			return fmt.Errorf("reading mail template: %w", err)
		}
		files[e.Name()] = string(b)
	}
	return nil
}

// try renders every variant and looks for what makes the mail of use.
func (t *templates) try() error {
	sample := SignIn{Brand: "Example", Host: "auth.example.com", Device: useragent.Unknown, Minutes: 10}
	const digits, link = "1234 5678", "https://auth.example.com/login/link#token"
	for _, client := range []string{"", "Example Web"} {
		for _, v := range [][2]string{{digits, link}, {digits, ""}, {"", link}} {
			s := sample
			s.Client, s.Code, s.Link = client, v[0], v[1]
			plain, rich, err := t.render(authcore.TemplateSignIn, s)
			if err != nil {
				return err
			}
			for name, body := range map[string]string{".txt": plain, ".html": rich} {
				if !strings.Contains(body, s.Code) {
					return fmt.Errorf("mail template sign-in%s does not show the code; write {{.Code}}", name)
				}
				if !strings.Contains(body, s.Link) {
					return fmt.Errorf("mail template sign-in%s does not show the link; write {{.Link}}", name)
				}
			}
		}
	}
	sample.Client = "Example Web"
	plain, rich, err := t.render(authcore.TemplatePaused, sample)
	if err == nil && !(strings.Contains(plain, sample.Host) && strings.Contains(rich, sample.Host)) {
		err = errors.New("mail template codes-paused does not show where to sign in; write {{.Host}}")
	}
	return err
}

// render answers the text and the HTML part of the mail called name.
func (t *templates) render(name string, data SignIn) (plain, rich string, err error) {
	var out bytes.Buffer
	if err := t.text.ExecuteTemplate(&out, name+".txt", data); err != nil {
		return "", "", fmt.Errorf("rendering mail template: %w", err)
	}
	plain = out.String()
	out.Reset()
	if err := t.html.ExecuteTemplate(&out, name+".html", data); err != nil {
		return "", "", fmt.Errorf("rendering mail template: %w", err)
	}
	return plain, out.String(), nil
}

// Bounds of what stands in a mail, in bytes.
const (
	maxBrand = 80
	maxLink  = 900 // RFC 5322 section 2.1.1 ends a line at 998
)

// signIn reads a row and its secrets, as authcore queued them. Nothing of them
// is in an error.
func signIn(m *store.Message, secrets map[string]string, now time.Time) (SignIn, error) {
	d := SignIn{
		Host:    hostname(m.Params[authcore.ParamHost]),
		Client:  plain(m.Params[authcore.ParamClient], maxBrand),
		Device:  useragent.Describe(m.Params[authcore.ParamAgent]),
		Link:    secrets[authcore.SecretLink],
		Minutes: max(1, int(m.NotAfter.Sub(now).Round(time.Minute)/time.Minute)),
	}
	if d.Brand = plain(m.Params[authcore.ParamBrand], maxBrand); d.Brand == "" {
		d.Brand = d.Host
	}
	if d.Client == "" && m.Params[authcore.ParamClient] != "" {
		d.Client = "the app"
	}
	if c := secrets[authcore.SecretCode]; c != "" {
		digits, ok := code.Normalize(c)
		if !ok {
			return d, errors.New("its code is not a code")
		}
		d.Code = code.Group(digits)
	}
	if d.Link != "" && !isLink(d.Link) {
		return d, errors.New("its link is not a link")
	}
	if d.Code == "" && d.Link == "" && m.Template != authcore.TemplatePaused {
		return d, errors.New("it carries neither code nor link")
	}
	return d, nil
}

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
