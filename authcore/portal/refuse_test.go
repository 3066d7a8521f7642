package portal

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// office is a policy that opens for one network.
func office(t *testing.T) func(*authcore.Config) {
	return func(c *authcore.Config) {
		c.Apps[0] = app(t, appURL, authcore.PolicySpec{Network: []authcore.Line{{Words: []string{"198.51.100.0/24"}, At: "Caddyfile:31"}}})
	}
}

func TestNetwork_PageNamesTheAddressThatWeSaw(t *testing.T) {
	s := newSite(t, office(t))
	b := s.browser()
	page := b.load(appURL+"/x").want(t, 403, "you come from <strong>192.0.2.7</strong>")
	for _, bad := range []string{"/assets/", "198.51.100", "Caddyfile", "Signed in as"} {
		if strings.Contains(page.body, bad) {
			t.Errorf("a stranger is told %q", bad)
		}
	}
	if !strings.Contains(s.log.String(), "at=Caddyfile:31") {
		t.Error("the log does not say which rule it was")
	}
	b.send("GET", appURL+"/x", "", nil).want(t, 403, `"code":"NETWORK_FORBIDDEN"`)
	b.load(appURL+"/.auth/denied?rd=/x").want(t, 403, "Not from this network")

	b.ip = "198.51.100.4"
	b.signIn(ada, appURL+"/x").want(t, 200, "the app sees "+ada)
	b.load(appURL+"/.auth/denied").want(t, 200, "the app sees "+ada)
	b.load(appURL+"/.auth/denied?rd=/x").want(t, 403, `href="`+appURL+`/x"`)
	b.ip = "192.0.2.7"
	b.load(appURL+"/x").want(t, 403, "Rule <code>Caddyfile:31</code>")
}

// FA-1: what a client writes into headers is nobody's address, and not shown.
func TestNetwork_UnknownAddressIsSaidWithoutEcho(t *testing.T) {
	s := newSite(t, office(t))
	s.astray = func(r *http.Request) { *r = *r.WithContext(WithClient(r.Context(), netip.Addr{})) }
	h := pageLoad("none")
	h["X-Forwarded-For"] = marker
	page := s.browser().send("GET", appURL+"/x", "", h).want(t, 403, "we could not tell which one you come from")
	page.want(t, 403, "named in <code>proxy</code>")
	if strings.Contains(page.body, marker) || strings.Contains(page.body, "192.0.2.7") {
		t.Errorf("an address is made up:\n%s", page.body)
	}
	s.browser().send("GET", appURL+"/x", "", map[string]string{"X-Forwarded-For": marker}).want(t, 403, "the proxy in front did not tell your address")
}

func TestWithClient_StandsInForTheAddressAndNotForThePeer(t *testing.T) {
	s := newSite(t)
	r := httptest.NewRequest("GET", appURL+"/", nil)
	r.RemoteAddr = "192.0.2.1:40000"
	told := netip.MustParseAddr("203.0.113.5")
	if c := s.h.client(r.WithContext(WithClient(r.Context(), told))); c.IP != told || c.Peer != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("client %v, peer %v", c.IP, c.Peer)
	}
	if c := s.h.client(r.WithContext(WithClient(r.Context(), netip.Addr{}))); c.IP.IsValid() {
		t.Errorf("an unknown client has the address %v", c.IP)
	}
}

// The rule's place is for the administrator. Its words, and the group that would
// open the door, are nobody's business.
func TestDenied_TellsTheRulesPlaceAndNeverItsWords(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) {
		c.Apps[0] = app(t, appURL, authcore.PolicySpec{Deny: []authcore.Line{{Words: []string{"email:*@example.com"}, At: "Caddyfile:9"}}})
	})
	b := s.browser()
	for target, at := range map[string]string{wikiURL + "/": "Caddyfile:17", appURL + "/": "Caddyfile:9"} {
		page := b.signIn(bob, target).want(t, 403, at)
		for _, bad := range []string{"staff", "group:", "*@example.com", "deny", "allow"} {
			if strings.Contains(page.body, bad) {
				t.Errorf("%s tells %q", target, bad)
			}
		}
		b.fill(b.load(portalURL+"/account"), "/logout")
	}
}

