package proxies

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// sessionCookie is a session at one host.
const sessionCookie = "__Host-passwordless"

// signIn is the first evening of a person with two apps: a code by mail, the
// page that was asked for, and the second app without a question.
func signIn(t *testing.T, s *stage, _ *proxy) {
	const who = "first@example.test"
	s.add(t, who, "staff")
	b := s.browser(t)
	b.Goto(s.appURL + "/first?page=1#chapter-2")
	b.WaitURL(s.authURL + "/login")
	b.Fill("#email", who)
	b.Press("\r")
	b.Fill("#code", s.mail.Wait(who).Code(t))
	b.Press("\r")
	notNow(b)
	b.WaitURL(s.appURL + "/first?page=1#chapter-2")
	for _, header := range []string{`"Remote-User":["` + who + `"]`, `"Remote-Email":["` + who + `"]`, `"Remote-Groups":["staff"]`, `"Remote-Sub":["`} {
		b.Read(header)
	}

	b.Goto(s.wikiURL + "/second")
	b.WaitURL(s.wikiURL + "/second") // no prompt, on another registrable domain
	b.Read(`"Remote-User":["` + who + `"]`)
	for _, at := range []string{s.authURL, s.appURL, s.wikiURL} {
		found := 0
		for _, c := range b.Cookies(at + "/") {
			if !c.Secure || !c.HTTPOnly || c.Path != "/" || !strings.HasPrefix(c.Name, "__Host-") || !strings.HasPrefix(at, "https://"+c.Domain) {
				t.Errorf("cookie %s of %s: domain %s, path %s, secure %v, HttpOnly %v", c.Name, at, c.Domain, c.Path, c.Secure, c.HTTPOnly)
			}
			if c.Name == sessionCookie {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d sessions at %s", found, at)
		}
	}

	// What a page does beside loading: a script, a WebSocket, a stream.
	got := harness.Eval[string](b, `(async () => {
		const echo = await (await fetch('/from-a-script')).json();
		const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
		const heard = await new Promise((done, fail) => {
			socket.onopen = () => socket.send('over the socket');
			socket.onmessage = e => done(e.data);
			socket.onerror = () => fail(new Error('no WebSocket'));
		});
		socket.close();
		const events = new EventSource('/events');
		const event = await new Promise((done, fail) => { events.onmessage = e => done(e.data); events.onerror = () => fail(new Error('no events')); });
		events.close();
		return [echo.uri, heard, event].join(' ');
	})()`)
	if want := "/from-a-script over the socket 1"; got != want {
		t.Errorf("the page's scripts got %q, want %q", got, want)
	}
}

// signOut leaves one app, and then all.
func signOut(t *testing.T, s *stage, _ *proxy) {
	const who = "leaver@example.test"
	s.add(t, who, "staff")
	b := s.browser(t)
	b.Goto(s.appURL + "/page")
	b.Fill("#email", who)
	b.Press("\r")
	b.Fill("#code", s.mail.Wait(who).Code(t))
	b.Press("\r")
	notNow(b)
	b.WaitURL(s.appURL + "/page")
	b.Goto(s.wikiURL + "/page")
	b.Read(who)
	var session string
	for _, c := range b.Cookies(s.appURL + "/") {
		if c.Name == sessionCookie {
			session = c.Name + "=" + c.Value
		}
	}
	if session == "" {
		t.Fatal("no session to sign out of")
	}

	b.Goto(s.appURL + "/leave")
	harness.Eval[bool](b, `(() => { const f = document.createElement("form"); f.method = "post"; f.action = "/.auth/logout";
		document.body.append(f); f.submit(); return true })()`)
	b.WaitURL(s.authURL + "/signed-out")
	b.Read("Signed out of " + appHost)
	if res := s.client(t).Request(http.MethodGet, s.appURL+"/", "", "Cookie", session); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the app's session lives: %s", res.Status)
	}
	b.Goto(s.wikiURL + "/still")
	b.WaitURL(s.wikiURL + "/still")

	b.Goto(s.authURL + "/signed-out?app=" + url.QueryEscape(s.named(appHost)))
	b.Click("main form[action='/logout'] button")
	b.Read("You are signed out")
	for _, app := range []string{s.appURL, s.wikiURL} {
		b.Goto(app + "/")
		b.WaitURL(s.authURL + "/login")
	}
}

// refused: signed in, and not let in, which is not "sign in again".
func refused(t *testing.T, s *stage, _ *proxy) {
	const who = "guest@example.test"
	s.add(t, who)
	c := s.client(t)
	c.SignIn(s.appURL+"/", who, s.mail)

	before := len(s.wiki.Seen())
	res := c.Navigate(s.wikiURL + "/secret")
	if res.StatusCode != http.StatusForbidden || !strings.Contains(res.Body, who) {
		t.Errorf("a page of another app: %s at %s\n%s", res.Status, res.Request.URL, res.Body)
	}
	if n := len(s.wiki.Seen()); n != before {
		t.Errorf("the app saw %d requests", n-before)
	}

	mark := s.raw.mark()
	res = navigate(c, s.appURL+"/admin/secret")
	if res.StatusCode != http.StatusForbidden || !strings.Contains(res.Body, who) {
		t.Errorf("a page of a closed path: %s to %q\n%s", res.Status, res.Header.Get("Location"), res.Body)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		res = c.Request(method, s.appURL+"/admin/secret", "", "Accept", "application/json", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin")
		if res.StatusCode != http.StatusForbidden || strings.Contains(res.Body, "<html") {
			t.Errorf("%s by a script: %s\n%s", method, res.Status, res.Body)
		}
	}
	if sent := s.raw.since(mark); sent != "" {
		t.Errorf("the app was sent\n%s", sent)
	}
}

// public: open to everybody, and nobody in particular.
func public(t *testing.T, s *stage, _ *proxy) {
	mark := s.raw.mark()
	res := s.client(t).Request(http.MethodGet, s.appURL+"/public/page?a=b", "", "Remote-User", "mallory", "Authorization", "Bearer theirs")
	sent := s.raw.since(mark)
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(sent, "GET /public/page?a=b HTTP/1.1\r\n") {
		t.Fatalf("%s; the app was sent\n%s", res.Status, sent)
	}
	if strings.Contains(sent, "mallory") {
		t.Errorf("the app was told a name:\n%s", sent)
	}
	if !strings.Contains(sent, "Bearer theirs") {
		t.Errorf("the client's own Authorization is lost:\n%s", sent)
	}
}

// notNow declines a passkey. The page first finds out what the device can do, and
// says so above the button, which moves.
func notNow(b *harness.Browser) {
	b.Read("This device keeps no passkeys itself")
	b.Click("#not-now")
}

// navigate is one page load, without following its redirect.
func navigate(c *harness.Client, target string) harness.Response {
	return c.Request(http.MethodGet, target, "", "Accept", "text/html,*/*;q=0.8",
		"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none")
}
