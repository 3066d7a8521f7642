package portal

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// routes lists our paths of a method, with path parameters filled in.
func (s *site) routes(method string) []string {
	var out []string
	for _, pattern := range slices.Sorted(maps.Keys(s.h.pageRoutes())) {
		m, path, _ := strings.Cut(pattern, " ")
		if m == method {
			out = append(out, strings.NewReplacer("{$}", "", "{id}", "AAAA", "{name}", "x.css").Replace(path))
		}
	}
	return out
}

func TestRefusals_AreCompleteAndSayWhatToDo(t *testing.T) {
	reasons := authcore.Reasons()
	for _, reason := range reasons {
		m, ok := refusals[reason]
		if !ok {
			t.Errorf("%s has no text", reason)
			continue
		}
		said := m.in(i18n.English())
		if m.status < 400 || m.status > 499 || said.title == m.key+".title" || said.what == m.key+".what" || said.next == "" {
			t.Errorf("%s: %d %+v", reason, m.status, said)
		}
	}
	for reason := range refusals {
		if !slices.Contains(reasons, reason) {
			t.Errorf("%s is no reason", reason)
		}
	}
}

func TestCS1_EveryPostRefusesOtherSites(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.signIn(ada, portalURL+"/")
	token := b.form(page, "/logout").values.Get("token")
	before := s.records()
	cases := map[string]map[string]string{
		"cross-site":                   {"Sec-Fetch-Site": "cross-site", "Origin": portalURL},
		"same-site":                    {"Sec-Fetch-Site": "same-site", "Origin": portalURL},
		"none":                         {"Sec-Fetch-Site": "none"},
		"strange":                      {"Sec-Fetch-Site": "same-origin, cross-site"},
		"neither header":               {},
		"null origin":                  {"Origin": "null"},
		"foreign origin":               {"Origin": "https://evil.example"},
		"an app's origin":              {"Origin": appURL},
		"other scheme":                 {"Origin": "http://auth.example.com"},
		"other port":                   {"Origin": portalURL + ":8443"},
		"origin in another case":       {"Origin": "https://AUTH.example.com"},
		"referer is no proof":          {"Referer": portalURL + "/login"},
		"a host header proves nothing": {"Origin": "https://evil.example", "X-Forwarded-Host": "auth.example.com"},
	}
	for _, path := range s.routes("POST") {
		for name, header := range cases {
			h := maps.Clone(header)
			h["Content-Type"] = "application/x-www-form-urlencoded"
			if a := b.send("POST", portalURL+path, "token="+token, h); a.StatusCode != 403 || !strings.Contains(a.body, "CROSS_SITE") {
				t.Errorf("%s, %s: %d %s", path, name, a.StatusCode, a.body)
			}
		}
	}
	if after := s.records(); after.counts != before.counts || !maps.Equal(after.takes, before.takes) {
		t.Errorf("something was stored: %+v, before %+v", after, before)
	}
	b.load(portalURL+"/account").want(t, 200, ada)
}

func TestCS1_EveryPostButLogoutNeedsTheTokenOfThisBrowser(t *testing.T) {
	s := newSite(t)
	b, other := s.browser(), s.browser()
	b.signIn(ada, portalURL+"/")
	foreign := other.form(other.load(portalURL+"/login"), "/login").values.Get("token")
	before := s.records()
	for _, path := range s.routes("POST") {
		if path == "/logout" {
			continue // by the origin alone
		}
		for _, token := range []string{"", "x", foreign, strings.Repeat("A", 43)} {
			h := map[string]string{"Origin": portalURL, "Content-Type": "application/x-www-form-urlencoded"}
			a := b.send("POST", portalURL+path, "token="+token, h)
			if a.StatusCode == http.StatusUnsupportedMediaType { // a script's
				h["Content-Type"] = "application/json"
				a = b.send("POST", portalURL+path, withForm("{}", token), h)
			}
			if a.StatusCode != 403 || !strings.Contains(a.body, "FORM_EXPIRED") {
				t.Errorf("%s with token %q: %d %s", path, token, a.StatusCode, a.body)
			}
		}
	}
	if after := s.records(); after.counts != before.counts || !maps.Equal(after.takes, before.takes) {
		t.Errorf("something was stored: %+v, before %+v", after, before)
	}
}

// Nobody who is not signed in comes near an account: a page load is sent to sign
// in, a script is told so, and nothing is stored.
func TestMember_StrangersAreSentToSignIn(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	token := b.form(b.load(portalURL+"/login"), "/login").values.Get("token")
	before, n := s.records(), 0
	for _, method := range []string{"GET", "POST"} {
		for _, path := range s.routes(method) {
			if !strings.HasPrefix(path, "/account") && !strings.HasPrefix(path, "/login/step-up") && method+path != "POST/login/offer" {
				continue
			}
			n++
			h := pageLoad("same-origin")
			h["Content-Type"], h["Origin"] = "application/x-www-form-urlencoded", portalURL
			if a := b.send(method, portalURL+path, "token="+token, h); a.StatusCode != 303 || a.Header.Get("Location") != "/login" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d to %q", method, path, a.StatusCode, a.Header.Get("Location"))
			}
			b.send(method, portalURL+path, withForm("{}", token), map[string]string{"Content-Type": "application/json", "Origin": portalURL}).want(t, 401, `"code":"UNAUTHENTICATED"`)
		}
	}
	if n < 25 {
		t.Fatalf("only %d routes", n)
	}
	s.unchanged(t, before, "a stranger's requests")
}

