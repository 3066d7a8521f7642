package test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// terminal is where somebody uses examples/cli: a home folder of their own.
type terminal struct {
	program string
	home    string
	env     []string
}

func newTerminal(t *testing.T, env ...string) *terminal {
	t.Helper()
	c := &terminal{program: filepath.Join(harness.TempDir(t), "cli"), home: harness.TempDir(t)}
	build := exec.Command("go", "build", "-o", c.program, "./examples/cli")
	build.Dir = harness.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building examples/cli: %v\n%s", err, out)
	}
	c.env = append(env, "XDG_CONFIG_HOME="+filepath.Join(c.home, "config"))
	return c
}

// run runs a command to its end.
func (c *terminal) run(t *testing.T, args ...string) harness.Exit {
	t.Helper()
	return harness.Exec(t, c.home, c.env, c.program, args...)
}

// says runs a command that must work, and returns what it prints.
func (c *terminal) says(t *testing.T, args ...string) string {
	t.Helper()
	exit := c.run(t, args...)
	if exit.Code != 0 || exit.Stderr != "" {
		t.Fatalf("cli %s: code %d\n%s", strings.Join(args, " "), exit.Code, exit.Stderr)
	}
	return strings.TrimSpace(exit.Stdout)
}

// refuses runs a command that must not work, and must say so.
func (c *terminal) refuses(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	if exit := c.run(t, args...); exit.Code != code || !strings.Contains(exit.Stderr, text) || exit.Stdout != "" {
		t.Errorf("cli %s: code %d\n%s%s", strings.Join(args, " "), exit.Code, exit.Stdout, exit.Stderr)
	}
}

func (c *terminal) file() string {
	return filepath.Join(c.home, "config", "passwordless-cli", "session.json")
}

// talk is a command that asks questions.
type talk struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	heard strings.Builder
}

func (c *terminal) talk(t *testing.T, args ...string) *talk {
	t.Helper()
	k := &talk{t: t, cmd: exec.CommandContext(t.Context(), c.program, args...)}
	k.cmd.Dir, k.cmd.Env = c.home, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.home}, c.env...)
	var err error
	if k.in, err = k.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	k.cmd.Stderr = k.cmd.Stdout
	k.out = bufio.NewReader(out)
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return k
}

// answer waits for the question and types a line.
func (k *talk) answer(question, line string) {
	k.t.Helper()
	for !strings.HasSuffix(k.heard.String(), question+": ") {
		c, err := k.out.ReadByte()
		if err != nil {
			k.t.Fatalf("%q is not asked:\n%s", question, k.heard.String())
		}
		k.heard.WriteByte(c)
	}
	if _, err := io.WriteString(k.in, line+"\n"); err != nil {
		k.t.Fatal(err)
	}
}

// end types nothing more, reads the rest and returns the exit code with all that
// was said.
func (k *talk) end() (int, string) {
	k.t.Helper()
	_ = k.in.Close() // a question more is answered by "nothing was typed"
	rest, err := io.ReadAll(k.out)
	if err != nil {
		k.t.Fatal(err)
	}
	_ = k.cmd.Wait() // the code says it
	return k.cmd.ProcessState.ExitCode(), k.heard.String() + string(rest)
}

func TestDemo_CLISignsIn(t *testing.T) {
	const alice = "alice@example.com"
	d := startDemo(t, harness.TempDir(t), harness.FreePort(t))
	probe := harness.NewClient(t, "")
	c := newTerminal(t, "AUTH_URL="+d.url("auth", ""))
	c.refuses(t, 1, "you are not signed in: cli login", "me")

	login := c.talk(t, "login")
	login.answer("E-mail address", alice)
	login.answer("Code", "1234")
	login.answer("Code", d.code(t, alice))
	if code, said := login.end(); code != 0 || !strings.Contains(said, "Wrong code.") || !strings.HasSuffix(said, "Signed in as "+alice+"\n") {
		t.Fatalf("code %d\n%s", code, said)
	}
	info, err := os.Stat(c.file())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the session's file: %v, %v", info.Mode(), err)
	}
	if folder, err := os.Stat(filepath.Dir(c.file())); err != nil || folder.Mode().Perm() != 0o700 {
		t.Errorf("its folder: %v, %v", folder.Mode(), err)
	}

	var user struct{ ID, Email string }
	if err := json.Unmarshal([]byte(c.says(t, "me")), &user); err != nil || user.Email != alice {
		t.Errorf("%+v, %v", user, err)
	}
	token := c.says(t, "token")
	if res := probe.Request(http.MethodGet, d.url("auth", "/api/me"), "", "Authorization", "Bearer "+token); res.StatusCode != http.StatusOK {
		t.Errorf("the token is good for %s", res.Status)
	}
	// Scripts ask for many at once.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if exit := c.run(t, "token"); exit.Code != 0 {
				t.Errorf("one of many: %s", exit.Stderr)
			}
		})
	}
	all.Wait()
	c.says(t, "me")

	if got := c.says(t, "logout"); got != "Signed out." {
		t.Error(got)
	}
	if _, err := os.Stat(c.file()); !os.IsNotExist(err) {
		t.Errorf("the session is still there: %v", err)
	}
	if res := probe.Request(http.MethodGet, d.url("auth", "/api/me"), "", "Authorization", "Bearer "+token); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after logout the token is good for %s", res.Status)
	}
}

