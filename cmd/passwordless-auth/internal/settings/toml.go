package settings

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/passwordless-auth/passwordless-auth/caddymodule/spelling"
)

// parseTOML reads a flat file with the names of variables in lower case. Values
// are strings, whole numbers or arrays of strings. Unknown keys are refused: a
// misspelt restriction would otherwise restrict nothing (BT-2). Errors are one
// for each wrong key.
func parseTOML(text, file string) (map[string]string, error) {
	var document map[string]any
	if _, err := toml.Decode(text, &document); err != nil {
		if parse, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, fmt.Errorf("%s is no TOML: %s on line %d", file, parse.Message, parse.Position.Line)
		}
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	values := make(map[string]string)
	var problems []error
	for key, v := range document {
		name := strings.ToUpper(key)
		if key != strings.ToLower(key) || !isVariable(name) {
			problems = append(problems, fmt.Errorf("%s in %s: %s", key, file, unknownKey(key)))
			continue
		}
		value, ok := tomlValue(v)
		if !ok {
			problems = append(problems, fmt.Errorf("%s in %s: write a string, a whole number or an array of strings; the file has no tables", key, file))
			continue
		}
		values[name] = value
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return values, errors.Join(problems...)
}

func tomlValue(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	case []any:
		parts := make([]string, len(v))
		for i, part := range v {
			s, ok := part.(string)
			if !ok {
				return "", false
			}
			parts[i] = s
		}
		return strings.Join(parts, ","), true
	}
	return "", false
}

func isVariable(name string) bool {
	base, isFile := strings.CutSuffix(name, "_FILE")
	_, comesLater := later[name]
	return slices.Contains(known, name) || comesLater || isFile && slices.Contains(secrets, base)
}

func unknownKey(key string) string {
	if why, ok := never[strings.ToLower(key)]; ok {
		return "there is no such key; " + why
	}
	if near := nearest(strings.ToLower(key)); near != "" {
		return "there is no such key; did you mean " + near + "?"
	}
	return "there is no such key"
}

// nearest is the key that was probably meant, or "".
func nearest(key string) string {
	best, bestDistance := "", min(4, len(key)/2+1)
	for _, name := range known {
		name = strings.ToLower(name)
		if d := spelling.Distance(key, name); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}
