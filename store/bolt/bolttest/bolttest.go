// Package bolttest opens real stores for tests of packages above the store.
package bolttest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

// Open returns a new, empty store in a directory of its own. When the test
// ends the file is closed, opened again and checked: pages, indexes, counts.
func Open(t testing.TB) *bolt.DB {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return OpenAt(t, filepath.Join(dir, "auth.db"))
}

// OpenAt is Open for a file that may exist.
func OpenAt(t testing.TB, path string) *bolt.DB {
	t.Helper()
	db := open(t, path)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		again := open(t, path)
		if err := again.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := again.Close(); err != nil {
			t.Errorf("closing after the check: %v", err)
		}
	})
	return db
}

func open(t testing.TB, path string) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}
