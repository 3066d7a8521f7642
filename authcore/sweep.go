package authcore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// flush writes when sessions and access tokens were used.
func (rt *Runtime) flush(ctx context.Context) error {
	return errors.Join(rt.flushSessions(ctx), rt.flushTokens(ctx))
}

// flushSessions writes last_seen of sessions that were used, in batches. A child
// keeps its root alive: whoever uses only the app is still the same signed-in
// browser.
func (rt *Runtime) flushSessions(ctx context.Context) error {
	s := rt.current.Load()
	if s == nil {
		return nil
	}
	rt.flushing.Lock()
	defer rt.flushing.Unlock()
	for {
		if len(rt.unwritten) == 0 {
			rt.unwritten = rt.cache.Dirty(sweepBatch)
		}
		if len(rt.unwritten) == 0 {
			return nil
		}
		err := rt.store.Update(ctx, func(tx store.Tx) error {
			for _, t := range rt.unwritten {
				if err := s.touch(tx, t.Hash, time.Unix(t.LastSeen, 0).UTC()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("writing last_seen: %w", err) // the next round tries again
		}
		rt.unwritten = nil
	}
}

func (s *Service) touch(tx store.Tx, h store.Hash, seen time.Time) error {
	sess, err := tx.Session(h)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.seen(tx, sess, seen); err != nil || sess.Kind != store.AppSession {
		return err
	}
	root, err := tx.SessionByID(sess.RootID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.seen(tx, root, seen)
}

// seen raises last_seen. A session that had idled out is not revived by a late
// touch (SE-3).
func (s *Service) seen(tx store.Tx, sess *store.Session, at time.Time) error {
	if at.Sub(sess.LastSeen) > s.idle(sess.Kind) {
		return nil
	}
	sess.LastSeen = at
	return tx.TouchSession(sess.Hash, at, s.expires(sess))
}

// sweep deletes what has expired, a batch a transaction, so that nobody waits
// long for the writer. It stays behind the clock, so that the use of a session
// in its last minute is written before it is judged by what is written.
func (rt *Runtime) sweep(ctx context.Context) error {
	for {
		n := 0
		err := rt.store.Update(ctx, func(tx store.Tx) (err error) {
			n, err = tx.Sweep(rt.now().UTC().Add(-sweepDelay), sweepBatch)
			return err
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
