package authcore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The second step of a sign-in by mail, where the account has TOTP or the
// configuration asks for one. What the first step leaves is no session: it is a
// record of its own kind, keyed by the hash of the flow secret, accepted by
// nothing but FinishSecond, and dead after five wrong codes or ten minutes (SE-6).

// second is the stored record (store.KindSecond).
type second struct {
	UserID   string    `json:"user_id"`
	Epoch    uint64    `json:"epoch"`
	AMR      []string  `json:"amr"` // what the first step proved
	To       string    `json:"to,omitempty"`
	ClientID string    `json:"client_id,omitempty"`
	Same     bool      `json:"same,omitempty"` // the browser that asked for the mail
	Tries    int       `json:"tries,omitempty"`
	BegunAt  time.Time `json:"begun_at"`
}

// Ways to give the second step.
const (
	SecondTOTP     = AMRTOTP
	SecondRecovery = AMRRecovery
)

// needsSecond reports whether the mailbox alone does not sign the user in. What
// hangs on an account before the first proof of its address asks for nothing: it
// is purged by that (EM-7).
func (s *Service) needsSecond(tx store.Tx, u *store.User) (bool, error) {
	if u.VerifiedAt.IsZero() {
		return false, nil
	}
	if u.TOTP != nil || s.cfg.EmailAfterPasskey != "second" {
		return u.TOTP != nil, nil
	}
	keys, err := s.usablePasskeys(tx, u.ID)
	return len(keys) > 0 || bare(u), err
}

// beginSecond stores what the first step of a sign-in proved. A client of the
// API gets a new flow secret; a browser has its cookie.
func (s *Service) beginSecond(tx *txn, u *store.User, f *flow, b Browser, same bool) (*Verified, error) {
	held := b.Flow
	if f.ClientID != "" {
		var err error
		if held, err = secret.New(s.rt.rand); err != nil {
			return nil, fmt.Errorf("making a flow secret: %w", err)
		}
	}
	rec := second{UserID: u.ID, Epoch: u.Epoch, AMR: []string{AMREmail}, To: f.To, ClientID: f.ClientID, Same: same, BegunAt: s.now()}
	if err := tx.Put(store.KindSecond, held.Hash(), rec, rec.BegunAt.Add(s.cfg.LinkTTL)); err != nil {
		return nil, fmt.Errorf("storing a second step: %w", err)
	}
	return &Verified{To: f.To, Same: same, Second: held, SecondBy: s.secondBy(u)}, nil
}

// secondBy are the second steps that the account has, the usual one first.
func (s *Service) secondBy(u *store.User) (ways []string) {
	if u.TOTP != nil {
		ways = append(ways, SecondTOTP)
	}
	if s.Recoverable(u) {
		ways = append(ways, SecondRecovery)
	}
	return ways
}

// SecondInfo is what the page of the second step may show the browser that
// gave the first.
type SecondInfo struct {
	TOTP     bool // the account has an authenticator app
	Recovery bool // it has recovery codes
	To       string
}

// Second answers the second step that the browser owes, or nil.
func (s *Service) Second(ctx context.Context, b Browser) (info *SecondInfo, err error) {
	if b.Flow == "" {
		return nil, nil
	}
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		info = nil
		rec, u, err := s.peekSecond(tx, b.Flow.Hash(), func(r *second) bool { return r.ClientID == "" })
		if err != nil {
			return err
		}
		info = &SecondInfo{TOTP: u.TOTP != nil, Recovery: s.Recoverable(u), To: rec.To}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return info, err
}

// peekSecond reads a second step that can still succeed by the account and the
// configuration of now, or ErrNotFound.
func (s *Service) peekSecond(tx store.Tx, key store.Hash, mine func(*second) bool) (*second, *store.User, error) {
	var rec second
	if err := tx.Peek(store.KindSecond, key, &rec); err != nil {
		return nil, nil, err
	}
	if !mine(&rec) || s.now().Sub(rec.BegunAt) > s.cfg.LinkTTL {
		return nil, nil, store.ErrNotFound
	}
	u, err := tx.User(rec.UserID)
	if err != nil {
		return nil, nil, err
	}
	if u.Epoch != rec.Epoch { // SE-5
		return nil, nil, store.ErrNotFound
	}
	if ok, err := s.mayUseEmail(tx, u, false); !ok || err != nil {
		return nil, nil, cmp.Or(err, store.ErrNotFound)
	}
	return &rec, u, nil
}

