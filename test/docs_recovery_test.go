package test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// The commands of account-recovery.md let somebody back in who has lost every
// device, where the mailbox alone does not get in, and nobody else.
func TestDocs_AccountRecoveryIsAWayBack(t *testing.T) {
	const address = "alice@example.com" // as the document has it
	database := filepath.Join(harness.TempDir(t), "auth.db")
	w := startWorld(t, worldOptions{globals: portalGlobals + "email_after_passkey off\ndatabase " + database + "\n"})
	app, account := w.URL(appHost, "/page"), w.URL(authHost, "/account")

	lost := w.browser(t)
	lost.AddAuthenticator().NoAutofill()
	w.mailedCode(t, lost, app, address)
	lost.Click("#add-button")
	lost.WaitURL(app)

	// Whoever has the mailbox and nothing else is promised a mail, and gets none.
	before := len(w.mail.Messages())
	w.ask(t, w.client(t), app, address)

	var said []string
	for _, b := range blocksOf(t, []string{"docs/account-recovery.md"}, "sh") {
		if b.mark != "recovery" {
			t.Errorf("%s is not part of the story", b.at)
			continue
		}
		said = append(said, shell(t, w.Dir, b.text, "DATABASE_PATH="+database))
	}
	if len(said) != 2 || !regexp.MustCompile(`passkey: +\S`).MatchString(said[0]) || !strings.Contains(said[0], address+" is signed out everywhere.\n") ||
		said[1] != address+" is enabled.\n" {
		t.Fatalf("the commands say %q", said)
	}
	link := regexp.MustCompile(`(?m)^https://\S+/invite#\S+$`).FindString(said[0])
	lost.Goto(app)
	if at := lost.URL(); !strings.HasPrefix(at, w.URL(authHost, "/login")) {
		t.Errorf("the lost device is at %s", at)
	}

	phone := w.browser(t)
	phone.AddAuthenticator()
	phone.Goto(link)
	phone.Read("This link signs you in as " + address)
	phone.Click("[data-state=lost] button")
	phone.WaitURL(account)
	phone.Click("#add-button")
	phone.Read("Passkey added")
	phone.Goto(app)
	phone.Read(address)

	thief := w.browser(t)
	thief.Goto(link)
	thief.Read("This invitation does not work")
	for _, m := range w.mail.Messages()[before:] {
		if strings.Contains(m.Text, link) || strings.Contains(m.Text, "/login/link#") {
			t.Errorf("the mailbox got a way in:\n%s", m.Text)
		}
	}
}
