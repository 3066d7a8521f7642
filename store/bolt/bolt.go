// Package bolt keeps the store in one file of go.etcd.io/bbolt: nothing to
// install, one process at a time.
//
// Records are JSON in a bucket per kind; unique values, lists and expiry are
// buckets of index keys; totals are counted in the transaction that changes
// them. Everything that leaves a transaction is a decoded copy, never memory
// of the file's map. Concurrent updates share one durable commit (commit.go).
package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Options adjust Open. The zero value is good.
type Options struct {
	// LockTimeout is how long to wait for another process that holds the
	// file; zero means one second. A reload shares the open store instead.
	LockTimeout time.Duration
	// Logger hears of permissions that are wider than need be, and of panics
	// with their stack; nil discards.
	Logger *slog.Logger
}

// DB is an open database file. It implements store.Store.
type DB struct {
	path    string
	file    *os.File // the one that bbolt opened
	bolt    *bbolt.DB
	guard   *guard
	commits *committer

	closing  sync.Once
	closeErr error
}

var _ store.Store = (*DB)(nil)

// Path is the file's path as it was given to Open.
func (db *DB) Path() string { return db.path }

// View runs fn in a consistent read-only snapshot. A panic in fn is returned
// as an error.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.read(func(btx *bbolt.Tx) error {
		t := &tx{bolt: btx}
		defer t.over()
		return db.guard.contain(func() error { return fn(t) })
	})
}

// read is bbolt's View with our errors.
func (db *DB) read(fn func(*bbolt.Tx) error) error {
	err := db.guard.call(func() error { return db.bolt.View(fn) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}

// Update runs fn together with other updates that wait, in one durable commit.
// fn runs in the caller's goroutine. A panic in it is returned as an error to
// its caller alone, and so is that of a context that ends before fn has run;
// once fn runs, Update returns what became of it.
func (db *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.commits.update(ctx, fn)
}

// Snapshot writes a consistent copy of the file to w, itself a database file.
func (db *DB) Snapshot(ctx context.Context, w io.Writer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := db.read(func(btx *bbolt.Tx) error {
		_, err := btx.WriteTo(contextWriter{ctx, w})
		return err
	})
	if err != nil {
		return fmt.Errorf("writing snapshot: %w", err)
	}
	return nil
}

// contextWriter stops a copy when its context ends.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// Close commits what is queued, waits for running transactions and releases
// the file. Closing again returns the same.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.commits.close()
		if db.guard.failed() != nil {
			// bbolt may hold its own locks for good; give back the file's.
			db.closeErr = errors.Join(unlock(db.file), db.file.Close())
			return
		}
		db.closeErr = db.bolt.Close()
	})
	return db.closeErr
}
