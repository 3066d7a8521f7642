package caddymodule

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func (s *site) socket() string { return filepath.Join(s.dir, "data", socketName) }

// ask sends one request over the site's socket.
func (s *site) ask(t *testing.T, method, path string, query url.Values, body, into any) error {
	t.Helper()
	c, err := (target{socket: s.socket()}).connect()
	if err != nil {
		t.Fatal(err)
	}
	return c.call(t.Context(), method, strings.Split(path, "/"), query, body, into)
}

func TestAdmin_ManagesUsersSessionsAndInvitations(t *testing.T) {
	s := newSite(t, "allow group:staff", "")
	get := func() int {
		t.Helper()
		status, err := s.get(s.client(t, "h1"))
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	var bob adminUser
	if err := s.ask(t, http.MethodPost, "users", nil, adminNew{Email: "Bob@Example.com", Groups: []string{"b", "a"}}, &bob); err != nil {
		t.Fatal(err)
	}
	if bob.Email != "bob@example.com" || bob.Name != "bob@example.com" || strings.Join(bob.Groups, ",") != "a,b" || bob.Admin {
		t.Errorf("added %+v", bob)
	}
	for _, who := range []string{"bob@example.com", bob.ID} {
		var again adminUser
		if err := s.ask(t, http.MethodGet, "users/"+who, nil, nil, &again); err != nil || again.ID != bob.ID {
			t.Errorf("%s: %+v, %v", who, again, err)
		}
	}
	if err := s.ask(t, http.MethodPut, "users/bob@example.com/name", nil, map[string]string{"name": "bob"}, nil); err != nil {
		t.Error(err)
	}
	var sessions adminPage[adminSession]
	if err := s.ask(t, http.MethodGet, "users/alice/sessions", nil, nil, &sessions); err != nil || len(sessions.Items) != 1 || sessions.Items[0].User != "alice@example.com" {
		t.Fatalf("%+v, %v", sessions, err)
	}
	// Each change is seen by the guard with the very next request.
	for _, step := range []struct {
		method, path string
		body         any
		want         int
	}{
		{http.MethodPut, "users/alice/groups", map[string][]string{"groups": {"other"}}, http.StatusForbidden},
		{http.MethodPut, "users/alice/groups", map[string][]string{"groups": {"staff"}}, http.StatusOK},
		{http.MethodDelete, "sessions/" + sessions.Items[0].ID, nil, http.StatusUnauthorized},
		{http.MethodPost, "users/alice/disable", nil, http.StatusUnauthorized},
		{http.MethodPost, "users/alice/enable", nil, http.StatusUnauthorized},
		{http.MethodDelete, "users/alice", nil, http.StatusUnauthorized},
	} {
		if err := s.ask(t, step.method, step.path, nil, step.body, nil); err != nil {
			t.Fatalf("%s %s: %v", step.method, step.path, err)
		}
		if got := get(); got != step.want {
			t.Errorf("after %s %s: %d, want %d", step.method, step.path, got, step.want)
		}
	}
	var made adminInvite
	if err := s.ask(t, http.MethodPost, "invites", nil, adminNew{Email: "carol@example.com", Groups: []string{"staff"}}, &made); err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(made.Link, "/.auth/invite#")
	in, err := s.service().AcceptInvite(t.Context(), secret, authcore.Browser{})
	if err != nil {
		t.Fatalf("%s: %v", made.Link, err)
	}
	s.cookie = "__Host-passwordless=" + in.Token.Reveal()
	if got := get(); got != http.StatusOK {
		t.Errorf("invited: %d", got)
	}
	if err := s.ask(t, http.MethodDelete, "users/carol@example.com/sessions", nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != http.StatusUnauthorized {
		t.Errorf("signed out: %d", got)
	}
}

func TestAdmin_ListsPageByPage(t *testing.T) {
	s := newSite(t, "", "")
	for _, who := range []string{"b@example.com", "c@example.com", "d@example.com", "e@example.com"} {
		s.signIn(t, authcore.NewUser{Email: who})
	}
	users, sessions := map[string]bool{}, map[string]bool{}
	for query := (url.Values{"limit": {"2"}}); ; {
		var page adminPage[adminUser]
		if err := s.ask(t, http.MethodGet, "users", query, nil, &page); err != nil || len(page.Items) > 2 {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, u := range page.Items {
			users[u.Email] = true
		}
		if page.Next == "" {
			break
		}
		query.Set("after", page.Next)
	}
	for query := (url.Values{"limit": {"2"}}); ; {
		var page adminPage[adminSession]
		if err := s.ask(t, http.MethodGet, "sessions", query, nil, &page); err != nil || len(page.Items) > 2 {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, x := range page.Items {
			sessions[x.User] = true
		}
		if page.Next == "" {
			break
		}
		query.Set("after", page.Next)
	}
	if len(users) != 5 || len(sessions) != 5 {
		t.Errorf("%d users, %d sessions", len(users), len(sessions))
	}
}

// Whoever may use the socket may make mistakes, and hears of them in a sentence.
func TestAdmin_RefusesInSentences(t *testing.T) {
	s := newSite(t, "", "")
	for _, tc := range []struct {
		method, path string
		query        url.Values
		body         any
		want         string
	}{
		{http.MethodGet, "users/nobody", nil, nil, "There is no such user."},
		{http.MethodDelete, "sessions/nothing", nil, nil, "There is no such session."},
		{http.MethodPost, "users", nil, adminNew{Email: "alice@example.com"}, "There is a user with that address already."},
		{http.MethodPost, "users", nil, adminNew{Email: "x@example.com", Admin: true}, "malformed"},
		{http.MethodPost, "users", nil, adminNew{Email: "x@example.com", Groups: []string{"a,b"}}, "A group has"},
		{http.MethodPost, "users", nil, map[string]any{"email": "x@example.com", "role": "admin"}, "malformed"},
		{http.MethodPost, "users", nil, adminNew{Email: strings.Repeat("x", maxAdminBody)}, "malformed"},
		{http.MethodPut, "users/alice/name", nil, map[string]string{"name": "other"}, "The user has a name already"},
		{http.MethodGet, "users", url.Values{"limit": {"100000"}}, nil, "malformed"},
		{http.MethodGet, "sessions", url.Values{"after": {"x"}}, nil, "malformed"},
		{http.MethodGet, "nothing", nil, nil, "404"},
	} {
		if err := s.ask(t, tc.method, tc.path, tc.query, tc.body, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: %v, want %q", tc.method, tc.path, err, tc.want)
		}
	}
	c, err := (target{socket: s.socket()}).connect()
	if err != nil {
		t.Fatal(err)
	}
	c.database = "/another/auth.db"
	if err := c.call(t.Context(), http.MethodGet, []string{"ping"}, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "not /another/auth.db") {
		t.Errorf("about another database: %v", err)
	}
}

// It stays the same socket over reloads and answers for the newest
// configuration.
func TestAdmin_SurvivesReloads(t *testing.T) {
	s := newSite(t, "", "")
	before, err := os.Lstat(s.socket())
	if err != nil || before.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("%v, %v", before.Mode(), err)
	}
	c, err := (target{socket: s.socket()}).connect()
	if err != nil {
		t.Fatal(err)
	}
	for _, admins := range []string{"first@example.com", "second@example.com"} {
		s.app = reloadWith(t, s, "admins "+admins)
		var made adminInvite
		if err := c.call(t.Context(), http.MethodPost, []string{"invites"}, nil, adminNew{Admin: true}, &made); err != nil {
			t.Fatal(err)
		}
		_, secret, _ := strings.Cut(made.Link, "#")
		if info, err := s.service().PeekInvite(t.Context(), secret); err != nil || info.Email != admins {
			t.Errorf("%+v, %v", info, err)
		}
	}
	if after, err := os.Lstat(s.socket()); err != nil || !os.SameFile(before, after) {
		t.Errorf("another socket, %v", err)
	}
}

func reloadWith(t *testing.T, s *site, option string) *App {
	t.Helper()
	raw, err := adapt(t, strings.Replace(s.caddyfile(), "passwordless {\n", "passwordless {\n"+option+"\n", 1))
	if err != nil {
		t.Fatal(err)
	}
	load(t, raw)
	return running(t)
}

func TestSocket_ReplacesWhatADeadProcessLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), socketName)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	ln := mustListen(t, path)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func mustListen(t *testing.T, path string) net.Listener {
	t.Helper()
	ln, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// ST-1: a link that somebody put there leads nowhere.
func TestSocket_NeverReplacesWhatIsNoSocket(t *testing.T) {
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, socketName)
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func() error{
		"a link to a file":  func() error { return os.Symlink(victim, path) },
		"a link to nothing": func() error { return os.Symlink(filepath.Join(dir, "nothing"), path) },
		"a file":            func() error { return os.Link(victim, path) },
		"a directory":       func() error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := make(); err != nil {
				t.Fatal(err)
			}
			if ln, err := listenSocket(path); err == nil || !strings.Contains(err.Error(), "no socket") {
				t.Errorf("listener %v, error %v", ln, err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		})
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("%q, %v", data, err)
	}
}

// Two databases in one directory: the later one has the socket, and the end of
// the earlier one leaves it alone.
func TestSocket_ALaterOneOfThisProcessTakesOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), socketName)
	first, second := mustListen(t, path), mustListen(t, path)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := dialSocket(path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// A path that no socket address can hold is reached through its directory.
func TestSocket_LongPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, socketName)
	ln := mustListen(t, path)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"version":"x"}`) }), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(ln) }()
	var p adminPing
	if err := (&target{socket: path}).do(t.Context(), http.MethodGet, []string{"ping"}, nil, &p); err != nil || p.Version != "x" {
		t.Errorf("%+v, %v", p, err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Whoever cannot be reached is told apart: not running, not ours.
func TestClient_SaysWhyNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	ask := func(at target) error { return at.do(context.Background(), http.MethodGet, []string{"ping"}, nil, nil) }
	for name, tc := range map[string]struct {
		at         target
		want, hint string
	}{
		"no socket":        {target{database: filepath.Join(dir, "auth.db")}, "no server is running that listens at " + filepath.Join(dir, socketName), "Start it first."},
		"no configuration": {target{config: filepath.Join(dir, "Caddyfile")}, "reading the configuration", "--database"},
	} {
		err := ask(tc.at)
		said, ok := errors.AsType[*commandError](err)
		if !ok || !strings.Contains(said.Error(), tc.want) || !strings.Contains(said.hint, tc.hint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWaiting_CountsInWords(t *testing.T) {
	for n, want := range map[int64]string{1: "1 mail is waiting", 2: "2 mails are waiting"} {
		if got := waiting(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// Who asks from another home than the service's is told so; what was named
// already is not asked for again.
func TestClient_HintFitsWhatWasNamed(t *testing.T) {
	const otherUser, elsewhere, byConfig = "sudo -u caddy ", "--database", "--config"
	for _, tc := range []struct {
		at        target
		byDefault bool
		want, not []string
	}{
		{target{}, true, []string{otherUser, elsewhere, byConfig}, nil},
		{target{config: "Caddyfile"}, true, []string{otherUser, elsewhere}, []string{byConfig}},
		{target{config: "Caddyfile"}, false, []string{elsewhere}, []string{otherUser, byConfig}},
		{target{database: "/x.db"}, false, []string{elsewhere, byConfig}, []string{otherUser}},
	} {
		hint := tc.at.startHint(tc.byDefault)
		for _, part := range tc.want {
			if !strings.Contains(hint, part) {
				t.Errorf("%+v: %q does not say %q", tc.at, hint, part)
			}
		}
		for _, part := range tc.not {
			if strings.Contains(hint, part) {
				t.Errorf("%+v: %q says %q", tc.at, hint, part)
			}
		}
	}
}

func TestClient_FindsTheDatabase(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("TEST_DATA", "/from/env")
	caddyfile := write("Caddyfile", "{\npasswordless {\ndatabase {env.TEST_DATA}/auth.db\n}\n}\napp.example.com {\npasswordless_guard\n}\n")
	asJSON := write("caddy.json", `{"apps":{"passwordless":{"database":"/from/json/auth.db"}}}`)
	plain := write("plain", "app.example.com {\npasswordless_guard\n}\n")
	t.Chdir(t.TempDir())
	for _, tc := range []struct {
		name, env, want string
		at              target
	}{
		{"Caddyfile", "/env.db", "/from/env/auth.db", target{config: caddyfile}},
		{"JSON", "", "/from/json/auth.db", target{config: asJSON}},
		{"the path itself", "/env.db", "/x.db", target{database: "/x.db", config: caddyfile}},
		{"environment", "/env.db", "/env.db", target{}},
		{"defaults", "", "/passwordless/auth.db", target{config: plain}},
		{"nothing", "", "/passwordless/auth.db", target{}},
	} {
		t.Setenv("DATABASE_PATH", tc.env)
		got, byDefault, err := tc.at.findDatabase()
		if err != nil || !strings.HasSuffix(got, tc.want) || byDefault != strings.HasPrefix(tc.want, "/passwordless/") {
			t.Errorf("%s: %s, %v, %v; want %s", tc.name, got, byDefault, err, tc.want)
		}
	}
	t.Chdir(dir)
	t.Setenv("DATABASE_PATH", "")
	if got, _, err := (target{}).findDatabase(); err != nil || got != "/from/env/auth.db" {
		t.Errorf("Caddyfile at hand: %s, %v", got, err)
	}
	if _, _, err := (target{config: write("broken", "{\npasswordless {\nfrob\n}\n}\n")}).findDatabase(); err == nil {
		t.Error("a broken Caddyfile names a database")
	}
}
