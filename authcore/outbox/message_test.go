package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// letter is a mail as a mail program shows it.
type letter struct {
	netmail.Header
	text, html string
}

// read decodes a mail. Encoded lines are short, so no server breaks them
// (RFC 2045 section 6.7).
func read(t testing.TB, data string) letter {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("reading the mail: %v\n%s", err, data)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q (%v), want multipart/alternative", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	l := letter{m.Header, part(t, r, "text/plain; charset=UTF-8"), part(t, r, "text/html; charset=UTF-8")}
	if _, err := r.NextRawPart(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the two parts: %v", err)
	}
	return l
}

func part(t testing.TB, r *multipart.Reader, kind string) string {
	t.Helper()
	p, err := r.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	if got, enc := p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"); got != kind || enc != "quoted-printable" {
		t.Fatalf("a part is %q in %q, want %q in quoted-printable", got, enc, kind)
	}
	raw, err := io.ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		if n := len(bytes.TrimRight(line, "\r\n")); n > 76 {
			t.Errorf("an encoded line has %d characters: %q", n, line)
		}
	}
	body, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(body), "\r\n", "\n")
}

// write renders a row with the secrets; change edits it first.
func write(t testing.TB, code, link string, change ...func(*store.Message)) letter {
	t.Helper()
	b := newBench(t, SMTP{Host: "smtp.example.com", From: `"Example" <login@example.com>`})
	w, err := New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	m := b.message("m1", "ada@example.com")
	if m.Sealed, err = json.Marshal(map[string]string{authcore.SecretCode: code, authcore.SecretLink: link}); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(m)
	}
	to, data, err := w.render(m)
	if err != nil || to != "ada@example.com" {
		t.Fatalf("to %q: %v", to, err)
	}
	return read(t, string(data))
}

var href = regexp.MustCompile(`href="([^"]*)"`)

// links are the targets in the HTML part, as a browser reads them.
func (l letter) links() (targets []string) {
	for _, m := range href.FindAllStringSubmatch(l.html, -1) {
		targets = append(targets, html.UnescapeString(m[1]))
	}
	return targets
}

// alone counts the lines of the text part that are exactly s.
func (l letter) alone(s string) (n int) {
	for line := range strings.Lines(l.text) {
		if strings.TrimSuffix(line, "\n") == s {
			n++
		}
	}
	return n
}

func TestMail_BothPartsCarryTheSameCodeAndLink(t *testing.T) {
	l := write(t, testCode, testLink)
	for what, n := range map[string]int{
		"code lines of the text": l.alone("1234 5678"), "codes in the text": strings.Count(l.text, "1234 5678"),
		"link lines of the text": l.alone(testLink), "links in the text": strings.Count(l.text, "://"),
		"codes in the HTML": strings.Count(l.html, ">1234 5678<"), "link targets of the HTML": len(l.links()),
	} {
		if n != 1 {
			t.Errorf("%s: %d, want 1\n%s\n%s", what, n, l.text, l.html)
		}
	}
	if !slices.Equal(l.links(), []string{testLink}) {
		t.Errorf("HTML links %q", l.links())
	}
	for _, body := range []string{l.text, html.UnescapeString(strings.ReplaceAll(strings.ReplaceAll(l.html, "<strong>", ""), "</strong>", ""))} {
		for _, want := range []string{"Sign in to Example", "Type it only at auth.example.com", "within 10 minutes", "Firefox on Linux", "ignore this mail"} {
			if !strings.Contains(body, want) {
				t.Errorf("%q is missing:\n%s", want, body)
			}
		}
	}
	for _, foreign := range []string{"src=", "<img", "<table", "<link", "<script", "url(", "@import"} {
		if strings.Contains(l.html, foreign) {
			t.Errorf("the HTML has %s", foreign)
		}
	}
}

