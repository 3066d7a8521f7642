package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// A stranger's three-line Caddyfile and one line more: the app's host serves
// its own sign-in below /.auth/.
func TestSidecar(t *testing.T) {
	w := startWorld(t, worldOptions{globals: roomy, sites: sidecarSites})
	at := func(path string) string { return w.URL(appHost, path) }
	app := at("/page#part")

	t.Run("InvitedPersonAddsAPasskeyAndIsIn", func(t *testing.T) {
		const address = "invited@example.test"
		link := w.invite(t, address)
		b := w.browser(t)
		keys := b.AddAuthenticator()
		keys.NoAutofill()
		b.Goto(link)
		b.Read("This invitation is for " + address)
		if strings.Contains(b.URL(), "#") {
			t.Errorf("the address still holds the secret: %s", b.URL())
		}
		b.Click("[data-state=here] button")
		b.Click("#add-button")
		b.WaitURL(at("/.auth/account"))
		b.Goto(app)
		b.Read(address)
		if got := keys.Credentials(); len(got) != 1 || got[0].RpID != appHost {
			t.Fatalf("%d passkeys", len(got))
		}

		// Sign out, and come back by the passkey to the very page.
		b.Goto(at("/.auth/account"))
		b.Click("footer form button")
		b.Read("You are signed out")
		b.Goto(app)
		b.Click("#passkey-button")
		b.WaitURL(app)
		b.Read(address)

		// Used once, it says so.
		other := w.browser(t)
		other.Goto(link)
		other.Read("This invitation does not work")
	})

	t.Run("CodeSignsInWithoutJavaScript", func(t *testing.T) {
		const address = "plain@example.test"
		if exit := w.command(t, "user", "add", address); exit.Code != 0 {
			t.Fatalf("code %d\n%s", exit.Code, exit.Stderr)
		}
		b := w.browser(t)
		b.Script(false)
		w.signInByCode(t, b, at("/page"), address)
		b.Read(address)
	})

	t.Run("StrangerIsPromisedAMailAndGetsNone", func(t *testing.T) {
		before := len(w.mail.Messages())
		page := w.ask(t, w.client(t), app, "stranger@example.test")
		if page.StatusCode != http.StatusOK || !strings.Contains(page.Body, "can sign in here, a mail is on its way") {
			t.Errorf("%s at %s", page.Status, page.Request.URL)
		}
		if exit := w.command(t, "user", "add", "canary@example.test"); exit.Code != 0 {
			t.Fatalf("code %d\n%s", exit.Code, exit.Stderr)
		}
		w.ask(t, w.client(t), app, "canary@example.test")
		w.mail.Wait("canary@example.test")
		if n := len(w.mail.Messages()); n != before+1 {
			t.Errorf("%d mails more, want the canary's only", n-before)
		}
	})

	t.Run("NothingBelowTheReservedPrefixReachesTheApp", func(t *testing.T) {
		before := len(w.app.Seen())
		for _, c := range []*harness.Client{w.client(t), w.member(t, "prefix@example.test")} {
			for _, path := range []string{"/.auth", "/.auth/", "/.auth/login", "/.auth/nothing", "/.auth/me", "/.auth/admin", "/.auth/api/me", "/.auth//login", "/.auth/%2e%2e/x"} {
				if res := navigate(c, at(path)); res.StatusCode >= http.StatusInternalServerError {
					t.Errorf("%s: %s", path, res.Status)
				}
			}
		}
		if n := len(w.app.Seen()); n != before {
			t.Errorf("%d requests reached the app: %+v", n-before, w.app.Seen()[before:])
		}
	})
}

// invite makes an invitation on the server's host.
func (w *world) invite(t *testing.T, address string) string {
	t.Helper()
	exit := w.command(t, "invite", address)
	link := strings.TrimSpace(exit.Stdout)
	if exit.Code != 0 || !strings.HasPrefix(link, "https://") || !strings.Contains(link, "/invite#") {
		t.Fatalf("invite: code %d, %q\n%s", exit.Code, exit.Stdout, exit.Stderr)
	}
	return link
}

// member is a client of a new person who accepted an invitation.
func (w *world) member(t *testing.T, address string) *harness.Client {
	t.Helper()
	c := w.client(t)
	if res := pressLink(t, c, w.invite(t, address)); res.StatusCode != http.StatusOK {
		t.Fatalf("accepting an invitation: %s %s", res.Status, res.Body)
	}
	return c
}

// `validate` may run beside a working server, or before there is one: it opens
// no store, makes no file and sends nothing.
func TestSidecar_ValidateTouchesNothing(t *testing.T) {
	w := newWorld(t, worldOptions{globals: roomy, sites: sidecarSites})
	if exit := w.Validate(t); exit.Code != 0 { // Caddy makes its own CA
		t.Fatalf("code %d\n%s", exit.Code, exit.Stderr)
	}
	if list := files(t, w.Dir); strings.Contains(list, "auth.") || strings.Contains(list, "admin.sock") {
		t.Errorf("validate left something:\n%s", list)
	}

	w.Run(t)
	before := files(t, w.Dir)
	if exit := w.Validate(t); exit.Code != 0 {
		t.Errorf("beside a running server: code %d\n%s", exit.Code, exit.Stderr)
	}
	if after := files(t, w.Dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	w.Write(t, "passwordless {\nregistratoin open\n}", sidecarSites)
	if exit := w.Validate(t); exit.Code == 0 || !strings.Contains(exit.Stderr, "registration") || !strings.Contains(exit.Stderr, "Caddyfile:12") {
		t.Errorf("a typo: code %d\n%s", exit.Code, exit.Stderr)
	}
	if page := w.client(t).Navigate(w.URL(appHost, "/")); page.StatusCode != http.StatusOK || page.Request.URL.Path != "/.auth/login" {
		t.Errorf("afterwards: %s at %s", page.Status, page.Request.URL)
	}
}

// files lists what is below a folder, with the time of a database's last change.
func files(t *testing.T, dir string) string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && strings.HasSuffix(path, ".db") {
			path += " " + info.ModTime().String()
		}
		list = append(list, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, "\n")
}

// A second guarded host needs a portal, and validate prints the line to add.
func TestSidecar_SecondHostNeedsAPortal(t *testing.T) {
	w := newWorld(t, worldOptions{globals: roomy, sites: sidecarSites + strings.ReplaceAll(sidecarSites, appHost, otherHost)})
	exit := w.Validate(t)
	if exit.Code == 0 || !strings.Contains(exit.Stderr, "portal https://") {
		t.Errorf("code %d\n%s", exit.Code, exit.Stderr)
	}
}
