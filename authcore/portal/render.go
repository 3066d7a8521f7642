package portal

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Brand is how the operator's name stands on our pages. The zero value works.
type Brand struct {
	Name   string // default: "this site"
	Accent string // #rgb or #rrggbb; default: [DefaultAccent]. Shades are chosen so that text stays readable
	Logo   string // path of an SVG or PNG file of at most 128 KiB; default: the name's initial
}

// Check reads what the brand names and reports what New would refuse.
func (b Brand) Check() error {
	_, err := newAssets(b)
	return err
}

// renderer turns page structs into answers. It is immutable once made.
type renderer struct {
	brand     PageBrand
	assets    *assets
	templates map[string]*template.Template
	styles    template.CSS // for standalone pages
	styleHash string       // CSP source that allows exactly styles
}

// newRenderer parses every template, so a mistake in one stops the start and
// not a visitor.
func newRenderer(b Brand) (*renderer, error) {
	a, err := newAssets(b)
	if err != nil {
		return nil, err
	}
	if b.Name == "" {
		b.Name = "this site"
	}
	styles := a.source["style.css"]
	sum := sha256.Sum256(styles)
	r := &renderer{
		brand:     PageBrand{Name: b.Name, Logo: a.logo()},
		assets:    a,
		templates: map[string]*template.Template{},
		styles:    template.CSS(styles), //nolint:gosec // our own embedded file and a parsed colour
		styleHash: "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}
	return r, r.parse()
}

// parse makes one set per page: the layout, the parts, and the page itself.
func (r *renderer) parse() error {
	shared, err := template.New("layout").Funcs(template.FuncMap{
		"asset":  r.assets.name,
		"styles": func() template.CSS { return r.styles },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"when":   func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
		"join":   strings.Join,
		"host":   func(origin string) string { return Page{App: origin}.AppHost() },
	}).ParseFS(templateFiles, "templates/_*.html")
	if err != nil {
		return fmt.Errorf("parsing shared templates: %w", err)
	}
	files, err := fs.Glob(templateFiles, "templates/[a-z]*.html")
	if err != nil {
		return fmt.Errorf("listing templates: %w", err)
	}
	for _, file := range files {
		set, err := shared.Clone()
		if err != nil {
			return fmt.Errorf("copying shared templates: %w", err)
		}
		if _, err := set.ParseFS(templateFiles, file); err != nil {
			return fmt.Errorf("parsing template: %w", err)
		}
		r.templates[strings.TrimSuffix(path.Base(file), ".html")] = set
	}
	return nil
}

// page starts a page of the host whose paths begin with base.
func (r *renderer) page(base, title string) Page {
	return Page{Brand: r.brand, Lang: "en", Base: base, Title: title}
}

// render answers with a page. It is made in full before a byte is sent: a fault
// is a clean 500, never half a page, and is returned for the log.
func (r *renderer) render(w http.ResponseWriter, status int, v view) error {
	p := v.shared()
	style := "'self'"
	if p.Standalone {
		style = r.styleHash
	}
	pageHeaders(w.Header(), p, v.template(), style)
	var out bytes.Buffer
	if err := r.execute(&out, v); err != nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("Something went wrong on our side. Please try again in a minute.\n"))
		return err
	}
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // a client that went away needs no answer
	return nil
}

func (r *renderer) execute(out *bytes.Buffer, v view) error {
	set, ok := r.templates[v.template()]
	if !ok {
		return fmt.Errorf("no template is called %q", v.template())
	}
	if err := set.ExecuteTemplate(out, "layout", v); err != nil {
		return fmt.Errorf("rendering %s: %w", v.template(), err)
	}
	return nil
}
