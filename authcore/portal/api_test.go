package portal

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAPI_WholeJourney(t *testing.T) {
	s := newSite(t, twoClients)
	p := program{s.browser(), ""}
	got := p.signIn(t, ada, "spa")
	if got.TokenType != "Bearer" || got.ExpiresIn != 600 || got.User.Email != ada || got.AMR[0] != "email" || got.AuthTime == 0 || got.SessionID == "" {
		t.Errorf("tokens %+v", got)
	}
	for _, bearer := range []string{got.SessionToken, got.AccessToken} {
		p.call("GET", "/api/me", "", bearer).want(t, 200, got.User.ID)
	}
	p.call("GET", "/api/sessions", "", got.SessionToken).want(t, 200, got.SessionID)
	p.call("GET", "/api/sessions", "", got.AccessToken).want(t, 401, "UNAUTHENTICATED") // it opens nothing else

	var next tokensDoc
	s.must(json.Unmarshal([]byte(p.call("POST", "/api/token/refresh", doc("refresh_token", got.RefreshToken), "").want(t, 200, "").body), &next))
	if next.SessionID != got.SessionID || next.SessionToken == got.SessionToken || next.RefreshToken == got.RefreshToken {
		t.Errorf("refreshed tokens %+v", next)
	}
	p.call("GET", "/api/me", "", got.SessionToken).want(t, 401, "UNAUTHENTICATED") // rotated away
	p.call("POST", "/api/logout", "{}", next.SessionToken).want(t, 204, "")
	p.call("GET", "/api/me", "", next.SessionToken).want(t, 401, "UNAUTHENTICATED")
	p.call("GET", "/api/me", "", next.AccessToken).want(t, 401, "UNAUTHENTICATED") // asked here, it is dead with its session
	if a := p.call("GET", "/api/me", "", ""); a.Header.Get("WWW-Authenticate") != "Bearer" || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a 401 has %v", a.Header)
	}
	for host, jar := range p.jar {
		t.Errorf("the API set %d cookies on %s", len(jar), host)
	}
}

func TestAPI_RevokesASession(t *testing.T) {
	s := newSite(t, twoClients)
	p := program{s.browser(), ""}
	one, two := p.signIn(t, ada, "spa"), p.signIn(t, ada, "spa")
	p.call("DELETE", "/api/sessions/"+one.SessionID, "", two.SessionToken).want(t, 204, "")
	p.call("GET", "/api/me", "", one.SessionToken).want(t, 401, "UNAUTHENTICATED")
	other := p.signIn(t, bob, "spa")
	p.call("DELETE", "/api/sessions/"+two.SessionID, "", other.SessionToken).want(t, 404, "NOT_FOUND") // AD-2
	p.call("POST", "/api/logout", doc("scope", "all"), two.SessionToken).want(t, 204, "")
	p.call("GET", "/api/me", "", two.SessionToken).want(t, 401, "UNAUTHENTICATED")
	p.call("GET", "/api/me", "", other.SessionToken).want(t, 200, bob)
}

// CS-2: origins are compared exactly, never reflected, never with credentials.
func TestAPI_CORS_CS2(t *testing.T) {
	s := newSite(t, twoClients)
	b := s.browser()
	for origin, allowed := range map[string]bool{
		spaURL: true, bankURL: true, "null": false, spaURL + ".evil.example": false, "http://spa.example.com": false, spaURL + ":443": false,
		"https://SPA.example.com": false, "https://xspa.example.com": false, "*": false, portalURL: false, spaURL + "," + bankURL: false,
	} {
		preflight := b.send("OPTIONS", portalURL+"/api/me", "", map[string]string{"Origin": origin, "Access-Control-Request-Method": "GET"})
		for what, a := range map[string]*answer{"preflight": preflight, "request": program{b, origin}.call("GET", "/api/me", "", "")} {
			want := map[bool]string{true: origin}[allowed]
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != want || a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s of %s: %v", what, origin, a.Header)
			}
			if !strings.Contains(strings.Join(a.Header["Vary"], ","), "Origin") {
				t.Errorf("%s of %s varies by %q", what, origin, a.Header["Vary"])
			}
		}
		if got := preflight.Header.Get("Access-Control-Allow-Methods") != ""; got != allowed {
			t.Errorf("the preflight of %s allows methods: %v", origin, got)
		}
	}
}

