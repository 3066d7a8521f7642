package forwardauth_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
)

// token is an access token of ada's for one app.
func (s *site) token(host string) string {
	s.t.Helper()
	s.live(ada) // who has signed in once may have one
	token, _, err := s.svc.CreateToken(s.t.Context(), "cli", ada, authcore.Grant{App: host}, "script", 0)
	s.must(err)
	return token.Reveal()
}

// HD-5: the token lets its bearer in, and the app never sees it.
func TestToken_OpensItsAppAndStaysHere(t *testing.T) {
	s := newSite(t)
	token := s.token("app.example.com")
	for _, value := range []string{"Bearer " + token, "Basic " + base64.StdEncoding.EncodeToString([]byte("anybody:"+token))} {
		header := map[string]string{"Authorization": value}
		for _, kind := range forwardauth.Kinds() {
			a := s.ask(kind, question{header: header})
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d", kind, a.StatusCode)
			}
			a.once(t, "Authorization", "")
			a.once(t, "Remote-User", ada)
			if kind == forwardauth.Envoy {
				a.once(t, "X-Envoy-Auth-Headers-To-Remove", "authorization,remote-jwt")
			}
			a = s.ask(kind, question{uri: "/healthz", header: header}) // also where nobody asks for it
			a.once(t, "Authorization", "")
		}
	}
}

// A token that is not good decides alone: no cookie helps, and nobody is sent to
// sign in.
func TestToken_BadOneIsA401WhoeverIsSignedIn(t *testing.T) {
	s := newSite(t)
	cookie := s.signIn(ada, appURL)
	good, other := s.token("app.example.com"), s.token("wiki.example.org")
	for name, header := range map[string]map[string]string{
		"of another app":    {"Authorization": "Bearer " + other},
		"short of a byte":   {"Authorization": "Bearer " + good[:len(good)-1]},
		"from another site": {"Authorization": "Bearer " + good, "Sec-Fetch-Site": "cross-site"},
		"by a page load":    {"Authorization": "Bearer " + other, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"},
	} {
		for _, kind := range forwardauth.Kinds() {
			a := s.ask(kind, question{cookie: cookie, header: header})
			if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != "" {
				t.Errorf("%s, %s: %d to %q", kind, name, a.StatusCode, a.Header.Get("Location"))
			}
			if got, want := a.Header.Get("Www-Authenticate") != "", header["Sec-Fetch-Site"] == "" && header["Sec-Fetch-Mode"] == ""; got != want {
				t.Errorf("%s, %s: a challenge is %v", kind, name, got)
			}
		}
	}
}
