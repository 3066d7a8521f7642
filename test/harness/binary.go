package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// build is the binary of this test run: built once, by the first test that
// asks, into a folder that Main removes.
var build struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// Main is the TestMain of packages that use Binary: func TestMain(m *testing.M) { harness.Main(m) }.
func Main(m *testing.M) {
	code := m.Run()
	if build.dir != "" {
		_ = os.RemoveAll(build.dir)
	}
	os.Exit(code)
}

// Binary returns the path of passwordless-auth, built once per test run. The
// build takes its flags from GOFLAGS, as the Makefile does, so it shares the
// build cache with the tests and the release.
func Binary(t testing.TB) string {
	t.Helper()
	root := Root(t)
	build.once.Do(func() {
		if build.dir, build.err = os.MkdirTemp("", "pa-bin"); build.err != nil {
			return
		}
		build.path = filepath.Join(build.dir, "passwordless-auth")
		cmd := exec.Command("go", "build", "-o", build.path, "./cmd/passwordless-auth")
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatalf("building the binary: %v", build.err)
	}
	return build.path
}
