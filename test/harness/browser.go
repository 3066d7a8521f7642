package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Browser is one tab of a Chromium with its own profile: a new Browser is a
// new device. Every method fails the test when it cannot do what it says
// within patience. A console error, an uncaught exception or a CSP violation
// fails the test too, unless Expect announced it.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
	expected []string
}

// StartBrowser starts a Chromium that resolves *.example.test and
// *.example.org to loopback and trusts the root certificates in caFiles.
func StartBrowser(t testing.TB, caFiles ...string) *Browser {
	t.Helper()
	return StartBrowserOn(t, 443, caFiles...)
}

// StartBrowserOn is StartBrowser with a server on another port in place of
// 443: https://app.example.test/ reaches it.
func StartBrowserOn(t testing.TB, https int, caFiles ...string) *Browser {
	t.Helper()
	return startBrowser(t, fmt.Sprintf("MAP *.example.test:443 127.0.0.1:%[1]d, MAP *.example.org:443 127.0.0.1:%[1]d, "+
		"MAP *.example.test 127.0.0.1, MAP *.example.org 127.0.0.1", https), caFiles...)
}

// StartBrowserAt is StartBrowser where the address, such as "localhost:3000", is
// another loopback port: for pages whose origin is written down somewhere.
func StartBrowserAt(t testing.TB, address string, port int) *Browser {
	t.Helper()
	return startBrowser(t, fmt.Sprintf("MAP %s 127.0.0.1:%d", address, port))
}

func startBrowser(t testing.TB, rules string, caFiles ...string) *Browser {
	t.Helper()
	path := Need(t, "chromium")
	home := TempDir(t)
	for i, ca := range caFiles {
		trust(t, filepath.Join(home, ".pki", "nssdb"), fmt.Sprintf("ca%d", i), ca)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Env("HOME="+home),
		chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.Flag("no-sandbox", os.Geteuid() == 0), // Chromium refuses a sandbox for root; everybody else keeps it
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), // no internet in tests
		chromedp.Flag("host-resolver-rules", rules),
	)
	// Not t.Context: that one ends before the cleanups, and the browser must
	// still be there when they look at it.
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	return openTab(t, alloc)
}

// trust adds a certificate to an NSS database: the user's, which Chromium reads
// on Linux, or a profile of Firefox. Unlike a switch that ignores errors, this
// proves that chains verify.
func trust(t testing.TB, dir, name, caFile string) {
	t.Helper()
	certutil := Need(t, "certutil")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "cert9.db")); err != nil {
		run(t, certutil, "-d", "sql:"+dir, "-N", "--empty-password")
	}
	run(t, certutil, "-d", "sql:"+dir, "-A", "-n", name, "-t", "C,,", "-i", caFile)
}

func run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

// NewTab opens another tab of the same browser: same cookies, no authenticator.
func (b *Browser) NewTab() *Browser {
	b.t.Helper()
	return openTab(b.t, b.ctx)
}

func openTab(t testing.TB, parent context.Context) *Browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	b := &Browser{t: t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil { // without a timeout: it would be the browser's life
		t.Fatalf("starting Chromium: %v", err)
	}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	// Somebody looks at this tab: without a window, none has the focus.
	call(b, "focusing the tab", emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	t.Cleanup(func() {
		b.settle()
		if t.Failed() {
			t.Logf("the browser ended at %s", b.describe())
		}
		cancel()
	})
	return b
}

// hear keeps what a developer would see in red in the console.
func (b *Browser) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.problem("exception: " + text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			b.problem(fmt.Sprintf("console.error: %v", args(e.Args)))
		}
	case *log.EventEntryAdded:
		// A refusal is an answer, not a fault of the page: the status is
		// what tests assert.
		refusal := strings.HasPrefix(e.Entry.Text, "Failed to load resource: the server responded with a status of")
		if e.Entry.Level == log.EntryLevelError && !refusal {
			b.problem(fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

func args(objects []*runtime.RemoteObject) string {
	var parts []string
	for _, o := range objects {
		if o.Description != "" {
			parts = append(parts, o.Description)
		} else {
			parts = append(parts, string(o.Value))
		}
	}
	return strings.Join(parts, " ")
}

func (b *Browser) problem(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, text)
}

// Expect tolerates console errors that contain the text.
func (b *Browser) Expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, text)
}

// Problems are the console errors so far that Expect did not announce.
func (b *Browser) Problems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
next:
	for _, p := range b.problems {
		for _, e := range b.expected {
			if strings.Contains(p, e) {
				continue next
			}
		}
		found = append(found, p)
	}
	return found
}

func (b *Browser) settle() {
	for _, p := range b.Problems() {
		b.t.Errorf("in the browser's console: %s", p)
	}
}

// Script switches the page's own JavaScript off or on, from the next load.
// Eval and the other methods work either way.
func (b *Browser) Script(on bool) {
	b.t.Helper()
	call(b, "switching JavaScript", emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// Speak makes the browser one whose owner reads these languages, as in an
// Accept-Language header, from the next load.
func (b *Browser) Speak(languages string) {
	b.t.Helper()
	call(b, "setting the languages", emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{
		UserAgent: Eval[string](b, "navigator.userAgent"), AcceptLanguage: languages,
	})
}

// Cookies are the cookies the browser would send to the URL.
func (b *Browser) Cookies(url string) []*network.Cookie {
	b.t.Helper()
	return call(b, "reading cookies", network.GetCookies, network.GetCookiesParams{URLs: []string{url}}).Cookies
}

// DeleteCookie removes a cookie, as a person clearing site data would.
func (b *Browser) DeleteCookie(url, name string) {
	b.t.Helper()
	call(b, "deleting a cookie", network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: url})
}

// Eval evaluates JavaScript in the page, waits for a promise and returns the value.
func Eval[T any](b *Browser, js string) T {
	b.t.Helper()
	return result(b, "evaluating "+shorten(js), chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
}

// describe says where the browser is, for failure messages.
func (b *Browser) describe() string {
	state, err := runStep(b, chromedp.Evaluate[string]("location.href + '\\n' + (document.body ? document.body.innerText : '')"))
	if err != nil {
		return err.Error()
	}
	return shorten(state)
}

func shorten(s string) string {
	const limit = 1500
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}

func (b *Browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	result(b, what, chromedp.Steps(steps...))
}

func result[T any](b *Browser, what string, step chromedp.Action[T]) T {
	b.t.Helper()
	value, err := runStep(b, step)
	if err != nil {
		b.t.Fatalf("%s: %v\nat %s", what, err, b.describe())
	}
	return value
}

func runStep[T any](b *Browser, step chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, step)
}
