package test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// The kinds of a sign-in with two steps, of an account's factors and of notices,
// and the places that take them (tokenkinds_test.go).

// halfways are browsers and people in the middle of something.
type halfways struct {
	half, lost string          // flow cookies that owe a second step: for a code of the app, for a recovery code
	apiSecret  string          // of the authenticator app of who owes the API a second step
	stepping   *harness.Client // may step up
	stepped    harness.Response
	moving     *harness.Client // awaits the code of a new address
	moved      harness.Response
}

// factors are what somebody with an authenticator app has.
type factors struct {
	client *harness.Client // signed in, and its account page
	page   harness.Response
	secret string
	codes  []string
}

var (
	onceShown = regexp.MustCompile(`<code id="secret">([^<]+)</code>`)
	codeShown = regexp.MustCompile(`<li><code><span>([^<]+)</span><span>([^<]+)</span></code></li>`)
)

// withFactors is somebody new who sets up an authenticator app and recovery codes.
func (w *kindsWorld) withFactors(t *testing.T, address string) (f factors) {
	t.Helper()
	f.client = w.client(t)
	w.enter(t, f.client, w.URL(authHost, "/login"), address)
	account := w.URL(authHost, "/account")
	page := submit(t, f.client, f.client.Navigate(account), "/account/totp", nil)
	m := onceShown.FindStringSubmatch(page.Body)
	if m == nil {
		t.Fatalf("no secret: %s\n%s", page.Status, page.Body)
	}
	f.secret = strings.ReplaceAll(m[1], " ", "")
	submit(t, f.client, page, "/account/totp/confirm", url.Values{"code": {oathCode(t, f.secret, -1)}})
	page = submit(t, f.client, f.client.Navigate(account), "/account/recovery-codes", nil)
	for _, m := range codeShown.FindAllStringSubmatch(page.Body, -1) {
		f.codes = append(f.codes, m[1]+m[2])
	}
	if len(f.codes) != 10 {
		t.Fatalf("%d codes: %s", len(f.codes), page.Status)
	}
	f.page = f.client.Navigate(account)
	return f
}

// owing gives the first step of a sign-in and answers the flow cookie that owes
// the second.
func (w *kindsWorld) owing(t *testing.T, address string) string {
	t.Helper()
	c := w.client(t)
	page := w.enter(t, c, w.URL(authHost, "/login"), address)
	if page.Request.URL.Path != "/login/totp" {
		t.Fatalf("%s at %s", page.Status, page.Request.URL)
	}
	return c.Cookie(w.URL(authHost, "/"), flowCookie)
}

func (w *kindsWorld) collectHalf(t *testing.T, all kinds) {
	t.Helper()
	one := w.withFactors(t, "second@example.test")
	w.half, w.lost = w.owing(t, "second@example.test"), w.owing(t, "second@example.test")
	all["cookie that owes a second step"] = w.owing(t, "second@example.test")
	all["TOTP code"], all["recovery code"] = oathCode(t, one.secret, 0), one.codes[0]

	two := w.withFactors(t, "stepping@example.test")
	w.stepping, w.stepped = two.client, two.client.Navigate(w.URL(authHost, "/login/step-up"))
	all["TOTP code of another account"], all["recovery code of another account"] = oathCode(t, two.secret, 0), two.codes[0]

	three := w.withFactors(t, "half-api@example.test")
	w.apiSecret = three.secret
	flow, code := w.begin(t, "half-api@example.test")
	var next struct{ Next, Flow string }
	w.api(t, "/api/login/email/verify", map[string]string{"flow": flow, "code": code}, &next)
	if next.Next != "totp" {
		t.Fatalf("next %q", next.Next)
	}
	all["API token that owes a second step"] = next.Flow

	w.moving = w.client(t)
	w.enter(t, w.moving, w.URL(authHost, "/login"), "moving-kinds@example.test")
	w.moved = submit(t, w.moving, w.moving.Navigate(w.URL(authHost, "/account/email")), "/account/email", url.Values{"email": {"moved-kinds@example.test"}})
	all["code of a new address"] = w.mail.Wait("moved-kinds@example.test").Code(t)

	_, all["not-me token"], _ = strings.Cut(w.mail.WaitNotice("second@example.test").Link(t, "/not-me"), "#")
}

