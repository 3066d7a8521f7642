package portal

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is the document that a server gives of its API. Whatever the tests of
// this package ask the API is held against it: an answer that is not documented,
// or not as it is documented, fails the test that got it.
type contract struct {
	doc   map[string]any
	files *jsonschema.Compiler

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

// produced notes which of the documented answers came: "POST /api/x 200", and
// "POST /api/x 400 CODE" for problems. Sites that share one add up.
type produced struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (p *produced) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[what] = true
}

const docURL = "https://auth.example.com/api/openapi.json"

var (
	contracts   = map[string]*contract{}
	contractsMu sync.Mutex
)

// contract reads the site's document, once for each that there is.
func (s *site) contract() *contract {
	s.t.Helper()
	contractsMu.Lock()
	defer contractsMu.Unlock()
	document, err := s.h.document()
	s.must(err)
	raw := string(document)
	if c := contracts[raw]; c != nil {
		return c
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(raw))
	s.must(err)
	c := &contract{doc: doc.(map[string]any), files: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	closed, err := jsonschema.UnmarshalJSON(strings.NewReader(raw))
	s.must(err)
	closeObjects(closed)
	c.files.AssertFormat()
	c.files.DefaultDraft(jsonschema.Draft2020)
	s.must(c.files.AddResource(docURL, closed))
	contracts[raw] = c
	return c
}

// closeObjects refuses members that no schema names. Clients must put up with
// new ones; these tests must not.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["properties"]; ok && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, x := range v {
			closeObjects(x)
		}
	case []any:
		for _, x := range v {
			closeObjects(x)
		}
	}
}

// at follows members of a JSON object.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// operation finds what is documented for a request: the path with its parameters,
// and the operation.
func (c *contract) operation(method, path string) (string, map[string]any) {
	for known := range c.doc["paths"].(map[string]any) {
		want, got := strings.Split(known, "/"), strings.Split(path, "/")
		fits := len(want) == len(got)
		for i := range want {
			fits = fits && (want[i] == got[i] || strings.HasPrefix(want[i], "{") && got[i] != "" && !c.literal(path))
		}
		if fits {
			op, _ := at(c.doc, "paths", known, strings.ToLower(method)).(map[string]any)
			return known, op
		}
	}
	return "", nil
}

// literal reports whether a path is documented as it is: /api/passkeys/options is
// not /api/passkeys/{id}.
func (c *contract) literal(path string) bool { return at(c.doc, "paths", path) != nil }

// response finds what is documented for a status, and where it stands.
func (c *contract) response(path, verb, status string) (place []string, r map[string]any) {
	place = []string{"paths", path, verb, "responses", status}
	r, _ = at(c.doc, place...).(map[string]any)
	if ref, ok := r["$ref"].(string); ok {
		place = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		r, _ = at(c.doc, place...).(map[string]any)
	}
	return place, r
}

// schema compiles one of the document.
func (c *contract) schema(t testing.TB, path ...string) *jsonschema.Schema {
	t.Helper()
	pointer := ""
	for _, p := range path {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.compiled[pointer]; s != nil {
		return s
	}
	s, err := c.files.Compile(docURL + "#" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer))
	if err != nil {
		t.Fatal(err)
	}
	c.compiled[pointer] = s
	return s
}

func valid(t testing.TB, s *jsonschema.Schema, what, body string) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%s is not as documented: %v\n%s", what, err, body)
	}
}

// check holds one exchange against the document.
func (c *contract) check(t testing.TB, method, body string, a *answer, note func(string)) {
	t.Helper()
	path, op := c.operation(method, a.url.Path)
	if op == nil {
		return // 404 and 405 are no operation's
	}
	verb, status := strings.ToLower(method), fmt.Sprint(a.StatusCode)
	what := fmt.Sprintf("%s %s %s", method, path, status)
	place, response := c.response(path, verb, status)
	if response == nil {
		t.Errorf("%s is not documented: %s", what, a.body)
		return
	}
	note(what)
	for name := range at(response, "headers").(map[string]any) {
		if a.Header.Get(name) == "" {
			t.Errorf("%s comes without %s", what, name)
		}
	}
	content, _ := response["content"].(map[string]any)
	if content == nil {
		if a.body != "" {
			t.Errorf("%s comes with a body: %s", what, a.body)
		}
	} else if kind := a.Header.Get("Content-Type"); content[kind] == nil {
		t.Errorf("%s comes as %q", what, kind)
	} else {
		valid(t, c.schema(t, append(place, "content", kind, "schema")...), what, a.body)
	}
	if a.StatusCode < 300 {
		if op["requestBody"] != nil {
			valid(t, c.schema(t, "paths", path, verb, "requestBody", "content", "application/json", "schema"), "the body of "+what, body)
		}
		return
	}
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-Id") || p.Title == "" || p.Detail == "" {
		t.Errorf("%s: no whole problem: %s %v", what, a.body, a.Header)
	}
	note(what + " " + p.Code)
}

