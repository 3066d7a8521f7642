package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func sessionsPromises() []promise {
	return []promise{
		{"RoundTrip", sessionRoundTrip},
		{"TakenOnce_ChildrenStay", sessionTake},
		{"IDOfAnotherHashConflicts", sessionConflict},
		{"RotateKeepsTheID", sessionRotate},
		{"TouchOnlyMovesForward", sessionTouch},
	}
}

func sessionRoundTrip(t *testing.T, s store.Store) {
	full := session(1, "s1", "u")
	full.RootID, full.ClientID, full.PasskeyID, full.Kind = "root", "spa", []byte{0, 1, 255}, store.APISession
	full.AMR = []string{"email", "passkey"}
	bare := &store.Session{Hash: hash(2), ID: "s2", UserID: "u"}
	puts(t, s, full, bare)
	view(t, s, func(tx store.Tx) error {
		for _, want := range []*store.Session{full, bare} {
			got, err := tx.Session(want.Hash)
			refused(t, "Session", err, nil)
			equal(t, "Session", got, want)
			got, err = tx.SessionByID(want.ID)
			refused(t, "SessionByID", err, nil)
			equal(t, "SessionByID", got, want)
		}
		_, err := tx.Session(hash(3))
		refused(t, "absent hash", err, store.ErrNotFound)
		_, err = tx.Session(store.Hash{})
		refused(t, "zero hash", err, store.ErrNotFound)
		for _, absent := range []string{"", "s", "s1\x00"} {
			_, err = tx.SessionByID(absent)
			refused(t, "absent id", err, store.ErrNotFound)
		}
		return nil
	})
}

func sessionTake(t *testing.T, s store.Store) {
	root, child := session(1, "root", "u"), session(2, "child", "u")
	child.RootID, child.Kind = "root", store.AppSession
	puts(t, s, root, child)
	update(t, s, func(tx store.Tx) error {
		got, err := tx.TakeSession(root.Hash)
		equal(t, "taken", got, root)
		return err
	})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.TakeSession(root.Hash)
		refused(t, "taking again", err, store.ErrNotFound)
		_, err = tx.SessionByID("root")
		refused(t, "SessionByID", err, store.ErrNotFound)
		children, err := tx.ChildrenOf("root")
		equal(t, "children", children, []*store.Session{child})
		return err
	})
}

func sessionConflict(t *testing.T, s store.Store) {
	first := session(1, "s", "u")
	puts(t, s, first)
	update(t, s, func(tx store.Tx) error {
		refused(t, "same ID", tx.PutSession(session(2, "s", "u")), store.ErrConflict)
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		list, err := tx.SessionsOf("u")
		equal(t, "sessions", list, []*store.Session{first})
		_, absent := tx.Session(hash(2))
		refused(t, "the refused", absent, store.ErrNotFound)
		return err
	})
}

func sessionRotate(t *testing.T, s store.Store) {
	puts(t, s, session(1, "s", "u"))
	update(t, s, func(tx store.Tx) error {
		old, err := tx.TakeSession(hash(1))
		if err != nil {
			return err
		}
		old.Hash = hash(2)
		return tx.PutSession(old)
	})
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Session(hash(1))
		refused(t, "old hash", err, store.ErrNotFound)
		got, err := tx.SessionByID("s")
		if err != nil {
			return err
		}
		equal(t, "hash", got.Hash, hash(2))
		c, err := tx.Counts()
		equal(t, "count", c.Sessions, int64(1))
		return err
	})
}

