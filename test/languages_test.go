package test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// languages are all that there is a file for.
func languages(t *testing.T) (tags []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(harness.Root(t), "authcore/internal/i18n/locales/*.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d languages, %v", len(files), err)
	}
	for _, f := range files {
		tags = append(tags, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return tags
}

// The pages that carry most words, as people meet them in each language but
// English, which TestLooks shows: a sign-in from an app to the account page.
func TestLooks_InEveryLanguage(t *testing.T) {
	w := startWorld(t, worldOptions{
		globals: portalGlobals + "brand {\n\tname \"Lighthouse\"\n\taccent \"#0b6e4f\"\n}\n",
		sites: strings.Replace(portalSites, "app.example.org {\n\tpasswordless_guard",
			"app.example.org {\n\tpasswordless_guard {\n\t\tallow email:*@staff.example.test\n\t}", 1),
	})
	only := os.Getenv("LANGUAGE_SHOTS") // such as "ar": one language, quickly
	for _, tag := range languages(t) {
		if tag == "en" || only != "" && only != tag {
			continue
		}
		t.Run(tag, func(t *testing.T) {
			address := strings.ToLower(tag) + "@example.test"
			b := w.browser(t)
			b.AddAuthenticator().NoAutofill()
			b.Speak(tag)
			b.Goto(w.URL(appHost, "/page"))
			b.See("#passkey-button")
			if got := harness.Eval[string](b, "document.documentElement.lang"); got != tag {
				t.Fatalf("a browser that speaks %s gets %s", tag, got)
			}
			if got, want := harness.Eval[string](b, "getComputedStyle(document.body).direction"), map[bool]string{true: "rtl", false: "ltr"}[tag == "ar"]; got != want {
				t.Errorf("the page runs %s, want %s", got, want)
			}
			b.Survey(tag+"-login", true)
			b.Fill("#email", address)
			b.Press("\r")
			b.See("#code")
			b.Survey(tag+"-code", true)
			m := w.mail.Wait(address)
			other := w.browser(t)
			other.Speak(tag)
			other.Goto(m.Link(t, "/login/link"))
			other.See("[data-state=elsewhere] button")
			other.Survey(tag+"-link-elsewhere", true)
			b.Fill("#code", m.Code(t))
			b.Press("\r")
			b.See("#add-button")
			b.Survey(tag+"-offer", true)
			b.Goto(w.URL(authHost, "/account"))
			w.enter(t, w.client(t), w.URL(appHost, "/page"), address) // another device
			b.Click("#add-button")
			b.See("[role=status]")
			for _, summary := range []string{"details:has(input[name=name]) summary", "details:has([action$='/revoke-all']) summary"} {
				b.Click(summary)
			}
			b.Survey(tag+"-account", true)
			b.Goto(w.URL(otherHost, "/"))
			b.See("form[action*='switch=1']")
			b.Survey(tag+"-denied", true)
		})
	}
}

// People type a code with the digits of their keyboard. The page's script turns
// them into the ones that the server takes; it takes no others (EC-5).
func TestLanguages_DigitsOfTheirKeyboards(t *testing.T) {
	w := startWorld(t, worldOptions{})
	for name, zero := range map[string]rune{"arabic": '٠', "persian": '۰', "wide": '０'} {
		address := name + "@example.test"
		b := w.browser(t)
		b.Goto(w.URL(authHost, "/login"))
		b.Fill("#email", address)
		b.Press("\r")
		b.See("#code")
		typed := strings.Map(func(digit rune) rune { return zero + digit - '0' }, w.mail.Wait(address).Code(t))
		b.Fill("#code", typed)
		if got := harness.Eval[string](b, "document.querySelector('#code').value"); got != typed {
			t.Fatalf("%q was typed, want %q", got, typed)
		}
		b.Press("\r")
		b.Read("Signed in as " + address)
	}
}

// The switch: by choosing alone where scripts run, by its button where not, and
// nothing is lost on the way.
func TestLanguages_TheSwitch(t *testing.T) {
	const address = "switch@example.test"
	w := startWorld(t, worldOptions{})
	choose := func(b *harness.Browser, tag string) {
		t.Helper()
		harness.Eval[bool](b, `(() => { const s = document.querySelector("#language"); s.value = "`+tag+`";
			s.dispatchEvent(new Event("change", { bubbles: true })); return true })()`)
	}
	b := w.browser(t)
	b.Goto(w.URL(appHost, "/page#part"))
	b.Read("Continue with e-mail")
	choose(b, "fr")
	b.Read("Continuer par e-mail")
	// By keyboard nothing is set before the button is pressed.
	harness.Eval[bool](b, "document.querySelector('#language').focus(), true")
	b.Press("D")
	const stays = "new Promise(done => setTimeout(() => done(document.querySelector('#language').value), 300))"
	if got := harness.Eval[string](b, stays); got != "de" {
		t.Errorf("D picks %q", got)
	}
	b.Read("Continuer par e-mail")
	b.Press(kb.Tab + kb.Enter)
	b.Read("Weiter mit E-Mail")
	if !strings.HasSuffix(b.URL(), "#part") {
		t.Errorf("the app's fragment is lost at %s", b.URL())
	}
	b.Fill("#email", address)
	b.Press("\r")
	b.See("#code")
	b.Read("Noch einmal senden in") // a script's word
	m := w.mail.Wait(address)
	if !strings.Contains(m.Subject, "anmelden") {
		t.Errorf("the mail is called %q", m.Subject)
	}

	// The link's page knows its secret only by heart.
	b.Goto(m.Link(t, "/login/link"))
	b.See("[data-state=here] button")
	choose(b, "en")
	b.Read("Sign in to Example")
	b.See("[data-state=here] button")
	if strings.Contains(b.URL(), "#") {
		t.Errorf("the address holds the secret: %s", b.URL())
	}
	choose(b, "de")
	b.Read("Bei Example anmelden")
	b.Click("[data-state=here] button")
	b.Click("#not-now")
	b.WaitURL(w.URL(appHost, "/page"))
	b.Goto(w.URL(authHost, "/account"))
	b.Read("per E-Mail angemeldet am")
	if got := harness.Eval[[]string](b, "[...document.querySelectorAll('time')].map(t => t.textContent)"); len(got) == 0 || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "UTC") }) {
		t.Errorf("times %q are not in the person's own zone", got)
	}

	plain := w.browser(t)
	plain.Script(false)
	plain.Goto(w.URL(authHost, "/login"))
	harness.Eval[bool](plain, `(document.querySelector("#language").value = "de", true)`)
	plain.Click("#language-form button")
	plain.Read("Weiter mit E-Mail")
}
