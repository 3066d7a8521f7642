package canonpath

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse_Canonical(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/": "/a/", "/a/b.css": "/a/b.css", "/.well-known/x": "/.well-known/x", "/a..b/..c/c..": "/a..b/..c/c..", "/A/a": "/A/a",
		"/a%20b": "/a b", "/caf%C3%A9": "/café", "/caf%c3%a9": "/café", "/%E5%AE%B6": "/家", "/a%40b%3A%2B": "/a@b:+", "/~x/-_": "/~x/-_",
		"/a+b,c=d&e$f!g'(h)*i:j@k": "/a+b,c=d&e$f!g'(h)*i:j@k", "/[id]|x^y": "/[id]|x^y", "/%5Bid%5D": "/[id]", "/%22%3C%3E%60%7B%7D": "/\"<>`{}",
		"/Wait%E2%80%A6": "/Wait…", "/%F0%9F%8E%89": "/🎉", "/%E2%80%93": "/–",
	} {
		if got, ok := Parse(in); !ok || string(got) != want {
			t.Errorf("Parse(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
}

// FA-5, class by class.
func TestParse_RefusesWhatReadersDisagreeOn(t *testing.T) {
	for class, paths := range map[string][]string{
		"not a path":         {"", "a", "*", "a/b", "http://h/x", "h:443", " /a", "\\a", "?x", "%2Fa", ".", "..", "./a", "../a"},
		"empty segment":      {"//", "//a", "/a//b", "/a//", "///", "/a///b"},
		"dot segment":        {"/.", "/..", "/./", "/../", "/a/.", "/a/..", "/a/./b", "/a/../b", "/a/b/..", "/...", "/a/.../b", "/..../x", "/a/..%20/b", "/a/.%20./b", "/%20", "/a/%20/b", "/%20../a"},
		"encoded dot":        {"/%2e", "/%2E%2e", "/a/%2e%2e/b", "/a/.%2e/b", "/a/%2E./b", "/a%2ecss", "/%2ehtaccess"},
		"encoded separator":  {"/%2f", "/a%2Fb", "/a/%2f..%2fb", "/a%2f%2e%2e%2fb", "/%2F%2Fh"},
		"backslash":          {`/\`, `/a\b`, `/a/..\b`, "/a%5Cb", "/a%5c..%5cb", "/%5C%5Ch"},
		"control":            {"/a\x00b", "/a\nb", "/a\rb", "/a\tb", "/\x7f", "/a\x1b", "/a%00b", "/a%00", "/a%0a", "/a%0D", "/a%09b", "/%7f", "/%1B", "/a b", "/%C2%85", "/%C2%9F"},
		"parameters":         {"/a;b", "/a;", "/;/a", "/a;x=1/b", "/..;/b", "/a/.;/b", "/a%3Bb", "/..%3b/b"},
		"double encoding":    {"/%25", "/%252e%252e/b", "/%252f", "/a%2561", "/%25%32%65", "/100%25"},
		"needless encoding":  {"/%61dmin", "/a/%42", "/%30", "/a%2Db", "/a%5fb", "/%7Ex"},
		"broken encoding":    {"/%", "/%2", "/a%", "/%zz", "/%2g", "/%-1", "/%u002e", "/%c0", "/a%%20", "/% 2"},
		"invalid UTF-8":      {"/%ff", "/%c0%af", "/%c0%ae%c0%ae/b", "/%e0%80%af", "/%C3", "/%C3/%A9", "/%ED%A0%80", "/%F5%80%80%80", "/a\xff", "/\xc0\xaf"},
		"raw beyond ASCII":   {"/é", "/家", "/a\u00a0"},
		"fragment and query": {"/a#b", "/#", "/a%23b", "/a?b", "/?", "/a%3Fb"},
		"look-alikes":        {"/a/%EF%BC%8E%EF%BC%8E/b", "/a%EF%BC%8Fb", "/%E2%80%A5/b", "/a%E2%88%95b", "/a%EF%BC%BCb", "/a%C2%A5b", "/a%E2%81%84b", "/%E2%80%A4%E2%80%A4"},
		"never sent raw":     {"/a\"b", "/a<b", "/a>b", "/a`b", "/a{b", "/a}b"},
	} {
		t.Run(class, func(t *testing.T) {
			for _, s := range paths {
				if got, ok := Parse(s); ok || got != "" {
					t.Errorf("Parse(%q) = %q, accepted", s, got)
				}
			}
		})
	}
}

func TestParse_NoByteSlipsThroughEncoded(t *testing.T) {
	const hex = "0123456789ABCDEF"
	for c := range 256 {
		s := "/a%" + string(hex[c>>4]) + string(hex[c&15]) + "b"
		got, ok := Parse(s)
		want := c > ' ' && c < 0x7f && !strings.ContainsRune(`/\.%;?#-_~`, rune(c)) && !isAlnum(byte(c)) || c == ' '
		if ok != want || ok && string(got) != "/a"+string(rune(c))+"b" {
			t.Errorf("Parse(%q) = %q, %v", s, got, ok)
		}
	}
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func TestParse_CleanPathsAllocateNothing(t *testing.T) {
	pattern, err := ParsePattern("/assets/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"/", "/assets/app/main.css", "/a//b", "/a/../b", "/a;b"} {
		if n := testing.AllocsPerRun(100, func() {
			p, ok := Parse(s)
			_ = ok && pattern.Match(p)
		}); n != 0 {
			t.Errorf("Parse(%q) allocates %v times", s, n)
		}
	}
}

func TestPattern_Match(t *testing.T) {
	for pattern, c := range map[string]struct{ match, miss []string }{
		"/healthz":   {[]string{"/healthz"}, []string{"/", "/healthz/", "/healthz/x", "/healthzz", "/HEALTHZ", "/x/healthz"}},
		"/assets/*":  {[]string{"/assets/a", "/assets/a/b", "/assets/"}, []string{"/assets", "/Assets/a", "/assetsx/a", "/x/assets/a", "/"}},
		"/*":         {[]string{"/", "/a", "/a/b"}, nil},
		"/":          {[]string{"/"}, []string{"/a"}},
		"/a/":        {[]string{"/a/"}, []string{"/a", "/a/b"}},
		"/café au/*": {[]string{"/caf%C3%A9%20au/x"}, []string{"/cafe%20au/x"}},
	} {
		pt, err := ParsePattern(pattern)
		if err != nil {
			t.Errorf("ParsePattern(%q): %v", pattern, err)
			continue
		}
		if pt.String() != pattern {
			t.Errorf("pattern %q prints as %q", pattern, pt)
		}
		for _, want := range []bool{true, false} {
			paths := c.miss
			if want {
				paths = c.match
			}
			for _, s := range paths {
				p, ok := Parse(s)
				if !ok || pt.Match(p) != want {
					t.Errorf("%q matches %q = %v (canonical: %v)", pattern, s, !want, ok)
				}
			}
		}
	}
}

// A path that is not canonical is the zero Path, which no pattern matches: a
// caller that forgets to look at ok still opens nothing.
func TestPattern_NothingMatchesNoPath(t *testing.T) {
	all, err := ParsePattern("/*")
	if err != nil {
		t.Fatal(err)
	}
	if all.Match("") || (Pattern{}).Match("") || (Pattern{}).Match("/") {
		t.Error("the zero path or the zero pattern matches")
	}
}

func TestParsePattern_SaysWhatToWrite(t *testing.T) {
	for in, want := range map[string]string{
		"": "begins with a slash", "assets/*": "begins with a slash", "*": "begins with a slash", "https://h/x": "begins with a slash",
		"/a*": "stands only at the end", "/*/a": "stands only at the end", "/a/*/b": "stands only at the end", "/a/**": "stands only at the end", "/*.css": "stands only at the end", "/a/*/*": "stands only at the end",
		"/a%20b": "decoded", "/%2e": "decoded", "/a?b": "never matched", "/a#b": "never matched", "/a;b": "never matched", `/a\b`: "never matched",
		"/a\nb": "control", "/a\x00": "control", "/a\xff": "UTF-8", "/a\u2044b": "look-alikes", "/a\u0085": "look-alikes",
		"//": "segment", "//*": "segment", "/a//b": "segment", "/../a": "segment", "/a/./*": "segment", "/a/..": "segment",
	} {
		pt, err := ParsePattern(in)
		if err == nil || !strings.Contains(err.Error(), want) || pt != (Pattern{}) {
			t.Errorf("ParsePattern(%q) = %q, %v, want an error with %q", in, pt, err, want)
		}
	}
}

// What is accepted is decoded once, already clean, and encodes back to an equal path.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"/", "/a/b%20c", "/%C3%A9", "/a/../b", "/%2e%2e/", "/a;b", "/a%252f", "//a", "/[x]|^", "/a%EF%BC%8Fb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := Parse(s)
		if !ok {
			if got != "" {
				t.Errorf("Parse(%q) refuses but returns %q", s, got)
			}
			return
		}
		p := string(got)
		if decoded, err := url.PathUnescape(s); err != nil || decoded != p {
			t.Errorf("Parse(%q) = %q, decoded elsewhere as %q, %v", s, p, decoded, err)
		}
		if clean := path.Clean(p); clean != p && clean+"/" != p {
			t.Errorf("Parse(%q) = %q, cleaned elsewhere to %q", s, p, clean)
		}
		if !utf8.ValidString(p) || strings.ContainsAny(p, "\\%;?#\x00\r\n\t\x7f") || strings.Contains(s, "%2e") || strings.Contains(s, "%2E") {
			t.Errorf("Parse(%q) = %q, accepted", s, p)
		}
		if again, ok := Parse((&url.URL{Path: p}).EscapedPath()); !ok || again != got {
			t.Errorf("Parse(%q) = %q, which encodes to another path: %q, %v", s, p, again, ok)
		}
	})
}

// A pattern is itself a path that can be asked for.
func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"/*", "/a", "/a/*", "/é/*", "/a*", "//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pt, err := ParsePattern(s)
		if err != nil {
			return
		}
		if again, err := ParsePattern(pt.String()); err != nil || again != pt || pt.String() != s {
			t.Errorf("pattern %q prints as %q: %v", s, pt, err)
		}
		asked := strings.TrimSuffix(s, "*")
		if p, ok := Parse((&url.URL{Path: asked}).EscapedPath()); !ok || !pt.Match(p) {
			t.Errorf("pattern %q can never match: %q, %v", s, p, ok)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, s := range []string{"/assets/app/main.css", "/caf%C3%A9/x"} {
		b.Run(s[1:4], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse(s)
			}
		})
	}
}
