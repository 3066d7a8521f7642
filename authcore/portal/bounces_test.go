package portal

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// loses makes a browser lose the app's session each time, as it does where the
// app's own address is not the one that it is set up for.
func (s *site) loses() *browser {
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	b.drop = func(host, name string) bool { return host == "app.example.com" && name == "__Host-passwordless" }
	return b
}

// onlyCause fails the test unless the page names the one cause and its fix.
func (a *answer) onlyCause(t *testing.T, heading, fix string) {
	t.Helper()
	a.want(t, 400, fix)
	if n := strings.Count(a.body, "<h2>"); n != 1 || !strings.Contains(a.body, "<h2>"+heading+"</h2>") {
		t.Errorf("the page names %d causes:\n%s", n, a.body)
	}
}

func TestBounces_NameHTTPAndHTTPSMixed(t *testing.T) {
	s := newSite(t)
	b := s.loses()
	s.astray = func(r *http.Request) { *r = *r.WithContext(WithScheme(r.Context(), "http")) }
	page := b.load(appURL + "/x")
	page.onlyCause(t, "http and https are mixed", "redirect http to https")
	page.want(t, 400, "You came by <code>http://app.example.com</code>, but sign-in is set up for <code>https://app.example.com</code>")
}

func TestBounces_NameTheWrongHost(t *testing.T) {
	for _, host := range []string{"app.example.com:8443", "app.example.com."} {
		s := newSite(t)
		b := s.loses()
		s.astray = func(r *http.Request) { r.Host = host }
		page := b.load(appURL + "/x")
		page.onlyCause(t, "The host name differs", "Open the configured address")
		if strings.Contains(page.body, "8443") {
			t.Error("the header is echoed")
		}
	}
}

func TestBounces_NameTheClock(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	at := appURL + "/.auth/start?rd=/x"
	for range 3 { // each ticket is old when it comes, as where two servers disagree about the time
		start := b.send("GET", at, "", pageLoad("none"))
		ticket := b.send("GET", start.Header.Get("Location"), "", pageLoad("same-site")).Header.Get("Location")
		s.wait(2 * time.Minute)
		at = b.send("GET", ticket, "", pageLoad("same-site")).Header.Get("Location")
	}
	b.load(at).onlyCause(t, "The clock is wrong", "set the server’s clock")

	// Or the way back was sealed in what is the future now.
	b = s.loses()
	for range 4 {
		start := b.send("GET", appURL+"/.auth/start?rd=/x", "", pageLoad("none"))
		s.wait(-10 * time.Minute)
		got := b.send("GET", start.Header.Get("Location"), "", pageLoad("same-site"))
		b.send("GET", got.Header.Get("Location"), "", pageLoad("same-site"))
		s.wait(10 * time.Minute)
	}
	start := b.send("GET", appURL+"/.auth/start?rd=/x", "", pageLoad("none"))
	s.wait(-10 * time.Minute)
	b.load(start.Header.Get("Location")).onlyCause(t, "The clock is wrong", "set the server’s clock")
}

func TestBounces_UnknownCauseListsAll(t *testing.T) {
	s := newSite(t)
	if page := s.loses().load(appURL+"/x").want(t, 400, "One of these is the reason"); strings.Count(page.body, "<h2>") != 4 {
		t.Errorf("not all causes:\n%s", page.body)
	}
	b := s.browser()
	b.load(appURL + "/") // has a nonce
	b.load(appURL+"/.auth/start?rd=/x&n=3&why=<b>"+marker).want(t, 400, "One of these is the reason")
}

// Most people come by the right address, and nothing is said of it.
func TestBounces_HintTravelsOnlyWhereSomethingIsWrong(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	for _, target := range []string{appURL + "/x", "https://app.example.com:443/x", "https://APP.example.com/x"} {
		if a := b.send("GET", target, "", pageLoad("none")); strings.Contains(a.Header.Get("Location"), "why=") {
			t.Errorf("%s: %s", target, a.Header.Get("Location"))
		}
	}
}
