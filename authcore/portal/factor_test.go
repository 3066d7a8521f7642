package portal

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// TO-1: the secret is the answer to a form, once, and no other page has it.
func TestTOTP_SetUpShownOnceAndRemoved_TO1(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		b := s.browser()
		b.signIn(ada, s.svc.URL("/account"))
		page := b.fill(b.account(), "/account/totp").want(t, 200, "Scan this")
		if page.Header.Get("Cache-Control") != "no-store" || page.url.RawQuery != "" {
			t.Errorf("it may be kept: %q at %s", page.Header.Get("Cache-Control"), page.url)
		}
		secret := page.secret(t)
		bare := strings.ReplaceAll(secret, " ", "")
		uri := html.UnescapeString(regexp.MustCompile(`href="(otpauth:[^"]*)"`).FindStringSubmatch(page.body)[1])
		if len(bare) != 32 || !strings.HasPrefix(uri, "otpauth://totp/") || !strings.Contains(uri, "secret="+bare) || !strings.Contains(uri, "ada@example.com") {
			t.Errorf("secret %d, uri %s", len(bare), strings.ReplaceAll(uri, bare, "SECRET"))
		}
		if strings.Count(page.body, "<path fill=\"#000\"") != 1 || strings.Contains(regexp.MustCompile(`(?s)<svg class="qr".*?</svg>`).FindString(page.body), bare) {
			t.Error("no picture, or one that spells the secret out")
		}

		wrong := b.fill(page, "/account/totp/confirm", "code", s.wrongDigits(secret)).want(t, 400, "not the code that your authenticator app shows now")
		if strings.Contains(wrong.body, bare[:8]) || strings.Contains(wrong.body, "otpauth") || strings.Contains(wrong.body, `class="qr"`) {
			t.Error("a wrong code shows the secret again")
		}
		if s.user(ada).TOTP != nil {
			t.Error("it is the account's before it is confirmed")
		}
		b.load(s.svc.URL("/account/totp")).want(t, 200, "Your account") // its address shows the page with the form
		before := b.session()
		b.fill(wrong, "/account/totp/confirm", "code", s.digits(secret)).want(t, 200, "Authenticator app added")
		if b.session() == before {
			t.Error("the session kept its id (SE-2)")
		}
		s.nowhere(t, b, secret)

		// A second one only after the first is removed; the page says so.
		b.raw(b.account(), "/account/totp").want(t, 409, "You have an authenticator app already")
		other := s.browser()
		other.fill(other.firstStep(ada, s.svc.URL("/account")), "/login/totp", "code", s.digits(secret))
		b.fill(b.account(), "/account/totp/remove").want(t, 200, "Authenticator app removed")
		other.account().want(t, 200, "Sign in to Example") // every other session ends
		plain := s.browser()
		if plain.signIn(ada, s.svc.URL("/account")); plain.session() == "" {
			t.Error("the mailbox does not do without it")
		}
	})
}

func TestTOTP_ANewSecretMakesTheOldOneWorthless(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	first := b.fill(b.account(), "/account/totp")
	wrong := b.fill(first, "/account/totp/confirm", "code", "000000")
	second := b.fill(wrong, "/account/totp").want(t, 200, "Scan this") // "Show a new QR code"
	if first.secret(t) == second.secret(t) {
		t.Fatal("the same secret is shown twice")
	}
	b.fill(second, "/account/totp/confirm", "code", s.digits(first.secret(t))).want(t, 400, "not the code")
	s.wait(16 * time.Minute) // the proof is as old as what was begun
	b.fill(second, "/account/totp/confirm", "code", s.digits(second.secret(t))).want(t, 200, "Confirm it’s you")
	if s.user(ada).TOTP != nil {
		t.Error("it was confirmed")
	}
}

