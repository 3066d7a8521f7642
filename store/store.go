// Package store defines what passwordless-auth keeps and how it is reached:
// the records, the transaction interfaces that callers use, and the errors
// every backend answers with. It holds no policy, reads no clock (times are
// passed in), writes no log and knows no backend.
//
// Backends live below (bolt, postgres) and prove themselves with the one
// conformance suite in storetest.
package store

import (
	"context"
	"errors"
	"io"
)

// Errors every backend returns, wrapped with context. Compare with errors.Is.
var (
	// ErrNotFound: no record under that key. A missing record is never a
	// zero value.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a unique value (e-mail, user name, WebAuthn handle,
	// credential id, record id) is taken by another record.
	ErrConflict = errors.New("already taken")
	// ErrTooLarge: a key or value exceeds MaxKey or MaxValue.
	ErrTooLarge = errors.New("too large")
	// ErrLocked: another process has the database open.
	ErrLocked = errors.New("the database is in use by another process")
	// ErrSchema: the database was written by a newer version.
	ErrSchema = errors.New("the database has a newer schema")
	// ErrReadOnly: a write was tried inside View.
	ErrReadOnly = errors.New("read-only transaction")
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("the store is closed")
)

// Limits that hold for every backend.
const (
	// MaxKey bounds every key in bytes. A WebAuthn credential id may have
	// 1023 bytes (WebAuthn L3 §7.1 step 25); index keys append to it.
	MaxKey = 1024
	// MaxValue bounds one encoded record in bytes.
	MaxValue = 256 << 10
)

// Store is an open database. All methods are safe for concurrent use.
type Store interface {
	// View runs fn in a consistent read-only snapshot. It returns fn's error.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn in a read-write transaction, serialised with all other
	// updates, and returns when its changes are durable. If fn returns an
	// error nothing of it is kept and Update returns that error.
	//
	// fn may run more than once before it counts, so it has no effect outside
	// tx: it resets whatever it captured on its first line. Concurrent calls
	// may share one durable commit. fn does not call the Store itself: it would
	// wait for its own end.
	//
	// A ctx that ends while the call waits returns ctx's error, and fn has not
	// run; once fn runs Update waits and returns the outcome. A panic in fn
	// keeps nothing and disturbs no other call. Any other error comes from the
	// disk or the server: then the changes are not acknowledged, and only a
	// fault at the very end of the commit may have kept them.
	Update(ctx context.Context, fn func(Tx) error) error

	// Snapshot writes a consistent copy of the whole database to w while
	// others go on.
	Snapshot(ctx context.Context, w io.Writer) error

	// Close waits for running transactions and releases the database; from
	// then on everything returns ErrClosed, but closing again is no error.
	// Everything Update has acknowledged is durable before Close is called.
	Close() error
}

// Tx is one transaction. It is valid only inside the closure that received it
// and is not safe for concurrent use. Records that it returns are the
// caller's own copies and stay valid after the transaction; so are arguments
// the caller's own as soon as a method returns.
//
// Times keep their nanoseconds and come back in UTC. Lists have no more than
// limit records; a limit of 0 or less is an empty list. Ids, and strings that
// are looked up, are valid UTF-8; an empty id or key is refused. A method that
// returns an error has changed nothing.
type Tx interface {
	Users
	UserIndex
	Names
	Passkeys
	Sessions
	SessionIndex
	Tokens
	Takes
	Counters
	Outbox
	Audit
	Keys
	Meta
}
