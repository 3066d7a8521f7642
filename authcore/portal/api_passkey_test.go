package portal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// WA-7: a ceremony expects exactly the origin that asked for its options, in the
// request that brings the answer and in what the browser signed.
func TestAPIPasskey_BelongsToTheOriginThatAsked_WA7(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) {
		twoClients(c)
		c.Clients[0].Origins = append(c.Clients[0].Origins, "https://m.example.com")
	})
	spa := program{s.browser(), spaURL}
	k := spa.authenticator()
	spa.addKey(t, k, spa.signIn(t, ada, "spa").SessionToken).want(t, 201, "")
	// It is the rp_id's, wherever it is used.
	got := spa.keySignIn(t, k, "spa")
	for _, origin := range []string{spaURL, "https://m.example.com", portalURL, ""} {
		for _, finish := range []string{spaURL, "https://m.example.com", bankURL, portalURL, "", "null", "https://evil.example"} {
			for _, signed := range []string{spaURL, portalURL, bankURL, "https://evil.example", spaURL + ":443", "https://SPA.example.com"} {
				begun := origin
				if begun == "" {
					begun = portalURL // a program's passkeys speak for it
				}
				c := program{s.browser(), origin}.keyOptions(t, "spa")
				k.rp.Origin = signed
				a := program{s.browser(), finish}.call("POST", "/api/login/passkey", credential(c, k.get(t, c)), "")
				want, code := 400, "FLOW_EXPIRED"
				if finish == begun || finish == "" && begun == portalURL {
					if code = "PASSKEY_REFUSED"; signed == begun {
						want, code = 200, "session_token"
					}
				}
				if a.StatusCode != want || !strings.Contains(a.body, code) {
					t.Errorf("begun on %q, finished from %q, signed for %q: %d %s", origin, finish, signed, a.StatusCode, a.body)
				}
			}
		}
	}
	// So does one that is added.
	c := spa.call("POST", "/api/passkeys/options", "{}", got.SessionToken).want(t, 200, "").ceremony(t)
	other := spa.authenticator()
	other.rp.Origin = portalURL
	spa.call("POST", "/api/passkeys", credential(c, other.create(t, c)), got.SessionToken).want(t, 400, "PASSKEY_REFUSED")
	c = spa.call("POST", "/api/passkeys/options", "{}", got.SessionToken).want(t, 200, "").ceremony(t)
	other.rp.Origin = spaURL
	program{s.browser(), "https://m.example.com"}.call("POST", "/api/passkeys", credential(c, other.create(t, c)), got.SessionToken).want(t, 400, "FLOW_EXPIRED")
}

// An app's page may be a client's, and holds no ceremony: it could ask people for
// their passkeys and sign in to everything else as them (FA-12).
func TestAPIPasskey_IsNotForAnAppsPage_WA7(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) {
		twoClients(c)
		c.Clients[0].Origins = append(c.Clients[0].Origins, appURL)
	})
	inApp, spa := program{s.browser(), appURL}, program{s.browser(), spaURL}
	k := spa.authenticator()
	got := inApp.signIn(t, ada, "spa") // by mail it may
	spa.addKey(t, k, got.SessionToken).want(t, 201, "")
	inApp.call("POST", "/api/login/passkey/options", doc("client_id", "spa"), "").want(t, 403, "ORIGIN_FORBIDDEN")
	inApp.call("POST", "/api/passkeys/options", "{}", got.SessionToken).want(t, 403, "ORIGIN_FORBIDDEN")
	// Nor does it go on with one that began before its host was an app's.
	c := spa.keyOptions(t, "spa")
	made := credential(c, k.get(t, c))
	s.reload(func(c *authcore.Config) { c.Apps = append(c.Apps, app(t, spaURL, authcore.PolicySpec{})) })
	spa.call("POST", "/api/login/passkey", made, "").want(t, 400, "FLOW_EXPIRED")
}

