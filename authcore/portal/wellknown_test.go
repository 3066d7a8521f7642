package portal

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// wellKnown fetches a well-known address as a browser's own fetch would: no cookie,
// no referrer.
func (s *site) wellKnown(base, name string) *answer {
	s.t.Helper()
	return s.browser().send("GET", base+"/.well-known/"+name, "", map[string]string{"Accept": "*/*"})
}

func withClient(c *authcore.Config) {
	c.Clients = []authcore.APIClient{{ID: "spa", Title: "Spa", Origins: []string{"https://spa.example.net", appURL}}}
}

// WebAuthn Level 3 §5.11: 200, application/json, an array of origins; and an
// app's host is never on it (WA-7).
func TestWellKnown_RelatedOriginsAreTheClients(t *testing.T) {
	s := newSite(t, withClient)
	a := s.wellKnown(portalURL, "webauthn")
	var got map[string][]string
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s %v: %s", a.StatusCode, a.Header.Get("Content-Type"), err, a.body)
	}
	if len(got) != 1 || !slices.Equal(got["origins"], []string{"https://spa.example.net", portalURL}) {
		t.Errorf("%s", a.body)
	}
	if a.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" || a.Header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("others may not read or keep it: %v", a.Header)
	}
}

func TestWellKnown_RelatedOriginsAreNotFoundWhereThereAreNone(t *testing.T) {
	for name, change := range map[string]func(*authcore.Config){
		"no clients":     func(*authcore.Config) {},
		"an app's page":  func(c *authcore.Config) { withClient(c); c.Clients[0].Origins = []string{appURL} },
		"a parent's key": func(c *authcore.Config) { withClient(c); c.RPID = "example.com" },
	} {
		a := newSite(t, change).wellKnown(portalURL, "webauthn")
		if a.StatusCode != 404 || a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", name, a.StatusCode, a.Header, a.body)
		}
	}
}

// A redirect must not be returned, and both addresses are whole.
func TestWellKnown_PasskeyEndpointsAreTheAccountPage(t *testing.T) {
	s := newSite(t)
	a := s.wellKnown(portalURL, "passkey-endpoints")
	if want := `{"enroll":"` + portalURL + `/account","manage":"` + portalURL + `/account"}` + "\n"; a.StatusCode != 200 || a.body != want ||
		a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s: %s", a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	s.reload(func(c *authcore.Config) { c.NoPasskey = true })
	if a := s.wellKnown(portalURL, "passkey-endpoints"); a.StatusCode != 404 {
		t.Errorf("passkeys are off: %d %s", a.StatusCode, a.body)
	}
}

// The specification wants a redirect, and status codes that can be believed.
func TestWellKnown_ChangePasswordLeadsToTheAccount(t *testing.T) {
	s := newSite(t)
	a := s.wellKnown(portalURL, "change-password")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/account" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if a := s.wellKnown(portalURL, "resource-that-should-not-exist-whose-status-code-should-not-be-200"); a.StatusCode != 404 {
		t.Errorf("an address that is none: %d", a.StatusCode)
	}
	b := s.browser()
	b.load(portalURL+"/.well-known/change-password").want(t, 200, "Sign in")
	b.signIn(ada, portalURL+"/")
	b.load(portalURL+"/.well-known/change-password").want(t, 200, "Your account")
}

// DESIGN §4: an app's .well-known is its own; in a sidecar only the keys stand
// below /.auth.
func TestWellKnown_OfAppsIsTheirs(t *testing.T) {
	s, side := newSite(t, withClient), newSidecar(t)
	for _, name := range []string{"webauthn", "passkey-endpoints", "change-password"} {
		for _, base := range []string{appURL, appURL + "/.auth"} {
			for where, host := range map[string]*site{"beside a portal": s, "in a sidecar": side} {
				a := host.wellKnown(base, name)
				if want := map[string]int{appURL: 401, appURL + "/.auth": 404}[base]; a.StatusCode != want { // the guard's, then ours
					t.Errorf("%s of %s %s: %d %s", name, base, where, a.StatusCode, a.body)
				}
			}
		}
	}
	if a := side.wellKnown(appURL+"/.auth", "jwks.json"); a.StatusCode != 200 {
		t.Errorf("the keys of a sidecar: %d", a.StatusCode)
	}
}
