package storetest

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func outboxPromises() []promise {
	return []promise{
		{"RoundTrip", messageRoundTrip},
		{"LeaseDueEarliestFirst", messageLease},
		{"LeasedOnce", messageLeasedOnce},
		{"NextIsTheEarliest", messageNext},
		{"ListNewestFirst", messageList},
		{"DeletedOnce", messageDelete},
		{"QueuedCountFollows", messageCount},
	}
}

func messageRoundTrip(t *testing.T, s store.Store) {
	full := message("m1", store.Sent, start())
	full.SentAt, full.LastError, full.Attempts = after(time.Second), "timeout", 2
	bare := &store.Message{ID: "m2", Status: store.Queued}
	puts(t, s, full, bare)
	view(t, s, func(tx store.Tx) error {
		for _, want := range []*store.Message{full, bare} {
			got, err := tx.Message(want.ID)
			refused(t, "Message", err, nil)
			equal(t, "Message", got, want)
		}
		for _, absent := range []string{"", "m", "m3"} {
			_, err := tx.Message(absent)
			refused(t, "absent", err, store.ErrNotFound)
		}
		return nil
	})
}

func messageLease(t *testing.T, s store.Store) {
	puts(t, s, message("late", store.Queued, after(time.Second)), message("z-first", store.Failed, after(-time.Hour)),
		message("now", store.Queued, start()), message("sent", store.Sent, start()), message("dead", store.Dead, start()),
		message("before", store.Queued, after(-time.Nanosecond)))
	until := after(time.Minute)
	update(t, s, func(tx store.Tx) error {
		none, err := tx.LeaseMessages(start(), until, 0)
		refused(t, "limit 0", err, nil)
		equal(t, "limit 0", len(none), 0)
		got, err := tx.LeaseMessages(start(), until, 2)
		refused(t, "LeaseMessages", err, nil)
		equal(t, "first two", messageIDs(got), []string{"z-first", "before"})
		for _, m := range got {
			equal(t, "NextAt", m.NextAt, until)
		}
		equal(t, "status", got[0].Status, store.Failed)
		got, err = tx.LeaseMessages(start(), until, 10)
		equal(t, "the rest", messageIDs(got), []string{"now"})
		return err
	})
	view(t, s, func(tx store.Tx) error {
		m, err := tx.Message("now")
		if err != nil {
			return err
		}
		equal(t, "stored NextAt", m.NextAt, until)
		return nil
	})
	update(t, s, func(tx store.Tx) error { // the lease has ended
		got, err := tx.LeaseMessages(until, until.Add(time.Minute), 10)
		equal(t, "due again", messageIDs(got), []string{"late", "before", "now", "z-first"})
		return err
	})
}

func messageLeasedOnce(t *testing.T, s store.Store) {
	const n = 40
	for i := range n {
		puts(t, s, message(string(rune('A'+i)), store.Queued, start()))
	}
	got := parallel(t, 8, func(int) (leased []string, err error) {
		err = s.Update(t.Context(), func(tx store.Tx) error {
			leased = nil
			messages, err := tx.LeaseMessages(start(), after(time.Minute), 7)
			leased = messageIDs(messages)
			return err
		})
		return leased, err
	})
	seen := map[string]bool{}
	for _, leased := range got {
		for _, id := range leased {
			if seen[id] {
				t.Errorf("message %s was leased twice", id)
			}
			seen[id] = true
		}
	}
	equal(t, "leased", len(seen), n)
}

func messageNext(t *testing.T, s store.Store) {
	none := func(what string) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			_, err := tx.NextMessage()
			refused(t, what, err, store.ErrNotFound)
			return nil
		})
	}
	next := func(what string, want time.Time) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.NextMessage()
			equal(t, what, got, want)
			return err
		})
	}
	none("empty")
	puts(t, s, message("sent", store.Sent, start()), message("dead", store.Dead, start()))
	none("finished ones")
	puts(t, s, message("a", store.Queued, after(time.Minute)), message("b", store.Failed, after(time.Nanosecond)))
	next("the failed one", after(time.Nanosecond))
	update(t, s, func(tx store.Tx) error {
		_, err := tx.LeaseMessages(after(time.Second), after(time.Hour), 1)
		return err
	})
	next("while it is leased", after(time.Minute))
	update(t, s, func(tx store.Tx) error { return tx.DeleteMessage("a") })
	next("the end of the lease", after(time.Hour))
}

func messageList(t *testing.T, s store.Store) {
	puts(t, s, message("a", store.Queued, start()), message("b", store.Sent, start()), message("c", store.Queued, start()),
		message("d", store.Dead, start()), message("e", store.Queued, start()), message("e\x00", store.Sent, start()))
	list := func(status store.MessageStatus, before string, limit int, want ...string) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.ListMessages(status, before, limit)
			equal(t, "messages "+string(status)+" before "+before, messageIDs(got), append([]string{}, want...))
			return err
		})
	}
	list("", "", 100, "e\x00", "e", "d", "c", "b", "a")
	list("", "d", 2, "c", "b")
	list("", "cc", 1, "c")
	list("", "a", 5)
	list("", "zzz", 1, "e\x00")
	list("", "", 0)
	list(store.Queued, "", 100, "e", "c", "a")
	list(store.Queued, "e", 1, "c")
	list(store.Queued, "zzz", 1, "e")
	list(store.Sent, "", 100, "e\x00", "b")
	list(store.Dead, "", 100, "d")
	list(store.Dead, "d", 100)
	list(store.Failed, "", 100)
	puts(t, s, message("c", store.Failed, start()))
	list(store.Queued, "", 100, "e", "a")
	list(store.Failed, "", 100, "c")
}

func messageDelete(t *testing.T, s store.Store) {
	puts(t, s, message("m", store.Queued, start()))
	update(t, s, func(tx store.Tx) error { return tx.DeleteMessage("m") })
	update(t, s, func(tx store.Tx) error {
		refused(t, "again", tx.DeleteMessage("m"), store.ErrNotFound)
		leased, err := tx.LeaseMessages(after(time.Hour), after(2*time.Hour), 10)
		equal(t, "leased", len(leased), 0)
		return err
	})
}

func messageCount(t *testing.T, s store.Store) {
	queued := func(want int64) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			c, err := tx.Counts()
			equal(t, "queued", c.Queued, want)
			return err
		})
	}
	puts(t, s, message("a", store.Queued, start()), message("b", store.Failed, start()), message("c", store.Sent, start()))
	queued(2)
	puts(t, s, message("a", store.Failed, start()))
	queued(2)
	puts(t, s, message("a", store.Dead, start()), message("b", store.Sent, start()))
	queued(0)
}
