package portal

import (
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Stories that walk the table of routes, so that a new one is in them.

// plausible is a body that a route understands, if not more.
func plausible(t *testing.T, r apiRoute) string {
	t.Helper()
	switch {
	case r.in == nil:
		return ""
	case r.path == "/api/tokens":
		return `{"name":"x","app":"app.example.com"}`
	}
	return exampleOf(r.in)
}

func storyEveryRoute(t *testing.T, open opener) {
	p := open()
	bearer := p.signIn(t, bob, "spa").SessionToken
	p.s.addUser("eve@example.com")
	limited := p.recovered(t, ada).SessionToken
	token := func(r apiRoute) string { return map[bool]string{true: bearer}[r.auth != authNone] }
	for _, r := range apiRoutes() {
		path := strings.ReplaceAll(r.path, "{id}", "AAAA")
		if r.auth != authNone {
			p.call(r.method, path, plausible(t, r), "").want(t, 401, "UNAUTHENTICATED")
			a := p.call(r.method, path, plausible(t, r), limited)
			if refused := strings.Contains(a.body, "STEP_UP_REQUIRED"); refused == r.limited {
				t.Errorf("%s %s: a session of a recovery code gets %d %s", r.method, r.path, a.StatusCode, a.body)
			}
			if r.path == "/api/logout" {
				limited = p.recovered(t, "eve@example.com").SessionToken
			}
		}
		if r.in != nil {
			p.call(r.method, path, `{"nothing":1}`, token(r)).want(t, 400, "BAD_REQUEST")
			p.call(r.method, path, `{"x":"`+strings.Repeat("x", maxJSON)+`"}`, token(r)).want(t, 413, "TOO_LARGE")
			p.callWith(r.method, path, plausible(t, r), token(r), map[string]string{"Content-Type": "text/plain"}).want(t, 415, "UNSUPPORTED_MEDIA_TYPE")
		}
		if r.auth == authNone && r.in == nil {
			p.call(r.method, path, "", "").want(t, 200, "")
			continue
		}
		p.s.broken.Store(true)
		p.call(r.method, path, plausible(t, r), token(r)).want(t, 503, "UNAVAILABLE")
		p.s.broken.Store(false)
	}
	p.s.reload(func(c *authcore.Config) { c.Requests, c.Burst = 1, 1 })
	for _, r := range apiRoutes() {
		path := strings.ReplaceAll(r.path, "{id}", "AAAA")
		p.call(r.method, path, plausible(t, r), token(r))
		a := p.call(r.method, path, plausible(t, r), token(r))
		if got := a.StatusCode == 429; got != r.charged {
			t.Errorf("%s %s: charged: %v, answers %d", r.method, r.path, r.charged, a.StatusCode)
		}
		if r.path == "/api/logout" {
			p.s.reload(func(c *authcore.Config) { c.Requests, c.Burst = 1000, 1000 })
			bearer = p.signIn(t, bob, "spa").SessionToken
			p.s.reload(func(c *authcore.Config) { c.Requests, c.Burst = 1, 1 })
		}
	}
}

// managing are the acts that want a fresh sign-in of the account's own kind.
func managing() (list []apiRoute) {
	for _, r := range apiRoutes() {
		for _, x := range r.refuses {
			if x == authcore.StepUpRequired {
				list = append(list, r)
			}
		}
	}
	return list
}

func mayDelete(c *authcore.Config) { c.SelfDelete = "allow" }

func storyStepUp(t *testing.T, open opener) {
	p := open(mayDelete)
	bearer := p.signIn(t, ada, "spa").SessionToken
	k := p.authenticator()
	begun := p.call("POST", "/api/passkeys/options", "{}", bearer).want(t, 200, "").ceremony(t)
	p.addKey(t, k, bearer).want(t, 201, "")
	p.call("POST", "/api/passkeys", credential(begun, p.authenticator().create(t, begun)), bearer).want(t, 403, `"methods":["passkey"]`)
	old := p.keySignIn(t, k, "spa").SessionToken
	fresh := func() string { return p.keySignIn(t, k, "spa").SessionToken }
	for _, r := range managing() {
		path, body := strings.ReplaceAll(r.path, "{id}", "AAAA"), plausible(t, r)
		if r.path == "/api/passkeys" {
			continue // it would have to begin first
		}
		p.call(r.method, path, body, bearer).want(t, 403, `"methods":["passkey"]`) // by mail, however fresh
		p.s.wait(16 * time.Minute)
		p.call(r.method, path, body, old).want(t, 403, `"methods":["passkey"]`) // by passkey, and too old
		if a := p.call(r.method, path, body, fresh()); a.StatusCode == 403 {
			t.Errorf("%s %s: a fresh sign-in gets %s", r.method, r.path, a.body)
		}
	}
}

func storyFrozen(t *testing.T, open opener) {
	p := open(mayDelete)
	bearer := p.signIn(t, ada, "spa").SessionToken
	begun := p.call("POST", "/api/passkeys/options", "{}", bearer).want(t, 200, "").ceremony(t)
	p.s.change(ada, func(u *store.User) { u.Freeze = &store.Freeze{At: p.s.clock(), Since: p.s.clock()} })
	for _, r := range managing() {
		body := plausible(t, r)
		if r.path == "/api/passkeys" {
			body = credential(begun, p.authenticator().create(t, begun))
		}
		for _, x := range r.refuses {
			if x == authcore.Frozen {
				p.call(r.method, strings.ReplaceAll(r.path, "{id}", "AAAA"), body, bearer).want(t, 403, "FROZEN")
			}
		}
	}
}