func sessionTouch(t *testing.T, s store.Store) {
	puts(t, s, session(1, "s", "u"))
	later, end := after(time.Minute), after(25*time.Hour)
	update(t, s, func(tx store.Tx) error {
		refused(t, "touch", tx.TouchSession(hash(1), later, end), nil)
		refused(t, "touch earlier", tx.TouchSession(hash(1), after(time.Second), after(99*time.Hour)), nil)
		refused(t, "touch again", tx.TouchSession(hash(1), later, after(99*time.Hour)), nil)
		refused(t, "touch absent", tx.TouchSession(hash(2), later, end), nil)
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		want := session(1, "s", "u")
		want.LastSeen, want.Expires = later, end
		got, err := tx.Session(hash(1))
		equal(t, "session", got, want)
		_, absent := tx.Session(hash(2))
		refused(t, "touched absent", absent, store.ErrNotFound)
		return err
	})
	update(t, s, func(tx store.Tx) error { // Sweep goes by the new Expires
		n, err := tx.Sweep(after(24*time.Hour+time.Minute), 10)
		equal(t, "swept before the new end", n, 0)
		refused(t, "Sweep", err, nil)
		n, err = tx.Sweep(end.Add(1), 10)
		equal(t, "swept after it", n, 1)
		return err
	})
}

func sessionIndexPromises() []promise {
	return []promise{
		{"OfUserOldestFirst", sessionsOfUser},
		{"ReplaceMovesIndexes", sessionReplace},
		{"OwnersWithCommonPrefixStayApart", sessionPrefixes},
		{"ListInByteOrder", sessionList},
	}
}

func sessionsOfUser(t *testing.T, s store.Store) {
	oldest := session(9, "oldest", "u")
	oldest.CreatedAt = after(-time.Hour)
	puts(t, s, session(2, "second", "u"), session(1, "first", "u"), oldest, session(5, "other", "v"))
	view(t, s, func(tx store.Tx) error {
		list, err := tx.SessionsOf("u")
		equal(t, "order", sessionIDs(list), []string{"oldest", "first", "second"})
		none, _ := tx.SessionsOf("nobody")
		equal(t, "of nobody", len(none), 0)
		return err
	})
}

func sessionReplace(t *testing.T, s store.Store) {
	before := session(1, "old", "u")
	before.RootID = "r"
	now := session(1, "new", "v")
	now.RootID = "q"
	puts(t, s, before, now)
	view(t, s, func(tx store.Tx) error {
		_, err := tx.SessionByID("old")
		refused(t, "old id", err, store.ErrNotFound)
		of, _ := tx.SessionsOf("u")
		equal(t, "of the old user", len(of), 0)
		of, _ = tx.ChildrenOf("r")
		equal(t, "of the old root", len(of), 0)
		of, _ = tx.SessionsOf("v")
		equal(t, "of the new user", of, []*store.Session{now})
		of, err = tx.ChildrenOf("q")
		equal(t, "of the new root", of, []*store.Session{now})
		return err
	})
}

func sessionPrefixes(t *testing.T, s store.Store) {
	for i, owner := range awkward() {
		x := session(i, "session of "+owner, owner)
		x.RootID = owner
		puts(t, s, x)
	}
	view(t, s, func(tx store.Tx) error {
		for _, owner := range awkward() {
			list, err := tx.SessionsOf(owner)
			refused(t, "SessionsOf", err, nil)
			equal(t, "sessions", sessionIDs(list), []string{"session of " + owner})
			list, err = tx.ChildrenOf(owner)
			refused(t, "ChildrenOf", err, nil)
			equal(t, "children", sessionIDs(list), []string{"session of " + owner})
		}
		list, err := tx.ChildrenOf("")
		equal(t, "children of nobody", len(list), 0)
		return err
	})
}

func sessionList(t *testing.T, s store.Store) {
	var all []string
	for i := range 10 {
		all = append(all, string(rune('a'+i)))
		n := 9 - i
		puts(t, s, session(n, string(rune('a'+n)), "u"))
	}
	view(t, s, func(tx store.Tx) error {
		list, err := tx.ListSessions(store.Hash{}, 4)
		refused(t, "ListSessions", err, nil)
		equal(t, "first page", sessionIDs(list), all[:4])
		list, err = tx.ListSessions(hash(3), 100)
		equal(t, "the rest", sessionIDs(list), slices.Clone(all[4:]))
		none, _ := tx.ListSessions(hash(9), 5)
		equal(t, "after the last", len(none), 0)
		none, _ = tx.ListSessions(store.Hash{}, 0)
		equal(t, "limit 0", len(none), 0)
		return err
	})
}
