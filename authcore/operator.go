package authcore

import (
	"context"
	"errors"
	"fmt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// SignInInfo is a live sign-in of anybody, for operators.
type SignInInfo struct {
	Device
	User *store.User
}

// ListSessions pages through everybody's live sessions in no meaningful order.
// A page looks at up to limit records, and so may hold less although more
// follow; next is where to go on, nil at the end.
func (s *Service) ListSessions(ctx context.Context, after store.Hash, limit int) (list []SignInInfo, next *store.Hash, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		list, next = nil, nil
		records, err := tx.ListSessions(after, limit)
		if err != nil {
			return fmt.Errorf("listing sessions: %w", err)
		}
		for _, r := range records {
			next = &r.Hash
			if r.Kind == store.AppSession {
				continue // listed with its root
			}
			l, err := s.liveSession(tx, r.Hash)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("reading a session: %w", err)
			}
			apps, err := appsOf(tx, r.ID)
			if err != nil {
				return err
			}
			list = append(list, SignInInfo{Device{Session: l.Session, Apps: apps}, l.User})
		}
		if len(records) < limit {
			next = nil
		}
		return nil
	})
	return list, next, err
}

func appsOf(tx store.Tx, rootID string) (hosts []string, err error) {
	children, err := tx.ChildrenOf(rootID)
	if err != nil {
		return nil, fmt.Errorf("listing app sessions: %w", err)
	}
	for _, c := range children {
		hosts = append(hosts, c.Host)
	}
	return hosts, nil
}

// SignOutUser ends everything the user has now; the user may sign in again
// (SE-5).
func (s *Service) SignOutUser(ctx context.Context, actor, who string) error {
	return s.changeUser(ctx, actor, who, evLoggedOut, func(tx *txn, u *store.User) error {
		return s.endAll(tx, u, nil, Client{}, actor, "signed out by an operator")
	})
}
