package portal

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Whoever reads the document has nothing but it: every member of what is sent and
// answered says what it is.
func TestOpenAPI_DescribesEveryMember(t *testing.T) {
	c := newSite(t, twoClients).contract()
	described := 0
	var walk func(string, any)
	walk = func(place string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok && v["type"] == "object" {
				for name, p := range properties {
					about, _ := at(p, "description").(string)
					if described++; len(about) < 5 || !strings.HasSuffix(about, ".") {
						t.Errorf("%s: %s is described by %q", place, name, about)
					}
				}
			}
			if in, ok := v["in"].(string); ok && at(v, "description") == nil {
				t.Errorf("%s: a parameter in the %s is not described", place, in)
			}
			for name, x := range v {
				walk(place+"/"+name, x)
			}
		case []any:
			for _, x := range v {
				walk(place, x)
			}
		}
	}
	walk("", c.doc)
	for name, h := range at(c.doc, "components", "headers").(map[string]any) {
		if at(h, "description") == nil {
			t.Errorf("the header %s is not described", name)
		}
	}
	if described < 100 {
		t.Errorf("%d members", described)
	}
}

// The one list of codes has those of every operation, and of what is none.
func TestOpenAPI_ListsEveryCode(t *testing.T) {
	s := newSite(t, twoClients)
	c := s.contract()
	listed := map[string]bool{}
	for _, code := range at(c.doc, "components", "schemas", "Problem", "properties", "code", "enum").([]any) {
		listed[code.(string)] = true
	}
	known := map[string]bool{}
	for _, what := range c.documented() {
		if words := strings.Fields(what); len(words) == 4 {
			known[words[3]] = true
		}
	}
	b := s.browser()
	for _, a := range []*answer{
		b.send("GET", portalURL+"/api/nothing", "", nil), b.send("PUT", portalURL+"/api/me", "", nil), b.send("GET", "https://elsewhere.example.com/api/me", "", nil),
	} {
		var p problem
		a.into(t, &p)
		known[p.Code] = true
		valid(t, c.schema(t, "components", "schemas", "Problem"), "a stray answer", a.body)
	}
	if !maps.Equal(listed, known) {
		t.Errorf("listed are %v\nand there are %v", slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(known)))
	}
}
