package portal

import (
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// marker is in every bad value, so that an echo would show.
const marker = "zqxj"

func badValues() map[string]string {
	return map[string]string{
		"empty":            "",
		"huge":             strings.Repeat(marker, 6000),
		"a control":        marker + "\x00@example.com",
		"a line break":     marker + "@example.com\r\nBcc: eve@example.com",
		"an escape":        "\x1b[31m" + marker,
		"C1 control":       marker + "\u0085",
		"broken UTF-8":     marker + "\xff",
		"Cyrillic":         marker + "а@example.com",
		"Arabic digits":    "١٢٣٤٥٦٧٨",
		"full-width":       marker + "＠example.com",
		"right-to-left":    "\u202e" + marker + "@example.com",
		"a list":           marker + "@example.com,eve@example.com",
		"a display name":   "Eve <" + marker + "@example.com>",
		"markup":           "<script>" + marker + "</script>",
		"an object":        `{"$ne":"` + marker + `"}`,
		"a template":       "{{." + marker + "}}${7*7}",
		"too long a label": marker + "@" + strings.Repeat("a", 64) + ".com",
	}
}

// unchanged fails the test if anything was stored or mailed since.
func (s *site) unchanged(t *testing.T, before records, what string) {
	t.Helper()
	if after := s.records(); after.counts != before.counts || !maps.Equal(after.takes, before.takes) {
		t.Errorf("%s: something was stored: %+v, before %+v", what, after, before)
	}
}

func checkRefused(t *testing.T, a *answer, what string) {
	t.Helper()
	if a.StatusCode < 400 || a.StatusCode > 499 {
		t.Errorf("%s: %d to %q", what, a.StatusCode, a.Header.Get("Location"))
	}
	if strings.Contains(a.body, marker) {
		t.Errorf("%s: the input is echoed:\n%s", what, a.body)
	}
}

func TestInput_EveryFieldOfEveryForm(t *testing.T) {
	s := newSite(t)
	stranger, waiting := s.browser(), s.browser()
	code := waiting.fill(waiting.load(portalURL+"/login"), "/login", "email", ada)
	forms := []struct {
		b     *browser
		page  *answer
		path  string
		field string
	}{
		{stranger, stranger.load(portalURL + "/login"), "/login", "email"},
		{waiting, code, "/login/code", "code"},
	}
	for _, f := range forms {
		for name, value := range badValues() {
			what := f.path + " " + f.field + " " + name
			before := s.records()
			in := f.b.form(f.page, f.path)
			in.values.Set(f.field, value)
			checkRefused(t, f.b.sendForm(in), what)
			s.unchanged(t, before, what)
		}
	}
}

func TestInput_NameOfAPasskey(t *testing.T) {
	s := newSite(t)
	b, k := s.withPasskey()
	page := b.next(k.prove(b, b.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	bad := badValues()
	for _, name := range []string{"empty", "huge", "a control", "a line break", "an escape", "C1 control", "broken UTF-8"} {
		before := s.records()
		f := b.form(page, "/rename")
		f.values.Set("name", bad[name])
		checkRefused(t, b.sendForm(f), name)
		s.unchanged(t, before, name)
	}
	for _, name := range []string{"<b>Desk</b>", "Schlüssel", "鍵", "{{.Email}}"} {
		page = b.fill(page, "/rename", "name", name).want(t, 200, html.EscapeString(name))
	}
}

func TestInput_EveryFormAsAWhole(t *testing.T) {
	s := newSite(t)
	stranger, waiting, member := s.browser(), s.browser(), s.browser()
	code := waiting.fill(waiting.load(portalURL+"/login"), "/login", "email", ada)
	s.wait(time.Minute)
	offer := member.code(member.fill(member.load(portalURL+"/login"), "/login", "email", bob))
	account := member.load(portalURL + "/account")
	forms := []struct {
		b    *browser
		page *answer
		path string
	}{
		{stranger, stranger.load(portalURL + "/login"), "/login"},
		{waiting, code, "/login/code"},
		{waiting, code, "/login/code/resend"},
		{member, offer, "/login/offer"},
		{member, account, "/logout"},
		{member, account, "/account/sessions/revoke-all"},
		{member, member.load(portalURL + "/login/step-up"), "/login/step-up/email"},
	}
	for _, f := range forms {
		s.hostileForms(t, f.b, f.page, f.path)
	}
	if n := len(s.mails()); n != 2 {
		t.Errorf("%d mails went out, 2 were asked for", n)
	}
}

// hostileForms sends the form of a page in every way that our page would not.
func (s *site) hostileForms(t *testing.T, b *browser, page *answer, path string) {
	t.Helper()
	base := b.form(page, path)
	good := base.values.Encode()
	for name, c := range map[string]struct{ kind, body string }{
		"unknown field":  {"", good + "&" + marker + "=1"},
		"doubled field":  {"", good + "&" + good},
		"doubled to":     {"", good + "&to=a&to=b"},
		"array field":    {"", good + "&to[]=" + marker},
		"control in to":  {"", good + "&to=%00" + marker},
		"huge to":        {"", good + "&to=" + strings.Repeat(marker, 6000)},
		"bad escape":     {"", good + "&to=%zz" + marker},
		"semicolon":      {"", good + ";to=" + marker},
		"JSON":           {"application/json", `{"email":"` + marker + `"}`},
		"text/plain":     {"text/plain", good},
		"multipart":      {"multipart/form-data; boundary=x", "--x\r\n\r\n--x--"},
		"no known type":  {"x", good},
		"type with list": {"application/x-www-form-urlencoded, text/plain", good},
	} {
		h := pageLoad("same-origin")
		if h["Content-Type"] = c.kind; c.kind == "" {
			h["Content-Type"] = "application/x-www-form-urlencoded"
		}
		before := s.records()
		checkRefused(t, b.send("POST", base.action.String(), c.body, h), path+" "+name)
		s.unchanged(t, before, path+" "+name)
	}
}

// The forms of second steps and of what an account has.
func TestInput_EveryFormOfFactorsAsAWhole(t *testing.T) {
	s := newSite(t, deletable)
	member, _ := s.withTOTP()
	member.withCodes()
	account, address := member.account(), member.load(portalURL+"/account/email")
	for _, path := range []string{
		"/account/name", "/account/totp/remove", "/account/recovery-codes", "/account/data", "/account/delete", "/language",
	} {
		s.hostileForms(t, member, account, path)
	}
	s.hostileForms(t, member, address, "/account/email")
	s.hostileForms(t, member, member.load(portalURL+"/account/tokens"), "/account/tokens")
	s.hostileForms(t, member, member.fill(address, "/account/email", "email", "new@example.org"), "/account/email/confirm")
	for _, path := range []string{"/login/step-up/totp", "/login/step-up/recovery"} {
		s.hostileForms(t, member, member.load(portalURL+"/login/step-up"), path)
	}
	member.newToken()
	s.hostileForms(t, member, member.account(), "/revoke")

	half := s.browser()
	page := half.firstStep(ada, portalURL+"/")
	s.hostileForms(t, half, page, "/login/totp")
	s.hostileForms(t, half, half.link(page, "Use a recovery code"), "/login/recovery")

	fresh := s.browser()
	s.hostileForms(t, fresh, fresh.signIn(bob, portalURL+"/"), "/account/totp")
	s.hostileForms(t, fresh, fresh.fill(fresh.account(), "/account/totp"), "/account/totp/confirm")
	s.browser().signIn(bob, portalURL+"/")
	s.hostileForms(t, fresh, fresh.account(), "/revoke-others")
	if u := s.user(ada); u.TOTP == nil || len(u.Recovery.Left) != 10 || len(u.Guesses) != 0 || u.DisplayName != "" {
		t.Errorf("something changed: %+v", u)
	}
}

func TestInput_EveryScriptEndpoint(t *testing.T) {
	s := newSite(t)
	stranger, member := s.browser(), s.browser()
	login := stranger.load(portalURL + "/login")
	account := member.signIn(ada, portalURL+"/")
	type endpoint struct {
		b      *browser
		page   *answer
		path   string
		fields []string
	}
	for _, e := range []endpoint{
		{stranger, login, "/login/link/peek", []string{"token"}},
		{stranger, login, "/login/link", []string{"token"}},
		{stranger, login, "/invite/peek", []string{"token"}},
		{stranger, login, "/invite", []string{"token"}},
		{stranger, login, "/not-me/peek", []string{"token"}},
		{stranger, login, "/not-me", []string{"token"}},
		{stranger, login, "/login/passkey/options", nil},
		{stranger, login, "/login/passkey", []string{"flow", "credential", "to"}},
		{member, account, "/login/step-up/passkey/options", nil},
		{member, account, "/login/step-up/passkey", []string{"flow", "credential", "to", "back"}},
		{member, account, "/account/passkeys/options", nil},
		{member, account, "/account/passkeys", []string{"flow", "credential", "to"}},
	} {
		bodies := []string{
			"", "null", "[]", `"` + marker + `"`, "1", `{`, `{"` + marker + `":1}`, `{"a":1,"a":1}`, `{} ` + marker, "{}{}",
			`{"x":` + strings.Repeat("[", 30_000), `{"` + strings.Repeat(marker, 20_000) + `":1}`, "{\"\xff" + marker + "\":1}", "\ufeff{}",
		}
		for _, field := range e.fields {
			for _, v := range []string{"null", "1", "true", "[]", `["` + marker + `"]`, `{"$ne":"` + marker + `"}`, `""`, `"` + marker + `\u0000"`, `"` + strings.Repeat(marker, 15_000) + `"`, `"١٢٣"`, `"x","` + field + `":"y"`} {
				bodies = append(bodies, `{"`+field+`":`+v+`}`)
			}
			bodies = append(bodies, `{"`+strings.ToUpper(field)+`":"`+marker+`"}`)
		}
		for _, body := range bodies {
			what := e.path + " " + body[:min(40, len(body))]
			before := s.records()
			a := e.b.fetchRaw(e.page, e.path, body, "application/json")
			checkRefused(t, a, what)
			if kind := a.Header.Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("%s: answers %s", what, kind)
			}
			s.unchanged(t, before, what)
		}
		for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin1", "", "application/json, text/plain"} {
			checkRefused(t, e.b.fetchRaw(e.page, e.path, "{}", kind), e.path+" as "+kind) // CS-3
		}
	}
	if len(s.mails()) != 1 {
		t.Error("something was mailed")
	}
}

// fetchRaw is fetch with any body under any content type.
func (b *browser) fetchRaw(page *answer, path, body, kind string) *answer {
	b.s.t.Helper()
	m := bodyData.FindStringSubmatch(page.body)
	return b.send("POST", portalURL+path, withForm(body, m[2]), map[string]string{
		"Content-Type": kind, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin",
	})
}

func TestInput_PathsThatNameNothing(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.signIn(ada, portalURL+"/")
	for _, path := range []string{"/account/passkeys/%s/rename", "/account/passkeys/%s/remove", "/account/sessions/%s/revoke", "/account/tokens/%s/revoke"} {
		for _, id := range []string{"x", "AA==", "%00", "%0a", marker, "..%2f..", strings.Repeat("A", 5000), "%ff", "%D9%A1", "a,b", "%3Cb%3E"} {
			f := b.form(page, "/revoke-all")
			f.values.Set("to", "")
			before := s.records()
			target := portalURL + strings.Replace(path, "%s", id, 1)
			h := pageLoad("same-origin")
			h["Content-Type"] = "application/x-www-form-urlencoded"
			if strings.HasSuffix(path, "rename") {
				f.values.Set("name", "x")
			}
			checkRefused(t, b.send("POST", target, f.values.Encode(), h), target[:min(80, len(target))])
			s.unchanged(t, before, target[:min(80, len(target))])
		}
	}
}

func TestInput_QueriesAreNeverEchoed(t *testing.T) {
	s := newSite(t)
	member, stranger := s.browser(), s.browser()
	member.signIn(ada, portalURL+"/")
	for _, path := range s.routes("GET") {
		for _, name := range []string{"to", "in", "app", "done", "n", "rd", "error", "email", "back", "before", "by"} {
			for _, value := range badValues() {
				if len(value) > 4000 {
					value = value[:4000]
				}
				for _, b := range []*browser{member, stranger} {
					a := b.send("GET", portalURL+path+"?"+name+"="+url.QueryEscape(value), "", pageLoad("none"))
					if a.StatusCode >= 500 || strings.Contains(a.body+a.Header.Get("Location"), marker) {
						t.Errorf("%s?%s=%q: %d %s", path, name, value, a.StatusCode, a.Header.Get("Location"))
					}
				}
			}
		}
	}
}

var secretLike = regexp.MustCompile(`[A-Za-z0-9_-]{40,}`)

// transcript is everything an address makes us answer, without what differs by
// chance.
func (s *site) transcript(address string) []string {
	b := s.browser()
	var out []string
	note := func(a *answer) *answer {
		var h strings.Builder
		s.must(a.Header.Write(&h))
		text := strings.ReplaceAll(h.String()+"\n"+a.body, address, "ADDRESS")
		out = append(out, a.Status+"\n"+secretLike.ReplaceAllString(text, "SECRET"))
		return a
	}
	page := note(b.send("GET", portalURL+"/login", "", pageLoad("none")))
	f := b.form(page, "/login")
	f.values.Set("email", address)
	note(b.sendForm(f))
	page = note(b.send("GET", portalURL+"/login/code", "", pageLoad("same-origin")))
	for _, code := range []string{"x", "00000000", "00000000", "00000000", "00000000", "00000000", "00000000"} {
		f := b.form(page, "/login/code")
		f.values.Set("code", code)
		note(b.sendForm(f))
	}
	f = b.form(page, "/login/code/resend")
	note(b.sendForm(f))
	s.wait(31 * time.Second)
	note(b.sendForm(f))
	note(b.send("GET", portalURL+"/login/code", "", pageLoad("same-origin")))
	note(b.fetch(page, "/login/passkey/options", nothing{}))
	return out
}

func TestEN_EveryAddressGetsTheSameAnswers(t *testing.T) {
	s := newSite(t)
	s.addUser("full@example.com")
	for range 12 { // throttled
		b := s.browser()
		b.fill(b.load(portalURL+"/login"), "/login", "email", "full@example.com")
	}
	member := s.browser()
	member.next(newAuthenticator().add(member, member.signIn(bob, portalURL+"/"))) // has a passkey
	want := s.transcript(ada)
	for _, address := range []string{bob, gone, nobody, "full@example.com"} {
		got := s.transcript(address)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s, step %d:\n%s\nwant\n%s", address, i, got[i], want[i])
			}
		}
	}
	for _, m := range s.mails() {
		if m.to == gone || m.to == nobody {
			t.Errorf("%s was mailed", m.to)
		}
	}
}

// deadlined notes what becomes of the connection's read deadline.
type deadlined struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlined) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// DS-1: whoever sends a body byte by byte does not hold a connection for ever,
// whatever timeouts the server around us has.
func TestBody_MustArriveInTime_DS1(t *testing.T) {
	s := newSite(t)
	for _, target := range []string{portalURL + "/login", portalURL + "/api/login/email", appURL + "/.auth/logout", appURL + "/.auth/nothing", appURL + "/form"} {
		w := &deadlined{ResponseWriter: httptest.NewRecorder()}
		r := httptest.NewRequest("POST", target, strings.NewReader("email="))
		before := time.Now()
		s.ServeHTTP(w, r)
		if len(w.set) != 1 || w.set[0].Before(before) || w.set[0].After(time.Now().Add(bodyWithin)) {
			t.Errorf("%s: deadlines %v", target, w.set)
		}
	}
}
