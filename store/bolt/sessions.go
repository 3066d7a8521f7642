package bolt

import (
	"errors"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

var sessions = table[store.Session]{
	bucket: bucketSessions,
	key:    func(s *store.Session) []byte { return s.Hash[:] },
	text:   func(s *store.Session) []string { return []string{s.ID, s.UserID, s.RootID} },
	index: func(s *store.Session) []entry {
		created := timeKey(s.CreatedAt)
		index := []entry{
			{index: indexUserSession, key: owned(s.UserID, created, s.Hash[:]), size: len(s.UserID)},
			expires(s.Expires, sweepSession, s.Hash[:]),
		}
		if s.RootID != "" {
			index = append(index, entry{index: indexChildren, key: owned(s.RootID, created, s.Hash[:]), size: len(s.RootID)})
		}
		return unique(index, indexSessionID, s.ID, s.Hash[:])
	},
	counts: func(*store.Session) []string { return []string{countSessions} },
	encode: encodeJSON[store.Session], decode: decodeJSON[store.Session],
}

func (t *tx) Session(h store.Hash) (*store.Session, error) { return sessions.get(t, h[:]) }

func (t *tx) SessionByID(id string) (*store.Session, error) {
	return sessions.by(t, indexSessionID, []byte(id))
}

func (t *tx) PutSession(s *store.Session) error {
	rec := *s
	utc(&rec.AuthTime, &rec.CreatedAt, &rec.LastSeen, &rec.Expires, &rec.RecoveredAt)
	return sessions.put(t, &rec)
}

func (t *tx) TakeSession(h store.Hash) (*store.Session, error) { return sessions.take(t, h[:]) }

func (t *tx) TouchSession(h store.Hash, lastSeen, expires time.Time) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	s, err := sessions.get(t, h[:])
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !lastSeen.After(s.LastSeen) {
		return err
	}
	s.LastSeen, s.Expires = lastSeen, expires
	return t.PutSession(s)
}

func (t *tx) SessionsOf(userID string) ([]*store.Session, error) {
	return t.sessionsIn(indexUserSession, userID)
}

func (t *tx) ChildrenOf(rootID string) ([]*store.Session, error) {
	return t.sessionsIn(indexChildren, rootID)
}

func (t *tx) sessionsIn(index, owner string) ([]*store.Session, error) {
	keys, err := t.listed(index, owned(owner))
	if err != nil {
		return nil, err
	}
	return sessions.all(t, keys)
}

func (t *tx) ListSessions(after store.Hash, limit int) ([]*store.Session, error) {
	return sessions.after(t, after[:], limit)
}
