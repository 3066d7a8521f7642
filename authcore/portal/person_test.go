package portal

import (
	"encoding/json"
	"fmt"
	"mime"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestName_IsChangedAndRefusedOnThePage(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		b := s.browser()
		b.signIn(ada, s.svc.URL("/account"))
		page := b.fill(b.account(), "/account/name", "name", "Ada <Lovelace>").want(t, 200, "Name changed").want(t, 200, "<bdi>Ada &lt;Lovelace&gt;</bdi>")
		for _, bad := range []string{strings.Repeat("ä", 65), " x"} {
			b.fill(page, "/account/name", "name", bad).want(t, 400, "up to 64 characters").want(t, 400, "<h1>Your account</h1>")
		}
		b.fill(page, "/account/name", "name", "").want(t, 200, "Name changed")
		s.wait(16 * time.Minute)
		b.fill(page, "/account/name", "name", "Eve").want(t, 200, "Mail me a code")
		if u := s.user(ada); u.DisplayName != "" {
			t.Errorf("the name is %q", u.DisplayName)
		}
	})
}

// happen writes lines into the history of a user, one a second.
func (s *site) happen(address string, n int) {
	s.t.Helper()
	u := s.user(address)
	s.must(s.db.Update(s.t.Context(), func(tx store.Tx) error {
		for i := range n {
			at := s.clock().Add(time.Duration(i) * time.Second)
			r := &store.AuditRecord{ID: fmt.Sprintf("%020d-%s", at.UnixNano(), u.ID), Time: at, Type: "access_denied", Subject: u.ID, IP: fmt.Sprintf("198.51.100.%d", i), Details: map[string]string{"host": "app.example.com"}}
			if err := tx.AppendAudit(r); err != nil {
				return err
			}
		}
		return nil
	}))
	s.wait(time.Duration(n) * time.Second)
}

func TestHistory_AllOfItAPageAtATime(t *testing.T) {
	s := newSite(t)
	b, other := s.browser(), s.browser()
	b.signIn(ada, portalURL+"/")
	other.signIn(bob, portalURL+"/")
	s.happen(bob, 70) // somebody else's
	s.happen(ada, 120)
	lines := regexp.MustCompile(`<bdi>(198\.51\.100\.\d+)</bdi></p></li>`)
	var seen []string
	page := b.link(b.account(), "All of it")
	for range 5 {
		for _, m := range lines.FindAllStringSubmatch(page.body, -1) {
			seen = append(seen, m[1])
		}
		if !strings.Contains(page.body, ">Older</a>") {
			break
		}
		page = b.link(page, "Older").want(t, 200, ">Newest</a>")
	}
	if strings.Contains(page.body, ">Older</a>") {
		t.Error("it never ends")
	}
	var want []string
	for i := 119; i >= 0; i-- {
		want = append(want, fmt.Sprintf("198.51.100.%d", i))
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%d lines: %v", len(seen), seen)
	}
	b.link(page, "Newest").want(t, 200, "198.51.100.119")
	for _, bad := range []string{"x", "%00", "..%2f", marker, strings.Repeat("9", 4000)} {
		if a := b.load(portalURL + "/account/history?before=" + bad); a.StatusCode != 200 || strings.Contains(a.body, marker) {
			t.Errorf("before=%.20s: %d", bad, a.StatusCode)
		}
	}
}

// Every kind of record that may be about a person has words for them.
func TestHistory_SaysEveryKindInWords(t *testing.T) {
	source, err := os.ReadFile("../txn.go")
	if err != nil {
		t.Fatal(err)
	}
	// Not told, not about an account that its owner sees, or about none.
	others := []string{"webauthn_register_started", "webauthn_login_started", "user_invited", "user_deleted", "user_asked", "user_declined", "config_probed", "config_keys_rotated", "config_key_removed"}
	kinds := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bev[A-Z]\w*\s*=\s*"([a-z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		kinds[m[1]] = true
		if eventWords[m[1]] == "" && !slices.Contains(others, m[1]) {
			t.Errorf("%s has no words", m[1])
		}
	}
	if len(kinds) < 40 {
		t.Fatalf("only %d kinds were found", len(kinds))
	}
	for kind := range namedWords {
		if eventWords[kind] == "" {
			t.Errorf("%s has words with a name only", kind)
		}
	}
	for kind := range eventWords {
		if !kinds[kind] {
			t.Errorf("%s is no kind of record", kind)
		}
	}
}