// documented lists what a server says that it answers.
func (c *contract) documented() (list []string) {
	for path, methods := range c.doc["paths"].(map[string]any) {
		for verb, op := range methods.(map[string]any) {
			for status := range at(op, "responses").(map[string]any) {
				what := strings.ToUpper(verb) + " " + path + " " + status
				list = append(list, what)
				_, response := c.response(path, verb, status)
				all, _ := at(any(response), "content", "application/problem+json", "schema", "allOf").([]any)
				if all == nil {
					continue
				}
				for _, code := range at(all[1], "properties", "code", "enum").([]any) {
					list = append(list, what+" "+code.(string))
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// Every route is documented, and nothing else is.
func TestOpenAPI_DocumentsEveryRouteAndNoOther(t *testing.T) {
	s := newSite(t, twoClients)
	c := s.contract()
	known := map[string]bool{}
	for _, r := range apiRoutes() {
		known[r.method+" "+r.path] = true
		if r.id == "" || r.summary == "" || len(r.answers) == 0 {
			t.Errorf("%s %s says nothing of itself", r.method, r.path)
		}
	}
	described := map[string]bool{}
	ids := map[string]bool{}
	for path, methods := range c.doc["paths"].(map[string]any) {
		for verb, op := range methods.(map[string]any) {
			described[strings.ToUpper(verb)+" "+path] = true
			id := at(op, "operationId").(string)
			if ids[id] {
				t.Errorf("two operations are called %s", id)
			}
			ids[id] = true
		}
	}
	if !maps.Equal(known, described) {
		t.Errorf("routes %v\nare described as %v", slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(described)))
	}
	b := s.browser()
	for _, path := range slices.Sorted(maps.Keys(c.doc["paths"].(map[string]any))) {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"} {
			want := described[method+" "+path] || method == http.MethodHead && described["GET "+path]
			if path == "/api/passkeys/options" { // an id like any other, to the methods of /api/passkeys/{id}
				want = want || described[method+" /api/passkeys/{id}"]
			}
			a := b.send(method, portalURL+strings.ReplaceAll(path, "{id}", "x"), "", nil)
			if got := a.StatusCode != http.StatusMethodNotAllowed; got != want {
				t.Errorf("%s %s answers %d, and is described: %v", method, path, a.StatusCode, want)
			}
		}
	}
}

// A mux does not tell what is registered, so the source has to: no path of the
// API stands anywhere but in the table.
func TestOpenAPI_NoRouteStandsBesideTheTable(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(?:[A-Z]+ )?/api/[^"]*"`).FindAllString(string(text), -1) {
			if found++; file != "api_routes.go" && m != `"`+apiPrefix+`"` {
				t.Errorf("%s has %s", file, m)
			}
		}
	}
	if found < len(apiRoutes()) {
		t.Errorf("only %d paths were found", found)
	}
}

// What looks like the document of an API has to be one: every reference in it
// leads somewhere, and each schema compiles.
func TestOpenAPI_IsWhole(t *testing.T) {
	s := newSite(t, twoClients)
	a := s.browser().send("GET", portalURL+"/api/openapi.json", "", map[string]string{"Origin": "https://anybody.example"}).want(t, 200, `"openapi":"3.1.`)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300", "Content-Type": "application/json", "Cross-Origin-Resource-Policy": "cross-origin", "Vary": "",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	c := s.contract()
	if got := at(c.doc["servers"].([]any)[0], "url"); got != portalURL {
		t.Errorf("the server is %v", got)
	}
	for name := range at(c.doc, "components", "schemas").(map[string]any) {
		c.schema(t, "components", "schemas", name)
	}
	references := 0
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				references++
				if at(c.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(c.doc)
	if references == 0 {
		t.Error("there is no reference")
	}
	for _, r := range apiRoutes() {
		for status, codes := range r.codes() {
			for _, code := range codes {
				if text := apiTexts[code]; text.title == "" || text.detail == "" {
					t.Errorf("%s %s answers %d %s, which has no words", r.method, r.path, status, code)
				}
			}
		}
	}
}
