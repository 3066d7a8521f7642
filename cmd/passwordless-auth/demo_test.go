package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// demoProcess is a running demo.
type demoProcess struct {
	*harness.Process
	port int
	data string
}

func startDemo(t *testing.T, data string) *demoProcess {
	t.Helper()
	d := &demoProcess{port: harness.FreePort(t), data: data}
	d.Process = harness.Start(t, harness.TempDir(t), nil, harness.Binary(t), "demo", "--port", fmt.Sprint(d.port), "--data", data)
	d.WaitOutput("The demo is ready")
	return d
}

func (d *demoProcess) url(host, path string) string {
	return fmt.Sprintf("http://%s.localhost:%d%s", host, d.port, path)
}

func TestDemo_FourHostsAnswerAndNoOther(t *testing.T) {
	t.Parallel()
	d := startDemo(t, harness.TempDir(t))
	c := harness.NewClient(t, "")
	for _, host := range []string{"app", "wiki", "auth", "mail"} {
		if !strings.Contains(d.Output(), strings.TrimSuffix(d.url(host, ""), "/")) {
			t.Errorf("the banner does not name %s", host)
		}
		if res := c.Navigate(d.url(host, "/")); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", host, res.Status)
		}
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"} {
			if res := c.Request(http.MethodGet, d.url(host, "/"), "", name, "192.0.2.1"); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s: %s", host, name, res.Status)
			}
		}
	}
	for _, host := range []string{"other.localhost", "evil.example", "127.0.0.1", "localhost"} {
		res := c.Request(http.MethodGet, fmt.Sprintf("http://%s:%d/", host, d.port), "")
		if res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %s", host, res.Status)
		}
	}
}

func TestDemo_TakenPortNamesTheFlag(t *testing.T) {
	t.Parallel()
	d := startDemo(t, harness.TempDir(t))
	exit := harness.Exec(t, harness.TempDir(t), nil, harness.Binary(t), "demo", "--port", fmt.Sprint(d.port))
	if exit.Code != exitFailed || !strings.Contains(exit.Stderr, fmt.Sprintf("port %d is taken", d.port)) || !strings.Contains(exit.Stderr, fmt.Sprintf("passwordless-auth demo --port %d --data DIR (make run ARGS=\"--port ", d.port+1)) {
		t.Errorf("code %d\n%s", exit.Code, exit.Stderr)
	}
}

func TestDemo_DatabaseInUseIsSaid(t *testing.T) {
	t.Parallel()
	d := startDemo(t, harness.TempDir(t))
	exit := harness.Exec(t, harness.TempDir(t), nil, harness.Binary(t), "demo", "--port", fmt.Sprint(harness.FreePort(t)), "--data", d.data)
	if exit.Code != exitFailed || !strings.Contains(exit.Stderr, "auth.db") || !strings.Contains(exit.Stderr, "--data DIR") {
		t.Errorf("code %d\n%s", exit.Code, exit.Stderr)
	}
}

func TestDemo_KeepsItsDatabaseToItself(t *testing.T) {
	t.Parallel()
	d := startDemo(t, harness.TempDir(t))
	d.End(os.Interrupt)
	db := filepath.Join(d.data, "auth.db")
	env := []string{"WEBAUTHN_ORIGIN=https://auth.example.com", "DATABASE_PATH=" + db, fmt.Sprintf("SERVER_PORT=%d", harness.FreePort(t))}
	exit := harness.Exec(t, harness.TempDir(t), env, harness.Binary(t), "serve")
	if exit.Code != exitFailed || !strings.Contains(exit.Stderr, "demo") {
		t.Errorf("serve took a demo's database: code %d\n%s", exit.Code, exit.Stderr)
	}

	s := startServe(t)
	s.Stop()
	exit = harness.Exec(t, harness.TempDir(t), nil, harness.Binary(t), "demo", "--port", fmt.Sprint(harness.FreePort(t)), "--data", s.data)
	if exit.Code != exitFailed || !strings.Contains(exit.Stderr, "no demo's database") {
		t.Errorf("the demo took a real database: code %d\n%s", exit.Code, exit.Stderr)
	}
}

var csrf = regexp.MustCompile(`name="([a-z_]+)" value="([^"]*)"`)

// fields are the hidden values of a page's first form.
func fields(page string) url.Values {
	form := url.Values{}
	if i := strings.Index(page, "</form>"); i >= 0 {
		page = page[:i]
	}
	for _, m := range csrf.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	return form
}

