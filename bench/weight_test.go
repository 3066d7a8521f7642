package main

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWeigh_CountsWhatABrowserLoadsOnce(t *testing.T) {
	files := map[string]string{
		"/login":              `<link href="/assets/style.1.css"><script type="module" src="/assets/login.2.js"></script><link href="/assets/page.3.js"><a href="/assets">`,
		"/assets/style.1.css": strings.Repeat("a", 1000),
		"/assets/login.2.js":  `import { a } from "./page.3.js"; import "./deep.4.js"`,
		"/assets/page.3.js":   `/** @import { A } from "./page.d.ts" */ export const a = "./never.5.js"`,
		"/assets/deep.4.js":   strings.Repeat("b", 2000),
	}
	loads := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[r.URL.Path]
		switch {
		case !ok:
			http.NotFound(w, r)
		case r.Header.Get("Accept-Encoding") == "gzip":
			loads[r.URL.Path]++
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, content)
			_ = z.Close()
		default:
			_, _ = io.WriteString(w, content)
		}
	}))
	defer srv.Close()
	d := &desk{portal: srv.URL, client: http.Client{Transport: &http.Transport{DisableCompression: true}}}
	w, err := d.weigh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plain := 0
	for name, content := range files {
		plain += len(content)
		if loads[name] != 1 {
			t.Errorf("%s was loaded %d times", name, loads[name])
		}
	}
	if w.Files != len(files) || w.Plain != plain || w.Compressed < 200 || w.Compressed > 700 {
		t.Errorf("got %+v, want %d files of %d bytes", w, len(files), plain)
	}
	delete(files, "/assets/deep.4.js")
	if _, err := d.weigh(t.Context()); err == nil || !strings.Contains(err.Error(), "deep.4.js: 404") {
		t.Errorf("with a file missing: %v", err)
	}
}
