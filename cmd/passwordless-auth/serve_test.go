package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// serveProcess is a running serve, configured by its environment.
type serveProcess struct {
	*harness.Process
	port int
	data string
	env  []string
}

func startServe(t *testing.T, env ...string) *serveProcess {
	t.Helper()
	s := &serveProcess{port: harness.FreePort(t), data: harness.TempDir(t)}
	s.env = append([]string{
		"WEBAUTHN_ORIGIN=https://auth.example.com", "DATABASE_PATH=" + filepath.Join(s.data, "auth.db"),
		"SERVER_HOST=127.0.0.1", fmt.Sprintf("SERVER_PORT=%d", s.port),
	}, env...)
	s.Process = harness.Start(t, s.data, s.env, harness.Binary(t), "serve")
	s.WaitOutput("serving sign-in")
	return s
}

func TestServe_AnswersForItsOriginOnly(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	c := harness.NewClient(t, "")
	at := func(host, path string) string { return fmt.Sprintf("http://%s:%d%s", host, s.port, path) }
	if res := c.Request(http.MethodGet, at("127.0.0.1", "/health"), ""); res.StatusCode != http.StatusOK || !strings.Contains(res.Body, `"healthy"`) {
		t.Errorf("health: %s %s", res.Status, res.Body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at("127.0.0.1", "/login"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"auth.example.com": http.StatusOK, "evil.example": http.StatusMisdirectedRequest} {
		req.Host = host
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s", host, res.Status)
		}
	}
	if exit := harness.Exec(t, s.data, s.env, harness.Binary(t), "health"); exit.Code != 0 || !strings.Contains(exit.Stdout, "healthy") {
		t.Errorf("health: code %d, %s%s", exit.Code, exit.Stdout, exit.Stderr)
	}
	if exit := harness.Exec(t, s.data, s.env, harness.Binary(t), "serve"); exit.Code != exitFailed || !strings.Contains(exit.Stderr, "is taken") || !strings.Contains(exit.Stderr, "SERVER_PORT") {
		t.Errorf("a second one: code %d, %s", exit.Code, exit.Stderr)
	}
}

func TestServe_LogsJSONAndNoSecrets(t *testing.T) {
	t.Parallel()
	const secret = "Zk3v9Qw1Lr8xTn5yHb2mCd7fGj4sKp6a"
	s := startServe(t, "JWT_SECRET="+secret, "LOG_FORMAT=json", "LOG_LEVEL=debug")
	for line := range strings.Lines(s.Output()) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("no JSON: %s", line)
		}
	}
	if strings.Contains(s.Output(), secret) {
		t.Error("the secret is logged")
	}
}

func TestServe_ReadsSecretsFromDotenvAndFiles(t *testing.T) {
	t.Parallel()
	dir := harness.TempDir(t)
	harness.WriteFile(t, dir, ".env", "JWT_SECRET=Zk3v9Qw1Lr8xTn5yHb2mCd7fGj4sKp6a\nSMTP_USERNAME=login\nSMTP_HOST=localhost\nEMAIL_FROM=login@example.com\n")
	password := harness.WriteFile(t, dir, "smtp", "hunter2\n")
	env := []string{
		"WEBAUTHN_ORIGIN=https://auth.example.com", "SERVER_HOST=127.0.0.1", fmt.Sprintf("SERVER_PORT=%d", harness.FreePort(t)),
		"SMTP_PASSWORD_FILE=smtp", "DATABASE_PATH=auth.db",
	}
	p := harness.Start(t, dir, env, harness.Binary(t), "serve")
	p.WaitOutput("serving sign-in")
	exit := harness.Exec(t, dir, env, harness.Binary(t), "config")
	if exit.Code != 0 || !strings.Contains(exit.Stdout, "password {file."+password+"}") || !strings.Contains(exit.Stdout, "root_key {env.JWT_SECRET}") {
		t.Errorf("config: %d\n%s%s", exit.Code, exit.Stdout, exit.Stderr)
	}
	if made := filepath.Join(dir, "auth.key"); fileExists(made) {
		t.Error("a root key was made beside the one of .env")
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
