package portal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// opener makes a site with two API clients, and a program at it.
type opener func(change ...func(*authcore.Config)) program

// Everything that the API's document promises happens in one of these stories.
var apiStories = map[string]func(*testing.T, opener){
	"mail": storyMail, "second step": storySecond, "passkey": storyPasskey, "tokens": storyRefresh, "sessions": storySessions,
	"own passkeys": storyOwnPasskeys, "the last passkey": storyLastPasskey, "authenticator app": storyTOTP, "recovery codes": storyRecovery,
	"access tokens": storyAccessTokens, "a person": storyPerson, "the end of an account": storyEnd, "what every route refuses": storyEveryRoute, "confirm first": storyStepUp, "frozen": storyFrozen,
}

func TestOpenAPI_EveryDocumentedAnswerIsGiven(t *testing.T) {
	shown := &produced{seen: map[string]bool{}}
	var document []string
	for name, story := range apiStories {
		t.Run(name, func(t *testing.T) {
			story(t, func(change ...func(*authcore.Config)) program {
				s := newSite(t, append([]func(*authcore.Config){twoClients}, change...)...)
				s.shown, document = shown, s.contract().documented()
				return s.program()
			})
		})
	}
	for _, what := range document {
		if !shown.seen[what] {
			t.Errorf("%s is documented, and never came", what)
		}
	}
}

func storyMail(t *testing.T, open opener) {
	p := open()
	p.call("POST", "/api/login/email", doc("email", "Ada <ada@example.com>", "client_id", "spa"), "").want(t, 400, "EMAIL_INVALID")
	p.call("POST", "/api/login/email", doc("email", ada), "").want(t, 400, "CLIENT_UNKNOWN")
	program{p.browser, bankURL}.call("POST", "/api/login/email", doc("email", ada, "client_id", "spa"), "").want(t, 403, "ORIGIN_FORBIDDEN")
	flow := p.start(ada, "spa")
	p.call("POST", "/api/login/email/verify", doc("flow", flow, "code", "1"), "").want(t, 400, "CODE_INVALID")
	code := p.s.codes()[0]
	p.call("POST", "/api/login/email/verify", doc("flow", flow, "code", " "+code[:4]+"-"+code[4:]), "").want(t, 200, ada)
	p.call("POST", "/api/login/email/verify", doc("flow", flow, "code", code), "").want(t, 400, "FLOW_EXPIRED")
	flow = p.start(ada, "spa")
	for range 4 {
		p.call("POST", "/api/login/email/verify", doc("flow", flow, "code", "00000000"), "").want(t, 400, "CODE_INVALID")
	}
	p.call("POST", "/api/login/email/verify", doc("flow", flow, "code", "00000000"), "").want(t, 400, "CODE_EXHAUSTED")

	flow = p.start(ada, "spa")
	p.s.reload(func(c *authcore.Config) { c.NoEmail = true })
	p.call("POST", "/api/login/email", doc("email", ada, "client_id", "spa"), "").want(t, 403, "METHOD_OFF")
	p.verify(flow).want(t, 403, "METHOD_OFF")

	p = open(func(c *authcore.Config) { c.Registration.Mode = "invite" })
	p.verify(p.start(nobody, "spa")).want(t, 403, "APPROVAL_PENDING")
}

