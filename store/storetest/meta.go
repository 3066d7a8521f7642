package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func metaPromises() []promise {
	return []promise{
		{"UnsetIsNotFound", func(t *testing.T, s store.Store) {
			view(t, s, func(tx store.Tx) error {
				for _, name := range []string{store.MetaDemo, "", "schema"} {
					_, err := tx.MetaValue(name)
					refused(t, "MetaValue", err, store.ErrNotFound)
				}
				return nil
			})
		}},
		{"SetReplaces", func(t *testing.T, s store.Store) {
			for _, value := range [][]byte{{0, 1, 255}, {}, []byte("on")} {
				update(t, s, func(tx store.Tx) error { return tx.SetMeta(store.MetaDemo, value) })
				view(t, s, func(tx store.Tx) error {
					got, err := tx.MetaValue(store.MetaDemo)
					equal(t, "value", string(got), string(value))
					return err
				})
			}
		}},
		{"SchemaVersionIsSetFromTheStart", func(t *testing.T, s store.Store) {
			view(t, s, func(tx store.Tx) error {
				got, err := tx.MetaValue(store.MetaSchema)
				equal(t, "version", string(got), "3")
				return err
			})
		}},
		{"CountsAreExact", func(t *testing.T, s store.Store) {
			counts := func(want store.Counts) {
				t.Helper()
				view(t, s, func(tx store.Tx) error {
					got, err := tx.Counts()
					equal(t, "counts", got, want)
					return err
				})
			}
			counts(store.Counts{})
			puts(t, s, user("a"), user("b"), user("a"), session(1, "s", "a"), session(2, "t", "b"), session(1, "s", "a"),
				auditRecord("1"), message("m", store.Queued, start()))
			counts(store.Counts{Users: 2, Sessions: 2, Audit: 1, Queued: 1})
			_ = s.Update(t.Context(), func(tx store.Tx) error {
				if _, err := tx.DeleteUser("a"); err != nil {
					return err
				}
				return errors.Join(tx.PutSession(session(3, "u", "b")), ErrInjected)
			})
			counts(store.Counts{Users: 2, Sessions: 2, Audit: 1, Queued: 1})
		}},
	}
}

func sweepPromises() []promise {
	return []promise{
		{"TakesWhatEndedBeforeNow", sweepEnded},
		{"KeepsMessages30Days", sweepMessages},
		{"StopsAtTheLimit", sweepLimit},
		{"FollowsReplacements", sweepReplaced},
		{"LeavesTheRest", sweepRest},
	}
}

func sweep(t *testing.T, s store.Store, now time.Time, limit int) (n int) {
	t.Helper()
	update(t, s, func(tx store.Tx) (err error) {
		n, err = tx.Sweep(now, limit)
		return err
	})
	return n
}

func sweepEnded(t *testing.T, s store.Store) {
	x := session(1, "s", "u")
	x.Expires = start()
	puts(t, s, x)
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindFlow, hash(1), "x", start()) })
	add(t, s, "c", 1, after(-time.Hour), time.Hour)
	equal(t, "at the end", sweep(t, s, start(), 10), 0)
	equal(t, "a nanosecond later", sweep(t, s, after(1), 10), 3)
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Session(hash(1))
		refused(t, "Session", err, store.ErrNotFound)
		_, err = tx.SessionByID("s")
		refused(t, "SessionByID", err, store.ErrNotFound)
		var v string
		refused(t, "Peek", tx.Peek(store.KindFlow, hash(1), &v), store.ErrNotFound)
		c, err := tx.Counts()
		equal(t, "counts", c, store.Counts{})
		return err
	})
}

func sweepMessages(t *testing.T, s store.Store) {
	const days30 = 30 * 24 * time.Hour
	sent, dead := message("sent", store.Sent, start()), message("dead", store.Dead, start())
	sent.SentAt = start()
	puts(t, s, sent, dead, message("queued", store.Queued, start()), message("failed", store.Failed, start()))
	equal(t, "after 30 days", sweep(t, s, after(days30), 10), 0)
	equal(t, "and a nanosecond", sweep(t, s, after(days30+1), 10), 1)
	// Of the dead, NotAfter counts.
	equal(t, "dead, not yet", sweep(t, s, after(10*time.Minute+days30), 10), 0)
	equal(t, "dead", sweep(t, s, after(10*time.Minute+days30+1), 10), 1)
	view(t, s, func(tx store.Tx) error {
		list, err := tx.ListMessages("", "", 10)
		equal(t, "left", messageIDs(list), []string{"queued", "failed"})
		return err
	})
}

func sweepLimit(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for i := range 25 {
			if err := tx.Put(store.KindFlow, hash(i), i, after(time.Duration(i)*time.Second)); err != nil {
				return err
			}
		}
		return nil
	})
	now := after(20 * time.Second) // ended: 0 to 19
	equal(t, "limit 0", sweep(t, s, now, 0), 0)
	equal(t, "first", sweep(t, s, now, 15), 15)
	equal(t, "second", sweep(t, s, now, 15), 5)
	equal(t, "third", sweep(t, s, now, 15), 0)
	view(t, s, func(tx store.Tx) error {
		equal(t, "left", listed(t, tx, store.KindFlow, store.Hash{}, 100), []int{20, 21, 22, 23, 24})
		return nil
	})
}

func sweepReplaced(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindFlow, hash(1), 1, after(time.Minute)) })
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindFlow, hash(1), 2, after(time.Hour)) })
	equal(t, "at the old end", sweep(t, s, after(2*time.Minute), 10), 0)
	equal(t, "at the new end", sweep(t, s, after(2*time.Hour), 10), 1)
}

func sweepRest(t *testing.T, s store.Store) {
	puts(t, s, user("u"), passkey("p", "u", start()), auditRecord("1"), signingKey("k", start()))
	update(t, s, func(tx store.Tx) error {
		refused(t, "ReserveName", tx.ReserveName("u", "u"), nil)
		return tx.SetMeta("x", []byte("y"))
	})
	equal(t, "swept", sweep(t, s, after(100*365*24*time.Hour), 1000), 0)
}
