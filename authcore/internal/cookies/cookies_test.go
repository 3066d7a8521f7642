package cookies

import (
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

const ours = "__Host-passwordless"

func TestFind_One(t *testing.T) {
	for _, headers := range [][]string{
		{ours + "=x"},
		{"a=1; " + ours + "=x"},
		{ours + "=x; a=1"},
		{"a=1;" + ours + "=x;b=2"},
		{"a=1;   " + ours + "=x   ; b"},
		{" " + ours + "=x "},
		{ours + "=x;"},
		{";; " + ours + "=x"},
		{"a=1", ours + "=x", "b=2"},
		{"", ours + "=x"},
		{"a=" + ours + "; " + ours + "=x"},
		{ours + "-flow=y; " + ours + "=x"},
		{"x" + ours + "=y; " + ours + "=x"},
		{strings.ToLower(ours) + "=y; " + ours + "=x"},
		{`q="a; ` + ours + `=x; b"`},
		{"\xff=\xfe; " + ours + "=x"},
	} {
		if value, status := Find(headers, ours); status != One || value != "x" {
			t.Errorf("Find(%q) = %q, %v", headers, value, status)
		}
	}
	for _, value := range []string{"!#$%&'()*+-./:<=>?@[]^_`{|}~", strings.Repeat("v", 128), "a=b=c", "="} {
		if got, status := Find([]string{ours + "=" + value}, ours); status != One || got != value {
			t.Errorf("Find of the value %q = %q, %v", value, got, status)
		}
	}
}

func TestFind_Absent(t *testing.T) {
	for _, headers := range [][]string{
		nil, {""}, {"a=1"}, {"; ;"}, {ours + "-flow=x"}, {ours + "x=y"}, {"x" + ours + "=y"}, {"__host-passwordless=x"}, {"__HOST-PASSWORDLESS=x"}, {"a=" + ours}, {"a=" + ours + "=x"}, {ours[:5]}, {"%5F" + ours[1:] + "=x"}, {"a=1, " + ours + "=x"}, {"passwordless=x"},
	} {
		if value, status := Find(headers, ours); status != Absent || value != "" {
			t.Errorf("Find(%q) = %q, %v", headers, value, status)
		}
	}
}

// CK-2: more than one, unexpected quoting or bytes, over-long.
func TestFind_Bad(t *testing.T) {
	for class, cases := range map[string][][]string{
		"more than one":   {{ours + "=x; " + ours + "=x"}, {ours + "=x; " + ours + "=y"}, {ours + "=x", ours + "=y"}, {ours + "=x; a=1; " + ours}, {ours + "; " + ours + "=x"}, {ours + "=x; " + ours + " =y"}, {"=" + ours + "=y; " + ours + "=x"}, {ours + "=x; \t" + ours + "=y"}},
		"no value":        {{ours}, {ours + "="}, {ours + "= "}, {ours + "=;a=b"}, {"a=1; " + ours}},
		"quoting":         {{ours + `="x"`}, {ours + `="x`}, {ours + `=x"`}, {ours + `=""`}},
		"bytes":           {{ours + "=x y"}, {ours + "=x\ty"}, {ours + "=x\t"}, {ours + "=x\t; a=1"}, {ours + "=\tx"}, {ours + "= x"}, {ours + "=x,y"}, {ours + `=x\y`}, {ours + "=x\x00"}, {ours + "=\x7f"}, {ours + "=é"}, {ours + "=x\n"}},
		"over-long value": {{ours + "=" + strings.Repeat("v", 129)}},
		"stray spelling":  {{ours + " =x"}, {ours + "\t=x"}, {ours + "\x00=x"}, {"\t" + ours + "=x"}, {"a=1;\t" + ours + "=x"}, {"a=1; \t " + ours + " \t=x"}, {"\v" + ours + "=x"}, {"\xa0" + ours + "=x"}, {ours + "\x85=x"}, {"=" + ours + "=x"}, {" = " + ours + "=x"}, {"==" + ours}, {ours + " "}, {ours + "\n"}},
		"over-long total": {{strings.Repeat("a", maxHeaders+1)}, {ours + "=x; b=" + strings.Repeat("a", maxHeaders)}, {strings.Repeat("a", maxHeaders), "b"}, {ours + "=x", strings.Repeat("a", maxHeaders)}},
	} {
		t.Run(class, func(t *testing.T) {
			for _, headers := range cases {
				if value, status := Find(headers, ours); status != Bad || value != "" {
					t.Errorf("Find(%.60q) = %q, %v", headers, value, status)
				}
			}
		})
	}
}

func TestStrip_OthersByteForByte(t *testing.T) {
	flow := ours + "-flow"
	for _, c := range []struct{ in, want []string }{
		{[]string{ours + "=x"}, nil},
		{[]string{ours + "=x; " + flow + "=y"}, nil},
		{[]string{"a=1; " + ours + "=x; b=2"}, []string{"a=1; b=2"}},
		{[]string{ours + "=x; b=2"}, []string{"b=2"}},
		{[]string{"a=1; " + ours + "=x"}, []string{"a=1"}},
		{[]string{"a=1;" + ours + "=x;  b=\"2 , é\";c"}, []string{"a=1;  b=\"2 , é\";c"}},
		{[]string{"a=1", ours + "=x", "b=2; " + flow + "=y"}, []string{"a=1", "b=2"}},
		{[]string{ours + "=x;"}, nil},
		{[]string{" ; " + ours + "=x; \t"}, nil},
		{[]string{"a; =b; " + ours + "=x; ;c=\xff"}, []string{"a; =b; ;c=\xff"}},
		{[]string{ours + "x=1; " + ours + "=x; a" + ours + "=2"}, []string{ours + "x=1; a" + ours + "=2"}},
	} {
		before := slices.Clone(c.in)
		kept, changed := Strip(c.in, ours, flow)
		if !changed || !slices.Equal(kept, c.want) {
			t.Errorf("Strip(%q) = %q, %v, want %q", c.in, kept, changed, c.want)
		}
		if !slices.Equal(before, c.in) {
			t.Errorf("Strip wrote to its input: %q, was %q", c.in, before)
		}
	}
}

// lenient are spellings of a pair of ours that some reader takes for it.
var lenient = []string{
	ours + "=x", ours, ours + "=", ours + " =x", ours + "\t=x", "\t" + ours + "=x", " \t " + ours + " = x", "=" + ours + "=x", "= " + ours, "==" + ours + "=x",
	"__host-passwordless=x", "__HOST-PASSWORDLESS=x", "__Host_passwordless=x", "..Host-passwordless=x", "__Host.passwordless=x", "_.Host passwordless=x", "%5F%5FHost%2dpasswordless=x", "%5f_Host-passwordless%20=x",
	`"` + ours + `"=x`, "\xa0" + ours + "=x", "\x00" + ours + "=x", ours + "\x00y=x", ours + "[]=x", ours + "[a]=x", "\x0b" + ours + "\x0c=x", "%00" + ours + "=x", ours + "%00=x", ours + "%3D=x",
	"q=1, " + ours + "=x", `q="1, ` + ours + `=x"`, "q=,," + ours + "=x,y",
}

func TestStrip_LenientSpellings(t *testing.T) {
	for _, pair := range lenient {
		if kept, changed := Strip([]string{"a=1;" + pair + "; b=2"}, ours); !changed || !slices.Equal(kept, []string{"a=1; b=2"}) {
			t.Errorf("Strip of %q = %q, %v", pair, kept, changed)
		}
	}
}

func TestIsOurs_DropsEverySpelling(t *testing.T) {
	for _, pair := range lenient {
		for _, header := range []string{pair, pair + "; Path=/; Secure", pair + ";", " " + pair + " ; HttpOnly"} {
			if !IsOurs(header, "other", ours) {
				t.Errorf("IsOurs(%q) = false", header)
			}
		}
	}
	for _, header := range []string{"", ";", "a=b", "a=b; " + ours + "=x", "a=" + ours + "=x", "a=" + ours, "x" + ours + "=1", ours + "x=1", ours + "-flow=1", "passwordless=x", "=a", "__Host-=x"} {
		if IsOurs(header, "other", ours) {
			t.Errorf("IsOurs(%q) = true", header)
		}
	}
	if IsOurs(ours+"=x") || IsOurs("a=b") {
		t.Error("without names something is ours")
	}
}

// DS-1: a header of nothing but commas costs time in proportion, and no stack.
func TestStrip_CommasDoNotDescend(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(1 << 20)) // more ends the process
	header := "a=" + strings.Repeat(",", 1<<20)
	if kept, changed := Strip([]string{header}, ours); changed || kept[0] != header {
		t.Error("a cookie of somebody else's was changed")
	}
}