// SE-8: what changes an account needs a proof of the last 15 minutes, by more than
// the mailbox where there is more.
func TestMember_ChangesNeedAFreshProof_SE8(t *testing.T) {
	s := newSite(t, deletable)
	b, secret := s.withTOTP()
	b.withCodes()
	b.newToken()
	k := newAuthenticator()
	b.next(k.add(b, b.account()))
	page := b.account()
	key := regexp.MustCompile(`/account/passkeys/([^/]+)/rename`).FindStringSubmatch(page.body)[1]
	acts := map[string][]string{
		"/account/name": {"name", "Eve"}, "/account/email": {"email", "eve@example.org"}, "/account/email/confirm": {"code", "00000000"},
		"/account/totp": {}, "/account/totp/confirm": {"code", "000000"}, "/account/totp/remove": {}, "/account/recovery-codes": {},
		"/account/tokens": {"name", "x", "app", "app.example.com", "expires", "30d"}, "/account/data": {}, "/account/delete": {"email", ada},
		"/account/passkeys/" + key + "/rename": {"name", "x"}, "/account/passkeys/" + key + "/remove": {},
	}
	byMail := s.browser()
	byMail.fill(byMail.firstStep(ada, portalURL+"/"), "/login/totp", "code", s.digits(secret)).want(t, 200, "Your account")
	s.wait(16 * time.Minute)
	counts := s.records()
	for name, who := range map[string]*browser{"whose passkey is old": b, "whose code is old": byMail} {
		from := who.account()
		for path, fields := range acts {
			if a := who.raw(from, path, fields...); a.StatusCode != 303 || !strings.HasPrefix(a.Header.Get("Location"), "/login/step-up") {
				t.Errorf("%s by one %s: %d to %q", path, name, a.StatusCode, a.Header.Get("Location"))
			}
		}
	}
	b.fetch(page, "/account/passkeys/options", nothing{}).want(t, 403, "STEP_UP_REQUIRED")
	s.unchanged(t, counts, "old proofs")
	u := s.user(ada)
	if u.TOTP == nil || u.DisplayName != "" || len(u.Recovery.Left) != 10 {
		t.Errorf("something changed: %+v", u)
	}
}

func TestDS3_EveryPostIsCharged(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) { c.Requests, c.Burst = 3, 3 })
	member := s.browser()
	member.signIn(ada, portalURL+"/")
	for i, path := range append(s.routes("POST"), s.routes("POST")...) {
		b := s.browser()
		if i >= len(s.routes("POST")) { // who is signed in can flood, too; only leaving is free
			if b = member; path == "/logout" {
				continue
			}
			s.wait(2 * time.Minute) // they are charged to the person
		}
		b.ip = fmt.Sprintf("198.51.100.%d", i+1)
		h := map[string]string{"Origin": portalURL, "Content-Type": "application/x-www-form-urlencoded"}
		for range 3 {
			if a := b.send("POST", portalURL+path, "", h); a.StatusCode == http.StatusTooManyRequests {
				t.Fatalf("%s: refused at once", path)
			}
		}
		a := b.send("POST", portalURL+path, "", h)
		if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "RATE_LIMITED") {
			t.Errorf("%s: the fourth request answers %d %s", path, a.StatusCode, a.body)
		}
	}
}

// RL-5: strangers at the same address keep nobody who is signed in from acting.
func TestMember_IsNotChargedForStrangers_RL5(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) { c.Requests, c.Burst = 3, 3 })
	member, stranger := s.browser(), s.browser()
	page := member.load(member.signIn(ada, portalURL+"/").url.String())
	s.wait(2 * time.Minute)
	for range 10 {
		stranger.send("POST", portalURL+"/login", "", map[string]string{"Origin": portalURL})
	}
	member.fill(page, "/account/sessions/revoke-all").want(t, 200, "signed out everywhere")
}

func TestGet_ChangesNothingAndNobody(t *testing.T) {
	s := newSite(t)
	member, stranger := s.browser(), s.browser()
	member.signIn(ada, portalURL+"/")
	before := s.records()
	for _, path := range s.routes("GET") {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			for name, b := range map[string]*browser{"member": member, "stranger": stranger} {
				a := b.send(method, portalURL+path, "", pageLoad("none"))
				if a.StatusCode >= 500 || b == stranger && b.has(portalURL, "__Host-passwordless") {
					t.Errorf("%s %s as %s: %d", method, path, name, a.StatusCode)
				}
			}
		}
	}
	if after := s.records(); after.counts != before.counts || !maps.Equal(after.takes, before.takes) {
		t.Errorf("something was stored: %+v, before %+v", after, before)
	}
	for _, path := range []string{"/login/link", "/invite", "/not-me"} { // ML-4: inert, also for the signed-in
		member.send("GET", portalURL+path, "", pageLoad("cross-site")).want(t, 200, "<h1>")
	}
}

