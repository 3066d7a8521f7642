package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// strangerHost is another site, which nobody guards.
const strangerHost = "lobby.example.org"

// What the clients of a guarded app get while nobody is signed in (DESIGN §9),
// from the server that people run and in a browser that people use. The page that
// asks is public; what it asks for is not.
func TestNegotiation(t *testing.T) {
	w := startWorld(t, worldOptions{sites: portalSites + strangerHost + " {\n\treverse_proxy {$APP}\n}\n"})
	lobby, start := w.URL(appHost, "/assets/lobby"), w.URL(appHost, "/.auth/start?rd=%2F")
	b := w.browser(t)
	b.Goto(lobby)
	traffic := b.Traffic()

	// refused is what a script can tell of an answer that it was given.
	type refused struct {
		Status   int
		Kind     string
		Moved    bool `json:"redirected"`
		Code     string
		LoginURL string `json:"login_url"`
	}
	readable := func(t *testing.T, got refused) {
		t.Helper()
		if got.Status != http.StatusUnauthorized || got.Kind != "application/problem+json" || got.Moved || got.Code != "UNAUTHENTICATED" || got.LoginURL != start {
			t.Errorf("%+v", got)
		}
	}
	const answer = `.then(async r => ({status: r.status, kind: r.headers.get("content-type"), redirected: r.redirected, ...(await r.json())}))`

	t.Run("Fetch", func(t *testing.T) {
		readable(t, harness.Eval[refused](b, `fetch("/data")`+answer))
		readable(t, harness.Eval[refused](b, `fetch("/data", {method: "POST", body: "x=1", headers: {Accept: "text/html"}})`+answer))
		readable(t, harness.Eval[refused](b, `fetch("/data", {method: "DELETE", credentials: "omit"})`+answer))
	})

	t.Run("XHR", func(t *testing.T) {
		readable(t, harness.Eval[refused](b, `new Promise(done => {
			const x = new XMLHttpRequest();
			x.onload = () => done({status: x.status, kind: x.getResponseHeader("content-type"), redirected: x.responseURL != location.origin + "/xhr", ...JSON.parse(x.responseText)});
			x.open("GET", "/xhr");
			x.send();
		})`))
	})

	t.Run("EventSource", func(t *testing.T) {
		// It gives up, and does not knock again every three seconds.
		state := harness.Eval[int](b, `new Promise(done => { const s = new EventSource("/events"); s.onerror = () => done(s.readyState) })`)
		if h := traffic.Wait(w.URL(appHost, "/events")); state != 2 || h.Status != http.StatusUnauthorized || h.MIME != "application/problem+json" {
			t.Errorf("state %d, %+v", state, h)
		}
	})

	t.Run("WebSocket", func(t *testing.T) {
		b.Expect("WebSocket connection to")
		state := harness.Eval[string](b, `new Promise(done => {
			const s = new WebSocket("wss://" + location.host + "/ws");
			s.onopen = () => done("open");
			s.onclose = e => done(e.code + " " + e.wasClean);
		})`)
		if state != "1006 false" {
			t.Errorf("it is %s", state)
		}
	})

	t.Run("ServiceWorker", func(t *testing.T) {
		// A redirect or a page would be a security error of another kind.
		b.Expect("A bad HTTP response code (401) was received when fetching the script.")
		said := harness.Eval[string](b, `navigator.serviceWorker.register("/sw.js").then(() => "registered", e => e.message)`)
		if !strings.Contains(said, "A bad HTTP response code (401)") {
			t.Errorf("it says %q", said)
		}
	})

	t.Run("Manifest", func(t *testing.T) {
		b.Expect("Manifest")
		harness.Eval[bool](b, `(() => { const l = document.createElement("link"); l.rel = "manifest"; l.href = "/app.webmanifest"; document.head.append(l); return true })()`)
		b.LookForManifest()
		if h := traffic.Wait(w.URL(appHost, "/app.webmanifest")); h.Status != http.StatusUnauthorized || h.MIME != "application/problem+json" {
			t.Errorf("%+v", h)
		}
	})

	t.Run("Prefetch", func(t *testing.T) {
		harness.Eval[bool](b, `(() => { const l = document.createElement("link"); l.rel = "prefetch"; l.href = "/soon"; document.head.append(l); return true })()`)
		if h := traffic.Wait(w.URL(appHost, "/soon")); h.Status != http.StatusServiceUnavailable {
			t.Errorf("%+v", h)
		}
		harness.Eval[bool](b, `(() => { const s = document.createElement("script"); s.type = "speculationrules";
			s.textContent = JSON.stringify({prefetch: [{urls: ["/guess"], eagerness: "immediate"}]}); document.head.append(s); return true })()`)
		if h := traffic.Wait(w.URL(appHost, "/guess")); h.Status != http.StatusServiceUnavailable {
			t.Errorf("%+v", h)
		}
	})

	t.Run("ImageAndFrame", func(t *testing.T) {
		b.Expect("frame-ancestors 'none'") // WB-1
		for tag, path := range map[string]string{"img": "/logo.png", "iframe": "/frame"} {
			harness.Eval[bool](b, fmt.Sprintf(`(() => { const e = document.createElement(%q); e.src = %q; document.body.append(e); return true })()`, tag, path))
			if h := traffic.Wait(w.URL(appHost, path)); h.Status != http.StatusUnauthorized || h.MIME != "application/problem+json" {
				t.Errorf("%+v", h)
			}
		}
	})

	t.Run("OtherSitesScript", func(t *testing.T) {
		other := w.browser(t)
		other.Goto(w.URL(strangerHost, "/"))
		heard := other.Traffic()
		other.Expect("has been blocked by CORS policy")
		other.Expect("net::ERR_FAILED")
		for _, init := range []string{`{}`, `{credentials: "include"}`, `{method: "PUT", headers: {"X-Own": "1"}}`} {
			said := harness.Eval[string](other, fmt.Sprintf(`fetch(%q, %s).then(r => "read " + r.status, e => e.name)`, w.URL(appHost, "/cross"), init))
			if said != "TypeError" {
				t.Errorf("%s: another site's script has %s", init, said)
			}
		}
		heard.Wait(w.URL(appHost, "/cross"))
	})

	if got := w.reached(); len(got) > 0 {
		t.Errorf("the app was reached: %+v", got)
	}
	if cookies := b.Cookies(lobby); len(cookies) != 0 {
		t.Errorf("%d cookies were set", len(cookies))
	}
}

