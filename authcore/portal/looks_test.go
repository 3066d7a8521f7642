package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// gallery serves every example: /ltr/NAME in English and /rtl/NAME in a language
// that runs from right to left, with what the pages' scripts ask for.
type gallery struct {
	t    *testing.T
	r    *renderer
	list map[string]view
	*httptest.Server
}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	g := &gallery{t: t, r: testRenderer(t, Brand{Name: "Example"}), list: map[string]view{}}
	g.r.languages = pseudo(t)
	for _, e := range examples(g.r) {
		g.list["/ltr/"+e.name] = e.view
		g.list["/rtl/"+e.name] = inLanguage(e.view, g.r.languages.Find("ar"))
	}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *gallery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, asset, ok := strings.Cut(r.URL.Path, "/assets/")
	v := g.list[r.URL.Path]
	switch {
	case ok:
		g.r.assets.serve(w, r, asset, false)
	case strings.HasSuffix(r.URL.Path, "/peek"):
		var m mailed
		if err := readJSON(r, &m); err != nil {
			g.t.Error(err)
		}
		about := map[string]any{
			"same_browser": m.Token != "elsewhere", "email": ada, "current_user": bob, "what": "The passkey Laptop was added.",
			"device": "Safari on iPhone", "requested_at": time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC).Format(time.RFC3339),
		}
		switch m.Token {
		case "lost":
			about["state"] = m.Token
		case "host":
			delete(about, "device")
		}
		writeJSON(w, http.StatusOK, about)
	case v == nil:
		http.NotFound(w, r)
	default:
		if err := g.r.render(w, http.StatusOK, v); err != nil {
			g.t.Error(err)
		}
	}
}

// states are every example, those of a mailed secret also with one.
func (g *gallery) states() (list []string) {
	for _, e := range examples(g.r) {
		list = append(list, e.name)
	}
	return append(list, "link#here", "link#elsewhere", "invite#here", "invite#lost", "invite-no-mail#here", "notme#here")
}

// open shows a state, with its scripts through.
func (g *gallery) open(b *harness.Browser, dir, state string) {
	g.t.Helper()
	b.Goto("about:blank") // the same page with another fragment is loaded anew, too
	b.Goto(g.URL + "/" + dir + "/" + state)
	if _, secret, ok := strings.Cut(state, "#"); ok {
		b.See("[data-state=" + secret + "]")
	}
}

// unfold opens what is folded, and reports whether there was any.
func unfold(b *harness.Browser) bool {
	return harness.Eval[bool](b, `(() => { const all = document.querySelectorAll("details:not([open])");
		for (const d of all) d.open = true; return all.length > 0 })()`)
}

// Every page in every state: light and dark, on a phone and on a desktop, at 320
// pixels, in either direction of writing, with axe finding nothing.
func TestLooks_EveryPageInEveryState(t *testing.T) {
	g := newGallery(t)
	b := harness.StartBrowser(t)
	for _, state := range g.states() {
		for _, dir := range []string{"ltr", "rtl"} {
			g.open(b, dir, state)
			name := dir + "-" + strings.ReplaceAll(state, "#", "-")
			b.Survey(name, dir == "ltr")
			if unfold(b) {
				b.Survey(name+"-unfolded", dir == "ltr")
			}
		}
	}
}

// Each control of each page is reached by the Tab key alone, in the page's order,
// and shows that it has the focus.
func TestLooks_EveryControlByKeyboard(t *testing.T) {
	const controls = `[...document.querySelectorAll("a[href], button, input, select, summary")]
		.filter(e => !e.disabled && e.type !== "hidden" && e.checkVisibility({ visibilityProperty: true }))`
	g := newGallery(t)
	b := harness.StartBrowser(t)
	for _, state := range g.states() {
		g.open(b, "ltr", state)
		unfold(b)
		harness.Eval[bool](b, `(window.controls = `+controls+`, document.activeElement.blur(), true)`)
		n := harness.Eval[int](b, "controls.length")
		// From the top: a field that had the focus of itself is come by again.
		harness.Eval[bool](b, `(document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute("tabindex"), true)`)
		for i := range n {
			b.Press(kb.Tab)
			if wrong := harness.Eval[string](b, fmt.Sprintf(`(() => {
				const e = document.activeElement, at = controls.indexOf(e), s = getComputedStyle(e);
				if (at !== %d) return "the focus is on " + e.outerHTML.slice(0, 120) + " and not on " + controls[%[1]d].outerHTML.slice(0, 120);
				return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 ? "" : "it cannot be seen on " + e.outerHTML.slice(0, 120);
			})()`, i)); wrong != "" {
				t.Errorf("%s: Tab %d of %d: %s", state, i+1, n, wrong)
				break
			}
		}
	}
}

