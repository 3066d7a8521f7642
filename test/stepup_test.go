package test

import (
	"net/http"
	"strings"
	"testing"
)

// strictSites guard one app whose paths ask for more than a session.
const strictSites = `auth.example.test {
	passwordless_portal
}
app.example.test {
	passwordless_guard {
		path /admin/* {
			require passkey
		}
		path /office/* {
			network 203.0.113.0/24
		}
		path /staff/* {
			allow group:staff
		}
	}
	reverse_proxy {$APP}
}
`

// An app that opens with a passkey only, as a person meets it who has none: e-mail
// leads to a page that says so, the account page makes one, and the app opens.
func TestStepUp_AppOpensWithAPasskeyOnly(t *testing.T) {
	const address = "admin@example.test"
	w := startWorld(t, worldOptions{sites: strictSites})
	admin, stepUp := w.URL(appHost, "/admin/x?y=1#part"), w.URL(authHost, "/login/step-up")
	b := w.browser(t)
	keys := b.AddAuthenticator()
	keys.NoAutofill()
	w.mailedCode(t, b, admin, address)
	b.Click("#not-now")
	b.WaitURL(stepUp)
	b.Read("opens with a passkey only, and your account has none yet")
	b.Looks("step-up-add")
	b.Click("main a.primary")
	b.Read("Your account")
	b.Click("#add-button")
	b.WaitURL(stepUp)
	b.Read("asks you to confirm with your passkey")
	b.Looks("step-up-app")
	before := b.Cookies(w.URL(authHost, "/"))
	b.Click("#passkey-button")
	b.WaitURL(admin)
	b.Read(address)
	for _, old := range before {
		for _, now := range b.Cookies(w.URL(authHost, "/")) {
			if old.Name == sessionCookie && now.Name == sessionCookie && old.Value == now.Value {
				t.Error("the session kept its id (SE-2)")
			}
		}
	}

	// A sign-in by the passkey shows it already.
	b.Goto(w.URL(authHost, "/account"))
	b.Click("footer form button")
	b.Read("You are signed out")
	b.Goto(admin)
	b.Click("#passkey-button")
	b.WaitURL(admin)

	// One by mail does not, and is asked for it.
	c := w.client(t)
	page := w.enter(t, c, w.URL(appHost, "/page"), address)
	if page.Request.URL.Path != "/page" {
		t.Fatalf("%s at %s", page.Status, page.Request.URL)
	}
	if page = c.Navigate(w.URL(appHost, "/admin/x")); page.Request.URL.Path != "/login/step-up" || !strings.Contains(page.Body, `id="passkey-button"`) || strings.Contains(page.Body, "Mail me a code") {
		t.Errorf("%s at %s:\n%s", page.Status, page.Request.URL, page.Body)
	}
	res := c.Request(http.MethodGet, w.URL(appHost, "/admin/x"), "", "Accept", "application/json")
	if res.StatusCode != http.StatusUnauthorized || code(res) != "STEP_UP_REQUIRED" || !strings.Contains(res.Body, `"methods":["passkey"]`) {
		t.Errorf("%s %s", res.Status, res.Body)
	}
}

// Refusals say what to do next, and lead there.
func TestRefusals_SayWhatToDoNext(t *testing.T) {
	w := startWorld(t, worldOptions{sites: strictSites})
	b := w.browser(t)

	t.Run("NotFromThisNetwork", func(t *testing.T) {
		b.Goto(w.URL(appHost, "/office/x")) // nobody is signed in
		b.Read("Not from this network")
		b.Read("you come from 127.0.0.1")
		b.Looks("network")
		res := w.client(t).Request(http.MethodGet, w.URL(appHost, "/office/x"), "", "X-Forwarded-For", "203.0.113.7")
		if res.StatusCode != http.StatusForbidden || code(res) != "NETWORK_FORBIDDEN" || strings.Contains(res.Body, "203.0.113.7") {
			t.Errorf("%s %s", res.Status, res.Body)
		}
	})

	t.Run("AnotherAccount", func(t *testing.T) {
		w.signInByCode(t, b, w.URL(appHost, "/page"), "guest@example.test")
		b.Goto(w.URL(appHost, "/staff/x"))
		b.Read("This app is not open to you")
		b.Click("main form button")
		b.Read("On this browser you are signed in to")
		b.Looks("switch-account")
		b.Click("main form button")
		b.WaitURL(w.URL(authHost, "/login"))
		b.Read("to continue to " + w.host(appHost))
		w.signInHere(t, b, "other@example.test")
		b.WaitURL(w.URL(appHost, "/"))
		b.Read("other@example.test")
	})

	t.Run("AnAppThisBrowserAndEverywhere", func(t *testing.T) {
		elsewhere := w.client(t)
		w.enter(t, elsewhere, w.URL(appHost, "/page"), "other@example.test")
		b.Goto(w.URL(appHost, "/.auth/logout"))
		b.Click("main form button")
		b.Read("Signed out of")
		b.Click("details summary")
		b.Looks("signed-out-app-everywhere")
		b.Click("main details .danger")
		b.Read("You are signed out everywhere")
		if got := status(elsewhere, w.URL(appHost, "/.auth/me")); got != http.StatusUnauthorized {
			t.Errorf("another browser is still signed in: %d", got)
		}
	})
}

// The page of a sign-in that keeps coming back names the cause that a trusted
// proxy told: the browser came by http.
func TestBounces_SchemeIsWhatATrustedProxySays(t *testing.T) {
	w := newWorld(t, worldOptions{sites: strictSites})
	w.Write(t, w.globals+"\nservers {\ntrusted_proxies static 127.0.0.1\ntrusted_proxies_strict\n}", strictSites)
	w.Run(t)
	c := w.client(t)
	for told, why := range map[string]string{"http": "&why=scheme", "https": "", "ftp": ""} {
		res := navigate(c, w.URL(appHost, "/page"), "X-Forwarded-Proto", told, "X-Forwarded-For", "192.0.2.7")
		if want := w.URL(appHost, "/.auth/start?rd=%2Fpage") + why; res.Header.Get("Location") != want {
			t.Errorf("%s: to %s", told, res.Header.Get("Location"))
		}
	}
}
