package portal

import (
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"

// browser is what the tests need of one: cookies by host under the rules of
// their names, page loads, forms, fetches, redirects.
type browser struct {
	s     *site
	jar   map[string]map[string]string // host → name → value
	ip    string
	agent string
	drop  func(host, name string) bool // cookies it refuses
	seen  []string                     // every Location it was sent
}

func (s *site) browser() *browser {
	return &browser{s: s, jar: map[string]map[string]string{}, ip: "192.0.2.7", agent: firefox}
}

// answer is a response with the address it came from.
type answer struct {
	*http.Response
	url  *url.URL
	body string
}

// send does one request, without following.
func (b *browser) send(method, target, body string, header map[string]string) *answer {
	b.s.t.Helper()
	b.s.wait(time.Millisecond) // so that mails have an order
	u, err := url.Parse(target)
	if err != nil {
		b.s.t.Fatal(err)
	}
	r := httptest.NewRequest(method, u.String(), strings.NewReader(body))
	r.RemoteAddr = b.ip + ":40000"
	r.Header.Set("User-Agent", b.agent)
	for k, v := range header {
		if v != "" {
			r.Header.Set(k, v)
		}
	}
	names := slices.Sorted(maps.Keys(b.jar[u.Hostname()]))
	for _, name := range names {
		r.AddCookie(&http.Cookie{Name: name, Value: b.jar[u.Hostname()][name]})
	}
	w := httptest.NewRecorder()
	b.s.ServeHTTP(w, r)
	resp := w.Result()
	content, err := io.ReadAll(resp.Body)
	b.s.must(err)
	b.keep(u, resp)
	return &answer{resp, u, string(content)}
}

// keep stores cookies as browsers do, and insists on the rules of CK-1.
func (b *browser) keep(u *url.URL, resp *http.Response) {
	b.s.t.Helper()
	host := u.Hostname()
	for _, c := range resp.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || u.Scheme == "https" && (!c.Secure || !strings.HasPrefix(c.Name, "__Host-")) {
			b.s.t.Errorf("%s sets a cookie of another shape: %s", u, c.Name)
		}
		if b.drop != nil && b.drop(host, c.Name) {
			continue
		}
		if b.jar[host] == nil {
			b.jar[host] = map[string]string{}
		}
		if c.MaxAge < 0 {
			delete(b.jar[host], c.Name)
			continue
		}
		b.jar[host][c.Name] = c.Value
	}
}

// load is a page load by address, following redirects like a browser.
func (b *browser) load(target string) *answer {
	b.s.t.Helper()
	return b.follow(b.send("GET", target, "", pageLoad("none")))
}

func pageLoad(site string) map[string]string {
	return map[string]string{
		"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": site,
		"Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
	}
}

func (b *browser) follow(a *answer) *answer {
	b.s.t.Helper()
	for range 20 {
		if a.StatusCode < 300 || a.StatusCode > 399 {
			return a
		}
		b.seen = append(b.seen, a.Header.Get("Location"))
		next, err := a.url.Parse(a.Header.Get("Location"))
		b.s.must(err)
		a = b.send("GET", next.String(), "", pageLoad("same-site"))
	}
	b.s.t.Fatal("the browser gave up after 20 redirects")
	return nil
}

var (
	formTag  = regexp.MustCompile(`(?s)<form ([^>]*)>(.*?)</form>`)
	inputTag = regexp.MustCompile(`(?s)<input ([^>]*)>`)
	attr     = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
)

func attrs(tag string) map[string]string {
	out := map[string]string{}
	for _, m := range attr.FindAllStringSubmatch(tag, -1) {
		out[m[1]] = html.UnescapeString(m[2])
	}
	return out
}

// form is a form of a page with what it holds.
type form struct {
	action *url.URL
	values url.Values
}

// form finds the one whose action ends so.
func (b *browser) form(page *answer, action string) *form {
	b.s.t.Helper()
	for _, m := range formTag.FindAllStringSubmatch(page.body, -1) {
		at := attrs(m[1])
		if !strings.HasSuffix(at["action"], action) {
			continue
		}
		target, err := page.url.Parse(at["action"])
		b.s.must(err)
		f := &form{target, url.Values{}}
		for _, in := range inputTag.FindAllStringSubmatch(m[2], -1) {
			if at := attrs(in[1]); at["name"] != "" {
				f.values.Set(at["name"], at["value"])
			}
		}
		return f
	}
	b.s.t.Fatalf("%s has no form for %s:\n%s", page.url, action, page.body)
	return nil
}

