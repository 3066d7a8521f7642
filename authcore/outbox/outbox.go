// Package outbox delivers queued mail over SMTP, beside the requests and never
// inside one.
//
//	queued ──lease──▶ under way ──accepted──▶ sent
//	  ▲                  │ │
//	  └── failed ◀──4xx, │ └──5xx to this mail, or NotAfter──▶ dead
//	      after 2…60 s   no answer
//
// The queue is the store's: rows are written in the transaction that asked for
// the mail, and a restart finds them. A lease is a row's NextAt moved beyond
// the longest delivery, so each row is under way once, in whatever process. The
// secrets of a row are erased with the same write that makes it sent or dead.
//
// Delivery is at least once. Between the server's acceptance and our commit
// lies a moment; a crash in it delivers the mail again when the lease ends. Both
// copies carry one Message-ID and the same single-use secrets, so the second
// helps nobody and harms nobody.
package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	netmail "net/mail"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

const (
	// defaultParallel is how many deliveries are under way at once: one that
	// hangs holds up nobody (DS-2), and few providers mind four connections.
	defaultParallel = 4
	// pollEvery is how late a mail is when nobody called Kick.
	pollEvery = time.Second
	// leaseSlack is what a lease is longer than a delivery, for the commit.
	leaseSlack = 30 * time.Second
	// drainFor is how long Stop goes on delivering before it interrupts.
	drainFor = 5 * time.Second
	// dropWithin bounds how long a decoy pretends to be under way.
	dropWithin = 5 * time.Second
	// commitFor bounds the write of a result.
	commitFor = 10 * time.Second
)

// Options are what a Worker is made of.
type Options struct {
	Store       store.Store
	OpenSecrets func(*store.Message) (map[string]string, error) // authcore's Runtime.OpenSecrets
	SMTP        SMTP                                            // zero: no mail server
	Templates   string                                          // folder of templates that replace the built-in ones; "" for none
	Parallel    int                                             // deliveries at once; default 4
	Now         func() time.Time                                // the clock
	Rand        io.Reader                                       // randomness for jitter
	Log         *slog.Logger
}

// Worker delivers what is due. Several may share one store, as while a
// configuration is replaced.
type Worker struct {
	o         Options
	from      *netmail.Address
	templates *templates

	wake     chan struct{} // something may be due, or a slot is free
	slots    chan struct{} // one token for each delivery under way
	stopping chan struct{} // closed by Stop
	done     chan struct{} // closed when nothing runs any more
	ctx      context.Context
	abort    context.CancelCauseFunc // interrupts what is under way
	running  sync.WaitGroup
	start    sync.Once
	stop     sync.Once

	took atomic.Int64 // nanoseconds of the last delivery

	mu   sync.Mutex
	last Status
}

// New checks the settings and reads the templates; it starts nothing.
func New(o Options) (*Worker, error) {
	w := &Worker{
		wake:     make(chan struct{}, 1),
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	var err error
	if o.SMTP.configured() {
		if err := o.SMTP.Check(); err != nil {
			return nil, err
		}
		if w.from, err = o.SMTP.sender(); err != nil {
			return nil, err
		}
	}
	if w.templates, err = loadTemplates(o.Templates); err != nil {
		return nil, err
	}
	o.SMTP = o.SMTP.withDefaults()
	o.Parallel = cmp.Or(o.Parallel, defaultParallel)
	w.o, w.slots = o, make(chan struct{}, o.Parallel)
	w.ctx, w.abort = context.WithCancelCause(context.Background())
	return w, nil
}

// Start begins to deliver. Calling it again does nothing.
func (w *Worker) Start() { w.start.Do(func() { go w.run() }) }

// Kick makes the worker look for due mail at once. It never blocks; call it
// after the transaction that queued a mail.
func (w *Worker) Kick() {
	select {
	case w.wake <- struct{}{}:
	default: // a look is ahead already
	}
}

// Stop delivers what is due, for five seconds at most or until ctx ends, puts
// what is still under way back into the queue, and returns when nothing runs
// any more. The error is ctx's. An interrupted mail may have been accepted
// already; see the package's remark on at least once.
func (w *Worker) Stop(ctx context.Context) error {
	w.start.Do(func() { close(w.done) }) // never started: nothing to end
	w.stop.Do(func() { close(w.stopping) })
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		w.abort(errStopped)
		<-w.done
		return ctx.Err()
	}
}

// Status is how delivery has gone since the start. A failure is one that other
// mails would meet too: a recipient that the mail server refuses is none.
type Status struct {
	LastSuccess time.Time // zero: none yet
	LastFailure time.Time // zero: none yet
	LastError   string    // of LastFailure, without secrets
	Depth       int64     // mails that wait or are under way
}

// Failing reports whether the last thing that happened was a failure.
func (s Status) Failing() bool { return s.LastFailure.After(s.LastSuccess) }

// Status is cheap enough for every readiness request.
func (w *Worker) Status(ctx context.Context) (Status, error) {
	w.mu.Lock()
	s := w.last
	w.mu.Unlock()
	err := w.o.Store.View(ctx, func(tx store.Tx) error {
		c, err := tx.Counts()
		s.Depth = c.Queued
		return err
	})
	if err != nil {
		return s, fmt.Errorf("counting queued mail: %w", err)
	}
	return s, nil
}

// run is the one goroutine that leases; deliveries have their own.
func (w *Worker) run() {
	defer close(w.done)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		w.lease()
		select {
		case <-w.stopping:
			w.drain()
			return
		case <-w.wake:
		case <-tick.C:
		}
	}
}

// drain goes on until nothing is due and nothing under way, or the time is up.
func (w *Worker) drain() {
	defer w.running.Wait()
	defer w.abort(errStopped)
	end := time.NewTimer(drainFor)
	defer end.Stop()
	for {
		w.lease()
		if len(w.slots) == 0 {
			return
		}
		select {
		case <-w.wake: // also sent by each delivery that ends
		case <-end.C:
			return
		case <-w.ctx.Done():
			return
		}
	}
}

// lease starts a delivery for each due row, as far as there are free slots:
// what is not leased waits in the store, for whoever has time first.
func (w *Worker) lease() {
	defer w.contain("leasing mail", nil)
	free := cap(w.slots) - len(w.slots)
	if free == 0 || w.ctx.Err() != nil {
		return
	}
	due, err := w.due()
	if err == nil && due {
		var leased []*store.Message
		err = w.o.Store.Update(w.ctx, func(tx store.Tx) (err error) {
			now := w.o.Now()
			leased, err = tx.LeaseMessages(now, now.Add(w.o.SMTP.Timeout+leaseSlack), free)
			return err
		})
		if err == nil {
			for _, m := range leased {
				w.slots <- struct{}{}
				w.running.Go(func() { w.work(m) })
			}
		}
	}
	if err != nil && w.ctx.Err() == nil {
		w.o.Log.Error("mail cannot be read from the queue", "error", err)
	}
}

// due is all that an idle worker does: one read, of one key.
func (w *Worker) due() (bool, error) {
	var next time.Time
	err := w.o.Store.View(w.ctx, func(tx store.Tx) (err error) {
		next, err = tx.NextMessage()
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && !next.After(w.o.Now()), err
}