// A ceremony of the pages is the browser's that holds the cookie, and none of the
// API; nor the reverse.
func TestAPIPasskey_PagesAndProgramsShareNoCeremony(t *testing.T) {
	s := newSite(t, twoClients)
	b, k := s.withPasskey()
	p := s.program()
	page := s.browser()
	login := page.load(portalURL + "/login")
	c := page.fetch(login, "/login/passkey/options", nothing{}).ceremony(t)
	p.call("POST", "/api/login/passkey", credential(c, k.get(t, c)), "").want(t, 400, "FLOW_EXPIRED")
	page.fetch(login, "/login/passkey", answerTo(c, k.get(t, c), "")).want(t, 400, "FLOW_EXPIRED") // and is spent
	c = p.keyOptions(t, "spa")
	page.fetch(login, "/login/passkey", answerTo(c, k.get(t, c), "")).want(t, 400, "FLOW_EXPIRED")
	c = b.fetch(b.load(portalURL+"/login/step-up"), "/login/step-up/passkey/options", nothing{}).ceremony(t)
	p.call("POST", "/api/login/passkey", credential(c, k.get(t, c)), "").want(t, 400, "FLOW_EXPIRED")
	p.keySignIn(t, k, "spa")
}

// A registration is the session's that began it.
func TestAPIPasskey_IsAddedByTheSessionThatBegan(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	one, two, bobs := p.signIn(t, ada, "spa"), p.signIn(t, ada, "spa"), p.signIn(t, bob, "spa")
	for what, bearer := range map[string]string{"another session": two.SessionToken, "another user": bobs.SessionToken} {
		c := p.call("POST", "/api/passkeys/options", "{}", one.SessionToken).want(t, 200, "").ceremony(t)
		if a := p.call("POST", "/api/passkeys", credential(c, p.authenticator().create(t, c)), bearer); a.StatusCode != 400 || !strings.Contains(a.body, "FLOW_EXPIRED") {
			t.Errorf("%s: %d %s", what, a.StatusCode, a.body)
		}
	}
	c := p.call("POST", "/api/passkeys/options", "{}", one.SessionToken).want(t, 200, "").ceremony(t)
	s.wait(6 * time.Minute)
	p.call("POST", "/api/passkeys", credential(c, p.authenticator().create(t, c)), one.SessionToken).want(t, 400, "FLOW_EXPIRED")
}

// WA-11: what no authenticator says is one refusal, and the server goes on.
func TestAPIPasskey_NonsenseIsRefused_WA11(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	k := p.authenticator()
	bearer := p.signIn(t, ada, "spa").SessionToken
	p.addKey(t, k, bearer).want(t, 201, "")
	bearer = p.keySignIn(t, k, "spa").SessionToken
	nonsense := []string{
		`{}`, `{"id":1}`, `{"id":"AAAA"}`, `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{}}`, `{"id":"` + strings.Repeat("A", 60_000) + `"}`,
		`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"AAAA","authenticatorData":"AAAA","signature":"AAAA","attestationObject":"AAAA"}}`,
		`{"x":` + strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000) + `}`,
	}
	for _, body := range nonsense {
		c := p.keyOptions(t, "spa")
		if a := p.call("POST", "/api/login/passkey", credentialText(c, body), ""); a.StatusCode != 400 {
			t.Errorf("sign-in with %.60s: %d %s", body, a.StatusCode, a.body)
		}
		c = p.call("POST", "/api/passkeys/options", "{}", bearer).want(t, 200, "").ceremony(t)
		if a := p.call("POST", "/api/passkeys", credentialText(c, body), bearer); a.StatusCode != 400 {
			t.Errorf("registration with %.60s: %d %s", body, a.StatusCode, a.body)
		}
	}
	p.keySignIn(t, k, "spa")
}

// credentialText is credential for what may be no JSON that Go would write.
func credentialText(c ceremony, made string) string {
	return fmt.Sprintf(`{"flow":%q,"credential":%s}`, c.Flow, made)
}
