package test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// kinds are all secrets and tokens that anybody outside ever holds, by name.
type kinds map[string]string

// consumer is a place that takes one of them.
type consumer struct {
	name  string
	takes []string // the kinds that are good there
	// offer presents a value there, as a good one would be, and reports whether
	// that opened anything.
	offer func(t *testing.T, value string) bool
}

const flowCookie, deviceCookie = "__Host-passwordless-flow", "__Host-passwordless-device"

// kindsWorld is a server at which somebody has one of each.
type kindsWorld struct {
	*world
	plain    *harness.Client // without cookies of its own
	apiCode  string          // of the API flow token
	code     string          // of the portal's flow cookie
	otherAPI string          // a flow whose code is one of the kinds
	nonce    string          // of the browser that the ticket is for

	halfways
}

// JW-3, SE-6, FA-12: every kind at every consumer. Each opens what it is for and
// nothing else, and being offered elsewhere spends none of them.
func TestTokens_EachKindWorksOnlyWhereItBelongs(t *testing.T) {
	w := &kindsWorld{world: startWorld(t, worldOptions{
		globals: portalGlobals + "proxy traefik 127.0.0.1\n" + `client spa "Example Web"` + "\n",
		sites:   strings.Replace(portalSites, "public /healthz /assets/*", "assertion on", 1) + "http://:{$HTTP} {\n\tpasswordless_portal\n}\n",
	})}
	w.plain = w.client(t)
	w.plain.Jar = nil
	all := w.collect(t)
	w.collectHalf(t, all)
	seen := map[string]string{}
	for name, value := range all {
		if value == "" || seen[value] != "" {
			t.Fatalf("%s is %q, as is %q", name, value, seen[value])
		}
		seen[value] = name
	}
	consumers := append(w.consumersHalf(), w.consumers()...)
	for _, c := range consumers {
		for name, value := range all {
			if !slices.Contains(c.takes, name) && c.offer(t, value) {
				t.Errorf("%s takes the %s", c.name, name)
			}
		}
	}
	used := map[string]bool{}
	for _, c := range consumers {
		for _, name := range c.takes {
			if used[name] = true; !c.offer(t, all[name]) {
				t.Errorf("%s does not take the %s", c.name, name)
			}
		}
	}
	// These open nothing by themselves.
	for _, name := range []string{"device cookie", "ceremony id", "identity assertion", "app flow cookie"} {
		used[name] = true
	}
	for name := range all {
		if !used[name] {
			t.Errorf("nothing shows that the %s was good", name)
		}
	}
}

// collect gets one of each, from people who do not get into each other's way.
func (w *kindsWorld) collect(t *testing.T) kinds {
	t.Helper()
	all := kinds{}

	alice := w.client(t)
	w.enter(t, alice, w.URL(appHost, "/"), "alice@example.test")
	all["root session cookie"] = alice.Cookie(w.URL(authHost, "/"), sessionCookie)
	all["app session cookie"] = alice.Cookie(w.URL(appHost, "/"), sessionCookie)
	all["device cookie"] = alice.Cookie(w.URL(authHost, "/"), deviceCookie)
	seen := w.app.Seen()
	all["identity assertion"] = http.Header(seen[len(seen)-1].Headers).Get("Remote-Jwt")
	alice.Navigate(w.URL(otherHost, "/"))
	all["session cookie of another app"] = alice.Cookie(w.URL(otherHost, "/"), sessionCookie)
	if made := w.command(t, "token", "create", "alice@example.test", "--grant", "app="+appHost); made.Code == 0 {
		all["pwl_ access token"] = strings.TrimSpace(made.Stdout)
	}

	var tokens, others apiTokens
	flow, code := w.begin(t, "api@example.test")
	w.api(t, "/api/login/email/verify", map[string]string{"flow": flow, "code": code}, &tokens)
	flow, code = w.begin(t, "api@example.test")
	w.api(t, "/api/login/email/verify", map[string]string{"flow": flow, "code": code}, &others)
	all["access JWT"], all["API session token"], all["refresh token"] = tokens.Access, tokens.Session, others.Refresh

	all["API flow token"], w.apiCode = w.begin(t, "flow@example.test")
	w.otherAPI, all["code"] = w.begin(t, "code@example.test")

	linked := w.client(t)
	page := w.ask(t, linked, w.URL(authHost, "/login"), "link@example.test")
	_, all["mailed link token"], _ = strings.Cut(w.mail.Wait("link@example.test").Link(t, "/login/link"), "#")
	_, all["invite token"], _ = strings.Cut(strings.TrimSpace(w.command(t, "invite", "invited@example.test").Stdout), "#")

	coded := w.client(t)
	w.ask(t, coded, w.URL(authHost, "/login"), "cookie@example.test")
	all["portal flow cookie"], w.code = coded.Cookie(w.URL(authHost, "/"), flowCookie), w.mail.Wait("cookie@example.test").Code(t)

	ceremony := script(t, linked, page, "/login/passkey/options", "{}")
	var begun struct{ Flow string }
	if err := json.Unmarshal([]byte(ceremony.Body), &begun); err != nil {
		t.Fatalf("%s %s", ceremony.Status, ceremony.Body)
	}
	all["ceremony id"] = begun.Flow

	visitor := w.client(t)
	w.enter(t, visitor, w.URL(authHost, "/login"), "visitor@example.test")
	callback, err := url.Parse(w.newTicket(t, visitor, otherHost))
	if err != nil {
		t.Fatal(err)
	}
	all["hand-over ticket"] = callback.Query().Get("ticket")
	w.nonce = visitor.Cookie(w.URL(otherHost, "/"), flowCookie)
	all["app flow cookie"] = w.nonce
	return all
}

