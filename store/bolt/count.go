package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Names of totals in the bucket of counts; takes have one per kind.
const (
	countUsers    = "users"
	countSessions = "sessions"
	countAudit    = "audit"
	countQueued   = "queued"
	countTakes    = "takes/"
)

// count reads a total; one that was never written is zero.
func (t *tx) count(name string) (int64, error) {
	value, err := t.get(bucketCounts, []byte(name))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("reading count %s: %w", name, errDamaged)
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}

// recount moves one record from the totals before to the totals after.
func (t *tx) recount(before, after []string) error {
	for _, name := range before {
		if !slices.Contains(after, name) {
			if err := t.addCount(name, -1); err != nil {
				return err
			}
		}
	}
	for _, name := range after {
		if !slices.Contains(before, name) {
			if err := t.addCount(name, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) addCount(name string, n int64) error {
	old, err := t.count(name)
	if err != nil {
		return err
	}
	return t.set(bucketCounts, []byte(name), binary.BigEndian.AppendUint64(nil, uint64(old+n)))
}

func (t *tx) Counts() (store.Counts, error) {
	var c store.Counts
	for name, into := range map[string]*int64{
		countUsers: &c.Users, countSessions: &c.Sessions, countAudit: &c.Audit, countQueued: &c.Queued,
	} {
		n, err := t.count(name)
		if err != nil {
			return store.Counts{}, err
		}
		*into = n
	}
	return c, nil
}
