package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Widths of the screens that pages are looked at, in CSS pixels.
const (
	narrow  = 320 // the narrowest a page must fit (WCAG 2.2, 1.4.10)
	phone   = 390
	desktop = 1280
	height  = 800
)

// looks are what a page is looked at in.
var looks = []struct {
	label, scheme string
	width         int64
}{{"phone", "light", phone}, {"desktop", "light", desktop}, {"desktop", "dark", desktop}, {"phone", "dark", phone}}

// Looks looks at the page as it stands: light and dark, on a phone and on a
// desktop. Each look is kept as an image (SHOTS, default test/shots), checked
// by axe, and must not scroll sideways, nor at 320 pixels.
func (b *Browser) Looks(name string) {
	b.t.Helper()
	dir := os.Getenv("SHOTS")
	if dir == "" {
		dir = filepath.Join(Root(b.t), "test", "shots")
	}
	b.look(name, dir, func(look string) {
		for _, v := range b.Axe() {
			b.t.Errorf("%s: axe: %s", look, v)
		}
	})
}

// Survey is Looks for pages of which there are many. It keeps images only where
// SHOTS says so, and has axe look for everything once and, in the dark, at the
// colours. The direction of writing changes nothing for axe.
func (b *Browser) Survey(name string, axe bool) {
	b.t.Helper()
	b.look(name, os.Getenv("SHOTS"), func(look string) {
		var rules []string
		switch {
		case !axe || !strings.HasSuffix(look, "-phone-light") && !strings.HasSuffix(look, "-phone-dark"):
			return
		case strings.HasSuffix(look, "-dark"):
			rules = []string{"color-contrast", "link-in-text-block"}
		}
		for _, v := range b.Axe(rules...) {
			b.t.Errorf("%s: axe: %s", look, v)
		}
	})
}

func (b *Browser) look(name, dir string, check func(look string)) {
	b.t.Helper()
	for _, l := range looks {
		look := fmt.Sprintf("%s-%s-%s", name, l.label, l.scheme)
		b.Media("prefers-color-scheme", l.scheme)
		b.Viewport(l.width)
		if dir != "" {
			b.keep(filepath.Join(dir, look+".png"), l.width)
		}
		b.fits(look)
		check(look)
	}
	b.Viewport(narrow)
	b.fits(name + " at 320 pixels")
	b.Viewport(desktop)
	b.Media("", "")
}

func (b *Browser) keep(file string, width int64) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, b.whole(width), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// whole is a PNG image of the page from top to end, in a window as high as the
// page: a capture beyond the window's edge is shifted where text runs from right
// to left.
func (b *Browser) whole(width int64) []byte {
	b.t.Helper()
	tall := max(height, Eval[int64](b, "document.documentElement.scrollHeight"))
	b.do("setting the window's size", chromedp.EmulateViewport(width, tall))
	image := result(b, "taking a screenshot", chromedp.CaptureScreenshot())
	b.Viewport(width)
	return image
}

// fits fails the test when the page is wider than its window, or something on it
// sticks out of the page's middle.
func (b *Browser) fits(look string) {
	b.t.Helper()
	if over := Eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		b.t.Errorf("%s: the page is %d pixels too wide", look, over)
	}
	for _, out := range Eval[[]string](b, `(() => { const main = document.querySelector("main"); if (!main) return [];
		const box = main.getBoundingClientRect();
		return [...main.querySelectorAll("*")].filter(e => e.checkVisibility() && !e.matches(".away, .away *")).filter(e => {
			const r = e.getBoundingClientRect(); return r.width > 0 && (r.left < box.left - 1 || r.right > box.right + 1) })
			.map(e => e.outerHTML.slice(0, 100)) })()`) {
		b.t.Errorf("%s: this sticks out: %s", look, out)
	}
}

// Viewport sets the width of the window in CSS pixels.
func (b *Browser) Viewport(width int64) {
	b.t.Helper()
	b.do("setting the window's size", chromedp.EmulateViewport(width, height))
}

// Media sets one media feature, e.g. prefers-reduced-motion to reduce; an
// empty name ends it.
func (b *Browser) Media(feature, value string) {
	b.t.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{}}
	if feature != "" {
		params.Features = append(params.Features, &emulation.MediaFeature{Name: feature, Value: value})
	}
	call(b, "setting "+feature, emulation.SetEmulatedMedia, params)
}

// Narrow looks at the page on the narrowest phone only; SHOTS keeps an image of
// that.
func (b *Browser) Narrow(name string) {
	b.t.Helper()
	b.Viewport(narrow)
	if dir := os.Getenv("SHOTS"); dir != "" {
		b.keep(filepath.Join(dir, name+"-narrow.png"), narrow)
	}
	b.fits(name + " at 320 pixels")
}

// PrintView shows the page as it will be printed, kept as an image where SHOTS
// says so; do looks at it, before the screen is back.
func (b *Browser) PrintView(name string, do func()) {
	b.t.Helper()
	dark := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}} // the paper is white all the same
	call(b, "showing the print view", emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print", Features: dark})
	if dir := os.Getenv("SHOTS"); dir != "" {
		b.keep(filepath.Join(dir, name+"-print.png"), 794) // A4 at 96 pixels an inch
	}
	do()
	b.Media("", "")
}

// Axe returns the accessibility violations of the page, none of them waved
// through: rule, impact and the elements. It runs under any CSP, because it
// comes through the debugger and not through a script element. With rules it
// looks for these alone.
func (b *Browser) Axe(rules ...string) []string {
	b.t.Helper()
	if !Eval[bool](b, "!!window.axe") {
		source, err := os.ReadFile(NeedFile(b.t, "test/node_modules/axe-core/axe.min.js"))
		if err != nil {
			b.t.Fatal(err)
		}
		Eval[bool](b, string(source)+"; true")
	}
	options := "{}"
	if len(rules) > 0 {
		options = `{runOnly: {type: 'rule', values: ['` + strings.Join(rules, "', '") + `']}}`
	}
	found := Eval[[]string](b, `axe.run(`+options+`).then(r => r.violations.map(v =>
		v.id + ' (' + v.impact + '): ' + v.nodes.map(n => n.target.join(' ')).join(', ')))`)
	for i := range found {
		found[i] = strings.TrimSpace(found[i])
	}
	return found
}
