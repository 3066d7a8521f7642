package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// marker is in every bad value, and in no answer.
const marker = "zzmarkerzz"

// field is one field of an endpoint with a value that is well formed.
type field struct{ name, good string }

// formEndpoints take urlencoded forms. The field "to" is forgiving about what
// it means (a way back that has run out is no way back), not about its shape.
var formEndpoints = []struct {
	path   string
	member bool
	fields []field
}{
	{"/login", false, []field{{"email", "bad@example.test"}, {"to", ""}}},
	{"/login/code", false, []field{{"code", "00000000"}, {"email", "bad@example.test"}, {"to", ""}}},
	{"/login/code/resend", false, []field{{"email", "bad@example.test"}, {"to", ""}}},
	{"/login/offer", true, []field{{"to", ""}}},
	{"/login/step-up/email", true, []field{{"to", ""}}},
	{"/account/passkeys/AAAA/rename", true, []field{{"name", "Phone"}}},
	{"/account/passkeys/AAAA/remove", true, []field{{"to", ""}}},
	{"/account/sessions/AAAA/revoke", true, []field{{"to", ""}}},
	{"/account/sessions/revoke-all", true, []field{{"to", ""}}},
	{"/logout", true, []field{{"to", ""}, {"switch", "1"}}},
}

// jsonEndpoints take JSON; those below /api of anybody, the others of our pages' scripts.
var jsonEndpoints = []struct {
	path   string
	fields []field
}{
	{"/login/link/peek", []field{{"token", "AAAA"}}},
	{"/login/link", []field{{"token", "AAAA"}}},
	{"/invite/peek", []field{{"token", "AAAA"}}},
	{"/invite", []field{{"token", "AAAA"}}},
	{"/login/passkey", []field{{"flow", "AAAA"}, {"credential", "AAAA"}}},
	{"/login/step-up/passkey", []field{{"flow", "AAAA"}, {"credential", "AAAA"}}},
	{"/account/passkeys", []field{{"flow", "AAAA"}, {"credential", "AAAA"}}},
	{"/api/login/email", []field{{"email", "bad@example.test"}, {"client_id", "spa"}}},
	{"/api/login/email/verify", []field{{"flow", "AAAA"}, {"code", "00000000"}}},
	{"/api/token/refresh", []field{{"refresh_token", "AAAA"}}},
	{"/api/logout", []field{{"scope", "this"}}},
}

// shapes are values that no field may have, whatever it means.
var shapes = map[string]string{
	"a NUL":             marker + "\x00",
	"a line break":      marker + "@example.test\r\nBcc: mallory@example.test",
	"an escape":         marker + "\x1b[31m",
	"a C1 control":      marker + "\u0085",
	"invalid UTF-8":     marker + "\xff\xfe",
	"an overlong slash": marker + "\xc0\xaf",
}

// meanings are values that an address, a code or a token may not have.
var meanings = map[string]string{
	"nothing":                    "",
	"blanks":                     "   ",
	"a list":                     marker + "@example.test,mallory@example.test",
	"a list with semicolons":     marker + "@example.test;mallory@example.test",
	"an address with a name":     "Mallory <" + marker + "@example.test>",
	"Arabic digits":              "١٢٣٤٥٦٧٨",
	"fullwidth digits":           "１２３４５６７８",
	"a Cyrillic address":         "аdа" + marker + "@example.test",
	"a Greek domain":             marker + "@παράδειγμα.δοκιμή",
	"a bidirectional override":   marker + "\u202e@example.test",
	"a zero-width joiner":        marker + "\u200d@example.test",
	"markup":                     "<script>" + marker + "</script>",
	"a template":                 "{{" + marker + "}}{http.request.host}",
	"a long address":             strings.Repeat("a", 300) + marker + "@example.test",
	"a quoted address":           `"` + marker + `"@example.test`,
	"an address with two signs":  marker + "@example.test@example.org",
	"an address with a comment":  marker + "(x)@example.test",
	"an address at an IP number": marker + "@[127.0.0.1]",
}

