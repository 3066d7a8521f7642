package bolt

import (
	"fmt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

var passkeys = table[store.Passkey]{
	bucket: bucketPasskeys,
	key:    func(p *store.Passkey) []byte { return p.ID },
	text:   func(p *store.Passkey) []string { return []string{p.UserID} },
	index: func(p *store.Passkey) []entry {
		return []entry{{
			index: indexUserPasskey,
			key:   owned(p.UserID, timeKey(p.CreatedAt), p.ID),
			size:  len(p.UserID),
		}}
	},
	encode: encodeJSON[store.Passkey], decode: decodeJSON[store.Passkey],
}

func (t *tx) Passkey(id []byte) (*store.Passkey, error) { return passkeys.get(t, id) }

func (t *tx) PutPasskey(p *store.Passkey) error {
	old, err := passkeys.find(t, p.ID)
	if err != nil {
		return err
	}
	if old != nil && old.UserID != p.UserID {
		return fmt.Errorf("credential id: %w", store.ErrConflict)
	}
	rec := *p
	utc(&rec.CreatedAt, &rec.LastUsed, &rec.TrustedAt)
	return passkeys.put(t, &rec)
}

func (t *tx) TakePasskey(id []byte) (*store.Passkey, error) { return passkeys.take(t, id) }

func (t *tx) PasskeysOf(userID string) ([]*store.Passkey, error) {
	keys, err := t.listed(indexUserPasskey, owned(userID))
	if err != nil {
		return nil, err
	}
	return passkeys.all(t, keys)
}
