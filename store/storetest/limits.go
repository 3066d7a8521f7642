package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func limitsPromises() []promise {
	return []promise{
		{"KeysUpToMaxKey", limitKeys},
		{"ValuesUpToMaxValue", limitValues},
		{"NoEmptyKeys", limitEmpty},
		{"NoKeysOfBrokenText", limitText},
	}
}

// keyed tries to write a record with a key of n bytes, in every place where
// callers choose one.
func keyed(tx store.Tx, n int) map[string]error {
	long := strings.Repeat("k", n)
	_, counterErr := tx.AddCounter(long, 1, start(), time.Hour)
	return map[string]error{
		"user id":       tx.PutUser(&store.User{ID: long}),
		"e-mail":        tx.PutUser(&store.User{ID: "a", Email: long}),
		"name":          tx.PutUser(&store.User{ID: "b", Name: long}),
		"handle":        tx.PutUser(&store.User{ID: "c", Handle: []byte(long)}),
		"name reserved": tx.ReserveName(long, "a"),
		"credential id": tx.PutPasskey(passkey(long, "u", start())),
		"passkey owner": tx.PutPasskey(passkey("p", long, start())),
		"session id":    tx.PutSession(&store.Session{Hash: hash(1), ID: long}),
		"session owner": tx.PutSession(&store.Session{Hash: hash(2), UserID: long}),
		"session root":  tx.PutSession(&store.Session{Hash: hash(3), RootID: long}),
		"token id":      tx.PutToken(&store.AccessToken{Hash: hash(1), ID: long}),
		"token owner":   tx.PutToken(&store.AccessToken{Hash: hash(2), UserID: long}),
		"message id":    tx.PutMessage(message(long, store.Queued, start())),
		"audit id":      tx.AppendAudit(auditRecord(long)),
		"audit subject": tx.AppendAudit(auditAbout(long, "a")),
		"key id":        tx.PutKey(signingKey(long, start())),
		"meta name":     tx.SetMeta(long, []byte("x")),
		"counter name":  counterErr,
	}
}

func limitKeys(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for what, err := range keyed(tx, store.MaxKey+1) {
			refused(t, what+" of MaxKey+1", err, store.ErrTooLarge)
		}
		c, err := tx.Counts()
		equal(t, "counts", c, store.Counts{})
		return err
	})
	update(t, s, func(tx store.Tx) error {
		for what, err := range keyed(tx, store.MaxKey) {
			refused(t, what+" of MaxKey", err, nil)
		}
		return nil
	})
	long := strings.Repeat("k", store.MaxKey)
	view(t, s, func(tx store.Tx) error {
		list, err := tx.PasskeysOf(long)
		equal(t, "passkeys of the long user", passkeyIDs(list), []string{"p"})
		_, absent := tx.User(long + "k")
		refused(t, "reading beyond MaxKey", absent, store.ErrNotFound)
		return err
	})
}

func limitValues(t *testing.T, s store.Store) {
	huge, large := strings.Repeat("v", store.MaxValue), strings.Repeat("v", store.MaxValue-4096)
	puts(t, s, &store.User{ID: "u", DisplayName: large})
	update(t, s, func(tx store.Tx) error {
		refused(t, "user", tx.PutUser(&store.User{ID: "u", Email: "new", DisplayName: huge}), store.ErrTooLarge)
		refused(t, "take", tx.Put(store.KindFlow, hash(1), huge, start()), store.ErrTooLarge)
		refused(t, "meta", tx.SetMeta("m", []byte(huge+"v")), store.ErrTooLarge)
		refused(t, "meta of MaxValue", tx.SetMeta("m", []byte(huge)), nil)
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		u, err := tx.User("u")
		equal(t, "length", len(u.DisplayName), len(large))
		_, absent := tx.UserByEmail("new")
		refused(t, "e-mail of the refused", absent, store.ErrNotFound)
		return err
	})
}

func limitEmpty(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		_, counterErr := tx.AddCounter("", 1, start(), time.Hour)
		for what, err := range map[string]error{
			"user":    tx.PutUser(&store.User{Email: "a@example.com"}),
			"name":    tx.ReserveName("", "u"),
			"passkey": tx.PutPasskey(&store.Passkey{UserID: "u"}),
			"message": tx.PutMessage(&store.Message{Status: store.Queued}),
			"audit":   tx.AppendAudit(&store.AuditRecord{}),
			"key":     tx.PutKey(&store.Key{}),
			"meta":    tx.SetMeta("", nil),
			"counter": counterErr,
		} {
			if err == nil {
				t.Errorf("%s: an empty key was stored", what)
			}
		}
		c, err := tx.Counts()
		equal(t, "counts", c, store.Counts{})
		return err
	})
}

// limitText: an encoding that mends broken UTF-8 would file a record under one
// key and read it back with another.
func limitText(t *testing.T, s store.Store) {
	const broken = "a\xff"
	update(t, s, func(tx store.Tx) error {
		for what, err := range map[string]error{
			"user id":       tx.PutUser(&store.User{ID: broken}),
			"e-mail":        tx.PutUser(&store.User{ID: "a", Email: broken}),
			"name":          tx.PutUser(&store.User{ID: "a", Name: broken}),
			"passkey owner": tx.PutPasskey(passkey("p", broken, start())),
			"session id":    tx.PutSession(&store.Session{Hash: hash(1), ID: broken}),
			"session owner": tx.PutSession(&store.Session{Hash: hash(1), UserID: broken}),
			"session root":  tx.PutSession(&store.Session{Hash: hash(1), RootID: broken}),
			"token id":      tx.PutToken(&store.AccessToken{Hash: hash(1), ID: broken}),
			"token owner":   tx.PutToken(&store.AccessToken{Hash: hash(1), UserID: broken}),
			"message id":    tx.PutMessage(message(broken, store.Queued, start())),
			"status":        tx.PutMessage(message("m", broken, start())),
			"audit id":      tx.AppendAudit(auditRecord(broken)),
			"audit subject": tx.AppendAudit(auditAbout(broken, "a")),
			"key id":        tx.PutKey(signingKey(broken, start())),
			"name reserved": tx.ReserveName(broken, "u"),
		} {
			if err == nil {
				t.Errorf("%s: broken UTF-8 was stored", what)
			}
		}
		c, err := tx.Counts()
		equal(t, "counts", c, store.Counts{})
		return err
	})
	view(t, s, func(tx store.Tx) error {
		_, err := tx.UserByEmail(broken)
		refused(t, "reading", err, store.ErrNotFound)
		return nil
	})
}
