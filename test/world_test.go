package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// The hosts of every story. The last one shares no registrable domain with the
// others, so nothing of the browser's sharing rules helps there.
const (
	authHost  = "auth.example.test"
	appHost   = "app.example.test"
	otherHost = "app.example.org"
)

// world is a Caddy over TLS with its mail server and an app behind the guard.
type world struct {
	*harness.Caddy
	mail    *harness.Sink
	app     *harness.Upstream
	globals string // the passwordless block
}

// worldOptions is what differs between stories. The zero value is a portal
// with two apps of different registrable domains and open registration.
type worldOptions struct {
	sink    harness.SinkOptions
	mailer  string // lines of the smtp block; default: from
	globals string // lines of the passwordless block; default: a portal
	sites   string // default: portalSites
	app     *harness.Upstream
	caddy   harness.CaddyOptions // Dir, Ports, Env
}

// roomy lifts the limits of one address: in tests, everybody comes from it.
const roomy = `limits {
	requests 60000 per 1m
	burst 30000 per 10s
	mails_per_address 80 per 1h
}
`

const portalGlobals = `portal https://auth.example.test:{$HTTPS}
registration open
rp_name "Example"
` + roomy

// portalSites are the portal and two guarded apps at {$APP}.
const portalSites = `auth.example.test {
	passwordless_portal
}
app.example.test {
	passwordless_guard {
		public /healthz /assets/*
	}
	reverse_proxy {$APP}
}
app.example.org {
	passwordless_guard
	reverse_proxy {$APP}
}
`

// sidecarSites is a stranger's three-line Caddyfile with one line more.
const sidecarSites = `app.example.test {
	passwordless_guard
	reverse_proxy {$APP}
}
`

// newWorld prepares everything but does not start Caddy.
func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	w := &world{mail: harness.StartSink(t, o.sink), app: o.app}
	if w.app == nil {
		w.app = harness.StartUpstream(t)
	}
	if o.mailer == "" {
		o.mailer = `from "Example <login@example.test>"`
	}
	if o.globals == "" {
		o.globals = portalGlobals
	}
	if o.sites == "" {
		o.sites = portalSites
	}
	o.caddy.Globals = fmt.Sprintf("passwordless {\n%s\nsmtp %s:%d {\n%s\n}\n}", o.globals, w.mail.Host, w.mail.Port, o.mailer)
	o.caddy.Sites, w.globals = o.sites, o.caddy.Globals
	o.caddy.Env = append([]string{"APP=" + w.app.Addr, "SSL_CERT_FILE=" + w.mail.CA}, o.caddy.Env...)
	w.Caddy = harness.NewCaddy(t, o.caddy)
	return w
}

func startWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	w := newWorld(t, o)
	w.Run(t)
	return w
}

// browser is a new device that trusts this Caddy.
func (w *world) browser(t *testing.T) *harness.Browser {
	t.Helper()
	return harness.StartBrowserOn(t, w.HTTPS, w.RootCA(t))
}

// client is a new device without JavaScript.
func (w *world) client(t *testing.T) *harness.Client {
	t.Helper()
	c := harness.NewClient(t, w.RootCA(t))
	c.HTTPS = w.HTTPS
	return c
}

// signInByCode goes to the URL in a browser, signs in with a mailed code, says
// "not now" to a passkey and arrives: the first sign-in of somebody.
func (w *world) signInByCode(t *testing.T, b *harness.Browser, at, address string) {
	t.Helper()
	w.mailedCode(t, b, at, address)
	b.Click("#not-now")
	b.WaitURL(at)
}

// mailedCode goes to the URL in a browser and signs in with a mailed code.
func (w *world) mailedCode(t *testing.T, b *harness.Browser, at, address string) {
	t.Helper()
	b.Goto(at)
	b.Fill("#email", address)
	b.Press("\r")
	b.Fill("#code", w.mail.Wait(address).Code(t))
	b.Press("\r")
}

// enter signs a client without JavaScript in by code, from an app's or the
// portal's page, and returns where it ends.
func (w *world) enter(t *testing.T, c *harness.Client, at, address string) harness.Response {
	t.Helper()
	page := w.ask(t, c, at, address)
	return w.typeCode(t, c, page, w.mail.Wait(address).Code(t))
}

