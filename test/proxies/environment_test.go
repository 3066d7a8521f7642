package proxies

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// The same by environment variables, without a Caddyfile: two of the proxies,
// since what differs between them is one word.
func TestEnvironment_ServesTheSameProxies(t *testing.T) {
	for _, c := range []struct {
		folder string
		front  func(*testing.T, *stage)
		swaps  []swap
		image  []string // what the image sets
	}{
		{"nginx", frontNginx, []swap{{"/var/lib/passwordless-auth/auth.db", "auth.db"}, {"/run/secrets/smtp", "smtp"}}, nil},
		{"traefik", frontTraefik, []swap{{"172.30.0.2", "127.0.0.1"}, {"/data/smtp-password", "smtp"}}, []string{"DATABASE_PATH=auth.db"}},
	} {
		t.Run(c.folder, func(t *testing.T) {
			s := newStage(t)
			a := &authServer{dir: harness.TempDir(t), port: harness.FreePort(t), args: []string{"serve"}}
			harness.WriteFile(t, a.dir, "smtp", "secret")
			a.env = append(c.image, "SSL_CERT_FILE="+s.mail.CA)
			file := copyExample(t, c.folder, "auth.env", a.dir, and(names, c.swaps, []swap{
				{"open example.com", "open example.test"},
				{"SMTP_HOST=smtp.example.com", "SMTP_HOST=" + s.mail.Host},
				{"SMTP_PORT=587", "SMTP_PORT=" + strconv.Itoa(s.mail.Port)},
				{"SERVER_PORT=9080", "SERVER_PORT=" + strconv.Itoa(a.port)},
			})...)
			for line := range strings.Lines(readFile(t, a.dir, filepath.Base(file))) {
				if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
					a.env = append(a.env, name+"="+strings.Trim(value, `"`))
				}
			}
			s.auth = a
			a.start(t)
			t.Cleanup(a.Kill) // a server that drains has five seconds for it
			c.front(t, s)
			s.ready(t)

			const who = "variable@example.test"
			client := s.member(t, who)
			for _, app := range []string{s.appURL, s.wikiURL} {
				res := client.Navigate(app + "/page")
				if res.StatusCode != http.StatusOK || res.Request.URL.Path != "/page" || !strings.Contains(res.Body, `"Remote-User":["`+who+`"]`) {
					t.Errorf("%s: %s at %s\n%s", app, res.Status, res.Request.URL, res.Body)
				}
			}
		})
	}
}
