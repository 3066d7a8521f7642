package bolt

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// tx is one run of one closure. It implements store.Tx on the bbolt
// transaction that it has been lent, and is dead when the closure returns.
// Slices that get, ascend and descend hand out belong to the file's memory
// map: they are decoded or copied before they leave this package.
type tx struct {
	bolt  *bbolt.Tx // nil when over
	wrote bool      // something has been changed
}

var _ store.Tx = (*tx)(nil)

// over ends the life of t: whoever kept it gets errors from then on, not
// somebody else's transaction.
func (t *tx) over() { t.bolt = nil }

func (t *tx) bucket(name string) (*bbolt.Bucket, error) {
	if t.bolt == nil {
		return nil, fmt.Errorf("using a transaction that is over: %w", store.ErrClosed)
	}
	b := t.bolt.Bucket([]byte(name))
	if b == nil {
		return nil, fmt.Errorf("opening bucket %s: %w", name, errDamaged)
	}
	return b, nil
}

// canWrite is asked first by every method that writes.
func (t *tx) canWrite() error {
	switch {
	case t.bolt == nil:
		return fmt.Errorf("using a transaction that is over: %w", store.ErrClosed)
	case !t.bolt.Writable():
		return store.ErrReadOnly
	}
	return nil
}

// get returns the value or store.ErrNotFound.
func (t *tx) get(bucket string, key []byte) ([]byte, error) {
	b, err := t.bucket(bucket)
	if err != nil {
		return nil, err
	}
	value := b.Get(key)
	if value == nil {
		return nil, store.ErrNotFound
	}
	return value, nil
}

func (t *tx) set(bucket string, key, value []byte) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	t.wrote = true
	return b.Put(key, value)
}

func (t *tx) unset(bucket string, key []byte) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	t.wrote = true
	return b.Delete(key)
}

// ascend visits the keys ≥ from in byte order until visit answers false. visit
// may not write: whoever wants to collects keys first.
func (t *tx) ascend(bucket string, from []byte, visit func(key, value []byte) (bool, error)) error {
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	c := b.Cursor()
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if more, err := visit(k, v); err != nil || !more {
			return err
		}
	}
	return nil
}

// descend visits the keys that start with prefix and are < prefix+before in
// reverse byte order until visit answers false; before "" means from the end.
func (t *tx) descend(bucket string, prefix []byte, before string, visit func(key, value []byte) (bool, error)) error {
	b, err := t.bucket(bucket)
	if err != nil {
		return err
	}
	c := b.Cursor()
	for k, v := seekBefore(c, prefix, before); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Prev() {
		if more, err := visit(k, v); err != nil || !more {
			return err
		}
	}
	return nil
}

// seekBefore moves c to the last key below prefix+before.
func seekBefore(c *bbolt.Cursor, prefix []byte, before string) (key, value []byte) {
	end := append(bytes.Clone(prefix), before...)
	if before == "" {
		end = successor(prefix)
	}
	if end == nil {
		return c.Last()
	}
	if k, _ := c.Seek(end); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// successor is the first key after all that start with prefix; nil if there
// is none.
func successor(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			next := bytes.Clone(prefix[:i+1])
			next[i]++
			return next
		}
	}
	return nil
}

// listed collects, in order, the last parts of the index keys that start with
// owner and a time: the keys of the records listed there.
func (t *tx) listed(index string, owner []byte) ([][]byte, error) {
	var keys [][]byte
	err := t.ascend(index, owner, func(k, _ []byte) (bool, error) {
		if !bytes.HasPrefix(k, owner) {
			return false, nil
		}
		keys = append(keys, bytes.Clone(k[len(owner)+timeLen:]))
		return true, nil
	})
	return keys, err
}

// newest collects, last first, what follows prefix in up to limit keys that
// start with it and are < prefix+before; before "" means from the end.
func (t *tx) newest(bucket string, prefix []byte, before string, limit int) ([][]byte, error) {
	var ids [][]byte
	err := t.descend(bucket, prefix, before, func(k, _ []byte) (bool, error) {
		if len(ids) >= limit {
			return false, nil
		}
		ids = append(ids, bytes.Clone(k[len(prefix):]))
		return true, nil
	})
	return ids, err
}