func TestCookies_AllocateNothing(t *testing.T) {
	found := []string{"theme=dark; lang=en; session=abcdef", "a=1; " + ours + "=dGhpcyBpcyBhIHRva2VuIG9mIDQzIGNoYXJhY3RlcnM; b=2"}
	absent := []string{"theme=dark; lang=en; session=abcdef"}
	names := []string{ours, ours + "-flow", ours + "-device"}
	for name, f := range map[string]func(){
		"find":           func() { Find(found, ours) },
		"find, absent":   func() { Find(absent, ours) },
		"strip, nothing": func() { Strip(absent, names...) },
		"is ours":        func() { IsOurs("sid=1; Path=/", names...) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if kept, changed := Strip(absent, names...); changed || &kept[0] != &absent[0] {
		t.Error("Strip without a cookie of ours does not return its input")
	}
}

// Find is never more permissive than the standard library's parser, and what
// Strip leaves holds nothing of ours and nothing new.
func FuzzCookies(f *testing.F) {
	for _, s := range append(slices.Clone(lenient), "a=1; "+ours+"=x; b=2", `q="; `+ours+`=x"`, ours+"=x; "+ours+"=y") {
		f.Add(s, "a=b; c")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		headers := []string{first, second}
		value, status := Find(headers, ours)
		if status == One {
			var std []string
			for _, header := range headers {
				for pair := range strings.SplitSeq(header, ";") {
					if cookies, err := http.ParseCookie(strings.Trim(pair, " ")); err == nil && cookies[0].Name == ours {
						std = append(std, cookies[0].Value)
					}
				}
			}
			if !slices.Equal(std, []string{value}) {
				t.Errorf("Find(%q) = %q, read by net/http as %q", headers, value, std)
			}
		}
		if status != One && value != "" || status > Bad {
			t.Errorf("Find(%q) = %q, %v", headers, value, status)
		}
		kept, changed := Strip(headers, ours)
		if !changed && !slices.Equal(kept, headers) || len(kept) > len(headers) {
			t.Errorf("Strip(%q) = %q, %v", headers, kept, changed)
		}
		if len(first)+len(second) <= maxHeaders {
			if v, s := Find(kept, ours); s != Absent {
				t.Errorf("Strip(%q) = %q, which still holds %q, %v", headers, kept, v, s)
			}
		}
		if again, more := Strip(kept, ours); more {
			t.Errorf("Strip(%q) = %q, and again %q", headers, kept, again)
		}
		for _, header := range kept {
			for pair := range strings.SplitSeq(header, ";") {
				if !strings.Contains(first+";"+second, pair) || IsOurs(pair, ours) {
					t.Errorf("Strip(%q) = %q", headers, kept)
				}
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	headers := []string{"theme=dark; lang=en; session=abcdef; " + ours + "=dGhpcyBpcyBhIHRva2VuIG9mIDQzIGNoYXJhY3RlcnM"}
	b.ReportAllocs()
	for b.Loop() {
		Find(headers, ours)
	}
}

func BenchmarkStrip(b *testing.B) {
	headers := []string{"theme=dark; lang=en; session=abcdef; " + ours + "=dGhpcyBpcyBhIHRva2VuIG9mIDQzIGNoYXJhY3RlcnM"}
	names := []string{ours, ours + "-flow", ours + "-device"}
	b.ReportAllocs()
	for b.Loop() {
		Strip(headers, names...)
	}
}
