package bolt

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// private is a directory that the store accepts under any umask.
func private(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustOpen(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// refusedOpen demands an error that names the file, and that the file can be
// opened again in this process.
func refusedOpen(t *testing.T, path string) error {
	t.Helper()
	db, err := Open(path, Options{})
	if err == nil {
		_ = db.Close()
		t.Fatalf("opened %s", path)
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("error does not name the file: %v", err)
	}
	return err
}

func TestOpen_ST1_CreatesForTheOwnerAlone(t *testing.T) {
	dir := filepath.Join(private(t), "a", "b")
	path := filepath.Join(dir, "auth.db")
	mustOpen(t, path)
	for name, want := range map[string]fs.FileMode{path: 0o600, dir: 0o700, filepath.Dir(dir): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", name, got, want)
		}
	}
}

func TestOpen_ST1_RefusesWhatOthersCanReach(t *testing.T) {
	for _, c := range []struct {
		name      string
		file, dir fs.FileMode
		hint      string
	}{
		{"file readable", 0o604, 0o700, "chmod o-rw"},
		{"file writable", 0o602, 0o700, "chmod o-rw"},
		{"directory writable", 0o600, 0o702, "chmod o-w"},
		{"directory like /tmp", 0o600, 0o777 | fs.ModeSticky, "chmod o-w"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := private(t)
			path := filepath.Join(dir, "auth.db")
			if err := mustOpen(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Chmod(path, c.file), os.Chmod(dir, c.dir)); err != nil {
				t.Fatal(err)
			}
			if err := refusedOpen(t, path); !strings.Contains(err.Error(), c.hint) {
				t.Errorf("error does not say %q: %v", c.hint, err)
			}
			if err := errors.Join(os.Chmod(path, 0o600), os.Chmod(dir, 0o755)); err != nil {
				t.Fatal(err)
			}
			mustOpen(t, path)
		})
	}
}

func TestOpen_ST1_WarnsOfTheGroup(t *testing.T) {
	dir := private(t)
	path := filepath.Join(dir, "auth.db")
	if err := mustOpen(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(path, 0o640), os.Chmod(dir, 0o770)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	db, err := Open(path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, want := range []string{"chmod g-rw " + path, "chmod g-w " + dir} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no warning %q in:\n%s", want, log.String())
		}
	}
}

func TestOpen_ST5_SecondOpenFailsFast(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	mustOpen(t, path)
	if err := refusedOpen(t, path); !errors.Is(err, store.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}

func TestOpen_RefusesWhatIsNoDatabase(t *testing.T) {
	dir := private(t)
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign.db")
	other, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = other.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("key")); return err })
	if err := errors.Join(err, other.Close()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		write("short", []byte("hello")),
		write("page", bytes.Repeat([]byte("hello\n"), 900)),
		write("long", bytes.Repeat([]byte("hello\n"), 1<<16)),
		write("zeros", make([]byte, 1<<16)),
		foreign,
	} {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := refusedOpen(t, path); !errors.Is(err, errForeign) {
			t.Errorf("got %v, want %v", err, errForeign)
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s was changed (%v)", path, err)
		}
	}
	sub := filepath.Join(dir, "directory")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := refusedOpen(t, sub); !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	if err := refusedOpen(t, filepath.Join(write("file", nil), "auth.db")); !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file as directory: %v", err)
	}
}

func TestOpen_EmptyFileIsNew(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, path).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpen_RefusesNewerSchema(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	db := mustOpen(t, path)
	err := db.Update(t.Context(), func(tx store.Tx) error { return tx.SetMeta(store.MetaSchema, []byte("7")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	err = refusedOpen(t, path)
	if !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "version 7") || !strings.Contains(err.Error(), "up to 3") {
		t.Errorf("got %v", err)
	}
}

func TestOpen_ContinuesAnInterruptedCreation(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	raw, err := bbolt.Open(path, 0o600, nil) // killed before the first transaction
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, path).Check(t.Context()); err != nil {
		t.Error(err)
	}
}
