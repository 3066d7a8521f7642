package bolt

import (
	"bytes"
	"fmt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func (t *tx) MetaValue(name string) ([]byte, error) {
	value, err := t.get(bucketMeta, []byte(name))
	return bytes.Clone(value), err
}

func (t *tx) SetMeta(name string, value []byte) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	if err := checkKey([]byte(name)); err != nil {
		return err
	}
	if len(value) > store.MaxValue {
		return fmt.Errorf("value of %d bytes: %w", len(value), store.ErrTooLarge)
	}
	return t.set(bucketMeta, []byte(name), bytes.Clone(value))
}
