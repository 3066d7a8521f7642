package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

type form struct {
	Form string `json:"form"`
}

type body struct {
	form
	Email string          `json:"email"`
	Raw   json.RawMessage `json:"raw,omitempty"`
}

func TestDecode_AcceptsExactlyTheKnownMembers(t *testing.T) {
	for in, want := range map[string]bool{
		`{"email":"a"}`:                 true,
		`{"email":"a","form":"b"}`:      true,
		`{"form":"b","form":"b"}`:       false,
		`{"Form":"b"}`:                  false,
		` {"email":"a","raw":{"x":1}} `: true,
		`{}`:                            true,
		``:                              false,
		`[]`:                            false,
		`null`:                          false,
		`"email"`:                       false,
		`{"email":null}`:                false,
		`{"email":1}`:                   false,
		`{"email":["a"]}`:               false,
		`{"Email":"a"}`:                 false,
		`{"email":"a","EMAIL":"b"}`:     false,
		`{"email":"a","email":"b"}`:     false,
		"{\"email\":\"a\",\"\\u0065mail\":\"b\"}": false,
		`{"email":"a","admin":true}`:              false,
		`{"email":"a"}{"email":"b"}`:              false,
		`{"email":"a"} x`:                         false,
		`{"email":"a"`:                            false,
		"{\"email\":\"a\",\"\\u0000\":1}":         false,
	} {
		var b body
		if err := Decode([]byte(in), &b); (err == nil) != want {
			t.Errorf("%q: err = %v, want accepted %v", in, err, want)
		}
	}
}

type list struct {
	body
	Words []string `json:"words,omitempty"`
	Count *int64   `json:"count,omitempty"`
}

// What is wrong is told by the struct's own names.
func TestDecode_NamesTheMember(t *testing.T) {
	for in, want := range map[string]string{
		`{"email":"a","email":"b"}`: "email stands twice", "{\"email\":\"a\",\"\\u0065mail\":\"b\"}": "email stands twice",
		`{"form":null}`: "form is null", `{"words":null}`: "words is null", `{"email":1}`: "email is of another type", `{"form":{}}`: "form is of another type",
		`{"words":"a"}`: "words is of another type", `{"words":["a",1]}`: "words is of another type", `{"words":[{"email":1}]}`: "words is of another type",
		`{"count":1.5}`: "count is of another type", `{"count":9223372036854775808}`: "count is of another type",
		`{"x":1}`: "an unknown member", `{"Email":1}`: "an unknown member", `{"email":"a","x\n":1}`: "an unknown member",
	} {
		if err := Decode([]byte(in), new(list)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
	var member *MemberError
	for _, in := range []string{``, `[]`, `{`, `{"email"`, `{"email":}`, `{}{}`} {
		if err := Decode([]byte(in), new(list)); err == nil || errors.As(err, &member) || errors.Is(err, ErrUnknown) {
			t.Errorf("%q is no member's fault: %v", in, err)
		}
	}
}

func TestUnambiguous_OneReadingOnly(t *testing.T) {
	for in, want := range map[string]bool{
		`{}`:   true,
		`[]`:   true,
		`"x"`:  true,
		`null`: true,
		`{"rawId":"a","new":{"rawId":1,"other":[{},{"x":1},{"x":2}]}}`: true,
		`{"x":1,"y":1,"x":2}`:                  false,
		`{"x":1,"X":2}`:                        false,
		`{"a":{"b":[1,{"x":1,"X":2}]}}`:        false,
		`{"RawId":"a"}`:                        false,
		`{"a":[{"rawid":"a"}]}`:                true, // not the outermost one's
		`{"\u0072awId":"a"}`:                   true, // the same name, spelt otherwise
		`{"rawId":"a","\u0072awId":"b"}`:       false,
		`{"userHandle":1,"u\u017ferHandle":2}`: false, // encoding/json takes "ſ" for "s"
		`{"u\u017ferHandle":2}`:                false,
		``:                                     false,
		`{`:                                    false,
		`{"x"`:                                 false,
		`{"x":}`:                               false,
		`{"x":1`:                               false,
		`[1`:                                   false,
		`{1:1}`:                                false,
		`{} {}`:                                false,
		`{}x`:                                  false,
		strings.Repeat("[", 16) + strings.Repeat("]", 16): true,
		strings.Repeat("[", 17) + strings.Repeat("]", 17): false,
		strings.Repeat(`{"x":`, 30_000):                   false,
	} {
		if err := Unambiguous([]byte(in), "rawId", "userHandle"); (err == nil) != want {
			t.Errorf("%.60q: err = %v, want accepted %v", in, err, want)
		}
	}
}

// What passes has one reading: every object decodes to as many members as it
// names, whatever case a reader pays attention to.
func FuzzUnambiguous(f *testing.F) {
	for _, in := range []string{`{"a":1,"A":2}`, `{"k":1,"\u212a":2}`, `{"a":{"b":[{"c":null}]}}`, `[{"x":1},{"x":1}]`, `{"\ud800":1,"\ufffd":2}`} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if Unambiguous(in) != nil {
			return
		}
		var v any
		if err := json.Unmarshal(in, &v); err != nil {
			t.Fatalf("%q passes and is no JSON: %v", in, err)
		}
		distinct(t, in, v)
	})
}

// distinct fails where two members of an object are one to some reader.
func distinct(t *testing.T, in []byte, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			distinct(t, in, e)
		}
	case map[string]any:
		for a, e := range v {
			for b := range v {
				if a != b && strings.EqualFold(a, b) {
					t.Fatalf("%q has %q and %q", in, a, b)
				}
			}
			distinct(t, in, e)
		}
	}
}
