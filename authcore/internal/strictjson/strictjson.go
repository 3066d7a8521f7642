// Package strictjson decodes one JSON object whose members are all known, none
// twice and none in another letter case. encoding/json alone would let a later
// duplicate win and match names regardless of case (AD-5).
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"strings"
)

// Decode reads data into a pointer to a struct. Only the top level is held to
// the rules for names; a json.RawMessage field is passed on as it came.
func Decode(data []byte, into any) error {
	if err := members(data, names(reflect.TypeOf(into).Elem())); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("decoding: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// names are the exact member names of a struct, those of embedded ones included.
func names(t reflect.Type) map[string]bool {
	set := map[string]bool{}
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			maps.Copy(set, names(field.Type))
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		set[name] = true
	}
	return set
}

func members(data []byte, known map[string]bool) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not an object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("reading a member: %w", err)
		}
		name, _ := t.(string)
		if !known[name] {
			return errors.New("an unknown member")
		}
		if seen[name] {
			return errors.New("a member stands twice")
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("reading a value: %w", err)
		}
		if string(value) == "null" {
			return errors.New("null is not a value here")
		}
	}
	return nil
}
