package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// What the machine can do to a server: each says what happened and what to do.

// A mail server that is down delays mail and nothing else.
func TestTrouble_MailGoesOutWhenItsServerIsBack(t *testing.T) {
	const address = "patient@example.test"
	w := newWorld(t, worldOptions{})
	w.mail.Stop()
	w.Run(t) // serves all the same
	c := w.client(t)
	page := w.ask(t, c, w.URL(appHost, "/"), address)
	if page.StatusCode != http.StatusOK || page.Request.URL.Path != "/login/code" {
		t.Fatalf("%s at %s", page.Status, page.Request.URL)
	}
	harness.Eventually(t, "waiting for readiness to tell", func() string {
		res := c.Request(http.MethodGet, w.URL(authHost, "/readiness"), "")
		if res.StatusCode != http.StatusOK { // mail is reported, never fatal
			t.Fatalf("%s %s", res.Status, res.Body)
		}
		if strings.Contains(res.Body, `"mail":{"status":"ok"`) {
			return res.Body
		}
		return ""
	})
	w.mail.Start()
	if res := w.typeCode(t, c, page, w.mail.Wait(address).Code(t)); res.Request.URL.String() != w.URL(appHost, "/") {
		t.Errorf("%s at %s", res.Status, res.Request.URL)
	}
	if n := len(w.mail.Messages()); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// One process has a database, and the second one says so (ST-5).
func TestTrouble_DatabaseInUseIsSaid(t *testing.T) {
	w := startWorld(t, worldOptions{})
	db := filepath.Join(w.Dir, ".local/share/caddy/passwordless/auth.db")
	if _, err := os.Stat(db); err != nil {
		t.Fatal(err)
	}
	second := newWorld(t, worldOptions{globals: "database " + db + "\n" + portalGlobals})
	exit := second.Command(t, "run", "--config", filepath.Join(second.Dir, "Caddyfile"), "--adapter", "caddyfile")
	if exit.Code == 0 || !strings.Contains(exit.Stderr, db) || !strings.Contains(exit.Stderr, "in use") {
		t.Errorf("code %d\n%s", exit.Code, exit.Stderr)
	}
	c := w.client(t)
	w.enter(t, c, w.URL(appHost, "/"), "first@example.test") // the first one goes on
	if got := status(c, w.URL(appHost, "/")); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
}

// A database that others can read is refused, with the way to mend it (ST-1).
func TestTrouble_ReadableDatabaseIsRefused(t *testing.T) {
	w := startWorld(t, worldOptions{})
	w.Stop()
	db := filepath.Join(w.Dir, ".local/share/caddy/passwordless/auth.db")
	if err := os.Chmod(db, 0o644); err != nil {
		t.Fatal(err)
	}
	exit := w.Command(t, "run", "--config", filepath.Join(w.Dir, "Caddyfile"), "--adapter", "caddyfile")
	if exit.Code == 0 || !strings.Contains(exit.Stderr, db) || !strings.Contains(exit.Stderr, "chmod") {
		t.Errorf("code %d\n%s", exit.Code, exit.Stderr)
	}
}

// A mistake in the configuration names the line, the mistake and what to write.
func TestTrouble_MistakesNameTheLine(t *testing.T) {
	for name, c := range map[string]struct {
		globals, sites string
		want           []string
	}{
		"a typo":           {globals: "registratoin open", want: []string{"Caddyfile:12", "registratoin", "registration"}},
		"a literal secret": {globals: "root_key 0123456789abcdef0123456789abcdef", want: []string{"Caddyfile:12", "root_key", "{env."}},
		"plain http":       {globals: "portal http://auth.example.test", want: []string{"Caddyfile:12", "https"}},
		"a foreign rp_id":  {globals: "portal https://auth.example.test\nrp_id example.org", want: []string{"rp_id", "auth.example.test"}},
		"everything public": {
			sites: strings.Replace(sidecarSites, "passwordless_guard", "passwordless_guard {\n\t\tpublic /*\n\t}", 1),
			want:  []string{"public", "remove the guard"},
		},
		"a site without a host": {sites: strings.Replace(sidecarSites, appHost, ":8443", 1), want: []string{"origin https://"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.globals == "" {
				c.globals = roomy
			}
			w := newWorld(t, worldOptions{globals: c.globals, sites: c.sites})
			exit := w.Validate(t)
			for _, want := range c.want {
				if exit.Code == 0 || !strings.Contains(exit.Stderr, want) {
					t.Errorf("code %d, want %q in:\n%s", exit.Code, want, exit.Stderr)
				}
			}
		})
	}
}
