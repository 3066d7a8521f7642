package test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// issuing is a server whose name every program resolves, with a guarded app of
// each example.
type issuing struct {
	*world
	verifiers []*verifier
	hosts     []string // the app of each
	api       *harness.Client
}

// apiTokens is what the API answers at sign-in and refresh.
type apiTokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Session string `json:"session_token"`
	User    struct{ ID string }
}

const issuingHost = "localhost"

func startIssuing(t *testing.T) *issuing {
	t.Helper()
	var hosts, env []string
	var addrs []string
	sites := issuingHost + " {\n\tpasswordless_portal\n}\n"
	for i, example := range verifiers {
		hosts, addrs = append(hosts, example.name+".example.test"), append(addrs, loopback(harness.FreePort(t)))
		env = append(env, fmt.Sprintf("SERVICE%d=%s", i, addrs[i]))
		sites += fmt.Sprintf("%s {\n\tpasswordless_guard {\n\t\tassertion on\n\t}\n\treverse_proxy {$SERVICE%d}\n}\n", hosts[i], i)
	}
	w := &issuing{hosts: hosts, world: startWorld(t, worldOptions{
		globals: "portal https://" + issuingHost + ":{$HTTPS}\nregistration open\n" + roomy +
			"client " + verifiedClient + ` "Example Web" {` + "\naudience " + verifiedAudience + "\n}\n" +
			`client other "Another" {` + "\naudience https://other.example.test\n}\n" +
			`client shared "A third" {` + "\naudience " + verifiedAudience + "\n}\n",
		sites: sites, caddy: harness.CaddyOptions{Env: env},
	})}
	for i, example := range verifiers {
		program, args := example.command(t)
		w.verifiers = append(w.verifiers, startVerifier(t, program, args, addrs[i], w.URL(issuingHost, ""), w.URL(hosts[i], ""), w.RootCA(t)))
	}
	w.api = w.client(t)
	return w
}

// post sends JSON to the API and decodes what comes, which must have the status.
func (w *issuing) post(t *testing.T, path string, status int, body map[string]string, into any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res := w.api.Request(http.MethodPost, w.URL(issuingHost, path), string(raw), "Content-Type", "application/json")
	if err := json.Unmarshal([]byte(res.Body), into); err != nil || res.StatusCode != status {
		t.Fatalf("%s: %s %s", path, res.Status, res.Body)
	}
}

// signInAPI signs somebody in by a mailed code.
func (w *issuing) signInAPI(t *testing.T, address, client string) (got apiTokens) {
	t.Helper()
	var begun struct{ Flow string }
	w.post(t, "/api/login/email", http.StatusAccepted, map[string]string{"email": address, "client_id": client}, &begun)
	w.post(t, "/api/login/email/verify", http.StatusOK, map[string]string{"flow": begun.Flow, "code": w.mail.Wait(address).Code(t)}, &got)
	return got
}

func (w *issuing) refresh(t *testing.T, old apiTokens) (got apiTokens) {
	t.Helper()
	w.post(t, "/api/token/refresh", http.StatusOK, map[string]string{"refresh_token": old.Refresh}, &got)
	return got
}

// kid is the key that signed a token.
func kid(t *testing.T, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	var header struct{ Kid string }
	if err == nil {
		err = json.Unmarshal(raw, &header)
	}
	if err != nil || header.Kid == "" {
		t.Fatalf("header %s: %v", raw, err)
	}
	return header.Kid
}

// rotate has the keys rotated by the command, and answers the new one's id.
func (w *issuing) rotate(t *testing.T, args ...string) string {
	t.Helper()
	exit := w.command(t, append([]string{"keys", "rotate", "--json"}, args...)...)
	var key struct{ ID string }
	if err := json.Unmarshal([]byte(exit.Stdout), &key); err != nil || key.ID == "" {
		t.Fatalf("%d %s%s", exit.Code, exit.Stdout, exit.Stderr)
	}
	return key.ID
}

// published are the key ids of the JWKS.
func (w *issuing) published(t *testing.T) (kids []string) {
	t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	res := w.api.Request(http.MethodGet, w.URL(issuingHost, "/.well-known/jwks.json"), "")
	if err := json.Unmarshal([]byte(res.Body), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		kids = append(kids, k.Kid)
	}
	return kids
}

// all asks every example with an access token. What it says may take a moment:
// none of them reads the keys twice in five seconds.
func (w *issuing) all(t *testing.T, what, token string, want int) {
	t.Helper()
	for _, v := range w.verifiers {
		harness.Eventually(t, what+": "+v.Name, func() string {
			if status, _ := v.says(t, token); status != want {
				return fmt.Sprintf("it answers %d, want %d", status, want)
			}
			return ""
		})
	}
}

