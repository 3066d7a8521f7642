package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func testRenderer(t *testing.T, b Brand) *renderer {
	t.Helper()
	r, err := newRenderer(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func show(t *testing.T, r *renderer, v view) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if err := r.render(w, http.StatusOK, v); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTemplates_EveryPageRendersFromItsStruct(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	shown := map[string]bool{}
	for _, e := range examples(r) {
		t.Run(e.name, func(t *testing.T) {
			body := show(t, r, e.view).Body.String()
			if n := strings.Count(body, "<h1"); n < 1 {
				t.Error("no heading")
			}
			if !strings.Contains(body, "</html>") || strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<no value>") {
				t.Errorf("not a whole page:\n%s", body)
			}
			shown[e.view.template()] = true
		})
	}
	for name := range pages(t, r) {
		if !shown[name] {
			t.Errorf("no example shows templates/%s.html", name)
		}
	}
}

func TestTemplates_NameOnlyFieldsThatTheirStructHas(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	for _, e := range examples(r) {
		for _, problem := range checkFields(pages(t, r)[e.view.template()], e.view) {
			t.Errorf("%s: %s", e.name, problem)
		}
	}
}

func TestTemplates_CarryNothingInline(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(\s+type="module")?>`)
	// Resources; links of the account page lead to the apps that are configured.
	foreign := regexp.MustCompile(`(?:src="|<link[^>]* href=")(?:https?:)?//`)
	for _, e := range examples(r) {
		body := show(t, r, e.view).Body.String()
		if e.view.shared().Standalone {
			body = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(body, "")
		}
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s: %q would be blocked by the policy", e.name, found)
		}
		if found := foreign.FindString(body); found != "" {
			t.Errorf("%s: %q leaves our origin (WB-1)", e.name, found)
		}
	}
}

func TestForms_CarryTokenAndReturnState(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	form := regexp.MustCompile(`(?s)<form (.*?)>(.*?)</form>`)
	for _, e := range examples(r) {
		for _, m := range form.FindAllStringSubmatch(show(t, r, e.view).Body.String(), -1) {
			if !strings.Contains(m[1], `method="post"`) {
				t.Errorf("%s: form %q does not post (CS-1)", e.name, m[1])
			}
			for _, field := range []string{`name="token" value="f0rm-t0ken"`, `name="to" value="sealed.state"`} {
				if !strings.Contains(m[2], field) {
					t.Errorf("%s: form %q lacks %s", e.name, m[1], field)
				}
			}
		}
	}
}

func TestPaths_BeginWithTheBase(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	elsewhere := regexp.MustCompile(`^(/\.auth/|https://(app|wiki)\.example\.com/|otpauth:|/$)`) // an app, the app that is an authenticator, the app's own home
	for _, e := range examples(r) {
		v := reflect.New(reflect.TypeOf(e.view)).Elem()
		v.Set(reflect.ValueOf(e.view))
		v.FieldByName("Base").SetString("/.auth")
		if e.view.template() == "error" || e.view.template() == "logout" || e.view.template() == "bounces" {
			continue // their addresses are the handler's
		}
		body := show(t, r, v.Interface().(view)).Body.String()
		for _, m := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			if !elsewhere.MatchString(m[1]) {
				t.Errorf("%s: %q is outside the reserved prefix", e.name, m[1])
			}
		}
	}
}

func TestWB1_HeadersOfAPage(t *testing.T) {
	r := testRenderer(t, Brand{})
	p := r.page("", "Sign in")
	p.Secure, p.App = true, "https://app.example.com"
	h := show(t, r, loginPage{Page: p}).Header()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
		"Content-Type": "text/html; charset=utf-8",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	policy := "; " + h.Get("Content-Security-Policy") + ";"
	for _, want := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "object-src 'none'", "base-uri 'none'",
		"frame-ancestors 'none'", "form-action 'self' https://app.example.com",
	} {
		if !strings.Contains(policy, "; "+want+";") {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	p.Secure = false
	if got := show(t, r, loginPage{Page: p}).Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS on http: %q", got)
	}
}

