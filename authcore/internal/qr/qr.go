// Package qr draws a text as a QR code (ISO/IEC 18004) that a page can hold as
// inline SVG: no script, no style, no request.
//
// The codes hold secrets (a TOTP key), so nothing here keeps or logs a text, and
// no error repeats one.
package qr

import (
	"errors"
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"
)

const (
	// MaxText bounds a text in bytes. A code of more has modules so small that
	// phones read it badly off a screen; a TOTP address has about 200.
	MaxText = 512
	// quiet is the light margin that readers need, in modules (ISO/IEC 18004
	// §6.3.8).
	quiet = 4
)

var (
	errText = fmt.Errorf("a QR code here holds 1 to %d bytes of UTF-8", MaxText)
	errCode = errors.New("making the QR code failed")
)

// SVG draws text with error correction M, dark on light whatever the page's
// colours, because many readers take nothing else. label is what a screen reader
// says in its place; it stands in an attribute and may be any text, the key
// itself belongs elsewhere on the page. The drawing has no size of its own but
// its viewBox and is crisp at any.
func SVG(text, label string) (template.HTML, error) {
	if text == "" || len(text) > MaxText || !utf8.ValidString(text) {
		return "", errText
	}
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", errCode //nolint:nilerr // the library's error repeats the text
	}
	n := code.Bounds().Dx()
	dark := func(x, y int) bool {
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="qr" viewBox="0 0 %d %[1]d" role="img" aria-label="%s" shape-rendering="crispEdges">`,
		n+2*quiet, template.HTMLEscapeString(label))
	fmt.Fprintf(&b, `<rect width="%d" height="%[1]d" fill="#fff"/><path fill="#000" d="`, n+2*quiet)
	for y := range n {
		for x := 0; x < n; x++ {
			from := x
			for x < n && dark(x, y) {
				x++
			}
			if x > from { // neighbours are one bar: smaller, and without seams
				fmt.Fprintf(&b, "M%d %dh%dv1h-%[3]dz", from+quiet, y+quiet, x-from)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()), nil //nolint:gosec // numbers, and a label that is escaped
}