func TestDenied_ProgramsAreToldTheReason(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, wikiURL+"/").want(t, 200, "the app sees")
	s.must(s.svc.SetGroups(t.Context(), "cli", ada, nil))
	a := b.send("GET", wikiURL+"/x", "", map[string]string{"Accept": "application/json"}).want(t, 403, `"code":"FORBIDDEN"`)
	if strings.Contains(a.body, "staff") || strings.Contains(a.body, "Caddyfile") || a.Header.Get("Location") != "" {
		t.Errorf("%s", a.body)
	}
	d := authcore.Decision{App: s.svc.App("wiki.example.org"), Why: authcore.WhyName}
	w := httptest.NewRecorder()
	s.h.Refuse(w, httptest.NewRequest("GET", wikiURL+"/", nil), &d)
	if w.Code != 403 || !strings.Contains(w.Body.String(), "needs a user name") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	s.h.Refuse(w, httptest.NewRequest("GET", "https://other.example/", nil), &authcore.Decision{Why: authcore.WhyHost})
	if w.Code != 403 || !strings.Contains(w.Body.String(), `"code":"HOST_NOT_CONFIGURED"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// No app ends the root session: the portal asks, and leads to sign-in.
func TestDenied_AnotherAccountFromAnAppsHost(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, wikiURL+"/").want(t, 200, "the app sees")
	s.must(s.svc.SetGroups(t.Context(), "cli", ada, nil))
	page := b.fill(b.load(wikiURL+"/x"), "/.auth/logout?switch=1").want(t, 200, "Use another account")
	b.load(portalURL+"/account").want(t, 200, ada) // nothing has ended yet
	b.load(page.url.String()).want(t, 200, "Use another account")
	page = b.fill(page, "/logout?switch=1").want(t, 200, "to continue to <strong>wiki.example.org</strong>")
	s.must(s.svc.SetGroups(t.Context(), "cli", bob, []string{"staff"}))
	b.fill(b.code(b.fill(page, "/login", "email", bob)), "/login/offer").want(t, 200, "the app sees "+bob)

	// Where nobody is signed in at the portal any more there is nothing to ask.
	stranger := s.browser()
	h := pageLoad("same-origin")
	h["Content-Type"] = "application/x-www-form-urlencoded"
	stranger.follow(stranger.send("POST", wikiURL+"/.auth/logout?switch=1", "", h)).want(t, 200, "to continue to <strong>wiki.example.org</strong>")
	for _, query := range []string{"", "?switch=2", "?switch=1&switch=1"} {
		if a := stranger.send("POST", wikiURL+"/.auth/logout"+query, "switch=1", h); a.Header.Get("Location") != portalURL+"/signed-out?app=wiki.example.org" {
			t.Errorf("%s leads to %s", query, a.Header.Get("Location"))
		}
	}
}

func TestDenied_AddressOfItsOwnSpeaksOfTheWantedPage(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) {
		c.Apps[0] = app(t, appURL, authcore.PolicySpec{Paths: []authcore.PathSpec{
			{Path: "/staff/*", Rules: authcore.PolicySpec{Allow: []authcore.Line{{Words: []string{"group:staff"}, At: "Caddyfile:12"}}}},
			{Path: "/strong/*", Rules: authcore.PolicySpec{Require: passkeyOnly}},
		}})
	})
	b := s.browser()
	b.signIn(bob, appURL+"/")
	b.load(appURL+"/.auth/denied?rd=/staff/x").want(t, 403, "Caddyfile:12")
	// The proxy keeps its 403, so the page may not be a redirect.
	page := b.load(appURL+"/.auth/denied?rd=/strong/x").want(t, 403, "not signed in here, or not well enough")
	page.want(t, 403, `href="`+appURL+`/.auth/start?`)
	for rd, link := range map[string]string{
		"/x%3Fa=b": "/x?a=b", "": "/", "//evil.example": "/", "/.auth/denied": "/", "https://evil.example/": "/",
	} {
		b.load(appURL+"/.auth/denied?rd="+rd).want(t, 403, `href="`+appURL+link+`"`)
	}
	b.load(appURL+"/.auth/denied").want(t, 200, "the app sees "+bob)
}

