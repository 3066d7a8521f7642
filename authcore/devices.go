package authcore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Device is one signed-in browser or API client, for its owner's list.
type Device struct {
	Session *store.Session
	Apps    []string // hosts of its app sessions
	Current bool
}

// Devices lists the user's live sessions, newest use first.
func (s *Service) Devices(ctx context.Context, u *store.User, current *store.Session) ([]Device, error) {
	var list []Device
	err := s.rt.store.View(ctx, func(tx store.Tx) error {
		list = nil
		all, err := tx.SessionsOf(u.ID)
		if err != nil {
			return err
		}
		apps := map[string][]string{}
		for _, x := range all {
			if x.Kind == store.AppSession {
				apps[x.RootID] = append(apps[x.RootID], x.Host)
			}
		}
		for _, x := range all {
			if x.Kind != store.AppSession && s.alive(x, u, s.now()) {
				list = append(list, Device{x, apps[x.ID], current != nil && x.ID == current.ID})
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Device) int { return b.Session.LastSeen.Compare(a.Session.LastSeen) })
	return list, err
}

// RevokeDevice ends one of the user's own sessions by its public id.
func (s *Service) RevokeDevice(ctx context.Context, u *store.User, sessionID string, client Client) error {
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		refusal = nil
		sess, err := tx.SessionByID(sessionID)
		if errors.Is(err, store.ErrNotFound) || err == nil && sess.UserID != u.ID { // AD-2: only own
			refusal = refuse(NotFound)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the session: %w", err)
		}
		return s.endSession(tx, sess, client, u.ID, "revoked by its owner")
	})
	return orRefusal(err, refusal)
}
