package bolt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/store"
)

var users = table[store.User]{
	bucket: bucketUsers,
	key:    func(u *store.User) []byte { return []byte(u.ID) },
	text:   func(u *store.User) []string { return []string{u.ID, u.Email, u.Name} },
	index: func(u *store.User) (index []entry) {
		index = unique(index, indexEmail, u.Email, u.ID)
		index = unique(index, indexName, u.Name, u.ID)
		return unique(index, indexHandle, u.Handle, u.ID)
	},
	counts: func(*store.User) []string { return []string{countUsers} },
	encode: encodeJSON[store.User], decode: decodeJSON[store.User],
}

func (t *tx) User(id string) (*store.User, error) { return users.get(t, []byte(id)) }

func (t *tx) UserByEmail(email string) (*store.User, error) {
	return users.by(t, indexEmail, []byte(email))
}

func (t *tx) UserByName(name string) (*store.User, error) {
	return users.by(t, indexName, []byte(name))
}

func (t *tx) UserByHandle(handle []byte) (*store.User, error) {
	return users.by(t, indexHandle, handle)
}

func (t *tx) PutUser(u *store.User) error {
	rec := *u
	utc(&rec.CreatedAt, &rec.VerifiedAt, &rec.NotNowUntil)
	if u.TOTP != nil {
		totp := *u.TOTP
		utc(&totp.CreatedAt, &totp.LastUsed, &totp.TrustedAt)
		rec.TOTP = &totp
	}
	if u.Recovery != nil {
		codes := *u.Recovery
		utc(&codes.MadeAt)
		rec.Recovery = &codes
	}
	if u.Freeze != nil {
		freeze := *u.Freeze
		utc(&freeze.At, &freeze.Since)
		rec.Freeze = &freeze
	}
	rec.Guesses = slices.Clone(u.Guesses)
	for i := range rec.Guesses {
		utc(&rec.Guesses[i])
	}
	return users.put(t, &rec)
}

func (t *tx) DeleteUser(id string) ([]store.Hash, error) {
	if _, err := users.take(t, []byte(id)); err != nil {
		return nil, err
	}
	owner := owned(id)
	ids, err := t.listed(indexUserPasskey, owner)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, err := passkeys.take(t, id); err != nil {
			return nil, fmt.Errorf("removing passkey: %w", err)
		}
	}
	var hashes []store.Hash
	for index, take := range map[string]func(key []byte) error{
		indexUserSession: func(key []byte) error { _, err := sessions.take(t, key); return err },
		indexUserToken:   func(key []byte) error { _, err := tokens.take(t, key); return err },
	} {
		keys, err := t.listed(index, owner)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if err := take(key); err != nil {
				return nil, fmt.Errorf("removing what %s lists: %w", index, err)
			}
			hashes = append(hashes, store.Hash(key))
		}
	}
	return hashes, nil
}

func (t *tx) ListUsers(after string, limit int) ([]*store.User, error) {
	return users.after(t, []byte(after), limit)
}

func (t *tx) NameOwner(name string) (string, error) {
	id, err := t.get(bucketNames, []byte(name))
	return string(id), err
}

func (t *tx) ReserveName(name, userID string) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	for _, key := range []string{name, userID} {
		if err := checkKey([]byte(key)); err != nil {
			return err
		}
	}
	if err := checkText(name, userID); err != nil {
		return err
	}
	switch owner, err := t.NameOwner(name); {
	case errors.Is(err, store.ErrNotFound):
		return t.set(bucketNames, []byte(name), []byte(userID))
	case err != nil:
		return err
	case owner != userID:
		return fmt.Errorf("name: %w", store.ErrConflict)
	}
	return nil
}
