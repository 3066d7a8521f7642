package caddyfile

import (
	"errors"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func TestFile_WritesBlocksAndQuotes(t *testing.T) {
	var f File
	f.Comment("about")
	f.Open("", "http://:3000")
	f.Line("", "header", "X-Name", "two words", `with "quotes"`, `back\slash`, "#hash", "")
	f.Line("", "respond", "{file./run/secrets/x}", "{env.NAME}", "200")
	f.Close()
	f.Blank()
	want := "# about\nhttp://:3000 {\n\theader X-Name \"two words\" `with \"quotes\"` `back\\slash` \"#hash\" \"\"\n" +
		"\trespond {file./run/secrets/x} {env.NAME} 200\n}\n\n"
	if f.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", f.String(), want)
	}
}

func TestFile_ErrorsBelongToTheOwnerOfTheLine(t *testing.T) {
	var f File
	f.Open("", "http://:3000")
	f.Line("GOOD", "respond", "hello")
	f.Line("BAD", "encode", "magic")
	f.Close()
	_, err := f.Adapt()
	var e *Error
	if !errors.As(err, &e) || e.Owner != "BAD" {
		t.Errorf("got %v, want an error of BAD", err)
	}
	var none File
	none.Line("", "http://:3000")
	none.Line("", "encode", "magic")
	if _, err := none.Adapt(); !errors.As(err, &e) || e.Owner != "" {
		t.Errorf("got %v, want an error of nobody", err)
	}
}

func TestFile_AdaptsToJSON(t *testing.T) {
	var f File
	f.Open("", "http://:3000")
	f.Line("", "respond", "hello")
	f.Close()
	cfg, err := f.Adapt()
	if err != nil || len(cfg) == 0 || cfg[0] != '{' {
		t.Errorf("%s, %v", cfg, err)
	}
}

func TestCheckValue_RefusesWhatWouldBeAPlaceholder(t *testing.T) {
	for _, s := range []string{"{env.HOME}", "a}", "a`b", "a\nb", "a\tb", "\x7f"} {
		if CheckValue(s) == nil {
			t.Errorf("%q accepted", s)
		}
	}
	for _, s := range []string{"", "plain", `Ä "b" \c #d`} {
		if err := CheckValue(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}
