package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func lifecyclePromises() []promise {
	return []promise{
		{"ClosedRefusesEverything", closedRefuses},
		{"EndedContextRunsNothing", contextEnded},
		{"CancelledWhileQueuedRunsNothing", contextQueued},
		{"CancelledWhileRunningTellsTheOutcome", contextRunning},
		{"SnapshotStopsWithItsContextAndWriter", snapshotStops},
	}
}

func closedRefuses(t *testing.T, s store.Store) {
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	never := func(store.Tx) error { t.Error("a closure ran on a closed store"); return nil }
	refused(t, "View", s.View(t.Context(), never), store.ErrClosed)
	refused(t, "Update", s.Update(t.Context(), never), store.ErrClosed)
	refused(t, "Snapshot", s.Snapshot(t.Context(), io.Discard), store.ErrClosed)
}

// closeWaits closes while a View and an Update are inside their closures.
func closeWaits(t *testing.T, b Durable) {
	s := b.Open(t)
	inside, release := make(chan struct{}), make(chan struct{})
	results := make(chan error, 2)
	go func() {
		results <- s.View(t.Context(), func(tx store.Tx) error {
			inside <- struct{}{}
			<-release
			_, err := tx.ListUsers("", 1)
			return err
		})
	}()
	<-inside
	go func() {
		results <- s.Update(t.Context(), func(tx store.Tx) error {
			select {
			case inside <- struct{}{}:
			case <-release: // a second run
			}
			<-release
			return tx.PutUser(user("a"))
		})
	}()
	<-inside
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for errors.Is(tryUpdate(t, s), context.DeadlineExceeded) { // until Close has begun
	}
	select {
	case <-closed:
		t.Error("Close did not wait")
	default:
	}
	close(release)
	for range 2 {
		refused(t, "transaction while closing", <-results, nil)
	}
	refused(t, "Close", <-closed, nil)
	view(t, b.Reopen(t, s), func(tx store.Tx) error {
		_, err := tx.User("a")
		return err
	})
}

func tryUpdate(t *testing.T, s store.Store) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	return s.Update(ctx, func(store.Tx) error { return nil })
}

func contextEnded(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(store.Tx) error { t.Error("a closure ran"); return nil }
	refused(t, "View", s.View(ctx, never), context.Canceled)
	refused(t, "Update", s.Update(ctx, never), context.Canceled)
	refused(t, "Snapshot", s.Snapshot(ctx, io.Discard), context.Canceled)
}

func contextQueued(t *testing.T, s store.Store) {
	inside, release := make(chan struct{}, 2), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- s.Update(t.Context(), func(tx store.Tx) error {
			inside <- struct{}{}
			<-release
			return tx.PutUser(user("a"))
		})
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := s.Update(ctx, func(store.Tx) error { t.Error("a cancelled closure ran"); return nil })
	refused(t, "queued", err, context.DeadlineExceeded)
	close(release)
	refused(t, "running", <-first, nil)
}

func contextRunning(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := s.Update(ctx, func(tx store.Tx) error {
		err := tx.PutUser(user("a"))
		cancel()
		return err
	})
	view(t, s, func(tx store.Tx) error {
		_, got := tx.User("a")
		if kept := got == nil; kept != (err == nil) {
			t.Errorf("Update returned %v, and User returned %v", err, got)
		}
		return nil
	})
}

// failing fails at its second write.
type failing struct{ writes int }

func (f *failing) Write(p []byte) (int, error) {
	if f.writes++; f.writes > 1 {
		return 0, ErrInjected
	}
	return len(p), nil
}

func snapshotStops(t *testing.T, s store.Store) {
	puts(t, s, user("a"))
	if err := s.Snapshot(t.Context(), &failing{}); err == nil {
		t.Error("a snapshot that could not be written was reported as done")
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Snapshot(ctx, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	if err == nil {
		t.Error("a cancelled snapshot was reported as done")
	}
	puts(t, s, user("b")) // goes on
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func durablePromises() map[string]func(*testing.T, Durable) {
	return map[string]func(*testing.T, Durable){
		"CloseLosesNothing": func(t *testing.T, b Durable) {
			s := b.Open(t)
			putEverything(t, s, stored())
			add(t, s, "c", 3, start(), time.Hour)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = b.Reopen(t, s)
			equal(t, "records", readEverything(t, s), stored())
			equal(t, "counter", add(t, s, "c", 1, start(), time.Hour).Count, 4)
			view(t, s, func(tx store.Tx) error {
				c, err := tx.Counts()
				equal(t, "counts", c, store.Counts{Users: 1, Sessions: 1, Audit: 1, Queued: 1})
				return err
			})
		},
		"TakenStaysTaken": func(t *testing.T, b Durable) {
			s := b.Open(t)
			update(t, s, func(tx store.Tx) error { return tx.Put(store.KindLink, hash(1), "x", start()) })
			update(t, s, func(tx store.Tx) error {
				var x string
				return tx.Take(store.KindLink, hash(1), &x)
			})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = b.Reopen(t, s)
			update(t, s, func(tx store.Tx) error {
				var x string
				refused(t, "taking again", tx.Take(store.KindLink, hash(1), &x), store.ErrNotFound)
				return nil
			})
		},
		"CloseWaitsForTransactions":           closeWaits,
		"SnapshotIsConsistentWhileOthersGoOn": snapshotConsistent,
	}
}

// snapshotConsistent copies while two records move together.
func snapshotConsistent(t *testing.T, b Durable) {
	s := b.Open(t)
	putEverything(t, s, stored())
	ctx, stop := context.WithCancel(t.Context())
	moved := make(chan error, 1)
	go func() {
		n := 0
		var err error
		for ; ctx.Err() == nil && err == nil; n++ {
			err = s.Update(t.Context(), func(tx store.Tx) error {
				_, first := tx.AddCounter("a", 1, start(), time.Hour)
				_, second := tx.AddCounter("b", 1, start(), time.Hour)
				return errors.Join(first, second)
			})
		}
		moved <- err
	}()
	for range 5 {
		var copied bytes.Buffer
		if err := s.Snapshot(t.Context(), &copied); err != nil {
			t.Fatal(err)
		}
		r := b.Restore(t, copied.Bytes())
		equal(t, "records", readEverything(t, r), stored())
		equal(t, "second counter", add(t, r, "b", 0, start(), time.Hour), add(t, r, "a", 0, start(), time.Hour))
	}
	stop()
	refused(t, "updates beside", <-moved, nil)
}
