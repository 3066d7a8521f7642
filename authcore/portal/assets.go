package portal

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed assets
var assetFiles embed.FS

// maxLogo bounds a logo: every visitor loads it.
const maxLogo = 128 << 10

// assetTypes are the kinds of file we serve; the type never comes from content.
var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".png": "image/png",
	".svg": "image/svg+xml",
	".ts":  "text/plain; charset=utf-8", // type declarations; browsers never load them
}

// moduleImport is how our scripts name each other; the hashed name goes in.
var moduleImport = regexp.MustCompile(`from "\./([a-z]+\.js)"`)

// messageNamed is how our scripts name a message; its text goes into the page.
var messageNamed = regexp.MustCompile(`\bword\("([^"]+)"`)

// assets are the static files under their hashed names. A name holds a hash of
// its content, so an answer may be kept for ever.
type assets struct {
	source map[string][]byte        // by plain name, before hashing
	hashed map[string]string        // plain name → hashed name
	served map[string][]byte        // by hashed name
	packed map[string]func() []byte // by hashed name: the same in gzip (RFC 1952), made once and when asked for
	words  map[string][]string      // script → keys of the messages that it and what it imports name
}

// newAssets takes the embedded files and the brand's colour and logo.
func newAssets(b Brand) (*assets, error) {
	a := &assets{source: map[string][]byte{}, hashed: map[string]string{}, served: map[string][]byte{}, packed: map[string]func() []byte{}, words: map[string][]string{}}
	files, err := fs.Glob(assetFiles, "assets/*")
	if err != nil {
		return nil, fmt.Errorf("listing assets: %w", err)
	}
	for _, file := range files {
		content, err := assetFiles.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading asset: %w", err)
		}
		a.source[path.Base(file)] = content
	}
	if err := a.addBrand(b); err != nil {
		return nil, err
	}
	for name := range a.source {
		if _, err := a.name(name); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// addBrand brings the accent into stylesheet and icon, and the logo in.
func (a *assets) addBrand(b Brand) error {
	accent := b.Accent
	if accent == "" {
		accent = DefaultAccent
	}
	rules, err := accentRules(accent)
	if err != nil {
		return fmt.Errorf("reading the brand's accent: %w", err)
	}
	a.source["style.css"] = append(bytes.Clone(a.source["style.css"]), rules...)
	a.source["icon.svg"] = bytes.ReplaceAll(a.source["icon.svg"], []byte(DefaultAccent), []byte(accent))
	if b.Logo == "" {
		return nil
	}
	name, content, err := readLogo(b.Logo)
	if err != nil {
		return fmt.Errorf("reading the brand's logo: %w", err)
	}
	a.source[name] = content
	return nil
}

// readLogo loads an SVG or PNG file and checks that it is what its name says.
func readLogo(file string) (name string, content []byte, err error) {
	name = "logo" + strings.ToLower(path.Ext(file))
	info, err := os.Stat(file)
	if err != nil {
		return "", nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxLogo {
		return "", nil, fmt.Errorf("%s is not a file of at most %d KiB", file, maxLogo>>10)
	}
	if content, err = os.ReadFile(file); err != nil {
		return "", nil, err
	}
	switch {
	case name == "logo.svg" && bytes.Contains(content, []byte("<svg")):
	case name == "logo.png" && bytes.HasPrefix(content, []byte("\x89PNG\r\n\x1a\n")):
	default:
		return "", nil, fmt.Errorf("%s is neither an SVG nor a PNG image", file)
	}
	return name, content, nil
}

// name returns an asset's hashed name. What a script imports is hashed first,
// so a change anywhere gives new names all the way up.
func (a *assets) name(plain string) (string, error) {
	if hashed, ok := a.hashed[plain]; ok {
		return hashed, nil
	}
	content, ok := a.source[plain]
	if !ok {
		return "", fmt.Errorf("no asset is called %q", plain)
	}
	a.hashed[plain] = plain // an import cycle ends here; tests forbid it
	var words []string
	for _, m := range messageNamed.FindAllSubmatch(content, -1) {
		words = append(words, string(m[1]))
	}
	for _, m := range moduleImport.FindAllSubmatch(content, -1) {
		dep, err := a.name(string(m[1]))
		if err != nil {
			return "", fmt.Errorf("resolving %s: %w", plain, err)
		}
		content = bytes.ReplaceAll(content, m[0], []byte(`from "./`+dep+`"`))
		words = append(words, a.words[string(m[1])]...)
	}
	slices.Sort(words)
	a.words[plain] = slices.Compact(words)
	sum := sha256.Sum256(content)
	ext := path.Ext(plain)
	hashed := strings.TrimSuffix(plain, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	a.hashed[plain], a.served[hashed] = hashed, content
	a.packed[hashed] = sync.OnceValue(func() []byte { return pack(content) })
	return hashed, nil
}

func pack(content []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(content) // a buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

// logo is the logo's hashed name, empty without one.
func (a *assets) logo() string {
	if name, ok := a.hashed["logo.svg"]; ok {
		return name
	}
	return a.hashed["logo.png"]
}

// serve answers GET and HEAD for one asset by its hashed name.
func (a *assets) serve(w http.ResponseWriter, r *http.Request, name string, secure bool) {
	h := w.Header()
	dataHeaders(h, secure)
	if _, ok := a.served[name]; !ok {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", assetTypes[path.Ext(name)])
	if path.Ext(name) == ".svg" {
		// A logo is the operator's file, not ours: opened by itself it may draw
		// and nothing else. Editors write style attributes into SVG files.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	}
	_, _ = w.Write(a.content(w, r, name)) // a client that went away needs no answer
}

// content is an asset in the encoding that the client takes. Pages are never
// packed: they hold secrets beside what strangers may have put there, and the
// length of the answer would tell of them (BREACH).
func (a *assets) content(w http.ResponseWriter, r *http.Request, name string) []byte {
	w.Header().Add("Vary", "Accept-Encoding")
	if !takesGzip(r.Header["Accept-Encoding"]) {
		return a.served[name]
	}
	w.Header().Set("Content-Encoding", "gzip")
	return a.packed[name]()
}

// takesGzip reads Accept-Encoding (RFC 9110 section 12.5.3) as far as it matters:
// who does not name gzip, or gives it a weight, gets the plain file.
func takesGzip(values []string) bool {
	for _, value := range values {
		for coding := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				return true
			}
		}
	}
	return false
}
