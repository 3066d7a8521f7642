package test

import (
	"net/http"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// What ends a session ends it everywhere and at once, in live connections too.
func TestEverywhere(t *testing.T) {
	w := startWorld(t, worldOptions{})

	t.Run("SignOutEverywhereKillsBothBrowsersAtOnce", func(t *testing.T) {
		const address = "everywhere@example.test"
		one, two := w.browser(t), w.browser(t)
		w.signInByCode(t, one, w.URL(appHost, "/"), address)
		w.mailedCode(t, two, w.URL(otherHost, "/"), address) // "not now" holds on every device
		two.WaitURL(w.URL(otherHost, "/"))
		openLive(one)
		openLive(two)
		tab := one.NewTab()
		tab.Goto(w.URL(authHost, "/account"))
		tab.Click("details:has([action$='/revoke-all']) summary")
		for _, b := range []*harness.Browser{one, two} {
			b.Expect("401")   // what a console notes about a request that is refused
			b.Expect("/live") // and about a connection that is cut
			b.Expect("ERR_")
			b.Expect("WebSocket")
		}
		tab.Click("form[action='/account/sessions/revoke-all'] button")
		tab.WaitURL(w.URL(authHost, "/signed-out"))
		for _, b := range []*harness.Browser{one, two} {
			if got := harness.Eval[int](b, "fetch('/next').then(r => r.status)"); got != http.StatusUnauthorized {
				t.Errorf("the next request: status %d", got)
			}
			harness.Eventually(t, "waiting for live connections to be cut", func() string {
				return harness.Eval[string](b, "socket.readyState == WebSocket.CLOSED && events.readyState == EventSource.CLOSED ? '' : 'open'")
			})
			b.Goto(w.URL(authHost, "/account"))
			b.WaitURL(w.URL(authHost, "/login"))
		}
		if n := w.app.Live(); n != 0 {
			t.Errorf("%d connections still open at the app", n)
		}
	})

	t.Run("RevokingADeviceCutsItsConnectionsAndNoOthers", func(t *testing.T) {
		const address = "cut@example.test"
		revoked, other := w.client(t), w.client(t)
		w.enter(t, revoked, w.URL(appHost, "/"), address)
		w.enter(t, other, w.URL(appHost, "/"), address)
		cut, kept := w.live(t, revoked), w.live(t, other)

		account := other.Navigate(w.URL(authHost, "/account"))
		if done := submit(t, other, account, "/revoke", nil); done.StatusCode != http.StatusOK {
			t.Fatalf("revoking: %s\n%s", done.Status, done.Body)
		}
		if got := status(revoked, w.URL(appHost, "/.auth/me")); got != http.StatusUnauthorized {
			t.Errorf("the next request: status %d", got)
		}
		cut.mustEnd(t)
		kept.mustLive(t)
		harness.Eventually(t, "waiting for the app to notice", func() string {
			if w.app.Live() != 2 {
				return "still there"
			}
			return ""
		})
		kept.close(t)
	})

	t.Run("SigningOutOfTheAppCutsItsConnections", func(t *testing.T) {
		c := w.client(t)
		w.enter(t, c, w.URL(appHost, "/"), "leaver@example.test")
		live := w.live(t, c)
		submitLogout(t, w, c)
		live.mustEnd(t)
	})

	t.Run("DisabledPersonIsOutAtTheNextRequest", func(t *testing.T) {
		const address = "disabled@example.test"
		c := w.client(t)
		w.enter(t, c, w.URL(appHost, "/"), address)
		live := w.live(t, c)
		if exit := w.command(t, "user", "disable", address); exit.Code != 0 {
			t.Fatalf("code %d\n%s%s", exit.Code, exit.Stdout, exit.Stderr)
		}
		if got := status(c, w.URL(appHost, "/next")); got != http.StatusUnauthorized {
			t.Errorf("the next request: status %d", got)
		}
		live.mustEnd(t)
		// A mail is promised to everybody, and sent to nobody who is disabled (EN).
		before := len(w.mail.Messages())
		if page := w.ask(t, c, w.URL(appHost, "/"), address); page.Request.URL.Path != "/login/code" {
			t.Errorf("asking again: %s at %s", page.Status, page.Request.URL)
		}
		w.ask(t, w.client(t), w.URL(appHost, "/"), "canary@example.test")
		w.mail.Wait("canary@example.test")
		if n := len(w.mail.Messages()); n != before+1 {
			t.Errorf("%d mails more, want the canary's only", n-before)
		}
		if exit := w.command(t, "user", "enable", address); exit.Code != 0 {
			t.Fatalf("code %d\n%s", exit.Code, exit.Stderr)
		}
		if got := status(c, w.URL(appHost, "/next")); got != http.StatusUnauthorized {
			t.Errorf("enabling brought the session back: status %d", got) // SE-5
		}
		w.enter(t, c, w.URL(appHost, "/"), address)
	})
}

// openLive opens a WebSocket and an event stream in the page and waits for both.
func openLive(b *harness.Browser) {
	harness.Eval[bool](b, `new Promise((done, fail) => {
		window.socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
		socket.onopen = () => socket.send('hello');
		socket.onerror = () => fail(new Error('no WebSocket'));
		socket.onmessage = () => {
			window.events = new EventSource('/events');
			events.onmessage = () => done(true);
		};
	})`)
}

// liveness is a WebSocket and an event stream of a client at the app, both
// over the guard and both open.
type liveness struct {
	ws     *harness.WebSocket
	events *harness.EventStream
}

func (w *world) live(t *testing.T, c *harness.Client) liveness {
	t.Helper()
	ws, code := c.OpenWebSocket(w.URL(appHost, "/ws"))
	if ws == nil {
		t.Fatalf("WebSocket: status %d", code)
	}
	events, code := c.OpenEvents(w.URL(appHost, "/events"))
	if events == nil {
		t.Fatalf("events: status %d", code)
	}
	l := liveness{ws, events}
	l.mustLive(t)
	return l
}

func (l liveness) mustLive(t *testing.T) {
	t.Helper()
	if err := l.ws.Send("ping"); err != nil {
		t.Fatal(err)
	}
	if got, err := l.ws.Receive(); err != nil || got != "ping" {
		t.Errorf("WebSocket: %q, %v", got, err)
	}
	if _, err := l.events.Next(); err != nil {
		t.Errorf("events: %v", err)
	}
}

// mustEnd reads until both ends say that it is over. What was under way may
// still arrive; a connection that lives on runs into the client's deadline.
func (l liveness) mustEnd(t *testing.T) {
	t.Helper()
	for range 1000 {
		if _, err := l.events.Next(); err != nil {
			if _, err := l.ws.Receive(); err == nil {
				t.Error("the WebSocket lives on")
			}
			return
		}
	}
	t.Error("the event stream lives on")
}

func (l liveness) close(t *testing.T) {
	t.Helper()
	if err := l.ws.Close(); err != nil {
		t.Error(err)
	}
	if err := l.events.Close(); err != nil {
		t.Error(err)
	}
}
