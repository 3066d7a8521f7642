package portal

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// halves are the secrets of what is not whole, or of another kind: by name, with
// the routes whose body takes exactly this one as a flow.
func (p program) halves(t *testing.T) (halves map[string]string, home map[string][]string) {
	t.Helper()
	k := p.authenticator()
	bobs := p.signIn(t, bob, "spa")
	p.addKey(t, k, bobs.SessionToken).want(t, 201, "")
	p.addPhone(t, p.signIn(t, ada, "spa").SessionToken)
	whole := p.keySignIn(t, k, "spa")
	var made madeDoc
	p.call("POST", "/api/tokens", `{"name":"x","app":"app.example.com"}`, whole.SessionToken).want(t, 201, "").into(t, &made)
	p.s.addUser("carol@example.com")
	carol := p.s.browser()
	carol.signIn("carol@example.com", portalURL+"/")
	_, invite, _ := strings.Cut(p.s.invite("new@example.com"), "#")
	halves = map[string]string{
		"a mailed flow": p.start(ada, "spa"), "a second step": p.second(t, ada, "spa"), "a sign-in by passkey": p.keyOptions(t, "spa").Flow,
		"a registration": p.call("POST", "/api/passkeys/options", "{}", whole.SessionToken).ceremony(t).Flow, "a refresh token": whole.RefreshToken,
		"an access token for services": whole.AccessToken, "an access token for an app": made.Token, "a browser's session": carol.session(),
		"a browser's device": carol.jar["auth.example.com"]["__Host-passwordless-device"], "an invitation": invite,
	}
	return halves, map[string][]string{
		"a mailed flow": {"/api/login/email/verify"}, "a second step": {"/api/login/totp", "/api/login/recovery"},
		"a sign-in by passkey": {"/api/login/passkey"}, "a registration": {"/api/passkeys"},
	}
}

// SE-6, JW-3: what a sign-in leaves on its way is taken by its next step and by
// nothing else, and no token does the work of another kind.
func TestAPI_HalfASignInOpensNothing_SE6(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	halves, home := p.halves(t)
	for what, secret := range halves {
		if secret == "" {
			t.Fatalf("%s is empty", what)
		}
		for _, r := range apiRoutes() {
			path := strings.ReplaceAll(r.path, "{id}", "AAAA")
			name := fmt.Sprintf("%s at %s %s", what, r.method, r.path)
			if r.auth != authNone {
				want := 401
				if what == "an access token for services" && r.auth == authEither {
					want = 200
				}
				if a := p.call(r.method, path, plausible(t, r), secret); a.StatusCode != want {
					t.Errorf("%s, as bearer: %d %s", name, a.StatusCode, a.body)
				}
			}
			if r.in == nil || slices.Contains(home[what], r.path) {
				continue
			}
			for _, m := range members(r.in) {
				if m.name != "flow" && m.name != "refresh_token" || what == "a refresh token" && m.name == "refresh_token" {
					continue
				}
				body := strings.Replace(plausible(t, r), strings.Repeat("A", 43), secret, 1)
				if a := p.call(r.method, path, body, ""); a.StatusCode != 400 && a.StatusCode != 401 {
					t.Errorf("%s, as %s: %d %s", name, m.name, a.StatusCode, a.body)
				}
			}
		}
	}
	p.verify(halves["a mailed flow"]) // whatever became of it, nothing above signed anybody in
	for address, want := range map[string]int{ada: 1, "new@example.com": 0} {
		u, err := s.svc.FindUser(t.Context(), address)
		if want == 0 {
			if err == nil {
				t.Errorf("%s has an account", address)
			}
			continue
		}
		s.must(err)
		devices, err := s.svc.Devices(t.Context(), u, nil)
		s.must(err)
		if len(devices) != want {
			t.Errorf("%s is signed in %d times", address, len(devices))
		}
	}
}

