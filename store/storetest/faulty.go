package storetest

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Fault is what happens to one Update.
type Fault int

// Faults of an Update.
const (
	None        Fault = iota
	FailBefore        // the closure never runs; ErrInjected
	FailAfter         // the closure runs and nothing of it is kept; ErrInjected
	RunTwice          // the closure runs, loses a race, and runs again: the second run is kept
	CrashBefore       // the process dies before the commit: nothing is kept; ErrCrash
	CrashAfter        // the process dies after the commit: all is kept and nobody told; ErrCrash
)

// Errors of injected faults.
var (
	ErrInjected = errors.New("injected fault")
	ErrCrash    = errors.New("injected crash")
)

// Faults says when which fault happens. The zero value injects none.
type Faults struct {
	// OnUpdate chooses what happens to the nth Update, counted from 1.
	OnUpdate func(n int) Fault
	// OnView is asked before the nth View, counted from 1; its error is
	// returned in place of running the closure.
	OnView func(n int) error
	// Between is called on the store beneath between the two runs of
	// RunTwice: what wins the race.
	Between func(store.Store)
	// Hold is called before every View and Update; it may block. Its error,
	// for instance that of ctx, is returned in place of running the closure.
	Hold func(ctx context.Context) error
}

// Always injects the fault into every Update.
func Always(f Fault) func(int) Fault { return func(int) Fault { return f } }

// At injects the fault into the nth Update, counted from 1.
func At(n int, f Fault) func(int) Fault {
	return func(i int) Fault {
		if i == n {
			return f
		}
		return None
	}
}

// Faulty is s with faults. Snapshot and Close are passed on.
func Faulty(s store.Store, faults Faults) store.Store {
	return &faulty{beneath: s, faults: faults}
}

type faulty struct {
	beneath        store.Store
	faults         Faults
	updates, views atomic.Int64
}

var _ store.Store = (*faulty)(nil)

var errRollback = errors.New("roll back")

func (f *faulty) hold(ctx context.Context) error {
	if f.faults.Hold == nil {
		return nil
	}
	return f.faults.Hold(ctx)
}

func (f *faulty) View(ctx context.Context, fn func(store.Tx) error) error {
	n := int(f.views.Add(1))
	if err := f.hold(ctx); err != nil {
		return err
	}
	if f.faults.OnView != nil {
		if err := f.faults.OnView(n); err != nil {
			return err
		}
	}
	return f.beneath.View(ctx, fn)
}

func (f *faulty) Update(ctx context.Context, fn func(store.Tx) error) error {
	n := int(f.updates.Add(1))
	if err := f.hold(ctx); err != nil {
		return err
	}
	fault := None
	if f.faults.OnUpdate != nil {
		fault = f.faults.OnUpdate(n)
	}
	switch fault {
	case FailBefore:
		return ErrInjected
	case FailAfter:
		return f.undone(ctx, fn, ErrInjected)
	case CrashBefore:
		return f.undone(ctx, fn, ErrCrash)
	case CrashAfter:
		if err := f.beneath.Update(ctx, fn); err != nil {
			return err
		}
		return ErrCrash
	case RunTwice:
		_ = f.undone(ctx, fn, errRollback) // only the second run counts
		if f.faults.Between != nil {
			f.faults.Between(f.beneath)
		}
	}
	return f.beneath.Update(ctx, fn)
}

// undone runs fn, keeps nothing, and returns fn's error or else the given one.
func (f *faulty) undone(ctx context.Context, fn func(store.Tx) error, instead error) error {
	return f.beneath.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return instead
	})
}

func (f *faulty) Snapshot(ctx context.Context, w io.Writer) error { return f.beneath.Snapshot(ctx, w) }

func (f *faulty) Close() error { return f.beneath.Close() }
