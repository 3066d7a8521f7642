package storetest

import (
	"bytes"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func copiesPromises() []promise {
	return []promise{
		{"RecordsStayValidAfterTheTransactionAndClose", copiesStay},
		{"ChangingThemChangesNothing", copiesApart},
		{"ArgumentsAreCopied", copiesIn},
	}
}

// everything is one of each record, as the store returned it.
type everything struct {
	user    *store.User
	passkey *store.Passkey
	session *store.Session
	token   *store.AccessToken
	message *store.Message
	thing   thing
	meta    []byte
	audit   *store.AuditRecord
	key     *store.Key
}

func stored() everything {
	return everything{
		user: user("u"), passkey: passkey("p", "u", start()), session: session(1, "s", "u"),
		token:   token(1, "a", "u"),
		message: message("m", store.Queued, start()), thing: thing{Name: "x", At: start(), Tags: []string{"a"}},
		meta: bytes.Repeat([]byte("value"), 1000), audit: auditRecord("1"), key: signingKey("k", start()),
	}
}

func putEverything(t *testing.T, s store.Store, e everything) {
	t.Helper()
	puts(t, s, e.user, e.passkey, e.session, e.token, e.message, e.audit, e.key)
	update(t, s, func(tx store.Tx) error {
		refused(t, "SetMeta", tx.SetMeta("m", e.meta), nil)
		return tx.Put(store.KindFlow, hash(1), e.thing, start())
	})
}

func readEverything(t *testing.T, s store.Store) (e everything) {
	t.Helper()
	view(t, s, func(tx store.Tx) (err error) {
		e = everything{}
		var errs [9]error
		e.user, errs[0] = tx.User("u")
		e.passkey, errs[1] = tx.Passkey([]byte("p"))
		e.session, errs[2] = tx.Session(hash(1))
		e.message, errs[3] = tx.Message("m")
		errs[4] = tx.Peek(store.KindFlow, hash(1), &e.thing)
		e.meta, errs[5] = tx.MetaValue("m")
		audit, err := tx.ListAudit("", 1)
		errs[6] = err
		keys, err := tx.ListKeys()
		errs[7] = err
		e.token, errs[8] = tx.Token(hash(1))
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		e.audit, e.key = audit[0], keys[0]
		return nil
	})
	return e
}

// spoil overwrites every byte that e shares with anybody.
func (e everything) spoil() {
	for _, b := range [][]byte{
		e.user.Handle, e.passkey.ID, e.passkey.Credential, e.passkey.AAGUID,
		e.message.Sealed, e.meta, e.key.Wrapped, e.key.Public,
	} {
		for i := range b {
			b[i] ^= 0xff
		}
	}
	e.user.Groups[0], e.session.AMR[0], e.thing.Tags[0] = "spoilt", "spoilt", "spoilt"
	e.token.Methods[0], e.token.Networks[0] = "spoilt", "spoilt"
	e.message.Params["host"], e.audit.Details["host"] = "spoilt", "spoilt"
	*e.user, *e.session, *e.token = store.User{}, store.Session{}, store.AccessToken{}
}

func copiesStay(t *testing.T, s store.Store) {
	putEverything(t, s, stored())
	got := readEverything(t, s)
	for i := range 50 { // other transactions reuse the pages
		update(t, s, func(tx store.Tx) error { return tx.Put(store.KindLink, hash(i), stored().user, start()) })
	}
	equal(t, "after other transactions", got, stored())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "after Close", got, stored())
}

func copiesApart(t *testing.T, s store.Store) {
	putEverything(t, s, stored())
	readEverything(t, s).spoil()
	equal(t, "after spoiling what was read", readEverything(t, s), stored())
	update(t, s, func(tx store.Tx) error { // also within one transaction
		u, err := tx.User("u")
		if err != nil {
			return err
		}
		u.Handle[0], u.Groups[0], u.Email = 'X', "spoilt", "spoilt"
		again, err := tx.User("u")
		equal(t, "read again", again, stored().user)
		return err
	})
}

func copiesIn(t *testing.T, s store.Store) {
	e := stored()
	update(t, s, func(tx store.Tx) error {
		e = stored()
		for _, r := range []any{e.user, e.passkey, e.session, e.token, e.message, e.audit, e.key} {
			if err := put(tx, r); err != nil {
				return err
			}
		}
		refused(t, "SetMeta", tx.SetMeta("m", e.meta), nil)
		refused(t, "Put", tx.Put(store.KindFlow, hash(1), &e.thing, start()), nil)
		e.spoil() // before the commit
		return nil
	})
	equal(t, "after spoiling the arguments", readEverything(t, s), stored())
}
