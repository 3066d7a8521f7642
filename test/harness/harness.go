// Package harness starts the real parts that end-to-end tests need and waits
// for them: the built binary, an SMTP server, a browser, upstream apps and an
// HTTP client that reaches *.example.test and *.example.org without DNS.
//
// Every part starts in the foreground on a free loopback port inside its own
// temporary folder, dies with the test process, and is waited for. Nothing
// sleeps: what has to happen is polled with a deadline (Eventually).
package harness

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience bounds every wait. It is generous because two cores may be
// compiling beside the test; nothing waits longer than the thing takes.
const patience = 20 * time.Second

// Root is the folder of go.mod, found upwards from the package under test.
// (The source path in the binary is no help: -trimpath removes it.)
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working folder")
		}
		dir = parent
	}
}

// Need returns the path of an external program. Where it is missing the test
// is skipped on a developer's machine and fails when CI is true: a real part
// that did not run is a claim nobody tested.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program)
	}
	return path
}

// NeedFile is Need for a file below the repository's root.
func NeedFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Root(t), filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		missing(t, name)
	}
	return path
}

func missing(t testing.TB, part string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing; test/setup.sh installs it", part)
	}
	t.Skipf("%s is missing; test/setup.sh says how to install it", part)
}

// TempDir is t.TempDir with a short path: a unix socket's path has at most 107
// bytes (unix(7)), and a long test name uses them up.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pa")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the test's folder: %v", err)
		}
	})
	return dir
}

// WriteFile writes a file below dir, readable by its owner only, and returns its path.
func WriteFile(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// FreePort returns a loopback port nobody listened on a moment ago, for
// servers that must be told their port.
func FreePort(t testing.TB) int {
	t.Helper()
	ln := Listen(t)
	port := ln.Addr().(*net.TCPAddr).Port
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// Listen opens a loopback listener on a port of the system's choice.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// Eventually polls until done returns "", and fails with the last reason it
// gave when patience ends.
func Eventually(t testing.TB, what string, done func() (pending string)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		pending := done()
		if pending == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %s", what, patience, pending)
		}
	}
}
