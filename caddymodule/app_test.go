package caddymodule

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

const testSecret = "l0ng-enough-And-random-looking-7f3a9c"

// run starts a configuration in this process and returns our app.
func run(t testing.TB, caddyfile string) *App {
	t.Helper()
	raw, err := adapt(t, caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(raw, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return running(t)
}

// load replaces the running configuration.
func load(t *testing.T, raw []byte) {
	t.Helper()
	if err := caddy.Load(raw, true); err != nil {
		t.Fatal(err)
	}
}

// running is our app of the configuration that Caddy runs.
func running(t testing.TB) *App {
	t.Helper()
	mod, err := caddy.ActiveContext().App("passwordless")
	if err != nil {
		t.Fatal(err)
	}
	return mod.(*App)
}

func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestStart_KnowsItsGuards(t *testing.T) {
	port := freePort(t)
	caddyfile, _ := isolated(t, fmt.Sprintf("http://app.localhost:%s {\npasswordless_guard\nrespond hi\n}", port))
	for range 8 { // Caddy's own order differs from time to time
		app := run(t, caddyfile)
		if len(app.bound) != 1 || app.bound[0].Origin.String() != "http://app.localhost:"+port || app.bound[0].Guards[0].app != app {
			t.Fatalf("bound %+v", app.bound)
		}
	}
}

func TestReload_ABadConfigurationLeavesTheGoodOne(t *testing.T) {
	port := freePort(t)
	caddyfile, _ := isolated(t, fmt.Sprintf("http://app.localhost:%s {\npasswordless_guard\n}", port))
	app := run(t, caddyfile)
	bad, _ := isolated(t, fmt.Sprintf("http://app.localhost:%s {\npasswordless_guard\n}\nhttp://b.localhost:%s {\npasswordless_guard\n}", port, port))
	raw, err := adapt(t, bad)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(raw, true); err == nil || !strings.Contains(err.Error(), "so sign-in needs a host of its own") {
		t.Fatalf("error %v", err)
	}
	if mod, err := caddy.ActiveContext().App("passwordless"); err != nil || mod != app {
		t.Errorf("running %v, %v", mod, err)
	}
}

// A secret is resolved beside the configuration and never into it (AD-4, LG-1).
func TestSecrets_AreNowhereToBeSeen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "smtp")
	if err := os.WriteFile(file, []byte("hunter2-from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_ROOT_KEY", testSecret)
	caddyfile, log := isolated(t, "debug\npasswordless {\nroot_key {env.TEST_ROOT_KEY}\nsmtp mail.internal {\nusername login\npassword {file."+file+"}\nfrom a@example.com\n}\n}\n%\n"+
		fmt.Sprintf("http://app.localhost:%s {\npasswordless_guard\n}", freePort(t)))
	app := run(t, caddyfile)
	if app.secrets.rootKey.reveal() != testSecret || app.secrets.smtpPassword.reveal() != "hunter2-from-a-file" {
		t.Fatal("the secrets were not resolved")
	}
	logged, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(app)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := json.Marshal([]secret{app.secrets.rootKey, app.secrets.smtpPassword})
	if err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{
		"log": string(logged), "config": string(shown), "json": string(inner),
		"%v": fmt.Sprintf("%v", app.secrets), "%+v": fmt.Sprintf("%+v", app.secrets), "%#v": fmt.Sprintf("%#v", app.secrets),
		"app": fmt.Sprintf("%v %+v", app, app), "slog": slogged(app.secrets.rootKey),
		"%s %q %x": fmt.Sprintf("%s %q %x", app.secrets.rootKey, app.secrets.rootKey, app.secrets.smtpPassword),
	} {
		for _, s := range []string{testSecret, "hunter2", fmt.Sprintf("%x", "hunter2")} {
			if strings.Contains(out, s) {
				t.Errorf("%s shows a secret", name)
			}
		}
	}
}

func slogged(v any) string {
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	return out.String()
}

func TestValidate_TouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	caddyfile, _ := isolated(t, "passwordless {\ndatabase "+dir+"/auth.db\n}\n%\napp.example.com {\npasswordless_guard\n}")
	if err := caddy.Validate(config(t, caddyfile)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v", dir, err)
	}
}