// api posts JSON and decodes the answer, which must be a good one.
func (w *kindsWorld) api(t *testing.T, path string, body map[string]string, into any) {
	t.Helper()
	res := w.post(t, path, body)
	if err := json.Unmarshal([]byte(res.Body), into); err != nil || res.StatusCode > 299 {
		t.Fatalf("%s: %s %s", path, res.Status, res.Body)
	}
}

func (w *kindsWorld) post(t *testing.T, path string, body map[string]string, header ...string) harness.Response {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return w.plain.Request(http.MethodPost, w.URL(authHost, path), string(raw), append(header, "Content-Type", "application/json")...)
}

// begin asks for a code by the API.
func (w *kindsWorld) begin(t *testing.T, address string) (flow, code string) {
	t.Helper()
	var begun struct{ Flow string }
	w.api(t, "/api/login/email", map[string]string{"email": address}, &begun)
	return begun.Flow, w.mail.Wait(address).Code(t)
}

// consumers end with those that spend what they take.
func (w *kindsWorld) consumers() []consumer {
	get := func(target string, header ...string) harness.Response {
		return w.plain.Request(http.MethodGet, target, "", header...)
	}
	ok := func(res harness.Response) bool { return res.StatusCode == http.StatusOK }
	auth := func(path string) string { return w.URL(authHost, path) }
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	decision := func(header ...string) bool {
		return ok(get(fmt.Sprintf("http://127.0.0.1:%d/api/authz/forward-auth", w.HTTP), append(header, "X-Forwarded-Method", "GET", "X-Forwarded-Proto", "https",
			"X-Forwarded-Host", w.host(appHost), "X-Forwarded-Uri", "/", "X-Forwarded-For", "203.0.113.9")...))
	}
	scripted := func(page, path string) func(*testing.T, string) bool {
		return func(t *testing.T, v string) bool {
			c := w.client(t)
			return ok(script(t, c, c.Navigate(auth(page)), path, fmt.Sprintf(`{"token":%q}`, v)))
		}
	}
	const root, app, pwl, api = "root session cookie", "app session cookie", "pwl_ access token", "API session token"
	return []consumer{
		{"GET /api/me", []string{"access JWT", api}, func(_ *testing.T, v string) bool { return ok(get(auth("/api/me"), "Authorization", "Bearer "+v)) }},
		{"the URL of /api/me", nil, func(_ *testing.T, v string) bool {
			return ok(get(auth("/api/me?" + url.Values{"access_token": {v}, "session_token": {v}, "token": {v}}.Encode())))
		}},
		{"the cookie at /api/me", nil, func(_ *testing.T, v string) bool { return ok(get(auth("/api/me"), "Cookie", sessionCookie+"="+v)) }},
		{"GET /api/sessions", []string{api}, func(_ *testing.T, v string) bool {
			return ok(get(auth("/api/sessions"), "Authorization", "Bearer "+v))
		}},
		{"DELETE /api/sessions", []string{api}, func(_ *testing.T, v string) bool {
			res := w.plain.Request(http.MethodDelete, auth("/api/sessions/AAAA"), "", "Authorization", "Bearer "+v)
			return res.StatusCode == http.StatusNotFound // who has none of that id
		}},
		{"PATCH /api/me", []string{api}, func(_ *testing.T, v string) bool {
			res := w.plain.Request(http.MethodPatch, auth("/api/me"), `{"display_name":" "}`, "Authorization", "Bearer "+v, "Content-Type", "application/json")
			return res.StatusCode == http.StatusBadRequest // which is no name
		}},
		{"DELETE /api/me", []string{api}, func(_ *testing.T, v string) bool {
			res := w.plain.Request(http.MethodDelete, auth("/api/me"), `{"email":"x"}`, "Authorization", "Bearer "+v, "Content-Type", "application/json")
			return res.StatusCode == http.StatusConflict // which is not the address
		}},
		{"the portal's cookie", []string{root}, func(_ *testing.T, v string) bool {
			return ok(navigate(w.plain, auth("/account"), "Cookie", sessionCookie+"="+v))
		}},
		{"the bearer of a page", nil, func(_ *testing.T, v string) bool { return ok(get(auth("/account"), "Authorization", "Bearer "+v)) }},
		{"an app's cookie", []string{app}, func(_ *testing.T, v string) bool { return ok(get(w.URL(appHost, "/"), "Cookie", sessionCookie+"="+v)) }},
		{"/.auth/me of an app", []string{app}, func(_ *testing.T, v string) bool {
			return ok(get(w.URL(appHost, "/.auth/me"), "Cookie", sessionCookie+"="+v))
		}},
		{"another app's cookie", []string{"session cookie of another app"}, func(_ *testing.T, v string) bool {
			return ok(get(w.URL(otherHost, "/"), "Cookie", sessionCookie+"="+v))
		}},
		{"Bearer at an app", []string{pwl}, func(_ *testing.T, v string) bool { return ok(get(w.URL(appHost, "/"), "Authorization", "Bearer "+v)) }},
		{"Bearer at another app", nil, func(_ *testing.T, v string) bool { return ok(get(w.URL(otherHost, "/"), "Authorization", "Bearer "+v)) }},
		{"Basic at an app", []string{pwl}, func(_ *testing.T, v string) bool {
			return ok(get(w.URL(appHost, "/"), "Authorization", basic("anybody", v)))
		}},
		{"the user name of Basic", nil, func(_ *testing.T, v string) bool { return ok(get(w.URL(appHost, "/"), "Authorization", basic(v, ""))) }},
		{"Remote-Jwt from outside", nil, func(_ *testing.T, v string) bool { return ok(get(w.URL(appHost, "/"), "Remote-Jwt", v)) }},
		{"the cookie of a decision", []string{app}, func(_ *testing.T, v string) bool { return decision("Cookie", sessionCookie+"="+v) }},
		{"the bearer of a decision", []string{pwl}, func(_ *testing.T, v string) bool { return decision("Authorization", "Bearer "+v) }},
		{"a sign-in's cookie", []string{"portal flow cookie"}, func(_ *testing.T, v string) bool {
			return ok(navigate(w.plain, auth("/login/code"), "Cookie", flowCookie+"="+v))
		}},
		{"/login/link/peek", []string{"mailed link token"}, scripted("/login/link", "/login/link/peek")},
		{"/invite/peek", []string{"invite token"}, scripted("/invite", "/invite/peek")},

		{"/login/link", []string{"mailed link token"}, scripted("/login/link", "/login/link")},
		{"/invite", []string{"invite token"}, scripted("/invite", "/invite")},
		{"the callback of an app", []string{"hand-over ticket"}, func(_ *testing.T, v string) bool {
			return w.givesSession(navigate(w.plain, w.URL(otherHost, "/.auth/callback?"+url.Values{"ticket": {v}}.Encode()), "Cookie", flowCookie+"="+w.nonce))
		}},
		{"the cookie of a typed code", []string{"portal flow cookie"}, w.typed},
		{"the flow of a code", []string{"API flow token"}, func(t *testing.T, v string) bool {
			return ok(w.post(t, "/api/login/email/verify", map[string]string{"flow": v, "code": w.apiCode}))
		}},
		{"the code of a flow", []string{"code"}, func(t *testing.T, v string) bool {
			return ok(w.post(t, "/api/login/email/verify", map[string]string{"flow": w.otherAPI, "code": v}))
		}},
		{"POST /api/token/refresh", []string{"refresh token"}, func(t *testing.T, v string) bool {
			return ok(w.post(t, "/api/token/refresh", map[string]string{"refresh_token": v}))
		}},
		{"POST /api/logout", []string{api}, func(t *testing.T, v string) bool {
			return w.post(t, "/api/logout", map[string]string{}, "Authorization", "Bearer "+v).StatusCode == http.StatusNoContent
		}},
	}
}

// typed types a code into the page of a sign-in whose cookie is v: the code of
// the mail that this cookie asked for, or else of the API's.
func (w *kindsWorld) typed(t *testing.T, v string) bool {
	t.Helper()
	login := navigate(w.plain, w.URL(authHost, "/login"), "Cookie", flowCookie+"="+v)
	_, fields := form(t, login, "/login")
	fields.Set("code", w.apiCode)
	if strings.Contains(navigate(w.plain, w.URL(authHost, "/login/code"), "Cookie", flowCookie+"="+v).Body, "cookie@example.test") {
		fields.Set("code", w.code)
	}
	at := w.URL(authHost, "/login/code")
	return w.givesSession(w.plain.Request(http.MethodPost, at, fields.Encode(), "Cookie", flowCookie+"="+v,
		"Content-Type", "application/x-www-form-urlencoded", "Origin", strings.TrimSuffix(at, "/login/code"), "Sec-Fetch-Site", "same-origin"))
}

// givesSession reports whether an answer sets a session cookie.
func (w *kindsWorld) givesSession(res harness.Response) bool {
	return slices.ContainsFunc(res.Cookies(), func(c *http.Cookie) bool { return c.Name == sessionCookie && c.Value != "" })
}
