package harness

import (
	"fmt"
	"strings"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Goto opens the URL and waits for the page to load.
func (b *Browser) Goto(url string) {
	b.t.Helper()
	b.do("opening "+url, chromedp.Navigate(url))
}

// Back presses the browser's back button. It does not wait: a page that comes
// out of the back/forward cache is never loaded again. WaitURL follows.
func (b *Browser) Back() {
	b.t.Helper()
	Eval[bool](b, "history.back(), true")
}

// Reload loads the page again.
func (b *Browser) Reload() {
	b.t.Helper()
	b.do("reloading", chromedp.Reload())
}

// point is where the element can be clicked, in CSS pixels of the window.
type point struct{ X, Y float64 }

// find waits until an element that matches the CSS selector is visible, not
// covered by another and at rest, and returns its middle. It asks the page anew
// each time, so it survives navigation and the back/forward cache.
func (b *Browser) find(selector string) point {
	b.t.Helper()
	js := fmt.Sprintf(`(() => {
		const all = [...document.querySelectorAll(%q)], visible = all.filter(e => e.checkVisibility({visibilityProperty: true}));
		for (const e of visible) {
			e.scrollIntoView({block: 'center', behavior: 'instant'});
			const r = e.getClientRects()[0], X = r.x + r.width / 2, Y = r.y + r.height / 2;
			const top = document.elementFromPoint(X, Y);
			if (e.contains(top)) return {at: {X, Y}, why: document.readyState == 'complete' ? '' : 'the page still loads'};
		}
		return {at: {X: 0, Y: 0}, why: all.length + ' match, ' + visible.length + ' visible, none on top'};
	})()`, selector)
	type answer struct {
		At  point  `json:"at"`
		Why string `json:"why"`
	}
	var found, before answer
	Eventually(b.t, "waiting to see "+selector, func() string {
		var err error
		if found, err = runStep(b, chromedp.Evaluate[answer](js)); err != nil {
			return err.Error()
		}
		if found.Why != "" {
			return found.Why + " at " + b.describe()
		}
		if moved := found != before; moved { // scripts still lay the page out
			before = found
			return "it moves"
		}
		return ""
	})
	return found.At
}

// See waits until an element that matches the selector can be seen.
func (b *Browser) See(selector string) {
	b.t.Helper()
	b.find(selector)
}

// Click clicks the first element that matches and can be seen.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	at := b.find(selector)
	b.do("clicking "+selector, chromedp.MouseClickXY(at.X, at.Y))
}

// Fill clicks into a field and replaces its value by typing.
func (b *Browser) Fill(selector, text string) {
	b.t.Helper()
	b.Click(selector)
	Eval[bool](b, "document.activeElement.select(), true")
	b.Press(text)
}

// Press types keys into the page as it stands: kb.Tab, kb.Enter, "a" …
func (b *Browser) Press(keys string) {
	b.t.Helper()
	b.do(fmt.Sprintf("pressing %q", keys), chromedp.KeyEvent(keys))
}

// Text is the visible text of the first element that matches, once it can be seen.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	b.See(selector)
	return Eval[string](b, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// Read waits until the page's visible text contains the text.
func (b *Browser) Read(text string) {
	b.t.Helper()
	Eventually(b.t, fmt.Sprintf("waiting to read %q", text), func() string {
		page, err := runStep(b, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
		if err == nil && strings.Contains(page, text) {
			return ""
		}
		return b.describe()
	})
}

// URL is the address bar.
func (b *Browser) URL() string {
	b.t.Helper()
	return result(b, "reading the URL", chromedp.Location())
}

// WaitURL waits until the address bar starts with the prefix and the page is loaded.
func (b *Browser) WaitURL(prefix string) {
	b.t.Helper()
	Eventually(b.t, "waiting for "+prefix, func() string {
		state, err := runStep(b, chromedp.Evaluate[string]("document.readyState + ' ' + location.href"))
		if err == nil && strings.HasPrefix(state, "complete "+prefix) {
			return ""
		}
		return b.describe()
	})
}

// NextPage does something and waits until another document has come of it and is
// loaded, at whatever address: WaitURL cannot tell a page from the next one that
// stands at the same.
func (b *Browser) NextPage(act func()) {
	b.t.Helper()
	Eval[bool](b, "window.before = true")
	act()
	Eventually(b.t, "waiting for the next page", func() string {
		next, err := runStep(b, chromedp.Evaluate[bool]("!window.before && document.readyState === 'complete'"))
		if err == nil && next {
			return ""
		}
		return b.describe()
	})
}

// EveryPage runs JavaScript before the scripts of each page from the next load on,
// to be a browser of another kind.
func (b *Browser) EveryPage(js string) {
	b.t.Helper()
	call(b, "preparing pages", cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: js})
}

// Status is the HTTP status of the document that is shown.
func (b *Browser) Status() int {
	b.t.Helper()
	return Eval[int](b, "performance.getEntriesByType('navigation')[0].responseStatus")
}
