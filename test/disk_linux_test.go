package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// A full disk lets nobody new in, keeps those who are in, and is forgotten
// once there is room (ST-4).
func TestTrouble_FullDiskFailsClosedAndRecovers(t *testing.T) {
	disk := smallDisk(t)
	w := startWorld(t, worldOptions{globals: "database " + filepath.Join(disk, "auth.db") + "\n" + portalGlobals})
	in, stranger := w.client(t), w.client(t)
	w.enter(t, in, w.URL(appHost, "/"), "in@example.test")
	page := stranger.Navigate(w.URL(authHost, "/login"))
	target, values := form(t, page, "/login")
	values.Set("email", "stranger@example.test")

	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	var res harness.Response
	for range 300 { // pages that the file has already hold some more
		if res = stranger.Submit(target, values); res.StatusCode != http.StatusSeeOther {
			break
		}
	}
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(res.Body, "Something is wrong on our side") || res.Header.Get("Retry-After") == "" {
		t.Fatalf("on a full disk: %s\n%s", res.Status, res.Body)
	}
	if got := status(in, w.URL(appHost, "/work")); got != http.StatusOK {
		t.Errorf("who is in was put out: status %d", got)
	}
	if !strings.Contains(w.Output(), "no space left") {
		t.Error("the log does not say what is wrong")
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	w.enter(t, w.client(t), w.URL(appHost, "/"), "later@example.test")
	ready := stranger.Request(http.MethodGet, w.URL(authHost, "/readiness"), "")
	if ready.StatusCode != http.StatusOK {
		t.Errorf("readiness afterwards: %s %s", ready.Status, ready.Body)
	}
}

// smallDisk mounts 2 MiB of memory as a disk.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := harness.TempDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mounting a small disk: %v", err)
		}
		t.Skipf("this machine allows no small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill writes a file until there is no room for a byte more.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; size /= 2 {
		for err = nil; err == nil; _, err = f.Write(make([]byte, size)) {
		}
	}
}