// The step that a secret is for still takes it after all others refused.
func TestAPI_AStepIsNotSpentElsewhere_SE6(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	f, bearer := p.addPhone(t, p.signIn(t, ada, "spa").SessionToken)
	codes := p.makeCodes(t, bearer)
	flow := p.start(ada, "spa")
	mailed := s.codes()[0]
	for _, path := range []string{"/api/login/totp", "/api/login/recovery"} {
		for _, code := range []string{mailed, s.next(f), codes[0]} {
			p.call("POST", path, doc("flow", flow, "code", code), "").want(t, 400, "FLOW_EXPIRED")
		}
	}
	second := p.call("POST", "/api/login/email/verify", doc("flow", flow, "code", mailed), "").want(t, 202, "").text(t, "flow")
	for _, code := range []string{mailed, s.next(f), codes[0]} {
		p.call("POST", "/api/login/email/verify", doc("flow", second, "code", code), "").want(t, 400, "FLOW_EXPIRED")
	}
	p.call("POST", "/api/login/totp", doc("flow", second, "code", codes[0]), "").want(t, 400, "TOTP_INVALID")
	p.call("POST", "/api/login/recovery", doc("flow", second, "code", s.next(f)), "").want(t, 400, "RECOVERY_INVALID")
	code := f.code(t, s.clock())
	p.call("POST", "/api/login/totp", doc("flow", second, "code", code), "").want(t, 200, "")
	p.call("POST", "/api/login/totp", doc("flow", p.second(t, ada, "spa"), "code", code), "").want(t, 400, "TOTP_INVALID") // TO-2: across flows
}

// CS-2: what one client's page began, another's does not go on with.
func TestAPI_FlowsStayWithTheirClient_CS2(t *testing.T) {
	s := newSite(t, twoClients)
	spa, bank := program{s.browser(), spaURL}, program{s.browser(), bankURL}
	f, bearer := spa.addPhone(t, spa.signIn(t, ada, "spa").SessionToken)
	flow := spa.start(ada, "spa")
	bank.verify(flow).want(t, 400, "FLOW_EXPIRED")
	second := spa.verify(flow).want(t, 202, "").text(t, "flow")
	code := s.next(f)
	bank.call("POST", "/api/login/totp", doc("flow", second, "code", code), "").want(t, 400, "FLOW_EXPIRED")
	spa.call("POST", "/api/login/totp", doc("flow", second, "code", code), "").want(t, 200, "")
	for _, r := range apiRoutes() {
		if r.auth != authNone {
			bank.call(r.method, strings.ReplaceAll(r.path, "{id}", "AAAA"), plausible(t, r), bearer).want(t, 401, "UNAUTHENTICATED")
		}
	}
	s.reload(func(c *authcore.Config) { c.Clients = c.Clients[1:] }) // a client that is gone has no sessions
	spa.call("GET", "/api/me", "", bearer).want(t, 401, "UNAUTHENTICATED")
}

// DESIGN §6: after a recovery code there is one thing to do.
func TestAPI_ARecoveryCodeAddsAPasskeyAndNoMore(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	got := p.recovered(t, ada)
	if got.AccessToken != "" || got.ExpiresIn != 0 || got.Next != "passkey" {
		t.Errorf("a session of a recovery code has %+v", got)
	}
	var again tokensDoc
	p.call("POST", "/api/token/refresh", doc("refresh_token", got.RefreshToken), "").want(t, 200, `"next":"passkey"`).into(t, &again)
	if again.AccessToken != "" {
		t.Error("a refresh brings what the sign-in did not")
	}
	before, err := s.svc.FindUser(t.Context(), ada)
	s.must(err)
	open := []string{}
	for _, r := range apiRoutes() {
		if r.auth == authNone || r.path == "/api/logout" {
			continue
		}
		if a := p.call(r.method, strings.ReplaceAll(r.path, "{id}", "AAAA"), plausible(t, r), again.SessionToken); !strings.Contains(a.body, "STEP_UP_REQUIRED") {
			open = append(open, r.method+" "+r.path)
		}
	}
	if want := []string{"GET /api/me", "GET /api/passkeys", "POST /api/passkeys/options", "POST /api/passkeys"}; !slices.Equal(open, want) {
		t.Errorf("open are %v", open)
	}
	after, err := s.svc.FindUser(t.Context(), ada)
	s.must(err)
	if after.TOTP.ID != before.TOTP.ID || after.Recovery.Made != before.Recovery.Made || after.Epoch != before.Epoch {
		t.Error("the account has changed")
	}
	k := p.authenticator()
	var added addedDoc
	p.addKey(t, k, again.SessionToken).want(t, 201, "").into(t, &added)
	p.call("GET", "/api/me", "", again.SessionToken).want(t, 401, "UNAUTHENTICATED")
	p.call("GET", "/api/sessions", "", added.SessionToken).want(t, 200, `"passkey"`)
	p.call("POST", "/api/token/refresh", doc("refresh_token", again.RefreshToken), "").want(t, 200, `"access_token"`)
}

