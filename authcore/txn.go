package authcore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// txn is a write transaction that remembers what it makes invalid and writes
// the audit line of what it does.
type txn struct {
	store.Tx
	s     *Service
	dead  []store.Hash // sessions and access tokens that ended or changed
	users []string     // users whose identity or rights changed
}

// update runs fn in one transaction. The caches forget what it invalidated
// after the commit and before update returns. They do so too when the commit
// reported an error: it may have happened all the same, and forgetting is safe.
func (s *Service) update(ctx context.Context, fn func(*txn) error) error {
	t := &txn{s: s}
	err := s.rt.store.Update(ctx, func(tx store.Tx) error {
		*t = txn{Tx: tx, s: s} // the closure may run again
		return fn(t)
	})
	s.rt.invalidate(t.dead, t.users)
	return err
}

// updateLive runs fn in a transaction in which l's session is read anew: it may
// have ended since l was loaded. What fn refuses is committed.
func (s *Service) updateLive(ctx context.Context, l *Live, fn func(*txn, *Live) (*Refusal, error)) error {
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		refusal = nil
		live, err := s.liveSession(tx, l.Session.Hash)
		if errors.Is(err, store.ErrNotFound) {
			refusal = refuse(Unauthenticated)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the session: %w", err)
		}
		refusal, err = fn(tx, live)
		return err
	})
	return orRefusal(err, refusal)
}

func (rt *Runtime) invalidate(dead []store.Hash, users []string) {
	if len(dead) == 0 && len(users) == 0 {
		return
	}
	for _, h := range dead {
		rt.cache.Invalidate(h)
	}
	for _, u := range users {
		rt.cache.InvalidateUser(u)
	}
	rt.streams.recheck(dead, users)
}

// Audit event types (DESIGN §10).
const (
	evLinkRequested     = "magic_link_requested"
	evLinkVerified      = "magic_link_verified"
	evLinkFailed        = "magic_link_failed"
	evRegisterStarted   = "webauthn_register_started"
	evRegisterCompleted = "webauthn_register_completed"
	evRegisterFailed    = "webauthn_register_failed"
	evLoginStarted      = "webauthn_login_started"
	evLoginCompleted    = "webauthn_login_completed"
	evLoginFailed       = "webauthn_login_failed"
	evTokenRefreshed    = "token_refreshed"
	evRefreshFailed     = "token_refresh_failed"
	evSessionCreated    = "session_created"
	evSessionRevoked    = "session_revoked"
	evLoggedOut         = "user_logged_out"
	evRateLimited       = "rate_limit_exceeded"
	evAccessDenied      = "access_denied"
	evUserRegistered    = "user_registered"
	evUserInvited       = "user_invited"
	evHandOut           = "user_hand_out"
	evUserChanged       = "user_changed"
	evUserDisabled      = "user_disabled"
	evUserEnabled       = "user_enabled"
	evUserDeleted       = "user_deleted"
	evPasskeyRemoved    = "user_passkey_removed"
	evPasskeyRenamed    = "user_passkey_renamed"
	evAdminGranted      = "admin_role_granted"
	evTOTPEnrolled      = "totp_enrolled"
	evTOTPVerified      = "totp_verified"
	evTOTPFailed        = "totp_failed"
	evTOTPRemoved       = "user_totp_removed"
	evRecoveryMade      = "user_recovery_made"
	evRecoveryUsed      = "user_recovery_used"
	evRecoveryFailed    = "user_recovery_failed"
	evAddressAsked      = "user_address_asked"
	evAddressChanged    = "user_address_changed"
	evNotMe             = "user_not_me"
	evThawed            = "user_thawed"
	evAsked             = "user_asked"
	evApproved          = "user_approved"
	evDeclined          = "user_declined"
	evExported          = "user_exported"
	evTokenCreated      = "user_token_created"
	evTokenRevoked      = "user_token_revoked"
	evProbed            = "config_probed"
	evKeysRotated       = "config_keys_rotated"
	evKeyRemoved        = "config_key_removed"
)

// Names of details that the history shows (person.go).
const (
	detailPasskey = "passkey" // its name
	detailKind    = "kind"    // of a session
	detailHost    = "host"    // that a session is for
)

// event is one audit line before it has an id and a time.
type event struct {
	typ     string
	ok      bool
	client  Client
	actor   string // default: the subject
	subject string
	details map[string]string
}

// of is the event, done to a subject.
func (e event) of(subject string) event {
	e.ok, e.subject = true, subject
	return e
}

// audited writes the line of an operator's act that was refused, whose
// transaction is rolled back (AD-6), and answers err.
func (s *Service) audited(ctx context.Context, e event, err error) error {
	r, ok := AsRefusal(err)
	if !ok {
		return err
	}
	e.details = map[string]string{"why": string(r.Reason)}
	return errors.Join(s.update(ctx, func(tx *txn) error { return tx.audit(e) }), err)
}

func (t *txn) audit(e event) error { return e.append(t.Tx, t.s.rt.rand, t.s.now()) }

// append writes the line, in the transaction of what it tells.
func (e event) append(tx store.Tx, rand io.Reader, now time.Time) error {
	id, err := secret.TimeID(rand, now)
	if err != nil {
		return fmt.Errorf("naming an audit record: %w", err)
	}
	if e.actor == "" {
		e.actor = e.subject
	}
	return tx.AppendAudit(&store.AuditRecord{
		ID: id, Time: now, Type: e.typ, Actor: e.actor, Subject: e.subject, IP: e.client.ip(),
		UserAgent: e.client.agent(), Success: e.ok, Details: e.details,
	})
}