var machineCode = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)

// badWorld is a server on which nothing of this file may leave a trace.
type badWorld struct {
	*world
	anybody, member *harness.Client
	login, account  harness.Response // their pages
}

func TestBadInput(t *testing.T) {
	w := &badWorld{world: startWorld(t, worldOptions{globals: portalGlobals + `client spa "Example Web" https://spa.example.com` + "\n"})}
	w.anybody, w.member = w.client(t), w.client(t)
	w.enter(t, w.member, w.URL(authHost, "/login"), "member@example.test")
	users := w.command(t, "user", "list").Stdout
	page := w.ask(t, w.anybody, w.URL(authHost, "/login"), "asked@example.test")
	asked := w.mail.Wait("asked@example.test")
	mails := len(w.mail.Messages())
	w.login, w.account = w.anybody.Navigate(w.URL(authHost, "/login")), w.member.Navigate(w.URL(authHost, "/account"))

	t.Run("Forms", w.forms)
	t.Run("JSON", w.json)
	t.Run("Queries", w.queries)
	t.Run("ContentTypes", w.contentTypes)

	// The canary is mailed after whatever might have been.
	w.ask(t, w.client(t), w.URL(authHost, "/login"), "canary@example.test")
	w.mail.Wait("canary@example.test")
	if got := w.mail.Messages(); len(got) != mails+1 {
		t.Errorf("%d mails more than the canary's", len(got)-mails-1)
	}
	// None of it was a guess: the right code still works.
	if res := submit(t, w.anybody, page, "/login/code", url.Values{"code": {asked.Code(t)}}); res.Request.URL.Path != "/login/offer" {
		t.Errorf("the right code: %s at %s", res.Status, res.Request.URL)
	}
	if now := w.command(t, "user", "list"); now.Code != 0 || strings.Count(now.Stdout, "\n") != strings.Count(users, "\n")+1 {
		t.Errorf("users before:\n%s\nafter, with the one who asked (code %d):\n%s", users, now.Code, now.Stdout)
	}
	if strings.Contains(w.Output(), marker) || strings.Contains(w.Output(), "panic") {
		t.Error("the log repeats what strangers sent, or tells of a panic")
	}
	if res := w.member.Navigate(w.URL(authHost, "/account")); res.StatusCode != http.StatusOK || res.Request.URL.Path != "/account" {
		t.Errorf("the member was signed out: %s at %s", res.Status, res.Request.URL)
	}
}

func (w *badWorld) forms(t *testing.T) {
	for _, e := range formEndpoints {
		c, page := w.anybody, w.login
		if e.member {
			c, page = w.member, w.account
		}
		good := url.Values{"token": {formToken.FindStringSubmatch(page.Body)[1]}}
		for _, f := range e.fields {
			if f.good != "" {
				good.Set(f.name, f.good)
			}
		}
		for _, f := range e.fields {
			try := func(what string, values ...string) {
				t.Helper()
				form := url.Values{}
				for name, v := range good {
					form[name] = v
				}
				form[f.name] = values
				w.postForm(t, c, e.path, f.name+" is "+what, form.Encode())
			}
			for what, value := range shapes {
				try(what, value)
			}
			try("huge", strings.Repeat(marker, 10_000))
			try("there twice", marker, marker)
			if f.name == "code" || f.name == "email" && e.path == "/login" { // elsewhere the flow knows the address
				for what, value := range meanings {
					try(what, value)
				}
			}
		}
		for what, body := range map[string]string{
			"an unknown field": good.Encode() + "&admin=" + marker,
			"a broken escape":  good.Encode() + "&to=%zz" + marker,
			"no token":         strings.Replace(good.Encode(), "token=", "admin=", 1),
			"another's token":  "token=" + marker,
			"JSON":             `{"email":"` + marker + `"}`,
		} {
			if e.path == "/logout" && strings.Contains(what, "token") {
				continue // apps carry this form, so it asks for the origin only (CS-1)
			}
			w.postForm(t, c, e.path, what, body)
		}
	}
}

