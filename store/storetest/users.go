package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func usersPromises() []promise {
	return []promise{
		{"AbsentIsNotFound", userAbsent},
		{"RoundTrip", userRoundTrip},
		{"ReplaceMovesIndexes", userReplace},
		{"ConflictChangesNothing", userConflict},
		{"UniqueByteByByte", userBytewise},
		{"EmptyValuesAreHeldByNobody", userEmptyValues},
		{"DeleteTakesPasskeysAndSessionsAlong", userDelete},
		{"ListInByteOrder", userList},
	}
}

func userAbsent(t *testing.T, s store.Store) {
	puts(t, s, user("a"))
	view(t, s, func(tx store.Tx) error {
		for _, absent := range []string{"", "b", "a\x00", "A"} {
			_, err := tx.User(absent)
			refused(t, "User", err, store.ErrNotFound)
			_, err = tx.UserByEmail(absent)
			refused(t, "UserByEmail", err, store.ErrNotFound)
			_, err = tx.UserByName(absent)
			refused(t, "UserByName", err, store.ErrNotFound)
			_, err = tx.UserByHandle([]byte(absent))
			refused(t, "UserByHandle", err, store.ErrNotFound)
		}
		_, err := tx.UserByHandle(nil)
		refused(t, "UserByHandle(nil)", err, store.ErrNotFound)
		return nil
	})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.DeleteUser("b")
		refused(t, "DeleteUser", err, store.ErrNotFound)
		return nil
	})
}

func userRoundTrip(t *testing.T, s store.Store) {
	full := user("full")
	full.Disabled, full.Admin, full.Named, full.Unnamed = true, true, true, true
	full.NotNowUntil = after(time.Hour)
	bare := &store.User{ID: "bare", Email: "bare@example.com", Name: "bare", Handle: []byte{0, 255}}
	zoned := user("zoned")
	zoned.CreatedAt = start().In(time.FixedZone("east", 2*3600))
	puts(t, s, full, bare, zoned)
	view(t, s, func(tx store.Tx) error {
		for _, want := range []*store.User{full, bare} {
			got, err := tx.User(want.ID)
			equal(t, "User", got, want)
			refused(t, "User", err, nil)
			byEmail, _ := tx.UserByEmail(want.Email)
			equal(t, "UserByEmail", byEmail, want)
			byName, _ := tx.UserByName(want.Name)
			equal(t, "UserByName", byName, want)
			byHandle, _ := tx.UserByHandle(want.Handle)
			equal(t, "UserByHandle", byHandle, want)
		}
		got, err := tx.User("zoned")
		if err != nil {
			return err
		}
		equal(t, "CreatedAt of another zone", got.CreatedAt, start())
		if !got.NotNowUntil.IsZero() {
			t.Errorf("zero time came back as %v", got.NotNowUntil)
		}
		return nil
	})
	if zoned.CreatedAt.Location() == time.UTC {
		t.Error("PutUser changed its argument")
	}
}

func userReplace(t *testing.T, s store.Store) {
	puts(t, s, user("a"))
	moved := user("a")
	moved.Email, moved.Name, moved.Handle = "new@example.com", "new", []byte("new")
	puts(t, s, moved)
	view(t, s, func(tx store.Tx) error {
		_, err := tx.UserByEmail("a@example.com")
		refused(t, "old e-mail", err, store.ErrNotFound)
		_, err = tx.UserByName("a")
		refused(t, "old name", err, store.ErrNotFound)
		_, err = tx.UserByHandle([]byte("handle of a"))
		refused(t, "old handle", err, store.ErrNotFound)
		got, err := tx.UserByEmail("new@example.com")
		equal(t, "by new e-mail", got, moved)
		return err
	})
	heir := user("b")
	heir.Email, heir.Name, heir.Handle = "a@example.com", "a", []byte("handle of a")
	puts(t, s, heir) // what was given up is free
	view(t, s, func(tx store.Tx) error {
		c, err := tx.Counts()
		equal(t, "users", c.Users, int64(2))
		return err
	})
}

func userConflict(t *testing.T, s store.Store) {
	a, b := user("a"), user("b")
	puts(t, s, a, b)
	for what, change := range map[string]func(*store.User){
		"e-mail": func(u *store.User) { u.Email = a.Email },
		"name":   func(u *store.User) { u.Name = a.Name },
		"handle": func(u *store.User) { u.Handle = a.Handle },
	} {
		clash := user("b")
		clash.Email, clash.Name, clash.Handle = "c@example.com", "c", []byte("c")
		change(clash)
		fresh := *clash
		fresh.ID = "c"
		update(t, s, func(tx store.Tx) error { // commits although refused
			refused(t, "replacing with the "+what+" of another", tx.PutUser(clash), store.ErrConflict)
			refused(t, "creating with the "+what+" of another", tx.PutUser(&fresh), store.ErrConflict)
			return nil
		})
	}
	view(t, s, func(tx store.Tx) error {
		list, err := tx.ListUsers("", 10)
		equal(t, "users", list, []*store.User{a, b})
		_, free := tx.UserByEmail("c@example.com")
		refused(t, "e-mail of the refused", free, store.ErrNotFound)
		got, _ := tx.UserByName("b")
		equal(t, "b by name", got, b)
		return err
	})
}