func storySecond(t *testing.T, open opener) {
	p := open()
	f, bearer := p.addPhone(t, p.signIn(t, ada, "spa").SessionToken)
	codes := p.makeCodes(t, bearer)
	var next nextDoc
	p.verify(p.start(ada, "spa")).want(t, 202, "").into(t, &next)
	if next.Next != "totp" || fmt.Sprint(next.Methods) != "[totp recovery]" {
		t.Errorf("the second step is %+v", next)
	}
	for path, wrong := range map[string]string{"totp": "000000", "recovery": "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"} {
		invalid := map[string]string{"totp": "TOTP_INVALID", "recovery": "RECOVERY_INVALID"}[path]
		path = "/api/login/" + path
		flow := p.second(t, ada, "spa")
		for range 4 {
			p.call("POST", path, doc("flow", flow, "code", wrong), "").want(t, 400, invalid)
		}
		p.call("POST", path, doc("flow", flow, "code", wrong), "").want(t, 400, "CODE_EXHAUSTED")
		p.call("POST", path, doc("flow", flow, "code", wrong), "").want(t, 400, "FLOW_EXPIRED")
	}
	tokens := tokensDoc{}
	p.call("POST", "/api/login/totp", doc("flow", next.Flow, "code", p.s.next(f)), "").want(t, 200, "").into(t, &tokens)
	if fmt.Sprint(tokens.AMR) != "[email totp]" || tokens.AccessToken == "" || tokens.Next != "" {
		t.Errorf("signed in as %+v", tokens)
	}
	p.call("POST", "/api/login/recovery", doc("flow", p.second(t, ada, "spa"), "code", strings.ToLower(codes[3])), "").want(t, 200, `"next":"passkey"`)

	flow := p.second(t, ada, "spa")
	p.s.change(ada, func(u *store.User) {
		for range 30 {
			u.Guesses = append(u.Guesses, p.s.clock())
		}
	})
	for _, path := range []string{"/api/login/totp", "/api/login/recovery"} {
		if a := p.call("POST", path, doc("flow", flow, "code", "000000"), "").want(t, 429, "GUESSES_SPENT"); a.Header.Get("Retry-After") == "" {
			t.Error("nobody is told when to come back")
		}
	}
	p.s.reload(func(c *authcore.Config) { c.NoEmail = true })
	for _, path := range []string{"/api/login/totp", "/api/login/recovery"} {
		p.call("POST", path, doc("flow", flow, "code", "000000"), "").want(t, 403, "METHOD_OFF")
	}
}

func storyPasskey(t *testing.T, open opener) {
	p := open()
	k := p.authenticator()
	p.addKey(t, k, p.signIn(t, ada, "spa").SessionToken).want(t, 201, k.name())
	got := p.keySignIn(t, k, "spa")
	if fmt.Sprint(got.AMR) != "[passkey]" || got.User.Email != ada || got.AccessToken == "" {
		t.Errorf("signed in as %+v", got)
	}
	c := p.keyOptions(t, "spa")
	good := credential(c, k.get(t, c))
	p.call("POST", "/api/login/passkey", good, "").want(t, 200, ada)
	p.call("POST", "/api/login/passkey", good, "").want(t, 400, "FLOW_EXPIRED") // a challenge is good for one answer
	other := p.keyOptions(t, "spa")
	p.call("POST", "/api/login/passkey", credential(ceremony{Flow: other.Flow}, k.get(t, c)), "").want(t, 400, "PASSKEY_REFUSED")
	c = p.keyOptions(t, "spa")
	p.call("POST", "/api/login/passkey", credential(c, p.authenticator().get(t, c)), "").want(t, 400, "CREDENTIAL_UNKNOWN")

	p.call("POST", "/api/login/passkey/options", "{}", "").want(t, 400, "CLIENT_UNKNOWN")
	program{p.browser, bankURL}.call("POST", "/api/login/passkey/options", doc("client_id", "spa"), "").want(t, 403, "ORIGIN_FORBIDDEN")
	c = p.keyOptions(t, "spa")
	p.s.reload(func(c *authcore.Config) { c.NoPasskey = true })
	p.call("POST", "/api/login/passkey/options", doc("client_id", "spa"), "").want(t, 403, "METHOD_OFF")
	p.call("POST", "/api/login/passkey", credential(c, k.get(t, c)), "").want(t, 403, "METHOD_OFF")
}

func storyRefresh(t *testing.T, open opener) {
	p := open()
	one := p.signIn(t, ada, "spa")
	p.call("POST", "/api/token/refresh", doc("refresh_token", "x"), "").want(t, 401, "TOKEN_INVALID")
	var two tokensDoc
	p.call("POST", "/api/token/refresh", doc("refresh_token", one.RefreshToken), "").want(t, 200, "").into(t, &two)
	p.s.wait(11 * time.Second)
	p.call("POST", "/api/token/refresh", doc("refresh_token", one.RefreshToken), "").want(t, 401, "TOKEN_REUSED")
	p.call("GET", "/api/me", "", two.SessionToken).want(t, 401, "UNAUTHENTICATED")
}