// FinishSecond ends a browser's sign-in by a code of the authenticator app or a
// recovery code.
func (s *Service) FinishSecond(ctx context.Context, by, typed string, b Browser) (*Verified, error) {
	return s.finishSecond(ctx, by, typed, b, func(r *second) bool { return r.ClientID == "" })
}

// FinishAPISecond is FinishSecond for a client of the JSON API, whose flow
// secret is in the body; origin is the web origin that asks, if any.
func (s *Service) FinishAPISecond(ctx context.Context, by string, held Token, typed, origin string, client Client) (*Tokens, error) {
	mine := func(r *second) bool { return s.pageMayUse(r.ClientID, origin) }
	v, err := s.finishSecond(ctx, by, typed, Browser{Client: client, Flow: held}, mine)
	if err != nil {
		return nil, err
	}
	return v.API, nil
}

func (s *Service) finishSecond(ctx context.Context, by, typed string, b Browser, mine func(*second) bool) (*Verified, error) {
	if s.cfg.NoEmail {
		return nil, refuse(MethodOff)
	}
	if b.Flow == "" {
		return nil, refuse(FlowExpired)
	}
	key := b.Flow.Hash()
	var out *Verified
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		out, refusal = nil, nil
		rec, u, err := s.peekSecond(tx, key, mine)
		if errors.Is(err, store.ErrNotFound) {
			refusal = refuse(FlowExpired)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a second step: %w", err)
		}
		if refusal, err = s.checkSecond(tx, by, u, typed, b.Client); err != nil {
			return err
		}
		if refusal != nil {
			refusal, err = s.wrongSecond(tx, key, rec, refusal)
			return err
		}
		if err := tx.Take(store.KindSecond, key, rec); err != nil {
			return fmt.Errorf("taking a second step: %w", err)
		}
		out, err = s.afterSecond(tx, by, rec, u, b)
		return err
	})
	return out, orRefusal(err, refusal)
}

// checkSecond spends the code, whatever kind it is.
func (s *Service) checkSecond(tx *txn, by string, u *store.User, typed string, client Client) (*Refusal, error) {
	switch {
	case by == SecondTOTP && u.TOTP != nil:
		return s.checkTOTP(tx, u, typed, client)
	case by == SecondRecovery:
		return s.checkRecovery(tx, u, typed, client)
	}
	return refuse(TOTPInvalid), nil
}

// wrongSecond commits the count. A refusal that counts no guess costs no try.
func (s *Service) wrongSecond(tx *txn, key store.Hash, rec *second, refusal *Refusal) (*Refusal, error) {
	if !refusal.counted {
		return refusal, nil
	}
	rec.Tries++
	if rec.Tries < maxCodeTries {
		if err := tx.Put(store.KindSecond, key, rec, rec.BegunAt.Add(s.cfg.LinkTTL)); err != nil {
			return nil, fmt.Errorf("counting a wrong code: %w", err)
		}
		return refusal, nil
	}
	if err := tx.Take(store.KindSecond, key, rec); err != nil {
		return nil, fmt.Errorf("dropping a second step: %w", err)
	}
	return refuse(CodeExhausted), nil
}

// afterSecond makes the session of a sign-in that is complete.
func (s *Service) afterSecond(tx *txn, by string, rec *second, u *store.User, b Browser) (_ *Verified, err error) {
	out := &Verified{To: rec.To, Same: rec.Same}
	amr := append(rec.AMR, by)
	if rec.ClientID != "" {
		out.API, err = s.signInAPI(tx, u, proven{amr: amr}, rec.ClientID, b.Client)
	} else {
		out.SignedIn, err = s.signIn(tx, u, proven{amr: amr}, b)
	}
	if err != nil || by != SecondRecovery {
		return out, err
	}
	sess := out.session()
	return out, s.notify(tx, u, notice{What: NoticeRecoveryUsed, SessionID: sess.ID, Since: sess.CreatedAt}, b.Client)
}

// dropSecond takes a second step that nobody will finish; absent is no error.
func dropSecond(tx *txn, key store.Hash) error {
	var rec second
	if err := tx.Take(store.KindSecond, key, &rec); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("dropping a second step: %w", err)
	}
	return nil
}
