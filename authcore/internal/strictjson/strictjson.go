// Package strictjson decodes one JSON object whose members are all known, none
// twice and none in another letter case. encoding/json alone would let a later
// duplicate win and match names regardless of case (AD-5). Where others decode and
// new members may come, Unambiguous holds a value to the same rule.
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
	"unicode"
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

// maxDepth bounds nested objects and arrays: the recursion, and so the stack.
const maxDepth = 16

// Unambiguous refuses what two readers of JSON could take differently: an object,
// at any depth, with a member twice or in two letter cases; in the outermost one
// also a name that is given, but in another case, which encoding/json would read
// all the same. Other members pass, whatever they are.
func Unambiguous(data []byte, names ...string) error {
	known := map[string]string{}
	for _, name := range names {
		known[fold(name)] = name
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := unambiguous(d, known, maxDepth); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

func unambiguous(d *json.Decoder, known map[string]string, depth int) error {
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("reading a value: %w", err)
	}
	if t != json.Delim('{') && t != json.Delim('[') {
		return nil
	}
	if depth == 0 {
		return errors.New("nested too deep")
	}
	seen := map[string]bool{}
	for d.More() {
		if t == json.Delim('{') {
			name, err := d.Token()
			if err != nil {
				return fmt.Errorf("reading a member: %w", err)
			}
			as := fold(name.(string)) // the decoder lets nothing else stand there
			if exact, ok := known[as]; seen[as] || ok && exact != name {
				return errors.New("a member that can be read in two ways")
			}
			seen[as] = true
		}
		if err := unambiguous(d, nil, depth-1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // its end
		return fmt.Errorf("reading an end: %w", err)
	}
	return nil
}

// fold makes one name of all that encoding/json takes for the same: the smallest
// of the letters that differ in case only, beyond ASCII too ("ſ" is an "S").
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
