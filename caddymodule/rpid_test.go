package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

// populate makes a database of users with passkeys, as a server leaves it: n
// with one for the rp_id of old, every tenth an admin, every hundredth with
// another passkey for the name to be, and one who has none.
func populate(t *testing.T, path string, n int) {
	t.Helper()
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.SetMeta("rp_id", []byte("app.example.test")); err != nil {
			return err
		}
		for i := range n + 1 {
			id := fmt.Sprintf("user%07d", i)
			u := &store.User{
				ID: id, Email: id + "@example.com", Name: id, Handle: []byte(id), Epoch: 1,
				Admin: i%10 == 0, CreatedAt: time.Now(), VerifiedAt: time.Now(),
			}
			if err := tx.PutUser(u); err != nil {
				return err
			}
			for _, rpID := range []string{"app.example.test", "example.test"} {
				if i == n || rpID == "example.test" && i%100 != 0 {
					continue
				}
				if err := tx.PutPasskey(&store.Passkey{ID: []byte(id + rpID), UserID: id, Name: "Key", RPID: rpID}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func rpidJSON(t *testing.T, args ...string) (r rpidReport, code int) {
	t.Helper()
	out, errOut, code := runCaddy(t, append([]string{"doctor", "--json", "--rp-id", "example.test"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s%s", err, out, errOut)
	}
	return r, code
}

// A database of more users than a page holds, without a server: everybody is
// looked at, and the worst stands first.
func TestDoctorRPID_WithoutAServer(t *testing.T) {
	const users = 2*maxPage + 100
	dir := t.TempDir()
	database, config := filepath.Join(dir, "auth.db"), filepath.Join(dir, "Caddyfile")
	populate(t, database, users)
	configure := func(words string) {
		t.Helper()
		text := fmt.Sprintf("{\npasswordless {\ndatabase %s\n%s\n}\n}\napp.example.test {\npasswordless_guard\n}\n", database, words)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const smtp = "smtp mail.internal {\nfrom a@example.com\n}\n"
	some := (users + 99) / 100
	admins := (users+9)/10 - some
	for _, tc := range []struct {
		name, words, mail string
		flags             []string
		code              int
		want              map[authcore.Loss]int
	}{
		{"with mail", smtp, mailWorks, []string{"--config", config}, 1, map[authcore.Loss]int{authcore.LosesEverything: 0, authcore.LosesRole: admins, authcore.LosesPasskeys: users - admins - some, authcore.LosesSome: some}},
		{"without a mail server", "", mailOff, []string{"--config", config}, 1, map[authcore.Loss]int{authcore.LosesEverything: users - some, authcore.LosesRole: 0, authcore.LosesPasskeys: 0, authcore.LosesSome: some}},
		{"without the method", smtp + "methods passkey", mailOff, []string{"--config", config}, 1, map[authcore.Loss]int{authcore.LosesEverything: users - some, authcore.LosesRole: 0, authcore.LosesPasskeys: 0, authcore.LosesSome: some}},
		{"without a configuration", smtp, mailUnknown, []string{"--database", database}, 1, map[authcore.Loss]int{authcore.LosesEverything: users - some, authcore.LosesRole: 0, authcore.LosesPasskeys: 0, authcore.LosesSome: some}},
	} {
		configure(tc.words)
		r, code := rpidJSON(t, tc.flags...)
		if code != tc.code || r.Users != users+1 || r.Mail != tc.mail || r.Before != "app.example.test" || len(r.Items) != users {
			t.Errorf("%s: exit %d, %d of %d users, mail %s, rp_id %s", tc.name, code, len(r.Items), r.Users, r.Mail, r.Before)
		}
		for loss, n := range tc.want {
			if r.Loses[loss] != n {
				t.Errorf("%s: %d lose %s, want %d", tc.name, r.Loses[loss], loss, n)
			}
		}
		if !slices.IsSortedFunc(r.Items, func(a, b adminLoss) int {
			return slices.Index(lossOrder, a.Loses) - slices.Index(lossOrder, b.Loses)
		}) || !r.Items[0].Admin || !r.Items[0].HandOut || r.Items[users-1].HandOut {
			t.Errorf("%s: first %+v, last %+v", tc.name, r.Items[0], r.Items[users-1])
		}
		if noted := strings.Contains(strings.Join(r.Notes, "\n"), "name it with --config"); noted != (tc.mail == mailUnknown) {
			t.Errorf("%s: noted %q", tc.name, r.Notes)
		}
	}
	configure(smtp)
	out, errOut, code := runCaddy(t, "doctor", "--rp-id", "app.example.test", "--config", config)
	if code != 0 || !strings.Contains(out, "that is the rp_id already") || !strings.Contains(out, fmt.Sprint("Users: ", users+1, ", 0 lose every way in")) {
		t.Errorf("without a change: exit %d, %s%s", code, out, errOut)
	}
	out, errOut, code = runCaddy(t, "doctor", "--rp-id", "example.test", "--database", filepath.Join(dir, "none.db"))
	if code != 1 || !strings.Contains(errOut, "no server is running") || out != "" {
		t.Errorf("no database: exit %d, %s%s", code, out, errOut)
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); err == nil {
		t.Error("asking made a database")
	}
}

// The running server answers for itself, in words too.
func TestDoctorRPID_OfARunningServer(t *testing.T) {
	s := newSite(t, "", "")
	says := func(name string, exit int, want ...string) {
		t.Helper()
		out, errOut, code := runCaddy(t, "doctor", "--rp-id", name, "--socket", s.socket())
		for _, w := range want {
			if !strings.Contains(out+errOut, w) || code != exit {
				t.Errorf("exit %d, %q is not in\n%s%s", code, w, out, errOut)
			}
		}
	}
	says("example.test", 0, "Users: 1, 0 lose every way in")
	give(t, s, "alice@example.com", "app.example.test")
	says("example.test", 0, "every passkey  alice@example.com", "app.example.test", "1 lose every passkey")
	says("example.org", 0, "sign-in has to move to that name or below it")
	reloadWith(t, s, "methods passkey")
	says("example.test", exitFailed, "every way in  alice@example.com", "none but a link", "off", "invite --lost EMAIL", "somebody would lose access")
	if r, code := rpidJSON(t, "--socket", s.socket()); code != exitFailed || len(r.Items) != 1 || r.Items[0].Stop != 1 || r.Portal != "https://app.example.test:"+s.port {
		t.Errorf("exit %d, %+v", code, r)
	}
}

// give stores a passkey for a user of a running site.
func give(t *testing.T, s *site, who, rpID string) {
	t.Helper()
	u, err := s.service().FindUser(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	if err := running(t).lease.value.rt.Store().Update(context.Background(), func(tx store.Tx) error {
		return tx.PutPasskey(&store.Passkey{ID: []byte(who), UserID: u.ID, Name: "Key", RPID: rpID})
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDoctorRPID_RefusesWhatMakesNoSense(t *testing.T) {
	s := newSite(t, "", "")
	for _, tc := range []struct{ flags, want string }{
		{"--rp-id https://example.com", "is no host name"},
		{"--rp-id=", "the host name is missing"},
		{"--rp-id 192.0.2.7", "is an address"},
		{"--rp-id example.com --app wiki.example.com", "leave --app out"},
		{"--rp-id example.com --timeout 5s", "leave --timeout out"},
	} {
		_, errOut, code := runCaddy(t, append([]string{"doctor", "--socket", s.socket()}, strings.Fields(tc.flags)...)...)
		if code != exitUsage || !strings.Contains(errOut, tc.want) {
			t.Errorf("%s: exit %d, %s", tc.flags, code, errOut)
		}
	}
	if err := s.ask(t, "GET", "rp-id/a_b", nil, nil, nil); err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("over the socket: %v", err)
	}
}

// A server that has the database open and cannot be reached is not gone round.
func TestDoctorRPID_DoesNotShareADatabase(t *testing.T) {
	s := newSite(t, "", "")
	database := filepath.Join(s.dir, "data", "auth.db")
	if err := os.Rename(s.socket(), s.socket()+".away"); err != nil {
		t.Fatal(err)
	}
	out, errOut, code := runCaddy(t, "doctor", "--rp-id", "example.test", "--database", database)
	if code != exitFailed || !strings.Contains(errOut, "in use by another process") || !strings.Contains(errOut, "--socket") || out != "" {
		t.Errorf("exit %d, %s%s", code, out, errOut)
	}
}
