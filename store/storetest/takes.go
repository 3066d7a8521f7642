package storetest

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// thing is a record of Takes.
type thing struct {
	Name string            `json:"name"`
	At   time.Time         `json:"at"`
	Tags []string          `json:"tags,omitempty"`
	More map[string]string `json:"more,omitempty"`
}

func takesPromises() []promise {
	return []promise{
		{"TakenOnce", takeOnce},
		{"PeekConsumesNothing", takePeek},
		{"PutReplaces", takeReplace},
		{"KindsStayApart", takeKinds},
		{"DecodingReplacesWhatWasThere", takeReset},
		{"ExpiryIsTheCallersToJudge", takeExpired},
		{"CountsFollow", takeCounts},
		{"WrongTypeIsAnErrorNotAZero", takeWrongType},
	}
}

func takeOnce(t *testing.T, s store.Store) {
	want := thing{Name: "ticket", At: start(), Tags: []string{"x"}}
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindTicket, hash(1), want, after(time.Minute)) })
	update(t, s, func(tx store.Tx) error {
		var got thing
		err := tx.Take(store.KindTicket, hash(1), &got)
		equal(t, "taken", got, want)
		refused(t, "again in the transaction", tx.Take(store.KindTicket, hash(1), &got), store.ErrNotFound)
		return err
	})
	update(t, s, func(tx store.Tx) error {
		var got thing
		refused(t, "again later", tx.Take(store.KindTicket, hash(1), &got), store.ErrNotFound)
		refused(t, "Peek", tx.Peek(store.KindTicket, hash(1), &got), store.ErrNotFound)
		equal(t, "what the refused got", got, thing{})
		return nil
	})
}

func takePeek(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindFlow, hash(1), thing{Name: "a"}, start()) })
	for range 2 {
		view(t, s, func(tx store.Tx) error {
			var got thing
			err := tx.Peek(store.KindFlow, hash(1), &got)
			equal(t, "peeked", got, thing{Name: "a"})
			return err
		})
	}
}

func takeReplace(t *testing.T, s store.Store) {
	for _, name := range []string{"a", "b"} {
		update(t, s, func(tx store.Tx) error { return tx.Put(store.KindFlow, hash(1), thing{Name: name}, start()) })
	}
	update(t, s, func(tx store.Tx) error {
		n, err := tx.CountTakes(store.KindFlow)
		refused(t, "CountTakes", err, nil)
		equal(t, "count", n, int64(1))
		var got thing
		err = tx.Take(store.KindFlow, hash(1), &got)
		equal(t, "taken", got.Name, "b")
		return err
	})
}

func takeKinds(t *testing.T, s store.Store) {
	kinds := []store.Kind{store.KindFlow, store.KindLink, "flo", "flow\x00", "f"}
	update(t, s, func(tx store.Tx) error {
		for _, k := range kinds {
			if err := tx.Put(k, hash(1), thing{Name: string(k)}, start()); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error {
		var got thing
		refused(t, "Take", tx.Take(store.KindLink, hash(1), &got), nil)
		equal(t, "taken", got.Name, string(store.KindLink))
		refused(t, "Peek", tx.Peek(store.KindFlow, hash(1), &got), nil)
		equal(t, "left", got.Name, string(store.KindFlow))
		refused(t, "unknown kind", tx.Peek("flo\x00", hash(1), &got), store.ErrNotFound)
		return nil
	})
}

func takeReset(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindFlow, hash(1), thing{Name: "a"}, start()) })
	stale := func() *thing {
		return &thing{Name: "stale", Tags: []string{"stale"}, More: map[string]string{"stale": "x"}}
	}
	update(t, s, func(tx store.Tx) error {
		got := stale()
		refused(t, "Peek", tx.Peek(store.KindFlow, hash(1), got), nil)
		equal(t, "peeked", *got, thing{Name: "a"})
		got = stale()
		refused(t, "ListTakes", tx.ListTakes(store.KindFlow, store.Hash{}, 1, func(_ store.Hash, decode func(any) error) bool {
			refused(t, "decode", decode(got), nil)
			return true
		}), nil)
		equal(t, "listed", *got, thing{Name: "a"})
		got = stale()
		refused(t, "Take", tx.Take(store.KindFlow, hash(1), got), nil)
		equal(t, "taken", *got, thing{Name: "a"})
		return nil
	})
}

func takeExpired(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		return tx.Put(store.KindLink, hash(1), thing{Name: "old"}, time.Unix(0, 0))
	})
	update(t, s, func(tx store.Tx) error {
		n, err := tx.CountTakes(store.KindLink)
		refused(t, "CountTakes", err, nil)
		equal(t, "count with expired", n, int64(1))
		var got thing
		return tx.Take(store.KindLink, hash(1), &got)
	})
}

