package bolt

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
)

var (
	errPanic   = errors.New("panic in a transaction")
	errDamaged = errors.New("the database is damaged")
)

// guard keeps panics from ending the process (DS-4, ST-4): closures may have
// bugs, damaged pages make bbolt panic, and reading past the end of a file
// that was cut off makes the memory map fault.
type guard struct {
	log    *slog.Logger
	broken atomic.Pointer[error]
}

// contain turns a panic of fn into an error.
func (g *guard) contain(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			g.log.Error("panic in a transaction", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", errPanic, v)
		}
	}()
	return fn()
}

// call runs fn, which calls bbolt and contains its own closures. If bbolt
// panics it may hold its locks for good, so nothing is called any more.
func (g *guard) call(fn func() error) error {
	if err := g.failed(); err != nil {
		return err
	}
	var err error
	if panicked := g.contain(func() error { err = fn(); return nil }); panicked != nil {
		err = fmt.Errorf("%w: %w", errDamaged, panicked)
		g.broken.CompareAndSwap(nil, &err)
	}
	return err
}

// failed returns the error that broke the store, or nil.
func (g *guard) failed() error {
	if err := g.broken.Load(); err != nil {
		return *err
	}
	return nil
}