// code waits for the address's newest mail and returns its code.
func (d *demoProcess) code(t *testing.T, c *harness.Client, address string) string {
	t.Helper()
	var code string
	harness.Eventually(t, "waiting for the code", func() string {
		var mails []struct{ To, Text string }
		body := c.Request(http.MethodGet, d.url("mail", "/messages.json"), "").Body
		if err := json.Unmarshal([]byte(body), &mails); err != nil {
			t.Fatal(err)
		}
		if len(mails) == 0 || mails[0].To != address {
			return body
		}
		code = regexp.MustCompile(`\b\d{4} ?\d{4}\b`).FindString(mails[0].Text)
		if code == "" {
			t.Fatalf("no code in %s", mails[0].Text)
		}
		return ""
	})
	return code
}

// signIn goes from the app to the portal and back, by e-mail code and without
// JavaScript.
func (d *demoProcess) signIn(t *testing.T, c *harness.Client, address string) {
	t.Helper()
	page := c.Navigate(d.url("app", "/"))
	form := fields(page.Body)
	form.Set("email", address)
	res := c.Submit(d.url("auth", "/login"), form)
	page = c.Navigate(location(t, res))
	form = fields(page.Body)
	form.Set("code", d.code(t, c, address))
	res = c.Submit(d.url("auth", "/login/code"), form)
	page = c.Navigate(location(t, res))
	if strings.Contains(page.Body, "/login/offer") { // a passkey, which needs JavaScript
		page = c.Navigate(location(t, c.Submit(d.url("auth", "/login/offer"), fields(page.Body[strings.Index(page.Body, `action="/login/offer"`):]))))
	}
	if !strings.Contains(page.Body, "Hello, "+address) {
		t.Fatalf("not back at the app, but at %s:\n%s", page.Request.URL, page.Body)
	}
}

func location(t *testing.T, res harness.Response) string {
	t.Helper()
	u, err := res.Location()
	if err != nil {
		t.Fatalf("%s %s answered %s:\n%s", res.Request.Method, res.Request.URL, res.Status, res.Body)
	}
	return u.String()
}

func TestDemo_StrangerSignsInByCode(t *testing.T) {
	t.Parallel()
	const address = "alice@example.com"
	d := startDemo(t, harness.TempDir(t))
	c := harness.NewClient(t, "")
	d.signIn(t, c, address)

	if res := c.Navigate(d.url("wiki", "/")); !strings.Contains(res.Body, "Hello, "+address) {
		t.Errorf("the wiki asked again, at %s", res.Request.URL)
	}
	var e harness.Echo
	if err := json.Unmarshal([]byte(c.Request(http.MethodGet, d.url("app", "/echo?x=1"), "").Body), &e); err != nil {
		t.Fatal(err)
	}
	if e.URI != "/echo?x=1" || e.Headers["Remote-Email"][0] != address || len(e.Headers["Cookie"]) != 0 {
		t.Errorf("the app saw %+v", e)
	}
	ws, status := c.OpenWebSocket(d.url("app", "/ws"))
	if ws == nil {
		t.Fatalf("WebSocket: %d", status)
	}
	if err := ws.Send("hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := ws.Receive(); err != nil || got != "hello" {
		t.Errorf("WebSocket: %q, %v", got, err)
	}
	events, status := c.OpenEvents(d.url("wiki", "/events"))
	if events == nil {
		t.Fatalf("events: %d", status)
	}
	if got, err := events.Next(); err != nil || got != "1" {
		t.Errorf("events: %q, %v", got, err)
	}

	// Ctrl-C waits for neither of them, and the next run still knows the user.
	if took := d.End(os.Interrupt); took > 2*time.Second {
		t.Errorf("Ctrl-C took %v", took)
	}
	again := harness.Start(t, harness.TempDir(t), nil, harness.Binary(t), "demo", "--port", fmt.Sprint(d.port), "--data", d.data)
	again.WaitOutput("The demo is ready")
	if res := c.Navigate(d.url("app", "/")); !strings.Contains(res.Body, "Hello, "+address) {
		t.Errorf("the next run does not know the session, at %s", res.Request.URL)
	}
}

func TestDemo_EndsAtOnceOnEverySignal(t *testing.T) {
	t.Parallel()
	data := harness.TempDir(t)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		d := startDemo(t, data)
		if took := d.End(sig); took > 2*time.Second {
			t.Errorf("%v: took %v", sig, took)
		}
		if strings.Contains(strings.ToLower(d.Output()), "error") {
			t.Errorf("%v:\n%s", sig, d.Output())
		}
	}
}
