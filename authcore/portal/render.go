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
	"sync"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
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

// renderer turns page structs into answers.
type renderer struct {
	brand     PageBrand
	assets    *assets
	templates func() (map[string]*template.Template, error) // by page, parsed when one is first shown
	styles    template.CSS                                  // for standalone pages
	styleHash string                                        // CSP source that allows exactly styles
	languages *i18n.Catalogue

	mu     sync.Mutex
	spoken map[spoken]*template.Template // made when first asked for
}

// spoken is a page in one language.
type spoken struct{ language, page string }

// newRenderer reads the brand. The templates are our own files: a test finds a
// mistake in one, and they need not be parsed before somebody comes.
func newRenderer(b Brand) (*renderer, error) {
	a, err := newAssets(b)
	if err != nil {
		return nil, err
	}
	styles := a.source["style.css"]
	sum := sha256.Sum256(styles)
	r := &renderer{
		brand:     PageBrand{Name: b.Name, Logo: a.logo()},
		languages: i18n.Embedded(), spoken: map[spoken]*template.Template{},
		assets:    a,
		styles:    template.CSS(styles), //nolint:gosec // our own embedded file and a parsed colour
		styleHash: "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}
	r.templates = sync.OnceValues(r.parse)
	return r, nil
}

// parse makes one set per page: the layout, the parts, and the page itself.
func (r *renderer) parse() (map[string]*template.Template, error) {
	shared, err := template.New("layout").Funcs(template.FuncMap{
		"asset":     r.assets.name,
		"styles":    func() template.CSS { return r.styles },
		"join":      strings.Join,
		"host":      func(origin string) string { return Page{App: origin}.AppHost() },
		"languages": r.languages.Languages,
		"fill":      fill,
		"halves":    halves,
	}).Funcs(r.wordsIn(r.languages.English())).ParseFS(templateFiles, "templates/_*.html")
	if err != nil {
		return nil, fmt.Errorf("parsing shared templates: %w", err)
	}
	files, err := fs.Glob(templateFiles, "templates/[a-z]*.html")
	if err != nil {
		return nil, fmt.Errorf("listing templates: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, file := range files {
		set, err := shared.Clone()
		if err != nil {
			return nil, fmt.Errorf("copying shared templates: %w", err)
		}
		if _, err := set.ParseFS(templateFiles, file); err != nil {
			return nil, fmt.Errorf("parsing template: %w", err)
		}
		pages[strings.TrimSuffix(path.Base(file), ".html")] = set
	}
	return pages, nil
}

// wordsIn are the functions that speak one language: those of the catalogue, and
// words, which hands a script the messages that it names.
func (r *renderer) wordsIn(l *i18n.Language) template.FuncMap {
	funcs := l.Funcs()
	funcs["words"] = func(script string) (map[string]any, error) {
		said := map[string]any{}
		for _, key := range r.assets.words[script] {
			var err error
			if said[key], err = l.Source(key); err != nil {
				return nil, err
			}
		}
		return said, nil
	}
	return funcs
}

// fill is a place that the page's script fills with a value, as an argument of a
// rich message.
func fill(name string) template.HTML {
	return template.HTML(`<bdi data-fill="` + template.HTMLEscapeString(name) + `"></bdi>`) //nolint:gosec // escaped
}

// halves parts a code of groups in its middle, where a line may break.
func halves(code string) []string {
	groups := strings.SplitAfter(code, "-")
	middle := (len(groups) + 1) / 2
	return []string{strings.Join(groups[:middle], ""), strings.Join(groups[middle:], "")}
}

// page starts a page of the host whose paths begin with base, in English.
func (r *renderer) page(base, title string) Page { return r.pageIn(r.languages.English(), base, title) }

func (r *renderer) pageIn(l *i18n.Language, base, title string) Page {
	p := Page{Brand: r.brand, Lang: l, Base: base, Title: title}
	if p.Brand.Name == "" {
		p.Brand.Name = l.Text("layout.brand")
	}
	return p
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
		_, _ = w.Write([]byte(p.Lang.Text("layout.fault") + "\n"))
		return err
	}
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // a client that went away needs no answer
	return nil
}

func (r *renderer) execute(out *bytes.Buffer, v view) error {
	set, err := r.speak(v.shared().Lang, v.template())
	if err != nil {
		return err
	}
	if err := set.ExecuteTemplate(out, "layout", v); err != nil {
		return fmt.Errorf("rendering %s: %w", v.template(), err)
	}
	return nil
}

// speak answers a page's templates with the functions of one language.
func (r *renderer) speak(l *i18n.Language, page string) (*template.Template, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := spoken{l.Tag(), page}
	if set := r.spoken[key]; set != nil {
		return set, nil
	}
	pages, err := r.templates()
	if err != nil {
		return nil, err
	}
	written, ok := pages[page]
	if !ok {
		return nil, fmt.Errorf("no template is called %q", page)
	}
	set, err := written.Clone()
	if err != nil {
		return nil, fmt.Errorf("copying %s: %w", page, err)
	}
	r.spoken[key] = set.Funcs(r.wordsIn(l))
	return set, nil
}