// What peek tells decides what the page says: a hand-out link speaks to somebody
// who has an account, and what was done on the host was done on no device.
func TestLooks_WhatPeekTellsIsSaid(t *testing.T) {
	g := newGallery(t)
	b := harness.StartBrowser(t)
	for state, want := range map[string][3]string{ // in the title, shown, not shown
		"invite#here": {"Invitation", "You are invited to Example", "Back into"},
		"invite#lost": {"Back into your account", "Back into your account at Example", "invited"},
		"notme#here":  {"Was that not you?", "From Safari on iPhone, ", "Unknown"},
		"notme#host":  {"Was that not you?", "2026", "From "},
	} {
		b.Goto("about:blank")
		b.Goto(g.URL + "/ltr/" + state)
		b.See("section:not([data-state=reading]) h1")
		title, text := harness.Eval[string](b, "document.title"), harness.Eval[string](b, `document.querySelector("main").innerText`)
		if !strings.Contains(title, want[0]) || !strings.Contains(text, want[1]) || strings.Contains(text, want[2]) {
			t.Errorf("%s: %q says %s", state, title, text)
		}
	}
}

// What people have to read off the page is as large as the rest, on the
// narrowest phone too, and is copied as one word a line.
func TestLooks_RecoveryCodesAreAsLargeAsTheText(t *testing.T) {
	g := newGallery(t)
	b := harness.StartBrowser(t)
	for _, width := range []int64{320, 360, 1280} {
		b.Viewport(width)
		g.open(b, "ltr", "recovery")
		for _, wrong := range harness.Eval[[]string](b, `[...document.querySelectorAll(".codes code")].map(e => [getComputedStyle(e).fontSize, getComputedStyle(e.closest("main").querySelector("p:not(.lead)")).fontSize,
			document.getElementById("codes").innerText.trim().split(/\s+/).length, document.documentElement.scrollWidth - innerWidth].join(" "))`) {
			if wrong != "16px 16px 10 0" {
				t.Errorf("%d pixels: size, size of the text, codes, too wide: %s", width, wrong)
				break
			}
		}
	}
}

// On a phone what adds to a section stands beside its heading, in each alike.
func TestLooks_SectionsOfTheAccountAreAlikeOnAPhone(t *testing.T) {
	g := newGallery(t)
	b := harness.StartBrowser(t)
	b.Viewport(360)
	for _, state := range []string{"account", "account-new", "account-refused"} {
		g.list["/en/"+state] = g.list["/ltr/"+state]
		b.Goto(g.URL + "/en/" + state)
		b.See("#add-button")
		for _, wrong := range harness.Eval[[]string](b, `[...document.querySelectorAll(".bar")].filter(bar => {
			const [heading, act] = [bar.querySelector("h2"), bar.querySelector("button, a")].map(e => e?.getBoundingClientRect());
			return act && (act.left < heading.right || act.top > heading.bottom) }).map(bar => bar.innerText)`) {
			t.Errorf("%s: not beside its heading: %q", state, wrong)
		}
	}
}

// What is folded opens and closes by Enter and by the space bar.
func TestLooks_FoldsByKeyboard(t *testing.T) {
	g := newGallery(t)
	b := harness.StartBrowser(t)
	g.open(b, "ltr", "account")
	n := harness.Eval[int](b, `document.querySelectorAll("summary").length`)
	if n < 10 {
		t.Fatalf("%d folds", n)
	}
	for i := range n {
		for _, key := range []string{kb.Enter, " "} {
			open := harness.Eval[bool](b, fmt.Sprintf(`(() => { const s = document.querySelectorAll("summary")[%d]; s.focus(); return s.parentElement.open })()`, i))
			b.Press(key)
			if now := harness.Eval[bool](b, fmt.Sprintf(`document.querySelectorAll("summary")[%d].parentElement.open`, i)); now == open {
				t.Errorf("fold %d does nothing on %q", i, key)
			}
		}
	}
}