func TestWB1_PagesWithAMailedSecretSendNoReferrer(t *testing.T) {
	r := testRenderer(t, Brand{})
	for _, v := range []view{linkPage{Page: r.page("", "x")}, invitePage{Page: r.page("", "x")}, notMePage{Page: r.page("", "x")}} {
		if got := show(t, r, v).Header().Get("Referrer-Policy"); got != "no-referrer" {
			t.Errorf("%s: Referrer-Policy = %q", v.template(), got)
		}
	}
}

func TestWB1_OnlyAnOriginEntersThePolicy(t *testing.T) {
	for _, app := range []string{"", "*", "https://a.example; script-src *", "https://*.example.com", "javascript:alert(1)", "https://a.example/path", "https://a.example\nX: y"} {
		if got := contentPolicy("'self'", app); !strings.Contains(got, "form-action 'self';") {
			t.Errorf("app %q: %s", app, got)
		}
	}
}

func TestStandalone_PolicyAllowsExactlyItsStyle(t *testing.T) {
	r := testRenderer(t, Brand{Accent: "#c02050"})
	p := r.page("/.auth", "Denied")
	p.Standalone = true
	w := show(t, r, deniedPage{Page: p})
	m := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(w.Body.String())
	if m == nil {
		t.Fatal("no style in the page")
	}
	sum := sha256.Sum256([]byte(m[1]))
	want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, want) {
		t.Errorf("policy %q lacks %q", policy, want)
	}
	if strings.Contains(w.Body.String(), "/assets/") {
		t.Error("a standalone page asks for an asset")
	}
}

func TestRender_EscapesWhatPeopleChose(t *testing.T) {
	r := testRenderer(t, Brand{Name: `<b>"Ex"`})
	p := r.page("", `"><script>`)
	p.SignedInAs = `"><img src=x>`
	body := show(t, r, accountPage{Page: p, Name: "<i>", Passkeys: []accountPasskey{{ID: `"/../x`, Name: `"><u>`}}}).Body.String()
	for _, raw := range []string{`<b>"Ex"`, "><script>", "<img src=x", "<i>", "<u>"} {
		if strings.Contains(body, raw) {
			t.Errorf("%q stands unescaped", raw)
		}
	}
}

func TestRender_AFaultIsACleanError(t *testing.T) {
	r := testRenderer(t, Brand{})
	boom := template.FuncMap{"boom": func() (string, error) { return "", errors.New("boom") }}
	pages(t, r)["login"] = template.Must(template.New("layout").Funcs(boom).Parse(`<h1>half{{boom}}`))
	w := httptest.NewRecorder()
	if err := r.render(w, http.StatusOK, loginPage{Page: r.page("", "x")}); err == nil {
		t.Error("the fault was not returned")
	}
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "half") {
		t.Errorf("answer %d %q", w.Code, w.Body)
	}
}

func TestLogin_WeighsAtMost30kB(t *testing.T) {
	r := testRenderer(t, Brand{Name: "Example"})
	w := show(t, r, loginPage{Page: r.page("", "Sign in"), Passkey: true, Mail: true})
	total := w.Body.Len()
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`/assets/([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		if len(r.assets.served[m[1]]) == 0 {
			t.Fatalf("asset %s is not served", m[1])
		}
		if !seen[m[1]] {
			total += len(r.assets.packed[m[1]]())
		}
		seen[m[1]] = true
	}
	if total > 30_000 {
		t.Errorf("the login page, which is not packed, has %d bytes with all its parts, which are", total)
	}
}

func TestNewRenderer_TheEmbeddedStyleIsNotChangedByABrand(t *testing.T) {
	first := testRenderer(t, Brand{Accent: "#ff0000"})
	second := testRenderer(t, Brand{Accent: "#00ff00"})
	if bytes.Contains(second.assets.source["style.css"], []byte("#ff0000")) || first.styleHash == second.styleHash {
		t.Error("brands share a stylesheet")
	}
}

// pages are the templates of all pages.
func pages(t *testing.T, r *renderer) map[string]*template.Template {
	t.Helper()
	all, err := r.templates()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
