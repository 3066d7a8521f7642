package test

import (
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// arrival is a sign-in as its browser saw it.
type arrival struct {
	client  *harness.Client
	target  string     // of the form with the code
	typed   url.Values // that form
	link    string     // the other half of the mail
	session string     // the portal's cookie; "" when the answer never came
	ticket  string     // a hand-over's callback; "" when it never came to that
	app     string     // the app's cookie; "" when the answer never came
}

// The process is killed at random moments while people sign in. Whatever was
// acknowledged is there after the restart, and nothing works twice (ST-2).
func TestCrash_NoTokenTwiceAndNothingLost(t *testing.T) {
	const rounds, workers = 6, 4
	w := startWorld(t, worldOptions{})
	var people atomic.Int64
	acknowledged := 0
	for range rounds {
		var mu sync.Mutex
		var seen []arrival
		var crowd sync.WaitGroup
		for range workers {
			crowd.Go(func() {
				for {
					a, err := w.arrive(t, int(people.Add(1)))
					mu.Lock()
					seen = append(seen, a)
					mu.Unlock()
					if err != nil {
						return // the server is gone
					}
				}
			})
		}
		<-time.After(randomMoment(t, 100*time.Millisecond, 900*time.Millisecond))
		w.Kill()
		crowd.Wait()
		w.Run(t)
		for _, a := range seen {
			if a.session != "" {
				acknowledged++
			}
			w.mustHold(t, a)
		}
	}
	t.Logf("%d sign-ins begun, %d acknowledged", people.Load(), acknowledged)
	if acknowledged < rounds {
		t.Errorf("only %d sign-ins were acknowledged", acknowledged)
	}
	if exit := w.command(t, "user", "list"); exit.Code != 0 || !strings.Contains(exit.Stdout, "person-1@example.test") {
		t.Errorf("code %d\n%s%s", exit.Code, exit.Stdout, exit.Stderr)
	}
}

// arrive signs a new person in and on to an app. It keeps what it saw until
// the server was gone.
func (w *world) arrive(t *testing.T, n int) (a arrival, err error) {
	address := fmt.Sprintf("person-%d@example.test", n)
	a.client = w.client(t)
	a.client.From = net.IPv4(127, 0, 1, byte(1+n/20)) // mails are counted by address
	page, err := attempt(a.client, http.MethodGet, w.URL(authHost, "/login"), nil)
	if err != nil {
		return a, err
	}
	target, values := form(t, page, "/login")
	values.Set("email", address)
	if _, err = attempt(a.client, http.MethodPost, target, values); err != nil {
		return a, err
	}
	if page, err = attempt(a.client, http.MethodGet, w.URL(authHost, "/login/code"), nil); err != nil {
		return a, err
	}
	m, err := w.mailTo(address)
	if err != nil {
		return a, err
	}
	a.link = m.Link(t, "/login/link")
	a.target, a.typed = form(t, page, "/login/code")
	a.typed.Set("code", m.Code(t))
	if _, err = attempt(a.client, http.MethodPost, a.target, a.typed); err != nil {
		return a, err
	}
	a.session = a.client.Cookie(w.URL(authHost, "/"), sessionCookie)

	next := w.URL(appHost, "/.auth/start?rd=/")
	for a.app == "" {
		if strings.Contains(next, "/.auth/callback") {
			a.ticket = next
		}
		res, err := attempt(a.client, http.MethodGet, next, nil)
		if err != nil {
			return a, err
		}
		to, err := res.Location()
		if err != nil {
			return a, fmt.Errorf("%s at %s", res.Status, next)
		}
		next, a.app = to.String(), a.client.Cookie(w.URL(appHost, "/"), sessionCookie)
	}
	return a, nil
}

// mailTo waits for a mail as long as the server lives.
func (w *world) mailTo(address string) (harness.Message, error) {
	for w.Running() {
		for _, m := range w.mail.Messages() {
			if m.To[0] == address {
				return m, nil
			}
		}
		<-time.After(5 * time.Millisecond)
	}
	return harness.Message{}, fmt.Errorf("the server ended before it mailed to %s", address)
}

// mustHold checks a sign-in after the restart.
func (w *world) mustHold(t *testing.T, a arrival) {
	t.Helper()
	if a.session != "" {
		res := navigate(w.client(t), w.URL(authHost, "/account"), "Cookie", sessionCookie+"="+a.session)
		if res.StatusCode != http.StatusOK {
			t.Errorf("an acknowledged sign-in is lost: %s", res.Status)
		}
	}
	if a.app != "" {
		res := navigate(w.client(t), w.URL(appHost, "/"), "Cookie", sessionCookie+"="+a.app)
		if res.StatusCode != http.StatusOK {
			t.Errorf("an acknowledged hand-over is lost: %s", res.Status)
		}
		if app := newCookie(navigate(a.client, a.ticket)); app != "" {
			t.Error("a ticket worked twice")
		}
	}
	if a.typed == nil {
		return
	}
	again := 0
	for range 2 { // unless it was acknowledged, the code may work once
		if newCookie(a.client.Submit(a.target, a.typed)) != "" {
			again++
		}
	}
	if newCookie(pressLink(t, w.client(t), a.link)) != "" {
		again++
	}
	if again > 1 || again > 0 && a.session != "" {
		t.Errorf("a mail let in %d times more, acknowledged before: %v", again, a.session != "")
	}
}

// newCookie is the session that an answer gives, "" for none.
func newCookie(res harness.Response) string {
	for _, c := range res.Cookies() {
		if c.Name == sessionCookie {
			return c.Value
		}
	}
	return ""
}

// attempt is a request of a browser that the server may not live to answer.
func attempt(c *harness.Client, method, target string, form url.Values) (harness.Response, error) {
	req, err := http.NewRequest(method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return harness.Response{}, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", req.URL.Scheme+"://"+req.URL.Host)
	}
	res, err := c.Do(req)
	if err != nil {
		return harness.Response{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return harness.Response{Response: res, Body: string(body)}, err
}

func randomMoment(t *testing.T, from, to time.Duration) time.Duration {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(int64(to-from)))
	if err != nil {
		t.Fatal(err)
	}
	return from + time.Duration(n.Int64())
}

// 50 hands reach for one secret at the same time: exactly one gets it.
func TestParallel_ExactlyOneOfFifty(t *testing.T) {
	const hands = 50
	w := startWorld(t, worldOptions{})

	// winners sends one request per hand, all at once, and counts sessions.
	winners := func(t *testing.T, request func(hand int) (*harness.Client, *http.Request)) (n int) {
		t.Helper()
		var ready, done sync.WaitGroup
		var won atomic.Int64
		begin := make(chan struct{})
		for hand := range hands {
			c, req := request(hand)
			ready.Add(1)
			done.Go(func() {
				ready.Done()
				<-begin
				res, err := c.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if res.StatusCode >= http.StatusInternalServerError {
					t.Errorf("status %d", res.StatusCode)
				}
				if newCookie(harness.Response{Response: res}) != "" {
					won.Add(1)
				}
			})
		}
		ready.Wait()
		close(begin)
		done.Wait()
		return int(won.Load())
	}
	prepared := func(method, target, body string, header ...string) *http.Request {
		req, err := http.NewRequest(method, target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		return req
	}
	// press is the press of the button behind a mailed link, not sent yet.
	press := func(t *testing.T, c *harness.Client, link string) *http.Request {
		t.Helper()
		page, secret, _ := strings.Cut(link, "#")
		token := formToken.FindStringSubmatch(c.Navigate(page).Body)[1]
		return prepared(http.MethodPost, page, withForm(fmt.Sprintf(`{"token":%q}`, secret), token),
			"Content-Type", "application/json", "Origin", w.URL(authHost, ""))
	}

	t.Run("Link", func(t *testing.T) {
		w.ask(t, w.client(t), w.URL(appHost, "/"), "link@example.test")
		link := w.mail.Wait("link@example.test").Link(t, "/login/link")
		if n := winners(t, func(int) (*harness.Client, *http.Request) {
			c := w.client(t)
			return c, press(t, c, link)
		}); n != 1 {
			t.Errorf("%d of %d got in", n, hands)
		}
	})
	t.Run("Invitation", func(t *testing.T) {
		link := w.invite(t, "invited@example.test")
		if n := winners(t, func(int) (*harness.Client, *http.Request) {
			c := w.client(t)
			return c, press(t, c, link)
		}); n != 1 {
			t.Errorf("%d of %d got in", n, hands)
		}
	})
	t.Run("Code", func(t *testing.T) {
		c := w.client(t)
		target, values := form(t, w.ask(t, c, w.URL(appHost, "/"), "code@example.test"), "/login/code")
		values.Set("code", w.mail.Wait("code@example.test").Code(t))
		if n := winners(t, func(int) (*harness.Client, *http.Request) {
			return c, prepared(http.MethodPost, target, values.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", w.URL(authHost, ""))
		}); n != 1 {
			t.Errorf("%d of %d got in", n, hands)
		}
	})
	t.Run("Ticket", func(t *testing.T) {
		c := w.client(t)
		w.enter(t, c, w.URL(authHost, "/login"), "ticket@example.test")
		callback := w.newTicket(t, c, appHost)
		if n := winners(t, func(int) (*harness.Client, *http.Request) {
			return c, prepared(http.MethodGet, callback, "")
		}); n != 1 {
			t.Errorf("%d of %d got in", n, hands)
		}
	})
}
