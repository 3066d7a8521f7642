package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// table says how records of one kind are kept. All writes go through put and
// take, which keep the indexes and counts in step with the records; Check
// proves that they are, from the same description.
type table[T any] struct {
	bucket string
	key    func(*T) []byte
	text   func(*T) []string // the strings of which keys are made; nil: none
	index  func(*T) []entry  // nil: none
	counts func(*T) []string // the totals that the record is part of; nil: none
	encode func(*T) ([]byte, error)
	decode func(key, value []byte) (*T, error)
}

// entry is one line of an index. A unique value leads to the record's key; in
// a list the record's key ends the entry's own.
type entry struct {
	index string
	key   []byte
	value []byte // the record's key if the entry is unique, otherwise empty
	size  int    // length of the part that callers chose, for MaxKey
}

func (e entry) equal(o entry) bool {
	return e.index == o.index && bytes.Equal(e.key, o.key) && bytes.Equal(e.value, o.value)
}

func contains(entries []entry, e entry) bool {
	for _, other := range entries {
		if e.equal(other) {
			return true
		}
	}
	return false
}

// unique leads from a unique value to the record. An empty value is held by
// nobody and finds nobody.
func unique[V, K ~string | ~[]byte](entries []entry, index string, value V, key K) []entry {
	if len(value) == 0 {
		return entries
	}
	return append(entries, entry{index: index, key: []byte(value), value: []byte(key), size: len(value)})
}

func encodeJSON[T any](rec *T) ([]byte, error) { return json.Marshal(rec) }

func decodeJSON[T any](_, value []byte) (*T, error) {
	rec := new(T)
	return rec, json.Unmarshal(value, rec)
}

func (tb *table[T]) read(key, value []byte) (*T, error) {
	rec, err := tb.decode(key, value)
	if err != nil {
		return nil, fmt.Errorf("decoding record of %s: %w", tb.bucket, err)
	}
	return rec, nil
}

// get returns a copy of the record or store.ErrNotFound.
func (tb *table[T]) get(t *tx, key []byte) (*T, error) {
	value, err := t.get(tb.bucket, key)
	if err != nil {
		return nil, err
	}
	return tb.read(key, value)
}

// find is get for what may be absent: then it returns nil.
func (tb *table[T]) find(t *tx, key []byte) (*T, error) {
	rec, err := tb.get(t, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

// by returns the record that a unique index leads to.
func (tb *table[T]) by(t *tx, index string, value []byte) (*T, error) {
	key, err := t.get(index, value)
	if err != nil {
		return nil, err
	}
	return tb.get(t, key)
}

// all returns the records with these keys.
func (tb *table[T]) all(t *tx, keys [][]byte) ([]*T, error) {
	var recs []*T
	for _, key := range keys {
		rec, err := tb.get(t, key)
		if err != nil {
			return nil, fmt.Errorf("following an index to %s: %w", tb.bucket, err)
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// after returns up to limit records with key > after in byte order.
func (tb *table[T]) after(t *tx, after []byte, limit int) ([]*T, error) {
	var recs []*T
	err := t.ascend(tb.bucket, after, func(k, v []byte) (bool, error) {
		if len(recs) >= limit {
			return false, nil
		}
		if bytes.Equal(k, after) {
			return true, nil
		}
		rec, err := tb.read(k, v)
		recs = append(recs, rec)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return recs, nil
}

// put creates or replaces the record, or changes nothing.
func (tb *table[T]) put(t *tx, rec *T) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	key := tb.key(rec)
	if err := checkKey(key); err != nil {
		return err
	}
	if tb.text != nil {
		if err := checkText(tb.text(rec)...); err != nil {
			return fmt.Errorf("record of %s: %w", tb.bucket, err)
		}
	}
	value, err := tb.encode(rec)
	if err != nil {
		return fmt.Errorf("encoding record of %s: %w", tb.bucket, err)
	}
	if len(value) > store.MaxValue {
		return fmt.Errorf("record of %d bytes: %w", len(value), store.ErrTooLarge)
	}
	old, err := tb.find(t, key)
	if err != nil {
		return err
	}
	if err := tb.reindex(t, old, rec); err != nil {
		return err
	}
	return t.set(tb.bucket, key, value)
}

// take deletes and returns the record, or store.ErrNotFound.
func (tb *table[T]) take(t *tx, key []byte) (*T, error) {
	if err := t.canWrite(); err != nil {
		return nil, err
	}
	old, err := tb.get(t, key)
	if err != nil {
		return nil, err
	}
	if err := tb.reindex(t, old, nil); err != nil {
		return nil, err
	}
	return old, t.unset(tb.bucket, key)
}

func (tb *table[T]) entries(rec *T) []entry {
	if rec == nil || tb.index == nil {
		return nil
	}
	return tb.index(rec)
}

func (tb *table[T]) totals(rec *T) []string {
	if rec == nil || tb.counts == nil {
		return nil
	}
	return tb.counts(rec)
}

// reindex moves indexes and counts from the old record to the new one; either
// may be nil. It looks for conflicts before it changes anything, since the
// caller may live with the error and commit.
func (tb *table[T]) reindex(t *tx, old, rec *T) error {
	before, after := tb.entries(old), tb.entries(rec)
	for _, e := range after {
		if e.size > store.MaxKey {
			return fmt.Errorf("%s of %d bytes: %w", e.index, e.size, store.ErrTooLarge)
		}
		if len(e.value) == 0 || contains(before, e) {
			continue
		}
		switch _, err := t.get(e.index, e.key); {
		case err == nil:
			return fmt.Errorf("%s: %w", e.index, store.ErrConflict)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	for _, e := range before {
		if !contains(after, e) {
			if err := t.unset(e.index, e.key); err != nil {
				return err
			}
		}
	}
	for _, e := range after {
		if !contains(before, e) {
			if err := t.set(e.index, e.key, e.value); err != nil {
				return err
			}
		}
	}
	return t.recount(tb.totals(old), tb.totals(rec))
}
