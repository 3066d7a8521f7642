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

// ErrUnknown is a member that the struct does not have. Its name is the sender's
// own text, so it is not told.
var ErrUnknown = errors.New("an unknown member")

// MemberError is a member of the struct that is not as it has to be.
type MemberError struct {
	Name string // as the struct has it
	Wrong
}

// Wrong is what may be the matter with a member.
type Wrong int

// What may be the matter.
const (
	Twice Wrong = iota
	Null
	OtherType
)

// Error names the member.
func (e *MemberError) Error() string {
	return e.Name + [...]string{" stands twice", " is null", " is of another type"}[e.Wrong]
}

// Decode reads data into a pointer to a struct. Only the top level is held to
// the rules for names; a json.RawMessage field is passed on as it came.
func Decode(data []byte, into any) error {
	known := names(reflect.TypeOf(into).Elem())
	if err := members(data, known); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var other *json.UnmarshalTypeError
		if errors.As(err, &other) {
			for name := range strings.SplitSeq(other.Field, ".") { // a path, on which embedded structs stand too
				if known[name] {
					return &MemberError{name, OtherType}
				}
			}
		}
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
			return ErrUnknown
		}
		if seen[name] {
			return &MemberError{name, Twice}
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("reading a value: %w", err)
		}
		if string(value) == "null" {
			return &MemberError{name, Null}
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
