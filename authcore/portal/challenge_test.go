package portal

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// A program is asked for an access token where one would help; a browser, which
// would open a password box, never is.
func TestRefuse_ChallengesProgramsForTokens(t *testing.T) {
	s := newSite(t)
	app := s.svc.App("app.example.com")
	for name, c := range map[string]struct {
		d       authcore.Decision
		headers map[string]string
		status  int
		code    string
		asks    bool
	}{
		"curl":            {authcore.Decision{App: app, Verdict: authcore.SignIn, TokensHere: true}, nil, 401, "UNAUTHENTICATED", true},
		"where none help": {authcore.Decision{App: app, Verdict: authcore.SignIn}, nil, 401, "UNAUTHENTICATED", false},
		"fetch":           {authcore.Decision{App: app, Verdict: authcore.SignIn, TokensHere: true}, map[string]string{"Sec-Fetch-Mode": "cors"}, 401, "UNAUTHENTICATED", false},
		"a bad token":     {authcore.Decision{App: app, Verdict: authcore.BadToken, Token: true, TokensHere: true}, nil, 401, "TOKEN_INVALID", true},
		"one by a page":   {authcore.Decision{App: app, Verdict: authcore.BadToken, Token: true, TokensHere: true}, map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 401, "TOKEN_INVALID", false},
		"one too weak":    {authcore.Decision{App: app, Verdict: authcore.Deny, Why: authcore.WhyToken, Token: true}, map[string]string{"Accept": "text/html"}, 403, "FORBIDDEN", false},
	} {
		r := httptest.NewRequest(http.MethodGet, appURL+"/x", nil)
		for k, v := range c.headers {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		s.h.Refuse(w, r, &c.d)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != c.status || (got != "") != c.asks || c.asks && !strings.HasPrefix(got, "Basic ") {
			t.Errorf("%s: %d, %q", name, w.Code, got)
		}
		if body := w.Body.String(); !strings.Contains(body, `"code":"`+c.code+`"`) || w.Header().Get("Location") != "" {
			t.Errorf("%s: %s", name, body)
		}
	}
}
