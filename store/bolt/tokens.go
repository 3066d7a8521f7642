package bolt

import (
	"errors"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

var tokens = table[store.AccessToken]{
	bucket: bucketTokens,
	key:    func(a *store.AccessToken) []byte { return a.Hash[:] },
	text:   func(a *store.AccessToken) []string { return []string{a.ID, a.UserID} },
	index: func(a *store.AccessToken) []entry {
		index := []entry{{index: indexUserToken, key: owned(a.UserID, timeKey(a.CreatedAt), a.Hash[:]), size: len(a.UserID)}}
		if !a.Expires.IsZero() {
			index = append(index, expires(a.Expires, sweepToken, a.Hash[:]))
		}
		return unique(index, indexTokenID, a.ID, a.Hash[:])
	},
	encode: encodeJSON[store.AccessToken], decode: decodeJSON[store.AccessToken],
}

func (t *tx) Token(h store.Hash) (*store.AccessToken, error) { return tokens.get(t, h[:]) }

func (t *tx) TokenByID(id string) (*store.AccessToken, error) {
	return tokens.by(t, indexTokenID, []byte(id))
}

func (t *tx) PutToken(a *store.AccessToken) error {
	rec := *a
	utc(&rec.CreatedAt, &rec.Expires, &rec.LastUsed)
	return tokens.put(t, &rec)
}

func (t *tx) TakeToken(h store.Hash) (*store.AccessToken, error) { return tokens.take(t, h[:]) }

func (t *tx) TouchToken(h store.Hash, lastUsed time.Time) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	a, err := tokens.get(t, h[:])
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !lastUsed.After(a.LastUsed) {
		return err
	}
	a.LastUsed = lastUsed
	return t.PutToken(a)
}

func (t *tx) TokensOf(userID string) ([]*store.AccessToken, error) {
	keys, err := t.listed(indexUserToken, owned(userID))
	if err != nil {
		return nil, err
	}
	return tokens.all(t, keys)
}