func userBytewise(t *testing.T, s store.Store) {
	addresses := []string{"a@x", "A@x", "a@x ", "a@x\x00", "\u00e9@x", "e\u0301@x", "ss@x", "ß@x", "%@x", "_@x"}
	for i, address := range addresses {
		u := user(string(rune('a' + i)))
		u.Email, u.Name = address, address
		puts(t, s, u)
	}
	view(t, s, func(tx store.Tx) error {
		for i, address := range addresses {
			u, err := tx.UserByEmail(address)
			if err != nil {
				return err
			}
			equal(t, "holder of "+address, u.ID, string(rune('a'+i)))
		}
		return nil
	})
}

func userEmptyValues(t *testing.T, s store.Store) {
	puts(t, s, &store.User{ID: "a"}, &store.User{ID: "b"})
	view(t, s, func(tx store.Tx) error {
		_, err := tx.UserByEmail("")
		refused(t, "UserByEmail", err, store.ErrNotFound)
		_, err = tx.UserByName("")
		refused(t, "UserByName", err, store.ErrNotFound)
		_, err = tx.UserByHandle([]byte{})
		refused(t, "UserByHandle", err, store.ErrNotFound)
		return nil
	})
}

func userDelete(t *testing.T, s store.Store) {
	other := session(3, "s3", "ab")
	puts(t, s, user("a"), user("ab"), passkey("p1", "a", start()), passkey("p2", "a", start()), passkey("p3", "ab", start()),
		session(2, "s2", "a"), session(1, "s1", "a"), other)
	update(t, s, func(tx store.Tx) error {
		refused(t, "ReserveName", tx.ReserveName("a", "a"), nil)
		hashes, err := tx.DeleteUser("a")
		slices.SortFunc(hashes, func(x, y store.Hash) int { return slices.Compare(x[:], y[:]) })
		equal(t, "hashes", hashes, []store.Hash{hash(1), hash(2)})
		return err
	})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.DeleteUser("a")
		refused(t, "DeleteUser again", err, store.ErrNotFound)
		_, err = tx.User("a")
		refused(t, "User", err, store.ErrNotFound)
		_, err = tx.UserByEmail("a@example.com")
		refused(t, "UserByEmail", err, store.ErrNotFound)
		_, err = tx.Passkey([]byte("p1"))
		refused(t, "Passkey", err, store.ErrNotFound)
		_, err = tx.Session(hash(1))
		refused(t, "Session", err, store.ErrNotFound)
		_, err = tx.SessionByID("s2")
		refused(t, "SessionByID", err, store.ErrNotFound)
		owner, err := tx.NameOwner("a")
		refused(t, "NameOwner", err, nil)
		equal(t, "owner of the name", owner, "a")
		left, err := tx.SessionsOf("ab")
		refused(t, "SessionsOf", err, nil)
		equal(t, "sessions of another", left, []*store.Session{other})
		keys, err := tx.PasskeysOf("ab")
		refused(t, "PasskeysOf", err, nil)
		equal(t, "passkeys of another", len(keys), 1)
		c, err := tx.Counts()
		equal(t, "counts", c, store.Counts{Users: 1, Sessions: 1})
		return err
	})
}

func userList(t *testing.T, s store.Store) {
	all := awkward()
	shuffled := slices.Clone(all)
	slices.Reverse(shuffled)
	for _, id := range shuffled {
		puts(t, s, &store.User{ID: id})
	}
	view(t, s, func(tx store.Tx) error {
		for from, after := range append([]string{""}, all...) {
			list, err := tx.ListUsers(after, 3)
			if err != nil {
				return err
			}
			equal(t, "users after "+after, userIDs(list), append([]string{}, all[from:min(from+3, len(all))]...))
		}
		list, err := tx.ListUsers("a\x00a", 1) // between two ids
		equal(t, "users after an absent id", userIDs(list), []string{"a\x00b"})
		none, _ := tx.ListUsers("", 0)
		equal(t, "limit 0", len(none), 0)
		return err
	})
}

func namesPromises() []promise {
	return []promise{
		{"FirstHolderKeepsIt", func(t *testing.T, s store.Store) {
			update(t, s, func(tx store.Tx) error {
				_, err := tx.NameOwner("alice")
				refused(t, "NameOwner", err, store.ErrNotFound)
				refused(t, "first", tx.ReserveName("alice", "a"), nil)
				refused(t, "same again", tx.ReserveName("alice", "a"), nil)
				refused(t, "another", tx.ReserveName("alice", "b"), store.ErrConflict)
				refused(t, "other bytes", tx.ReserveName("Alice", "b"), nil)
				return nil
			})
			view(t, s, func(tx store.Tx) error {
				owner, err := tx.NameOwner("alice")
				equal(t, "owner", owner, "a")
				return err
			})
		}},
	}
}
