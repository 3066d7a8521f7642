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

// Looks looks at the page as it stands: light and dark, on a phone and on a
// desktop. Each look is kept as an image (SHOTS, default test/shots), checked
// by axe, and must not scroll sideways, nor at 320 pixels.
func (b *Browser) Looks(name string) {
	b.t.Helper()
	dir := os.Getenv("SHOTS")
	if dir == "" {
		dir = filepath.Join(Root(b.t), "test", "shots")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		for label, width := range map[string]int64{"phone": phone, "desktop": desktop} {
			b.Media("prefers-color-scheme", scheme)
			b.Viewport(width)
			look := fmt.Sprintf("%s-%s-%s", name, label, scheme)
			image := b.whole(width)
			if err := os.WriteFile(filepath.Join(dir, look+".png"), image, 0o644); err != nil {
				b.t.Fatal(err)
			}
			b.fits(look)
			for _, v := range b.Axe() {
				b.t.Errorf("%s: axe: %s", look, v)
			}
		}
	}
	b.Viewport(narrow)
	b.fits(name + " at 320 pixels")
	b.Viewport(desktop)
	b.Media("", "")
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

// fits fails the test when the page is wider than its window.
func (b *Browser) fits(look string) {
	b.t.Helper()
	if over := Eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		b.t.Errorf("%s: the page is %d pixels too wide", look, over)
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

// Axe returns the accessibility violations of the page, none of them waved
// through: rule, impact and the elements. It runs under any CSP, because it
// comes through the debugger and not through a script element.
func (b *Browser) Axe() []string {
	b.t.Helper()
	source, err := os.ReadFile(NeedFile(b.t, "test/node_modules/axe-core/axe.min.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	Eval[bool](b, string(source)+"; true")
	found := Eval[[]string](b, `axe.run().then(r => r.violations.map(v =>
		v.id + ' (' + v.impact + '): ' + v.nodes.map(n => n.target.join(' ')).join(', ')))`)
	for i := range found {
		found[i] = strings.TrimSpace(found[i])
	}
	return found
}
