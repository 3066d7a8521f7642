package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

func TestKeysCommand_RotatesOnTheRunningServer(t *testing.T) {
	s := newSite(t, "", "")
	at := []string{"--socket", s.socket()}
	command := func(args ...string) string {
		t.Helper()
		out, errOut, code := runCaddy(t, append(append([]string{"keys"}, args...), at...)...)
		if code != 0 || errOut != "" {
			t.Fatalf("keys %q: %d\n%s%s", args, code, out, errOut)
		}
		return out
	}
	list := func() (keys []adminKey) {
		t.Helper()
		if err := json.Unmarshal([]byte(command("list", "--json")), &keys); err != nil {
			t.Fatal(err)
		}
		return keys
	}
	first := list()
	if len(first) != 1 || first[0].State != "signing" {
		t.Fatalf("at the start: %+v", first)
	}
	var next adminKey
	if err := json.Unmarshal([]byte(command("rotate", "--json")), &next); err != nil {
		t.Fatal(err)
	}
	if next.ID == first[0].ID || next.State != "next" || time.Until(next.SignsFrom) < 30*time.Minute {
		t.Errorf("published is %+v", next)
	}
	if said, want := command("rotate"), "Key "+next.ID+" is published and signs from "+next.SignsFrom.Format(time.RFC3339)+". "; !strings.HasPrefix(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	lines := strings.Split(command("list"), "\n")
	if len(lines) != 4 || strings.Join(strings.Fields(lines[2]), " ") != next.ID+" next "+next.SignsFrom.Format(time.RFC3339)+" - -" || !strings.HasPrefix(lines[1], first[0].ID+"  signing  ") {
		t.Errorf("listed %q", lines)
	}
	said := command("rotate", "--now")
	if now := list(); len(now) != 1 || now[0].State != "signing" || now[0].ID == first[0].ID || now[0].ID == next.ID ||
		!strings.HasPrefix(said, "Key "+now[0].ID+" signs from now on, and every other one is deleted. ") {
		t.Errorf("after --now: %+v\n%s", now, said)
	}
}

func TestKeysCommand_WorksOnTheFileOfAServerThatIsOff(t *testing.T) {
	file := filepath.Join(t.TempDir(), "auth.db")
	keys := func() (n int) {
		t.Helper()
		db, err := bolt.Open(file, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.View(t.Context(), func(tx store.Tx) error {
			all, err := tx.ListKeys()
			n = len(all)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	rotate := func(args ...string) (string, string, int) {
		t.Helper()
		return runCaddy(t, append([]string{"keys", "rotate", "--database", file}, args...)...)
	}
	if _, errOut, code := rotate("--now"); code != 1 || !strings.Contains(errOut, "no server is running") {
		t.Errorf("without a database: %d %s", code, errOut)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a database was made")
	}
	db, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := db.Update(t.Context(), func(tx store.Tx) error { return tx.PutKey(&store.Key{ID: id, Use: "sig", CreatedAt: time.Now()}) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, errOut, code := rotate("--now"); code != 1 || !strings.Contains(errOut, "in use by another process; stop that process first") {
		t.Errorf("in use: %d %s", code, errOut)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := rotate(); code != 1 || !strings.Contains(errOut, "needs the running server") || !strings.Contains(errOut, "--now") || keys() != 2 {
		t.Errorf("without --now: %d %s", code, errOut)
	}
	out, errOut, code := rotate("--now")
	if code != 0 || errOut != "" || !strings.HasPrefix(out, "Every signing key in "+file+" is deleted, and the next start makes a new one. ") || keys() != 0 {
		t.Errorf("%d %s%s", code, out, errOut)
	}
	if out, _, code := rotate("--now", "--json"); code != 0 || out != "{}\n" {
		t.Errorf("%d %s", code, out)
	}
}

func TestKeysCommand_ErrorsAreASentenceAndACode(t *testing.T) {
	for command, want := range map[string]string{
		"keys":               "write what to do: list, rotate\n",
		"keys frob":          "keys frob is no command; write one of: list, rotate\n",
		"keys rotate now":    "\"now\" is too much; write caddy passwordless keys rotate\n",
		"keys list a":        "\"a\" is too much; write caddy passwordless keys list\n",
		"keys rotate --soon": "unknown flag: --soon\n",
	} {
		out, errOut, code := runCaddy(t, strings.Fields(command)...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errOut, "caddy: "+want) {
			t.Errorf("%s: %d, stdout %q\n%s, want %q", command, code, out, errOut, want)
		}
	}
	_, errOut, code := runCaddy(t, "keys", "rotate", "--now", "--socket", "/nowhere/admin.sock")
	if code != exitFailed || !strings.Contains(errOut, "no server is running that listens at /nowhere/admin.sock") {
		t.Errorf("a socket is no database: %d %s", code, errOut)
	}
}