// A sign-in by passkey that ends in an app: which passkey, which app, and nothing
// of what only began.
func TestHistory_NamesAppAndPasskey(t *testing.T) {
	s := newSite(t)
	b, k := s.withPasskey()
	b.next(k.prove(b, b.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	b.load(appURL+"/").want(t, 200, "the app sees")
	name := s.passkeys(ada)[0].Name
	for _, page := range []*answer{b.account(), b.load(portalURL + "/account/history")} {
		page.want(t, 200, "<p>Opened app.example.com</p>").want(t, 200, "<p>The passkey "+name+" was used</p>")
		if strings.Contains(page.body, " began") || strings.Contains(page.body, "_started") {
			t.Errorf("it says what only began: %s", page.body)
		}
	}
	b.load(portalURL+"/account/history").want(t, 200, "<p>Passkey "+name+" added</p>").want(t, 200, "<p>Signed in</p>")
}

func TestData_IsAFileWithoutSecrets(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		b, secret := s.withTOTP()
		codes := b.withCodes()
		a := b.raw(b.account(), "/account/data").want(t, 200, "{")
		kind, params, err := mime.ParseMediaType(a.Header.Get("Content-Disposition"))
		if err != nil || kind != "attachment" || params["filename"] != "account.json" || a.Header.Get("Content-Type") != "application/json" ||
			a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", a.Header)
		}
		var data map[string]any
		if err := json.Unmarshal([]byte(a.body), &data); err != nil {
			t.Fatal(err)
		}
		if data["email"] != ada || len(data["sessions"].([]any)) != 1 || len(data["history"].([]any)) < 5 || data["totp"] == nil {
			t.Errorf("%v", data)
		}
		for _, word := range []string{"hash", "sealed", "salt", "secret", "handle", "public_key", "epoch", b.session(), strings.ReplaceAll(secret, " ", ""), codes[0], strings.ReplaceAll(codes[0], "-", "")} {
			if strings.Contains(a.body, word) {
				t.Errorf("the copy holds %.12s…", word)
			}
		}
		s.wait(16 * time.Minute)
		b.follow(b.raw(b.account(), "/account/data")).want(t, 200, "Confirm it’s you")
	})
}

func deletable(c *authcore.Config) { c.SelfDelete = "allow" }

func TestDelete_EndsTheAccountForGood(t *testing.T) {
	bothShapes(t, deletable, func(t *testing.T, s *site) {
		b, other := s.browser(), s.browser()
		other.signIn(ada, s.svc.URL("/account"))
		b.signIn(ada, appURL+"/").want(t, 200, "the app sees "+ada)
		page := b.fill(b.account(), "/account/delete", "email", "another@example.com").want(t, 409, "Type your e-mail address to delete the account")
		if !strings.Contains(page.body, `<details open><summary>Delete my account`) {
			t.Error("the form is folded up again")
		}
		f := b.form(page, "/account/delete")
		f.values.Set("email", "ADA@example.com")
		done := b.sendForm(f)
		if done.StatusCode != 303 || done.Header.Get("Clear-Site-Data") != `"cache"` || len(b.jar[s.svc.Portal().Host]) > 0 {
			t.Errorf("%d, cookies left: %v", done.StatusCode, b.jar[s.svc.Portal().Host])
		}
		b.follow(done).want(t, 200, "Your account is deleted")
		b.load(appURL+"/").want(t, 200, "Sign in to Example")
		other.account().want(t, 200, "Sign in to Example")
		before := len(s.mails())
		b.fill(b.load(s.svc.URL("/login")), "/login", "email", ada).want(t, 200, "Check your mail") // EN: as anybody
		if len(s.mails()) != before {
			t.Error("an account that there is not gets a mail")
		}
	})
}

func TestDelete_IsOffWhereTheOperatorSaysSo(t *testing.T) {
	s := newSite(t) // registration is closed: so it is
	b := s.browser()
	page := b.signIn(ada, portalURL+"/")
	if strings.Contains(page.body, "Delete my account") {
		t.Error("it is offered")
	}
	b.raw(page, "/account/delete", "email", ada).want(t, 403, "Not available")
	b.account().want(t, 200, ada)
}

// The last admin stays.
func TestDelete_OfTheLastAdminIsRefusedOnThePage(t *testing.T) {
	s := newSite(t, deletable)
	link, err := s.svc.Invite(t.Context(), "cli", authcore.NewUser{Email: "root@example.com"}, true)
	s.must(err)
	b, k := s.browser(), newAuthenticator()
	where, secret, _ := strings.Cut(link, "#")
	b.next(b.fetch(b.load(where), "/invite", mailed{Token: secret}))
	b.next(k.add(b, b.account()))
	b.next(k.prove(b, b.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	b.fill(b.account(), "/account/delete", "email", "root@example.com").want(t, 409, "That is the last admin")
}

func TestDevices_TheOthersAreSignedOut(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		phone, laptop := s.browser(), s.browser()
		phone.signIn(ada, appURL+"/")
		laptop.signIn(ada, appURL+"/")
		page := laptop.fill(laptop.account(), "/revoke-others").want(t, 200, "All other browsers and apps are signed out")
		if strings.Contains(page.body, "/revoke-others") {
			t.Error("it is offered where there are no others")
		}
		phone.load(appURL+"/").want(t, 200, "Sign in to Example")
		laptop.load(appURL+"/").want(t, 200, "the app sees "+ada)
	})
}

// What a person has not given is said, and not left blank.
func TestAccount_SaysThatThereIsNoName(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	for name, want := range map[string]bool{"": true, "Ada": false} {
		page := show(t, r, accountPage{Page: r.page("", "x"), Name: name}).Body.String()
		if strings.Contains(page, ">not set<") != want {
			t.Errorf("%q: it says that there is no name: %v", name, !want)
		}
	}
}