// reached are the requests that the app got, but for pages that need no sign-in.
func (w *world) reached() (list []harness.Echo) {
	for _, e := range w.app.Seen() {
		if !strings.HasPrefix(e.URI, "/assets/") && !strings.HasPrefix(e.Host, strangerHost) {
			list = append(list, e)
		}
	}
	return list
}

// A page load goes to sign-in; what a form sent is neither kept nor sent on.
func TestNegotiation_PagesAndForms(t *testing.T) {
	w := startWorld(t, worldOptions{sites: portalSites + strangerHost + " {\n\treverse_proxy {$APP}\n}\n"})
	lobby, login := w.URL(appHost, "/assets/lobby"), w.URL(authHost, "/login")
	post := func(b *harness.Browser, to string) {
		harness.Eval[bool](b, fmt.Sprintf(`(() => { const f = document.createElement("form"); f.method = "post"; f.action = %q;
			f.innerHTML = '<input name="text" value="a long letter">'; document.body.append(f); f.submit(); return true })()`, to))
	}

	t.Run("Page", func(t *testing.T) {
		b := w.browser(t)
		b.Goto(w.URL(appHost, "/page?x=1#part"))
		b.WaitURL(login)
	})

	t.Run("FormOfTheSameOrigin", func(t *testing.T) {
		b := w.browser(t)
		b.Goto(lobby)
		post(b, "/save")
		b.Read("What you sent was not delivered, and this page still holds it.")
		b.WaitURL(w.URL(appHost, "/save"))
		if got := b.Status(); got != http.StatusUnauthorized {
			t.Errorf("status %d", got)
		}
		b.Back()
		b.WaitURL(lobby)
	})

	t.Run("FormOfAnotherSite", func(t *testing.T) {
		b := w.browser(t)
		b.Goto(w.URL(strangerHost, "/"))
		post(b, w.URL(appHost, "/save"))
		b.WaitURL(login)
		w.signInHere(t, b, "poster@example.test")
		b.WaitURL(w.URL(appHost, "/")) // what the form sent is gone, and not sent again as a GET
	})

	for _, e := range w.reached() {
		if e.Method != http.MethodGet || e.Body != "" || e.URI != "/" {
			t.Errorf("the app was reached: %+v", e)
		}
	}
}

// signInHere signs in on the sign-in page where the browser is.
func (w *world) signInHere(t *testing.T, b *harness.Browser, address string) {
	t.Helper()
	b.Fill("#email", address)
	b.Press("\r")
	b.Fill("#code", w.mail.Wait(address).Code(t))
	b.Press("\r")
	b.See("#elsewhere") // the last to move the page: this browser keeps no passkeys itself
	b.Click("#not-now")
}

// Clients that are no browser, and say so in different ways.
func TestNegotiation_Programs(t *testing.T) {
	w := startWorld(t, worldOptions{})
	c := w.client(t)
	start := w.URL(appHost, "/.auth/start?rd=%2F")
	for name, header := range map[string][]string{
		"curl":          {"Accept", "*/*"},
		"no header":     nil,
		"native app":    {"Accept", "application/json"},
		"gRPC":          {"Content-Type", "application/grpc+proto", "Te", "trailers"},
		"CORS":          {"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT", "Sec-Fetch-Mode", "cors"},
		"event stream":  {"Accept", "text/event-stream"},
		"XHR of old":    {"X-Requested-With", "XMLHttpRequest", "Accept", "text/html"},
		"worker of old": {"Service-Worker", "script", "Accept", "*/*"},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "PROPFIND"} {
			res := c.Request(method, w.URL(appHost, "/dav/x"), "", header...)
			if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Location") != "" || res.Header.Get("Content-Type") != "application/problem+json" ||
				res.Header.Get("Cache-Control") != "no-store" || len(res.Cookies()) != 0 || res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s by %s: %s %v", name, method, res.Status, res.Header)
			}
			if method != http.MethodHead && (code(res) != "UNAUTHENTICATED" || !strings.Contains(res.Body, `"login_url":"`+start+`"`)) {
				t.Errorf("%s by %s: %s", name, method, res.Body)
			}
		}
	}
	if _, status := c.OpenWebSocket(w.URL(appHost, "/ws")); status != http.StatusUnauthorized {
		t.Errorf("WebSocket: %d", status)
	}
	if n := len(w.app.Seen()); n != 0 {
		t.Errorf("%d requests reached the app", n)
	}
}
