package demo

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

//go:embed assets templates
var embedded embed.FS

// web serves what the demo's apps and its mailbox consist of: the upstreams
// behind Caddy.
type web struct {
	sites sites
	sink  *Sink
	pages *template.Template
}

func newWeb(s sites, sink *Sink) (*web, error) {
	pages, err := template.New("").Funcs(template.FuncMap{"pieces": pieces}).ParseFS(embedded, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the demo's pages: %w", err)
	}
	return &web{sites: s, sink: sink, pages: pages}, nil
}

// handler routes by host name, which Caddy has checked and passes on.
func (wb *web) handler() http.Handler {
	mux := http.NewServeMux()
	assets := http.FileServerFS(embedded)
	for _, name := range []string{"app", "wiki"} {
		host := name + ".localhost"
		mux.HandleFunc("GET "+host+"/{$}", wb.appPage(name))
		mux.HandleFunc(host+"/echo", echo)
		mux.HandleFunc("GET "+host+"/events", events)
		mux.Handle(host+"/ws", echoSocket())
		mux.Handle("GET "+host+"/assets/", assets)
	}
	mux.HandleFunc("GET mail.localhost/{$}", wb.mailPage)
	mux.HandleFunc("GET mail.localhost/messages.json", wb.messages)
	mux.Handle("GET mail.localhost/assets/", assets)
	return wb.secured(mux)
}

// secured sets WB-1's headers: nothing inline, nothing from elsewhere, no frames.
// A sign-out form leads on to the portal, which form-action must allow.
func (wb *web) secured(next http.Handler) http.Handler {
	csp := strings.Join([]string{
		"default-src 'none'", "style-src 'self'", "script-src 'self'", "connect-src 'self'", "img-src 'self'",
		"base-uri 'none'", "frame-ancestors 'none'", "form-action 'self' " + wb.sites.url("auth"),
	}, "; ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer-when-downgrade")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// page renders to a buffer first, so that a fault is a clean 500.
func (wb *web) page(w http.ResponseWriter, name string, data any) {
	var out bytes.Buffer
	if err := wb.pages.ExecuteTemplate(&out, name, data); err != nil {
		http.Error(w, "this page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = out.WriteTo(w) // who left cannot be told
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // who left cannot be told
}
