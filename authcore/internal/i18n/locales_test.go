package i18n

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// keysInOrder reads the keys as they stand, doubled ones too.
func keysInOrder(t *testing.T, l *Language) (keys []string) {
	t.Helper()
	content, err := fs.ReadFile(files, "locales/"+l.Tag()+".json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(content))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func TestLocales_HaveTheSameKeysInTheSameOrder(t *testing.T) {
	want := keysInOrder(t, English())
	if sorted := slices.Sorted(slices.Values(want)); len(slices.Compact(sorted)) != len(want) {
		t.Error("en.json has a key twice")
	}
	for _, l := range Embedded().Languages() {
		got := keysInOrder(t, l)
		for _, key := range want {
			if !l.Has(key) {
				t.Errorf("%s.json lacks %q", l.Tag(), key)
			}
		}
		for _, key := range got {
			if !English().Has(key) {
				t.Errorf("%s.json has %q, which en.json has not", l.Tag(), key)
			}
		}
		if !t.Failed() && !slices.Equal(got, want) {
			t.Errorf("%s.json has its keys in another order than en.json, or one twice", l.Tag())
		}
	}
}

// texts are all texts of a message, by category; one that counts nothing has "".
func (m message) texts() map[string]text {
	if m.forms == nil {
		return map[string]text{"": m.text}
	}
	found := map[string]text{}
	for name, form := range forms {
		if t, ok := m.forms[form]; ok {
			found[name] = t
		}
	}
	return found
}

// arguments are the names in a text, each once, sorted.
func (t text) arguments() (names []string) {
	for i := 1; i < len(t); i += 2 {
		names = append(names, t[i].source)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var tag = regexp.MustCompile(`</?[a-z]+[^>]*>`)

// tags are those of a text, sorted: another language has another order.
func (t text) tags() []string {
	found := tag.FindAllString(t.String(), -1)
	slices.Sort(found)
	return found
}

func TestLocales_HaveTheArgumentsAndTagsOfEnglish(t *testing.T) {
	for _, l := range Embedded().Languages() {
		for _, key := range English().Keys() {
			english := English().content().messages[key].texts()
			model, counts := english["other"], true
			if model == nil {
				model, counts = english[""], false
			}
			for form, got := range l.content().messages[key].texts() {
				names := got.arguments()
				want := model.arguments()
				if counts && form != "other" { // "one minute" needs no number
					isCount := func(name string) bool { return name == "count" }
					names, want = slices.DeleteFunc(names, isCount), slices.DeleteFunc(want, isCount)
				}
				if !slices.Equal(names, want) {
					t.Errorf("%s.json, %q %s: arguments %q, want %q", l.Tag(), key, form, names, want)
				}
				if want := model.tags(); !slices.Equal(got.tags(), want) {
					t.Errorf("%s.json, %q %s: tags %q, want %q", l.Tag(), key, form, got.tags(), want)
				}
			}
		}
	}
}

// categories are what a language tells apart among whole numbers.
func categories(t language.Tag) map[string]bool {
	names, found := map[plural.Form]string{}, map[string]bool{"other": true}
	for name, form := range forms {
		names[form] = name
	}
	for n := range 2000 {
		found[names[plural.Cardinal.MatchPlural(t, n, 0, 0, 0, 0)]] = true
	}
	return found
}

func TestLocales_CountInTheirOwnCategories(t *testing.T) {
	if got := categories(language.Arabic); len(got) != 6 {
		t.Fatalf("the measure is broken: Arabic has %v", got)
	}
	for _, l := range Embedded().Languages() {
		want := categories(l.tag())
		for _, key := range English().Keys() {
			counts, m := English().content().messages[key].forms != nil, l.content().messages[key]
			if (m.forms != nil) != counts {
				t.Errorf("%s.json, %q: a message that counts has plural categories, and no other has", l.Tag(), key)
				continue
			}
			for form := range m.texts() {
				if counts && !want[form] {
					t.Errorf("%s.json, %q: the language has no category %q", l.Tag(), key, form)
				}
			}
			for form := range want {
				if counts && m.texts()[form] == nil {
					t.Errorf("%s.json, %q: the category %q is missing", l.Tag(), key, form)
				}
			}
		}
	}
}

func TestLocales_AreWrittenCleanly(t *testing.T) {
	for _, l := range Embedded().Languages() {
		for _, key := range l.Keys() {
			for _, text := range l.content().messages[key].texts() {
				s := text.String()
				// A list's separator may end in a space.
				if strings.TrimSpace(s) == "" || s != strings.TrimSpace(s) && key != "list.separator" {
					t.Errorf("%s.json, %q is empty or has blanks around: %q", l.Tag(), key, s)
				}
				if strings.ContainsAny(s, "\n\r\t\u2028\u2029\u202a\u202b\u202d\u202e\ufffd") {
					t.Errorf("%s.json, %q has control characters: %q", l.Tag(), key, s)
				}
				open := []string{}
				for _, found := range tag.FindAllString(s, -1) {
					switch last := len(open) - 1; {
					case found == "<strong>" || found == "<code>":
						open = append(open, "</"+found[1:])
					case last >= 0 && open[last] == found:
						open = open[:last]
					default:
						t.Errorf("%s.json, %q has %s; there are <strong> and <code>, each closed", l.Tag(), key, found)
					}
				}
				if len(open) > 0 {
					t.Errorf("%s.json, %q does not close its tags", l.Tag(), key)
				}
			}
		}
	}
}

func TestLocales_NoTwoHaveOneName(t *testing.T) {
	names := map[string]string{}
	for _, l := range Embedded().Languages() {
		if other := names[l.Name()]; other != "" {
			t.Errorf("%s and %s are both called %q", other, l.Tag(), l.Name())
		}
		names[l.Name()] = l.Tag()
	}
	if len(names) == 0 || !slices.Contains(slices.Collect(maps.Values(names)), Default) {
		t.Error("English is missing")
	}
}