func TestMe_TellsScriptsWhereToSignIn(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	a := b.send("GET", appURL+"/.auth/me", "", map[string]string{"Accept": "application/json"}).want(t, 401, `"code":"UNAUTHENTICATED"`)
	if got := a.json(t)["login_url"]; got != appURL+"/.auth/start?rd=%2F" {
		t.Errorf("login_url %v", got)
	}
	page := b.load(appURL+"/.auth/me").want(t, 401, "You are not signed in")
	if strings.Contains(page.body, "/assets/") {
		t.Error("it asks for assets that an app's host does not serve")
	}
	b.link(page, "Sign in").want(t, 200, "to continue to <strong>app.example.com</strong>")
}

func TestFail_IsAPageOrAProblemOnAnyHost(t *testing.T) {
	s := newSite(t)
	for _, target := range []string{appURL + "/x", "https://other.example/x", portalURL + "/api/authz/forward-auth"} {
		r := httptest.NewRequest("GET", target, nil)
		w := httptest.NewRecorder()
		s.h.Fail(w, r, http.StatusBadRequest, "BAD_REQUEST", "Not asked properly", "The proxy left out where the request goes.")
		if w.Code != 400 || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"detail":"The proxy left out where the request goes."`) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		for k, v := range pageLoad("none") {
			r.Header.Set(k, v)
		}
		w = httptest.NewRecorder()
		s.h.Fail(w, r, http.StatusBadRequest, "BAD_REQUEST", "Not asked properly", "The proxy left out where the request goes.")
		if body := w.Body.String(); w.Code != 400 || !strings.Contains(body, "<h1>Not asked properly</h1>") || strings.Contains(body, "/assets/") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", target, w.Code, body)
		}
	}
}

// Behind a proxy that cannot pass our answers on, /.auth/ of an app's host comes
// by a route; nothing else of that host does (WB-2).
func TestReserved_IsAnsweredBySitesWithThePortal(t *testing.T) {
	s := newSite(t)
	ask := func(target string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", target, nil)
		for k, v := range pageLoad("none") {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		s.h.ServeHTTP(w, r)
		return w
	}
	if w := ask(appURL + "/.auth/start?rd=/x"); w.Code != 302 || !strings.HasPrefix(w.Header().Get("Location"), portalURL+"/login?to=") {
		t.Errorf("start: %d to %s", w.Code, w.Header().Get("Location"))
	}
	for target, want := range map[string]int{
		appURL + "/.auth/me": 401, appURL + "/.auth": 404, appURL + "/.auth/login": 404, appURL + "/.auth/nothing": 404,
		appURL + "/": 421, appURL + "/login": 421, appURL + "/.authx": 421, appURL + "/x/.auth/me": 421,
		"https://other.example/.auth/me": 421, portalURL + "/.auth/me": 404,
	} {
		if w := ask(target); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
	sidecar := newSidecar(t)
	w := httptest.NewRecorder()
	sidecar.h.ServeHTTP(w, httptest.NewRequest("GET", appURL+"/.auth/me", nil))
	if w.Code != 421 {
		t.Errorf("in a sidecar: %d", w.Code)
	}
}

// LG-1: whoever tries tokens leaves a trace, and no token does.
func TestRefuse_LogsThatATokenWasNotAcceptedAndNeverTheToken(t *testing.T) {
	s := newSite(t)
	s.browser().signIn(ada, appURL+"/") // an address that is proven to be hers
	token, _, err := s.svc.CreateToken(t.Context(), "cli", ada, authcore.Grant{App: "app.example.com"}, "backup", time.Hour)
	s.must(err)
	s.wait(2 * time.Hour)
	r := httptest.NewRequest("GET", appURL+"/x", nil)
	r = r.WithContext(WithRequestID(WithClient(r.Context(), netip.MustParseAddr("203.0.113.5")), "request-7"))
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	d := s.svc.Check(r.Context(), &authcore.Request{Host: "app.example.com", Path: "/x", Here: "/x", Method: "GET", Authorization: r.Header["Authorization"]})
	s.h.Refuse(httptest.NewRecorder(), r, &d)
	if d.Verdict != authcore.BadToken {
		t.Fatalf("an expired token is %v", d.Verdict)
	}
	log := s.log.String()
	if !strings.Contains(log, `msg="an access token was not accepted" host=app.example.com client=203.0.113.5 request_id=request-7`) {
		t.Errorf("the log has no trace of it:\n%s", log)
	}
	if strings.Contains(log, token.Reveal()[len(token.Reveal())-20:]) {
		t.Error("the log has the token")
	}
}