func TestMail_Headers(t *testing.T) {
	l := write(t, testCode, testLink)
	for name, want := range map[string]string{
		"From": `"Example" <login@example.com>`, "To": "<ada@example.com>", "Subject": "Sign in to Example",
		"Message-Id": "<m1@example.com>", "Date": "Sun, 01 Mar 2026 12:00:00 +0000", "Auto-Submitted": "auto-generated",
		"Mime-Version": "1.0", "X-Mailer": "", "User-Agent": "", "Cc": "", "Bcc": "", "Reply-To": "",
	} {
		if got := l.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, values := range l.Header { // ML-7
		for _, v := range values {
			if strings.Contains(v, "1234") || strings.Contains(v, testToken[:10]) {
				t.Errorf("%s: %s", name, v)
			}
		}
	}
}

func TestMail_AdaptsToWhatItCarries(t *testing.T) {
	client := func(m *store.Message) { m.Params[authcore.ParamClient] = "Example Web" }
	for name, c := range map[string]struct {
		letter  letter
		want    []string
		without []string
	}{
		"link alone": {
			write(t, "", testLink),
			[]string{testLink, "The link works once"},
			[]string{"code", "Type it"},
		},
		"code alone": {
			write(t, testCode, ""),
			[]string{"1234 5678", "The code works once", "at auth.example.com"},
			[]string{"://", "link", "href"},
		},
		"API client": {
			write(t, testCode, "", client),
			[]string{"Example Web asked for this code", "Type it only in Example Web", "1234 5678"},
			[]string{"://", "link", "href", "auth.example.com"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tags := regexp.MustCompile(`<style>(?s:.*)</style>|<[^a][^>]*>`)
			for _, body := range []string{c.letter.text, tags.ReplaceAllString(c.letter.html, "")} {
				for _, want := range c.want {
					if !strings.Contains(body, want) {
						t.Errorf("%q is missing:\n%s", want, body)
					}
				}
				for _, not := range c.without {
					if strings.Contains(body, not) {
						t.Errorf("%q is there:\n%s", not, body)
					}
				}
			}
		})
	}
}

func TestMail_InTheLanguageOfItsRow(t *testing.T) {
	for lang, want := range map[string][]string{
		"":   {"Sign in to Example", `<html lang="en" dir="ltr">`, "Firefox on Linux", "within 10 minutes"},
		"xx": {"Sign in to Example", `<html lang="en" dir="ltr">`, "Firefox on Linux", "within 10 minutes"},
		"de": {"Bei Example anmelden", `<html lang="de" dir="ltr">`, "Firefox auf Linux", "innerhalb von 10 Minuten"},
	} {
		l := write(t, testCode, testLink, func(m *store.Message) { m.Params[authcore.ParamLang] = lang })
		if got := l.Get("Subject"); got != want[0] || !strings.HasPrefix(l.text, want[0]+"\n") {
			t.Errorf("%q: subject %q, text %s", lang, got, l.text)
		}
		if !strings.Contains(l.html, want[1]) || l.alone("1234 5678") != 1 || l.alone(testLink) != 1 {
			t.Errorf("%q: %s\n%s", lang, l.html, l.text)
		}
		for _, body := range []string{l.text, l.html} {
			if !strings.Contains(body, want[2]) || !strings.Contains(body, want[3]) {
				t.Errorf("%q: %s", lang, body)
			}
		}
	}
	l := write(t, testCode, testLink, func(m *store.Message) {
		m.Params[authcore.ParamLang], m.Params[authcore.ParamBrand] = "de", "Größe"
	})
	subject, err := new(mime.WordDecoder).DecodeHeader(l.Get("Subject"))
	if err != nil || subject != "Bei Größe anmelden" {
		t.Errorf("subject %q, %v", subject, err)
	}
}

// Ours are not tried at each start, so they are here: every mail in every shape
// and language.
func TestTemplates_OursAreOfUseInEveryLanguage(t *testing.T) {
	templates, err := loadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	if err := templates.try(); err != nil {
		t.Error(err)
	}
	for _, l := range templates.languages.Languages() {
		for _, k := range kinds {
			if !l.Has(k.subject) {
				t.Errorf("%s has no subject in %s", k.name, l.Tag())
			}
			for _, s := range k.samples(About{Lang: l.Tag(), Brand: "Example", Host: "auth.example.com", Device: "curl", Minutes: 10}) {
				plain, _, err := templates.render(l.Tag(), k.name, s.data)
				if err != nil || strings.Contains(plain, "<") || strings.Contains(plain, "{") {
					t.Errorf("%s, %s: %v\n%s", l.Tag(), k.name, err, plain)
				}
			}
		}
	}
}

// A link is far longer than an encoded line.
func TestMail_LongLinkSurvivesEncoding(t *testing.T) {
	for _, link := range []string{
		"https://auth.a-rather-long-name-of-an-organisation.example.com:8443/.auth/login/link#" + testToken,
		"https://auth.example.com/login/link#" + strings.Repeat("aZ0-_=.", 100),
	} {
		l := write(t, testCode, link)
		if l.alone(link) != 1 || !slices.Equal(l.links(), []string{link}) {
			t.Errorf("link %q\n%s\n%q", link, l.text, l.links())
		}
	}
}

func TestMail_BrandInAnyScript(t *testing.T) {
	brand := "Größe & Söhne <Bücher> 東京 – ein recht langer Name"
	l := write(t, testCode, testLink, func(m *store.Message) { m.Params[authcore.ParamBrand] = brand })
	if strings.ContainsFunc(l.Get("Subject"), func(r rune) bool { return r > '~' }) {
		t.Errorf("raw subject %q", l.Get("Subject"))
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(l.Get("Subject"))
	if err != nil || subject != "Sign in to "+brand {
		t.Errorf("subject %q, %v", subject, err)
	}
	if !strings.Contains(l.text, "Sign in to "+brand+"\n") || strings.Contains(l.html, "<Bücher>") {
		t.Errorf("text %s\nHTML %s", l.text, l.html)
	}
}

// EM-8, BT-3: text of strangers reaches a mail neither as a header, nor as a
// link, nor as markup, nor as a template.
func TestMail_HostileParametersStayHarmless(t *testing.T) {
	const attack = "Win\r\nBcc: eve@example.com\r\n\r\nhttps://evil.example/x www.evil.example \u202e\u2028<b>{{.Code}}</b>\x00\x1b[31m"
	l := write(t, testCode, testLink, func(m *store.Message) {
		for _, p := range []string{authcore.ParamBrand, authcore.ParamHost, authcore.ParamClient, authcore.ParamAgent} {
			m.Params[p] = attack + strings.Repeat(" long", 1000)
		}
	})
	if l.Get("Bcc") != "" || strings.Contains(l.Get("Subject"), "1234") {
		t.Errorf("headers %v", l.Header)
	}
	if strings.Count(l.text, "1234 5678") != 1 || strings.Count(l.text, "://") != 1 || len(l.text) > 2000 {
		t.Errorf("text of %d bytes: %s", len(l.text), l.text)
	}
	for _, not := range []string{"evil.example/", "www.", "\u202e", "\u2028", "\x00", "\x1b", "\nBcc"} {
		if strings.Contains(l.text, not) || strings.Contains(l.html, not) {
			t.Errorf("%q is in the mail:\n%s", not, l.text)
		}
	}
	if strings.Contains(l.html, "<b>") || len(l.links()) != 1 {
		t.Errorf("HTML %s", l.html)
	}
}

func TestMail_SaysHowLongItIsStillValid(t *testing.T) {
	for left, want := range map[time.Duration]string{
		9*time.Minute + 59*time.Second: "within 10 minutes", 7 * time.Minute: "within 7 minutes", 20 * time.Second: "within 1 minute.",
	} {
		l := write(t, testCode, testLink, func(m *store.Message) { m.NotAfter = newClock().now().Add(left) })
		if !strings.Contains(l.text, want) || !strings.Contains(l.html, want) {
			t.Errorf("%s left: %s", left, l.text)
		}
	}
}

func TestTemplates_AFolderReplacesThem(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "sign-in.txt", "Hallo! {{.Code}}\n{{.Link}}\n")
	file(t, dir, "README", "notes of the operator")
	templates, err := loadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	plain, rich, err := templates.render("en", authcore.TemplateSignIn, SignIn{About{Lang: "en", Brand: "B", Minutes: 1}, "1234 5678", testLink})
	if err != nil || plain != "Hallo! 1234 5678\n"+testLink+"\n" || !strings.Contains(rich, "<h1>Sign in to B</h1>") {
		t.Errorf("text %q, HTML %q, %v", plain, rich, err)
	}
}

func TestTemplates_AFolderMayReplaceThemInOneLanguage(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "sign-in.de.txt", "Hallo {{.Brand}}, {{.Lang}}! {{.Code}}\n{{.Link}}\n")
	file(t, dir, "sign-in.html", `<p>{{.Lang}} {{t "mail.sign-in.button"}} {{when .At}}</p>{{.Code}} <a href="{{.Link}}">x</a>`)
	templates, err := loadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string][2]string{
		"de": {"Hallo B, de! 1234 5678\n" + testLink + "\n", "<p>de Anmelden 1. März 2026, 12:00 Uhr UTC</p>"},
		"en": {"Sign in to B\n", "<p>en Sign in 1 March 2026, 12:00 UTC</p>"},
	} {
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		plain, rich, err := templates.render(tag, authcore.TemplateSignIn, SignIn{About{Lang: tag, Brand: "B", At: at, Minutes: 1}, "1234 5678", testLink})
		if err != nil || !strings.HasPrefix(plain, want[0]) || !strings.HasPrefix(rich, want[1]) {
			t.Errorf("%s: text %q, HTML %q, %v", tag, plain, rich, err)
		}
	}
}

