package bolt

import (
	"math"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/store"
)

var signingKeys = table[store.Key]{
	bucket: bucketKeys,
	key:    func(k *store.Key) []byte { return []byte(k.ID) },
	text:   func(k *store.Key) []string { return []string{k.ID} },
	encode: encodeJSON[store.Key], decode: decodeJSON[store.Key],
}

func (t *tx) PutKey(k *store.Key) error {
	rec := *k
	utc(&rec.CreatedAt, &rec.SignsFrom)
	return signingKeys.put(t, &rec)
}

// ListKeys sorts in memory: there are a handful.
func (t *tx) ListKeys() ([]*store.Key, error) {
	keys, err := signingKeys.after(t, nil, math.MaxInt)
	slices.SortStableFunc(keys, func(a, b *store.Key) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return keys, err
}

func (t *tx) DeleteKey(id string) error {
	_, err := signingKeys.take(t, []byte(id))
	return err
}
