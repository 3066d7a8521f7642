package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Window is a window of a browser that is not Chromium, driven by the commands
// of WebDriver (W3C): a new Window is a new device. Like Browser, every method
// fails the test when it cannot do what it says within patience.
type Window struct {
	t      testing.TB
	remote remote
}

// remote sends one WebDriver command, by its name in the specification ("Element
// Click"), and returns its value. parameters may hold the "id" of an element.
type remote interface {
	command(name string, parameters map[string]any) (json.RawMessage, error)
}

// elementKey is how WebDriver marks a reference to an element (section 12.2).
const elementKey = "element-6066-11e4-a52e-4f735466cecf"

// scriptTimeout bounds one look at the page, in milliseconds. WebKit never answers
// one that begins on a page whose successor is of another origin; the next does.
var scriptTimeout = map[string]any{"script": 1000}

// Goto opens the URL and waits for the page to load.
func (w *Window) Goto(url string) {
	w.t.Helper()
	w.must("Navigate To", map[string]any{"url": url})
}

// Click clicks the first element that matches, once it can be clicked.
func (w *Window) Click(selector string) {
	w.t.Helper()
	w.act("clicking "+selector, selector, "Element Click", map[string]any{})
}

// Fill replaces the value of a field by typing.
func (w *Window) Fill(selector, text string) {
	w.t.Helper()
	w.act("clearing "+selector, selector, "Element Clear", map[string]any{})
	w.act("typing into "+selector, selector, "Element Send Keys", map[string]any{"text": text})
}

// act does something to the first element that matches, as soon as it is there
// to do it to. The page is asked anew each time.
func (w *Window) act(what, selector, name string, parameters map[string]any) {
	w.t.Helper()
	w.See(selector)
	Eventually(w.t, what, func() string {
		found, err := w.remote.command("Find Element", map[string]any{"using": "css selector", "value": selector})
		if err != nil {
			return err.Error()
		}
		var ref map[string]string
		if err := json.Unmarshal(found, &ref); err != nil || ref[elementKey] == "" {
			return fmt.Sprintf("no element in %s", found)
		}
		parameters["id"] = ref[elementKey]
		if _, err := w.remote.command(name, parameters); err != nil {
			return err.Error() + " at " + w.describe()
		}
		return ""
	})
}

// See waits until an element that matches the selector can be seen.
func (w *Window) See(selector string) {
	w.t.Helper()
	w.until("waiting to see "+selector, fmt.Sprintf(
		"document.readyState == 'complete' && [...document.querySelectorAll(%q)].some(e => e.checkVisibility({visibilityProperty: true}))", selector))
}

// Gone waits until no element that matches can be seen.
func (w *Window) Gone(selector string) {
	w.t.Helper()
	w.until("waiting to see no "+selector, fmt.Sprintf(
		"document.readyState == 'complete' && ![...document.querySelectorAll(%q)].some(e => e.checkVisibility({visibilityProperty: true}))", selector))
}

// Read waits until the page's visible text contains the text.
func (w *Window) Read(text string) {
	w.t.Helper()
	w.until(fmt.Sprintf("waiting to read %q", text), fmt.Sprintf("(document.body?.innerText ?? '').includes(%q)", text))
}

// WaitURL waits until the address bar starts with the prefix and the page is loaded.
func (w *Window) WaitURL(prefix string) {
	w.t.Helper()
	w.until("waiting for "+prefix, fmt.Sprintf("document.readyState == 'complete' && location.href.startsWith(%q)", prefix))
}

// until waits until the JavaScript is true in the page.
func (w *Window) until(what, js string) {
	w.t.Helper()
	Eventually(w.t, what, func() string {
		raw, err := w.evaluate(js)
		switch {
		case err != nil:
			return err.Error()
		case string(raw) != "true":
			return w.describe()
		}
		return ""
	})
}

// Ask evaluates JavaScript in the page, waits for a promise and returns the value.
func Ask[T any](w *Window, js string) (value T) {
	w.t.Helper()
	raw, err := w.evaluate(js)
	if err == nil {
		err = json.Unmarshal(raw, &value)
	}
	if err != nil {
		w.t.Fatalf("evaluating %s: %v\nat %s", shorten(js), err, w.describe())
	}
	return value
}

func (w *Window) evaluate(js string) (json.RawMessage, error) {
	raw, err := w.remote.command("Execute Async Script", map[string]any{"args": []any{}, "script": "const done = arguments[arguments.length - 1];" +
		"Promise.resolve().then(() => (" + js + ")).then(value => done({value: value ?? null}), error => done({error: String(error)}))"})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Value json.RawMessage
		Error string
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("reading %s: %w", raw, err)
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return answer.Value, nil
}

// WindowCookie is a cookie of the page that is shown.
type WindowCookie struct {
	Name, Value, Path, SameSite string
	Secure, HTTPOnly            bool
}

// Cookies are the cookies of the page that is shown.
func (w *Window) Cookies() (cookies []WindowCookie) {
	w.t.Helper()
	if err := json.Unmarshal(w.must("Get All Cookies", map[string]any{}), &cookies); err != nil {
		w.t.Fatal(err)
	}
	return cookies
}

// must sends a command that has to succeed.
func (w *Window) must(name string, parameters map[string]any) json.RawMessage {
	w.t.Helper()
	value, err := w.remote.command(name, parameters)
	if err != nil {
		w.t.Fatalf("%s %v: %v", name, parameters, err)
	}
	return value
}

// describe says where the window is, for failure messages.
func (w *Window) describe() string {
	raw, err := w.evaluate("location.href + '\\n' + (document.body?.innerText ?? '')")
	if err != nil {
		return err.Error()
	}
	return shorten(strings.ReplaceAll(string(raw), `\n`, "\n"))
}
