package main

import (
	"net/http"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// The demo's own pages, in a browser: the mailbox finds new mail by itself, the
// app shows who is here, and its live connection ends with the session.
func TestDemoPages_TellWhatHappens(t *testing.T) {
	t.Parallel()
	d := startDemo(t, harness.TempDir(t))
	b := harness.StartBrowser(t)
	mailbox := b.NewTab()
	mailbox.Goto(d.url("mail", "/"))
	mailbox.Read("No mail yet")
	mailbox.Looks("demo-mail-empty")

	b.Goto(d.url("app", "/"))
	b.Fill("#email", "alice@example.com")
	b.Press("\r")
	mailbox.Read("alice@example.com") // nobody reloads the page
	mailbox.See(".code")
	mailbox.Looks("demo-mail")
	b.Fill("#code", d.code(t, harness.NewClient(t, ""), "alice@example.com"))
	b.Press("\r")
	b.Click("#not-now")
	b.WaitURL(d.url("app", "/"))
	b.Read("Hello, alice@example.com")
	b.Read("Connected.")
	b.Looks("demo-app")

	wiki := b.NewTab()
	wiki.Goto(d.url("wiki", "/"))
	wiki.Read("Hello, alice@example.com")
	wiki.Looks("demo-wiki")
	wiki.Goto(d.url("app", "/"))
	for _, tab := range []*harness.Browser{b, wiki} { // both show the app now
		tab.Expect("ERR_INCOMPLETE_CHUNKED_ENCODING") // what a browser notes about a stream that is cut,
		tab.Expect("401")                             // and about asking again
	}
	wiki.Click("form[action='/.auth/logout'] button")
	wiki.WaitURL(d.url("auth", "/"))
	b.Read("Your session has ended.")

	if res := harness.NewClient(t, "").Request(http.MethodGet, d.url("app", "/events"), ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger's stream: %s", res.Status)
	}
}
