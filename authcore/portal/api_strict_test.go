package portal

import (
	"encoding/json"
	"reflect"
	"strings"
)

// exampleOf is a body of a type, with a value of the right kind for every member.
func exampleOf(t reflect.Type) string {
	out := map[string]json.RawMessage{}
	for _, m := range members(t) {
		out[m.name] = exampleValue(m.StructField)
	}
	b, _ := json.Marshal(out) // it is JSON
	return string(b)
}

func exampleValue(f reflect.StructField) json.RawMessage {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == rawType:
		return json.RawMessage(`{"id":"AAAA","rawId":"AAAA","type":"public-key"}`)
	case f.Tag.Get("enum") != "":
		value, _, _ := strings.Cut(f.Tag.Get("enum"), ",")
		return json.RawMessage(`"` + value + `"`)
	case t.Kind() == reflect.Slice:
		return json.RawMessage(`["GET"]`)
	case t.Kind() == reflect.Int64:
		return json.RawMessage(`60`)
	}
	switch name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name {
	case "email":
		return json.RawMessage(`"` + ada + `"`)
	case "client_id":
		return json.RawMessage(`"spa"`)
	case "flow", "refresh_token":
		return json.RawMessage(`"` + strings.Repeat("A", 43) + `"`)
	case "code":
		return json.RawMessage(`"12345678"`)
	}
	return json.RawMessage(`"x"`)
}
