package portal

import (
	"slices"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
	"github.com/passwordless-auth/passwordless-auth/store"
)

const langCookie = "__Host-passwordless-lang"

// german is a page load by a browser that asks for German.
func german(site string) map[string]string {
	h := pageLoad(site)
	h["Accept-Language"] = "de-AT,de;q=0.9,en;q=0.5"
	return h
}

func TestLanguage_TheChoiceThenTheBrowserThenEnglish(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]struct{ cookie, accept, want string }{
		"nothing":                 {"", "", "en"},
		"the browser's":           {"", "de-AT,de;q=0.9", "de"},
		"none that we have":       {"", "tlh", "en"},
		"the choice":              {"de", "en", "de"},
		"the choice of English":   {"en", "de", "en"},
		"an unknown choice":       {"xx", "de", "de"},
		"a choice in other case":  {"DE", "", "en"},
		"a choice that is a path": {"../de", "", "en"},
		"garbage":                 {strings.Repeat("A", 43), "\xff", "en"},
	} {
		b := s.browser()
		if c.cookie != "" {
			b.jar["auth.example.com"] = map[string]string{langCookie: c.cookie}
		}
		h := pageLoad("none")
		h["Accept-Language"] = c.accept
		page := b.send("GET", portalURL+"/login", "", h).want(t, 200, `<html lang="`+c.want+`" dir="ltr">`)
		if got := page.Header.Values("Vary"); !slices.Contains(got, "Accept-Language, Cookie") {
			t.Errorf("%s: Vary %q", name, got)
		}
	}
	b := s.browser()
	b.jar["auth.example.com"] = map[string]string{"passwordless-lang": "de"} // on https that is somebody else's
	b.load(portalURL+"/login").want(t, 200, `<html lang="en"`)
	h := pageLoad("none")
	h["Cookie"] = langCookie + "=de; " + langCookie + "=de"
	s.browser().send("GET", portalURL+"/login", "", h).want(t, 200, `<html lang="en"`) // CK-2
}

// The language of an app's host is the browser's: the switch's cookie stays at
// the portal.
func TestLanguage_OfAnAppsHostIsTheBrowsers(t *testing.T) {
	s := newSite(t, office(t))
	b := s.browser()
	page := b.send("GET", appURL+"/", "", german("none")).want(t, 403, `<html lang="de"`).want(t, 403, "Sie kommen von <strong>192.0.2.7</strong>")
	if strings.Contains(page.body, "/language") {
		t.Error("an app's host offers a switch that cannot work there")
	}
	b.send("GET", appURL+"/.auth/nothing", "", german("none")).want(t, 404, "Hier ist nichts")
	b.send("GET", appURL+"/.auth/nothing", "", german("none")).want(t, 404, "Zurück zur App")
}

