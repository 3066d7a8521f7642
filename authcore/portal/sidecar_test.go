package portal

import (
	"strings"
	"testing"
)

func TestSidecar_WholeJourneyOnOneHost(t *testing.T) {
	s := newSidecar(t)
	b := s.browser()
	page := b.load(appURL+"/x").want(t, 200, "Sign in to Example")
	if page.url.Path != "/.auth/login" {
		t.Fatalf("sign-in is at %s", page.url)
	}
	page = b.code(b.fill(page, "/.auth/login", "email", ada)).want(t, 200, "use a passkey")
	page = b.fill(page, "/.auth/login/offer").want(t, 200, "the app sees "+ada)
	if page.url.String() != appURL+"/x" {
		t.Errorf("ended at %s", page.url)
	}
	for _, loc := range b.seen {
		if strings.Contains(loc, "/callback") || !strings.HasPrefix(loc, "/.auth/") && !strings.HasPrefix(loc, appURL+"/") {
			t.Errorf("sent to %s", loc)
		}
	}
	page = b.load(appURL+"/.auth/account").want(t, 200, ada)
	b.load(appURL+"/.auth/").want(t, 200, "Your account")
	b.load(appURL+"/.auth/me").want(t, 200, `"email":"`+ada+`"`)
	b.fill(page, "/.auth/logout").want(t, 200, "You are signed out")
	b.load(appURL+"/x").want(t, 200, "Sign in to Example")
}

// An invitation names no page of the app, and the app is where people want to be.
func TestSidecar_InvitationLeadsToTheApp(t *testing.T) {
	s := newSidecar(t)
	b := s.browser()
	where, secret, _ := strings.Cut(s.invite("new@example.com"), "#")
	page := b.next(b.fetch(b.load(where), "/invite", mailed{Token: secret})).want(t, 200, "use a passkey")
	if page = b.fill(page, "/.auth/login/offer").want(t, 200, "the app sees new@example.com"); page.url.String() != appURL+"/" {
		t.Errorf("ended at %s", page.url)
	}
	b.load(appURL+"/.auth/login").want(t, 200, "Your account") // by its own address it is the account
	page = b.load(appURL+"/.auth/logout").want(t, 200, "Sign out?")
	b.fill(page, "/.auth/logout").want(t, 200, "Example is closed to you")
}

func TestSidecar_LinkElsewhere(t *testing.T) {
	s := newSidecar(t)
	asked, other := s.browser(), s.browser()
	asked.fill(asked.load(appURL+"/x"), "/.auth/login", "email", ada)
	link, secret, _ := strings.Cut(s.lastMail().link, "#")
	if link != appURL+"/.auth/login/link" {
		t.Fatalf("the link leads to %s", link)
	}
	other.next(other.fetch(other.load(link), "/login/link", mailed{Token: secret})).want(t, 200, "the app sees "+ada)
}

func TestSidecar_DeniedByItsOwnPolicy(t *testing.T) {
	s := newSidecar(t)
	b := s.browser()
	page := b.signIn(bob, appURL+"/x").want(t, 403, "This app is not open to you")
	b.fill(page, "/.auth/logout?switch=1").want(t, 200, "Sign in to Example")
}

func TestSidecar_ServesNoAPIAndNoOtherPath(t *testing.T) {
	s := newSidecar(t)
	b := s.browser()
	for _, path := range []string{"/.auth/api/me", "/.auth/api/login/email", "/.auth/admin", "/.auth/nothing"} {
		b.load(appURL+path).want(t, 404, "")
	}
	for _, path := range []string{"/.auth//login", "/.auth/login/", "/.auth/x/../login", "/.auth/login;x"} {
		b.send("GET", appURL+path, "", pageLoad("none")).want(t, 404, "")
	}
}
