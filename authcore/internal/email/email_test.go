package email

import (
	"errors"
	"net/mail"
	"regexp"
	"strings"
	"testing"
)

func TestParse_Canonical(t *testing.T) {
	label := strings.Repeat("d", 63)
	long := strings.Repeat("a", 64) + "@" + label + "." + label + "." + strings.Repeat("e", 57) + ".com"
	for in, want := range map[string]string{
		"alice@example.com":                "alice@example.com",
		"Alice.B+Tag@EXAMPLE.Com":          "alice.b+tag@example.com", // EM-3: dots and tags stay
		"o'hara@example.com":               "o'hara@example.com",
		"!#$%&'*+-/=?^_`{|}~@a.b":          "!#$%&'*+-/=?^_`{|}~@a.b",
		"1@2.x3":                           "1@2.x3",
		"a@xn--bcher-kva.example":          "a@xn--bcher-kva.example",
		"a@b-c.d--e.co":                    "a@b-c.d--e.co",
		strings.Repeat("a", 64) + "@a.com": strings.Repeat("a", 64) + "@a.com",
		"a@" + label + ".com":              "a@" + label + ".com",
		long:                               long,
		"IT@EXAMPLE.IT":                    "it@example.it", // no dotless i
		"kelvin@kelvin.example":            "kelvin@kelvin.example",
	} {
		if got, err := Parse(in); err != nil || string(got) != want {
			t.Errorf("Parse(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	if len(long) != 254 {
		t.Errorf("the longest address has %d bytes", len(long))
	}
}

// EM-1, EM-2.
func TestParse_RefusesWhatIsNoPlainAddress(t *testing.T) {
	label := strings.Repeat("d", 63)
	for in, want := range map[string]Problem{
		"":    Empty,
		" ":   Spaced,
		"abc": OneAt, "@": BadLocal, "a@": BadDomain, "@b.co": BadLocal, "a@b@c.co": OneAt, "a@@b.co": OneAt,
		" a@b.co": Spaced, "a@b.co ": Spaced, "a @b.co": Spaced, "a@b.co\n": Spaced, "a@b.co\r\nBcc: c@d.co": Spaced, "a\x00@b.co": Spaced, "a\t@b.co": Spaced, "a@b.co\x7f": Spaced,
		".a@b.co": BadLocal, "a.@b.co": BadLocal, "a..b@b.co": BadLocal, `"a"@b.co`: BadLocal, "a(x)@b.co": BadLocal, "<a@b.co>": BadLocal, "A<a@b.co>": BadLocal,
		"a,b@c.co": BadLocal, "a;b@c.co": BadLocal, "g:a@b.co;": BadLocal, `a\@b.co`: BadLocal, "[a]@b.co": BadLocal, "mailto:a@b.co": BadLocal,
		"a@b": BadDomain, "a@b.": BadDomain, "a@b.co.": BadDomain, "a@.b.co": BadDomain, "a@b..co": BadDomain, "a@-b.co": BadDomain, "a@b-.co": BadDomain, "a@b.-co": BadDomain,
		"a@b_c.co": BadDomain, "a@[127.0.0.1]": BadDomain, "a@127.0.0.1": BadDomain, "a@b.1": BadDomain, "a@b.co:25": BadDomain, "a@b.co,c": BadDomain, "a@b.co>": BadDomain, "a@b.co/x": BadDomain, "a@b.co?x": BadDomain, "a@b%00.co": BadDomain,
		"a@b.co,c@d.co": OneAt, "a@b.co;c@d.co": OneAt,
		"ä@b.co": NotASCII, "a@bücher.example": NotASCII, "a@ex\u0430mple.com": NotASCII, "\u212aelvin@b.co": NotASCII, "a\uff20b.co": NotASCII, "a@b\uff0eco": NotASCII, "a@b.co\u200b": NotASCII, "\ufeffa@b.co": NotASCII, "a\xff@b.co": NotASCII, "a@b\u3002co": NotASCII,
		strings.Repeat("a", 65) + "@b.co": TooLong, "a@" + strings.Repeat(label+".", 4) + "co": TooLong, "a@d" + label + ".co": BadDomain, strings.Repeat("a", 1<<20): TooLong,
	} {
		got, err := Parse(in)
		var problem Problem
		if got != "" || !errors.As(err, &problem) || problem != want {
			t.Errorf("Parse(%.60q) = %q, %v; want %v", in, got, err, want)
		}
	}
}

func TestAddress_Domain(t *testing.T) {
	for in, want := range map[Address]string{"a@b.co": "b.co", "": "", "nonsense": ""} {
		if got := in.Domain(); got != want {
			t.Errorf("Domain of %q = %q", in, got)
		}
	}
}

func TestAddress_MaskHidesTheName(t *testing.T) {
	for in, want := range map[Address]string{
		"alice@example.com": "a***@example.com", "a@b.co": "a***@b.co", "": "***", "@b.co": "***", "secret": "***", "secret\x1b[2J@b.co": "***", "a@b.co\nforged": "***",
	} {
		if got := in.Mask(); got != want {
			t.Errorf("Mask of %q = %q, want %q", in, got, want)
		}
	}
}

// What is accepted is a fixed point, never more than EM-1 allows, and read by
// the standard library as the same one mailbox.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"alice@example.com", "A.b+c@EXAMPLE.com", `"a b"@c.de`, "a@b.co\u200b", "a@[::1]", "x@1.2.3.4", "a@b,c@d.e"} {
		f.Add(s)
	}
	spec := regexp.MustCompile("\\A[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\z")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse(s)
		if err != nil {
			var problem Problem
			if !errors.As(err, &problem) || got != "" {
				t.Errorf("Parse(%q) = %q, %v", s, got, err)
			}
			return
		}
		if again, err := Parse(string(got)); err != nil || again != got || len(got) != len(s) || !strings.EqualFold(string(got), s) {
			t.Errorf("Parse(%q) = %q, which is not canonical", s, got)
		}
		local, _, _ := strings.Cut(string(got), "@")
		if !spec.MatchString(string(got)) || len(got) > 254 || len(local) > 64 {
			t.Errorf("Parse(%q) = %q, outside the grammar", s, got)
		}
		if m, err := mail.ParseAddress(string(got)); err != nil || m.Address != string(got) || m.Name != "" {
			t.Errorf("Parse(%q) = %q, read by net/mail as %v, %v", s, got, m, err)
		}
	})
}
