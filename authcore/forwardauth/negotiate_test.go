package forwardauth_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
)

// client is somebody who is not signed in, and what it can make use of.
type client struct {
	name   string
	method string
	header map[string]string
	status int    // of forward-auth and ext-authz
	leads  string // where sign-in begins; "" nowhere: the client would not follow
}

var (
	toPage = appURL + "/.auth/start?rd=" + url.QueryEscape("/page?x=1")
	toHome = appURL + "/.auth/start?rd=%2F"
)

func fetchOf(mode, dest, site string) map[string]string {
	return map[string]string{"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": site, "Accept": "*/*"}
}

func with(h map[string]string, name, value string) map[string]string {
	h[name] = value
	return h
}

// clients are those of DESIGN §9.
var clients = []client{
	{"page navigation", "GET", with(fetchOf("navigate", "document", "none"), "Accept", "text/html"), 302, toPage},
	{"page navigation by HEAD", "HEAD", with(fetchOf("navigate", "document", "none"), "Accept", "text/html"), 302, toPage},
	{"page navigation of an old browser", "GET", map[string]string{"Accept": "text/html,*/*"}, 302, toPage},
	{"form POST from the same origin", "POST", with(fetchOf("navigate", "document", "same-origin"), "Accept", "text/html"), 401, ""},
	{"form POST from elsewhere", "POST", with(fetchOf("navigate", "document", "cross-site"), "Accept", "text/html"), 303, toHome},
	{"fetch", "GET", fetchOf("cors", "empty", "same-origin"), 401, ""},
	{"fetch that likes HTML", "GET", with(fetchOf("cors", "empty", "same-origin"), "Accept", "text/html"), 401, ""},
	{"XHR of an old browser", "GET", map[string]string{"X-Requested-With": "XMLHttpRequest", "Accept": "text/html"}, 401, ""},
	{"EventSource", "GET", with(fetchOf("cors", "empty", "same-origin"), "Accept", "text/event-stream"), 401, ""},
	{"EventSource of an old browser", "GET", map[string]string{"Accept": "text/event-stream"}, 401, ""},
	{"WebSocket", "GET", with(fetchOf("websocket", "empty", "same-origin"), "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), 401, ""},
	{"WebSocket whose Upgrade Traefik removed", "GET", map[string]string{"Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Accept": "text/html"}, 401, ""},
	{"gRPC", "POST", map[string]string{"Content-Type": "application/grpc+proto", "Accept": "text/html"}, 401, ""},
	{"service worker", "GET", with(fetchOf("same-origin", "serviceworker", "same-origin"), "Service-Worker", "script"), 401, ""},
	{"manifest", "GET", fetchOf("cors", "manifest", "same-origin"), 401, ""},
	{"image", "GET", fetchOf("no-cors", "image", "same-origin"), 401, ""},
	{"frame", "GET", with(fetchOf("navigate", "iframe", "same-origin"), "Accept", "text/html"), 401, ""},
	{"CORS preflight", "OPTIONS", with(fetchOf("cors", "empty", "cross-site"), "Access-Control-Request-Method", "PUT"), 401, ""},
	{"prefetch", "GET", with(with(fetchOf("navigate", "document", "none"), "Accept", "text/html"), "Sec-Purpose", "prefetch"), 503, ""},
	{"curl", "GET", map[string]string{"Accept": "*/*", "User-Agent": "curl/8.11"}, 401, ""},
	{"native app", "GET", map[string]string{"Accept": "application/json", "User-Agent": "Mozilla/5.0 (like a browser)"}, 401, ""},
	{"webdav", "PROPFIND", map[string]string{"Depth": "1", "Content-Type": "text/xml"}, 401, ""},
}

// TestNegotiation_EachClientGetsWhatItCanUse: a proxy that hands answers on
// gives each client a redirect, a page or a problem (FA-8).
func TestNegotiation_EachClientGetsWhatItCanUse(t *testing.T) {
	s := newSite(t)
	for _, kind := range []forwardauth.Kind{forwardauth.Traefik, forwardauth.Caddy, forwardauth.Envoy} {
		for _, c := range clients {
			a := s.ask(kind, question{method: c.method, header: c.header})
			if a.StatusCode != c.status || a.Header.Get("Location") != c.leads {
				t.Errorf("%s, %s: %d to %q, want %d to %q", kind, c.name, a.StatusCode, a.Header.Get("Location"), c.status, c.leads)
			}
			if html := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html"); html != (c.status == 401 && c.method == "POST" && c.header["Sec-Fetch-Site"] != "") {
				t.Errorf("%s, %s: HTML is %v", kind, c.name, html)
			}
			if c.status == http.StatusUnauthorized && !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
				var p struct {
					Code     string `json:"code"`
					LoginURL string `json:"login_url"`
				}
				if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" || p.Code != "UNAUTHENTICATED" || p.LoginURL != toHome {
					t.Errorf("%s, %s: the problem is %s", kind, c.name, a.body)
				}
			}
		}
	}
}

// A proxy that takes a status alone gets 401, and an address for those only
// that follow one.
func TestNegotiation_BareAnswersAreAStatus(t *testing.T) {
	s := newSite(t)
	for _, kind := range []forwardauth.Kind{forwardauth.Nginx, forwardauth.HAProxy} {
		for _, c := range clients {
			a := s.ask(kind, question{method: c.method, header: c.header})
			if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != c.leads || a.Header["Set-Cookie"] != nil {
				t.Errorf("%s, %s: %d to %q, want 401 to %q", kind, c.name, a.StatusCode, a.Header.Get("Location"), c.leads)
			}
		}
	}
}

var navigation = map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}

