package portal

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func TestSecond_CodeOfTheAppEndsTheSignIn(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		_, secret := s.withTOTP()
		b := s.browser()
		page := b.firstStep(ada, appURL+"/x?y=1")
		if b.session() != "" {
			t.Fatal("the mailbox alone signed in")
		}
		b.load(appURL+"/x").want(t, 200, "Sign in to Example") // the app stays closed
		b.account().want(t, 200, "Sign in to Example")
		page = b.fill(page, "/login/totp", "code", s.digits(secret)).want(t, 200, "the app sees "+ada)
		if page.url.String() != appURL+"/x?y=1" {
			t.Errorf("ended at %s", page.url)
		}
		b.load(s.svc.URL("/login/totp")).want(t, 200, "Your account") // the back button
		b.account().want(t, 200, "signed in by e-mail and authenticator app")
	})
}

// What the page shows is the same for every account with the same factors, and
// nobody but the browser that gave the first step sees it.
func TestSecond_PageTellsNothingOfTheAccount_EN(t *testing.T) {
	s := newSite(t)
	_, _ = s.withTOTP()
	b := s.browser()
	page := b.firstStep(ada, portalURL+"/")
	for _, private := range []string{ada, "ada", "Ada", "Firefox", "192.0.2.7", "staff"} {
		if strings.Contains(page.body, private) {
			t.Errorf("the page tells %q", private)
		}
	}
	stranger := s.browser()
	stranger.load(portalURL+"/login/totp").want(t, 200, "Sign in to Example")
	page = stranger.load(portalURL + "/login") // with a flow cookie of its own
	stranger.load(portalURL+"/login/totp").want(t, 200, "Sign in to Example")
	stranger.raw(page, "/login/totp", "code", "000000").want(t, 400, "Start again")
	stranger.raw(page, "/login/recovery", "code", strings.Repeat("0", 24)).want(t, 400, "Start again")

	// A browser that asked for the mail and has not typed its code holds no second
	// step, nor does one with its cookie.
	asked, thief := s.browser(), s.browser()
	asked.fill(asked.load(portalURL+"/"), "/login", "email", ada)
	thief.jar["auth.example.com"] = map[string]string{"__Host-passwordless-flow": asked.jar["auth.example.com"]["__Host-passwordless-flow"]}
	thief.load(portalURL+"/login/totp").want(t, 200, "Sign in to Example")
	if u := s.user(ada); len(u.Guesses) != 0 {
		t.Errorf("%d guesses were counted against the account", len(u.Guesses))
	}
}

func TestSecond_FiveWrongCodesEndTheSignIn(t *testing.T) {
	s := newSite(t)
	_, secret := s.withTOTP()
	b := s.browser()
	page := b.firstStep(ada, appURL+"/x")
	for _, empty := range []string{"", "12345", "1234567", "١٢٣٤٥٦", "abcdef"} {
		b.fill(page, "/login/totp", "code", empty).want(t, 400, "not the code that your authenticator app shows now") // no guess at all
	}
	for range 4 {
		page = b.fill(page, "/login/totp", "code", s.wrongDigits(secret)).want(t, 400, "Wait for the next code")
		if !strings.Contains(page.body, `aria-invalid="true" aria-describedby="alert"`) || !strings.Contains(page.body, "<title>Error: One more step") {
			t.Errorf("the field does not say that it is wrong:\n%s", page.body)
		}
	}
	end := b.fill(page, "/login/totp", "code", s.wrongDigits(secret)).want(t, 400, "wrong five times, so this sign-in has ended")
	if !strings.Contains(end.body, `href="/login?to=`) {
		t.Errorf("the way to the app is lost:\n%s", end.body)
	}
	b.fill(page, "/login/totp", "code", s.digits(secret)).want(t, 400, "Start again")
	b.load(portalURL+"/login/totp").want(t, 200, "Sign in to Example")
	if b.session() != "" {
		t.Error("signed in")
	}
}

