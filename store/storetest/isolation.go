package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func isolationPromises() []promise {
	return []promise{
		{"ViewIsASnapshot", viewSnapshot},
		{"UpdateSeesItself_ViewDoesNotYet", updateVisible},
		{"ErrorKeepsNothing", errorKeepsNothing},
		{"PanicKeepsNothing", panicKeepsNothing},
		{"WritesInViewAreRefused", viewReadOnly},
		{"TxIsDeadAfterItsClosure", txDead},
		{"SecondRunCountsAlone", secondRun},
	}
}

func viewSnapshot(t *testing.T, s store.Store) {
	puts(t, s, user("a"))
	view(t, s, func(tx store.Tx) error {
		done := make(chan error, 1)
		go func() {
			done <- s.Update(t.Context(), func(tx store.Tx) error {
				_, err := tx.DeleteUser("a")
				return errors.Join(err, tx.PutUser(user("b")))
			})
		}()
		if err := <-done; err != nil {
			return err
		}
		list, err := tx.ListUsers("", 10)
		equal(t, "users in the old snapshot", userIDs(list), []string{"a"})
		return err
	})
	view(t, s, func(tx store.Tx) error {
		list, err := tx.ListUsers("", 10)
		equal(t, "users now", userIDs(list), []string{"b"})
		return err
	})
}

func updateVisible(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		refused(t, "PutUser", tx.PutUser(user("a")), nil)
		_, err := tx.UserByEmail("a@example.com")
		refused(t, "own write", err, nil)
		seen := make(chan error, 1)
		go func() {
			seen <- s.View(t.Context(), func(tx store.Tx) error {
				_, err := tx.User("a")
				return err
			})
		}()
		refused(t, "another's uncommitted write", <-seen, store.ErrNotFound)
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		_, err := tx.User("a")
		return err
	})
}

func errorKeepsNothing(t *testing.T, s store.Store) {
	putEverything(t, s, stored())
	err := s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.DeleteUser("u")
		var x thing
		n, sweepErr := tx.Sweep(after(time.Hour), 10)
		equal(t, "swept", n, 1) // the flow
		return errors.Join(err, sweepErr, tx.DeleteMessage("m"), tx.DeleteKey("k"), tx.SetMeta("m", nil),
			tx.AppendAudit(auditRecord("2")), tx.Put(store.KindLink, hash(9), x, start()), ErrInjected)
	})
	refused(t, "Update", err, ErrInjected)
	equal(t, "records", readEverything(t, s), stored())
	view(t, s, func(tx store.Tx) error {
		c, err := tx.Counts()
		equal(t, "counts", c, store.Counts{Users: 1, Sessions: 1, Audit: 1, Queued: 1})
		n, _ := tx.CountTakes(store.KindLink)
		equal(t, "links", n, int64(0))
		return err
	})
	view(t, s, func(store.Tx) error { return nil })
	refused(t, "View", s.View(t.Context(), func(store.Tx) error { return ErrInjected }), ErrInjected)
}

// survive runs fn, which may panic or return an error, but not succeed.
func survive(t *testing.T, what string, fn func() error) {
	t.Helper()
	defer func() { _ = recover() }()
	if err := fn(); err == nil {
		t.Errorf("%s: a panic in a closure was reported as success", what)
	}
}

func panicKeepsNothing(t *testing.T, s store.Store) {
	survive(t, "Update", func() error {
		return s.Update(t.Context(), func(tx store.Tx) error {
			refused(t, "PutUser", tx.PutUser(user("a")), nil)
			panic("in Update")
		})
	})
	survive(t, "View", func() error {
		return s.View(t.Context(), func(store.Tx) error { panic("in View") })
	})
	view(t, s, func(tx store.Tx) error {
		_, err := tx.User("a")
		refused(t, "User", err, store.ErrNotFound)
		return nil
	})
	puts(t, s, user("a")) // goes on
}

