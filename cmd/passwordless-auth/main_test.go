package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// command runs one command line in this process.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// noSettings leaves the process without any variable of serve.
func noSettings(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.Contains(variables, name) && !slices.Contains([]string{"HOME", "PATH"}, name) {
			t.Setenv(name, "")
		}
	}
}

func TestUsage_MistakesExitWith2AndAHint(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"bogus", `there is no command "bogus"`},
		{"sevre", "did you mean serve?"},
		{"help bogus", `there is no command "bogus"`},
		{"help sevre", "did you mean serve?"},
		{"help user lst", `there is no command "lst" below user`},
		{"user lst", "user lst is no command"},
		{"demo --prt 1", "unknown flag: --prt"},
		{"demo extra", `demo takes no arguments, and there is "extra"`},
		{"demo --port x", "--port"},
		{"demo --port 70000", "--port 70000 is no port"},
		{"config extra", "takes no arguments"},
		{"version extra", "takes no arguments"},
		{"health --url nonsense", "is no web address"},
		{"upgrade", `there is no command "upgrade"`},
		{"add-package x", "there is no command"},
		{"remove-package x", "there is no command"},
	} {
		code, out, errOut := command(t, strings.Fields(c.args)...)
		if code != exitUsage || out != "" {
			t.Errorf("%s: code %d, output %q", c.args, code, out)
		}
		if lines := strings.Split(strings.TrimSpace(errOut), "\n"); len(lines) != 2 || !strings.Contains(lines[0], c.want) {
			t.Errorf("%s: %q is not a sentence with %q and a hint", c.args, errOut, c.want)
		}
	}
}

func TestHelp_SaysWhatItIsAndWhereToStart(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"--help"}} {
		code, out, errOut := command(t, args...)
		if code != 0 || errOut != "" {
			t.Errorf("%v: code %d, %q", args, code, errOut)
		}
		for _, part := range []string{"without passwords", "  demo ", "  serve ", "  run ", "  config ", "  health ", "validate"} {
			if !strings.Contains(out, part) {
				t.Errorf("%v: no %q in\n%s", args, part, out)
			}
		}
		for _, gone := range []string{"upgrade", "add-package", "https://caddyserver.com"} {
			if strings.Contains(out, gone) {
				t.Errorf("%v: %q is there", args, gone)
			}
		}
		if n := strings.Count(out, "\n"); n > 40 {
			t.Errorf("%v: %d lines are not short", args, n)
		}
	}
}

func TestHelp_EachCommandHasOne(t *testing.T) {
	if code, out, errOut := command(t, "help", "user", "list"); code != 0 || errOut != "" || !strings.Contains(out, "user list") {
		t.Errorf("help user list: code %d, %q\n%s", code, errOut, out)
	}
	for _, cmd := range newRoot(new(bytes.Buffer)).Commands() {
		if code, out, _ := command(t, cmd.Name(), "--help"); code != 0 || !strings.Contains(out, "Usage:") {
			t.Errorf("%s --help: code %d\n%s", cmd.Name(), code, out)
		}
	}
}

// A new Caddy may bring commands; each is adopted or left out on purpose.
func TestCaddyCommands_EachIsKnown(t *testing.T) {
	leftOut := []string{"version", "upgrade", "add-package", "remove-package", "passwordless", "manpage", "completion"}
	for name := range caddycmd.Commands() {
		if !slices.Contains(adopted, name) && !slices.Contains(leftOut, name) {
			t.Errorf("%s is neither adopted nor left out", name)
		}
	}
	for _, name := range adopted {
		if _, ok := caddycmd.Commands()[name]; !ok {
			t.Errorf("Caddy has no %s any more", name)
		}
	}
}

func TestVersion_NamesAllThree(t *testing.T) {
	code, out, _ := command(t, "version")
	if code != 0 || !strings.HasPrefix(out, "passwordless-auth ") || !strings.Contains(out, "\nCaddy ") || !strings.Contains(out, "\ngo1.") {
		t.Errorf("code %d\n%s", code, out)
	}
	code, out, _ = command(t, "version", "--json")
	var v map[string]string
	if err := json.Unmarshal([]byte(out), &v); code != 0 || err != nil || v["version"] == "" || v["caddy"] == "" || v["go"] == "" {
		t.Errorf("code %d, %v\n%s", code, err, out)
	}
}

