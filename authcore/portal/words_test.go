package portal

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	nethtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// pseudo is a catalogue that says every message in ⟦brackets⟧, so that what does
// not come from it can be seen.
func pseudo(t *testing.T) *i18n.Catalogue {
	t.Helper()
	english, err := os.ReadFile(filepath.Join("..", "internal", "i18n", "locales", "en.json"))
	if err != nil {
		t.Fatal(err)
	}
	var messages map[string]any
	if err := json.Unmarshal(english, &messages); err != nil {
		t.Fatal(err)
	}
	for key, m := range messages {
		switch m := m.(type) {
		case string:
			if key != "time.months" {
				messages[key] = "⟦" + m + "⟧"
			}
		case map[string]any:
			for form, text := range m {
				m[form] = "⟦" + text.(string) + "⟧"
			}
		}
	}
	other, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	other = append([]byte(`{"language":"⟦English⟧",`), other[1:]...) // it stands first in a file
	c, err := i18n.Load(fstest.MapFS{"locales/en.json": {Data: english}, "locales/ar.json": {Data: other}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// readable are the texts that a person sees or hears of a page.
func readable(t *testing.T, page string) (texts []string) {
	t.Helper()
	root, err := nethtml.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(n *nethtml.Node)
	walk = func(n *nethtml.Node) {
		switch {
		case n.Type == nethtml.TextNode:
			texts = append(texts, n.Data)
		case n.DataAtom == atom.Style || n.DataAtom == atom.Script || n.DataAtom == atom.Option:
			return
		case n.DataAtom == atom.Noscript: // parsed as text where scripts run
			if n.FirstChild != nil && n.FirstChild.Type == nethtml.TextNode {
				texts = append(texts, readable(t, n.FirstChild.Data)...)
				return
			}
		}
		for _, a := range n.Attr {
			if slices.Contains([]string{"aria-label", "title", "placeholder", "alt"}, a.Key) {
				texts = append(texts, a.Val)
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(root)
	return texts
}

// Nothing that people read stands outside the catalogue, in any state of any page.
func TestPages_SayNothingThatCannotBeTranslated(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	r.languages = pseudo(t)
	said := regexp.MustCompile(`⟦[^⟦⟧]*⟧`)
	letters := regexp.MustCompile(`\pL{2,}`)
	data := regexp.MustCompile(`ada@example\.com|Ada Lovelace|Example|[a-z]+\.example\.com|req_7f3a91c2|iCloud Keychain|YubiKey 5C \(desk drawer, second one\)|Windows Hello|Old phone|(Safari|Firefox) on (iPhone|Linux)|staff|wiki-editors|Instagram|Phone calendar|pwl_\w+|/dav|([0-9A-Z]{4}-){3}|[0-9A-Z]{4}(-[0-9A-Z]{4}){2}|[A-Z0-9]{4}( [A-Z0-9]{4}){7}|ada@example\.org|[0-9a-f:]+::[0-9a-f:]+`)
	for _, e := range examples(r) {
		v := inLanguage(e.view, r.languages.Find("ar"))
		page := show(t, r, v).Body.String()
		// Tags inside a message do not end it.
		page = regexp.MustCompile(`</?(strong|code|bdi|time|b)( [^>]*)?>`).ReplaceAllString(page, "")
		for _, text := range readable(t, page) {
			text = strings.Map(func(r rune) rune {
				if r == '\u2068' || r == '\u2069' {
					return -1
				}
				return r
			}, text)
			text = data.ReplaceAllString(text, "")
			for said.MatchString(text) {
				text = said.ReplaceAllString(text, "")
			}
			if letters.MatchString(text) {
				t.Errorf("%s: %q does not come from the catalogue", e.name, strings.TrimSpace(text))
			}
		}
		if !strings.Contains(page, `<html lang="ar" dir="rtl">`) {
			t.Errorf("%s: it does not say its language", e.name)
		}
	}
}

// inLanguage is an example in another language. Texts that handlers write into
// the page are marked as said.
func inLanguage(v view, l *i18n.Language) view {
	mark := func(texts ...*string) {
		for _, s := range texts {
			if *s != "" {
				*s = "⟦" + *s + "⟧"
			}
		}
	}
	other := reflect.New(reflect.TypeOf(v)).Elem()
	other.Set(reflect.ValueOf(v))
	p := other.FieldByName("Page").Addr().Interface().(*Page)
	p.Lang = l
	mark(&p.Title, &p.Error, &p.Notice)
	switch p := other.Addr().Interface().(type) {
	case *errorPage:
		mark(&p.What, &p.Next, &p.Action.Label)
	case *totpPage:
		if p.Picture != "" {
			p.Picture = exampleTOTP(p.Page).Picture
		}
	case *accountPage:
		p.Events = markEvents(p.Events, mark)
	case *historyPage:
		p.Events = markEvents(p.Events, mark)
	}
	return other.Interface().(view)
}

func markEvents(events []accountEvent, mark func(...*string)) (marked []accountEvent) {
	for _, e := range events {
		mark(&e.What)
		marked = append(marked, e)
	}
	return marked
}

var wordsBlock = regexp.MustCompile(`<script type="application/json" id="words">(.*?)</script>`)

func TestWords_APageHasThoseOfItsScriptsInItsLanguage(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	p := r.pageIn(i18n.Embedded().Find("de"), "", "x")
	m := wordsBlock.FindStringSubmatch(show(t, r, codePage{Page: p, Minutes: 10}).Body.String())
	if m == nil {
		t.Fatal("no words")
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(m[1]), &got); err != nil {
		t.Fatalf("%v: %s", err, m[1])
	}
	want := map[string]any{
		"code.resend-in": "Noch einmal senden in {seconds} s", "page.unreachable": i18n.Embedded().Find("de").Text("page.unreachable"),
		"page.wrong": i18n.Embedded().Find("de").Text("page.wrong"),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("words %v\nwant %v", got, want)
	}
	for script, keys := range r.assets.words {
		if script == "passwordless.js" && len(keys) > 0 {
			t.Errorf("apps have words of their own, and it names %v", keys)
		} else if strings.HasSuffix(script, ".js") && script != "passwordless.js" && len(keys) == 0 {
			t.Errorf("%s has no words, not even those of what it imports", script)
		}
	}
}

// The login page in total, in every language, as it goes over the wire.
func TestLogin_WeighsAtMost30kBInEveryLanguage(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	for _, l := range i18n.Embedded().Languages() {
		p := r.pageIn(l, "", "x")
		p.FormToken = strings.Repeat("t0ken", 9)
		body := show(t, r, loginPage{Page: p, Passkey: true, Mail: true}).Body.String()
		total := zipped(t, []byte(body))
		for _, m := range regexp.MustCompile(`/assets/([^"]+)"`).FindAllStringSubmatch(body, -1) {
			total += zipped(t, r.assets.served[m[1]])
		}
		if total > 30_000 || total < 3_000 {
			t.Errorf("%s: %d bytes", l.Tag(), total)
		}
		t.Logf("%s: %d bytes", l.Tag(), total)
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func zipped(t *testing.T, content []byte) int {
	t.Helper()
	var n counter
	z := gzip.NewWriter(&n)
	if _, err := io.Copy(z, strings.NewReader(string(content))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return int(n)
}
