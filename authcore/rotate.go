package authcore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Rotation of the signing keys (keys.go says what states a key goes through).
// It begins by itself in time, or when an operator asks. A leaked key is
// replaced instead: at once, and with every other one.

// KeyState is where a signing key stands.
type KeyState string

// States of a signing key.
const (
	KeyNext    KeyState = "next"
	KeySigning KeyState = "signing"
	KeyRetired KeyState = "retired"
)

// KeyInfo is a signing key without its secret.
type KeyInfo struct {
	ID         string // the kid
	State      KeyState
	CreatedAt  time.Time // published since
	SignsFrom  time.Time
	SignsUntil time.Time // zero: no other key is published
	GoneAt     time.Time // verifies until; zero as SignsUntil
}

// system is who did what happened in its time, in the audit log.
const system = "system"

// Keys lists the signing keys, the signing one first.
func (s *Service) Keys() []KeyInfo {
	st, now := s.rt.ring.state.Load(), s.now()
	var list []KeyInfo
	for _, k := range st.inOrder(now) {
		list = append(list, st.info(k, now))
	}
	return list
}

func (st *ringState) info(k *signingKey, now time.Time) KeyInfo {
	info := KeyInfo{ID: k.ID, State: KeyNext, CreatedAt: k.CreatedAt, SignsFrom: begins(k.Key)}
	switch signer := st.signer(now); {
	case k == signer:
		info.State = KeySigning
	case info.SignsFrom.Before(begins(signer.Key)):
		info.State = KeyRetired
	}
	if until := st.ends(k); !until.IsZero() {
		info.SignsUntil, info.GoneAt = until, until.Add(keyKept)
	}
	return info
}

// newest is the key that begins to sign last.
func (st *ringState) newest() *signingKey { return st.keys[len(st.keys)-1] }

// ends is when the key after k begins, or zero.
func (st *ringState) ends(k *signingKey) time.Time {
	if i := slices.Index(st.keys, k) + 1; i < len(st.keys) {
		return begins(st.keys[i].Key)
	}
	return time.Time{}
}

// RotateKeys publishes a new signing key on behalf of an operator, and answers
// it. Nothing that was signed or will be fails by that. While one is published
// that does not sign yet, asking again answers that one.
func (s *Service) RotateKeys(ctx context.Context, actor string) (KeyInfo, error) {
	st, err := s.rt.changeKeys(ctx, func(tx store.Tx, st *ringState) error { return s.rt.publishNext(tx, st, actor) })
	if err != nil {
		return KeyInfo{}, fmt.Errorf("rotating the signing keys: %w", err)
	}
	return st.info(st.newest(), s.now()), nil
}

// ReplaceKeys deletes every signing key and has a new one sign at once, on
// behalf of an operator: a key has leaked. What the old ones signed is refused
// here from now on, and elsewhere as soon as the JWKS is read anew.
func (s *Service) ReplaceKeys(ctx context.Context, actor string) (KeyInfo, error) {
	st, err := s.rt.changeKeys(ctx, func(tx store.Tx, _ *ringState) error {
		removed, err := removeKeys(tx)
		if err != nil {
			return err
		}
		k, err := newSigningKey(s.rt)
		if err != nil {
			return err
		}
		if err := tx.PutKey(k); err != nil {
			return fmt.Errorf("storing a signing key: %w", err)
		}
		return replaced(removed, k.ID, actor).append(tx, s.rt.rand, s.now())
	})
	if err != nil {
		return KeyInfo{}, fmt.Errorf("replacing the signing keys: %w", err)
	}
	return st.info(st.newest(), s.now()), nil
}

// RemoveSigningKeys is ReplaceKeys for a store that no Runtime has open: the
// next one makes the new key, since that takes the root key. It answers how
// many were removed.
func RemoveSigningKeys(ctx context.Context, db store.Store, rand io.Reader, now time.Time, actor string) (n int, err error) {
	err = db.Update(ctx, func(tx store.Tx) error {
		removed, err := removeKeys(tx)
		if err != nil {
			return err
		}
		n = len(removed)
		return replaced(removed, "", actor).append(tx, rand, now.UTC())
	})
	return n, err
}

// removeKeys deletes all, those of other root keys too: a leak does not ask
// which one wraps them.
func removeKeys(tx store.Tx) (ids []string, err error) {
	keys, err := tx.ListKeys()
	if err != nil {
		return nil, fmt.Errorf("listing signing keys: %w", err)
	}
	for _, k := range keys {
		if err := tx.DeleteKey(k.ID); err != nil {
			return nil, fmt.Errorf("deleting a signing key: %w", err)
		}
		ids = append(ids, k.ID)
	}
	return ids, nil
}

