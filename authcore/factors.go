package authcore

import (
	"context"
	"fmt"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// What a session may change on its own account (DESIGN §6, SE-8). An account
// that has a passkey or TOTP is changed by a session that used one of them in
// the last 15 minutes, never by the mailbox alone. A recovery code lets a
// session add a passkey, and nothing else.

// MayManage says whether the session may change the account now; if not, the
// refusal names the methods of a step-up that would do.
func (s *Service) MayManage(l *Live, keys []*store.Passkey) *Refusal {
	methods := s.Confirms(l, keys)
	if l.SteppedUp(s.now()) && (methods[0] == AMREmail || l.Has(AMRHandOut) || slices.ContainsFunc(methods, l.Has)) {
		return nil
	}
	return &Refusal{Reason: StepUpRequired, Methods: methods}
}

// Confirms are the methods by which the session's user confirms what they
// change; there is at least one.
func (s *Service) Confirms(l *Live, keys []*store.Passkey) []string {
	if methods := s.strong(l.User, keys); len(methods) > 0 {
		return methods
	}
	if l.User.Admin && !l.Has(AMRInvite) {
		// BT-1: the mailbox alone neither gives the role its effect nor restores
		// an admin whose passkeys were made for another rp_id.
		return []string{AMRHandOut}
	}
	return []string{AMREmail}
}

// strong are the account's methods beyond the mailbox.
func (s *Service) strong(u *store.User, keys []*store.Passkey) (methods []string) {
	if len(s.Usable(keys)) > 0 {
		methods = append(methods, AMRPasskey)
	}
	if u.TOTP != nil {
		methods = append(methods, AMRTOTP)
	}
	return methods
}

// MayEnrol says whether the session may add a passkey: one that may manage, or
// one that a recovery code confirmed just now.
func (s *Service) MayEnrol(l *Live, keys []*store.Passkey) *Refusal {
	refusal := s.MayManage(l, keys)
	if refusal == nil {
		return nil
	}
	if at := l.Session.RecoveredAt; !at.IsZero() && s.now().Sub(at) <= stepUpAge {
		return nil
	}
	if l.User.Recovery != nil && len(l.User.Recovery.Left) > 0 {
		refusal.Methods = append(refusal.Methods, AMRRecovery)
	}
	return refusal
}

// Limited reports whether the session was begun with a recovery code and may
// therefore add a passkey and do nothing else.
func (l *Live) Limited() bool { return limited(amrBits(l.Proof().AMR)) }

// PasskeyFirst refuses what is none of a limited session's few acts.
func (l *Live) PasskeyFirst() *Refusal {
	if !l.Limited() {
		return nil
	}
	return &Refusal{Reason: StepUpRequired, Methods: []string{AMRPasskey}}
}

func limited(bits uint8) bool { return bits&bitRecovery != 0 && bits&(bitPasskey|bitTOTP) == 0 }

// manage runs fn in a transaction after checking session and step-up inside it.
func (s *Service) manage(ctx context.Context, l *Live, fn func(*txn, *Live, []*store.Passkey) (*Refusal, error)) error {
	return s.managed(ctx, l, s.MayManage, fn)
}

// add is manage for what gives the account something new, which a freeze stops.
func (s *Service) add(ctx context.Context, l *Live, fn func(*txn, *Live, []*store.Passkey) (*Refusal, error)) error {
	return s.managed(ctx, l, s.MayManage, unfrozen(fn))
}

// enrol is add for a passkey.
func (s *Service) enrol(ctx context.Context, l *Live, fn func(*txn, *Live, []*store.Passkey) (*Refusal, error)) error {
	return s.managed(ctx, l, s.MayEnrol, unfrozen(fn))
}

type managing func(*txn, *Live, []*store.Passkey) (*Refusal, error)

func unfrozen(fn managing) managing {
	return func(tx *txn, l *Live, keys []*store.Passkey) (*Refusal, error) {
		if l.User.Freeze != nil {
			return refuse(Frozen), nil
		}
		return fn(tx, l, keys)
	}
}

func (s *Service) managed(ctx context.Context, l *Live, may func(*Live, []*store.Passkey) *Refusal, fn managing) error {
	return s.updateLive(ctx, l, func(tx *txn, live *Live) (*Refusal, error) {
		keys, err := tx.PasskeysOf(live.User.ID)
		if err != nil {
			return nil, fmt.Errorf("listing passkeys: %w", err)
		}
		if refusal := may(live, keys); refusal != nil {
			return refusal, nil
		}
		return fn(tx, live, keys)
	})
}

// OnlyWayIn reports whether nothing would let a user in who has the passkeys
// that are left.
func (s *Service) OnlyWayIn(left []*store.Passkey) bool {
	return (s.cfg.NoPasskey || len(s.Usable(left)) == 0) && !s.cfg.MailWorks()
}

// refuseLastAdminFactor keeps an admin's last factor: without one the role would
// rest until somebody makes a link on the host (BT-1).
func refuseLastAdminFactor() *Refusal {
	return &Refusal{Reason: Conflict, Detail: "You are an admin, and an admin needs a passkey or an authenticator app. Add another one first."}
}
