package test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// Sign-in by mail, and everything that goes wrong with it. One server for all:
// each story is another person.
func TestEmail(t *testing.T) {
	w := startWorld(t, worldOptions{})
	app := w.URL(appHost, "/page?x=1")

	t.Run("EnvelopeNamesOnePerson", func(t *testing.T) {
		w.ask(t, w.client(t), app, "Envelope@Example.test")
		m := w.mail.Wait("envelope@example.test")
		if m.From != "login@example.test" || len(m.To) != 1 || m.To[0] != "envelope@example.test" || !m.Encrypted {
			t.Errorf("from %s to %v, encrypted %v", m.From, m.To, m.Encrypted)
		}
		if len(m.Header["To"]) != 1 || len(m.Header["Cc"])+len(m.Header["Bcc"]) != 0 || m.HTML == "" {
			t.Errorf("header %v, %d bytes of HTML", m.Header, len(m.HTML))
		}
		secret := m.Link(t, "/login/link")[strings.Index(m.Link(t, "/login/link"), "#")+1:]
		if strings.Contains(m.Subject, m.Code(t)[:4]) || strings.Contains(w.Output(), secret) || strings.Contains(w.Output(), m.Code(t)) {
			t.Error("a secret is in the subject or in the log")
		}
	})

	t.Run("LinkInTheSameBrowserGoesOnToTheApp", func(t *testing.T) {
		b := w.browser(t)
		b.Goto(app + "#part")
		b.Fill("#email", "same@example.test")
		b.Press("\r")
		link := w.mail.Wait("same@example.test").Link(t, "/login/link")
		tab := b.NewTab()
		tab.Goto(link)
		tab.Read("as same@example.test")
		if got := tab.URL(); got != w.URL(authHost, "/login/link") {
			t.Errorf("the address still holds the secret: %s", got)
		}
		tab.Click("[data-state=here] button")
		tab.Click("#not-now")
		tab.WaitURL(app)
		tab.Read("same@example.test")

		// The tab that waited for the code goes on when somebody looks at it.
		harness.Eval[bool](b, `document.dispatchEvent(new Event("visibilitychange"))`)
		b.WaitURL(app + "#part")
		b.Read("same@example.test")
		tab.Goto(link)
		tab.Read("This link does not work")
		tab.Read("It was used already")
	})

	t.Run("LinkOpenedElsewhereSignsInElsewhereOnly", func(t *testing.T) {
		const address = "elsewhere@example.test"
		asked, other := w.browser(t), w.browser(t)
		asked.Goto(app)
		asked.Fill("#email", address)
		asked.Press("\r")
		asked.WaitURL(w.URL(authHost, "/login/code"))
		m := w.mail.Wait(address)
		other.Goto(m.Link(t, "/login/link"))
		other.Read("Sign in on this device?")
		other.Read("The other device stays signed out")
		other.Click("[data-state=elsewhere] button")
		other.WaitURL(app) // by a hand-over of its own
		other.Read(address)

		for _, host := range []string{authHost, appHost} {
			for _, c := range asked.Cookies(w.URL(host, "/")) {
				if c.Name == sessionCookie {
					t.Errorf("the browser that asked has a session at %s", host)
				}
			}
		}
		asked.Fill("#code", m.Code(t)) // link and code share one use
		asked.Press("\r")
		asked.Read("This was used")
		asked.Goto(app)
		asked.WaitURL(w.URL(authHost, "/login"))
	})

	t.Run("CodeWorksOnlyWhereItWasAskedFor", func(t *testing.T) {
		const address = "code@example.test"
		asked, other := w.client(t), w.client(t)
		page := w.ask(t, asked, app, address)
		right := w.mail.Wait(address).Code(t)
		elsewhere := w.ask(t, other, app, address)
		w.mail.Wait(address)
		if res := submit(t, other, elsewhere, "/login/code", url.Values{"code": {right}}); res.StatusCode != http.StatusBadRequest {
			t.Errorf("in another browser: %s at %s", res.Status, res.Request.URL)
		}
		// Read on the phone, typed here, with the space that the mail shows.
		if res := w.typeCode(t, asked, page, right[:4]+" "+right[4:]); res.Request.URL.String() != app {
			t.Errorf("%s at %s", res.Status, res.Request.URL)
		}
	})

	t.Run("ScannersConsumeNothing", func(t *testing.T) {
		const address = "scanner@example.test"
		c, scanner := w.client(t), w.client(t)
		w.ask(t, c, app, address)
		link := w.mail.Wait(address).Link(t, "/login/link")
		page, secret, _ := strings.Cut(link, "#")
		for _, target := range []string{page, page + "?token=" + secret} {
			for name, header := range map[string][]string{
				"as a program":                nil,
				"as a browser":                {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"},
				"as a prefetch":               {"Sec-Purpose", "prefetch", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
				"as a previewer":              {"User-Agent", "bot", "Accept", "*/*"},
				"in a frame":                  {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
				"with the secret as a cookie": {"Cookie", sessionCookie + "=" + secret},
			} {
				for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
					for _, cookie := range scanner.Request(method, target, "", header...).Cookies() {
						if cookie.Name == sessionCookie && cookie.Value != "" {
							t.Errorf("%s %s got a session", method, name)
						}
					}
				}
			}
		}
		for range 3 {
			if res := peek(t, scanner, link); res.StatusCode != http.StatusOK || !strings.Contains(res.Body, `"same_browser":false`) {
				t.Errorf("peek: %s %s", res.Status, res.Body)
			}
		}
		if res := pressLink(t, c, link); res.StatusCode != http.StatusOK || c.Cookie(page, sessionCookie) == "" {
			t.Errorf("the owner's press: %s %s", res.Status, res.Body)
		}
	})

	t.Run("CodeMistypedFiveTimesIsSpent", func(t *testing.T) {
		const address = "typist@example.test"
		c := w.client(t)
		page := w.ask(t, c, app, address)
		m := w.mail.Wait(address)
		wrong := url.Values{"code": {notThis(m.Code(t))}}
		for try := 1; try <= 4; try++ {
			page = submit(t, c, page, "/login/code", wrong)
			if page.StatusCode != http.StatusBadRequest || !strings.Contains(page.Body, "Check the eight digits") {
				t.Fatalf("try %d: %s", try, page.Status)
			}
		}
		stale := page
		page = submit(t, c, page, "/login/code", wrong)
		if !strings.Contains(page.Body, "mistyped five times") || !strings.Contains(page.Body, "Ask for a new mail") {
			t.Errorf("the fifth: %s\n%s", page.Status, page.Body)
		}
		if strings.Contains(page.Body, `name="code"`) {
			t.Error("a spent code can still be typed")
		}
		// Neither the right code nor the link works any more.
		if res := submit(t, c, stale, "/login/code", url.Values{"code": {m.Code(t)}}); res.StatusCode != http.StatusBadRequest {
			t.Errorf("the right code after five wrong ones: %s", res.Status)
		}
		if res := pressLink(t, c, m.Link(t, "/login/link")); code(res) != "LINK_INVALID" {
			t.Errorf("the link after five wrong codes: %s %s", res.Status, res.Body)
		}
		// The page's own button mails anew.
		page = submit(t, c, page, "/login/code/resend", nil)
		if res := w.typeCode(t, c, page, w.mail.Wait(address).Code(t)); res.Request.URL.String() != app {
			t.Errorf("the new code: %s at %s", res.Status, res.Request.URL)
		}
	})

	t.Run("NewerMailReplacesTheOlder", func(t *testing.T) {
		const address = "newer@example.test"
		c := w.client(t)
		w.ask(t, c, app, address)
		older := w.mail.Wait(address)
		page := w.ask(t, c, app, address)
		newer := w.mail.Wait(address)
		if res := pressLink(t, c, older.Link(t, "/login/link")); code(res) != "LINK_INVALID" || !strings.Contains(res.Body, "newer mail") {
			t.Errorf("the older link: %s %s", res.Status, res.Body)
		}
		page = submit(t, c, page, "/login/code", url.Values{"code": {older.Code(t)}})
		if page.StatusCode != http.StatusBadRequest || !strings.Contains(page.Body, "from the newest mail") {
			t.Errorf("the older code: %s", page.Status)
		}
		if res := w.typeCode(t, c, page, newer.Code(t)); res.Request.URL.String() != app {
			t.Errorf("the newer code: %s at %s", res.Status, res.Request.URL)
		}
	})

	t.Run("SomebodyElseAskingLeavesTheOwnersMailAlone", func(t *testing.T) {
		const address = "victim@example.test"
		c := w.client(t)
		page := w.ask(t, c, app, address)
		m := w.mail.Wait(address)
		w.ask(t, w.client(t), app, address)
		w.mail.Wait(address)
		if res := w.typeCode(t, c, page, m.Code(t)); res.Request.URL.String() != app {
			t.Errorf("%s at %s", res.Status, res.Request.URL)
		}
	})

	t.Run("CookieDeletedHalfwayIsExplained", func(t *testing.T) {
		const address = "forgetful@example.test"
		b := w.browser(t)
		b.Goto(app)
		b.Fill("#email", address)
		b.Press("\r")
		right := w.mail.Wait(address).Code(t)
		b.WaitURL(w.URL(authHost, "/login/code"))
		b.DeleteCookie(w.URL(authHost, "/"), "__Host-passwordless-flow")
		b.Fill("#code", right)
		b.Press("\r")
		b.Read("This page is too old")
		b.Read("Allow cookies for this site")
		b.Click("main a.button")
		b.WaitURL(w.URL(authHost, "/login"))
		w.signInByCode(t, b, app, address)
	})

	t.Run("BackButtonAfterSignInGoesOn", func(t *testing.T) {
		b := w.browser(t)
		b.Goto(w.URL(authHost, "/login"))
		b.Fill("#email", "back@example.test")
		b.Press("\r")
		b.Fill("#code", w.mail.Wait("back@example.test").Code(t))
		b.Press("\r")
		b.Click("#not-now")
		b.WaitURL(w.URL(authHost, "/account"))
		harness.Eval[bool](b, "history.go(-2), true") // over the offer, to the code
		b.WaitURL(w.URL(authHost, "/account"))
		b.Read("Your account")

		// The same code once more, from a page that was still open.
		c := w.client(t)
		page := w.ask(t, c, app, "twice@example.test")
		right := url.Values{"code": {w.mail.Wait("twice@example.test").Code(t)}}
		target, values := form(t, page, "/login/code")
		values.Set("code", right.Get("code"))
		submit(t, c, page, "/login/code", right)
		if res := c.Submit(target, values); !strings.Contains(res.Body, "You are signed in") || !strings.Contains(res.Body, "Continue") {
			t.Errorf("the second press: %s\n%s", res.Status, res.Body)
		}
	})

	t.Run("WithoutJavaScript", func(t *testing.T) {
		b := w.browser(t)
		b.Script(false)
		b.Goto(app)
		b.Fill("#email", "plain@example.test")
		b.Press("\r")
		m := w.mail.Wait("plain@example.test")
		tab := b.NewTab()
		tab.Script(false)
		tab.Goto(m.Link(t, "/login/link"))
		tab.Read("Type the code of 8 digits")
		b.Fill("#code", m.Code(t))
		b.Press("\r")
		b.Click("#not-now")
		b.WaitURL(app)
	})
}

// notThis is a code of the same shape that is wrong.
func notThis(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

func TestEmail_SpeaksToEveryKindOfServer(t *testing.T) {
	const login = "username login\npassword {env.SMTP_PASSWORD}\n"
	for name, o := range map[string]worldOptions{
		"STARTTLS with AUTH":     {mailer: login, sink: harness.SinkOptions{Username: "login", Password: "s3cret"}},
		"implicit TLS with AUTH": {mailer: login + "tls implicit\n", sink: harness.SinkOptions{ImplicitTLS: true, Username: "login", Password: "s3cret"}},
		"implicit TLS":           {mailer: "tls implicit\n", sink: harness.SinkOptions{ImplicitTLS: true}},
		"no TLS on loopback":     {mailer: "tls none\n", sink: harness.SinkOptions{Plain: true}},
	} {
		t.Run(name, func(t *testing.T) {
			o.mailer += `from "Example <login@example.test>"`
			o.caddy.Env = []string{"SMTP_PASSWORD=s3cret"}
			w := startWorld(t, o)
			w.ask(t, w.client(t), w.URL(appHost, "/"), "ada@example.test")
			m := w.mail.Wait("ada@example.test")
			if m.User != o.sink.Username || m.Encrypted == o.sink.Plain || m.Code(t) == "" {
				t.Errorf("authenticated as %q, encrypted %v", m.User, m.Encrypted)
			}
			if strings.Contains(w.Output(), "s3cret") {
				t.Error("the password is in the log")
			}
		})
	}
}

func TestEmail_NeverSentInTheClearNorToAnImpostor(t *testing.T) {
	for name, o := range map[string]worldOptions{
		"a server without STARTTLS":   {sink: harness.SinkOptions{Plain: true}},
		"a certificate nobody trusts": {caddy: harness.CaddyOptions{Env: []string{"SSL_CERT_FILE=/dev/null", "SSL_CERT_DIR=/dev/null"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, o)
			w.Run(t)
			c := w.client(t)
			w.ask(t, c, w.URL(appHost, "/"), "ada@example.test")
			harness.Eventually(t, "waiting for the refusal", func() string {
				body := c.Request(http.MethodGet, w.URL(authHost, "/readiness"), "").Body
				if !strings.Contains(body, "1 mail is waiting") {
					return body
				}
				return ""
			})
			if n := len(w.mail.Messages()); n != 0 {
				t.Errorf("%d mails went out", n)
			}
		})
	}
}
