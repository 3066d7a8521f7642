package portal

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestAssets_ScriptsImportHashedNames(t *testing.T) {
	r := testRenderer(t, Brand{})
	imports := regexp.MustCompile(`from "\./([^"]+\.js)"`) // type declarations are named in comments only
	for name, content := range r.assets.served {
		for _, m := range imports.FindAllSubmatch(content, -1) {
			if _, ok := r.assets.served[string(m[1])]; !ok {
				t.Errorf("%s imports %s, which is not served", name, m[1])
			}
		}
	}
	for plain, hashed := range r.assets.hashed {
		if plain == hashed {
			t.Errorf("%s is part of an import cycle", plain)
		}
	}
}

func TestAssets_ANameIsForEver(t *testing.T) {
	r := testRenderer(t, Brand{})
	w := httptest.NewRecorder()
	r.assets.serve(w, get(), r.assets.hashed["login.js"], true)
	if got := w.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control = %q", got)
	}
	if got := w.Header().Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
	for _, name := range []string{"", "login.js", "../render.go", "style.000000000000.css"} {
		w := httptest.NewRecorder()
		r.assets.serve(w, get(), name, true)
		if w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %d, Cache-Control %q", name, w.Code, w.Header().Get("Cache-Control"))
		}
	}
}

func get(encodings ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Accept-Encoding"] = encodings
	return r
}

func TestAssets_ArePackedForWhoeverTakesIt(t *testing.T) {
	a := testRenderer(t, Brand{}).assets
	name := a.hashed["style.css"]
	for want, cases := range map[string][][]string{
		"gzip": {{"gzip"}, {"GZIP"}, {"gzip, deflate, br, zstd"}, {"br", " gzip "}},
		"":     {nil, {""}, {"identity"}, {"gzip;q=0"}, {"x-gzipped"}, {"*"}},
	} {
		for _, accepted := range cases {
			w := httptest.NewRecorder()
			a.serve(w, get(accepted...), name, true)
			if got := w.Header().Get("Content-Encoding"); got != want || w.Header().Get("Vary") != "Accept-Encoding" {
				t.Errorf("%q: encoding %q, Vary %q", accepted, got, w.Header().Get("Vary"))
			}
			body := w.Body.Bytes()
			if want != "" {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				if body, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(body, a.served[name]) {
				t.Errorf("%q: another file, of %d bytes", accepted, len(body))
			}
		}
	}
}

func TestLogo_IsServedHarmless(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logo.SVG")
	write(t, file, `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	r := testRenderer(t, Brand{Name: "Example", Logo: file})
	page := show(t, r, cookiePage{Page: r.page("/.auth", "x")}).Body.String()
	m := regexp.MustCompile(`<img class="logo" src="/\.auth/assets/(logo\.[0-9a-f]{12}\.svg)" alt="Example">`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no logo in the page:\n%s", page)
	}
	w := httptest.NewRecorder()
	r.assets.serve(w, get(), m[1], true)
	policy := w.Header().Get("Content-Security-Policy")
	if w.Header().Get("Content-Type") != "image/svg+xml" || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") {
		t.Errorf("headers %v", w.Header())
	}
}

func TestLogo_OtherFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	html, fake, huge := filepath.Join(dir, "logo.html"), filepath.Join(dir, "fake.png"), filepath.Join(dir, "huge.svg")
	write(t, html, "<svg>")
	write(t, fake, "<svg>")
	write(t, huge, "<svg>"+strings.Repeat(" ", maxLogo))
	for _, file := range []string{html, fake, huge, dir, filepath.Join(dir, "absent.png")} {
		if _, err := newRenderer(Brand{Logo: file}); err == nil {
			t.Errorf("%s was taken as a logo", filepath.Base(file))
		}
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