func viewReadOnly(t *testing.T, s store.Store) {
	putEverything(t, s, stored())
	view(t, s, func(tx store.Tx) error {
		var x thing
		_, deleteErr := tx.DeleteUser("u")
		_, passkeyErr := tx.TakePasskey([]byte("p"))
		_, sessionErr := tx.TakeSession(hash(1))
		_, tokenErr := tx.TakeToken(hash(1))
		_, counterErr := tx.AddCounter("c", 1, start(), time.Hour)
		_, leaseErr := tx.LeaseMessages(start(), after(time.Hour), 1)
		_, sweepErr := tx.Sweep(start(), 1)
		for what, err := range map[string]error{
			"PutUser": tx.PutUser(user("u")), "DeleteUser": deleteErr, "ReserveName": tx.ReserveName("n", "u"),
			"PutPasskey": tx.PutPasskey(passkey("p", "u", start())), "TakePasskey": passkeyErr,
			"PutSession": tx.PutSession(session(1, "s", "u")), "TakeSession": sessionErr,
			"TouchSession": tx.TouchSession(hash(1), after(time.Hour), after(time.Hour)),
			"PutToken":     tx.PutToken(token(1, "a", "u")), "TakeToken": tokenErr,
			"TouchToken": tx.TouchToken(hash(1), after(time.Hour)),
			"Put":        tx.Put(store.KindFlow, hash(1), x, start()), "Take": tx.Take(store.KindFlow, hash(1), &x),
			"AddCounter": counterErr, "ClearCounter": tx.ClearCounter("c"),
			"PutMessage": tx.PutMessage(message("m", store.Queued, start())), "LeaseMessages": leaseErr,
			"DeleteMessage": tx.DeleteMessage("m"), "AppendAudit": tx.AppendAudit(auditRecord("2")),
			"PutKey": tx.PutKey(signingKey("k", start())), "DeleteKey": tx.DeleteKey("k"),
			"SetMeta": tx.SetMeta("m", nil), "Sweep": sweepErr,
			// Also where there would be nothing to do.
			"TouchSession of an absent one":  tx.TouchSession(hash(5), start(), start()),
			"TouchToken of an absent one":    tx.TouchToken(hash(5), start()),
			"DeleteMessage of an absent one": tx.DeleteMessage("absent"),
		} {
			refused(t, what, err, store.ErrReadOnly)
		}
		return nil
	})
	equal(t, "records", readEverything(t, s), stored())
}

func txDead(t *testing.T, s store.Store) {
	var kept []store.Tx
	update(t, s, func(tx store.Tx) error { kept = append(kept, tx); return nil })
	view(t, s, func(tx store.Tx) error { kept = append(kept, tx); return nil })
	update(t, s, func(store.Tx) error {
		for _, tx := range kept {
			if err := tx.PutUser(user("a")); err == nil {
				t.Error("a transaction that is over wrote")
			}
			if _, err := tx.ListUsers("", 1); err == nil {
				t.Error("a transaction that is over read")
			}
		}
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		_, err := tx.User("a")
		refused(t, "User", err, store.ErrNotFound)
		return nil
	})
}

func secondRun(t *testing.T, s store.Store) {
	twice := Faulty(s, Faults{
		OnUpdate: Always(RunTwice),
		Between: func(s store.Store) { // somebody else takes the ticket
			update(t, s, func(tx store.Tx) error {
				var x string
				return tx.Take(store.KindTicket, hash(1), &x)
			})
		},
	})
	update(t, s, func(tx store.Tx) error { return tx.Put(store.KindTicket, hash(1), "ticket", start()) })
	runs := 0
	err := twice.Update(t.Context(), func(tx store.Tx) error {
		runs++
		var x string
		if err := tx.AppendAudit(auditRecord("1")); err != nil {
			return err
		}
		return tx.Take(store.KindTicket, hash(1), &x)
	})
	refused(t, "the loser of the race", err, store.ErrNotFound)
	if runs < 2 {
		t.Errorf("closure ran %d times", runs)
	}
	view(t, s, func(tx store.Tx) error {
		c, err := tx.Counts()
		equal(t, "audit of the loser", c.Audit, int64(0))
		return err
	})
}
