package portal

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// JSON Schema (2020-12) of the API's documents, from the Go types that write and
// read them. A field says more by its tags: doc describes it, enum lists its
// values.

// schemas are those that have a name, as the document's components.
type schemas map[string]object

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// request is the schema of a body: nothing but its members is taken.
func (s schemas) request(t reflect.Type) object {
	name := nameOf(t)
	if _, ok := s[name]; !ok {
		s[name] = object{}
		schema := s.fields(t)
		schema["additionalProperties"] = false
		s[name] = schema
	}
	return ref(name)
}

// answer is the schema of what we write. Members may be added in later versions.
func (s schemas) answer(doc any) object { return s.of(reflect.TypeOf(doc)) }

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

func (s schemas) of(t reflect.Type) object {
	switch t {
	case timeType:
		return object{"type": "string", "format": "date-time"}
	case rawType:
		return object{"type": "object"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Struct:
		return s.structure(t)
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	}
	return object{"type": "object"} // an interface: what the library writes
}

// structure has a component of its own, but for those of a generic type.
func (s schemas) structure(t reflect.Type) object {
	name := nameOf(t)
	if name == "" {
		return s.fields(t)
	}
	if _, ok := s[name]; !ok {
		s[name] = object{}
		s[name] = s.fields(t)
	}
	return ref(name)
}

func (s schemas) fields(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range members(t) {
		schema := s.of(f.Type)
		if about := f.Tag.Get("doc"); about != "" {
			schema["description"] = about // beside a $ref, too: 2020-12
		}
		if values := f.Tag.Get("enum"); values != "" {
			schema["enum"] = strings.Split(values, ",")
		}
		properties[f.name] = schema
		if f.required {
			required = append(required, f.name)
		}
	}
	return object{"type": "object", "properties": properties, "required": required}
}

// nameOf is a component's name: tokensDoc is Tokens, emailIn is EmailRequest. A
// generic type has none.
func nameOf(t reflect.Type) string {
	name := t.Name()
	if strings.Contains(name, "[") || name == "" {
		return ""
	}
	if base, ok := strings.CutSuffix(name, "In"); ok {
		name = base + "Request"
	}
	name = strings.TrimSuffix(name, "Doc")
	return string(unicode.ToUpper(rune(name[0]))) + name[1:]
}