func storySessions(t *testing.T, open opener) {
	p := open()
	one, two := p.signIn(t, ada, "spa"), p.signIn(t, ada, "bank")
	p.browser.signIn(ada, portalURL+"/")
	p.call("GET", "/api/me", "", one.AccessToken).want(t, 200, ada)
	var list listDoc[sessionDoc]
	p.call("GET", "/api/sessions", "", one.SessionToken).want(t, 200, "").into(t, &list)
	kinds := map[string]int{}
	for _, d := range list.Items {
		kinds[d.Kind+" "+d.ClientID]++
		if d.Current != (d.ID == one.SessionID) {
			t.Errorf("current is %+v", d)
		}
	}
	if fmt.Sprint(kinds) != "map[api bank:1 api spa:1 root :1]" {
		t.Errorf("sessions %v", kinds)
	}
	p.call("DELETE", "/api/sessions/"+two.SessionID, "", one.SessionToken).want(t, 204, "")
	p.call("DELETE", "/api/sessions/"+two.SessionID, "", one.SessionToken).want(t, 404, "NOT_FOUND") // as every second DELETE
	p.call("POST", "/api/logout", doc("scope", "some"), one.SessionToken).want(t, 400, "BAD_REQUEST")
	p.call("POST", "/api/logout", doc("scope", "others"), one.SessionToken).want(t, 204, "")
	p.call("GET", "/api/sessions", "", one.SessionToken).into(t, &list)
	if len(list.Items) != 1 {
		t.Errorf("after signing out the others there are %+v", list.Items)
	}
	p.call("POST", "/api/logout", "{}", one.SessionToken).want(t, 204, "")
	p.call("POST", "/api/logout", "{}", one.SessionToken).want(t, 401, "UNAUTHENTICATED")
}

func storyOwnPasskeys(t *testing.T, open opener) {
	p := open()
	k, bearer := p.authenticator(), p.signIn(t, ada, "spa").SessionToken
	p.call("GET", "/api/passkeys", "", bearer).want(t, 200, `"items":[]`)
	c := p.call("POST", "/api/passkeys/options", "{}", bearer).want(t, 200, "").ceremony(t)
	made := k.create(t, c)
	var added addedDoc
	body := strings.TrimSuffix(credential(c, made), "}") + `,"name":"Desk"}`
	p.call("POST", "/api/passkeys", body, bearer).want(t, 201, "Desk").into(t, &added)
	if added.SessionToken != "" || !added.Passkey.Usable || added.Passkey.ID != k.name() {
		t.Errorf("added %+v", added)
	}
	p.call("POST", "/api/passkeys/options", "{}", bearer).want(t, 403, "STEP_UP_REQUIRED") // from now on by passkey
	bearer = p.keySignIn(t, k, "spa").SessionToken
	p.call("POST", "/api/passkeys", body, bearer).want(t, 400, "FLOW_EXPIRED")
	c = p.call("POST", "/api/passkeys/options", "{}", bearer).want(t, 200, k.name()).ceremony(t) // it is excluded
	p.call("POST", "/api/passkeys", credential(c, made), bearer).want(t, 400, "PASSKEY_REFUSED")
	bobs := p.signIn(t, bob, "spa").SessionToken
	p.addKey(t, k, bobs).want(t, 409, "CREDENTIAL_TAKEN")

	id := "/api/passkeys/" + added.Passkey.ID
	p.call("PATCH", id, doc("name", "Sofa"), bearer).want(t, 204, "")
	p.call("PATCH", id, doc("name", " "), bearer).want(t, 400, "NAME_INVALID")
	p.call("PATCH", "/api/passkeys/AAAA", doc("name", "Sofa"), bearer).want(t, 404, "NOT_FOUND")
	p.call("GET", "/api/passkeys", "", bearer).want(t, 200, "Sofa")
	p.call("DELETE", "/api/passkeys/AAAA", "", bearer).want(t, 404, "NOT_FOUND")
	p.call("DELETE", id, "", bearer).want(t, 204, "")
	p.call("DELETE", id, "", bobs).want(t, 404, "NOT_FOUND")

	c = p.call("POST", "/api/passkeys/options", "{}", bobs).want(t, 200, "").ceremony(t)
	p.s.spareKeys(bob, 20)
	appPage := program{p.browser, appURL}
	p.s.reload(func(c *authcore.Config) { c.Clients[0].Origins = []string{spaURL, appURL} })
	appPage.call("POST", "/api/passkeys/options", "{}", bobs).want(t, 403, "ORIGIN_FORBIDDEN")
	full := p.strongly(bobs)
	p.call("POST", "/api/passkeys", credential(c, p.authenticator().create(t, c)), full).want(t, 409, "TOO_MANY")
	p.call("POST", "/api/passkeys/options", "{}", full).want(t, 409, "TOO_MANY")
	p.s.reload(func(c *authcore.Config) { c.NoPasskey = true })
	p.call("POST", "/api/passkeys/options", "{}", full).want(t, 403, "METHOD_OFF")
	p.call("POST", "/api/passkeys", body, full).want(t, 403, "METHOD_OFF")
}

