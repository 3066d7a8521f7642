package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/passwordless-auth/passwordless-auth/store"
)

var errForeign = errors.New("this is not a database of passwordless-auth")

const (
	// mapSize is the address space reserved for the file. bbolt can move its
	// map only while nobody reads, so a long Snapshot would stop every writer
	// and then every reader whenever the file outgrows the map. Reserving
	// costs no memory.
	mapSize = 16 << 30
	// minSize is that of two meta pages, the least a database has on any
	// machine we run on.
	minSize = 8 << 10
	// growBy is how much the file grows when it is full.
	growBy = 1 << 20
)

// Open opens or creates the database file at path, in a directory that it
// creates where missing. The directory and the file must not be open to other
// users (ST-1).
func Open(path string, opts Options) (*DB, error) {
	db, err := open(path, opts)
	if err != nil {
		return nil, fmt.Errorf("opening database %s: %w", path, explain(err))
	}
	return db, nil
}

func open(path string, opts Options) (*DB, error) {
	db := &DB{path: path, guard: &guard{log: opts.Logger}}
	if opts.Logger == nil {
		db.guard.log = slog.New(slog.DiscardHandler)
	}
	if opts.LockTimeout <= 0 {
		opts.LockTimeout = time.Second
	}
	if err := db.prepareDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	err := db.guard.contain(func() error {
		if err := db.openBolt(opts.LockTimeout); err != nil {
			return err
		}
		return db.inspect()
	})
	if err != nil {
		db.abandon(err)
		return nil, err
	}
	db.commits = newCommitter(db.bolt, db.guard)
	return db, nil
}

// abandon releases what a failed open holds. After a panic bbolt may hold its
// own locks for good, so then only the file is unlocked and closed.
func (db *DB) abandon(err error) {
	switch {
	case db.bolt != nil && !errors.Is(err, errPanic):
		_ = db.bolt.Close()
	case db.file != nil:
		_ = errors.Join(unlock(db.file), db.file.Close())
	}
}

func (db *DB) openBolt(timeout time.Duration) (err error) {
	size := 0
	if strconv.IntSize == 64 && runtime.GOOS != "windows" { // where the map would be the file's size
		size = mapSize
	}
	db.bolt, err = bbolt.Open(db.path, 0o600, &bbolt.Options{
		Timeout:         timeout,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: size,
		OpenFile:        db.openFile,
		NoStatistics:    true,
	})
	if err == nil {
		db.bolt.AllocSize = growBy
	}
	return err
}

// openFile looks at the very file that is opened, before anything is read or
// written.
func (db *DB) openFile(path string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("this is not a regular file; name a file")
	}
	if err == nil && info.Size() > 0 && info.Size() < minSize {
		err = errForeign
	}
	if err == nil {
		err = db.checkMode(path, info.Mode(), 0o006, 0o060, "rw")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	db.file = f
	return f, nil
}

func (db *DB) prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("creating its directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return db.checkMode(dir, info.Mode(), 0o002, 0o020, "w")
}

// checkMode refuses bits that let other users in and reports those of the
// group, which container volumes often have (ST-1). Windows has no such bits.
func (db *DB) checkMode(path string, mode fs.FileMode, refuse, warn fs.FileMode, bits string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	if mode.Perm()&refuse != 0 {
		return fmt.Errorf("%s has mode %04o, so other users of this machine can reach it; run: chmod o-%s %s", path, mode.Perm(), bits, path)
	}
	if mode.Perm()&warn != 0 {
		db.guard.log.Warn("the group can reach the database; unless that is wanted, run: chmod g-"+bits+" "+path,
			"path", path, "mode", fmt.Sprintf("%04o", mode.Perm()))
	}
	return nil
}

// inspect looks for damage that can be seen without reading everything, and
// brings the schema up to date.
func (db *DB) inspect() error {
	if err := db.bolt.View(db.checkSize); err != nil {
		return err
	}
	if err := migrate(db.bolt); err != nil {
		return err
	}
	return db.bolt.View(func(btx *bbolt.Tx) error {
		t := &tx{bolt: btx}
		for _, name := range buckets() {
			b, err := t.bucket(name)
			if err != nil {
				return err
			}
			c := b.Cursor() // its outermost pages
			c.First()
			c.Last()
		}
		return nil
	})
}

func (db *DB) checkSize(btx *bbolt.Tx) error {
	info, err := db.file.Stat()
	if err == nil && info.Size() < btx.Size() {
		err = fmt.Errorf("%w: it has been cut off at %d of %d bytes", errDamaged, info.Size(), btx.Size())
	}
	return err
}

// explain says what to do about an error of Open.
func explain(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w; stop that process first", store.ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, errForeign):
		return fmt.Errorf("%w; name another file", errForeign)
	case errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, errPanic):
		return fmt.Errorf("%w (%w); restore a backup", errDamaged, err)
	case errors.Is(err, errDamaged):
		return fmt.Errorf("%w; restore a backup", err)
	}
	return err
}