func replaced(removed []string, kid, actor string) event {
	e := event{typ: evKeysRotated, ok: true, actor: actor, details: map[string]string{"how": "at once", "removed": strings.Join(removed, " ")}}
	if kid != "" {
		e.details["key"] = kid
	}
	return e
}

// publishNext adds a key that signs after keyAhead, unless there is one.
func (rt *Runtime) publishNext(tx store.Tx, st *ringState, actor string) error {
	now := rt.now().UTC()
	if st.newest() != st.signer(now) {
		return nil
	}
	k, err := newSigningKey(rt)
	if err != nil {
		return err
	}
	k.SignsFrom = now.Add(keyAhead)
	if err := tx.PutKey(k); err != nil {
		return fmt.Errorf("storing a signing key: %w", err)
	}
	return event{
		typ: evKeysRotated, ok: true, actor: actor,
		details: map[string]string{"how": "published", "key": k.ID, "signs_from": k.SignsFrom.Format(time.RFC3339)},
	}.append(tx, rt.rand, now)
}

// tendKeys notices what another process did to the keys, begins a rotation that
// is due and deletes keys that are over. Which of those it does is decided in
// the transaction, where it is true.
func (rt *Runtime) tendKeys(ctx context.Context) error {
	st, err := rt.readKeys(ctx)
	if err != nil {
		return err
	}
	if now := rt.now(); !st.due(now) && len(st.over(now)) == 0 {
		return nil
	}
	_, err = rt.changeKeys(ctx, func(tx store.Tx, st *ringState) error {
		for _, k := range st.over(rt.now()) {
			if err := tx.DeleteKey(k.ID); err != nil {
				return fmt.Errorf("deleting a signing key: %w", err)
			}
			e := event{typ: evKeyRemoved, ok: true, actor: system, details: map[string]string{"key": k.ID}}
			if err := e.append(tx, rt.rand, rt.now().UTC()); err != nil {
				return err
			}
		}
		if !st.due(rt.now()) {
			return nil
		}
		return rt.publishNext(tx, st, system)
	})
	return err
}

// due says whether the newest key has signed for so long that the next one is
// published.
func (st *ringState) due(now time.Time) bool {
	return now.Sub(begins(st.newest().Key)) >= keyAge-keyAhead
}

// over are the keys of which no token can be good any more.
func (st *ringState) over(now time.Time) (list []*signingKey) {
	for _, k := range st.keys {
		if until := st.ends(k); !until.IsZero() && now.Sub(until) >= keyKept {
			list = append(list, k)
		}
	}
	return list
}

// changeKeys runs change in a transaction, with the keys as they are in it, and
// takes the outcome into the ring.
func (rt *Runtime) changeKeys(ctx context.Context, change func(store.Tx, *ringState) error) (*ringState, error) {
	rt.ring.changing.Lock()
	defer rt.ring.changing.Unlock()
	var after *ringState
	err := rt.store.Update(ctx, func(tx store.Tx) error {
		before, err := rt.listKeys(tx)
		if err != nil {
			return err
		}
		if err := change(tx, before); err != nil {
			return err
		}
		after, err = rt.listKeys(tx)
		return err
	})
	if err != nil {
		return nil, err // it may have happened all the same: tendKeys looks
	}
	rt.ring.state.Store(after)
	return after, nil
}

// readKeys takes the stored keys into the ring. What is wrong with them leaves
// the ring as it is, and fails the readiness.
func (rt *Runtime) readKeys(ctx context.Context) (*ringState, error) {
	rt.ring.changing.Lock()
	defer rt.ring.changing.Unlock()
	var st *ringState
	err := rt.store.View(ctx, func(tx store.Tx) (err error) {
		st, err = rt.listKeys(tx)
		return err
	})
	rt.ring.fault.Store(&err)
	if err != nil {
		return nil, err
	}
	rt.ring.state.Store(st)
	return st, nil
}

func (rt *Runtime) listKeys(tx store.Tx) (*ringState, error) {
	keys, err := tx.ListKeys()
	if err != nil {
		return nil, fmt.Errorf("listing signing keys: %w", err)
	}
	st, err := rt.openKeys(keys)
	if err == nil && len(st.keys) == 0 {
		err = errors.New("no signing key of this root key is stored any more: was the database replaced?")
	}
	return st, err
}
