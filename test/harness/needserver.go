package harness

import (
	"os/exec"
	"testing"
)

// needServer is Need for a program that Debian keeps off an ordinary user's
// PATH, in /usr/sbin.
func needServer(t testing.TB, program string) string {
	t.Helper()
	if path, err := exec.LookPath("/usr/sbin/" + program); err == nil {
		return path
	}
	return Need(t, program)
}
