package portal

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// quota reads what an answer says of the rate limit.
func (a *answer) quota(t *testing.T) (limit, left, reset int) {
	t.Helper()
	for name, v := range map[string]*int{"RateLimit-Limit": &limit, "RateLimit-Remaining": &left, "RateLimit-Reset": &reset} {
		n, err := strconv.Atoi(a.Header.Get(name))
		if err != nil {
			t.Fatalf("%s: %s is %q", a.url, name, a.Header.Get(name))
		}
		*v = n
	}
	return limit, left, reset
}

// RL, EN: the numbers are the source's, and the same whoever is asked about.
func TestAPILimits_TellWhereTheSourceStands_EN(t *testing.T) {
	s := newSite(t, twoClients, func(c *authcore.Config) { c.Requests, c.Burst = 7, 4 })
	for i, address := range []string{ada, gone, nobody, "not an address"} {
		p := s.program()
		p.ip = "198.51.100." + strconv.Itoa(i)
		for n, left := range []int{3, 2, 1, 0} {
			limit, got, reset := p.call("POST", "/api/login/email", doc("email", address, "client_id", "spa"), "").quota(t)
			if limit != 4 || got != left || reset < 1 || reset > 11 {
				t.Errorf("%s, request %d: %d of %d left for %d s", address, n+1, got, limit, reset)
			}
		}
		a := p.call("POST", "/api/login/email", doc("email", address, "client_id", "spa"), "").want(t, 429, "RATE_LIMITED")
		limit, left, reset := a.quota(t)
		if limit != 4 || left != 0 || a.Header.Get("Retry-After") != strconv.Itoa(reset) {
			t.Errorf("%s: refused with %v", address, a.Header)
		}
		s.wait(11 * time.Second)
		for _, left := range []int{1, 0} { // five of seven are gone, and then that is the tighter window
			if limit, got, reset := p.call("POST", "/api/token/refresh", doc("refresh_token", "x"), "").quota(t); limit != 7 || got != left || reset < 40 {
				t.Errorf("%s: later %d of %d left for %d s", address, got, limit, reset)
			}
		}
		p.call("POST", "/api/login/passkey/options", doc("client_id", "spa"), "").want(t, 429, "")
		s.program().call("POST", "/api/login/passkey/options", doc("client_id", "spa"), "").want(t, 200, "") // somebody else
		s.wait(time.Minute)
	}
}

// RL-5: who is signed in is charged by themselves, wherever they are, and nobody
// at their address uses that up.
func TestAPILimits_OfTheSignedInAreTheirOwn_RL5(t *testing.T) {
	s := newSite(t, twoClients, func(c *authcore.Config) { c.Requests, c.Burst = 3, 3 })
	p, stranger := s.program(), s.program()
	bearer := p.signIn(t, ada, "spa").SessionToken
	for range 5 {
		stranger.call("POST", "/api/token/refresh", doc("refresh_token", "x"), "")
	}
	for i, left := range []int{2, 1, 0} {
		p.ip = "198.51.100." + strconv.Itoa(i)
		if limit, got, _ := p.call("DELETE", "/api/tokens/x", "", bearer).want(t, 404, "").quota(t); limit != 3 || got != left {
			t.Errorf("%d of %d left", got, limit)
		}
	}
	p.call("DELETE", "/api/tokens/x", "", bearer).want(t, 429, "RATE_LIMITED")
	p.call("GET", "/api/tokens", "", bearer).want(t, 200, "")
	p.call("POST", "/api/logout", "{}", bearer).want(t, 204, "") // leaving is free
}