func TestConfig_PrintsTheCaddyfileAndWarnings(t *testing.T) {
	noSettings(t)
	t.Setenv("WEBAUTHN_ORIGIN", "https://auth.example.com")
	t.Setenv("JWT_SECRET", "Zk3v9Qw1Lr8xTn5yHb2mCd7fGj4sKp6a")
	code, out, errOut := command(t, "config")
	if code != 0 || !strings.Contains(out, "portal https://auth.example.com") || !strings.Contains(out, "root_key {env.JWT_SECRET}") {
		t.Errorf("code %d\n%s", code, out)
	}
	if !strings.Contains(errOut, "warning: TRUSTED_PROXIES") || strings.Contains(out, "warning") {
		t.Errorf("warnings: %s", errOut)
	}
	if err := os.WriteFile("Caddyfile", []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := command(t, "adapt", "--config", "Caddyfile"); code != 0 {
		t.Errorf("adapt: %d %s", code, errOut)
	}
}

func TestConfig_RefusalsExitWith1(t *testing.T) {
	noSettings(t)
	t.Setenv("WEBAUTHN_ORIGIN", "auth.example.com")
	for _, cmd := range []string{"config", "serve"} {
		code, out, errOut := command(t, cmd)
		if code != exitFailed || out != "" || !strings.HasPrefix(errOut, "passwordless-auth: WEBAUTHN_ORIGIN: ") {
			t.Errorf("%s: code %d, %q, %q", cmd, code, out, errOut)
		}
	}
}

func TestHealth_TellsGoodFromBad(t *testing.T) {
	noSettings(t)
	for _, c := range []struct {
		status int
		body   string
		code   int
		want   string
	}{
		{200, `{"status":"healthy","version":"1.2.3","uptime_seconds":90,"timestamp":1}`, 0, "healthy, version 1.2.3, up 1m30s"},
		{200, `{"status":"sick"}`, exitFailed, "does not say that it is healthy"},
		{200, `<html>`, exitFailed, "does not say that it is healthy"},
		{503, `{"status":"healthy"}`, exitFailed, "503"},
		{302, ``, exitFailed, "302"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/health" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			w.Header().Set("Location", "/health")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		code, out, errOut := command(t, "health", "--url", srv.URL)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("%d %s: code %d, %q, %q", c.status, c.body, code, out, errOut)
		}
		if code == 0 {
			if _, out, _ := command(t, "health", "--json", "--url", srv.URL+"/"); strings.TrimSpace(out) != c.body {
				t.Errorf("--json prints %q", out)
			}
		}
		srv.Close()
		if code, _, errOut := command(t, "health", "--url", srv.URL); code != exitFailed || !strings.Contains(errOut, "nothing answers") {
			t.Errorf("nobody there: code %d, %q", code, errOut)
		}
	}
}

func TestHealth_AsksTheServerOfTheseSettings(t *testing.T) {
	noSettings(t)
	for host, want := range map[string]string{
		"": "http://127.0.0.1:4000/health", "0.0.0.0": "http://127.0.0.1:4000/health", "::": "http://[::1]:4000/health",
		"192.0.2.1": "http://192.0.2.1:4000/health", "localhost": "http://localhost:4000/health",
	} {
		t.Setenv("SERVER_HOST", host)
		t.Setenv("SERVER_PORT", "4000")
		if got, err := healthURL("", ""); err != nil || got != want {
			t.Errorf("%s: %s, %v", host, got, err)
		}
	}
	t.Setenv("SERVER_PORT", "x")
	if _, err := healthURL("", ""); err == nil {
		t.Error("SERVER_PORT=x accepted")
	}
}

// The commands find the server that serve would start in this directory.
func TestCommands_ReadDotenv(t *testing.T) {
	noSettings(t)
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	for name, c := range map[string]struct {
		env, dotenv, args, want string
		caddyfile               bool
	}{
		"dotenv":             {"", "DATABASE_PATH=/one/auth.db\nSMTP_HOST=x", "user list", "/one/admin.sock", false},
		"a Caddyfile wins":   {"", "DATABASE_PATH=/one/auth.db", "user list", "/four/admin.sock", true},
		"environment wins":   {"/two/auth.db", "DATABASE_PATH=/one/auth.db", "session list", "/two/admin.sock", true},
		"flag wins":          {"", "DATABASE_PATH=/one/auth.db", "user list --database /three/auth.db", "/three/admin.sock", false},
		"somebody else's":    {"", "not a line of ours", "user list --database /three/auth.db", "/three/admin.sock", false},
		"without a database": {"", "SMTP_HOST=x", "user list", "no server is running", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DATABASE_PATH", c.env)
			if err := os.WriteFile(".env", []byte(c.dotenv), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.caddyfile {
				if err := os.WriteFile("Caddyfile", []byte("{\npasswordless {\ndatabase /four/auth.db\n}\n}\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = os.Remove("Caddyfile") }()
			}
			if code, _, errOut := command(t, strings.Fields(c.args)...); code != exitFailed || !strings.Contains(errOut, c.want) {
				t.Errorf("code %d: %s", code, errOut)
			}
		})
	}
}