// No page is too wide for the narrowest phone, in any language.
func TestLooks_EveryPageFitsInEveryLanguage(t *testing.T) {
	g := newGallery(t)
	b := harness.StartBrowser(t)
	for _, l := range i18n.Embedded().Languages() {
		for _, e := range examples(g.r) {
			g.list["/"+l.Tag()+"/"+e.name] = inLanguage(e.view, l)
		}
	}
	for _, l := range i18n.Embedded().Languages() {
		if l == i18n.English() {
			continue
		}
		for _, e := range examples(g.r) {
			b.Goto(g.URL + "/" + l.Tag() + "/" + e.name)
			unfold(b)
			b.Narrow(l.Tag() + "-" + e.name)
		}
	}
}

// Who wants no motion sees none; who has forced colours can tell what can be
// pressed.
func TestLooks_RespectsWhatPeopleSet(t *testing.T) {
	const moving = `[...document.querySelectorAll("*")].filter(e => { const s = getComputedStyle(e);
		return s.animationName !== "none" || s.transitionDuration.split(", ").some(d => parseFloat(d) > 0) }).length`
	g := newGallery(t)
	b := harness.StartBrowser(t)
	for _, state := range []string{"login", "account", "recovery", "stepup-both"} {
		g.open(b, "ltr", state)
		unfold(b)
		if harness.Eval[int](b, moving) == 0 {
			t.Errorf("%s: nothing ever moves, so that this shows nothing", state)
		}
		b.Media("prefers-reduced-motion", "reduce")
		if n := harness.Eval[int](b, moving); n > 0 {
			t.Errorf("%s: %d elements move for who wants no motion", state, n)
		}
		b.Media("forced-colors", "active")
		for _, plain := range harness.Eval[[]string](b, `[...document.querySelectorAll("main a[href], main button, main input, main select, summary")]
			.filter(e => { if (e.type === "hidden" || !e.checkVisibility({ visibilityProperty: true })) return false;
				const s = getComputedStyle(e), ground = getComputedStyle(document.body).backgroundColor;
				const edge = parseFloat(s.borderTopWidth) >= 1 && s.borderTopStyle !== "none" && s.borderTopColor !== ground;
				return !edge && !s.textDecorationLine.includes("underline") && e.type !== "checkbox" })
			.map(e => e.outerHTML.slice(0, 120))`) {
			t.Errorf("%s: nothing tells that this can be pressed: %s", state, plain)
		}
		b.Media("", "")
	}
}

// What is printed is the codes and whose they are, in black on white, and nothing
// to press.
func TestLooks_RecoveryCodesOnPaper(t *testing.T) {
	g := newGallery(t)
	b := harness.StartBrowser(t)
	for _, dir := range []string{"ltr", "rtl"} {
		g.open(b, dir, "recovery")
		b.PrintView(dir+"-recovery", func() {
			if n := harness.Eval[int](b, `document.querySelectorAll(".codes code").length`); n != 10 {
				t.Errorf("%d codes", n)
			}
			for _, wrong := range harness.Eval[[]string](b, `[...document.querySelectorAll("body *")].filter(e => e.checkVisibility() && e.innerText).filter(e => {
				const [r, g, b] = getComputedStyle(e).color.match(/\d+/g);
				return e.matches("button, a, select, footer, .alert") || +r + +g + +b > 200 && !e.matches(".initial") }).map(e => e.outerHTML.slice(0, 100))`) {
				t.Errorf("%s: on paper: %s", dir, wrong)
			}
			if text := harness.Eval[string](b, `document.body.innerText`); !strings.Contains(text, "ada@example.com at auth.example.com") {
				t.Errorf("the paper does not say whose it is:\n%s", text)
			}
		})
	}
}
