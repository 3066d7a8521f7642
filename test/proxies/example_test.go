package proxies

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// swap replaces what a user would: a host name, an address, a port, a path.
type swap struct{ old, here string }

// names are the host names in every example, and those of the tests. The last
// one shares no registrable domain with the others.
var names = []swap{
	{"auth.example.com", authHost},
	{"app.example.com", appHost},
	{"wiki.example.com", wikiHost},
}

// readExample is a file of an example as it stands.
func readExample(t *testing.T, folder, file string) string {
	t.Helper()
	return readFile(t, filepath.Join(harness.Root(t), "examples", folder), file)
}

// readFile is a file that was written.
func readFile(t *testing.T, dir, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// copyExample copies a file of an example into dir with the swaps made, and
// nothing else. Each must find what it replaces: then what runs here is the
// file that a user reads.
func copyExample(t *testing.T, folder, file, dir string, swaps ...swap) string {
	t.Helper()
	return copyText(t, folder, file, readExample(t, folder, file), dir, swaps...)
}

// copyExample is the same, with what this stage gets wrong on purpose.
func (s *stage) copyExample(t *testing.T, folder, file, dir string, swaps ...swap) string {
	t.Helper()
	text := readExample(t, folder, file)
	for _, m := range s.mistakes {
		if m.file == folder+"/"+file {
			if !strings.Contains(text, m.right) {
				t.Fatalf("examples/%s has no %q to get wrong", m.file, m.right)
			}
			text = strings.Replace(text, m.right, m.wrong, 1)
		}
	}
	return copyText(t, folder, file, text, dir, swaps...)
}

func copyText(t *testing.T, folder, file, text, dir string, swaps ...swap) string {
	t.Helper()
	var pairs []string
	for _, s := range swaps {
		if !strings.Contains(text, s.old) {
			t.Fatalf("examples/%s/%s has no %q to replace", folder, file, s.old)
		}
		pairs = append(pairs, s.old, s.here)
	}
	return harness.WriteFile(t, dir, filepath.Base(file), strings.NewReplacer(pairs...).Replace(text))
}

// namesIn are the names that stand in the text.
func namesIn(text string) []swap {
	var found []swap
	for _, n := range names {
		if strings.Contains(text, n.old) {
			found = append(found, n)
		}
	}
	return found
}

// and joins lists of swaps.
func and(lists ...[]swap) []swap {
	var all []swap
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
