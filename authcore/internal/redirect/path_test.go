package redirect

import (
	"net/url"
	"strings"
	"testing"
)

func TestPath_KeepsWhatBrowsersSend(t *testing.T) {
	long := "/" + strings.Repeat("a", MaxPath-1)
	for in, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/b/": "/a/b/", "/a?b=c&d=e": "/a?b=c&d=e", "/?": "/?", "/?a=//b": "/?a=//b", "/a?b?c": "/a?b?c",
		"/a//b": "/a//b", "/a/b.css": "/a/b.css", "/.hidden": "/.hidden", "/..a/a../...": "/..a/a../...",
		"/a%20b": "/a%20b", "/caf%C3%A9": "/caf%C3%A9", "/group%2Fproject": "/group%2Fproject", "/a%25": "/a%25",
		"/@user": "/@user", "/a:b": "/a:b", "/javascript:alert(1)": "/javascript:alert(1)", "/a;v=1/b": "/a;v=1/b", "/http://a.example/": "/http://a.example/",
		"/[id]": "/[id]", "/a|b": "/a%7Cb", "/?q={a}&r=\"<^`>\\": "/?q=%7Ba%7D&r=%22%3C%5E%60%3E%5C", "/?q=a%0Ab+c'(d)*": "/?q=a%0Ab+c'(d)*",
		"/?next=https://evil.example": "/?next=https://evil.example", long: long,
	} {
		if got, ok := Path(in); !ok || got != want {
			t.Errorf("Path(%.80q) = %.80q, %v, want %.80q", in, got, ok, want)
		}
	}
}

