package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// take is a record of Takes. Its key is the kind's length, the kind and the
// hash; its value is the time of expiry and the caller's JSON.
type take struct {
	key     []byte
	kind    store.Kind
	expires time.Time
	json    []byte
}

var takes = table[take]{
	bucket: bucketTakes,
	key:    func(r *take) []byte { return r.key },
	index:  func(r *take) []entry { return []entry{expires(r.expires, sweepTake, r.key)} },
	counts: func(r *take) []string { return []string{countTakes + string(r.kind)} },
	encode: func(r *take) ([]byte, error) { return append(timeKey(r.expires), r.json...), nil },
	decode: func(key, value []byte) (*take, error) {
		n := len(key) - len(store.Hash{})
		if n < 2 || len(value) < timeLen {
			return nil, errDamaged
		}
		return &take{
			key: bytes.Clone(key), kind: store.Kind(key[2:n]),
			expires: keyTime(value), json: bytes.Clone(value[timeLen:]),
		}, nil
	},
}

// into replaces all that its argument held, so that nothing of an earlier run
// of the closure shines through.
func (r *take) into(into any) error {
	if v := reflect.ValueOf(into); v.Kind() == reflect.Pointer && !v.IsNil() {
		v.Elem().SetZero()
	}
	if err := json.Unmarshal(r.json, into); err != nil {
		return fmt.Errorf("decoding %s: %w", r.kind, err)
	}
	return nil
}

func (t *tx) Put(kind store.Kind, key store.Hash, value any, expires time.Time) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", kind, err)
	}
	return takes.put(t, &take{key: owned(kind, key[:]), kind: kind, expires: expires, json: encoded})
}

func (t *tx) Peek(kind store.Kind, key store.Hash, into any) error {
	r, err := takes.get(t, owned(kind, key[:]))
	if err != nil {
		return err
	}
	return r.into(into)
}

func (t *tx) Take(kind store.Kind, key store.Hash, into any) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	if err := t.Peek(kind, key, into); err != nil {
		return err
	}
	_, err := takes.take(t, owned(kind, key[:]))
	return err
}

func (t *tx) CountTakes(kind store.Kind) (int64, error) {
	return t.count(countTakes + string(kind))
}

func (t *tx) ListTakes(kind store.Kind, after store.Hash, limit int, each func(store.Hash, func(any) error) bool) error {
	// Collected first: each may write.
	prefix, from := owned(kind), owned(kind, after[:])
	var found []*take
	err := t.ascend(bucketTakes, from, func(k, v []byte) (bool, error) {
		if len(found) >= limit || !bytes.HasPrefix(k, prefix) {
			return false, nil
		}
		if bytes.Equal(k, from) {
			return true, nil
		}
		r, err := takes.read(k, v)
		found = append(found, r)
		return true, err
	})
	if err != nil {
		return err
	}
	for _, r := range found {
		if !each(store.Hash(r.key[len(prefix):]), r.into) {
			break
		}
	}
	return nil
}
