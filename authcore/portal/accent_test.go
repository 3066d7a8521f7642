package portal

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestAccent_EveryColourStaysReadable(t *testing.T) {
	property := regexp.MustCompile(`--accent:(#\w+);--on-accent:(#\w+);--accent-text:(#\w+)`)
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				accent := fmt.Sprintf("#%02x%02x%02x", r, g, b)
				rules, err := accentRules(accent)
				if err != nil {
					t.Fatal(err)
				}
				for theme, m := range property.FindAllStringSubmatch(rules, -1) {
					on := surface(theme == 1)
					fill, label, text := mustColor(t, m[1]), mustColor(t, m[2]), mustColor(t, m[3])
					if contrast(fill, label) < textContrast || contrast(text, on) < textContrast || contrast(fill, on) < controlContrast {
						t.Fatalf("accent %s, theme %d: %s", accent, theme, m[0])
					}
				}
			}
		}
	}
}

func TestAccent_AReadableColourIsKept(t *testing.T) {
	rules, err := accentRules("#2f56d9")
	if err != nil || !strings.HasPrefix(rules, ":root{--accent:#2f56d9;--on-accent:#ffffff;--accent-text:#2f56d9}") {
		t.Errorf("%s, %v", rules, err)
	}
}

func TestAccent_OnlyColoursEnterTheStylesheet(t *testing.T) {
	for _, s := range []string{"", "red", "#12", "#12345g", "#1234567", "3355ff", "#+1+1+1", "#fff;}*{x:y"} {
		if _, err := parseColor(s); err == nil {
			t.Errorf("%q was taken as a colour", s)
		}
	}
	if _, err := newRenderer(Brand{Accent: "blue"}); err == nil || !strings.Contains(err.Error(), "#3355ff") {
		t.Errorf("error %v does not say what to write", err)
	}
	short, long := mustColor(t, "#3af"), mustColor(t, "#33aaff")
	if short != long {
		t.Errorf("%v != %v", short, long)
	}
}

func TestStyle_DrawsTheSurfacesThatContrastIsComputedFor(t *testing.T) {
	r := testRenderer(t, Brand{})
	found := regexp.MustCompile(`--surface: (#\w+);`).FindAllSubmatch(r.assets.source["style.css"], -1)
	if len(found) != 2 || string(found[0][1]) != surface(false).String() || string(found[1][1]) != surface(true).String() {
		t.Errorf("style.css draws %q", found)
	}
}

func mustColor(t *testing.T, s string) rgb {
	t.Helper()
	c, err := parseColor(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
