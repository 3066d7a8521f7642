package caddymodule

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// fakeStore counts what a real one would cost.
type fakeStore struct{ opened, closed int }

func (s *fakeStore) open() (*fakeStore, error) { s.opened++; return s, nil }
func (*fakeStore) closing(s *fakeStore) error  { s.closed++; return nil }
func (s *fakeStore) counts(t *testing.T, pool *caddy.UsagePool, opened, closed, refs int) {
	t.Helper()
	n, _ := pool.References("key")
	if s.opened != opened || s.closed != closed || n != refs {
		t.Errorf("opened %d, closed %d, %d shares; want %d, %d, %d", s.opened, s.closed, n, opened, closed, refs)
	}
}

func (s *fakeStore) mustAcquire(t *testing.T, pool *caddy.UsagePool) *lease[*fakeStore] {
	t.Helper()
	l, err := acquire(pool, "key", s.open, s.closing)
	if err != nil {
		t.Fatal(err)
	}
	if l.value != s {
		t.Fatal("another value")
	}
	return l
}

func TestLease_OneStoreAcrossReloads(t *testing.T) {
	pool, s := caddy.NewUsagePool(), new(fakeStore)
	running := s.mustAcquire(t, pool)
	for range 50 {
		next := s.mustAcquire(t, pool) // the new configuration starts first
		s.counts(t, pool, 1, 0, 2)
		if err := running.release(); err != nil {
			t.Fatal(err)
		}
		running = next
	}
	s.counts(t, pool, 1, 0, 1)
	if err := running.release(); err != nil {
		t.Fatal(err)
	}
	s.counts(t, pool, 1, 1, 0)
	again := s.mustAcquire(t, pool)
	s.counts(t, pool, 2, 1, 1)
	if err := again.release(); err != nil {
		t.Fatal(err)
	}
}

func TestLease_ReleasedTwiceCountsOnce(t *testing.T) {
	pool, s := caddy.NewUsagePool(), new(fakeStore)
	running, failed := s.mustAcquire(t, pool), s.mustAcquire(t, pool)
	for range 3 {
		if err := failed.release(); err != nil {
			t.Fatal(err)
		}
	}
	s.counts(t, pool, 1, 0, 1)
	if err := running.release(); err != nil {
		t.Fatal(err)
	}
}

func TestLease_AFailedOpenHoldsNothing(t *testing.T) {
	pool, s := caddy.NewUsagePool(), new(fakeStore)
	locked := errors.New("locked")
	for range 3 {
		l, err := acquire(pool, "key", func() (*fakeStore, error) { return nil, locked }, s.closing)
		if l != nil || !errors.Is(err, locked) {
			t.Fatalf("lease %v, error %v", l, err)
		}
	}
	s.counts(t, pool, 0, 0, 0)
	running := s.mustAcquire(t, pool)
	s.counts(t, pool, 1, 0, 1)
	if err := running.release(); err != nil {
		t.Fatal(err)
	}
}

// Who waits for somebody else's open gets its error too, and no share of
// whatever is opened later.
func TestLease_WaitingForAFailedOpen(t *testing.T) {
	pool, s := caddy.NewUsagePool(), new(fakeStore)
	opening, fail := make(chan struct{}), make(chan struct{})
	errs := make(chan error, 2)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := acquire(pool, "key", func() (*fakeStore, error) { close(opening); <-fail; return nil, os.ErrPermission }, s.closing)
		errs <- err
	})
	<-opening
	wg.Go(func() {
		_, err := acquire(pool, "key", func() (*fakeStore, error) { return nil, os.ErrPermission }, s.closing)
		errs <- err
	})
	close(fail)
	wg.Wait()
	for range 2 {
		if err := <-errs; !errors.Is(err, os.ErrPermission) {
			t.Errorf("error %v", err)
		}
	}
	s.counts(t, pool, 0, 0, 0)
}

func TestLease_AFailedCloseIsReported(t *testing.T) {
	pool, s := caddy.NewUsagePool(), new(fakeStore)
	l, err := acquire(pool, "key", s.open, func(*fakeStore) error { return os.ErrClosed })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.release(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("error %v", err)
		}
	}
}

func TestStoreIdentity_OneFileOneKey(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("data", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	want := filepath.Join(dir, "data", "auth.db")
	for _, path := range []string{"data/auth.db", "./link/../data/auth.db", "link/auth.db", want} {
		if got, err := storeIdentity(path); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", path, got, err, want)
		}
	}
	if got, err := storeIdentity("new/auth.db"); err != nil || got != filepath.Join(dir, "new", "auth.db") {
		t.Errorf("of a directory to come: %s, %v", got, err)
	}
}
