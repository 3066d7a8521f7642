package authcore

import (
	"context"
	"crypto/hmac"
	"fmt"
	"io"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/code"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Recovery codes: ten, shown once, to be printed. With a sign-in by mail one of
// them lets its owner add a passkey, and do nothing else: neither who reads the
// mail nor who finds the paper gets in alone.

// RecoveryStatus is what the account page may tell.
type RecoveryStatus struct {
	Left int  `json:"left" doc:"Codes that were not used."`
	Made int  `json:"made" doc:"As many as the set had; 0: there is none."`
	Low  bool `json:"low" doc:"Time to make new ones."`
}

// Recovery answers how many codes are left.
func Recovery(u *store.User) RecoveryStatus {
	if u.Recovery == nil {
		return RecoveryStatus{}
	}
	left := len(u.Recovery.Left)
	return RecoveryStatus{Left: left, Made: u.Recovery.Made, Low: left <= lowRecoveryCodes}
}

// Recoverable reports whether a recovery code would bring the user further here.
func (s *Service) Recoverable(u *store.User) bool { return !s.cfg.NoPasskey && Recovery(u).Left > 0 }

// NewRecoveryCodes makes a set, in the spelling to show, and the set before it
// worthless (TO-4).
func (s *Service) NewRecoveryCodes(ctx context.Context, l *Live, client Client) ([]string, error) {
	if s.cfg.NoPasskey {
		return nil, refuse(MethodOff) // a code adds a passkey, and does nothing else
	}
	var shown []string
	err := s.manage(ctx, l, func(tx *txn, l *Live, keys []*store.Passkey) (*Refusal, error) {
		shown = nil
		if len(s.strong(l.User, keys)) == 0 {
			return &Refusal{Reason: Conflict, Detail: "Add a passkey or an authenticator app first; recovery codes are for when those are lost."}, nil
		}
		set := &store.RecoveryCodes{Salt: make([]byte, 16), Made: recoveryCodes, MadeAt: s.now(), AddedBy: l.Session.ID, Behind: l.Session.Behind}
		if _, err := io.ReadFull(s.rt.rand, set.Salt); err != nil {
			return nil, fmt.Errorf("salting recovery codes: %w", err)
		}
		for range recoveryCodes {
			c, err := code.NewRecovery(s.rt.rand)
			if err != nil {
				return nil, err
			}
			set.Left = append(set.Left, s.recoveryMAC(l.User.ID, set.Salt, c))
			shown = append(shown, code.GroupRecovery(c))
		}
		l.User.Recovery = set
		if err := tx.PutUser(l.User); err != nil {
			return nil, fmt.Errorf("storing recovery codes: %w", err)
		}
		if err := s.notify(tx, l.User, noticeOf(l, NoticeRecoveryMade), client); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{typ: evRecoveryMade, ok: true, client: client, subject: l.User.ID})
	})
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// dropIdleCodes takes the recovery codes of an account that has no factor left to
// recover. The user is stored by the caller.
func (s *Service) dropIdleCodes(u *store.User, keys []*store.Passkey) {
	if len(s.strong(u, keys)) == 0 {
		u.Recovery = nil
	}
}

func (s *Service) recoveryMAC(userID string, salt []byte, c string) store.Hash {
	return s.rt.keys.MAC("recovery code", []byte(userID), salt, []byte(c))
}

// checkRecovery spends a recovery code of the user, who is stored. Wrong ones
// count as wrong second steps do.
func (s *Service) checkRecovery(tx *txn, u *store.User, typed string, client Client) (*Refusal, error) {
	if s.cfg.NoPasskey {
		return refuse(MethodOff), nil // it would be spent for nothing
	}
	if refusal := s.mayGuess(u); refusal != nil {
		return refusal, tx.audit(event{typ: evRecoveryFailed, client: client, subject: u.ID, details: map[string]string{"why": "too many wrong codes today"}})
	}
	c, ok := code.NormalizeRecovery(typed)
	if !ok {
		return refuse(RecoveryInvalid), nil
	}
	found := -1
	if u.Recovery != nil {
		mac := s.recoveryMAC(u.ID, u.Recovery.Salt, c)
		found = slices.IndexFunc(u.Recovery.Left, func(h store.Hash) bool { return hmac.Equal(h[:], mac[:]) })
	}
	e := event{typ: evRecoveryUsed, ok: true, client: client, subject: u.ID}
	if found < 0 {
		u.Guesses = append(u.Guesses, s.now())
		e.typ, e.ok = evRecoveryFailed, false
	} else {
		u.Recovery.Left = slices.Delete(slices.Clone(u.Recovery.Left), found, found+1)
	}
	if err := tx.PutUser(u); err != nil {
		return nil, fmt.Errorf("storing the user: %w", err)
	}
	if err := tx.audit(e); err != nil {
		return nil, err
	}
	if found < 0 {
		return &Refusal{Reason: RecoveryInvalid, counted: true}, nil
	}
	if u.Freeze != nil && u.Recovery.MadeAt.Before(u.Freeze.Since) { // DESIGN §6
		return nil, s.thaw(tx, u, client)
	}
	return nil, nil
}