func takeCounts(t *testing.T, s store.Store) {
	counts := func(want map[store.Kind]int64) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			for kind, n := range want {
				got, err := tx.CountTakes(kind)
				refused(t, "CountTakes", err, nil)
				equal(t, "count of "+string(kind), got, n)
			}
			return nil
		})
	}
	counts(map[store.Kind]int64{store.KindFlow: 0, "unknown": 0})
	update(t, s, func(tx store.Tx) error {
		for i := range 5 {
			if err := tx.Put(store.KindFlow, hash(i), i, after(time.Duration(i)*time.Second)); err != nil {
				return err
			}
		}
		return tx.Put(store.KindLink, hash(1), "x", after(time.Hour))
	})
	counts(map[store.Kind]int64{store.KindFlow: 5, store.KindLink: 1})
	update(t, s, func(tx store.Tx) error {
		var n int
		refused(t, "Take", tx.Take(store.KindFlow, hash(4), &n), nil)
		swept, err := tx.Sweep(after(2*time.Second), 10)
		equal(t, "swept", swept, 2)
		return err
	})
	counts(map[store.Kind]int64{store.KindFlow: 2, store.KindLink: 1})
}

func takeWrongType(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindFlow, hash(1), "text", start()) })
	err := s.Update(t.Context(), func(tx store.Tx) error {
		var n int
		if err := tx.Take(store.KindFlow, hash(1), &n); err == nil {
			t.Error("a text was decoded into a number")
		}
		return nil
	})
	refused(t, "Update", err, nil)
	view(t, s, func(tx store.Tx) error { // the error changed nothing
		var text string
		return tx.Peek(store.KindFlow, hash(1), &text)
	})
	err = s.Update(t.Context(), func(tx store.Tx) error {
		return tx.Put(store.KindFlow, hash(2), func() {}, start())
	})
	if err == nil {
		t.Error("a function was stored")
	}
}

func listTakesPromises() []promise {
	return []promise{
		{"InByteOrder", listTakesOrder},
		{"UntilFalse", listTakesStop},
		{"MayTakeWhatItLists", listTakesWrite},
	}
}

func listed(t *testing.T, tx store.Tx, kind store.Kind, after store.Hash, limit int) []int {
	t.Helper()
	got := []int{}
	err := tx.ListTakes(kind, after, limit, func(key store.Hash, decode func(any) error) bool {
		var n int
		refused(t, "decode", decode(&n), nil)
		equal(t, "key", key, hash(n))
		got = append(got, n)
		return true
	})
	refused(t, "ListTakes", err, nil)
	return got
}

func putNumbers(t *testing.T, s store.Store, n int) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for i := n - 1; i >= 0; i-- {
			if err := tx.Put(store.KindFlow, hash(i), i, start()); err != nil {
				return err
			}
		}
		refused(t, "kind below", tx.Put("floo", hash(1), 1, start()), nil)
		return tx.Put("floz", hash(1), 1, start()) // and above
	})
}

func listTakesOrder(t *testing.T, s store.Store) {
	putNumbers(t, s, 6)
	view(t, s, func(tx store.Tx) error {
		equal(t, "all", listed(t, tx, store.KindFlow, store.Hash{}, 100), []int{0, 1, 2, 3, 4, 5})
		equal(t, "page", listed(t, tx, store.KindFlow, hash(1), 2), []int{2, 3})
		equal(t, "after the last", listed(t, tx, store.KindFlow, hash(5), 2), []int{})
		equal(t, "limit 0", listed(t, tx, store.KindFlow, store.Hash{}, 0), []int{})
		equal(t, "unknown kind", listed(t, tx, "none", store.Hash{}, 9), []int{})
		return nil
	})
}

func listTakesStop(t *testing.T, s store.Store) {
	putNumbers(t, s, 6)
	view(t, s, func(tx store.Tx) error {
		calls := 0
		err := tx.ListTakes(store.KindFlow, store.Hash{}, 100, func(store.Hash, func(any) error) bool {
			calls++
			return calls < 3
		})
		equal(t, "calls", calls, 3)
		return err
	})
}

func listTakesWrite(t *testing.T, s store.Store) {
	putNumbers(t, s, 50)
	update(t, s, func(tx store.Tx) error {
		calls := 0
		err := tx.ListTakes(store.KindFlow, store.Hash{}, 100, func(key store.Hash, _ func(any) error) bool {
			var n int
			refused(t, "Take", tx.Take(store.KindFlow, key, &n), nil)
			equal(t, "taken", hash(n), key)
			calls++
			return true
		})
		equal(t, "calls", calls, 50)
		return err
	})
	view(t, s, func(tx store.Tx) error {
		n, err := tx.CountTakes(store.KindFlow)
		equal(t, "left", n, int64(0))
		return err
	})
}
