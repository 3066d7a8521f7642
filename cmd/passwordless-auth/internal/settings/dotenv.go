package settings

import (
	"fmt"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseDotenv reads lines of NAME=value. Blank lines and lines that begin with #
// are skipped, and so is "export " before a name. 'Single' quotes keep everything
// as it is; in "double" quotes \n, \" and \\ mean a line break, a quote and a
// backslash. Without quotes the value ends at " #". Nothing is expanded: a
// secret may hold a $.
func parseDotenv(text string) (map[string]string, error) {
	values := make(map[string]string)
	lines := make(map[string]int)
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !ok || !variableName.MatchString(name) {
			return nil, fmt.Errorf("line %d of .env is not NAME=value", n) // the line may hold a secret
		}
		if first, ok := lines[name]; ok {
			return nil, fmt.Errorf("%s stands twice in .env, on lines %d and %d; remove one", name, first, n)
		}
		value, err := unquote(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("%s on line %d of .env: %w", name, n, err)
		}
		values[name], lines[name] = value, n
	}
	return values, nil
}

func unquote(value string) (string, error) {
	if value == "" || value[0] != '"' && value[0] != '\'' {
		if before, _, ok := strings.Cut(value, " #"); ok {
			value = strings.TrimSpace(before)
		}
		return value, nil
	}
	var out strings.Builder
	quote := value[0]
	for i := 1; i < len(value); i++ {
		switch c := value[i]; {
		case c == quote:
			if rest := strings.TrimSpace(value[i+1:]); rest != "" && rest[0] != '#' {
				return "", fmt.Errorf("there is text after the closing %c", quote)
			}
			return out.String(), nil
		case c == '\\' && quote == '"' && i+1 < len(value):
			i++
			escaped, ok := map[byte]byte{'n': '\n', '"': '"', '\\': '\\', '$': '$'}[value[i]]
			if !ok {
				return "", fmt.Errorf(`\%c is unknown; use single quotes to keep a backslash`, value[i])
			}
			out.WriteByte(escaped)
		default:
			out.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the closing %c is missing", quote)
}
