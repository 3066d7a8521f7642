package storetest

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func passkeysPromises() []promise {
	return []promise{
		{"RoundTrip", passkeyRoundTrip},
		{"TakenOnce", passkeyTake},
		{"IDOfAnotherUserConflicts", passkeyConflict},
		{"ListByCreation", passkeyList},
		{"OwnersWithCommonPrefixStayApart", passkeyPrefixes},
	}
}

func passkeyRoundTrip(t *testing.T, s store.Store) {
	want := passkey("\x00\xffid", "u", start())
	bare := &store.Passkey{ID: []byte("bare"), UserID: "u"}
	puts(t, s, want, bare)
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Passkey(want.ID)
		refused(t, "Passkey", err, nil)
		equal(t, "Passkey", got, want)
		got, err = tx.Passkey(bare.ID)
		equal(t, "bare passkey", got, bare)
		for _, absent := range [][]byte{nil, {}, []byte("\x00"), []byte("other")} {
			_, err := tx.Passkey(absent)
			refused(t, "absent", err, store.ErrNotFound)
		}
		return err
	})
}

func passkeyTake(t *testing.T, s store.Store) {
	want := passkey("id", "u", start())
	puts(t, s, want)
	update(t, s, func(tx store.Tx) error {
		got, err := tx.TakePasskey(want.ID)
		equal(t, "taken", got, want)
		return err
	})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.TakePasskey(want.ID)
		refused(t, "taking again", err, store.ErrNotFound)
		_, err = tx.Passkey(want.ID)
		refused(t, "Passkey", err, store.ErrNotFound)
		list, err := tx.PasskeysOf("u")
		equal(t, "list", len(list), 0)
		return err
	})
}

func passkeyConflict(t *testing.T, s store.Store) {
	first := passkey("id", "u", start())
	puts(t, s, first)
	update(t, s, func(tx store.Tx) error {
		refused(t, "another user", tx.PutPasskey(passkey("id", "v", start())), store.ErrConflict)
		renamed := passkey("id", "u", start())
		renamed.Name = "phone"
		return tx.PutPasskey(renamed)
	})
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Passkey([]byte("id"))
		if err != nil {
			return err
		}
		equal(t, "owner", got.UserID, "u")
		equal(t, "name", got.Name, "phone")
		list, err := tx.PasskeysOf("v")
		equal(t, "list of the refused", len(list), 0)
		return err
	})
}

func passkeyIDs(list []*store.Passkey) []string {
	return ids(list, func(p *store.Passkey) string { return string(p.ID) })
}

func passkeyList(t *testing.T, s store.Store) {
	puts(t, s, passkey("b", "u", start()), passkey("c", "u", after(-time.Hour)), passkey("d", "u", time.Time{}),
		passkey("a", "u", after(time.Nanosecond)), passkey("x", "v", start()))
	view(t, s, func(tx store.Tx) error {
		list, err := tx.PasskeysOf("u")
		equal(t, "order", passkeyIDs(list), []string{"d", "c", "b", "a"})
		none, _ := tx.PasskeysOf("nobody")
		equal(t, "of nobody", len(none), 0)
		return err
	})
	puts(t, s, passkey("c", "u", after(time.Hour))) // moves in the list
	view(t, s, func(tx store.Tx) error {
		list, err := tx.PasskeysOf("u")
		equal(t, "order", passkeyIDs(list), []string{"d", "b", "a", "c"})
		return err
	})
}

func passkeyPrefixes(t *testing.T, s store.Store) {
	for _, id := range awkward() {
		puts(t, s, passkey("key of "+id, id, start()))
	}
	view(t, s, func(tx store.Tx) error {
		for _, id := range awkward() {
			list, err := tx.PasskeysOf(id)
			if err != nil {
				return err
			}
			equal(t, "passkeys", passkeyIDs(list), []string{"key of " + id})
		}
		return nil
	})
}