// postForm sends a form as a program and as a page does. Both are refused.
func (w *badWorld) postForm(t *testing.T, c *harness.Client, path, what, body string) {
	t.Helper()
	target, origin := w.URL(authHost, path), w.URL(authHost, "")
	res := c.Request(http.MethodPost, target, body, "Content-Type", "application/x-www-form-urlencoded", "Origin", origin)
	refusedProblem(t, path+", "+what, res)
	res = c.Request(http.MethodPost, target, body, "Content-Type", "application/x-www-form-urlencoded", "Origin", origin,
		"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin")
	if res.StatusCode < 400 || res.StatusCode > 499 || !strings.Contains(res.Body, "<h1") || strings.Contains(res.Body, marker) {
		t.Errorf("%s, %s, as a page: %s to %q\n%s", path, what, res.Status, res.Header.Get("Location"), res.Body)
	}
}

// refusedProblem: 4xx, a fixed code, one or two sentences, nothing echoed.
func refusedProblem(t *testing.T, what string, res harness.Response) {
	t.Helper()
	var p struct {
		Status       int
		Code, Detail string
	}
	err := json.Unmarshal([]byte(res.Body), &p)
	if err != nil || res.StatusCode < 400 || res.StatusCode > 499 || p.Status != res.StatusCode ||
		!machineCode.MatchString(p.Code) || p.Detail == "" || strings.Contains(res.Body, marker) ||
		res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %s to %q, %v\n%s", what, res.Status, res.Header.Get("Location"), err, res.Body)
	}
}

func (w *badWorld) json(t *testing.T) {
	for _, e := range jsonEndpoints {
		good := map[string]string{}
		for _, f := range e.fields {
			good[f.name] = quote(f.good)
		}
		try := func(what, body string) {
			t.Helper()
			refusedProblem(t, e.path+", "+what, w.postJSON(e.path, body))
		}
		for _, f := range e.fields {
			for what, value := range map[string]string{
				"a number": "12345678", "true": "true", "null": "null", "a list": `["` + marker + `"]`, "an object": `{"$gt":"` + marker + `"}`,
				"huge": quote(strings.Repeat(marker, 10_000)), "deep": strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
				"half a surrogate": `"` + marker + `\ud800"`, "a NUL": `"` + marker + `\u0000"`, "a line break": `"` + marker + `\r\nBcc: m@example.test"`,
			} {
				try(f.name+" is "+what, object(good, f.name, value))
			}
			for what, value := range meanings {
				if f.name == "client_id" && value == "" {
					continue // the default client
				}
				try(f.name+" is "+what, object(good, f.name, quote(value)))
			}
			try(f.name+" twice", strings.Replace(object(good, "", ""), "{", fmt.Sprintf(`{%q:%q,`, f.name, marker), 1))
			try(f.name+" in another case", strings.Replace(object(good, "", ""), quote(f.name), quote(strings.ToUpper(f.name)), 1))
		}
		for what, body := range map[string]string{
			"nothing": "", "a list": `[` + object(good, "", "") + `]`, "text": `"` + marker + `"`, "half an object": `{"` + marker,
			"two objects": object(good, "", "") + object(good, "", ""), "an unknown member": object(good, marker, "1"),
			"invalid UTF-8": "{\"" + e.fields[0].name + "\":\"\xff\xfe" + marker + "\"}", "a form": e.fields[0].name + "=" + marker,
		} {
			try(what, body)
		}
	}
}