func TestDatabase_HasAnAbsolutePath(t *testing.T) {
	t.Setenv("TEST_DATA", "/data")
	repl := caddy.NewReplacer()
	for in, want := range map[string]string{
		"{env.TEST_DATA}/auth.db": "/data/auth.db",
		"/data/../data/auth.db":   "/data/auth.db",
		"":                        filepath.Join(caddy.AppDataDir(), "passwordless", "auth.db"),
	} {
		app := App{Database: in}
		if got, err := app.databasePath(repl); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	t.Setenv("TEST_DATA", "postgres://db.example.com/auth")
	for _, in := range []string{"{env.TEST_DATA}", "{env.NO_SUCH_VARIABLE}", "{no.such.placeholder}"} {
		app := App{Database: in}
		if got, err := app.databasePath(repl); err == nil {
			t.Errorf("%q: accepted as %q", in, got)
		}
	}
}

// JSON does not come through the adapter, so Provision refuses the same.
func TestValidate_RefusesTheSameInJSON(t *testing.T) {
	t.Setenv("TEST_SHORT", "short")
	for name, tc := range map[string]struct{ app, guard, want string }{
		"unknown word":        {`{"redis":"x"}`, `{}`, `unknown field "redis"`},
		"unknown rule":        {`{}`, `{"roles":["admin"]}`, `unknown field "roles"`},
		"unknown path rule":   {`{}`, `{"path":[{"path":"/a","headers":{"user":"off"}}]}`, `unknown field "headers"`},
		"path":                {`{}`, `{"path":[{"path":"/a"}]}`, `passwordless_guard: path "/a": its block has no rule`},
		"require":             {`{}`, `{"require":[["totp"],["totp"]]}`, `passwordless_guard: require: "totp" stands twice`},
		"empty require":       {`{}`, `{"require":[[]]}`, "passwordless_guard: require: write passkey, totp, or passkey totp for either"},
		"require a passkey":   {`{"methods":["email"]}`, `{"path":[{"path":"/a","require":[["passkey"]]}]}`, "passwordless_guard: require: nobody could give the passkey that path /a require passkey asks for"},
		"domains":             {`{"registration":{"domains":["example.com"]}}`, `{}`, "registration: domains belong to open and invite"},
		"self_delete":         {`{"self_delete":"on"}`, `{}`, `self_delete: "on"; write allow or off`},
		"email_after_passkey": {`{"email_after_passkey":"second","methods":["passkey"]}`, `{}`, "email_after_passkey: second, but no mail signs anybody in"},
		"jwt":                 {`{}`, `{"headers":{"jwt":"X-Jwt"}}`, "passwordless_guard: headers: jwt X-Jwt is never sent"},
		"app":                 {`{"app":[{"host":"wiki.example.com"}]}`, `{}`, "app: people sign in to an app behind another proxy at a portal"},
		"app rules":           {`{"portal":"https://auth.example.com","app":[{"host":"wiki.example.com","allow":["staff"]}]}`, `{}`, `app wiki.example.com: allow: "staff"`},
		"app jwt":             {`{"portal":"https://auth.example.com","app":[{"host":"wiki.example.com","headers":{"jwt":"X-Jwt"}}]}`, `{}`, "app wiki.example.com: headers: jwt X-Jwt is never sent"},
		"proxy":               {`{"portal":"https://auth.example.com","proxy":[{"kind":"nginx"}]}`, `{}`, "proxy: the address of nginx is missing"},
		"literal secret":      {`{"root_key":"hunter2"}`, `{}`, "root_key: a secret must not stand in the configuration"},
		"short secret":        {`{"root_key":"{env.TEST_SHORT}"}`, `{}`, "root_key: the secret has 5 bytes and must have 32 or more"},
		"missing secret file": {`{"root_key":"{file./nowhere}"}`, `{}`, "root_key: "},
		"postgres":            {`{"database":"postgres://db/auth"}`, `{}`, "PostgreSQL storage comes with a later version"},
		"portal":              {`{"portal":"http://auth.example.com"}`, `{}`, "portal: "},
		"client":              {`{"client":[{"name":"spa","title":"Spa"}]}`, `{}`, "client: the API is served by a portal"},
		"smtp":                {`{"smtp":{"from":"a@example.com"}}`, `{}`, "smtp: the server's address is missing"},
		"session":             {`{"session":{"idle":-1}}`, `{}`, "session: idle must be 1m or more"},
		"per user":            {`{"session":{"per_user":-1}}`, `{}`, "session: per_user must be 1 to 1000"},
		"rate":                {`{"limits":{"requests":{"count":1}}}`, `{}`, "limits: requests: the time must be 1s to 1d"},
		"origin":              {`{}`, `{"origin":"https://app.example.com/"}`, "passwordless_guard: origin: "},
		"public":              {`{}`, `{"public":["/*"]}`, "passwordless_guard: public: "},
		"allow":               {`{}`, `{"allow":["staff"],"at":{"passwordless_guard":"site.json:3"}}`, "passwordless_guard at site.json:3: allow: "},
		"headers":             {`{}`, `{"headers":{"user":"Cookie"}}`, "passwordless_guard: headers: "},
		"broken guard":        {`{}`, `{"allow":"staff"}`, "into Go struct field Guard.Policy.Rules.allow"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := fmt.Sprintf(`{"admin":{"disabled":true},"apps":{"passwordless":%s,"http":{"servers":{"a":{"listen":["127.0.0.1:443"],"routes":[
				{"match":[{"host":["app.example.com"]}],"handle":[{"handler":"passwordless_guard",%s]}]}}}}}`, tc.app, tc.guard[1:])
			raw = strings.Replace(raw, `"passwordless_guard",}`, `"passwordless_guard"}`, 1)
			inEveryOrder(t, []byte(raw), func(cfg *caddy.Config) {
				if err := caddy.Validate(cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error: %v\nwant: %s", err, tc.want)
				}
			})
		})
	}
}
