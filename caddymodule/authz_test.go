package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// behindProxies is a portal with apps behind other proxies, on one plain
// listener as those reach it.
type behindProxies struct {
	app  *App
	port string
	dir  string
}

func startBehindProxies(t *testing.T, option string) *behindProxies {
	t.Helper()
	b := &behindProxies{port: freePort(t), dir: t.TempDir()}
	b.app = run(t, b.caddyfile(option))
	return b
}

func (b *behindProxies) caddyfile(option string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	storage file_system %[1]s
	log {
		output file %[1]s/log.json
		format json
		level DEBUG
	}
	passwordless {
		database %[1]s/data/auth.db
		portal https://auth.example.com
		proxy traefik 127.0.0.1
		proxy nginx 127.0.0.1
		%[2]s
	}
}
http://:%[3]s {
	bind 127.0.0.1
	passwordless_portal
}
`, b.dir, option, b.port)
}

// ask sends a request with headers "Name: value"; "Host" is one, too.
func (b *behindProxies) ask(t *testing.T, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:"+b.port+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// traefik is the question that Traefik asks about a path.
func traefik(path string, more ...string) []string {
	return append([]string{
		"X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.example.com", "X-Forwarded-Uri: " + path,
		"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Port: 443", "X-Real-Ip: 192.0.2.7",
	}, more...)
}

func TestAuthz_IsServedBesideThePortal(t *testing.T) {
	b := startBehindProxies(t, "app app.example.com {\npublic /healthz\nnetwork 192.0.2.0/24\n}\napp *.example.net")
	for _, tc := range []struct {
		name, path string
		headers    []string
		status     int
	}{
		{"public", "/api/authz/forward-auth", traefik("/healthz"), 200},
		{"nobody", "/api/authz/forward-auth", traefik("/"), 401},
		{"a page", "/api/authz/forward-auth", traefik("/", "Accept: text/html"), 302},
		{"another network", "/api/authz/forward-auth", append(traefik("/healthz")[:4], "X-Forwarded-For: 198.51.100.7"), 403},
		{"not the first of many", "/api/authz/forward-auth", append(traefik("/healthz")[:4], "X-Forwarded-For: 192.0.2.7, 198.51.100.7"), 403},
		{"an unknown address", "/api/authz/forward-auth", traefik("/healthz")[:4], 403},
		{"of a * host", "/api/authz/forward-auth", append(traefik("/", "Accept: text/html")[4:], "X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example.net", "X-Forwarded-Uri: /"), 302},
		{"start", "/api/authz/forward-auth", traefik("/.auth/start?rd=/x", "Accept: text/html"), 302},
		{"nginx", "/api/authz/auth-request", []string{"X-Original-Url: https://app.example.com/healthz", "X-Original-Method: GET", "X-Forwarded-For: 192.0.2.7"}, 200},
		{"Envoy, which is off", "/api/authz/ext-authz/healthz", []string{"Host: app.example.com", "X-Forwarded-Proto: https"}, 404},
		{"the portal's host", "/api/authz/forward-auth", traefik("/healthz", "Host: auth.example.com"), 404},
		{"by a route", "/.auth/me", []string{"Host: app.example.com"}, 401},
		{"the app itself", "/", []string{"Host: app.example.com"}, 421},
	} {
		res, body := b.ask(t, http.MethodGet, tc.path, tc.headers...)
		if res.StatusCode != tc.status || res.StatusCode == 200 && body != "" || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, %q, %v", tc.name, res.Status, body, res.Header)
		}
	}
}

// FA-1: who forgets to say whose request it is is told so, by readiness.
func TestReadiness_NamesProxiesThatHideTheirClients(t *testing.T) {
	b := startBehindProxies(t, "app app.example.com")
	said := func() string {
		_, body := b.ask(t, http.MethodGet, "/readiness")
		return body
	}
	if body := said(); !strings.Contains(body, `"client_address":{"status":"ok"}`) {
		t.Error(body)
	}
	b.ask(t, http.MethodGet, "/login", "Host: auth.example.com", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https")
	if body := said(); !strings.Contains(body, "trusted_proxies static 127.0.0.1") || !strings.Contains(body, `"status":"ready"`) {
		t.Error(body)
	}
	b.ask(t, http.MethodGet, "/api/authz/forward-auth", traefik("/")[:4]...)
	if body := said(); !strings.Contains(body, "traefik at 127.0.0.1 sends no X-Forwarded-For") {
		t.Error(body)
	}
}

// Hot reload: a new rule counts with the next question, and a broken one leaves
// the old.
func TestAuthz_FollowsAReload(t *testing.T) {
	b := startBehindProxies(t, "app app.example.com {\npublic /healthz\n}")
	asks := func(want int) {
		t.Helper()
		if res, _ := b.ask(t, http.MethodGet, "/api/authz/forward-auth", traefik("/healthz")...); res.StatusCode != want {
			t.Errorf("%s, want %d", res.Status, want)
		}
	}
	asks(http.StatusOK)
	raw, err := adapt(t, b.caddyfile("app app.example.com {\npublic /other\n}"))
	if err != nil {
		t.Fatal(err)
	}
	load(t, raw)
	asks(http.StatusUnauthorized)
	broken := strings.Replace(string(raw), `"/other"`, `"/../other"`, 1)
	if err := caddy.Load([]byte(broken), true); err == nil {
		t.Error("a broken rule was loaded")
	}
	asks(http.StatusUnauthorized)
}

// LG-1: nothing that opens anything stands in the log, at any level.
func TestAuthz_LogsNoSecrets(t *testing.T) {
	b := startBehindProxies(t, "app app.example.com")
	svc := b.app.current.Load().svc
	user, err := svc.AddUser(t.Context(), "test", authcore.NewUser{Email: "alice@example.com"})
	if err != nil || user == nil {
		t.Fatal(err)
	}
	const cookie, token, query = "__Host-passwordless=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "pwl_SECRETSECRETSECRETSECRETSECRETSECRETSECRET1234567", "password=hunter2"
	for _, path := range []string{"/x?" + query, "/.auth/callback?ticket=TICKETTICKET", "/x/../y?" + query} {
		b.ask(t, http.MethodGet, "/api/authz/forward-auth", traefik(path, "Cookie: "+cookie, "Accept: text/html")...)
		b.ask(t, http.MethodGet, "/api/authz/forward-auth", traefik(path, "Authorization: Bearer "+token)...)
		b.ask(t, http.MethodGet, "/api/authz/auth-request", "X-Original-Url: https://app.example.com"+path, "X-Original-Method: G=T", "Cookie: "+cookie)
	}
	log, err := os.ReadFile(filepath.Join(b.dir, "log.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"AAAAAAAAAA", "SECRETSECRET", "hunter2", "TICKETTICKET"} {
		if strings.Contains(string(log), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
	if !strings.Contains(string(log), "refusing a check request") {
		t.Error("the log says nothing of refusals")
	}
}