func TestStepUp_ByTheAuthenticatorApp(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		b, secret := s.withTOTP()
		s.wait(16 * time.Minute)
		page := b.raw(b.account(), "/account/totp/remove")
		page = b.follow(page).want(t, 200, "Confirm it’s you")
		if page.url.Path != s.svc.Base()+"/login/step-up" || strings.Contains(page.body, "Mail me a code") {
			t.Errorf("at %s", page.url)
		}
		b.fill(page, "/login/step-up/totp", "code", s.wrongDigits(secret)).want(t, 400, "not the code that your authenticator app shows now")
		before, code := b.session(), s.digits(secret)
		b.fill(page, "/login/step-up/totp", "code", code).want(t, 200, "Thank you, that was you")
		if b.session() == before {
			t.Error("the session kept its id (SE-2)")
		}
		b.fill(page, "/login/step-up/totp", "code", code).want(t, 400, "or it was used already") // TO-2: back button
		b.fill(b.account(), "/account/totp/remove").want(t, 200, "Authenticator app removed")
	})
}

// A page that leads up to a change asks first, and the proof leads back to it.
func TestStepUp_LeadsBackToThePageThatAsked(t *testing.T) {
	s := newSite(t)
	b, secret := s.withTOTP()
	for path, shows := range map[string]string{"/account/email": "New e-mail address", "/account/tokens": "Make an access token"} {
		s.wait(16 * time.Minute)
		page := b.load(portalURL+path).want(t, 200, "Confirm it’s you")
		if got := page.url.Query().Get("back"); got != path {
			t.Errorf("%s: back %q", path, got)
		}
		page = b.fill(page, "/login/step-up/totp", "code", s.wrongDigits(secret)).want(t, 400, "not the code")
		page = b.fill(page, "/login/step-up/totp", "code", s.digits(secret)).want(t, 200, shows)
		if page.url.Path != path {
			t.Errorf("%s: back at %s", path, page.url)
		}
	}
	// By a passkey, too.
	k := s.authenticator()
	b.next(k.add(b, b.account()))
	s.wait(16 * time.Minute)
	page := b.load(portalURL+"/account/email").want(t, 200, `data-back="/account/email"`)
	c := b.fetch(page, "/login/step-up/passkey/options", nothing{}).ceremony(t)
	b.next(b.fetch(page, "/login/step-up/passkey", stepUpDoc{answerTo(c, k.get(t, c), ""), "/account/email"})).want(t, 200, "New e-mail address")

	// RD-1: nowhere else.
	for _, bad := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "/logout", "/login", "/account/../logout", "javascript:alert(1)", marker} {
		s.wait(16 * time.Minute)
		page := b.load(portalURL + "/login/step-up?back=" + strings.ReplaceAll(bad, "\\", "%5C"))
		page = b.fill(page, "/login/step-up/totp", "code", s.digits(secret), "back", bad).want(t, 200, "Thank you, that was you")
		if page.url.String() != portalURL+"/account?done=confirmed" {
			t.Errorf("%s leads to %s", bad, page.url)
		}
	}
}

// TO-4: ten, shown once, and the old ones are worthless with the new.
func TestRecovery_CodesAreShownOnce_TO4(t *testing.T) {
	bothShapes(t, func(*authcore.Config) {}, func(t *testing.T, s *site) {
		s.addUser("plain@example.com")
		plain := s.browser()
		plain.signIn("plain@example.com", s.svc.URL("/account"))
		plain.raw(plain.account(), "/account/recovery-codes").want(t, 409, "Add a passkey or an authenticator app first")
		b, _ := s.withTOTP()
		made := b.fill(b.account(), "/account/recovery-codes").want(t, 200, "They are shown only now")
		codes := made.codes(t)
		if made.Header.Get("Cache-Control") != "no-store" || !regexp.MustCompile(ada+`\S* at \S*`+s.svc.Portal().HostPort()+`\S*, made <time`).MatchString(made.body) {
			t.Errorf("it may be kept, or does not say whose codes these are:\n%s", made.body)
		}
		seen := map[string]bool{}
		for _, c := range codes {
			if seen[c] || len(strings.ReplaceAll(c, "-", "")) != 24 {
				t.Error("a code twice, or too short")
			}
			seen[c] = true
		}
		b.load(s.svc.URL("/account/recovery-codes")).want(t, 200, "10 of 10 are left")
		s.nowhere(t, b, codes...)

		again := b.withCodes()
		other := s.browser()
		first := other.firstStep(ada, s.svc.URL("/account"))
		first = other.load(first.url.String() + "?by=recovery")
		other.fill(first, "/login/recovery", "code", codes[0]).want(t, 400, "none of your unused recovery codes")
		other.fill(first, "/login/recovery", "code", again[0]).want(t, 200, "Add a passkey on this device now")
		b.account().want(t, 200, "9 of 10 are left")
		for _, c := range again[1:8] {
			x := s.browser()
			x.fill(x.load(x.firstStep(ada, s.svc.URL("/account")).url.String()+"?by=recovery"), "/login/recovery", "code", c)
		}
		b.account().want(t, 200, "Few are left")
	})
}