// TO-2, TO-3: what was used is used everywhere, and wrong codes of all sign-ins
// are one account's.
func TestSecond_ACodeWorksOnceAndGuessesAreCounted(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) { c.MailsPerAddress = 80 })
	_, secret := s.withTOTP()
	one, two := s.browser(), s.browser()
	first := one.firstStep(ada, portalURL+"/")
	second := two.firstStep(ada, portalURL+"/")
	code := s.digits(secret)
	one.fill(first, "/login/totp", "code", code).want(t, 200, "Your account")
	two.fill(second, "/login/totp", "code", code).want(t, 400, "or it was used already")

	b := s.browser()
	for range 10 {
		page := b.firstStep(ada, portalURL+"/")
		for range 4 {
			a := b.fill(page, "/login/totp", "code", s.wrongDigits(secret))
			if a.StatusCode == 429 {
				if a.Header.Get("Retry-After") == "" {
					t.Error("it does not say when to come back")
				}
				a.want(t, 429, "Use a passkey, or come back tomorrow")
				if n := len(s.user(ada).Guesses); n != 30 {
					t.Errorf("%d guesses", n)
				}
				return
			}
		}
	}
	t.Error("one can guess for ever")
}

// Whoever has lost the app comes in by a recovery code, and can do one thing.
func TestSecond_RecoveryCodeLetsAPasskeyBeAddedAndNothingElse_TO4(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		owner, _ := s.withTOTP()
		codes := owner.withCodes()
		owner.next(s.authenticator().add(owner, owner.account())) // lost, too
		b, k := s.browser(), s.authenticator()
		page := b.firstStep(ada, appURL+"/x")
		page = b.link(page, "Use a recovery code").want(t, 200, "Type one of your recovery codes")
		page = b.fill(page, "/login/recovery", "code", codes[1][:len(codes[1])-1]+"#").want(t, 400, "none of your unused recovery codes")
		page = b.fill(page, "/login/recovery", "code", strings.ToLower(codes[0])).want(t, 200, "Add a passkey on this device now")
		if page.url.Path != s.svc.Base()+"/account" || page.url.Query().Get("to") == "" {
			t.Errorf("at %s", page.url)
		}
		s.limitedPage(t, page)
		for _, path := range []string{"/account/email", "/account/history", "/account/tokens"} {
			if a := b.load(s.svc.URL(path)); strings.Contains(a.body, "192.0.2.7") || strings.Contains(a.body, `name="email"`) || strings.Contains(a.body, `name="path"`) {
				t.Errorf("%s is open to it: %d at %s", path, a.StatusCode, a.url)
			}
		}
		for path, fields := range map[string][]string{
			"/account/name": {"name", "Eve"}, "/account/email": {"email", "eve@example.com"}, "/account/totp": {}, "/account/totp/remove": {},
			"/account/recovery-codes": {}, "/account/data": {}, "/account/tokens": {"name", "x", "app", "app.example.com", "expires", "30d"},
		} {
			if a := b.raw(page, path, fields...); a.StatusCode == 200 || a.StatusCode == 303 && !strings.Contains(a.Header.Get("Location"), "/login/step-up") {
				t.Errorf("%s: %d to %q", path, a.StatusCode, a.Header.Get("Location"))
			}
		}
		if u := s.user(ada); u.TOTP == nil || u.DisplayName != "" || u.Email != ada {
			t.Errorf("something changed: %+v", u)
		}
		devices, err := s.svc.Devices(t.Context(), s.user(ada), nil)
		if err != nil || len(devices) != 2 {
			t.Fatalf("%d sessions, %v", len(devices), err)
		}
		for _, d := range devices {
			b.raw(page, "/account/sessions/"+d.Session.ID+"/revoke")
		}
		owner.account().want(t, 200, "Authenticator app")
		b.load(appURL+"/x").want(t, 200, "Add a passkey first")
		page = b.next(k.add(b, page))
		if page.want(t, 200, "the app sees "+ada); page.url.Path != "/x" {
			t.Errorf("ended at %s", page.url)
		}
		b.account().want(t, 200, "Authenticator app")

		again := s.browser()
		page = again.load(again.firstStep(ada, s.svc.URL("/")).url.String() + "?by=recovery")
		again.fill(page, "/login/recovery", "code", codes[0]).want(t, 400, "none of your unused recovery codes") // spent
	})
}