// strongly makes a session look as if a passkey had begun it.
func (p program) strongly(bearer string) string {
	p.s.t.Helper()
	token, _ := authcore.ParseToken(bearer)
	p.s.must(p.s.db.Update(p.s.t.Context(), func(tx store.Tx) error {
		sess, err := tx.Session(token.Hash())
		if err != nil {
			return err
		}
		sess.AMR = []string{"passkey"}
		return tx.PutSession(sess)
	}))
	return bearer
}

func storyLastPasskey(t *testing.T, open opener) {
	p := open()
	k := p.authenticator()
	var added addedDoc
	p.addKey(t, k, p.signIn(t, ada, "spa").SessionToken).want(t, 201, "").into(t, &added)
	p.s.reload(func(c *authcore.Config) { c.NoMailServer = true })
	p.call("DELETE", "/api/passkeys/"+added.Passkey.ID, "", p.keySignIn(t, k, "spa").SessionToken).want(t, 409, "only way in")
}

func storyTOTP(t *testing.T, open opener) {
	p := open()
	bearer := p.signIn(t, ada, "spa").SessionToken
	p.call("GET", "/api/totp", "", bearer).want(t, 200, `{"active":false}`)
	p.call("DELETE", "/api/totp", "", bearer).want(t, 404, "NOT_FOUND")
	p.call("POST", "/api/totp/confirm", doc("code", "123456"), bearer).want(t, 400, "FLOW_EXPIRED")
	p.call("POST", "/api/totp", "{}", bearer).want(t, 200, "")
	p.call("POST", "/api/totp/confirm", doc("code", "12345"), bearer).want(t, 400, "TOTP_INVALID")
	p.s.change(ada, func(u *store.User) {
		for range 30 {
			u.Guesses = append(u.Guesses, p.s.clock())
		}
	})
	p.call("POST", "/api/totp/confirm", doc("code", "123456"), bearer).want(t, 429, "GUESSES_SPENT")
	p.s.change(ada, func(u *store.User) { u.Guesses = nil })
	f, next := p.addPhone(t, bearer)
	p.call("GET", "/api/me", "", bearer).want(t, 401, "UNAUTHENTICATED") // the old token
	p.call("GET", "/api/totp", "", next).want(t, 200, `"active":true,"created_at"`)
	p.call("POST", "/api/totp", "{}", next).want(t, 409, "CONFLICT")
	p.s.change(ada, func(u *store.User) { u.Admin = true })
	p.call("DELETE", "/api/totp", "", next).want(t, 409, "CONFLICT")
	p.s.change(ada, func(u *store.User) { u.Admin = false })
	p.call("POST", "/api/login/totp", doc("flow", p.second(t, ada, "spa"), "code", p.s.next(f)), "").want(t, 200, "")
	p.call("DELETE", "/api/totp", "", next).want(t, 204, "")
}

