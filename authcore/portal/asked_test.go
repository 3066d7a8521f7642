package portal

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func byInvitation(c *authcore.Config) { c.Registration.Mode = "invite" }

// Somebody without an account proves the address, and is told that an admin
// decides: by the code and by the link alike, and at an address that can be
// reloaded.
func TestAsked_ByCodeAndByLink(t *testing.T) {
	bothShapes(t, byInvitation, func(t *testing.T, s *site) {
		users := s.records().counts.Users
		coded := s.browser()
		page := coded.fill(coded.load(appURL+"/x"), "/login", "email", nobody).want(t, 200, "Check your mail") // EN: as for everybody
		page = coded.code(page).want(t, 200, "Your request has arrived")
		if page.url.Path != s.svc.Base()+"/login/asked" {
			t.Errorf("at %s", page.url)
		}
		coded.load(page.url.String()).want(t, 200, "Your request has arrived") // reloaded

		linked := s.browser()
		linked.fill(linked.load(appURL+"/x"), "/login", "email", "another@example.com")
		link, secret, _ := strings.Cut(s.lastMail().link, "#")
		linked.next(linked.fetch(linked.load(link), "/login/link", mailed{Token: secret})).want(t, 200, "Your request has arrived")

		if list, err := s.svc.Applicants(t.Context()); err != nil || len(list) != 2 || list[0].Email != nobody {
			t.Errorf("%v, %v", list, err)
		}
		if s.records().counts.Users != users || coded.session() != "" || linked.session() != "" {
			t.Error("there is an account, or somebody is signed in (EM-7)")
		}
		german := pageLoad("none")
		german["Accept-Language"] = "de"
		coded.send("GET", page.url.String(), "", german).want(t, 200, "Ihre Anfrage ist angekommen")

		// Approved, the same address signs in.
		_, err := s.svc.Approve(t.Context(), "cli", authcore.NewUser{Email: nobody})
		s.must(err)
		if m := s.lastMail(); m.to != nobody || m.link != s.svc.URL("/login") {
			t.Errorf("told: %s %s", m.to, m.link)
		}
		coded.code(coded.fill(coded.load(appURL+"/x"), "/login", "email", nobody)).want(t, 200, "use a passkey")
	})
}

func TestAsked_PageIsTheSameForEverybody(t *testing.T) {
	s := newSite(t)
	page := s.browser().load(portalURL+"/login/asked").want(t, 200, "An administrator of Example decides")
	if strings.Contains(page.body, "@") {
		t.Error("it names somebody")
	}
}

// A browser inside another app often has no passkeys, and says nothing of it.
func TestLogin_InsideAnotherAppSaysHowToGoOn(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 350.0.0.12.90": "You are inside Instagram",
		"Mozilla/5.0 (Linux; Android 16; Pixel 9; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/145.0.0.0 Mobile Safari/537.36": "You are inside another app",
		firefox: "",
	} {
		s := newSite(t)
		b := s.browser()
		b.agent = agent
		page := b.load(portalURL+"/login").want(t, 200, want)
		if want == "" && strings.Contains(page.body, "You are inside") {
			t.Errorf("%s: it speaks of an app", agent)
		}
		s.reload(func(c *authcore.Config) { c.NoPasskey = true })
		if strings.Contains(b.load(portalURL+"/login").body, "You are inside") {
			t.Errorf("%s: it warns of passkeys that there are not", agent)
		}
		b.code(b.fill(page, "/login", "email", ada)) // the code path works there
		if b.session() == "" {
			t.Errorf("%s: not signed in", agent)
		}
	}
}
