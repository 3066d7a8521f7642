package portal

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// newToken makes an access token by the form, and answers the page that shows it.
func (b *browser) newToken(fields ...string) *answer {
	b.s.t.Helper()
	page := b.load(portalURL+"/account/tokens").want(b.s.t, 200, "Make an access token")
	f := b.form(page, "/account/tokens")
	f.values.Del("write") // unchecked
	f.values.Set("name", "Backup script")
	f.values.Set("app", "app.example.com")
	f.values.Set("expires", "90d")
	for ; len(fields) > 1; fields = fields[2:] {
		f.values.Set(fields[0], fields[1])
	}
	return b.sendForm(f)
}

func asToken(a *answer, t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"Authorization": "Bearer " + a.secret(t)}
}

func TestTokens_MadeShownOnceUsedAndRevoked(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	b.link(b.account(), "Make a token").want(t, 200, "app.example.com").want(t, 200, "wiki.example.org")
	made := b.newToken("path", " /dav/* ").want(t, 200, "it is shown only this once")
	token := made.secret(t)
	if made.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(token, "pwl_") {
		t.Errorf("it may be kept, or is none: %q", made.Header.Get("Cache-Control"))
	}
	script := s.browser()
	script.send("GET", appURL+"/dav/x", "", asToken(made, t)).want(t, 200, "the app sees "+ada)
	script.send("GET", wikiURL+"/dav/x", "", asToken(made, t)).want(t, 401, "TOKEN_INVALID")
	script.send("GET", appURL+"/other", "", asToken(made, t)).want(t, 403, "does not reach this path, method or network")
	script.send("POST", appURL+"/dav/x", "", asToken(made, t)).want(t, 403, "does not reach this path, method or network") // for reading only
	page := b.load(portalURL+"/account").want(t, 200, "Backup script").want(t, 200, "Reading only")
	page.want(t, 200, "For app.example.com, below /dav/*").want(t, 200, "ends <time")
	if strings.Contains(page.body, token[4:20]) {
		t.Error("the list holds the token")
	}
	s.nowhere(t, b, token)
	told := s.notices()
	if len(told) == 0 || s.lastMail().to != ada {
		t.Error("nobody is told")
	}

	b.fill(page, "/revoke").want(t, 200, "Token revoked")
	script.send("GET", appURL+"/dav/x", "", asToken(made, t)).want(t, 401, "TOKEN_INVALID")

	changing := b.newToken("write", "1", "expires", "never", "name", "")
	script.send("POST", appURL+"/x", "", asToken(changing, t)).want(t, 200, "the app sees "+ada)
	b.account().want(t, 200, "Without a name").want(t, 200, "never ends")
}

func TestTokens_WhatIsNoChoiceOfThePageIsRefused(t *testing.T) {
	s := newSite(t, func(c *authcore.Config) {
		c.Apps[1] = app(t, wikiURL, authcore.PolicySpec{Require: passkeyOnly}) // takes no tokens
	})
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	if page := b.load(portalURL + "/account/tokens"); strings.Contains(page.body, "wiki.example.org") {
		t.Error("an app is offered that takes no tokens")
	}
	for name, fields := range map[string][]string{
		"an app that takes none":  {"app", "wiki.example.org"},
		"an app that there isn't": {"app", "evil.example"},
		"no app":                  {"app", ""},
		"a life of one's own":     {"expires", "3650d"},
		"no life":                 {"expires", ""},
		"a control in the name":   {"name", "x\x00"},
	} {
		before := s.records()
		checkRefused(t, b.newToken(fields...), name)
		s.unchanged(t, before, name)
	}
	for _, path := range []string{"dav", "/a/../b", "/a,b", "/%2e%2e", "https://evil.example/", "/" + strings.Repeat("a", 3000)} {
		page := b.newToken("path", path, "name", "Mine", "write", "1").want(t, 400, "That path cannot be used")
		if !strings.Contains(page.body, `value="Mine"`) || !strings.Contains(page.body, `name="write" value="1" checked`) || strings.Contains(page.body, `value="`+path) {
			t.Errorf("%s: what was right is lost, or what was wrong is repeated:\n%s", path, page.body)
		}
	}
	hers := b.newToken()
	hers.want(t, 200, "pwl_")
	id := regexp.MustCompile(`/account/tokens/([^/]+)/revoke`).FindStringSubmatch(b.account().body)[1]
	his := s.browser()
	mine := his.signIn(bob, portalURL+"/")
	his.raw(mine, "/account/tokens/"+id+"/revoke").want(t, 404, "not yours") // AD-2
	s.browser().send("GET", appURL+"/", "", asToken(hers, t)).want(t, 200, "the app sees "+ada)
}

func TestTokens_AreForAppsThatAreOpenToThePerson(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(bob, portalURL+"/")
	if page := b.load(portalURL + "/account/tokens"); strings.Contains(page.body, "wiki.example.org") {
		t.Error("an app is offered that is closed to him")
	}
	s.reload(func(c *authcore.Config) { c.Apps = c.Apps[1:] })
	page := b.account()
	if strings.Contains(page.body, "Access tokens") {
		t.Error("tokens are spoken of to somebody who may have none")
	}
	b.load(portalURL+"/account/tokens").want(t, 404, "<h1>Your account</h1>")
}

func TestTokens_ASidecarHasNone(t *testing.T) {
	s := newSidecar(t)
	b := s.browser()
	b.signIn(ada, appURL+"/")
	page := b.account()
	if strings.Contains(page.body, "Access tokens") {
		t.Error("the page speaks of tokens")
	}
	b.load(appURL+"/.auth/account/tokens").want(t, 404, "Your account")
	b.raw(page, "/account/tokens", "name", "x", "app", "app.example.com", "expires", "30d").want(t, 400, "")
}

func TestTokens_NeedAFreshProof(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.signIn(ada, portalURL+"/")
	s.wait(16 * time.Minute)
	b.follow(b.raw(page, "/account/tokens", "name", "x", "app", "app.example.com", "expires", "30d")).want(t, 200, "Mail me a code")
	if strings.Contains(b.load(portalURL+"/account").body, "/revoke\"") {
		t.Error("a token was made")
	}
}