// postJSON sends JSON as our script does, as the member where that counts.
func (w *badWorld) postJSON(path, body string, header ...string) harness.Response {
	c, page := w.anybody, w.login
	if strings.HasPrefix(path, "/account") || strings.HasPrefix(path, "/login/step-up") {
		c, page = w.member, w.account
	}
	if len(header) == 0 {
		header = []string{"Content-Type", "application/json"}
	}
	header = append(header, "Origin", w.URL(authHost, ""))
	if !strings.HasPrefix(path, "/api/") {
		body = withForm(body, formToken.FindStringSubmatch(page.Body)[1])
	}
	return c.Request(http.MethodPost, w.URL(authHost, path), body, header...)
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string has an encoding
	return string(b)
}

// object is a JSON object with one member changed or added.
func object(good map[string]string, name, value string) string {
	var members []string
	for n, v := range good {
		if n != name {
			members = append(members, quote(n)+":"+v)
		}
	}
	if name != "" {
		members = append(members, quote(name)+":"+value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// queries are read by page loads: a bad one leads to a page that helps, at
// worst, and never anywhere else.
func (w *badWorld) queries(t *testing.T) {
	for _, path := range []string{"/login?to=%s", "/login?in=%s", "/login/offer?to=%s&in=1", "/login/step-up?to=%s", "/signed-out?app=%s", "/account?done=%s"} {
		for what, value := range both(shapes, meanings) {
			for _, c := range []*harness.Client{w.anybody, w.member} {
				res := navigate(c, w.URL(authHost, fmt.Sprintf(path, url.QueryEscape(value))))
				if res.StatusCode >= 500 || strings.Contains(res.Body, marker) || strings.Contains(res.Header.Get("Location"), marker) {
					t.Errorf("%s with %s: %s to %q", path, what, res.Status, res.Header.Get("Location"))
				}
			}
		}
	}
	for _, evil := range []string{"//evil.example", `/\evil.example`, "https://evil.example/", "/\t/evil.example", "/%2e%2e//evil.example", "javascript:alert(1)", "/.auth/logout", "\x00", "/" + strings.Repeat("a", 5000)} {
		res := w.member.Navigate(w.URL(appHost, "/.auth/start?rd="+url.QueryEscape(evil)))
		if res.StatusCode != http.StatusOK || res.Request.URL.String() != w.URL(appHost, "/") {
			t.Errorf("rd=%q led to %s (%s)", evil, res.Request.URL, res.Status)
		}
	}
	for _, ticket := range []string{"ticket=" + marker, "ticket=", "", "ticket=a&ticket=b", "ticket=" + strings.Repeat("a", 5000), "ticket=%00"} {
		res := navigate(w.client(t), w.URL(appHost, "/.auth/callback?"+ticket))
		if res.StatusCode >= 500 || len(res.Cookies()) != 0 && newCookie(res) != "" || strings.Contains(res.Body+res.Header.Get("Location"), marker) {
			t.Errorf("callback?%s: %s to %q", ticket, res.Status, res.Header.Get("Location"))
		}
	}
}

func both(a, b map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{a, b} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func (w *badWorld) contentTypes(t *testing.T) {
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/jsonp", ""} {
		for _, path := range []string{"/login/link", "/login/passkey/options", "/api/login/email"} {
			res := w.postJSON(path, `{"token":"AAAA"}`, "Content-Type", kind)
			if refusedProblem(t, path+" as "+kind, res); code(res) != "UNSUPPORTED_MEDIA_TYPE" {
				t.Errorf("%s as %q: %s", path, kind, res.Body)
			}
		}
	}
	res := w.postJSON("/login/link", "{}", "Content-Type", "application/json", "Content-Encoding", "gzip")
	refusedProblem(t, "compressed", res)
	for _, path := range []string{"/login", "/api/login/email", "/login/code"} {
		res := w.anybody.Request(http.MethodPut, w.URL(authHost, path), marker)
		if refusedProblem(t, "PUT "+path, res); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") == "" {
			t.Errorf("PUT %s: %s, Allow %q", path, res.Status, res.Header.Get("Allow"))
		}
	}
}