// RD-2: whatever the path was, the redirect stays on the app's own host and
// keeps the path only if every reader takes it for one.
func TestRedirect_StaysOnTheHost(t *testing.T) {
	s := newSite(t)
	for uri, rd := range map[string]string{
		"/a/b?c=d&e=f":                  "/a/b?c=d&e=f",
		"//evil.example/x":              "/",
		"/%2fevil.example":              "/",
		"/%5cevil.example":              "/",
		`/\evil.example`:                "/",
		"/..//evil.example":             "/",
		"/x?next=//evil.example":        "/x?next=//evil.example",
		"/" + strings.Repeat("a", 4000): "/",
	} {
		want := appURL + "/.auth/start?rd=" + url.QueryEscape(rd)
		for _, kind := range forwardauth.Kinds() {
			if a := s.ask(kind, question{uri: uri, header: navigation}); a.Header.Get("Location") != want {
				t.Errorf("%s: %.40s leads to %q, want %q", kind, uri, a.Header.Get("Location"), want)
			}
		}
	}
}

func TestRefusal_SignedInButNotAllowedIs403(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(bob, wikiURL)
	for _, kind := range forwardauth.Kinds() {
		for _, header := range []map[string]string{navigation, {"Accept": "application/json"}} {
			a := s.ask(kind, question{origin: wikiURL, cookie: cookie, header: header})
			if a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" {
				t.Errorf("%s: %d to %q", kind, a.StatusCode, a.Header.Get("Location"))
			}
		}
	}
}

func TestRefusal_HostThatIsNotConfiguredIs403(t *testing.T) {
	s := newSite(t)
	for _, kind := range forwardauth.Kinds() {
		for _, origin := range []string{"https://other.example.com", "https://192.0.2.1", "https://app.example.com:8443", "https://port.example.com:9443", "https://com", "https://app.example.com.evil.example"} {
			if a := s.ask(kind, question{origin: origin, uri: "/healthz", header: navigation}); a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" {
				t.Errorf("%s: %s is %d", kind, origin, a.StatusCode)
			}
		}
	}
}

// FA-6: the same host in another spelling is the same app.
func TestHost_SpellingsOfOneApp(t *testing.T) {
	s := newSite(t)
	app, port, dev := s.signIn(ada, appURL), s.signIn(ada, portURL), s.signIn(ada, devURL)
	for origin, cookie := range map[string]string{
		"https://APP.example.COM": app, "https://app.example.com.": app, "https://app.example.com:443": app, "https://app.example.com.:443": app, "wss://app.example.com": app,
		"https://port.example.com:8443": port, "https://port.example.com": port, "https://port.example.com:443": port,
		"http://dev.localhost:8080": dev, "http://dev.localhost": dev, "http://dev.localhost:80": dev, "ws://dev.localhost:8080": dev,
	} {
		for _, kind := range forwardauth.Kinds() {
			if a := s.ask(kind, question{origin: origin, cookie: cookie}); a.StatusCode != http.StatusOK {
				t.Errorf("%s: %s is %d", kind, origin, a.StatusCode)
			}
		}
	}
}

// A sign-in over the wrong scheme would go in circles, so the answer names the
// cause, and public paths get it too.
func TestScheme_MixIsNamed(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, origin := range []string{"http://app.example.com", "ws://app.example.com", "https://dev.localhost:8080"} {
		for _, kind := range forwardauth.Kinds() {
			a := s.ask(kind, question{origin: origin, uri: "/healthz", cookie: cookie, header: navigation})
			if kind.Endpoint() == forwardauth.Nginx.Endpoint() {
				if a.StatusCode != http.StatusForbidden {
					t.Errorf("%s: %s is %d", kind, origin, a.StatusCode)
				}
				continue
			}
			if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "http and https are mixed up") || !strings.Contains(a.body, "X-Forwarded-Proto") {
				t.Errorf("%s: %s is %d: %s", kind, origin, a.StatusCode, a.body)
			}
		}
	}
	if !strings.Contains(s.log.String(), "came by another scheme") {
		t.Error("the log does not name the cause")
	}
}

// FA-7: what follows a CONNECT is written to the upstream unread by some
// proxies, so it leads nowhere, whoever asks and whatever is public.
func TestMethod_ConnectIsRefused_FA7(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	for _, method := range []string{http.MethodConnect, "connect", "Connect"} {
		for _, kind := range forwardauth.Kinds() {
			if kind == forwardauth.Envoy && method != http.MethodConnect {
				continue // net/http sends what it is given, and Envoy knows one spelling
			}
			want := http.StatusMethodNotAllowed
			if kind.Endpoint() == forwardauth.Nginx.Endpoint() {
				want = http.StatusForbidden
			}
			for _, c := range []string{"", cookie} {
				if a := s.ask(kind, question{method: method, origin: appURL, uri: "/healthz", cookie: c}); a.StatusCode != want {
					t.Errorf("%s, %s: %d", kind, method, a.StatusCode)
				}
			}
		}
	}
}

func TestStepUp_AsksForWhatIsMissing(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, vaultURL)
	want := vaultURL + "/.auth/start?rd=" + url.QueryEscape("/page?x=1") + "&require=passkey"
	for _, kind := range forwardauth.Kinds() {
		a := s.ask(kind, question{origin: vaultURL, cookie: cookie, header: navigation})
		if a.Header.Get("Location") != want || a.StatusCode == http.StatusOK {
			t.Errorf("%s: %d to %q, want %q", kind, a.StatusCode, a.Header.Get("Location"), want)
		}
		a = s.ask(kind, question{origin: vaultURL, cookie: cookie})
		if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d to a program", kind, a.StatusCode)
		}
	}
}
