package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Grouped commits. Durability costs one flush per commit, so callers of Update
// queue and the committer takes all who wait into one bbolt transaction:
//
//	Update    queues its call and waits
//	committer opens a transaction and lends it to the calls, one after another
//	call      runs its closure, in its caller's goroutine, and gives it back
//	committer commits once and tells everybody the outcome
//
// bbolt has no savepoints. When a closure fails after it wrote, the whole
// transaction is rolled back; the calls before it run again and are committed
// without it, then it is the first of the next transaction. A closure that
// fails as the first has seen nothing but committed data, so its error is
// final. One that fails without having written leaves nothing to undo: it stays
// in the group, and hears its error when the group is committed, since what it
// saw may have been the work of others in it.

// maxGroup bounds how much is run again when a closure fails.
const maxGroup = 256

// call is one Update in the queue.
type call struct {
	turn chan *bbolt.Tx // lends the transaction to the call
	back chan ran       // gives it back
	done chan error     // the outcome; buffered, for a caller who is gone
	ran  ran
}

// ran is what came of one run of a closure.
type ran struct {
	err   error
	wrote bool
	gone  bool // the caller's goroutine ended inside the closure
}

// committer is the queue and the goroutine that serves it.
type committer struct {
	bolt  *bbolt.DB
	guard *guard
	idle  chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	wake   sync.Cond // queue or closed has changed
	queue  []*call
	closed bool
}

func newCommitter(db *bbolt.DB, g *guard) *committer {
	c := &committer{bolt: db, guard: g, idle: make(chan struct{})}
	c.wake.L = &c.mu
	go c.serve()
	return c
}

// update queues fn and waits for its outcome.
func (c *committer) update(ctx context.Context, fn func(store.Tx) error) error {
	call := &call{turn: make(chan *bbolt.Tx), back: make(chan ran), done: make(chan error, 1)}
	if err := c.enqueue(call); err != nil {
		return err
	}
	cancelled := ctx.Done()
	for {
		select {
		case <-cancelled:
			if c.withdraw(call) {
				return ctx.Err()
			}
			cancelled = nil // too late: what happens to it is what it returns
		case btx := <-call.turn:
			call.run(btx, func(t *tx) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return c.guard.contain(func() error { return fn(t) })
			})
		case err := <-call.done:
			return err
		}
	}
}

func (c *committer) enqueue(call *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return store.ErrClosed
	}
	c.queue = append(c.queue, call)
	c.wake.Signal()
	return nil
}

// withdraw takes the call out of the queue, if it is still there.
func (c *committer) withdraw(call *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.queue, call)
	if i < 0 {
		return false
	}
	c.queue = slices.Delete(c.queue, i, i+1)
	return true
}

// run runs the closure in the transaction and gives it back, whatever happens.
func (call *call) run(btx *bbolt.Tx, fn func(*tx) error) {
	t := &tx{bolt: btx}
	result := ran{gone: true, err: errGone}
	defer func() {
		result.wrote = t.wrote
		t.over()
		call.back <- result
	}()
	result.err = fn(t)
	result.gone = false
}

var errGone = errors.New("the goroutine ended inside the closure")

// close waits until all that is queued is done.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.wake.Signal()
	c.mu.Unlock()
	<-c.idle
}

func (c *committer) serve() {
	defer close(c.idle)
	for group := c.next(); group != nil; group = c.next() {
		for len(group) > 0 {
			group = group[c.attempt(group):]
		}
	}
}

// next waits for calls and takes them all; nil when closed and nothing is left.
func (c *committer) next() []*call {
	// Callers woken by the last commit come back now and share the next.
	runtime.Gosched()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		if c.closed {
			return nil
		}
		c.wake.Wait()
	}
	n := min(len(c.queue), maxGroup)
	group := slices.Clone(c.queue[:n])
	c.queue = slices.Delete(c.queue, 0, n)
	return group
}

// Reasons to roll back that are no fault of the disk.
var (
	errUndo    = errors.New("undo")
	errNothing = errors.New("nothing to commit")
)

// attempt runs the group in one transaction and answers how many of its first
// calls have got their outcome: at least one.
func (c *committer) attempt(group []*call) int {
	failed := -1
	run := func(btx *bbolt.Tx) error {
		wrote := false
		for i, call := range group {
			call.lend(btx)
			if call.ran.err != nil && call.ran.wrote {
				failed = i
				return errUndo
			}
			wrote = wrote || call.ran.wrote
		}
		if !wrote {
			return errNothing
		}
		return nil
	}
	err := c.guard.call(func() error { return c.bolt.Update(run) })
	if broken := c.guard.failed(); err != nil && broken != nil {
		return settle(group, broken)
	}
	switch {
	case failed > 0:
		return c.attempt(group[:failed])
	case failed == 0:
		return settle(group[:1], nil)
	case errors.Is(err, errNothing):
		return settle(group, nil)
	case err != nil:
		// ST-4: nobody of the group is acknowledged; bbolt rolled back.
		return settle(group, fmt.Errorf("committing: %w", err))
	}
	return settle(group, nil)
}

// lend lets the call run in the transaction. A caller who is gone cannot: its
// error stands.
func (call *call) lend(btx *bbolt.Tx) {
	if call.ran.gone {
		call.ran.wrote = false
		return
	}
	call.turn <- btx
	call.ran = <-call.back
}

// settle tells the calls their outcome: err for all, or each its own.
func settle(group []*call, err error) int {
	for _, call := range group {
		if err != nil {
			call.done <- err
		} else {
			call.done <- call.ran.err
		}
	}
	return len(group)
}
