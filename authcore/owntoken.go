package authcore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Access tokens that people make for themselves (DESIGN §6): for apps that are
// open to them, from a session that may manage the account. See token.go.

// CreateOwnToken makes an access token for the session's user. It lives for
// expires; 0 is until it is revoked.
func (s *Service) CreateOwnToken(ctx context.Context, l *Live, g Grant, name string, expires time.Duration, client Client) (AccessToken, *store.AccessToken, error) {
	var token AccessToken
	var rec *store.AccessToken
	err := s.manage(ctx, l, func(tx *txn, l *Live, _ []*store.Passkey) (*Refusal, error) {
		token, rec = "", nil
		if expires < 0 {
			return &Refusal{Reason: Conflict, Detail: "A token cannot have expired already."}, nil
		}
		grant, err := s.grantable(tx, l.User, g)
		if r, ok := AsRefusal(err); ok {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		app := s.App(grant.App)
		bits, err := s.proofBits(tx, l)
		if err != nil {
			return nil, err
		}
		// The token would open what the session itself may not, at once and for good.
		if _, ok := s.Admits(app, l.User); !ok || !app.Policy.tokenNeed().meets(bits, 0) {
			return &Refusal{Reason: Conflict, Detail: "That app is not open to you."}, nil
		}
		if token, rec, err = s.newToken(l.User, grant, name, expires); err != nil {
			return nil, err
		}
		rec.CreatedBy, rec.AddedBy, rec.Behind = l.User.ID, l.Session.ID, l.Session.Behind
		if err := tx.PutToken(rec); err != nil {
			return nil, fmt.Errorf("storing an access token: %w", err)
		}
		n := noticeOf(l, NoticeToken)
		n.Name = rec.Name
		if err := s.notify(tx, l.User, n, client); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{
			typ: evTokenCreated, ok: true, client: client, subject: l.User.ID,
			details: map[string]string{"token": rec.ID, "grant": grant.String()},
		})
	})
	if err != nil {
		return "", nil, err
	}
	return token, rec, nil
}

// OwnTokens lists the user's access tokens that are good, oldest first.
func (s *Service) OwnTokens(ctx context.Context, u *store.User) (list []*store.AccessToken, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		list, err = s.liveTokens(tx, u)
		return err
	})
	return list, err
}

// liveTokens are the user's access tokens that are good.
func (s *Service) liveTokens(tx store.Tx, u *store.User) (list []*store.AccessToken, err error) {
	all, err := tx.TokensOf(u.ID)
	if err != nil {
		return nil, fmt.Errorf("listing access tokens: %w", err)
	}
	for _, rec := range all {
		if tokenAlive(rec, u, s.now()) {
			list = append(list, rec)
		}
	}
	return list, nil
}

// RevokeOwnToken ends one of the user's access tokens by its public id. Tokens
// are not the mailbox's alone to remove, either (SE-8).
func (s *Service) RevokeOwnToken(ctx context.Context, l *Live, id string, client Client) error {
	return s.manage(ctx, l, func(tx *txn, l *Live, _ []*store.Passkey) (*Refusal, error) {
		rec, err := tx.TokenByID(id)
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.UserID != l.User.ID { // AD-2: only own
			return refuse(NotFound), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the access token: %w", err)
		}
		return nil, s.endToken(tx, rec, client, l.User.ID, "revoked by its owner")
	})
}