// HD-6, JW-3: the examples know who is here by what our server really signs, and
// take neither kind of token for the other.
func TestVerifiers_KnowWhoIsHere(t *testing.T) {
	w := startIssuing(t)
	const address = "alice@example.test"
	got := w.signInAPI(t, address, verifiedClient)
	other, shared := w.signInAPI(t, address, "other"), w.signInAPI(t, address, "shared")
	for i, v := range w.verifiers {
		if status, sub := v.says(t, got.Access); status != http.StatusOK || sub != got.User.ID {
			t.Errorf("%s: an access token: %d %q, want %q", v.Name, status, sub, got.User.ID)
		}
		c := w.client(t)
		w.enter(t, c, w.URL(w.hosts[i], "/"), address)
		res := c.Navigate(w.URL(w.hosts[i], "/hello"))
		if sub := subject(t, res); sub != got.User.ID {
			t.Errorf("%s: behind the guard: %s %q, want %q", v.Name, res.Status, sub, got.User.ID)
		}
		// What the guard does not say is not believed, wherever it comes from.
		if res := c.Request(http.MethodGet, w.URL(w.hosts[i], "/api/hello"), ""); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: an assertion is an access token: %s", v.Name, res.Status)
		}
		for what, token := range map[string]string{
			"of another audience": other.Access, "of another client": shared.Access, "a session token": got.Session, "a refresh token": got.Refresh,
		} {
			if status, _ := v.says(t, token); status != http.StatusUnauthorized {
				t.Errorf("%s: %s: %d", v.Name, what, status)
			}
		}
		for what, token := range map[string]string{"an access token": got.Access, "a session token": got.Session, "nothing": ""} {
			if status, _ := v.asserts(t, token); status != http.StatusUnauthorized {
				t.Errorf("%s: %s is an assertion: %d", v.Name, what, status)
			}
		}
		if status, _ := v.ask(t, "/hello"); status != http.StatusUnauthorized {
			t.Errorf("%s: no assertion at all: %d", v.Name, status)
		}
	}
}

// A rotation from its begin to its end, and a leak after that.
func TestVerifiers_FollowARotation_JW5(t *testing.T) {
	w := startIssuing(t)
	first := w.signInAPI(t, "alice@example.test", verifiedClient)
	w.all(t, "before", first.Access, http.StatusOK)
	old := kid(t, first.Access)

	next := w.rotate(t)
	if kids := w.published(t); len(kids) != 2 || kids[0] != old || kids[1] != next {
		t.Fatalf("published are %q, want %s and then %s", kids, old, next)
	}
	second := w.refresh(t, first)
	if kid(t, second.Access) != old {
		t.Error("the new key signs before it can be known")
	}
	w.all(t, "while the next key waits", second.Access, http.StatusOK)

	w.anHourPasses(t)
	third := w.refresh(t, second)
	if kids := w.published(t); kid(t, third.Access) != next || len(kids) != 2 || kids[0] != next {
		t.Fatalf("signed by %s, published are %q", kid(t, third.Access), kids)
	}
	w.all(t, "by the new key", third.Access, http.StatusOK)
	w.all(t, "by the old key", second.Access, http.StatusOK)

	last := w.rotate(t, "--now")
	fourth := w.refresh(t, third)
	if kids := w.published(t); kid(t, fourth.Access) != last || len(kids) != 1 || kids[0] != last {
		t.Fatalf("signed by %s, published are %q", kid(t, fourth.Access), kids)
	}
	w.all(t, "after the leak", fourth.Access, http.StatusOK)
	w.all(t, "by the key that leaked", third.Access, http.StatusUnauthorized)
	me := func(token string) int {
		return w.api.Request(http.MethodGet, w.URL(issuingHost, "/api/me"), "", "Authorization", "Bearer "+token).StatusCode
	}
	if dead, good := me(third.Access), me(fourth.Access); dead != http.StatusUnauthorized || good != http.StatusOK {
		t.Errorf("here the old token is answered %d and the new one %d", dead, good)
	}
}

// anHourPasses stops the server, moves what it has stored of its keys an hour
// back, and starts it again.
func (w *issuing) anHourPasses(t *testing.T) {
	t.Helper()
	w.Stop()
	db, err := bolt.Open(w.database(), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error {
		keys, err := tx.ListKeys()
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.CreatedAt = k.CreatedAt.Add(-time.Hour); !k.SignsFrom.IsZero() {
				k.SignsFrom = k.SignsFrom.Add(-time.Hour)
			}
			if err := tx.PutKey(k); err != nil {
				return err
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
	w.Run(t)
}

// database is where the server has it by default.
func (w *issuing) database() string {
	return filepath.Join(w.Dir, ".local", "share", "caddy", "passwordless", "auth.db")
}
