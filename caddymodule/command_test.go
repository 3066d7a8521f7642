package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// asCaddy makes the test binary a Caddy with the module in it, as xcaddy would.
const asCaddy = "TEST_AS_CADDY"

func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		caddycmd.Main()
		return
	}
	os.Exit(atHome(m))
}

// atHome runs the tests with a data directory of their own: a configuration
// without a database uses Caddy's, which is somebody's.
func atHome(m *testing.M) int {
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(home) }()
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"} {
		if err := os.Setenv(name, home); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// caddyCommand prepares a Caddy of its own process.
func caddyCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), asCaddy+"=1", "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, "DATABASE_PATH=")
	cmd.Dir = home
	return cmd
}

// runCaddy runs "caddy passwordless …".
func runCaddy(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := caddyCommand(t, append([]string{"passwordless"}, args...)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func TestCommand_WorksOnTheRunningServer(t *testing.T) {
	s := newSite(t, "allow group:staff", "")
	config := filepath.Join(s.dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(s.caddyfile()), 0o600); err != nil {
		t.Fatal(err)
	}
	id := s.live(t).Session.ID
	for _, step := range []struct{ command, want string }{
		{"health", "mail:      ok\n"}, // before the commands below mail a notice, which nobody here takes
		{"user add bob@example.com --name bob --display-name Bob --group staff --group ops", "name:          bob\ndisplay name:  Bob\ngroups:        ops,staff\nstate:         never signed in\n"},
		{"user list", "bob@example.com    bob    ops,staff  never signed in"},
		{"user show alice", "email:                alice@example.com\n"},
		{"user show alice", "state:                active\n"},
		{"user groups bob --none", "bob has these groups: -\n"},
		{"user groups bob staff", "bob has these groups: staff\n"},
		{"user disable bob", "bob is disabled.\n"},
		{"user show bob", "disabled, never signed in"},
		{"user enable bob", "bob is enabled.\n"},
		{"user add carol@example.com", "name:    carol@example.com\n"},
		{"user name carol@example.com carol", "carol@example.com is now called carol.\n"},
		{"user delete carol", "carol is deleted.\n"},
		{"session list", id + "  alice@example.com  "},
		{"session list alice", id + "  alice@example.com  "},
		{"session revoke " + id, "Ended: " + id + "\n"},
		{"session revoke --user alice", "alice is signed out everywhere.\n"},
		{"invite dan@example.com", "https://app.example.test:" + s.port + "/.auth/invite#"},
		{"invite --lost alice", "https://app.example.test:" + s.port + "/.auth/invite#"},
	} {
		out, errOut, code := runCaddy(t, append(strings.Fields(step.command), "--config", config)...)
		if code != 0 || errOut != "" || !strings.Contains(out, step.want) {
			t.Errorf("%s: %d\n%s%s, want %q", step.command, code, out, errOut, step.want)
		}
	}
	if status, err := s.get(s.client(t, "h1")); err != nil || status != http.StatusUnauthorized {
		t.Errorf("after session revoke: %d, %v", status, err)
	}
}

func TestCommand_JSONIsAllThereIs(t *testing.T) {
	s := newSite(t, "", "")
	for _, command := range []string{
		"user list", "user show alice", "user add bob@example.com", "user disable bob@example.com", "user enable bob@example.com", "user groups alice a",
		"user name bob@example.com bob", "user delete bob", "session list", "session list alice", "session revoke --user alice",
		"invite x@example.com", "invite x@example.com --mail", "invite --admin x@example.com", "user requests",
		"health", "keys list", "keys rotate", "keys rotate --now",
	} {
		out, errOut, code := runCaddy(t, append(strings.Fields(command), "--json", "--socket", s.socket())...)
		if code != 0 || errOut != "" || !json.Valid([]byte(out)) {
			t.Errorf("%s: %d\n%s%s", command, code, out, errOut)
		}
	}
}

// DESIGN §11: 1 failed, 2 usage; one sentence and a hint on stderr, nothing on
// stdout, where a script reads.
func TestCommand_ErrorsAreASentenceAndACode(t *testing.T) {
	s := newSite(t, "", "")
	at := []string{"--socket", s.socket()}
	nowhere := []string{"--database", filepath.Join(t.TempDir(), "auth.db")}
	for _, tc := range []struct {
		command string
		at      []string
		code    int
		want    string
	}{
		{"user show nobody", at, 1, "caddy: There is no such user.\n"},
		{"session revoke nothing", at, 1, "caddy: nothing: There is no such session.\n"},
		{"invite not-an-address", at, 1, "caddy: "},
		{"user list", nowhere, 1, "caddy: no server is running that listens at "},
		{"user list extra", at, 2, "caddy: \"extra\" is too much; write caddy passwordless user list\n"},
		{"user list --frob", at, 2, "caddy: unknown flag: --frob\nSee: caddy passwordless user list --help\n"},
		{"bogus", nil, 2, "caddy: passwordless bogus is no command; write one of: doctor, explain, health, invite, keys, session, token, user\nSee: caddy passwordless --help\n"},
		{"--frob", nil, 2, "caddy: unknown flag: --frob\n"},
		{"user show", at, 2, "caddy: name the user: an e-mail address, user name or id\nSee: caddy passwordless user show --help\n"},
		{"user show a b", at, 2, "caddy: \"b\" is too much; write caddy passwordless user show WHO\n"},
		{"user add", at, 2, "caddy: name the user's e-mail address\n"},
		{"user delete", at, 2, "caddy: name the user: "},
		{"user groups", at, 2, "caddy: name the user: "},
		{"user name alice", at, 2, "caddy: name what the user is to be called\n"},
		{"user", at, 2, "caddy: write what to do: add, approve, decline, delete, disable, enable, groups, list, name, requests, show\n"},
		{"invite --lost nobody@example.com", at, 1, "caddy: There is no such user."},
		{"invite --lost --admin a@example.com", at, 2, "caddy: --lost is for an account as it is"},
		{"invite --admin", at, 1, "caddy: no single admin is configured; write --admin ADDRESS\n"},
		{"user frob", at, 2, "caddy: user frob is no command"},
		{"user groups alice", at, 2, "caddy: name all groups"},
		{"user groups alice a --none", at, 2, "caddy: name all groups"},
		{"session revoke", at, 2, "caddy: name sessions, or a user with --user\n"},
		{"invite", at, 2, "caddy: name the e-mail address to invite\n"},
	} {
		out, errOut, code := runCaddy(t, append(strings.Fields(tc.command), tc.at...)...)
		if code != tc.code || out != "" || !strings.HasPrefix(errOut, tc.want) || strings.Count(errOut, "\n") > 2 {
			t.Errorf("%s: %d, stdout %q\n%s, want %d %q", tc.command, code, out, errOut, tc.code, tc.want)
		}
	}
}

// The binary has the commands at its top; its main asks the error for the code.
func TestCommands_StandAloneToo(t *testing.T) {
	for args, code := range map[string]int{"user show": exitUsage, "user list --socket /nowhere/admin.sock": exitFailed} {
		root := &cobra.Command{Use: "passwordless-auth"}
		root.AddCommand(Commands()...)
		root.SetArgs(strings.Fields(args))
		var said bytes.Buffer
		root.SetErr(&said)
		cmd, err := root.ExecuteC()
		var coded interface{ ExitCode() int }
		if !errors.As(err, &coded) || coded.ExitCode() != code || !cmd.SilenceErrors || !strings.HasPrefix(said.String(), "passwordless-auth: ") {
			t.Errorf("%s: %v, said %q", args, err, said.String())
		}
	}
}

// ST-5: a second process fails at once and says why; the first goes on.
func TestProcess_ASecondOneOnTheSameDatabase(t *testing.T) {
	s := newSite(t, "", "")
	config := filepath.Join(t.TempDir(), "Caddyfile")
	other := strings.NewReplacer("storage file_system "+s.dir, "storage file_system "+t.TempDir(), "output file "+s.dir+"/log.json", "output stderr",
		":"+s.port, ":"+freePort(t)).Replace(s.caddyfile())
	if err := os.WriteFile(config, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := caddyCommand(t, "run", "--config", config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), filepath.Join(s.dir, "data", "auth.db")+": the database is in use by another process; stop that process first") {
		t.Errorf("%v\n%s", err, out)
	}
	if status, err := s.get(s.client(t, "h1")); err != nil || status != http.StatusOK {
		t.Errorf("the first: %d, %v", status, err)
	}
	if err := s.ask(t, http.MethodGet, "ping", nil, nil, nil); err != nil {
		t.Errorf("its socket: %v", err)
	}
}

// What a killed process leaves behind does not stop the next one.
func TestProcess_StartsAfterAKill(t *testing.T) {
	dir := t.TempDir()
	config, socket := filepath.Join(dir, "Caddyfile"), filepath.Join(dir, "data", socketName)
	text := fmt.Sprintf("{\nadmin off\npersist_config off\nstorage file_system %[1]s\npasswordless {\ndatabase %[1]s/data/auth.db\n}\n}\nhttp://app.localhost:%[2]s {\nbind 127.0.0.1\npasswordless_guard\n}\n", dir, freePort(t))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := target{socket: socket}
	alive := func() bool { return at.do(t.Context(), http.MethodGet, []string{"ping"}, nil, nil) == nil }
	for range 2 {
		cmd := caddyCommand(t, "run", "--config", config)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an answer", alive)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		if _, err := os.Lstat(socket); err != nil {
			t.Errorf("it cleaned up, so this shows nothing: %v", err)
		}
	}
}
