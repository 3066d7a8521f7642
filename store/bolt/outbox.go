package bolt

import (
	"bytes"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// keepMessages is how long a message that was sent or died stays listed.
const keepMessages = 30 * 24 * time.Hour

var messages = table[store.Message]{
	bucket: bucketOutbox,
	key:    func(m *store.Message) []byte { return []byte(m.ID) },
	text:   func(m *store.Message) []string { return []string{m.ID, string(m.Status)} },
	index: func(m *store.Message) []entry {
		index := []entry{{index: indexStatus, key: owned(m.Status, []byte(m.ID)), size: len(m.Status)}}
		switch m.Status {
		case store.Queued, store.Failed:
			return append(index, entry{index: indexDue, key: append(timeKey(m.NextAt), m.ID...)})
		case store.Sent:
			return append(index, expires(m.SentAt.Add(keepMessages), sweepMessage, []byte(m.ID)))
		case store.Dead:
			return append(index, expires(m.NotAfter.Add(keepMessages), sweepMessage, []byte(m.ID)))
		}
		return index
	},
	counts: func(m *store.Message) []string {
		if m.Status == store.Queued || m.Status == store.Failed {
			return []string{countQueued}
		}
		return nil
	},
	encode: encodeJSON[store.Message], decode: decodeJSON[store.Message],
}

func (t *tx) PutMessage(m *store.Message) error {
	rec := *m
	utc(&rec.CreatedAt, &rec.NotAfter, &rec.NextAt, &rec.SentAt)
	return messages.put(t, &rec)
}

func (t *tx) Message(id string) (*store.Message, error) { return messages.get(t, []byte(id)) }

func (t *tx) LeaseMessages(now, until time.Time, limit int) ([]*store.Message, error) {
	if err := t.canWrite(); err != nil {
		return nil, err
	}
	var ids [][]byte
	err := t.ascend(indexDue, nil, func(k, _ []byte) (bool, error) {
		if len(ids) >= limit || keyTime(k).After(now) {
			return false, nil
		}
		ids = append(ids, bytes.Clone(k[timeLen:]))
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	leased, err := messages.all(t, ids)
	if err != nil {
		return nil, err
	}
	for _, m := range leased {
		m.NextAt = until.UTC()
		if err := messages.put(t, m); err != nil {
			return nil, err
		}
	}
	return leased, nil
}

func (t *tx) NextMessage() (next time.Time, err error) {
	found := false
	err = t.ascend(indexDue, nil, func(k, _ []byte) (bool, error) {
		next, found = keyTime(k), true
		return false, nil
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return next, err
}

func (t *tx) ListMessages(status store.MessageStatus, before string, limit int) ([]*store.Message, error) {
	bucket, prefix := bucketOutbox, []byte(nil)
	if status != "" {
		bucket, prefix = indexStatus, owned(status)
	}
	ids, err := t.newest(bucket, prefix, before, limit)
	if err != nil {
		return nil, err
	}
	return messages.all(t, ids)
}

func (t *tx) DeleteMessage(id string) error {
	_, err := messages.take(t, []byte(id))
	return err
}