// RL-5: a session goes on whatever strangers at the same address send; what is no
// good refresh token is one of theirs.
func TestAPILimits_StrangersDoNotEndASession_RL5(t *testing.T) {
	s := newSite(t, twoClients, func(c *authcore.Config) { c.Requests, c.Burst = 4, 4 })
	p, stranger := s.program(), s.program()
	token := p.signIn(t, ada, "spa").RefreshToken
	for range 5 {
		stranger.call("POST", "/api/token/refresh", doc("refresh_token", "x"), "")
	}
	for _, body := range []string{doc("refresh_token", token+"x"), doc("refresh_token", strings.Repeat("A", 43)), "{}", "{"} {
		stranger.call("POST", "/api/token/refresh", body, "").want(t, 429, "RATE_LIMITED")
	}
	for left := 3; left >= 0; left-- {
		a := p.call("POST", "/api/token/refresh", doc("refresh_token", token), "").want(t, 200, "")
		if limit, got, _ := a.quota(t); limit != 4 || got != left {
			t.Errorf("%d of %d left, want %d", got, limit, left)
		}
		token = a.text(t, "refresh_token")
	}
	p.call("POST", "/api/token/refresh", doc("refresh_token", token), "").want(t, 429, "RATE_LIMITED")
}

// CS-2: what a preflight allows is what the path has, and every answer, good or
// bad, lets the client's page read it.
func TestAPICORS_EveryRouteAndMethod_CS2(t *testing.T) {
	s := newSite(t, twoClients)
	methods := map[string][]string{}
	for _, r := range apiRoutes() {
		methods[r.path] = append(methods[r.path], r.method)
	}
	b := s.browser()
	for path, list := range methods {
		target := portalURL + strings.ReplaceAll(path, "{id}", "x")
		for _, method := range list {
			a := b.send("OPTIONS", target, "", map[string]string{"Origin": spaURL, "Access-Control-Request-Method": method})
			allowed := strings.Split(a.Header.Get("Access-Control-Allow-Methods"), ", ")
			slices.Sort(allowed)
			slices.Sort(list)
			if a.StatusCode != 204 || !slices.Equal(allowed, list) || a.Header.Get("Access-Control-Allow-Origin") != spaURL ||
				a.Header.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, Idempotency-Key" || a.Header.Get("X-Request-Id") == "" {
				t.Errorf("OPTIONS %s for %s: %d %v", path, method, a.StatusCode, a.Header)
			}
			a = b.send("OPTIONS", target, "", map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": method})
			if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Methods")+a.Header.Get("Access-Control-Allow-Headers")+a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("OPTIONS %s from elsewhere: %v", path, a.Header)
			}
		}
	}
	spa := program{b, spaURL}
	for what, a := range map[string]*answer{
		"an answer": spa.call("POST", "/api/login/email", doc("email", ada, "client_id", "spa"), ""), "a refusal": spa.call("GET", "/api/me", "", ""),
		"a wrong type": spa.call("POST", "/api/token/refresh", "", ""), "nothing there": spa.call("GET", "/api/nothing", "", ""), "a wrong method": spa.call("PUT", "/api/me", "", ""),
	} {
		exposed := a.Header.Get("Access-Control-Expose-Headers")
		for _, name := range []string{"Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Request-Id"} {
			if !strings.Contains(exposed, name) {
				t.Errorf("%s lets a page read %q, without %s", what, exposed, name)
			}
		}
		if a.Header.Get("Access-Control-Allow-Origin") != spaURL || !strings.Contains(strings.Join(a.Header["Vary"], ","), "Origin") || a.Header.Get("X-Request-Id") == "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", what, a.Header)
		}
	}
	if s := spa.call("GET", "/api/nothing", "", "").StatusCode; s != http.StatusNotFound {
		t.Errorf("nothing is %d", s)
	}
	b.send("GET", portalURL+"/api/nothing", "", pageLoad("none")).want(t, 404, `"code":"NOT_FOUND"`) // never a page
}

// Where another limit refuses, nothing says that there is room.
func TestAPILimits_OfWhatIsPendingAreSaidAlike_DS1(t *testing.T) {
	s := newSite(t, twoClients, func(c *authcore.Config) { c.Requests, c.Burst = 60, 60 })
	p := s.program()
	for range 200 {
		s.wait(2 * time.Second)
		p.keyOptions(t, "spa")
	}
	a := p.call("POST", "/api/login/passkey/options", doc("client_id", "spa"), "").want(t, 429, "RATE_LIMITED")
	if _, left, reset := a.quota(t); left != 0 || reset < 100 || a.Header.Get("Retry-After") != strconv.Itoa(reset) {
		t.Errorf("refused with %v", a.Header)
	}
}
