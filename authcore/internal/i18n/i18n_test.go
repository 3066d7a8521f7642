package i18n

import (
	"html/template"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// invented is a catalogue of the given messages beside those that every file has.
func invented(t testing.TB, files map[string]string) *Catalogue {
	t.Helper()
	from := fstest.MapFS{}
	for tag, messages := range files {
		const every = `"language": "X", "list.separator": "; ", "time.months": "a|b|c|d|e|f|g|h|i|j|k|l", "time.moment": "{day} {month} {year} {hour}:{minute}"`
		from["locales/"+tag+".json"] = &fstest.MapFile{Data: []byte("{" + every + messages + "}")}
	}
	c, err := Load(from)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMatch_ByAcceptLanguage(t *testing.T) {
	c := invented(t, map[string]string{"de": "", "en": "", "zh-Hans": "", "pt": "", "ar": ""})
	for accept, want := range map[string]string{
		"": "en", "de": "de", "de-AT,de;q=0.9,en;q=0.8": "de", "DE": "de", "fr, pt-BR;q=0.5": "pt", "en-GB": "en", "fr;q=0.9": "en",
		"zh-CN": "zh-Hans", "zh": "zh-Hans", "ar-EG": "ar", "en;q=0.5, ar;q=0.9": "ar", "*": "en", "de;q=0": "en",
		"xx": "en", "../../etc/passwd": "en", "de\x00": "en", "\xff\xfe": "en", "-": "en", ";q=": "en", "de;q=nonsense": "en",
		"de," + strings.Repeat("x-x,", 200): "en",
		strings.Repeat("a-", 50_000):        "en",
	} {
		if got := c.Match(accept).Tag(); got != want {
			t.Errorf("Accept-Language %.60q means %s, want %s", accept, got, want)
		}
	}
	if c.Find("DE") != nil || c.Find("") != nil || c.Lookup("xx").Tag() != "en" || c.Lookup("pt").Tag() != "pt" {
		t.Error("a stored tag is taken in another form than its own")
	}
}

func FuzzMatch_AlwaysAnswersALanguage(f *testing.F) {
	f.Add("de-AT;q=0.9, *;q=0.1")
	f.Fuzz(func(t *testing.T, accept string) {
		if Embedded().Match(accept) == nil {
			t.Errorf("%q means nothing", accept)
		}
	})
}

func TestPlurals_FollowTheLanguage(t *testing.T) {
	c := invented(t, map[string]string{
		"en": `, "n": {"one": "{count} day", "other": "{count} days"}`,
		"ar": `, "n": {"zero": "z", "one": "o", "two": "t", "few": "f {count}", "many": "m {count}", "other": "x {count}"}`,
		"ja": `, "n": {"other": "{count} d"}`,
		"fr": `, "n": {"one": "{count} jour", "other": "{count} jours"}`,
	})
	for tag, want := range map[string]string{
		"en": "0 days|1 day|2 days|5 days|11 days|100 days", "ar": "z|o|t|f 5|m 11|x 100",
		"ja": "0 d|1 d|2 d|5 d|11 d|100 d", "fr": "0 jour|1 jour|2 jours|5 jours|11 jours|100 jours",
	} {
		var got []string
		for _, n := range []int{0, 1, 2, 5, 11, 100} {
			got = append(got, c.Find(tag).Text("n", "count", n))
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%s: %s, want %s", tag, s, want)
		}
	}
}

// BT-3: an argument is data, whatever it holds.
func TestRich_EscapesArgumentsAndKeepsItsOwnTags(t *testing.T) {
	l := invented(t, map[string]string{"en": `, "m": "a <strong>{x}</strong> & <b>{n}</b> <code>{h}</code>"`}).English()
	got, err := l.Rich("m", "x", `<i>"{n}" {{.}} %s`, "n", 7, "h", template.HTML("<br>"))
	const want = `a <strong>&lt;i&gt;&#34;{n}&#34; {{.}} %s</strong> &amp; &lt;b&gt;7&lt;/b&gt; <code><br></code>`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	if got := l.Text("m", "x", "<i>", "n", 7, "h", "{{.}}"); got != "a <i> & <b>7</b> {{.}}" {
		t.Errorf("as plain text: %s", got)
	}
}

func TestArguments_AreIsolatedWhereDirectionsMayMix(t *testing.T) {
	c := invented(t, map[string]string{"en": `, "m": "<strong>{x}</strong>!"`, "ar": `, "m": "<strong>{x}</strong>!"`})
	rich := func(tag, x string) string {
		html, err := c.Find(tag).Rich("m", "x", x)
		if err != nil {
			t.Fatal(err)
		}
		return string(html)
	}
	for got, want := range map[string]string{
		rich("en", "ada"):                              "<strong>ada</strong>!",
		rich("en", "עדה"):                              "<strong><bdi>עדה</bdi></strong>!",
		rich("ar", "ada"):                              "<strong><bdi>ada</bdi></strong>!",
		c.Find("en").Text("m", "x", "a"):               "a!",
		c.Find("ar").Text("m", "x", "a"):               "\u2068a\u2069!",
		string(c.Find("ar").List([]string{"a<", "b"})): "<bdi>a&lt;</bdi>; <bdi>b</bdi>",
		string(c.Find("en").List([]string{"a<", "b"})): "a&lt;; b",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if c.Find("ar").Dir() != "rtl" || c.Find("en").Dir() != "ltr" {
		t.Error("the directions are wrong")
	}
}

func TestFormat_NamesWhatDoesNotFit(t *testing.T) {
	l := invented(t, map[string]string{"en": `, "m": "{x}", "n": {"one": "{count}", "other": "{count}"}`}).English()
	for _, args := range [][]any{{"absent"}, {"m"}, {"m", "y", 1}, {"m", "x"}, {"n"}, {"n", "count", "1"}, {"n", "count", -1}} {
		if got, err := l.Format(args[0].(string), args[1:]...); err == nil {
			t.Errorf("%v: %q", args, got)
		}
		if got := l.Text(args[0].(string), args[1:]...); got != args[0] {
			t.Errorf("%v: Text %q", args, got)
		}
	}
}

func TestLoad_RefusesWhatIsNoCatalogue(t *testing.T) {
	const good = `{"time.months": "a|b|c|d|e|f|g|h|i|j|k|l"}`
	for name, files := range map[string]map[string]string{
		"no English":        {"de": good},
		"no JSON":           {"en": "{"},
		"a list":            {"en": `{"a": ["b"]}`},
		"a number":          {"en": `{"a": 1}`},
		"unknown category":  {"en": `{"a": {"some": "x", "other": "y"}}`},
		"no other":          {"en": `{"a": {"one": "x"}}`},
		"open argument":     {"en": `{"a": "x {y"}`},
		"stray brace":       {"en": `{"a": "x } y"}`},
		"odd argument":      {"en": `{"a": "{Y.z}"}`},
		"template":          {"en": `{"a": "{{.Brand}}"}`},
		"eleven months":     {"en": `{"time.months": "a|b|c|d|e|f|g|h|i|j|k"}`},
		"no tag":            {"en": good, "nonsense-tag-": good},
		"tag in other case": {"en": good, "ZH-hans": good},
	} {
		from := fstest.MapFS{}
		for tag, content := range files {
			from["locales/"+tag+".json"] = &fstest.MapFile{Data: []byte(content)}
		}
		if _, err := Load(from); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTime_InEachLanguagesOwnOrder(t *testing.T) {
	at := time.Date(2026, 3, 5, 9, 7, 0, 0, time.FixedZone("CET", 3600))
	for tag, want := range map[string]string{
		"en": "5 March 2026, 08:07 UTC",
		"de": "5. März 2026, 08:07 Uhr UTC",
		"fr": "5 mars 2026 à 08:07 UTC",
		"es": "5 de marzo de 2026, 08:07 UTC",
		"pt": "5 de março de 2026 às 08:07 UTC",
		"ar": "5 مارس 2026، 08:07 بتوقيت UTC",
		"ja": "2026年3月5日 08:07 UTC", "zh-Hans": "2026年3月5日 08:07 UTC",
	} {
		l := Embedded().Find(tag)
		if got := l.Time(at); got != want {
			t.Errorf("%s: %s", tag, got)
		}
		if got := string(l.Moment(at)); got != `<time datetime="2026-03-05T08:07:00Z">`+want+"</time>" {
			t.Errorf("%s: %s", tag, got)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(files); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkText(b *testing.B) {
	l := English()
	for b.Loop() {
		l.Text("login.heading", "brand", "Example")
	}
}
