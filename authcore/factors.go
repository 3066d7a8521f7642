package authcore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// What a session may change on its own account (DESIGN §6, SE-8). An account
// that has a passkey or TOTP is changed by a session that used one of them in
// the last 15 minutes, never by the mailbox alone. A recovery code lets a
// session add a passkey, and nothing else. An account that is frozen is changed
// by nobody: of two who say that it is theirs one is wrong, and what one of them
// might add or take away is what tells them apart.

// MayManage says whether the session may change the account now; if not, the
// refusal names the methods of a step-up that would do.
func (s *Service) MayManage(l *Live, keys []*store.Passkey) *Refusal {
	methods := s.Confirms(l, keys)
	shown := slices.ContainsFunc(s.strong(l.User, keys), l.Has)
	if l.SteppedUp(s.now()) && (shown || methods[0] == AMREmail || l.entered(AMRHandOut, s.now())) {
		return nil
	}
	return &Refusal{Reason: StepUpRequired, Methods: methods}
}

// Confirms are the methods by which the session's user confirms what they
// change; there is at least one.
func (s *Service) Confirms(l *Live, keys []*store.Passkey) []string {
	methods := s.strong(l.User, keys)
	switch {
	case len(methods) > 0:
		return methods
	case l.Limited():
		return []string{AMRPasskey}
	case l.User.Admin && !l.entered(AMRInvite, s.now()):
		// BT-1: the mailbox alone neither gives the role its effect nor restores
		// an admin whose passkeys were made for another rp_id.
		return []string{AMRHandOut}
	}
	return []string{AMREmail}
}

// entered reports whether the session began by a link of that kind, and lately:
// a step-up by mail makes its proof fresh again, and its link no fresher.
func (l *Live) entered(amr string, now time.Time) bool {
	return l.Has(amr) && now.Sub(l.Proof().CreatedAt) <= registrationAge
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

// Weaker reports whether the session has shown none of what the account has beyond
// the mailbox.
func (s *Service) Weaker(l *Live, keys []*store.Passkey) bool {
	methods := s.strong(l.User, keys)
	return len(methods) > 0 && !slices.ContainsFunc(methods, l.Has)
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
	if s.Recoverable(l.User) {
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

// acting is what a session does to its account, whose passkeys are given.
type acting func(*txn, *Live, []*store.Passkey) (*Refusal, error)

// manage runs fn in a transaction after checking session and step-up inside it.
func (s *Service) manage(ctx context.Context, l *Live, fn acting) error {
	return s.managed(ctx, l, s.MayManage, fn)
}

// enrol is manage for adding a passkey.
func (s *Service) enrol(ctx context.Context, l *Live, fn acting) error {
	return s.managed(ctx, l, s.MayEnrol, fn)
}

func (s *Service) managed(ctx context.Context, l *Live, may func(*Live, []*store.Passkey) *Refusal, fn acting) error {
	return s.updateLive(ctx, l, func(tx *txn, live *Live) (*Refusal, error) {
		keys, err := tx.PasskeysOf(live.User.ID)
		if err != nil {
			return nil, fmt.Errorf("listing passkeys: %w", err)
		}
		if refusal := may(live, keys); refusal != nil {
			return refusal, nil
		}
		if live.User.Freeze != nil {
			return refuse(Frozen), nil
		}
		reset, within, err := charge(tx, "acts/"+live.User.ID, actsPerHour, s.now(), time.Hour)
		if err != nil {
			return nil, err
		}
		if !within {
			return &Refusal{Reason: RateLimited, RetryAfter: reset.Sub(s.now())}, nil
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
