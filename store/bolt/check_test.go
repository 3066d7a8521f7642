package bolt

import (
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Every index is compared with the records: Check finds a missing entry and a
// stray one.
func TestCheck_FindsWhatDoesNotFitInEveryIndex(t *testing.T) {
	db := mustOpen(t, filepath.Join(private(t), "auth.db"))
	if err := db.Update(t.Context(), func(tx store.Tx) error { return fill(tx, 0, 3) }); err != nil {
		t.Fatal(err)
	}
	change := func(index string, fn func(*bbolt.Bucket) error) {
		t.Helper()
		if err := db.bolt.Update(func(b *bbolt.Tx) error { return fn(b.Bucket([]byte(index))) }); err != nil {
			t.Fatal(err)
		}
	}
	unsound := func(index, what string) {
		t.Helper()
		if err := db.Check(t.Context()); err == nil {
			t.Errorf("%s: Check did not find the %s entry", index, what)
		}
	}
	records := map[string]bool{
		bucketMeta: true, bucketCounts: true, bucketUsers: true, bucketNames: true, bucketPasskeys: true, bucketSessions: true,
		bucketTokens: true, bucketTakes: true, bucketCounters: true, bucketOutbox: true, bucketAudit: true, bucketKeys: true,
	}
	for _, index := range buckets() {
		if records[index] {
			continue
		}
		stray := []byte("\xff stray")
		change(index, func(b *bbolt.Bucket) error { return b.Put(stray, nil) })
		unsound(index, "stray")
		change(index, func(b *bbolt.Bucket) error { return b.Delete(stray) })

		var key, value []byte
		change(index, func(b *bbolt.Bucket) error {
			k, v := b.Cursor().First()
			key, value = append(key, k...), append(value, v...)
			return b.Delete(key)
		})
		unsound(index, "missing")
		change(index, func(b *bbolt.Bucket) error { return b.Put(key, value) })
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
