package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// newPortal is a site with a portal of its own and somebody who has signed in
// there.
func newPortal(t *testing.T) *site {
	t.Helper()
	s := &site{upstream: newUpstream(t), port: freePort(t), dir: t.TempDir()}
	text := strings.Replace(s.caddyfile(), "passwordless {\n", "passwordless {\n\t\tportal https://auth.example.test:"+s.port+"\n", 1)
	s.app = run(t, text+fmt.Sprintf("https://auth.example.test:%s {\npasswordless_portal\n}\n", s.port))
	s.issued(t)
	_, s.user = s.signIn(t, authcore.NewUser{Email: "alice@example.com", Name: "alice"})
	return s
}

func TestTokenCommand_PrintsTheTokenAlone(t *testing.T) {
	s := newPortal(t)
	at := []string{"--socket", s.socket()}
	token := func(args ...string) (out string) {
		t.Helper()
		out, errOut, code := runCaddy(t, append(append([]string{"token"}, args...), at...)...)
		if code != 0 || errOut != "" {
			t.Fatalf("token %q: %d\n%s%s", args, code, out, errOut)
		}
		return out
	}
	plain := token("create", "alice@example.com", "--grant", "app=app.example.test,path=/dav/*,methods=GET+PUT,networks=10.1.2.3/8", "--name", "the backup", "--expires", "24h")
	if len(plain) != 54 || !strings.HasPrefix(plain, "pwl_") || !strings.HasSuffix(plain, "\n") {
		t.Fatalf("printed %q", plain)
	}
	var made adminMadeToken
	if err := json.Unmarshal([]byte(token("create", "alice", "--grant", "app=App.example.test", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	if len(made.Token) != 53 || made.App != "app.example.test" || made.User != "alice@example.com" || made.ID == "" || !made.Expires.IsZero() || made.CreatedBy != operator {
		t.Errorf("made %+v", made)
	}
	list := token("list", "alice")
	lines := strings.Split(list, "\n")
	if len(lines) != 4 || !strings.Contains(lines[1], "  the backup  app=app.example.test,path=/dav/*,methods=GET+PUT,networks=10.0.0.0/8  20") || !strings.HasSuffix(lines[1], "  never") ||
		strings.Join(strings.Fields(lines[2]), " ") != made.ID+" - app=app.example.test never never" {
		t.Errorf("listed\n%s", list)
	}
	asJSON := token("list", "alice", "--json")
	for _, secret := range []string{strings.TrimSpace(plain), made.Token, "hash", `"token"`} {
		if strings.Contains(list, secret) || strings.Contains(asJSON, secret) { // AD-4
			t.Errorf("a list holds %q", secret)
		}
	}
	id, _, _ := strings.Cut(lines[1], " ")
	if out := token("revoke", id, made.ID); out != "Revoked: "+id+" "+made.ID+"\n" {
		t.Errorf("said %q", out)
	}
	if out := token("list", "alice", "--json"); out != "[]\n" {
		t.Errorf("left are %s", out)
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "log.json"))
	if err != nil || strings.Contains(string(log), strings.TrimSpace(plain)) { // LG-1
		t.Errorf("the log holds a token (%v)", err)
	}
}

func TestTokenCommand_ErrorsAreASentenceAndACode(t *testing.T) {
	s := newPortal(t)
	if err := s.ask(t, http.MethodPost, "users", nil, adminNew{Email: "new@example.com"}, nil); err != nil {
		t.Fatal(err)
	}
	const app = " --grant app=app.example.test"
	for _, tc := range []struct {
		command string
		code    int
		want    string
	}{
		{"token", 2, "write what to do: create, list, revoke\n"},
		{"token create", 2, "name the user's e-mail address\n"},
		{"token create alice", 2, "say what the token opens, with --grant app=HOST\nSee: caddy passwordless token create --help\n"},
		{"token create alice bob" + app, 2, "\"bob\" is too much; write caddy passwordless token create EMAIL"},
		{"token create alice --grant path=/x", 2, "the grant names no app; write app=HOST\n"},
		{"token create alice --grant admin:users", 2, "admin tokens come with a later version; "},
		{"token create alice --grant app=app.example.test,path=/a/../b", 2, "path of the grant: "},
		{"token create alice --expires tomorrow" + app, 2, "--expires tomorrow is no time to live; write --expires 24h"},
		{"token create alice --expires 0s" + app, 2, "--expires 0s is no time to live"},
		{"token create alice --expires=-1h" + app, 2, "--expires -1h is no time to live"},
		{"token create alice --grant app=https://app.example.test", 2, "app is the app's host, without scheme, port or path, such as wiki.example.com\n"},
		{"token create alice --grant app=other.example.test", 1, "No app is configured at that host; write the app's host without a port, "},
		{"token create alice --grant app=app.example.test:1", 1, "The app has another port; write its host without a port: app.example.test.\n"},
		{"token create nobody@example.com" + app, 1, "There is no such user.\n"},
		{"token create new@example.com" + app, 1, "The user has never signed in, "},
		{"token list", 2, "name the user: "},
		{"token list nobody", 1, "There is no such user.\n"},
		{"token revoke", 2, "name tokens by their ids"},
		{"token revoke nothing", 1, "nothing: There is no such token.\n"},
	} {
		out, errOut, code := runCaddy(t, append(strings.Fields(tc.command), "--socket", s.socket())...)
		if code != tc.code || out != "" || !strings.HasPrefix(errOut, "caddy: "+tc.want) || strings.Count(errOut, "\n") > 2 {
			t.Errorf("%s: %d, stdout %q\n%s, want %d %q", tc.command, code, out, errOut, tc.code, tc.want)
		}
	}
	out, errOut, code := runCaddy(t, "token", "create", "--help")
	if code != 0 || errOut != "" || !strings.Contains(out, "path=/dav/*") || !strings.Contains(out, "Authorization: Bearer TOKEN") {
		t.Errorf("help: %d %s%s", code, out, errOut)
	}
}

// Whoever speaks to the socket without the command hears sentences too.
func TestAdmin_RefusesTokensInSentences(t *testing.T) {
	s := newPortal(t)
	for _, tc := range []struct {
		body any
		want string
	}{
		{adminNewToken{Email: "alice", Grant: "app=app.example.test,paths=/x"}, `"paths=/x" is no word of a grant`},
		{adminNewToken{Email: "alice", Grant: "app=app.example.test", ExpiresSeconds: -1}, "malformed"},
		{adminNewToken{Email: "alice", Grant: "app=app.example.test", ExpiresSeconds: 1 << 62}, "malformed"},
		{map[string]any{"email": "alice", "grant": "app=app.example.test", "user": "bob"}, "malformed"},
	} {
		if err := s.ask(t, http.MethodPost, "tokens", nil, tc.body, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.body, err, tc.want)
		}
	}
}

// DESIGN §2: whoever has no portal is told what to write.
func TestTokenCommand_NeedsAPortal(t *testing.T) {
	s := newSite(t, "", "")
	out, errOut, code := runCaddy(t, "token", "create", "alice", "--grant", "app=app.example.test", "--socket", s.socket())
	if code != 1 || out != "" || !strings.Contains(errOut, "write portal https://") {
		t.Errorf("%d %s%s", code, out, errOut)
	}
}