// limitedPage fails the test unless the page shows the one thing that a session
// of a recovery code can do.
func (s *site) limitedPage(t *testing.T, page *answer) {
	t.Helper()
	for _, other := range []string{"/revoke", "/rename", "/remove", "/account/name", "/account/email", "/account/totp", "/account/tokens", "/account/data", "/account/history", "192.0.2.7", "staff"} {
		if strings.Contains(page.body, other) {
			t.Errorf("the page shows %s", other)
		}
	}
	if !strings.Contains(page.body, `id="add-button"`) {
		t.Error("no passkey can be added")
	}
	if n := strings.Count(page.body, "on this device now"); n != 1 || strings.Contains(page.body, `class="notice"`) {
		t.Errorf("it says %d times what comes first", n)
	}
}

// A link that is opened elsewhere asks for the second step there, and leads to
// that browser's own way into the app.
func TestSecond_AfterALinkOpenedElsewhere(t *testing.T) {
	s := newSite(t)
	owner, secret := s.withTOTP()
	codes := owner.withCodes()
	for _, by := range []string{"totp", "recovery"} {
		asked, other := s.browser(), s.browser()
		asked.fill(asked.load(appURL+"/x"), "/login", "email", ada)
		link, token, _ := strings.Cut(s.lastMail().link, "#")
		page := other.next(other.fetch(other.load(link), "/login/link", mailed{Token: token})).want(t, 200, "One more step")
		asked.load(portalURL+"/login/totp").want(t, 200, "Sign in to Example") // ML-6
		if by == "totp" {
			other.fill(page, "/login/totp", "code", s.digits(secret)).want(t, 200, "the app sees "+ada)
			continue
		}
		page = other.fill(other.link(page, "Use a recovery code"), "/login/recovery", "code", codes[0]).want(t, 200, "Add a passkey on this device now")
		if page.to(t) != "" {
			t.Error("another browser's way back is used")
		}
	}
}

func TestSecond_IsOverWithWhatBeganIt_SE6(t *testing.T) {
	s := newSite(t)
	owner, secret := s.withTOTP()
	for what, end := range map[string]func(b *browser, page *answer){
		"it is too old":       func(*browser, *answer) { s.wait(10*time.Minute + time.Second) },
		"another mail":        func(b *browser, _ *answer) { b.fill(b.load(portalURL+"/login"), "/login", "email", bob) },
		"signed out":          func(b *browser, page *answer) { b.raw(page, "/logout") },
		"everything is ended": func(*browser, *answer) { owner.fill(owner.account(), "/revoke-all") },
	} {
		b := s.browser()
		page := b.firstStep(ada, portalURL+"/")
		end(b, page)
		if a := b.raw(page, "/login/totp", "code", s.digits(secret)); a.StatusCode < 400 || b.session() != "" {
			t.Errorf("%s: %d to %q", what, a.StatusCode, a.Header.Get("Location"))
		}
	}
}

func TestSecond_SpeaksThePersonsLanguage(t *testing.T) {
	s := newSite(t)
	_, _ = s.withTOTP()
	b := s.browser()
	b.firstStep(ada, portalURL+"/")
	german := pageLoad("none")
	german["Accept-Language"] = "de"
	page := b.send("GET", portalURL+"/login/totp?"+url.Values{"by": {"recovery"}}.Encode(), "", german)
	page.want(t, 200, `<html lang="de"`).want(t, 200, "Geben Sie den Code ein") // without codes there is no page for one
}