// A page acts for its own client and for no other.
func TestAPI_PageOfAnotherClientIsRefused_CS2(t *testing.T) {
	s := newSite(t, twoClients)
	bank, spa := program{s.browser(), bankURL}, program{s.browser(), spaURL}
	before := s.records()
	spa.call("POST", "/api/login/email", doc("email", ada, "client_id", "bank"), "").want(t, 403, "ORIGIN_FORBIDDEN")
	program{s.browser(), "https://evil.example"}.call("POST", "/api/login/email", doc("email", ada, "client_id", "bank"), "").want(t, 403, "ORIGIN_FORBIDDEN")
	s.unchanged(t, before, "a refused page")
	got := bank.signIn(t, ada, "bank")
	spa.call("GET", "/api/me", "", got.SessionToken).want(t, 401, "UNAUTHENTICATED")
	spa.call("GET", "/api/me", "", got.AccessToken).want(t, 401, "UNAUTHENTICATED")
	spa.call("GET", "/api/sessions", "", got.SessionToken).want(t, 401, "UNAUTHENTICATED")
	spa.call("POST", "/api/token/refresh", doc("refresh_token", got.RefreshToken), "").want(t, 401, "TOKEN_INVALID")
	bank.call("POST", "/api/token/refresh", doc("refresh_token", got.RefreshToken), "").want(t, 200, "")
}

func TestAPI_WithoutAClientIsOff(t *testing.T) {
	s := newSite(t)
	p := program{s.browser(), ""}
	p.call("POST", "/api/login/email", doc("email", ada), "").want(t, 403, "METHOD_OFF")
	s = newSite(t, twoClients)
	p = program{s.browser(), ""}
	for _, body := range []string{doc("email", ada), doc("email", ada, "client_id", "nobody"), doc("email", ada, "client_id", "")} {
		p.call("POST", "/api/login/email", body, "").want(t, 400, "CLIENT_UNKNOWN")
	}
}

// AD-1, CS-3: a browser's cookie opens nothing, and only one bearer token counts.
func TestAPI_TakesOneBearerTokenAndNoCookie(t *testing.T) {
	s := newSite(t, twoClients)
	p := program{s.browser(), ""}
	got := p.signIn(t, ada, "spa")
	member := program{s.browser(), ""}
	member.browser.signIn(bob, portalURL+"/")
	member.call("GET", "/api/me", "", "").want(t, 401, "UNAUTHENTICATED")
	for _, value := range []string{"Basic " + got.SessionToken, got.SessionToken, "Bearer", "Bearer  " + got.SessionToken, "Bearer " + got.SessionToken + " x", "Bearer " + got.RefreshToken} {
		a := p.send("GET", portalURL+"/api/me", "", map[string]string{"Authorization": value})
		a.want(t, 401, "UNAUTHENTICATED")
	}
	p.send("GET", portalURL+"/api/me", "", map[string]string{"Authorization": "bearer " + got.SessionToken}).want(t, 200, ada) // RFC 9110: schemes in any case
	p.send("GET", portalURL+"/api/me?access_token="+got.SessionToken, "", nil).want(t, 401, "UNAUTHENTICATED")
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"} {
		a := p.send("POST", portalURL+"/api/logout", "{}", map[string]string{"Authorization": "Bearer " + got.SessionToken, "Content-Type": kind})
		a.want(t, 415, "code")
	}
	p.call("GET", "/api/me", "", got.SessionToken).want(t, 200, ada)
}