// consumersHalf end with those that spend what they take.
func (w *kindsWorld) consumersHalf() []consumer {
	auth := func(path string) string { return w.URL(authHost, path) }
	scripted := func(path string) func(*testing.T, string) bool {
		return func(t *testing.T, v string) bool {
			c := w.client(t)
			return script(t, c, c.Navigate(auth("/not-me")), path, fmt.Sprintf(`{"token":%q}`, v)).StatusCode == http.StatusOK
		}
	}
	// typed sends a code by the form of a signed-in person's page, and reports
	// whether they got a new session for it.
	typed := func(c func() (*harness.Client, harness.Response), path string) func(*testing.T, string) bool {
		return func(t *testing.T, v string) bool {
			client, page := c()
			target, fields := form(t, page, path)
			fields.Set("code", v)
			return w.givesSession(client.Submit(target, fields))
		}
	}
	stepping := func() (*harness.Client, harness.Response) { return w.stepping, w.stepped }
	moving := func() (*harness.Client, harness.Response) { return w.moving, w.moved }
	return []consumer{
		{"the cookie of /login/totp", []string{"cookie that owes a second step"}, func(_ *testing.T, v string) bool {
			return navigate(w.plain, auth("/login/totp"), "Cookie", flowCookie+"="+v).StatusCode == http.StatusOK
		}},
		{"the URL of /login/totp", nil, func(_ *testing.T, v string) bool {
			return navigate(w.plain, auth("/login/totp?"+url.Values{"flow": {v}, "token": {v}, "code": {v}}.Encode())).StatusCode == http.StatusOK
		}},
		{"the ceremony of /login/passkey", nil, func(t *testing.T, v string) bool {
			c := w.client(t)
			return w.givesSession(script(t, c, c.Navigate(auth("/login")), "/login/passkey", fmt.Sprintf(`{"flow":%q,"credential":{"id":%[1]q},"to":""}`, v)))
		}},
		{"/not-me/peek", []string{"not-me token"}, scripted("/not-me/peek")},

		{"the code of /login/totp", []string{"TOTP code"}, func(t *testing.T, v string) bool { return w.secondStep(t, w.half, "/login/totp", v) }},
		{"the code of /login/recovery", []string{"recovery code"}, func(t *testing.T, v string) bool { return w.secondStep(t, w.lost, "/login/recovery", v) }},
		{"the code of /login/step-up/totp", []string{"TOTP code of another account"}, typed(stepping, "/login/step-up/totp")},
		{"the code of /login/step-up/recovery", []string{"recovery code of another account"}, typed(stepping, "/login/step-up/recovery")},
		{"the code of /account/email/confirm", []string{"code of a new address"}, typed(moving, "/account/email/confirm")},
		{"the flow of /api/login/totp", []string{"API token that owes a second step"}, func(t *testing.T, v string) bool {
			return w.post(t, "/api/login/totp", map[string]string{"flow": v, "code": oathCode(t, w.apiSecret, 0)}).StatusCode == http.StatusOK
		}},
		{"the flow of /api/login/recovery", nil, func(t *testing.T, v string) bool {
			return w.post(t, "/api/login/recovery", map[string]string{"flow": v, "code": v}).StatusCode == http.StatusOK
		}},
		{"/not-me", []string{"not-me token"}, scripted("/not-me")},
	}
}

// secondStep types a code into the page of a sign-in that owes one.
func (w *kindsWorld) secondStep(t *testing.T, flow, path, code string) bool {
	t.Helper()
	cookie := []string{"Cookie", flowCookie + "=" + flow}
	page := navigate(w.plain, w.URL(authHost, "/login/totp"), cookie...)
	if path == "/login/recovery" {
		page = navigate(w.plain, w.URL(authHost, "/login/totp?by=recovery"), cookie...)
	}
	if page.StatusCode != http.StatusOK {
		t.Fatalf("the sign-in is over: %s", page.Status)
	}
	target, fields := form(t, page, path)
	fields.Set("code", code)
	return w.givesSession(w.plain.Request(http.MethodPost, target, fields.Encode(), append(cookie,
		"Content-Type", "application/x-www-form-urlencoded", "Origin", strings.TrimSuffix(target, path), "Sec-Fetch-Site", "same-origin")...))
}
