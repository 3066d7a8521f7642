package strictjson

import (
	"encoding/json"
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