// AD-2: ids of other people's things name nothing.
func TestAPI_OtherPeoplesThingsAreNotThere_AD2(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	k := p.authenticator()
	theirs := p.signIn(t, ada, "spa")
	var key addedDoc
	p.addKey(t, k, theirs.SessionToken).want(t, 201, "").into(t, &key)
	theirs = p.keySignIn(t, k, "spa")
	var token madeDoc
	p.call("POST", "/api/tokens", `{"name":"x","app":"app.example.com"}`, theirs.SessionToken).want(t, 201, "").into(t, &token)
	mine := p.signIn(t, bob, "spa").SessionToken
	for _, target := range []string{"DELETE /api/sessions/" + theirs.SessionID, "DELETE /api/passkeys/" + key.Passkey.ID, "DELETE /api/tokens/" + token.Details.ID} {
		method, path, _ := strings.Cut(target, " ")
		p.call(method, path, "", mine).want(t, 404, "NOT_FOUND")
	}
	p.call("PATCH", "/api/passkeys/"+key.Passkey.ID, doc("name", "Mine"), mine).want(t, 404, "NOT_FOUND")
	for path, list := range map[string]string{"/api/sessions": theirs.SessionID, "/api/passkeys": key.Passkey.ID, "/api/tokens": token.Details.ID} {
		if a := p.call("GET", path, "", mine).want(t, 200, "items"); strings.Contains(a.body, list) {
			t.Errorf("%s shows what is not its caller's: %s", path, a.body)
		}
		p.call("GET", path, "", theirs.SessionToken).want(t, 200, list)
	}
	for _, id := range []string{"..", "%2e%2e", "%00", strings.Repeat("A", 5000), "AAA=", "%D9%A1", "a%2fb", marker} {
		for _, r := range apiRoutes() {
			if before, ok := strings.CutSuffix(r.path, "{id}"); ok {
				// Some are refused before they are any route's.
				h := map[string]string{"Authorization": "Bearer " + mine, "Content-Type": "application/json"}
				if a := p.browser.send(r.method, portalURL+before+id, plausible(t, r), h); a.StatusCode != 404 || strings.Contains(a.body, marker) {
					t.Errorf("%s %s%s: %d %s", r.method, before, id, a.StatusCode, a.body)
				}
			}
		}
	}
}

// SE-5: whatever ends everything of a user ends it here.
func TestAPI_ADisabledUserIsOut_SE5(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	got, k := p.signIn(t, ada, "spa"), p.authenticator()
	p.addKey(t, k, got.SessionToken).want(t, 201, "")
	flow, c := p.start(ada, "spa"), p.keyOptions(t, "spa")
	s.must(s.svc.DisableUser(t.Context(), "cli", ada))
	p.call("GET", "/api/me", "", got.AccessToken).want(t, 401, "UNAUTHENTICATED")
	p.call("GET", "/api/passkeys", "", got.SessionToken).want(t, 401, "UNAUTHENTICATED")
	p.call("POST", "/api/token/refresh", doc("refresh_token", got.RefreshToken), "").want(t, 401, "TOKEN_INVALID")
	p.verify(flow).want(t, 400, "FLOW_EXPIRED")
	p.call("POST", "/api/login/passkey", credential(c, k.get(t, c)), "").want(t, 400, "PASSKEY_REFUSED")
	s.change(ada, func(u *store.User) { u.Disabled = false })
	p.call("GET", "/api/me", "", got.SessionToken).want(t, 401, "UNAUTHENTICATED")
}
