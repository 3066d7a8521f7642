package proxies

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// Every Caddyfile of the examples is one that our binary takes without a word of
// warning, and formatted as Caddy would.
func TestExamples_CaddyfilesAreValidAndTidy(t *testing.T) {
	root := harness.Root(t)
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "*Caddyfile"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d Caddyfiles, %v", len(files), err)
	}
	for _, file := range files {
		name, err := filepath.Rel(filepath.Join(root, "examples"), file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			text := readFile(t, filepath.Dir(file), filepath.Base(file))
			if formatted := string(caddyfile.Format([]byte(text))); formatted != text {
				t.Errorf("not as \"caddy fmt\" would have it:\n%s", formatted)
			}
			dir := harness.TempDir(t)
			exit := harness.Exec(t, dir, []string{"SMTP_PASSWORD=secret"}, harness.Binary(t), "validate", "--config", file, "--adapter", "caddyfile")
			if exit.Code != 0 {
				t.Fatalf("%s%s", exit.Stdout, exit.Stderr)
			}
			for line := range strings.Lines(exit.Stderr) {
				if strings.Contains(line, `"logger":"passwordless"`) && strings.Contains(line, `"level":"warn"`) {
					t.Errorf("what we recommend is warned about: %s", line)
				}
			}
		})
	}
}

// notProxies are folders of another kind: apps and APIs, of which there is more to say.
var notProxies = regexp.MustCompile(`^(cli|spa|verify-[a-z]+)$`)

// Each folder says what it is, in about ten lines, and each of its files is
// named there: nobody has to guess what to copy.
func TestExamples_ReadmesNameTheirFiles(t *testing.T) {
	root := filepath.Join(harness.Root(t), "examples")
	folders, err := os.ReadDir(root)
	folders = slices.DeleteFunc(folders, func(f os.DirEntry) bool { return notProxies.MatchString(f.Name()) })
	if err != nil || len(folders) != 7 {
		t.Fatalf("%d folders, %v", len(folders), err)
	}
	for _, folder := range folders {
		readme := readFile(t, filepath.Join(root, folder.Name()), "README.md")
		if n := strings.Count(readme, "\n"); n < 8 || n > 16 {
			t.Errorf("%s/README.md has %d lines", folder.Name(), n)
		}
		if !strings.Contains(strings.ToLower(readme), "tested") {
			t.Errorf("%s/README.md does not say what was tested", folder.Name())
		}
		files, err := os.ReadDir(filepath.Join(root, folder.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.Contains(readme, file.Name()) && file.Name() != "README.md" {
				t.Errorf("%s/README.md does not name %s", folder.Name(), file.Name())
			}
		}
	}
}

// The sidecar has one host and no portal, so it is not of the table.
func TestSidecar_GuardsItsOneApp(t *testing.T) {
	s := newStage(t)
	s.appURL = s.appURL + ":" + itoa(uint32(s.https))
	a := s.newCaddy(t, "caddy-sidecar", "Caddyfile", append(s.mailSwaps(), swap{"localhost:8081", s.raw.addr})...)
	s.auth = a
	a.start(t)
	s.trustOwnCA(t, a)
	s.waitFor(t, s.appURL+"/.auth/login", http.StatusOK)

	const who = "alone@example.test"
	c := s.member(t, who)
	if e := echoOf(t, c.Request(http.MethodGet, s.appURL+"/page", "")); strings.Join(e.Headers["Remote-User"], ",") != who {
		t.Errorf("Remote-User %q", e.Headers["Remote-User"])
	}
	for path, want := range map[string]int{"/page": http.StatusUnauthorized, "/admin/": http.StatusUnauthorized, "/public/page": http.StatusOK, "/api/authz/forward-auth": http.StatusUnauthorized} {
		if res := s.client(t).Request(http.MethodGet, s.appURL+path, ""); res.StatusCode != want {
			t.Errorf("a stranger at %s: %s, want %d", path, res.Status, want)
		}
	}
	if res := c.Request(http.MethodGet, s.appURL+"/admin/", ""); res.StatusCode != http.StatusForbidden {
		t.Errorf("no admin at /admin/: %s", res.Status)
	}
	if res := c.Submit(s.appURL+"/.auth/logout", nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("signing out: %s", res.Status)
	}
	if res := c.Request(http.MethodGet, s.appURL+"/page", ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after signing out: %s", res.Status)
	}
}
