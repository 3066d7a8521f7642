package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func concurrencyPromises() []promise {
	return []promise{
		{"OneWinnerOf64Takers", oneTaker},
		{"OneWinnerOf64PasskeyAndSessionTakers", oneTakerOfRecords},
		{"CountersLoseNothing", countersExact},
		{"OneHolderOfAnAddress", oneHolder},
		{"FailuresDoNotDisturbOthers", failuresApart},
		{"ViewsSeeWholeTransactions", wholeTransactions},
	}
}

// parallel starts n goroutines at once and returns what they answered.
func parallel[T any](t *testing.T, n int, fn func(i int) (T, error)) []T {
	t.Helper()
	results, errs := make([]T, n), make([]error, n)
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			results[i], errs[i] = fn(i)
		})
	}
	close(begin)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return results
}

// winners counts those whose attempt succeeded; the others must have found
// nothing.
func winners(t *testing.T, s store.Store, attempt func(store.Tx) error) (n int) {
	t.Helper()
	for _, won := range parallel(t, 64, func(int) (bool, error) {
		err := s.Update(t.Context(), attempt)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}) {
		if won {
			n++
		}
	}
	return n
}

func oneTaker(t *testing.T, s store.Store) {
	for round := range 5 {
		update(t, s, func(tx store.Tx) error { return tx.Put(store.KindLink, hash(round), "x", start()) })
		equal(t, "winners", winners(t, s, func(tx store.Tx) error {
			var x string
			return tx.Take(store.KindLink, hash(round), &x)
		}), 1)
	}
}

func oneTakerOfRecords(t *testing.T, s store.Store) {
	puts(t, s, passkey("p", "u", start()), session(1, "s", "u"))
	equal(t, "takers of the passkey", winners(t, s, func(tx store.Tx) error {
		_, err := tx.TakePasskey([]byte("p"))
		return err
	}), 1)
	equal(t, "takers of the session", winners(t, s, func(tx store.Tx) error {
		_, err := tx.TakeSession(hash(1))
		return err
	}), 1)
}

func countersExact(t *testing.T, s store.Store) {
	const each = 5
	seen := parallel(t, 64, func(int) (counts []int, err error) {
		for range each {
			var c store.Counter
			err = errors.Join(err, s.Update(t.Context(), func(tx store.Tx) (err error) {
				c, err = tx.AddCounter("c", 1, start(), time.Hour)
				return err
			}))
			counts = append(counts, c.Count)
		}
		return counts, err
	})
	once := map[int]bool{}
	for _, counts := range seen {
		for _, n := range counts {
			once[n] = true
		}
	}
	equal(t, "different counts seen", len(once), 64*each)
	equal(t, "total", add(t, s, "c", 0, start(), time.Hour).Count, 64*each)
}

func oneHolder(t *testing.T, s store.Store) {
	n := 0
	for _, won := range parallel(t, 64, func(i int) (bool, error) {
		u := user(fmt.Sprintf("u%02d", i))
		u.Email = "same@example.com"
		err := s.Update(t.Context(), func(tx store.Tx) error { return tx.PutUser(u) })
		if errors.Is(err, store.ErrConflict) {
			return false, nil
		}
		return err == nil, err
	}) {
		if won {
			n++
		}
	}
	equal(t, "holders", n, 1)
	view(t, s, func(tx store.Tx) error {
		c, err := tx.Counts()
		equal(t, "users", c.Users, int64(1))
		return err
	})
}

// failuresApart mixes calls that succeed, fail after writing, fail without
// writing, panic after writing, and are cancelled.
func failuresApart(t *testing.T, s store.Store) {
	attempt := func(i int) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if i%6 == 4 {
			cancel()
		}
		return s.Update(ctx, func(tx store.Tx) error {
			if i%6 == 2 {
				_, err := tx.User("nobody")
				return err
			}
			if err := tx.PutUser(user(fmt.Sprintf("u%03d", i))); err != nil {
				return err
			}
			switch i % 6 {
			case 1:
				return ErrInjected
			case 3:
				panic("in a closure")
			}
			return nil
		})
	}
	errs := parallel(t, 120, func(i int) (error, error) { return attempt(i), nil })
	var want []string
	for i, err := range errs {
		switch i % 6 {
		case 0, 5:
			refused(t, "good call", err, nil)
			want = append(want, fmt.Sprintf("u%03d", i))
		case 1:
			refused(t, "failing call", err, ErrInjected)
		case 2:
			refused(t, "searching call", err, store.ErrNotFound)
		case 3:
			if err == nil {
				t.Error("a panic was reported as success")
			}
		case 4:
			refused(t, "cancelled call", err, context.Canceled)
		}
	}
	view(t, s, func(tx store.Tx) error {
		list, err := tx.ListUsers("", 1000)
		equal(t, "users", userIDs(list), want)
		return err
	})
}

// wholeTransactions moves one record between two places: no View may find it
// in none or in both.
func wholeTransactions(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindFlow, hash(0), "x", start()) })
	parallel(t, 8, func(i int) (struct{}, error) {
		for range 20 {
			var err error
			if i < 4 {
				err = s.Update(t.Context(), func(tx store.Tx) error {
					var x string
					from, to := hash(0), hash(1)
					if tx.Peek(store.KindFlow, from, &x) != nil {
						from, to = to, from
					}
					return errors.Join(tx.Take(store.KindFlow, from, &x), tx.Put(store.KindFlow, to, x, start()))
				})
			} else {
				err = s.View(t.Context(), func(tx store.Tx) error {
					n, err := tx.CountTakes(store.KindFlow)
					if found := len(flowKeys(tx)); found != 1 || n != 1 {
						return fmt.Errorf("%d records, counted %d", found, n)
					}
					return err
				})
			}
			if err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
}

func flowKeys(tx store.Tx) (keys []store.Hash) {
	_ = tx.ListTakes(store.KindFlow, store.Hash{}, 10, func(key store.Hash, _ func(any) error) bool {
		keys = append(keys, key)
		return true
	})
	return keys
}