// Who signed in by mail and has lost the passkey spends a code to add one.
func TestRecovery_StepUpKeepsTheWayToTheApp(t *testing.T) {
	s := newSite(t, asking(t, authcore.PolicySpec{Reauth: time.Hour}))
	owner, k := s.withPasskey()
	owner.next(k.prove(owner, owner.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	codes := owner.withCodes()
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	s.wait(2 * time.Hour)
	page := b.load(appURL+"/x?y=1").want(t, 200, "You have lost that?").asksFor(t, true, false)
	page = b.fill(page, "/login/step-up/recovery", "code", "0000-0000-0000-0000-0000-0000").want(t, 400, "none of your unused recovery codes")
	if !strings.Contains(page.body, `<details class="standalone" open>`) || strings.Count(page.body, "autofocus") != 1 {
		t.Errorf("the form is folded up again:\n%s", page.body)
	}
	page = b.fill(page, "/login/step-up/recovery", "code", codes[0]).want(t, 200, "Within 15 minutes you can add a passkey")
	page = b.next(s.authenticator().add(b, page)).asksFor(t, true, false) // it asks for a fresh proof still
	if page.url.Path != "/login/step-up" || page.to(t) == "" {
		t.Errorf("the way to the app is lost at %s", page.url)
	}
}

// A passkey is found again by who keeps it; what the person called it stands first.
func TestAccount_NamesWhoKeepsAPasskey(t *testing.T) {
	s := newSite(t)
	b, k := s.browser(), newAuthenticator()
	k.auth.Aaguid = [16]byte{0xba, 0xda, 0x55, 0x66, 0xa7, 0xaa, 0x40, 0x1f, 0xbd, 0x96, 0x45, 0x61, 0x9a, 0x55, 0x12, 0x0d}
	page := b.next(k.add(b, b.signIn(ada, portalURL+"/"))).want(t, 200, "in 1Password")
	page.want(t, 200, "<h3><bdi>Firefox on Linux</bdi></h3>")
	unknown := s.browser()
	page = unknown.next(newAuthenticator().add(unknown, unknown.signIn(bob, portalURL+"/")))
	if strings.Contains(page.body, " · in ") {
		t.Error("it names a provider that is not known")
	}
}

// A recovery code adds a passkey: where passkeys are off nothing speaks of them.
func TestRecovery_IsNotOfferedWherePasskeysAreOff(t *testing.T) {
	s := newSite(t)
	b, _ := s.withTOTP()
	b.withCodes()
	s.reload(func(c *authcore.Config) { c.NoPasskey = true })
	for _, path := range []string{"/account", "/login/step-up"} {
		if page := b.load(portalURL + path); strings.Contains(page.body, "ecovery code") && strings.Contains(page.body, "/recovery") {
			t.Errorf("%s offers recovery codes", path)
		}
	}
	if page := b.account(); strings.Contains(page.body, "Passkeys</h2>") {
		t.Error("the account page speaks of passkeys")
	}
}
