package portal

import (
	"net/url"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func TestJourney_CodeFromTheAppWithoutScripts(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.load(appURL+"/reports?year=2026").want(t, 200, "to continue to <strong>app.example.com</strong>")
	page = b.fill(page, "/login", "email", "Ada@Example.com").want(t, 200, "Check your mail")
	page = b.code(page).want(t, 200, "Next time, use a passkey")
	page = b.fill(page, "/login/offer").want(t, 200, "the app sees "+ada)
	if page.url.String() != appURL+"/reports?year=2026" {
		t.Errorf("ended at %s", page.url)
	}
	b.load(wikiURL+"/").want(t, 200, "the app sees "+ada)
	b.load(portalURL+"/").want(t, 200, "Your account")
	s.noSecretsIn(t, s.lastMail().code, b)
	for _, cookies := range b.jar {
		for _, value := range cookies {
			s.noSecretsIn(t, value, b)
		}
	}
}

func TestJourney_SpacedCodeIsTaken(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.fill(b.load(portalURL+"/"), "/login", "email", ada)
	code := s.lastMail().code
	b.fill(page, "/login/code", "code", code[:4]+" "+code[4:]).want(t, 200, "use a passkey")
}

func TestJourney_LinkInTheBrowserThatAsked(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.fill(b.load(appURL+"/x"), "/login", "email", ada)
	link, secret, _ := strings.Cut(s.lastMail().link, "#")
	page := b.load(link).want(t, 200, "Sign in to Example")
	before := s.records()
	about := b.fetch(page, "/login/link/peek", mailed{Token: secret}).json(t)
	if about["same_browser"] != true || about["email"] != ada || about["device"] != "Firefox on Linux" {
		t.Errorf("peek: %v", about)
	}
	if after := s.records(); after.counts.Sessions != before.counts.Sessions || after.takes["link"] != before.takes["link"] {
		t.Error("peek changed something (ML-4)")
	}
	page = b.next(b.fetch(page, "/login/link", mailed{Token: secret})).want(t, 200, "use a passkey")
	page = b.fill(page, "/login/offer").want(t, 200, "the app sees "+ada)
	if page.url.Path != "/x" {
		t.Errorf("ended at %s", page.url)
	}
	b.fetch(b.load(portalURL+"/login/link"), "/login/link", mailed{Token: secret}).want(t, 400, "LINK_INVALID")
	s.noSecretsIn(t, secret, b)
}

func TestJourney_LinkElsewhereSignsInOnlyThatBrowser(t *testing.T) {
	s := newSite(t)
	asked, other := s.browser(), s.browser()
	asked.fill(asked.load(appURL+"/x"), "/login", "email", ada)
	other.agent, other.ip = "Mozilla/5.0 (iPhone) Safari/605.1", "198.51.100.9"
	link, secret, _ := strings.Cut(s.lastMail().link, "#")
	page := other.load(link)
	about := other.fetch(page, "/login/link/peek", mailed{Token: secret}).json(t)
	if about["same_browser"] != false || about["device"] != "Firefox on Linux" {
		t.Errorf("peek elsewhere: %v", about)
	}
	done := other.fetch(page, "/login/link", mailed{Token: secret})
	if got := done.json(t)["next"]; got != appURL+"/x" {
		t.Errorf("next = %v, want the plain app URL", got)
	}
	other.next(done).want(t, 200, "the app sees "+ada)
	asked.load(appURL+"/x").want(t, 200, "Sign in to Example")
	if asked.has(portalURL, "__Host-passwordless") {
		t.Error("the browser that asked was signed in (ML-6)")
	}
}

// has reports whether the browser holds a cookie of an origin.
func (b *browser) has(origin, name string) bool {
	u, err := url.Parse(origin)
	b.s.must(err)
	_, ok := b.jar[u.Hostname()][name]
	return ok
}

// noSecretsIn: no Location and no log line carries the secret.
func (s *site) noSecretsIn(t *testing.T, secret string, bs ...*browser) {
	t.Helper()
	if secret == "" {
		t.Fatal("no secret to look for")
	}
	for _, b := range bs {
		if strings.Contains(strings.Join(b.seen, "\n"), secret) {
			t.Error("a Location carried a secret (RD-4, ML-7)")
		}
	}
	if strings.Contains(s.log.String(), secret) {
		t.Error("a secret was logged (LG-1)")
	}
}

// Where who has a passkey may get no mail, the page that waits for one shows the
// way to use it: to everybody alike (EN).
func TestCode_ShowsTheWayByPasskeyWhereAMailMayNotCome_EN(t *testing.T) {
	const hint = "Do you have a passkey? Sign in with it."
	for mode, want := range map[string]bool{"allow": false, "second": true, "off": true} {
		s := newSite(t, func(c *authcore.Config) { c.EmailAfterPasskey = mode })
		_, _ = s.withPasskey()
		for _, address := range []string{ada, "nobody@example.com"} {
			b := s.browser()
			page := b.fill(b.load(appURL+"/x"), "/login", "email", address).want(t, 200, "Check your mail")
			if strings.Contains(page.body, hint) != want {
				t.Errorf("%s, %s: the hint is there: %v", mode, address, !want)
			}
			if want {
				login := b.link(page, hint).want(t, 200, "Sign in with a passkey")
				if login.to(t) != page.to(t) || page.to(t) == "" {
					t.Errorf("%s: the way back to the app is lost", mode)
				}
			}
		}
	}
}
