package portal

import (
	"fmt"
	"math"
	"strconv"
)

// DefaultAccent is the colour of buttons and links where none is configured.
const DefaultAccent = "#2f56d9"

// surface is what text and buttons stand on, by theme; style.css draws the same
// (a test compares them).
func surface(dark bool) rgb {
	if dark {
		return rgb{27, 30, 37}
	}
	return rgb{255, 255, 255}
}

const (
	// textContrast is what WCAG 2.2 asks of text (1.4.3). Focus rings use the
	// text's colour, so they reach 1.4.11 too.
	textContrast = 4.5
	// controlContrast keeps a button's fill visible. Its label says what it is,
	// so WCAG asks for nothing here and a bright brand stays itself.
	controlContrast = 1.3
)

// rgb is a colour in sRGB, each channel 0 to 255.
type rgb [3]float64

// parseColor reads #rgb or #rrggbb.
func parseColor(s string) (rgb, error) {
	if len(s) == 4 && s[0] == '#' {
		s = string([]byte{'#', s[1], s[1], s[2], s[2], s[3], s[3]})
	}
	if len(s) != 7 || s[0] != '#' {
		return rgb{}, fmt.Errorf("colour %q is not of the form #3355ff", s)
	}
	var c rgb
	for i := range c {
		v, err := strconv.ParseUint(s[1+2*i:3+2*i], 16, 8)
		if err != nil {
			return rgb{}, fmt.Errorf("colour %q is not of the form #3355ff", s)
		}
		c[i] = float64(v)
	}
	return c, nil
}

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", uint8(c[0]), uint8(c[1]), uint8(c[2]))
}

// luminance is the relative luminance of WCAG 2.2.
func (c rgb) luminance() float64 {
	var lin rgb
	for i, v := range c {
		v /= 255
		if v <= 0.04045 {
			lin[i] = v / 12.92
		} else {
			lin[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*lin[0] + 0.7152*lin[1] + 0.0722*lin[2]
}

// contrast is the contrast ratio of WCAG 2.2, 1 to 21.
func contrast(a, b rgb) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// readable moves c towards black or white, whichever is farther from the
// background, until it stands out from it by the ratio.
func (c rgb) readable(on rgb, ratio float64) rgb {
	end := foreground(on)
	for step := range 101 {
		var mixed rgb
		for i := range c {
			mixed[i] = math.Round(c[i] + (end[i]-c[i])*float64(step)/100)
		}
		if contrast(mixed, on) >= ratio {
			return mixed
		}
	}
	return end
}

// foreground is black or white, whichever reads better on c; the better one
// always reaches 4.58.
func foreground(c rgb) rgb {
	black, white := rgb{}, rgb{255, 255, 255}
	if contrast(black, c) > contrast(white, c) {
		return black
	}
	return white
}

// accentRules are the style rules that bring a brand's colour into both themes.
func accentRules(accent string) (string, error) {
	c, err := parseColor(accent)
	if err != nil {
		return "", err
	}
	return ":root{" + accentProperties(c, surface(false)) + "}\n" +
		"@media (prefers-color-scheme:dark){:root{" + accentProperties(c, surface(true)) + "}}\n", nil
}

func accentProperties(c, on rgb) string {
	fill := c.readable(on, controlContrast)
	return fmt.Sprintf("--accent:%s;--on-accent:%s;--accent-text:%s",
		fill, foreground(fill), c.readable(on, textContrast))
}
