package test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// startExample runs a section of Caddyfile.example as it stands, with only its
// addresses replaced by ones that exist here.
func startExample(t *testing.T, section string, mail *harness.Sink, app *harness.Upstream) *harness.Caddy {
	t.Helper()
	globals, sites := harness.Example(t, section)
	here := strings.NewReplacer(
		"mail.example.com:587", mail.Host+":"+strconv.Itoa(mail.Port),
		"https://auth.example.com", "https://auth.example.test:{$HTTPS}",
		"auth.example.com", "auth.example.test",
		"app.example.com", "app.example.test",
		"localhost:8080", app.Addr, "localhost:8081", app.Addr,
	)
	return harness.StartCaddy(t, harness.CaddyOptions{
		Globals: here.Replace(globals), Sites: here.Replace(sites),
		Env: []string{"SMTP_PASSWORD=secret", "SSL_CERT_FILE=" + mail.CA},
	})
}

func TestExample_SidecarGuardsTheApp(t *testing.T) {
	app := harness.StartUpstream(t)
	caddy := startExample(t, "sidecar", harness.StartSink(t, harness.SinkOptions{}), app)
	c := harness.NewClient(t, caddy.RootCA(t))
	c.HTTPS = caddy.HTTPS

	res := c.Navigate("https://app.example.test/secret")
	if path := res.Request.URL.Path; res.StatusCode != http.StatusOK || path != "/.auth/login" {
		t.Errorf("status %d at %s", res.StatusCode, path)
	}
	if len(app.Seen()) != 0 {
		t.Errorf("a stranger reached the app: %+v", app.Seen())
	}
}

func TestExample_PortalGuardsAppsOfTwoDomains(t *testing.T) {
	app := harness.StartUpstream(t)
	caddy := startExample(t, "portal", harness.StartSink(t, harness.SinkOptions{Username: "login@example.com", Password: "secret"}), app)
	c := harness.NewClient(t, caddy.RootCA(t))

	for _, host := range []string{"app.example.test", "wiki.example.org"} {
		res := c.Navigate(caddy.URL(host, "/secret"))
		if at := res.Request.URL; res.StatusCode != http.StatusOK || at.Hostname() != "auth.example.test" || at.Path != "/login" {
			t.Errorf("%s: status %d at %s", host, res.StatusCode, at)
		}
	}
	if len(app.Seen()) != 0 {
		t.Errorf("a stranger reached the app: %+v", app.Seen())
	}
	if res := c.Request(http.MethodGet, caddy.URL("app.example.test", "/healthz"), ""); res.StatusCode != http.StatusOK || len(app.Seen()) != 1 {
		t.Errorf("the public path: status %d, %d requests at the app", res.StatusCode, len(app.Seen()))
	}
}
