package test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// sessionCookie is a client's session at a host.
const sessionCookie = "__Host-passwordless"

// The hand-over between a portal and apps, one of them on another registrable
// domain (DESIGN §4.2). One server for all: each story is another person.
func TestHandover(t *testing.T) {
	w := startWorld(t, worldOptions{})

	t.Run("OneSignInOpensAppsOfTwoDomains", func(t *testing.T) {
		b := w.browser(t)
		w.signInByCode(t, b, w.URL(appHost, "/first?page=1#chapter-2"), "sso@example.test")
		b.Goto(w.URL(otherHost, "/second"))
		b.WaitURL(w.URL(otherHost, "/second")) // no prompt
		b.Read("sso@example.test")
		for _, c := range b.Cookies(w.URL(otherHost, "/")) {
			if c.Domain != otherHost || !c.Secure || !c.HTTPOnly || c.Path != "/" || !strings.HasPrefix(c.Name, "__Host-") {
				t.Errorf("cookie %s: domain %s, path %s, secure %v, HttpOnly %v", c.Name, c.Domain, c.Path, c.Secure, c.HTTPOnly)
			}
		}
	})

	t.Run("TwoTabsBothArrive", func(t *testing.T) {
		b := w.browser(t)
		first, second := w.URL(appHost, "/tab-one"), w.URL(appHost, "/tab-two#here")
		b.Goto(first)
		tab := b.NewTab()
		tab.Goto(second)
		tab.Fill("#email", "tabs@example.test")
		tab.Press("\r")
		tab.Fill("#code", w.mail.Wait("tabs@example.test").Code(t))
		tab.Press("\r")
		tab.Click("#not-now")
		tab.WaitURL(second)
		b.Reload() // the first tab still shows sign-in: it is let in, too
		b.WaitURL(w.URL(appHost, "/"))
		tab.Reload()
		tab.WaitURL(second) // and the other one's session is still good
		tab.Read("tabs@example.test")
	})

	t.Run("CookieOfOneHostOpensNoOther", func(t *testing.T) {
		c := w.client(t)
		w.enter(t, c, w.URL(appHost, "/"), "cookie@example.test")
		c.Navigate(w.URL(otherHost, "/"))
		for _, from := range []string{authHost, appHost, otherHost} {
			value := c.Cookie(w.URL(from, "/"), sessionCookie)
			if value == "" {
				t.Fatalf("no session at %s", from)
			}
			for _, to := range []string{authHost, appHost, otherHost} {
				path, want := "/.auth/me", http.StatusUnauthorized
				if to == authHost {
					path, want = "/account", http.StatusSeeOther // to sign-in
				}
				if from == to {
					want = http.StatusOK
				}
				stranger := w.client(t)
				res := navigate(stranger, w.URL(to, path), "Cookie", sessionCookie+"="+value)
				if res.StatusCode != want {
					t.Errorf("%s's cookie at %s%s: status %d, want %d", from, to, path, res.StatusCode, want)
				}
			}
		}
	})

	t.Run("TicketIsWorthlessInOtherHands", func(t *testing.T) {
		c := w.client(t)
		w.enter(t, c, w.URL(authHost, "/login"), "ticket@example.test")

		// Read over the shoulder, or in a log, and used first: worthless, and burnt.
		callback := w.newTicket(t, c, appHost)
		thief := w.client(t)
		if res := thief.Navigate(callback); res.Request.URL.Hostname() != authHost || !strings.HasPrefix(res.Request.URL.Path, "/login") {
			t.Errorf("a thief with a ticket: %s at %s", res.Status, res.Request.URL)
		}
		if got := status(thief, w.URL(appHost, "/.auth/me")); got != http.StatusUnauthorized {
			t.Errorf("a thief is signed in: status %d", got)
		}
		if res := c.Navigate(callback); res.StatusCode != http.StatusOK || res.Request.URL.Path == "/.auth/callback" {
			t.Errorf("the owner is not helped: %s at %s", res.Status, res.Request.URL)
		}

		// At another app's host.
		callback = w.newTicket(t, c, appHost)
		elsewhere := strings.Replace(callback, appHost, otherHost, 1)
		c.Navigate(elsewhere)
		if res := navigate(w.client(t), elsewhere); res.StatusCode == http.StatusOK {
			t.Errorf("at another host: %s", res.Status)
		}

		// Replayed by its owner, without the session it made: no second one.
		callback = w.newTicket(t, c, otherHost)
		flow := "__Host-passwordless-flow=" + c.Cookie(w.URL(otherHost, "/"), "__Host-passwordless-flow")
		if res := navigate(c, callback); res.StatusCode != http.StatusSeeOther || len(res.Cookies()) == 0 {
			t.Fatalf("%s", res.Status)
		}
		for _, cookie := range navigate(w.client(t), callback, "Cookie", flow).Cookies() {
			if cookie.Name == sessionCookie && cookie.Value != "" {
				t.Error("a replayed ticket made a second session")
			}
		}
	})

	t.Run("LateTicketFindsTheOneWhoIsInAlready", func(t *testing.T) {
		c := w.client(t)
		w.enter(t, c, w.URL(appHost, "/"), "late@example.test")
		res := navigate(c, w.URL(appHost, "/.auth/callback?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
		if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || to != w.URL(appHost, "/") {
			t.Errorf("%s to %s", res.Status, to)
		}
	})

	t.Run("OnlyAPageLoadHandsOver", func(t *testing.T) {
		c := w.client(t)
		w.enter(t, c, w.URL(authHost, "/login"), "load@example.test")
		for name, header := range map[string][]string{
			"a fetch":     {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
			"a frame":     {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
			"a prefetch":  {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Purpose", "prefetch"},
			"a prerender": {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Purpose", "prefetch;prerender"},
		} {
			callback := w.newTicket(t, c, appHost)
			for _, target := range []string{w.URL(appHost, "/.auth/start?rd=/"), callback} {
				res := c.Request(http.MethodGet, target, "", header...)
				if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) != 0 {
					t.Errorf("%s at %s: %s, %d cookies", name, res.Request.URL.Path, res.Status, len(res.Cookies()))
				}
			}
			if res := navigate(c, callback); res.StatusCode != http.StatusSeeOther || c.Cookie(callback, sessionCookie) == "" {
				t.Errorf("%s used up the ticket: %s", name, res.Status)
			}
			submitLogout(t, w, c)
		}
	})

	t.Run("SigningOutOfOneAppLeavesTheOthers", func(t *testing.T) {
		b := w.browser(t)
		w.signInByCode(t, b, w.URL(appHost, "/"), "out@example.test")
		b.Goto(w.URL(otherHost, "/"))
		b.Read("out@example.test")
		old := b.Cookies(w.URL(appHost, "/"))[0]
		b.Goto(w.URL(appHost, "/leave"))
		harness.Eval[bool](b, `(() => { const f = document.createElement("form"); f.method = "post"; f.action = "/.auth/logout";
			document.body.append(f); f.submit(); return true })()`)
		b.WaitURL(w.URL(authHost, "/signed-out"))
		b.Read("Signed out of " + appHost)
		if res := w.client(t).Request(http.MethodGet, w.URL(appHost, "/.auth/me"), "", "Cookie", old.Name+"="+old.Value); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("the app session lives: %s", res.Status)
		}
		b.Goto(w.URL(otherHost, "/still"))
		b.WaitURL(w.URL(otherHost, "/still"))

		// Then of all, from the page that offered it.
		b.Goto(w.URL(authHost, "/signed-out?app="+url.QueryEscape(w.host(appHost))))
		b.Click("main form[action='/logout'] button")
		b.Read("You are signed out")
		for _, host := range []string{appHost, otherHost} {
			b.Goto(w.URL(host, "/"))
			b.WaitURL(w.URL(authHost, "/login"))
		}
	})

	t.Run("AppCannotEndTheRootSession", func(t *testing.T) {
		c := w.client(t)
		w.enter(t, c, w.URL(appHost, "/"), "root@example.test")
		res := c.Request(http.MethodPost, w.URL(authHost, "/logout"), "", "Origin", w.URL(appHost, ""), "Sec-Fetch-Site", "same-site")
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("from an app: %s", res.Status)
		}
		if res := navigate(c, w.URL(authHost, "/account")); res.StatusCode != http.StatusOK {
			t.Errorf("the root session is gone: %s", res.Status)
		}
	})

	t.Run("CookieThatIsNotKeptIsExplained", func(t *testing.T) {
		c := w.client(t)
		w.enter(t, c, w.URL(authHost, "/login"), "lost@example.test")
		target := w.URL(appHost, "/page")
		for range 30 { // a browser that keeps the portal's cookies and loses the app's
			res := navigate(c, target)
			next, err := res.Location()
			if err != nil {
				if !strings.Contains(res.Body, "The cookie was not stored") || res.StatusCode != http.StatusBadRequest {
					t.Errorf("%s at %s:\n%s", res.Status, target, res.Body)
				}
				return
			}
			target = next.String()
			jar := c.Jar
			c = w.client(t)
			portal, _ := url.Parse(w.URL(authHost, "/"))
			c.Jar.SetCookies(portal, withPath(jar.Cookies(portal)))
		}
		t.Error("round in circles for ever")
	})
}

// withPath makes cookies that a jar has returned fit to be set again.
func withPath(cookies []*http.Cookie) []*http.Cookie {
	for _, c := range cookies {
		c.Path, c.Secure = "/", true
	}
	return cookies
}

// submitLogout ends the client's session at the app.
func submitLogout(t *testing.T, w *world, c *harness.Client) {
	t.Helper()
	if res := c.Submit(w.URL(appHost, "/.auth/logout"), nil); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing out: %s", res.Status)
	}
}