// RD-2, class by class. None of these is a path of this host to every reader.
func TestPath_AttackCorpus(t *testing.T) {
	for class, attacks := range map[string][]string{
		"nothing":        {"", " ", "\x00", "a", "a/b", "?a", "#a", ".", "..", "./a", "../a", "*", "%", "%2F", "%2Fa", "&#47;a"},
		"scheme":         {"https://evil.example", "http://evil.example", "HTTPS://evil.example", "hTtP:evil.example", "https:/evil.example", "https:evil.example", "https:///evil.example", "https:\\\\evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "\x01javascript:alert(1)", "data:text/html,x", "vbscript:x", "blob:x", "file:///etc", "mailto:a@b.co", "ftp://evil.example", "ws://evil.example", "view-source:x", "about:blank", "intent://x", "//https:evil.example"},
		"host":           {"//evil.example", "//evil.example/", "///evil.example", "////evil.example", "//evil.example@a.example", "//a.example@evil.example", "//user:pass@evil.example", "//", "///", "//[::1]", "//127.1", "//0x7f000001", "//2130706433", "//evil.example:443", "//evil%2eexample", "//evil\u3002example", "//%65vil.example", "//evil.example?", "//evil.example#", "//;@evil.example", "//.evil.example"},
		"backslash":      {`\evil.example`, `\\evil.example`, `/\evil.example`, `\/evil.example`, `/\/evil.example`, `/\\evil.example`, `//\evil.example`, `/a\b`, `/a/..\\evil.example`, `/a\..\..\\evil.example`, `/.\evil.example`, `/\`, `/a\`},
		"encoded slash":  {"/%2Fevil.example", "/%2fevil.example", "/%2F%2Fevil.example", "/%5Cevil.example", "/%5cevil.example", "/a%5Cb", "/%2F", "/%5C"},
		"white space":    {"/\tevil", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", "\n//evil.example", " //evil.example", "/ /evil.example", "/a b", "/a\nb", "/a\r\nSet-Cookie: x=y", "/a ", " /a", "/\x0b/evil.example", "/\x0c/evil.example", "/?a b", "/?a\tb", "/?\r\n", "\u00a0//evil.example", "\u2028//evil.example"},
		"control":        {"/\x00/evil.example", "/a\x00", "\x00/a", "/\x1f/evil.example", "/\x7f", "/\x08/evil.example", "/?\x00", "/\x1b[2J"},
		"encoded ctl":    {"/%00", "/%0d%0aSet-Cookie:x=y", "/%0A/evil.example", "/%09/evil.example", "/a%0D", "/a%7F", "/%1b"},
		"dot segments":   {"/.", "/..", "/./", "/../", "/.//evil.example", "/..//evil.example", "/../..//evil.example", "/a/..//evil.example", "/a/../../evil", "/%2e//evil.example", "/%2e%2e//evil.example", "/%2E%2E//evil.example", "/.%2e//evil.example", "/%2e.//evil.example", "/a/%2e%2e//evil.example", "/a/b/%2E%2E/%2e%2e//evil.example", "/./%2Fevil.example", "/..;//evil.example", "/.;//evil.example", "/..;x=1//evil.example", "/%2e%2e;//evil.example", "/..%3b//evil.example", "/a/..", "/a/.", "/a/%2e", "/a/%2e%2E?b"},
		"beyond ASCII":   {"/é", "/\u2215evil.example", "/\uff0fevil.example", "/\uff3cevil.example", "/\u2044/evil", "/\u200b/evil.example", "\ufeff//evil.example", "/\u202eevil", "/\xff", "/\xc0\xaf", "/?é", "/\u3000", "/\x85/evil.example"},
		"broken percent": {"/%", "/a%", "/a%2", "/%zz", "/%2", "/%u2215", "/%%32f", "/% 2f", "/?%", "/?a=100%", "/?%g0", "/%-2f"},
		"fragment":       {"/#", "/a#b", "/#//evil.example", "/a?b#c", "/?#"},
		"over-long":      {"/" + strings.Repeat("a", MaxPath), "/?" + strings.Repeat("a", MaxPath-1), "/" + strings.Repeat("|", MaxPath/3+1), strings.Repeat("/", 1<<20)},
	} {
		t.Run(class, func(t *testing.T) {
			for _, attack := range attacks {
				if got, ok := Path(attack); ok || got != "" {
					t.Errorf("Path(%.80q) = %.80q, accepted", attack, got)
				}
			}
		})
	}
}

// Every byte in the place that decides between path and host, raw and encoded.
func TestPath_SecondByte(t *testing.T) {
	const hex = "0123456789ABCDEF"
	for c := range 256 {
		for _, s := range []string{"/" + string([]byte{byte(c)}) + "/evil.example", "/%" + string(hex[c>>4]) + string(hex[c&15]) + "/evil.example"} {
			if got, ok := Path(s); ok {
				checkResult(t, s, got)
			}
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/a?b=c", "//evil.example", `/\evil.example`, "/\t/evil.example", "/..//evil.example", "/%2e%2e;//x", "/%2Fx", "/a|b?{c}", "https://evil.example", "/@x:y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := Path(s); ok {
			checkResult(t, s, got)
		} else if got != "" {
			t.Errorf("Path(%q) refuses but returns %q", s, got)
		}
	})
}

// checkResult states what a result always is.
func checkResult(t *testing.T, in, got string) {
	t.Helper()
	if got == "" || got[0] != '/' || len(got) > 1 && (got[1] == '/' || got[1] == '\\') {
		t.Errorf("Path(%q) = %q: not one leading slash", in, got)
	}
	u, err := url.Parse("https://a.example" + got)
	if err != nil || u.Host != "a.example" || u.User != nil || u.Scheme != "https" || u.Fragment != "" {
		t.Errorf("Path(%q) = %q: after an origin it reads %v, %v", in, got, u, err)
	}
	base := &url.URL{Scheme: "https", Host: "a.example", Path: "/x/y/"}
	for _, ref := range []string{got, strings.ReplaceAll(got, "%2e", "."), strings.ReplaceAll(got, "%2E", ".")} {
		if u, err := base.Parse(ref); err != nil || u.Host != "a.example" || strings.HasPrefix(u.EscapedPath(), "//") {
			t.Errorf("Path(%q) = %q: as a reference it reads %v, %v", in, got, u, err)
		}
	}
	for i := range len(got) {
		if got[i] <= ' ' || got[i] > '~' || strings.IndexByte("\\\"<>#", got[i]) >= 0 {
			t.Errorf("Path(%q) = %q: holds %q", in, got, got[i])
		}
	}
	if again, ok := Path(got); !ok || again != got {
		t.Errorf("Path(%q) = %q, and again %q, %v", in, got, again, ok)
	}
}
