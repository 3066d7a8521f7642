package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// key is the hash of record n.
func key(n uint64) (h store.Hash) {
	binary.BigEndian.PutUint64(h[:], n)
	return h
}

// commits is how many transactions have been committed.
func commits(t *testing.T, db *DB) (n int) {
	t.Helper()
	if err := db.bolt.View(func(btx *bbolt.Tx) error { n = btx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// grouped holds one Update inside its closure until all others are queued, so
// that they make one group in order, and returns the errors and how many
// commits the group took.
func grouped(t *testing.T, db *DB, others ...func(store.Tx) error) ([]error, int) {
	t.Helper()
	before := commits(t, db)
	inside, release := make(chan struct{}), make(chan struct{})
	errs := make([]error, len(others))
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Update(t.Context(), func(tx store.Tx) error {
			close(inside)
			<-release
			return tx.SetMeta("first", nil)
		})
		if err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-inside
	for i, fn := range others {
		wg.Go(func() { errs[i] = db.Update(t.Context(), fn) })
		waiting(db, i+1)
	}
	close(release)
	wg.Wait()
	return errs, commits(t, db) - before - 1
}

// waiting returns when n calls are queued.
func waiting(db *DB, n int) {
	for {
		db.commits.mu.Lock()
		queued := len(db.commits.queue)
		db.commits.mu.Unlock()
		if queued == n {
			return
		}
		runtime.Gosched()
	}
}

func put(name string) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.SetMeta(name, []byte("x")) }
}

func has(t *testing.T, db *DB, name string) bool {
	t.Helper()
	err := db.View(t.Context(), func(tx store.Tx) error { _, err := tx.MetaValue(name); return err })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestUpdate_WaitersShareOneCommit(t *testing.T) {
	db := mustOpen(t, filepath.Join(private(t), "auth.db"))
	var others []func(store.Tx) error
	for i := range 50 {
		others = append(others, put(fmt.Sprint(i)))
	}
	errs, n := grouped(t, db, others...)
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if n != 1 {
		t.Errorf("50 waiting updates took %d commits, want 1", n)
	}
	for i := range 50 {
		if !has(t, db, fmt.Sprint(i)) {
			t.Errorf("update %d was acknowledged and is lost", i)
		}
	}
}

func TestUpdate_FailureLeavesNothingAndSplitsTheGroup(t *testing.T) {
	db := mustOpen(t, filepath.Join(private(t), "auth.db"))
	broken := errors.New("broken")
	failing := func(tx store.Tx) error { return errors.Join(tx.SetMeta("failed", nil), broken) }
	panicking := func(tx store.Tx) error { _ = tx.SetMeta("panicked", nil); panic("here") }
	searching := func(tx store.Tx) error { _, err := tx.User("nobody"); return err }
	errs, n := grouped(t, db, put("a"), failing, put("b"), searching, panicking, put("c"))
	want := []error{nil, broken, nil, store.ErrNotFound, errPanic, nil}
	for i := range want {
		if !errors.Is(errs[i], want[i]) {
			t.Errorf("call %d got %v, want %v", i, errs[i], want[i])
		}
	}
	if n != 3 { // a | b, searching | c
		t.Errorf("the group took %d commits, want 3", n)
	}
	for name, want := range map[string]bool{"a": true, "b": true, "c": true, "failed": false, "panicked": false} {
		if has(t, db, name) != want {
			t.Errorf("%s kept: %t", name, !want)
		}
	}
}

func TestUpdate_ErrorsAreTrueOfWhatWasCommitted(t *testing.T) {
	db := mustOpen(t, filepath.Join(private(t), "auth.db"))
	broken := errors.New("broken")
	// The second sees the first's write, which is then undone.
	first := func(tx store.Tx) error { return errors.Join(tx.SetMeta("x", nil), broken) }
	second := func(tx store.Tx) error {
		if _, err := tx.MetaValue("x"); err == nil {
			return errors.Join(tx.SetMeta("y", nil), store.ErrConflict)
		}
		return tx.SetMeta("y", nil)
	}
	errs, _ := grouped(t, db, put("before"), first, second)
	if !errors.Is(errs[1], broken) || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
}

func TestUpdate_NothingWrittenCommitsNothing(t *testing.T) {
	db := mustOpen(t, filepath.Join(private(t), "auth.db"))
	before := commits(t, db)
	if err := db.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Counts(); return err }); err != nil {
		t.Fatal(err)
	}
	if n := commits(t, db) - before; n != 0 {
		t.Errorf("%d commits", n)
	}
}

func TestUpdate_CallerWhoLeavesDisturbsNobody(t *testing.T) {
	db := mustOpen(t, filepath.Join(private(t), "auth.db"))
	leaving := func(tx store.Tx) error {
		_ = tx.SetMeta("left", nil)
		runtime.Goexit() // as t.FailNow does
		return nil
	}
	silently := func(store.Tx) error { runtime.Goexit(); return nil }
	errs, _ := grouped(t, db, put("a"), leaving, put("b"), silently, put("c"))
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]bool{"a": true, "b": true, "c": true, "left": false} {
		if has(t, db, name) != want {
			t.Errorf("%s kept: %t", name, !want)
		}
	}
}

func TestClose_CommitsWhatIsQueued(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	db := mustOpen(t, path)
	inside, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			err := db.Update(t.Context(), func(tx store.Tx) error {
				if i == 0 {
					close(inside)
					<-release
				}
				return tx.SetMeta(fmt.Sprint(i), nil)
			})
			if err != nil {
				t.Error(err)
			}
		})
		if i == 0 {
			<-inside
		} else {
			waiting(db, i)
		}
	}
	wg.Go(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	close(release)
	wg.Wait()
	again := mustOpen(t, path)
	for i := range 10 {
		if !has(t, again, fmt.Sprint(i)) {
			t.Errorf("update %d was acknowledged and is lost", i)
		}
	}
}
