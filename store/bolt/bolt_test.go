package bolt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

func open(t *testing.T) store.Store { return bolttest.Open(t) }

func TestConformance(t *testing.T) { storetest.Run(t, open) }

func TestConformance_ClosuresRunTwice(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return storetest.Faulty(open(t), storetest.Faults{OnUpdate: storetest.Always(storetest.RunTwice)})
	})
}

func TestDurable(t *testing.T) {
	storetest.RunDurable(t, storetest.Durable{
		Open: open,
		Reopen: func(t *testing.T, s store.Store) store.Store {
			return bolttest.OpenAt(t, s.(*bolt.DB).Path())
		},
		Restore: func(t *testing.T, snapshot []byte) store.Store {
			path := filepath.Join(privateDir(t), "restored.db")
			if err := os.WriteFile(path, snapshot, 0o600); err != nil {
				t.Fatal(err)
			}
			return bolttest.OpenAt(t, path)
		},
	})
}

// privateDir is a directory that the store accepts under any umask.
func privateDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
