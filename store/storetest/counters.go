package storetest

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func countersPromises() []promise {
	return []promise{
		{"AddsWithinItsWindow", counterAdds},
		{"StartsAgainAtReset", counterReset},
		{"ZeroReads", counterReads},
		{"ClearRemoves", counterClear},
		{"NamesStayApart", counterNames},
	}
}

// add adds to the counter in an Update of its own.
func add(t *testing.T, s store.Store, name string, n int, now time.Time, window time.Duration) (c store.Counter) {
	t.Helper()
	update(t, s, func(tx store.Tx) (err error) {
		c, err = tx.AddCounter(name, n, now, window)
		return err
	})
	return c
}

func counterAdds(t *testing.T, s store.Store) {
	reset := after(time.Hour)
	equal(t, "first", add(t, s, "c", 1, start(), time.Hour), store.Counter{Count: 1, Reset: reset})
	// The window is that of the first; a later one does not move it.
	equal(t, "second", add(t, s, "c", 2, after(time.Minute), 9*time.Hour), store.Counter{Count: 3, Reset: reset})
	equal(t, "just before reset", add(t, s, "c", 1, reset.Add(-1), time.Hour), store.Counter{Count: 4, Reset: reset})
	zone := time.FixedZone("west", -5*3600)
	equal(t, "UTC", add(t, s, "z", 1, start().In(zone), time.Hour), store.Counter{Count: 1, Reset: reset})
}

func counterReset(t *testing.T, s store.Store) {
	add(t, s, "c", 5, start(), time.Hour)
	at := after(time.Hour) // Reset is not after now
	equal(t, "at reset", add(t, s, "c", 1, at, time.Minute), store.Counter{Count: 1, Reset: at.Add(time.Minute)})
}

func counterReads(t *testing.T, s store.Store) {
	view(t, s, func(tx store.Tx) error {
		c, err := tx.AddCounter("c", 0, start(), time.Hour)
		equal(t, "absent", c, store.Counter{Reset: after(time.Hour)})
		return err
	})
	add(t, s, "c", 0, start(), time.Hour) // stores nothing
	equal(t, "later", add(t, s, "c", 3, after(time.Minute), time.Hour), store.Counter{Count: 3, Reset: after(61 * time.Minute)})
	view(t, s, func(tx store.Tx) error {
		c, err := tx.AddCounter("c", 0, after(2*time.Minute), time.Hour)
		equal(t, "present", c, store.Counter{Count: 3, Reset: after(61 * time.Minute)})
		return err
	})
}

func counterClear(t *testing.T, s store.Store) {
	add(t, s, "c", 5, start(), time.Hour)
	update(t, s, func(tx store.Tx) error {
		refused(t, "absent", tx.ClearCounter("other"), nil)
		return tx.ClearCounter("c")
	})
	equal(t, "after clearing", add(t, s, "c", 1, after(time.Minute), time.Hour).Count, 1)
}

func counterNames(t *testing.T, s store.Store) {
	for i, name := range awkward() {
		add(t, s, name, i+1, start(), time.Hour)
	}
	view(t, s, func(tx store.Tx) error {
		for i, name := range awkward() {
			c, err := tx.AddCounter(name, 0, start(), time.Hour)
			if err != nil {
				return err
			}
			equal(t, "counter", c.Count, i+1)
		}
		return nil
	})
}