func TestMethod_IsToldWhenOnlyItIsWrong(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	for target, allow := range map[string]string{
		portalURL + "/logout":              "GET, HEAD, POST",
		portalURL + "/invite/peek":         "POST",
		portalURL + "/login":               "GET, HEAD, POST",
		portalURL + "/account":             "GET, HEAD",
		appURL + "/.auth/logout":           "GET, HEAD, POST",
		appURL + "/.auth/callback?ticket=": "GET, HEAD",
	} {
		a := b.send("PUT", target, "", nil)
		if a.StatusCode != 405 || a.Header.Get("Allow") != allow {
			t.Errorf("%s: %d, Allow %q, want %q", target, a.StatusCode, a.Header.Get("Allow"), allow)
		}
	}
}

func TestHosts_OnlyThePortalServesPages(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	for _, host := range []string{"https://other.example.com", "https://auth.example.com.evil.example", "https://xauth.example.com"} {
		b.send("GET", host+"/login", "", pageLoad("none")).want(t, 421, "MISDIRECTED")
	}
	b.send("GET", "https://auth.example.com:443/login", "", pageLoad("none")).want(t, 200, "Sign in")
	for _, path := range []string{"/.auth/login", "/.auth/account", "/.auth/api/me", "/.auth/"} {
		page := b.send("GET", appURL+path, "", pageLoad("none")).want(t, 404, "Nothing here")
		if strings.Contains(page.body, "/assets/") {
			t.Errorf("%s asks for assets that an app's host does not serve", path)
		}
	}
	b.send("GET", portalURL+"/nothing", "", pageLoad("none")).want(t, 404, "Nothing here")
	b.send("GET", portalURL+"/nothing", "", nil).want(t, 404, `"code":"NOT_FOUND"`)
}

func TestWB1_EveryAnswerCarriesTheHeaders(t *testing.T) {
	s := newSite(t)
	member, stranger := s.browser(), s.browser()
	member.signIn(ada, portalURL+"/")
	check := func(a *answer) {
		t.Helper()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s = %q", a.url, name, got)
			}
		}
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Etag")+a.Header.Get("Last-Modified") != "" {
			t.Errorf("%s may be kept (FA-9)", a.url)
		}
		policy := a.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action "} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %q", a.url, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", a.url, policy)
		}
		referrer := "same-origin"
		if slices.Contains([]string{"/login/link", "/invite", "/not-me"}, a.url.Path) {
			referrer = "no-referrer"
		}
		if got := a.Header.Get("Referrer-Policy"); a.StatusCode == 200 && got != referrer {
			t.Errorf("%s: Referrer-Policy %q", a.url, got)
		}
	}
	for _, path := range s.routes("GET") {
		check(member.send("GET", portalURL+path, "", pageLoad("none")))
		check(stranger.send("GET", portalURL+path, "", pageLoad("none")))
		check(stranger.send("GET", portalURL+path, "", nil))
	}
	for _, path := range s.routes("POST") {
		a := stranger.send("POST", portalURL+path, "", map[string]string{"Origin": "null"})
		if a.StatusCode < 400 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
		check(&answer{a.Response, a.url.JoinPath("posted"), a.body})
	}
	for _, path := range []string{"/", "/.auth/start", "/.auth/callback", "/.auth/me", "/.auth/denied", "/.auth/x"} {
		check(stranger.send("GET", appURL+path, "", pageLoad("none")))
	}
}

func TestStore_DownIsSaidWithoutDetails(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, appURL+"/")
	page := b.load(portalURL + "/account")
	s.wait(25 * 3600e9) // past the cache
	s.broken.Store(true)
	defer s.broken.Store(false)
	for _, path := range []string{
		"/", "/login", "/login/code", "/login/link", "/login/totp", "/login/offer", "/login/step-up", "/not-me", "/account", "/account/email", "/account/tokens", "/account/history", "/signed-out",
	} {
		a := b.send("GET", portalURL+path, "", pageLoad("none")).want(t, 503, "Try again in a minute")
		if strings.Contains(a.body, "auth.db") || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	b.sendForm(b.form(page, "/revoke-all")).want(t, 503, "Try again in a minute")
	b.fetch(page, "/account/passkeys/options", nothing{}).want(t, 503, `"code":"UNAVAILABLE"`)
	b.send("GET", appURL+"/", "", pageLoad("none")).want(t, 503, "could not check your session")
	b.send("GET", appURL+"/.auth/me", "", nil).want(t, 503, "UNAVAILABLE")
	stranger := s.browser()
	stranger.load(portalURL+"/login").want(t, 200, "Sign in to Example") // needs no store
	stranger.fill(stranger.load(portalURL+"/login"), "/login", "email", ada).want(t, 503, "Try again in a minute")
}