// ask goes to the URL and asks for a mail; it returns the page for the code.
func (w *world) ask(t *testing.T, c *harness.Client, at, address string) harness.Response {
	t.Helper()
	return submit(t, c, c.Navigate(at), "/login", url.Values{"email": {address}})
}

// typeCode types a code and declines the passkey that may be offered then.
func (w *world) typeCode(t *testing.T, c *harness.Client, page harness.Response, code string) harness.Response {
	t.Helper()
	page = submit(t, c, page, "/login/code", url.Values{"code": {code}})
	if strings.HasSuffix(page.Request.URL.Path, "/login/offer") {
		page = submit(t, c, page, "/login/offer", nil)
	}
	return page
}

// form is the action and the hidden fields of the page's form whose action
// ends as given.
func form(t testing.TB, page harness.Response, action string) (string, url.Values) {
	t.Helper()
	return harness.Form(t, page, action)
}

// submit fills the page's form, posts it and follows where it leads.
func submit(t *testing.T, c *harness.Client, page harness.Response, action string, fields url.Values) harness.Response {
	t.Helper()
	return c.FillForm(page, action, fields)
}

// status asks as a program does, without following anything.
func status(c *harness.Client, target string) int {
	return c.Request(http.MethodGet, target, "").StatusCode
}

// newTicket is a fresh hand-over of a signed-in client: the callback's URL, not
// opened yet.
func (w *world) newTicket(t *testing.T, c *harness.Client, host string) string {
	t.Helper()
	target := w.URL(host, "/.auth/start?rd=/")
	for range 5 {
		res := navigate(c, target)
		next, err := res.Location()
		if err != nil {
			t.Fatalf("%s at %s, no way to a callback", res.Status, target)
		}
		if next.Path == "/.auth/callback" {
			return next.String()
		}
		target = next.String()
	}
	t.Fatal("no callback after five steps")
	return ""
}

// navigate is one page load, without following its redirect.
func navigate(c *harness.Client, target string, more ...string) harness.Response {
	return c.Request(http.MethodGet, target, "", append([]string{
		"Accept", "text/html,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none",
	}, more...)...)
}

// host is the name with the port, as Host headers have it.
func (w *world) host(name string) string { return name + ":" + strconv.Itoa(w.HTTPS) }

var formToken = regexp.MustCompile(`data-token="([^"]*)"`)

// script posts JSON as the page's own script does.
func script(t *testing.T, c *harness.Client, page harness.Response, path, body string) harness.Response {
	t.Helper()
	found := formToken.FindStringSubmatch(page.Body)
	if found == nil {
		t.Fatalf("no form token at %s (%s)", page.Request.URL, page.Status)
	}
	at := page.Request.URL
	return c.Request(http.MethodPost, at.Scheme+"://"+at.Host+path, withForm(body, found[1]),
		"Content-Type", "application/json", "Origin", at.Scheme+"://"+at.Host,
		"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty")
}

// withForm puts a page's form token into a JSON object, as its script does; what
// is no object stays.
func withForm(body, token string) string {
	rest, ok := strings.CutPrefix(body, "{")
	switch member := fmt.Sprintf(`{"form":%q`, token); {
	case !ok:
		return body
	case strings.HasPrefix(rest, "}"):
		return member + rest
	default:
		return member + "," + rest
	}
}

// peek opens a mailed link and shows its secret to the server, which spends
// nothing. pressLink is the press of the button there.
func peek(t *testing.T, c *harness.Client, link string) harness.Response {
	t.Helper()
	return linked(t, c, link, "/peek")
}

func pressLink(t *testing.T, c *harness.Client, link string) harness.Response {
	t.Helper()
	return linked(t, c, link, "")
}

func linked(t *testing.T, c *harness.Client, link, act string) harness.Response {
	t.Helper()
	address, secret, _ := strings.Cut(link, "#")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return script(t, c, c.Navigate(address), u.Path+act, fmt.Sprintf(`{"token":%q}`, secret))
}

// code is the machine code of a problem, "" for anything else.
func code(res harness.Response) string {
	var p struct{ Code string }
	_ = json.Unmarshal([]byte(res.Body), &p) // a page is no problem
	return p.Code
}

// command runs one of our commands on the server's host: it finds the process
// through the socket beside the database.
func (w *world) command(t *testing.T, args ...string) harness.Exit {
	t.Helper()
	return w.Command(t, args...)
}
