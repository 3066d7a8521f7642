package qr_test

import (
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"regexp"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/qr"
)

// drawing is the SVG as an XML parser sees it.
type drawing struct {
	XMLName xml.Name `xml:"svg"`
	ViewBox string   `xml:"viewBox,attr"`
	Role    string   `xml:"role,attr"`
	Label   string   `xml:"aria-label,attr"`
	Rect    struct {
		Width  int    `xml:"width,attr"`
		Height int    `xml:"height,attr"`
		Fill   string `xml:"fill,attr"`
	} `xml:"rect"`
	Path struct {
		Fill string `xml:"fill,attr"`
		D    string `xml:"d,attr"`
	} `xml:"path"`
}

func draw(t testing.TB, text, label string) (string, *drawing) {
	t.Helper()
	svg, err := qr.SVG(text, label)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	d := new(drawing)
	if err := xml.Unmarshal([]byte(svg), d); err != nil {
		t.Fatalf("%v in %s", err, svg)
	}
	return string(svg), d
}

var bar = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

// raster paints what a browser would, some pixels to a module, on a dark page.
func (d *drawing) raster(t testing.TB) *image.Gray {
	t.Helper()
	const scale = 4
	var size, same int
	if n, err := fmt.Sscanf(d.ViewBox, "0 0 %d %d", &size, &same); n != 2 || err != nil || size != same || size != d.Rect.Width || size != d.Rect.Height {
		t.Fatalf("viewBox %q, background %+v", d.ViewBox, d.Rect)
	}
	img := image.NewGray(image.Rect(0, 0, size*scale, size*scale))
	fill := func(x, y, w, h int, c color.Gray) {
		for py := y * scale; py < (y+h)*scale; py++ {
			for px := x * scale; px < (x+w)*scale; px++ {
				img.SetGray(px, py, c)
			}
		}
	}
	if d.Rect.Fill == "#fff" {
		fill(0, 0, d.Rect.Width, d.Rect.Height, color.Gray{Y: 255})
	}
	if rest := bar.ReplaceAllString(d.Path.D, ""); rest != "" || d.Path.Fill != "#000" {
		t.Fatalf("the path has %q, fill %q", rest, d.Path.Fill)
	}
	for _, m := range bar.FindAllStringSubmatch(d.Path.D, -1) {
		var n [4]int
		for i := range n {
			if _, err := fmt.Sscan(m[i+1], &n[i]); err != nil {
				t.Fatal(err)
			}
		}
		if n[2] != n[3] || n[0] < 4 || n[1] < 4 || n[0]+n[2] > size-4 || n[1]+1 > size-4 {
			t.Fatalf("bar %s leaves the code or enters the quiet zone of %s", m[0], d.ViewBox)
		}
		fill(n[0], n[1], n[2], 1, color.Gray{})
	}
	return img
}

// scan reads it with a decoder that knows nothing of how it was made.
func scan(t testing.TB, img image.Image) (*gozxing.Result, error) {
	t.Helper()
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	return qrcode.NewQRCodeReader().Decode(bits, nil)
}

func TestSVG_ScansBackToTheText(t *testing.T) {
	texts := []string{
		"0", "A", "é", "12345678901234567890", "HTTPS://EXAMPLE.COM/",
		"otpauth://totp/Example:alice@example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example&algorithm=SHA1&digits=6&period=30",
		"otpauth://totp/Caf%C3%A9%20%E4%BE%8B:alice%2Bx@example.com?secret=JBSWY3DPEHPK3PXP&issuer=Caf%C3%A9%20%E4%BE%8B",
		"Zürich, España, Łódź: naïve café", "日本語のサインイン", "دخول بدون كلمة مرور", "🔑🔐 keys",
		`<svg onload="x">&quot;`, " leading and trailing ", "line\nbreak",
	}
	for n := 1; n <= qr.MaxText; n += 1 + n/16 {
		texts = append(texts, strings.Repeat("otpauth://x?y=Z&", 1+n/16)[:n])
	}
	texts = append(texts, strings.Repeat("é", 150), strings.Repeat("z", qr.MaxText))
	for _, text := range texts {
		_, d := draw(t, text, "QR code")
		got, err := scan(t, d.raster(t))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got.GetText() != text {
			t.Errorf("%q scans as %q", text, got.GetText())
		}
		if level := got.GetResultMetadata()[gozxing.ResultMetadataType_ERROR_CORRECTION_LEVEL]; level != "M" {
			t.Errorf("%q has error correction %v", text, level)
		}
	}
}

// A strict CSP allows none of it inline, and the page has colours of its own.
func TestSVG_BringsNothingButShapes(t *testing.T) {
	const secret = "otpauth://totp/Example:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example"
	svg, d := draw(t, secret, `Scan "me" <b>now</b> & go`)
	for _, bad := range []string{"style", "<script", "href", "url(", " on", "<b>", "JBSWY", "id=", "xmlns"} {
		if strings.Contains(svg, bad) {
			t.Errorf("%q is in %s", bad, svg)
		}
	}
	if d.Role != "img" || d.Label != `Scan "me" <b>now</b> & go` {
		t.Errorf("role %q, label %q", d.Role, d.Label)
	}
	if n := strings.Count(svg, "<path"); n != 1 || len(svg) > 12<<10 {
		t.Errorf("%d paths, %d bytes", n, len(svg))
	}
}

func TestSVG_RefusesWithoutRepeating(t *testing.T) {
	for _, bad := range []string{"", strings.Repeat("s", qr.MaxText+1), "secret\xff"} {
		svg, err := qr.SVG(bad, "QR code")
		if err == nil || svg != "" || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sss") {
			t.Errorf("%.20q: %q, %v", bad, svg, err)
		}
	}
}

func FuzzSVG_StaysWellFormed(f *testing.F) {
	f.Add("otpauth://totp/x?secret=A")
	f.Add("ÿ\x00~")
	f.Fuzz(func(t *testing.T, text string) {
		svg, err := qr.SVG(text, text)
		if err != nil {
			return
		}
		d := new(drawing)
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0xfffe || r == 0xffff }) {
			return // no XML text, though HTML takes it
		}
		if err := xml.Unmarshal([]byte(svg), d); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if d.Label != text {
			t.Errorf("labelled %q, want %q", d.Label, text)
		}
		d.raster(t)
	})
}
