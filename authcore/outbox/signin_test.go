package outbox

import (
	"crypto/rand"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
)

// The whole way: authcore queues under its root key, the worker delivers, and
// what a mail program shows signs in.
func TestSignIn_ByWhatTheMailShows(t *testing.T) {
	s := (&sink{}).start(t)
	log := &logs{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := newClock()
	rt, err := authcore.NewRuntime(t.Context(), authcore.RuntimeOptions{
		Store: bolttest.Open(t), RootKey: authcore.RootKey{1}, Now: c.now, Rand: rand.Reader, Log: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	w, err := New(Options{Store: rt.Store(), OpenSecrets: rt.OpenSecrets, SMTP: s.smtp(), Now: c.now, Rand: rand.Reader, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	w.Start()
	t.Cleanup(func() { stop(t, w) })
	portal, err := authcore.ParseOrigin("https://auth.example.test")
	if err != nil {
		t.Fatal(err)
	}
	service, err := authcore.NewService(rt, authcore.Config{
		Portal: portal, Registration: authcore.Registration{Mode: "open"}, Mailed: w.Kick,
	})
	if err != nil {
		t.Fatal(err)
	}

	ask := func() (authcore.Browser, letter) {
		t.Helper()
		flow, err := secret.New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		browser := authcore.Browser{Flow: flow, Client: authcore.Client{UserAgent: "Firefox/140.0 Linux"}}
		before := len(s.mails())
		if _, err := service.StartEmail(t.Context(), authcore.StartEmail{Address: "Ada@Example.com", Browser: browser}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the mail arrives", func() bool { return len(s.mails()) > before })
		return browser, read(t, s.mails()[before].data)
	}

	browser, mail := ask()
	code := regexp.MustCompile(`(?m)^\d{4} \d{4}$`).FindString(mail.text)
	if in, err := service.VerifyCode(t.Context(), code, browser); err != nil || in.User.Email != "ada@example.com" {
		t.Fatalf("code %q: %+v, %v", code, in, err)
	}
	browser, mail = ask()
	_, token, found := strings.Cut(mail.links()[0], "/login/link#")
	if in, err := service.RedeemLink(t.Context(), token, browser); err != nil || !found || in.User.Email != "ada@example.com" {
		t.Fatalf("link %q: %+v, %v", mail.links(), in, err)
	}
	for _, m := range s.mails() {
		if len(m.to) != 1 || m.to[0] != "ada@example.com" { // EM-4: the canonical address, not what was typed
			t.Errorf("envelope %+v", m.to)
		}
	}
	if strings.Contains(log.String(), token) || strings.Contains(log.String(), strings.ReplaceAll(code, " ", "")) {
		t.Errorf("the log has a secret: %s", log)
	}
}

// Mail programs show the body inside a page of their own, in its direction: ours
// stands at what they keep, and the halves of a code stay in their order.
func TestMail_KeepsItsDirectionInsideAnotherPage(t *testing.T) {
	l := write(t, testCode, testLink, func(m *store.Message) { m.Params[authcore.ParamLang] = "ar" })
	for _, want := range []string{`<div lang="ar" dir="rtl">`, `<span dir="ltr">1234 5678</span>`} {
		if !strings.Contains(l.html, want) {
			t.Errorf("%s is missing:\n%s", want, l.html)
		}
	}
}
