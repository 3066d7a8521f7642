package storetest

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func signingKey(id string, created time.Time) *store.Key {
	return &store.Key{ID: id, RootID: "root", Use: "sig", Wrapped: []byte{1, 0, 255}, Public: []byte{2}, CreatedAt: created}
}

func keysPromises() []promise {
	return []promise{
		{"ListOldestFirst", func(t *testing.T, s store.Store) {
			a, b, c := signingKey("z", start()), signingKey("a", after(time.Nanosecond)), signingKey("m", after(-time.Hour))
			b.SignsFrom = after(time.Hour)
			puts(t, s, a, b, c)
			view(t, s, func(tx store.Tx) error {
				list, err := tx.ListKeys()
				equal(t, "keys", list, []*store.Key{c, a, b})
				return err
			})
		}},
		{"PutReplaces", func(t *testing.T, s store.Store) {
			changed := signingKey("k", start())
			changed.SignsFrom = after(time.Hour)
			puts(t, s, signingKey("k", start()), changed)
			view(t, s, func(tx store.Tx) error {
				list, err := tx.ListKeys()
				equal(t, "keys", list, []*store.Key{changed})
				return err
			})
		}},
		{"DeletedOnce", func(t *testing.T, s store.Store) {
			puts(t, s, signingKey("k", start()))
			update(t, s, func(tx store.Tx) error {
				refused(t, "DeleteKey", tx.DeleteKey("k"), nil)
				refused(t, "again", tx.DeleteKey("k"), store.ErrNotFound)
				list, err := tx.ListKeys()
				equal(t, "keys", len(list), 0)
				return err
			})
		}},
	}
}