func TestTemplates_AMistakeStopsTheStart(t *testing.T) {
	for name, c := range map[string]struct{ file, content, want string }{
		"syntax":        {"sign-in.txt", "{{.Code", "sign-in.txt:1: unclosed action"},
		"HTML syntax":   {"sign-in.html", "{{.Code}} {{.Link}} <a href=\"{{if .Link}}'", "sign-in.html"},
		"unknown field": {"sign-in.txt", "{{.Code}} {{.Link}} {{.Name}}", "Name"},
		"no link":       {"sign-in.txt", "{{.Code}}", "sign-in.txt does not show the link; write {{.Link}}"},
		"no code":       {"sign-in.html", `<a href="{{.Link}}">x</a>`, "sign-in.html does not show the code; write {{.Code}}"},
		"empty":         {"sign-in.txt", "", "does not show"},
		"other name":    {"signin.txt", "x", `there is no mail called "signin.txt"; known are sign-in.txt, sign-in.html, codes-paused.txt, codes-paused.html`},
		"no language":   {"sign-in.tlh.txt", "{{.Code}} {{.Link}}", `there is no mail called "sign-in.tlh.txt"`},
		"in one only":   {"sign-in.de.txt", "{{.Code}}", "sign-in.de.txt does not show the link; write {{.Link}}"},
		"no message":    {"sign-in.txt", `{{.Code}} {{.Link}} {{t "nothing"}}`, `there is no message "nothing"`},
		"no host":       {"codes-paused.txt", "x", "codes-paused.txt does not show where to sign in; write {{.Host}}"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file(t, dir, c.file, c.content)
			if _, err := New(Options{Templates: dir}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := New(Options{Templates: filepath.Join(t.TempDir(), "absent")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func file(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
