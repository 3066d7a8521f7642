package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// smallDisk mounts 2 MiB of tmpfs. Without the right to mount, the test is run
// again in a user namespace of its own, and smallDisk answers "".
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := private(t)
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=0700")
	if err == nil {
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		return dir
	}
	const inside = "BOLT_TEST_NAMESPACE"
	if os.Getenv(inside) == "" {
		cmd := exec.Command("unshare", "-rm", os.Args[0], "-test.v", "-test.count=1", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), inside+"=1")
		var out []byte
		if out, err = cmd.CombinedOutput(); err == nil && bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
			return ""
		}
		err = fmt.Errorf("%w\n%s", err, out)
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("mounting a small disk: %v", err)
	}
	t.Skipf("this machine allows no small disk: %v", err)
	return ""
}

func TestDiskFull_ST4_FailsClosedAndRecovers(t *testing.T) {
	dir := smallDisk(t)
	if dir == "" {
		return // passed in the namespace
	}
	path := filepath.Join(dir, "auth.db")
	db := mustOpen(t, path)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 600<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error { return putBig(tx, 0, 100) }); err != nil {
		t.Fatal(err)
	}

	acknowledged := fillDisk(t, db)
	allFail(t, db)
	err := db.View(t.Context(), func(tx store.Tx) error {
		var got []byte
		return tx.Peek(store.KindFlow, key(0), &got)
	})
	if err != nil {
		t.Errorf("reading on a full disk: %v", err)
	}
	if err := errors.Join(db.Snapshot(t.Context(), io.Discard), db.Check(t.Context())); err != nil {
		t.Errorf("on a full disk: %v", err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error { return putBig(tx, 1000, 60<<10) }); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, path)
	err = again.View(t.Context(), func(tx store.Tx) error {
		var got []byte
		for n := range acknowledged {
			if err := tx.Peek(store.KindFlow, key(n), &got); err != nil {
				return fmt.Errorf("record %d was acknowledged: %w", n, err)
			}
		}
		n, err := tx.CountTakes(store.KindFlow)
		if want := int64(acknowledged) + 1; n != want {
			t.Errorf("%d records, want %d", n, want)
		}
		return err
	})
	if err := errors.Join(err, again.Check(t.Context())); err != nil {
		t.Error(err)
	}
}

func putBig(tx store.Tx, n uint64, size int) error {
	return tx.Put(store.KindFlow, key(n), make([]byte, size), time.Unix(1<<40, 0))
}

// fillDisk writes until the disk is full and answers how many records were
// acknowledged, from 0 on.
func fillDisk(t *testing.T, db *DB) uint64 {
	t.Helper()
	for n := uint64(1); n < 1000; n++ {
		err := db.Update(t.Context(), func(tx store.Tx) error { return putBig(tx, n, 30<<10) })
		if err == nil {
			continue
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("unclear error: %v", err)
		}
		return n
	}
	t.Fatal("the disk never was full")
	return 0
}

// allFail makes a group of updates of which none finds room.
func allFail(t *testing.T, db *DB) {
	t.Helper()
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = db.Update(t.Context(), func(tx store.Tx) error { return putBig(tx, uint64(2000+i), 150<<10) })
		})
	}
	wg.Wait()
	for _, err := range errs {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("on a full disk: got %v", err)
		}
	}
}