func storyRecovery(t *testing.T, open opener) {
	p := open()
	bearer := p.signIn(t, ada, "spa").SessionToken
	p.call("POST", "/api/recovery-codes", "{}", bearer).want(t, 409, "CONFLICT")
	p.call("GET", "/api/recovery-codes", "", bearer).want(t, 200, `{"left":0,"made":0,"low":false}`)
	_, bearer = p.addPhone(t, bearer)
	old, codes := p.makeCodes(t, bearer), p.makeCodes(t, bearer)
	if len(codes) != 10 || old[0] == codes[0] {
		t.Errorf("codes %v", codes)
	}
	flow := p.second(t, ada, "spa")
	p.call("POST", "/api/login/recovery", doc("flow", flow, "code", old[0]), "").want(t, 400, "RECOVERY_INVALID")
	p.call("POST", "/api/login/recovery", doc("flow", flow, "code", codes[0]), "").want(t, 200, "")
	p.call("GET", "/api/recovery-codes", "", bearer).want(t, 200, `{"left":9,"made":10,"low":false}`)
	p.s.reload(func(c *authcore.Config) { c.NoPasskey = true }) // a code would do nothing
	p.call("POST", "/api/recovery-codes", "{}", bearer).want(t, 403, "METHOD_OFF")
}

func storyAccessTokens(t *testing.T, open opener) {
	p := open()
	bearer := p.signIn(t, ada, "spa").SessionToken
	p.call("GET", "/api/tokens", "", bearer).want(t, 200, `"items":[]`)
	var one, two madeDoc
	p.call("POST", "/api/tokens", `{"name":"Backup","grant":"app=wiki.example.org,path=/dav/*,methods=GET+PUT","expires_in":3600}`, bearer).want(t, 201, `"token":"pwl_`).into(t, &one)
	p.call("POST", "/api/tokens", `{"name":"","app":"app.example.com","path":"/x","methods":["GET"],"networks":["10.0.0.0/8"]}`, bearer).want(t, 201, "10.0.0.0/8").into(t, &two)
	if d := one.Details; d.Path != "/dav/*" || len(d.Methods) != 2 || d.Networks == nil || d.ExpiresAt.Sub(d.CreatedAt) != time.Hour {
		t.Errorf("made %+v", d)
	}
	if !two.Details.ExpiresAt.IsZero() || two.Details.Grant != "app=app.example.com,path=/x,methods=GET,networks=10.0.0.0/8" {
		t.Errorf("made %+v", two.Details)
	}
	if list := p.call("GET", "/api/tokens", "", bearer).want(t, 200, two.Details.ID); strings.Contains(list.body, "pwl_") {
		t.Errorf("a token is told again: %s", list.body)
	}
	for _, body := range []string{
		`{"name":"x"}`, `{"name":"x","grant":"admin:users"}`, `{"name":"x","grant":"app=app.example.com","app":"app.example.com"}`, `{"name":"x","app":"https://app.example.com"}`,
		`{"name":"x","app":"app.example.com","methods":["get"]}`, `{"name":"x","app":"app.example.com","networks":["10.0.0.0/8+::/0"]}`, `{"name":"x","app":"app.example.com","path":"x"}`,
	} {
		p.call("POST", "/api/tokens", body, bearer).want(t, 400, "GRANT_INVALID")
	}
	for _, n := range []string{"0", "-1", "315360001", "9223372036854775807", "1e3", "1.5"} {
		p.call("POST", "/api/tokens", `{"name":"x","app":"app.example.com","expires_in":`+n+`}`, bearer).want(t, 400, "BAD_REQUEST")
	}
	for app, body := range map[string]string{"app": `{"name":"x","app":"app.example.com%s"}`, "grant": `{"name":"x","grant":"app=app.example.com%s,path=/x"}`} {
		made := p.call("POST", "/api/tokens", fmt.Sprintf(body, ":443"), bearer).want(t, 201, `"app":"app.example.com"`)
		p.call("DELETE", "/api/tokens/"+at(made.json(t)["details"], "id").(string), "", bearer).want(t, 204, "")
		for wrong, want := range map[string]string{
			":8443": "NOT_FOUND The app has another port; write its host without a port: app.example.com.", ":x": "GRANT_INVALID app is the app's host, without scheme, port or path, such as wiki.example.com.",
			".org": "NOT_FOUND No app is configured at that host; write the app's host without a port, such as wiki.example.com, or guard that site.", "/x": "GRANT_INVALID app is the app's host, without scheme, port or path, such as wiki.example.com.",
		} {
			var told problem
			p.call("POST", "/api/tokens", fmt.Sprintf(body, wrong), bearer).into(t, &told)
			if told.Code+" "+told.Detail != want {
				t.Errorf("%s%s: %+v", app, wrong, told)
			}
		}
	}
	bobs := p.signIn(t, bob, "spa").SessionToken
	p.call("POST", "/api/tokens", `{"name":"x","app":"wiki.example.org"}`, bobs).want(t, 409, "CONFLICT") // not open to him
	p.call("DELETE", "/api/tokens/"+one.Details.ID, "", bobs).want(t, 404, "NOT_FOUND")
	p.call("DELETE", "/api/tokens/"+one.Details.ID, "", bearer).want(t, 204, "")
	p.call("DELETE", "/api/tokens/"+one.Details.ID, "", bearer).want(t, 404, "NOT_FOUND")
	for range 49 {
		p.call("POST", "/api/tokens", `{"name":"x","app":"app.example.com"}`, bearer).want(t, 201, "")
	}
	p.call("POST", "/api/tokens", `{"name":"x","app":"app.example.com"}`, bearer).want(t, 409, "TOO_MANY")
}

