package harness

import (
	"strings"
	"testing"
)

// StartHAProxy runs HAProxy in the foreground on the haproxy.cfg in dir and
// waits until it listens at the address. A warning about the file fails the test.
func StartHAProxy(t testing.TB, dir, address string) *Process {
	t.Helper()
	haproxy := needServer(t, "haproxy")
	if check := Exec(t, dir, nil, haproxy, "-c", "-f", "haproxy.cfg"); check.Code != 0 || strings.Contains(check.Stderr, "WARNING") {
		t.Fatalf("haproxy -c, code %d:\n%s", check.Code, check.Stderr)
	}
	p := Start(t, dir, nil, haproxy, "-db", "-f", "haproxy.cfg")
	t.Cleanup(p.Kill) // it ends on a signal by that signal, which Stop would call a failure
	p.WaitListening(address)
	return p
}