func TestLanguageSwitch_KeepsTheChoiceThePageAndTheWay(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.load(appURL + "/page?q=1")
	if n := strings.Count(page.body, "<option "); n != len(i18n.Embedded().Languages()) {
		t.Errorf("%d languages are offered", n)
	}
	page.want(t, 200, `<option value="en" lang="en" selected>English</option>`)
	page.want(t, 200, `<option value="de" lang="de">Deutsch</option>`)
	f := b.form(page, "/language")
	f.values.Set("language", "de")
	answer := b.sendForm(f)
	if answer.StatusCode != 303 || !strings.HasPrefix(answer.Header.Get("Location"), "/login?to=") {
		t.Errorf("%d %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	if c := answer.Cookies(); len(c) != 1 || c[0].Name != langCookie || c[0].Value != "de" || c[0].MaxAge != 365*24*3600 {
		t.Errorf("cookies %v", c) // its shape is checked by the browser
	}
	page = b.follow(answer).want(t, 200, "Weiter mit E-Mail")
	page.want(t, 200, "<strong>app.example.com</strong>")

	// It outlives the sign-in, and the sign-out.
	page = b.fill(page, "/login", "email", ada).want(t, 200, "Code aus der Mail")
	f = b.form(page, "/language")
	f.values.Set("language", "en")
	page = b.follow(b.sendForm(f)).want(t, 200, "Code from the mail")
	f = b.form(page, "/language")
	f.values.Set("language", "de")
	page = b.code(b.follow(b.sendForm(f)))
	b.fill(page, "/login/offer").want(t, 200, "the app sees "+ada)
	page = b.load(portalURL+"/account").want(t, 200, "per E-Mail angemeldet am ")
	page.want(t, 200, "<bdi>Firefox auf Linux</bdi>")
	b.fill(page, "/logout").want(t, 200, "Sie sind abgemeldet")
}

// A page that answers a form stands at an address that takes forms only.
func TestLanguageSwitch_ComesBackToPagesOfOursOnly(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.signIn(ada, portalURL+"/")
	for from, want := range map[string]string{
		"/account": "/account", "/login/code/resend": "/login/code", "/account/passkeys/AAAA/rename": "/account", "/signed-out": "/signed-out",
		"/login?to=x": "/", "": "/", "/": "/", "/nothing": "/", "//evil.example": "/", "https://evil.example/login": "/", "/\\evil.example": "/",
		"/login/../../evil": "/", "/assets/{name}": "/", "/{$}": "/", "/api/me": "/", "/account#x": "/", "/language": "/", "/login/link": "/login/link",
		"javascript:alert(1)": "/", strings.Repeat("/a", 4000): "/",
	} {
		f := b.form(page, "/language")
		f.values.Set("from", from)
		f.values.Set("language", "de")
		if a := b.sendForm(f); a.StatusCode != 303 || a.Header.Get("Location") != want {
			t.Errorf("from %.40q: %d %s, want %s", from, a.StatusCode, a.Header.Get("Location"), want)
		}
	}
	for _, tag := range []string{"", "DE", "xx", "de\r\nSet-Cookie: a=b", "de; Domain=example.com", "../de", strings.Repeat("d", 9000)} {
		f := b.form(page, "/language")
		f.values.Set("language", tag)
		if a := b.sendForm(f); a.StatusCode != 400 || len(a.Cookies()) != 0 {
			t.Errorf("language %.20q: %d, cookies %v", tag, a.StatusCode, a.Cookies())
		}
	}
	refused := b.form(page, "/language")
	refused.values.Set("language", "de")
	refused.values.Set("extra", "x")
	if a := b.sendForm(refused); a.StatusCode != 400 {
		t.Errorf("an unknown field: %d", a.StatusCode)
	}
}

func TestLanguageSwitch_WorksInASidecar(t *testing.T) {
	s := newSidecar(t)
	b := s.browser()
	f := b.form(b.load(appURL+"/x"), "/.auth/language")
	f.values.Set("language", "de")
	page := b.follow(b.sendForm(f)).want(t, 200, "Weiter mit E-Mail")
	b.code(b.fill(page, "/login", "email", ada)).want(t, 200, "Jetzt nicht")
}

// The cookie opens nothing, and a session is no language.
func TestLanguageCookie_IsNoSession(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	token := b.session()
	other := s.browser()
	other.jar["auth.example.com"] = map[string]string{langCookie: token}
	other.load(portalURL+"/account").want(t, 200, "Continue with e-mail").want(t, 200, `lang="en"`)
	if names := s.svc.OurCookies(s.svc.Portal()); !slices.Contains(names, langCookie) {
		t.Errorf("ours are %v", names)
	}
	for _, name := range []string{langCookie, "passwordless-lang"} {
		if !slices.Contains(authcore.CookieNames(), name) {
			t.Errorf("%s is not among ours", name)
		}
	}
}

// Scripts of our pages get words for people, programs the same ones always.
func TestProblems_SpeakThePagesLanguageAndTheAPIEnglish(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) {
		c.Clients = []authcore.APIClient{{ID: "spa", Title: "Example Web", Origins: []string{"https://spa.example.com"}}}
	})
	b := s.browser()
	page := b.send("GET", portalURL+"/login", "", german("none"))
	b.jar["auth.example.com"][langCookie] = "de"
	a := b.fetch(page, "/login/link/peek", map[string]string{"token": strings.Repeat("A", 43)})
	if got := a.json(t)["detail"]; a.StatusCode != 400 || got != "Er ist schon verbraucht, zu alt oder durch eine neuere Mail ersetzt. Nehmen Sie die neueste Mail oder melden Sie sich noch einmal an." {
		t.Errorf("a page's script: %d %v", a.StatusCode, got)
	}
	a = b.send("POST", portalURL+"/api/token/refresh", `{"refresh_token":"x"}`, map[string]string{"Content-Type": "application/json", "Accept-Language": "de"})
	if got := a.json(t); got["code"] != "TOKEN_INVALID" || got["detail"] != "It is unknown or expired, or its session has ended. Sign in again." {
		t.Errorf("the API: %v", got)
	}
	// authcore's own sentences, too.
	b.fill(page, "/login", "email", "no body@example.com").want(t, 400, "Entfernen Sie Leerzeichen")
	a = b.send("POST", portalURL+"/api/login/email", `{"email":"no body@example.com"}`, map[string]string{"Content-Type": "application/json", "Accept-Language": "de"})
	if got, _ := a.json(t)["detail"].(string); !strings.HasSuffix(got, "Remove the spaces and line breaks from the e-mail address.") {
		t.Errorf("the API: %v", got)
	}
}

func TestMail_IsQueuedInTheLanguageOfWhoAsked(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.send("GET", portalURL+"/login", "", german("none"))
	b.fill(page, "/login", "email", ada)
	b.jar["auth.example.com"][langCookie] = "de"
	b.fill(b.load(portalURL+"/login"), "/login", "email", ada)
	var langs []string
	s.must(s.db.View(t.Context(), func(tx store.Tx) error {
		langs = nil
		list, err := tx.ListMessages("", "", 10)
		for _, m := range list {
			langs = append(langs, m.Params[authcore.ParamLang])
		}
		return err
	}))
	if !slices.Equal(langs, []string{"de", "en"}) { // the newest first; the first form was sent without a language
		t.Errorf("queued in %q", langs)
	}
}