func storyPerson(t *testing.T, open opener) {
	p := open()
	one := p.signIn(t, ada, "spa")
	bearer := one.SessionToken
	for _, name := range []string{"Ada Lovelace", strings.Repeat("鍵", 64), ""} {
		p.call("PATCH", "/api/me", doc("display_name", name), bearer).want(t, 204, "")
		for _, token := range []string{bearer, one.AccessToken} {
			p.call("GET", "/api/me", "", token).want(t, 200, `"display_name":"`+name+`"`)
		}
	}
	for _, name := range []string{" Ada", "Ada\n", strings.Repeat("a", 65)} {
		p.call("PATCH", "/api/me", doc("display_name", name), bearer).want(t, 400, "NAME_INVALID")
	}
	f, strong := p.addPhone(t, p.signIn(t, bob, "spa").SessionToken)
	p.makeCodes(t, strong)
	p.call("POST", "/api/tokens", `{"name":"Backup","app":"app.example.com","path":"/dav/*","expires_in":3600}`, strong).want(t, 201, "")
	p.s.spareKeys(bob, 1)
	var copied authcore.Export
	p.call("GET", "/api/me/export", "", strong).want(t, 200, `"totp":{"created_at"`).into(t, &copied)
	if copied.Email != bob || len(copied.Sessions) != 1 || len(copied.Tokens) != 1 || len(copied.Passkeys) != 1 || len(copied.History) == 0 || copied.Recovery.Left != 10 {
		t.Errorf("the copy has %+v", copied)
	}
	if a := p.call("GET", "/api/me/export", "", strong); strings.Contains(a.body, f.secret) || strings.Contains(a.body, strong) {
		t.Error("the copy has a secret")
	}
}

func storyEnd(t *testing.T, open opener) {
	p := open()
	one, other := p.signIn(t, ada, "spa"), p.signIn(t, ada, "bank")
	bearer, end := one.SessionToken, doc("email", "ADA@example.com")
	p.call("DELETE", "/api/me", end, bearer).want(t, 403, "METHOD_OFF")
	p.s.reload(mayDelete)
	for _, typed := range []string{"", bob, "ada"} {
		p.call("DELETE", "/api/me", doc("email", typed), bearer).want(t, 409, "Type your e-mail address")
	}
	p.call("DELETE", "/api/me", end, one.AccessToken).want(t, 401, "UNAUTHENTICATED") // it opens GET alone
	p.s.change(ada, func(u *store.User) { u.Admin = true })
	p.s.spareKeys(ada, 1)
	p.call("DELETE", "/api/me", end, p.strongly(bearer)).want(t, 409, "last admin")
	p.s.change(ada, func(u *store.User) { u.Admin = false })
	p.call("GET", "/api/me", "", other.SessionToken).want(t, 200, ada)
	p.call("DELETE", "/api/me", end, bearer).want(t, 204, "")
	for _, token := range []string{bearer, one.AccessToken, other.SessionToken, other.AccessToken} {
		p.call("GET", "/api/me", "", token).want(t, 401, "UNAUTHENTICATED")
	}
	p.call("POST", "/api/token/refresh", doc("refresh_token", one.RefreshToken), "").want(t, 401, "TOKEN_INVALID")
	if _, err := p.s.svc.FindUser(t.Context(), ada); err == nil {
		t.Error("the account is there still")
	}
}
