package portal

import (
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func TestAddress_ChangedByTheCodeThatGoesThere_EM6(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		const to = "ada.new@example.org"
		b := s.browser()
		b.signIn(ada, s.svc.URL("/account"))
		page := b.link(b.account(), "Change").want(t, 200, "Your address is")
		page = b.fill(page, "/account/email", "email", "Ada.New@Example.ORG").want(t, 200, "If <strong>"+to)
		code := s.lastMail()
		if code.to != to || code.link != "" {
			t.Fatalf("the mail goes to %s, with link %q", code.to, code.link)
		}
		if s.user(ada).Email != ada {
			t.Error("it changed before it was confirmed")
		}
		b.load(s.svc.URL("/account/email")).want(t, 200, "Code from the mail") // the code is still awaited
		wrong := b.fill(page, "/account/email/confirm", "code", "0000 0000").want(t, 400, "not the code from the newest mail")
		if strings.Contains(wrong.body, code.code) {
			t.Error("the page tells the code")
		}
		before := b.session()
		b.fill(page, "/account/email/confirm", "code", code.code).want(t, 200, "E-mail address changed. The old one got a notice").want(t, 200, to)
		if b.session() == before {
			t.Error("the session kept its id (SE-2)")
		}
		if told := s.lastMail(); told.to != ada || !strings.Contains(told.link, "/not-me#") {
			t.Errorf("the notice goes to %s", told.to)
		}
		about := b.fetch(b.load(s.svc.URL("/not-me")), "/not-me/peek", mailed{Token: s.notices()[0]}).json(t)
		if want := "The e-mail address was changed from " + ada + " to " + to + "."; about["email"] != ada || about["what"] != want {
			t.Errorf("the page of the notice says %v", about)
		}
		s.noSecretsIn(t, code.code, b)
		b.raw(b.account(), "/account/email/confirm", "code", code.code).want(t, 400, "was used, is too old") // the back button
		s.browser().signIn(to, s.svc.URL("/account"))
	})
}

func TestAddress_RefusalsStandOnThePage(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	page := b.load(portalURL + "/account/email")
	for name, value := range badValues() {
		before := s.records()
		f := b.form(page, "/account/email")
		f.values.Set("email", value)
		checkRefused(t, b.sendForm(f), name)
		s.unchanged(t, before, name)
	}
	b.fill(page, "/account/email", "email", "nonsense").want(t, 400, `aria-invalid="true"`).want(t, 400, "one @")
	b.fill(page, "/account/email", "email", ada).want(t, 409, "That is your address already")

	// Five wrong codes end it, and the page asks for the address again.
	page = b.fill(page, "/account/email", "email", "new@example.org")
	code := s.lastMail().code
	for range 4 {
		page = b.fill(page, "/account/email/confirm", "code", "00000000").want(t, 400, "not the code")
	}
	page = b.fill(page, "/account/email/confirm", "code", "00000000").want(t, 400, "mistyped five times").want(t, 400, "New e-mail address")
	b.raw(page, "/account/email/confirm", "code", code).want(t, 400, "was used, is too old")

	page = b.fill(page, "/account/email", "email", "new@example.org")
	s.wait(10*time.Minute + time.Second)
	b.fill(page, "/account/email/confirm", "code", s.lastMail().code).want(t, 400, "was used, is too old").want(t, 400, "New e-mail address")
	if s.user(ada).Email != ada {
		t.Error("the address changed")
	}
}

// EN: an address that somebody has is answered like any other.
func TestAddress_SaysNothingOfOthers_EN(t *testing.T) {
	s := newSite(t)
	answers := map[string]string{}
	for _, address := range []string{bob, gone, "free@example.org"} {
		b := s.browser()
		b.signIn(ada, portalURL+"/")
		page := b.fill(b.load(portalURL+"/account/email"), "/account/email", "email", address)
		wrong := b.fill(page, "/account/email/confirm", "code", "00000000")
		text := strings.ReplaceAll(page.Status+page.body+wrong.Status+wrong.body, address, "ADDRESS")
		answers[address] = secretLike.ReplaceAllString(text, "SECRET")
	}
	if answers[bob] != answers["free@example.org"] || answers[gone] != answers["free@example.org"] {
		t.Error("the answers differ")
	}
	for _, m := range s.mails() {
		if m.to == bob || m.to == gone {
			t.Errorf("%s was mailed", m.to)
		}
	}
}