// sendForm posts without following.
func (b *browser) sendForm(f *form) *answer {
	b.s.t.Helper()
	h := pageLoad("same-origin")
	h["Content-Type"], h["Origin"] = "application/x-www-form-urlencoded", f.action.Scheme+"://"+f.action.Host
	return b.send("POST", f.action.String(), f.values.Encode(), h)
}

// fill types into the form of a page, sends it and follows.
func (b *browser) fill(page *answer, action string, fields ...string) *answer {
	b.s.t.Helper()
	f := b.form(page, action)
	for ; len(fields) > 1; fields = fields[2:] {
		f.values.Set(fields[0], fields[1])
	}
	from := len(b.seen)
	end := b.follow(b.sendForm(f))
	b.checkFormAction(page, b.seen[from:])
	return end
}

// checkFormAction does what browsers do with form-action: every redirect after
// the form must lead where the page's policy allows.
func (b *browser) checkFormAction(page *answer, locations []string) {
	b.s.t.Helper()
	allowed := append(strings.Fields(page.Header.Get("Content-Security-Policy")), page.url.Scheme+"://"+page.url.Host)
	for _, location := range locations {
		u, err := page.url.Parse(location)
		b.s.must(err)
		if o := u.Scheme + "://" + u.Host; u.IsAbs() && location[0] != '/' && !slices.Contains(allowed, o) && !slices.Contains(allowed, o+";") {
			b.s.t.Errorf("the policy of %s lets its form not lead to %s", page.url, location)
		}
	}
}

var bodyData = regexp.MustCompile(`<body [^>]*data-base="([^"]*)" data-token="([^"]*)" data-to="([^"]*)"`)

// fetch is what page.js's post does from a page.
func (b *browser) fetch(page *answer, path string, body any) *answer {
	b.s.t.Helper()
	m := bodyData.FindStringSubmatch(page.body)
	if m == nil {
		b.s.t.Fatalf("%s is no page:\n%s", page.url, page.body)
	}
	encoded, err := json.Marshal(body)
	b.s.must(err)
	target, err := page.url.Parse(m[1] + path)
	b.s.must(err)
	return b.send("POST", target.String(), withForm(string(encoded), html.UnescapeString(m[2])), map[string]string{
		"Content-Type": "application/json", "Accept": "*/*",
		"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin", "Origin": target.Scheme + "://" + target.Host,
	})
}

// withForm puts the page's form token into a JSON object, in place of an empty
// one; what is no object stays.
func withForm(body, token string) string {
	member := `{"form":"` + token + `"`
	if rest, ok := strings.CutPrefix(body, `{"form":""`); ok {
		return member + rest
	}
	rest, ok := strings.CutPrefix(body, "{")
	switch {
	case !ok:
		return body
	case strings.HasPrefix(rest, "}"):
		return member + rest
	}
	return member + "," + rest
}

// to is the return state that a page's script hands back.
func (a *answer) to(t *testing.T) string {
	t.Helper()
	m := bodyData.FindStringSubmatch(a.body)
	if m == nil {
		t.Fatal("no page")
	}
	return html.UnescapeString(m[3])
}

func (a *answer) json(t *testing.T) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("%s answers %d %q: %v", a.url, a.StatusCode, a.body, err)
	}
	return out
}

// next goes where a script was told to go.
func (b *browser) next(a *answer) *answer {
	b.s.t.Helper()
	where, _ := a.json(b.s.t)["next"].(string)
	if a.StatusCode != http.StatusOK || where == "" {
		b.s.t.Fatalf("%s answers %d %s", a.url, a.StatusCode, a.body)
	}
	target, err := a.url.Parse(where)
	b.s.must(err)
	b.seen = append(b.seen, where)
	return b.follow(b.send("GET", target.String(), "", pageLoad("same-origin")))
}

// code types the newest mail's code and follows.
func (b *browser) code(page *answer) *answer {
	b.s.t.Helper()
	return b.fill(page, "/login/code", "code", b.s.lastMail().code)
}

// signIn signs in at the portal by mail, leaves the offer, and shows the page
// it ends on.
func (b *browser) signIn(address, start string) *answer {
	b.s.t.Helper()
	page := b.code(b.fill(b.load(start), "/login", "email", address))
	if strings.Contains(page.body, "use a passkey") {
		page = b.fill(page, "/login/offer")
	}
	return page
}

// want fails the test unless a page came with a status and shows a text.
func (a *answer) want(t *testing.T, status int, text string) *answer {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, text) {
		t.Fatalf("%s answers %d, want %d with %q:\n%s", a.url, a.StatusCode, status, text, a.body)
	}
	return a
}
