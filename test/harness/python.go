package harness

import (
	"os/exec"
	"strings"
	"testing"
)

// NeedPython returns a Python that has the modules: the first in PATH may be a
// developer's own, without what Debian's packages install.
func NeedPython(t testing.TB, modules ...string) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if path, err := exec.LookPath(python); err == nil && exec.Command(path, "-c", "import "+strings.Join(modules, ", ")).Run() == nil {
			return path
		}
	}
	missing(t, "Python with "+strings.Join(modules, ", "))
	return ""
}