func TestDemo_CLIAsksForTheSecondStep(t *testing.T) {
	const bob = "bob@example.com"
	d := startDemo(t, harness.TempDir(t), harness.FreePort(t))
	c := newTerminal(t, "AUTH_URL="+d.url("auth", ""))
	// Elsewhere, the account gets an authenticator app and recovery codes.
	probe := harness.NewClient(t, "")
	type answer struct {
		Flow, Secret string
		Session      string `json:"session_token"`
		Codes        []string
	}
	api := func(path, bearer, body string) (got answer) {
		t.Helper()
		res := probe.Request(http.MethodPost, d.url("auth", path), body, "Content-Type", "application/json", "Authorization", "Bearer "+bearer)
		if err := json.Unmarshal([]byte(res.Body), &got); err != nil || res.StatusCode > 299 {
			t.Fatalf("%s: %s %s", path, res.Status, res.Body)
		}
		return got
	}
	flow := api("/api/login/email", "", `{"email":"`+bob+`"}`).Flow
	session := api("/api/login/email/verify", "", `{"flow":"`+flow+`","code":"`+d.code(t, bob)+`"}`).Session
	secret := api("/api/totp", session, "{}").Secret
	session = api("/api/totp/confirm", session, `{"code":"`+totpCode(t, secret, -1)+`"}`).Session
	recovery := api("/api/recovery-codes", session, "{}").Codes[0]

	login := c.talk(t, "login", bob)
	login.answer("Code", d.nthCode(t, bob, 2))
	login.answer("recovery code", wrongDigits(totpCode(t, secret, 0)))
	login.answer("recovery code", totpCode(t, secret, 0))
	if code, said := login.end(); code != 0 || !strings.Contains(said, "Wrong code.") || !strings.Contains(said, "Signed in as "+bob) {
		t.Fatalf("code %d\n%s", code, said)
	}
	before := c.says(t, "token")

	// A recovery code leads to a browser, and leaves what was there.
	login = c.talk(t, "login", bob)
	login.answer("Code", d.nthCode(t, bob, 3))
	login.answer("recovery code", recovery)
	if code, said := login.end(); code != 1 || !strings.Contains(said, "add a passkey and nothing else: do that in a browser, at "+d.url("auth", "/login")) {
		t.Errorf("code %d\n%s", code, said)
	}
	if email := c.says(t, "me"); !strings.Contains(email, bob) {
		t.Error(email)
	}

	// A new sign-in ends the one before.
	login = c.talk(t, "login", bob)
	login.answer("Code", d.nthCode(t, bob, 4))
	login.answer("recovery code", totpCode(t, secret, 1))
	if code, said := login.end(); code != 0 {
		t.Fatalf("code %d\n%s", code, said)
	}
	if res := probe.Request(http.MethodGet, d.url("auth", "/api/me"), "", "Authorization", "Bearer "+before); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the session before is good for %s", res.Status)
	}
	c.says(t, "me")
}

func TestDemo_CLISaysWhatIsWrong(t *testing.T) {
	const eve = "eve@example.com"
	d := startDemo(t, harness.TempDir(t), harness.FreePort(t))
	c := newTerminal(t)
	for _, args := range [][]string{{}, {"help"}, {"-x", "me"}, {"me", "x"}, {"login", "a", "b"}} {
		c.refuses(t, 2, "cli signs in with passwordless-auth", args...)
	}
	c.refuses(t, 1, "set AUTH_URL", "login", eve)
	c.refuses(t, 1, "it must be https", "-url", "http://auth.example.com", "login", eve)
	c.refuses(t, 1, "is no address of a server", "-url", "auth.example.com", "login", eve)
	c.refuses(t, 1, "is it the sign-in server's address?", "-url", d.url("mail", ""), "login", eve)
	c.refuses(t, 1, "no answer from http://localhost:1", "-url", "http://localhost:1", "login", eve)
	c.refuses(t, 1, "Not an address.", "-url", d.url("auth", ""), "login", "eve")
	c.refuses(t, 1, "Unknown client.", "-url", d.url("auth", ""), "-client", "nobody", "login", eve)
	if exit := c.run(t, "-url", d.url("auth", ""), "login", eve); exit.Code != 1 || !strings.Contains(exit.Stderr, "nothing was typed") {
		t.Errorf("code %d\n%s", exit.Code, exit.Stderr)
	}
	d.code(t, eve) // it has come, so that the next one is the newest

	login := c.talk(t, "-url", d.url("auth", ""), "login", eve)
	login.answer("Code", d.nthCode(t, eve, 2))
	if code, said := login.end(); code != 0 {
		t.Fatalf("code %d\n%s", code, said)
	}
	// Whoever copied the file and uses it ends the session for both.
	stolen, err := os.ReadFile(c.file())
	if err != nil {
		t.Fatal(err)
	}
	c.says(t, "me")
	c.says(t, "me")
	harness.WriteFile(t, filepath.Dir(c.file()), filepath.Base(c.file()), string(stolen))
	c.refuses(t, 1, "Refresh token used twice.", "token")
	c.refuses(t, 1, "you are not signed in: cli login", "token")
}

// A terminal obeys control characters, whoever sent them (LG-2).
func TestCLI_PrintsNothingThatATerminalObeys(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{"code":"X","title":"Get\u001b[2J \u009bout","detail":"of\r here"}`)
	}))
	t.Cleanup(server.Close)
	exit := newTerminal(t).run(t, "-url", server.URL, "login", "eve@example.com")
	if exit.Code != 1 || exit.Stderr != "cli: Get[2J out. of here\n" {
		t.Errorf("code %d, %q", exit.Code, exit.Stderr)
	}
}
