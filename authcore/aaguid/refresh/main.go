// Command refresh makes names.json of package aaguid from a list that somebody
// has downloaded: a JSON object from AAGUID to name, or to an object with one.
// It needs no network, and leaves the old file alone where the list is no good.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxName bounds a name in bytes: it stands in a table and in mails.
	maxName = 64
	// fewest is less than any list ever had. The community's will be emptied
	// when it is given up, and must not take our names along.
	fewest = 40
	none   = "00000000-0000-0000-0000-000000000000"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "refresh:", err)
		os.Exit(1)
	}
}

func run(args []string, said io.Writer) error {
	if len(args) != 2 {
		return errors.New("write: refresh LIST.json NAMES.json")
	}
	list, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("reading the list: %w", err)
	}
	names, err := read(list, said)
	if err != nil {
		return fmt.Errorf("reading %s: %w", args[0], err)
	}
	if len(names) < fewest {
		return fmt.Errorf("%s has %d names; that is no list of providers", args[0], len(names))
	}
	if err := os.WriteFile(args[1], write(names), 0o644); err != nil { //nolint:gosec // a source file, for everybody to read
		return fmt.Errorf("writing the names: %w", err)
	}
	fmt.Fprintf(said, "%d names\n", len(names))
	return nil
}

// read takes the names out of a list, and says which it leaves out.
func read(list []byte, said io.Writer) (map[string]string, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(list, &entries); err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		var name string
		if json.Unmarshal(entries[id], &name) != nil {
			var entry struct {
				Name string `json:"name"`
			}
			if err := json.Unmarshal(entries[id], &entry); err != nil {
				return nil, fmt.Errorf("entry %q: %w", id, err)
			}
			name = entry.Name
		}
		name = short(strings.Join(strings.Fields(name), " "))
		if id = strings.ToLower(id); !uuid.MatchString(id) || id == none || !fit(name) {
			fmt.Fprintf(said, "left out: %q %q\n", id, name)
			continue
		}
		names[id] = name
	}
	return names, nil
}

// short drops what a long name explains behind a colon or in brackets.
func short(name string) string {
	for _, mark := range []string{" (", ": "} {
		if i := strings.LastIndex(name, mark); i > 0 && len(name) > maxName {
			name = name[:i]
		}
	}
	return name
}

// fit refuses what could pose as something else in a page or a mail (EM-8).
func fit(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsAny(name, "<>@\\") && !strings.Contains(name, "://") &&
		!strings.Contains(strings.ToLower(name), "www.") &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// write is a JSON object with one entry a line, so that a refresh can be read
// as a difference.
func write(names map[string]string) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, id := range slices.Sorted(maps.Keys(names)) {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(names[id]) // a string always can be
		fmt.Fprintf(&b, "\n%q:%s", id, name)
	}
	b.WriteString("\n}\n")
	return b.Bytes()
}
