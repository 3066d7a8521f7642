package portal

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
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

// wrongKinds are values that are not of a member's kind.
func wrongKinds(f reflect.StructField) []string {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	all := map[string]string{"null": "null", "string": `"` + marker + `"`, "number": "1", "bool": "true", "array": `["` + marker + `"]`, "object": `{"$ne":"` + marker + `"}`}
	switch {
	case t == rawType:
		delete(all, "object")
	case t.Kind() == reflect.String:
		delete(all, "string")
	case t.Kind() == reflect.Slice:
		delete(all, "array")
		all["of numbers"], all["of lists"] = "[1]", `[["GET"]]`
	case t.Kind() == reflect.Int64:
		delete(all, "number")
		all["a number in a string"], all["a fraction"], all["a power"], all["too large"] = `"60"`, "60.5", "6e1", "9223372036854775808"
	}
	return slices.Sorted(maps.Values(all))
}

// misshapen are bodies that are no good for a route, by what is wrong with them.
func misshapen(r apiRoute) map[string]string {
	good := exampleOf(r.in)
	open := strings.TrimSuffix(good, "}")
	comma := ","
	if open == "{" {
		comma = ""
	}
	bad := map[string]string{
		"nothing": "", "null": "null", "an array": "[" + good + "]", "a string": `"` + marker + `"`, "a number": "1", "half": `{`, "two": good + good,
		"trailing": good + marker, "a trailing comma": open + ",}", "a comment": open + "/*" + marker + "*/}", "byte order mark": "\ufeff" + good,
		"an unknown member": open + comma + `"` + marker + `":1}`, "an empty name": open + comma + `"":1}`, "prototype": open + comma + `"__proto__":{}}`,
		"broken UTF-8": open + comma + "\"\xff\":1}", "deep": open + comma + `"x":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + "}",
		"deep objects": open + comma + `"x":` + strings.Repeat(`{"x":`, 9_000) + "1" + strings.Repeat("}", 9_000) + "}", "single quotes": "{'" + marker + "':1}",
	}
	for _, m := range members(r.in) {
		value := string(exampleValue(m.StructField))
		without := map[string]json.RawMessage{}
		_ = json.Unmarshal([]byte(good), &without) // it was made above
		delete(without, m.name)
		rest, _ := json.Marshal(without)
		more := strings.TrimSuffix(string(rest), "}")
		if more != "{" {
			more += ","
		}
		bad["twice "+m.name] = open + `,"` + m.name + `":` + value + "}"
		bad["twice by escape "+m.name] = open + `,"\u00` + hex.EncodeToString([]byte(m.name[:1])) + m.name[1:] + `":` + value + "}"
		bad["upper case "+m.name] = more + `"` + strings.ToUpper(m.name) + `":` + value + "}"
		bad["both cases "+m.name] = open + `,"` + strings.ToUpper(m.name[:1]) + m.name[1:] + `":` + value + "}"
		bad["deep "+m.name] = more + `"` + m.name + `":` + strings.Repeat("[", 30_000) + "}"
		for _, wrong := range wrongKinds(m.StructField) {
			bad[m.name+" is "+wrong] = more + `"` + m.name + `":` + wrong + "}"
		}
		if m.required {
			bad["without "+m.name] = string(rest)
		}
	}
	return bad
}

// AD-5, CS-3, DS-1: one table over every route that takes a body, made of the
// table of routes, so that a new one cannot be forgotten.
func TestAPI_TakesNoMisshapenBody_AD5(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	bearer := p.signIn(t, ada, "spa").SessionToken
	bodies := 0
	for _, r := range apiRoutes() {
		if r.in == nil {
			continue
		}
		bodies++
		path := strings.ReplaceAll(r.path, "{id}", "AAAA")
		good := exampleOf(r.in)
		before := s.records()
		refuse := func(what, body string, header map[string]string, status int, code string) {
			t.Helper()
			if header["Content-Type"] == "" {
				header = maps.Clone(header)
				header["Content-Type"] = "application/json"
			}
			a := p.callWith(r.method, path, body, bearer, header)
			if a.StatusCode != status || !strings.Contains(a.body, `"code":"`+code+`"`) || strings.Contains(a.body, marker) {
				t.Errorf("%s %s, %s: %d %s", r.method, r.path, what, a.StatusCode, a.body)
			}
		}
		for what, body := range misshapen(r) {
			refuse(what, body, map[string]string{}, 400, "BAD_REQUEST")
		}
		for _, kind := range []string{
			"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/problem+json",
			"application/json, text/plain", "application/jsonx", "json", "application/json; charset",
		} {
			refuse(kind, good, map[string]string{"Content-Type": kind}, 415, "UNSUPPORTED_MEDIA_TYPE")
		}
		refuse("compressed", good, map[string]string{"Content-Encoding": "gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE")
		refuse("65 KiB", strings.Repeat(" ", maxJSON)+good, map[string]string{}, 413, "TOO_LARGE")
		s.unchanged(t, before, r.method+" "+r.path)
		if p.call(r.method, path, strings.Repeat(" ", maxJSON-len(good))+good, "").StatusCode == 413 {
			t.Errorf("%s %s: 64 KiB are too large", r.method, r.path)
		}
	}
	if bodies < 15 {
		t.Errorf("%d routes take a body", bodies)
	}
}

// Whoever writes a client is told which member it got wrong, in words of ours.
func TestAPI_SaysWhichMemberIsWrong(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	bearer := p.signIn(t, ada, "spa").SessionToken
	named := 0
	for _, r := range apiRoutes() {
		if r.in == nil {
			continue
		}
		for what, body := range misshapen(r) {
			var told problem
			p.callWith(r.method, strings.ReplaceAll(r.path, "{id}", "AAAA"), body, bearer, map[string]string{"Content-Type": "application/json"}).want(t, 400, "BAD_REQUEST").into(t, &told)
			want := ""
			for _, m := range members(r.in) {
				switch kind := strings.TrimSuffix(what, m.name); {
				case kind == "twice " || kind == "twice by escape ":
					want = "The member " + m.name + " stands twice."
				case kind == "without ":
					want = "The member " + m.name + " is missing."
				case what == m.name+" is null":
					want = "The member " + m.name + " is null. Leave it out, or give it a value."
				case strings.HasPrefix(what, m.name+" is "):
					want = "The member " + m.name + " is not " + kindOf(m.Type) + "."
				case kind == "upper case " || kind == "both cases ":
					want = "There is an unknown member. Names are compared exactly, their case too."
				}
			}
			if slices.Contains([]string{"an unknown member", "an empty name", "prototype"}, what) {
				want = "There is an unknown member. Names are compared exactly, their case too."
			}
			if want == "" {
				want = told.Detail // malformed, and no member's fault
				if strings.Contains(want, "The member") {
					t.Errorf("%s %s, %s: %s", r.method, r.path, what, want)
				}
			} else {
				named++
			}
			if told.Detail != want {
				t.Errorf("%s %s, %s: %q, want %q", r.method, r.path, what, told.Detail, want)
			}
		}
	}
	if named < 200 {
		t.Errorf("%d bodies had a member at fault", named)
	}
	p.call("POST", "/api/logout", doc("scope", marker), bearer).want(t, 400, "The member scope is none of this, others and all.")
	p.call("POST", "/api/tokens", `{"name":"x","app":"app.example.com","expires_in":0}`, bearer).want(t, 400, "The member expires_in is not from 1 to 315360000 (seconds).")
}

// kindOf is how a member's type is told.
func kindOf(t reflect.Type) string {
	switch {
	case t == rawType:
		return "an object"
	case t.Kind() == reflect.Slice:
		return "a list of strings"
	case t == reflect.TypeFor[*int64]():
		return "a whole number"
	}
	return "a string"
}
