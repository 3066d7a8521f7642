package portal

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// A sign-in that keeps coming back is stopped, and the page names the cause as
// far as it can be told. A hint of it travels with the hand-over (why=…): what
// the guard saw of the address, what the callback saw of the ticket.

// clockLeeway is how far clocks may differ before they are to blame.
const clockLeeway = time.Minute

// cause reads a hint. Anybody may write one: it chooses among fixed texts.
func cause(s string) bounceCause {
	switch c := bounceCause(s); c {
	case bounceScheme, bounceHost, bounceClock:
		return c
	}
	return ""
}

// astray is what is wrong with the address by which the browser came to an app:
// a session that is made for the right one is not sent to another.
func astray(r *http.Request, o authcore.Origin) bounceCause {
	if s := scheme(r); s != "" && s != o.Scheme {
		return bounceScheme
	}
	host := strings.ToLower(r.Host)
	if o.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	if host != o.HostPort() {
		return bounceHost
	}
	return ""
}

// with adds a hint to the address of a start.
func (c bounceCause) with(start string) string {
	if c == "" {
		return start
	}
	return start + "&why=" + url.QueryEscape(string(c))
}

// bounced stops a hand-over that failed three times, on the app's host.
func (h *Handler) bounced(w http.ResponseWriter, r *http.Request, app *authcore.App, path string, why bounceCause) {
	if _, ok := authcore.FindCookie(r.Header["Cookie"], h.svc.FlowCookie(app.Origin)); !ok {
		why = bounceCookie
	}
	h.render(w, r, http.StatusBadRequest, circles(h.appPage(r, app, nil, "bounces.title"), app, why,
		authcore.StartURL(app, path, 0, authcore.Need{}), requestID(r)))
}

// inCircles: the hand-over works, and the app's session cookie is lost each time.
func (h *Handler) inCircles(w http.ResponseWriter, r *http.Request, b *authcore.Browser, t trip) error {
	p, err := h.begin(w, r, b, "bounces.title", t)
	if err != nil {
		return err
	}
	why := cause(t.Cause)
	if t.At.After(h.svc.Now().Add(clockLeeway)) {
		why = bounceClock
	}
	h.render(w, r, http.StatusBadRequest, circles(p, t.app, why, t.plain(), requestID(r)))
	return nil
}

func circles(p Page, app *authcore.App, why bounceCause, retry, id string) bouncesPage {
	page := bouncesPage{Page: p, Cause: why, Expected: app.Origin.String(), Retry: retry, RequestID: id}
	if why == bounceScheme {
		seen := app.Origin
		seen.Scheme = map[string]string{"https": "http", "http": "https"}[seen.Scheme]
		page.Seen = seen.Scheme + "://" + seen.Host
	}
	return page
}
