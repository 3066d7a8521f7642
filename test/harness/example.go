package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Example returns a section of Caddyfile.example, "sidecar" or "portal": the
// inside of its global options block, and its sites. Sections that are
// commented out are returned as they would be used.
func Example(t testing.TB, section string) (globals, sites string) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(Root(t), "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(file), "# ---- "+section+":")
	if !found {
		t.Fatalf("Caddyfile.example has no section %s", section)
	}
	text, _, _ = strings.Cut(text, "# ---- ")
	_, text, _ = strings.Cut(text, "\n") // the rest of the section's title

	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# ") {
			continue // prose; code that is commented out follows its # directly
		}
		lines = append(lines, strings.TrimPrefix(line, "#"))
	}
	globals, sites, found = strings.Cut(strings.Join(lines, ""), "\n}\n")
	globals, opened := strings.CutPrefix(globals, "{\n")
	if !found || !opened {
		t.Fatalf("the section %s has no global options block", section)
	}
	return globals, sites
}
