package authcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Ways are how somebody who is signed in can give the proof that an app asks for
// (SE-8): with their own credentials only. The zero value means that nothing
// they have does, and that they can do nothing about it.
type Ways struct {
	Met     bool      // nothing is missing
	Methods bool      // it asks for a method, and not only for a fresh sign-in
	Passkey bool      // a passkey of theirs does
	TOTP    bool      // their authenticator app does
	Mail    bool      // a mailed code does
	Waits   time.Time // when the next of their factors begins to count; zero: all do
	Add     bool      // a passkey would do, and they have none
	AddTOTP bool      // an authenticator app would do, and they have none
	Added   time.Time // Add, AddTOTP: from when on one counts that this session adds
	Limited bool      // a recovery code let them in: a passkey comes first
}

// Ways finds out what would let the session in where the sign-in leads.
func (s *Service) Ways(ctx context.Context, l *Live, r *Return, app *App) (w Ways, err error) {
	need := app.Policy.NeedAt(r.Path).with(r.Need)
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		w = Ways{Methods: len(need.Require) > 0, Limited: l.Limited()}
		bits, err := s.proofBits(tx, l)
		if err != nil {
			return err
		}
		if w.Met = !w.Limited && need.meets(bits, s.now().Sub(l.Proof().AuthTime)); w.Met {
			return nil
		}
		keys, err := s.usablePasskeys(tx, l.User.ID)
		if err != nil {
			return err
		}
		w.Mail = !w.Methods && len(keys) == 0 && l.User.TOTP == nil && s.cfg.MailWorks()
		if !s.cfg.NoPasskey && need.helps(bits, bitTrustedPasskey) {
			s.waysByPasskey(&w, keys)
			w.Add = len(keys) == 0 && need.misses(bits, bitTrustedPasskey)
		}
		if need.helps(bits, bitTrustedTOTP) {
			s.waysByTOTP(&w, l.User)
			w.AddTOTP = l.User.TOTP == nil && need.misses(bits, bitTrustedTOTP)
		}
		switch { // who may add either has neither, so one time does for both
		case w.Add:
			w.Added, err = s.trustedFrom(tx, l, vouchesForPasskey)
		case w.AddTOTP:
			w.Added, err = s.trustedFrom(tx, l, vouchesForTOTP)
		}
		return err
	})
	return w, err
}

func (s *Service) waysByPasskey(w *Ways, keys []*store.Passkey) {
	counted := s.counted(keys, w.Methods)
	w.Passkey = len(counted) > 0
	for _, k := range keys {
		if !slices.Contains(counted, k) {
			w.waits(k.TrustedAt)
		}
	}
}

func (s *Service) waysByTOTP(w *Ways, u *store.User) {
	switch {
	case u.TOTP == nil:
	case w.Methods && s.now().Before(u.TOTP.TrustedAt):
		w.waits(u.TOTP.TrustedAt)
	default:
		w.TOTP = true
	}
}

// waits notes the next factor that begins to count.
func (w *Ways) waits(at time.Time) {
	if w.Waits.IsZero() || at.Before(w.Waits) {
		w.Waits = at
	}
}

// counted are the passkeys that confirm: all of them or, where a policy requires
// a passkey, those that count by now (DESIGN §6).
func (s *Service) counted(keys []*store.Passkey, required bool) (list []*store.Passkey) {
	for _, k := range keys {
		if !required || !s.now().Before(k.TrustedAt) {
			list = append(list, k)
		}
	}
	return list
}

// StepUpTOTP renews the session by a code of the authenticator app; it never
// changes who.
func (s *Service) StepUpTOTP(ctx context.Context, typed string, b Browser) (Token, error) {
	var token Token
	err := s.stepUpBy(ctx, b, func(tx *txn, l *Live) (*Refusal, error) {
		token = ""
		if l.User.TOTP == nil {
			return refuse(MethodOff), nil
		}
		refusal, err := s.checkTOTP(tx, l.User, typed, b.Client)
		if refusal != nil || err != nil {
			return refusal, err
		}
		token, err = s.stepUp(tx, l, AMRTOTP, nil)
		return nil, err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// StepUpRecovery spends a recovery code, after which the session may add a
// passkey for a while, and nothing else that it might not before.
func (s *Service) StepUpRecovery(ctx context.Context, typed string, b Browser) (Token, error) {
	var token Token
	err := s.stepUpBy(ctx, b, func(tx *txn, l *Live) (*Refusal, error) {
		token = ""
		refusal, err := s.checkRecovery(tx, l.User, typed, b.Client)
		if refusal != nil || err != nil {
			return refusal, err
		}
		l.Session.RecoveredAt, l.Session.LastSeen = s.now(), s.now()
		if err := s.hangOn(tx, l.User, l.Session, AMRRecovery); err != nil {
			return nil, err
		}
		if token, err = s.rotate(tx, l.Session); err != nil {
			return nil, err
		}
		return nil, s.notify(tx, l.User, noticeOf(l, NoticeRecoveryUsed), b.Client)
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

func (s *Service) stepUpBy(ctx context.Context, b Browser, fn func(*txn, *Live) (*Refusal, error)) error {
	if err := b.signedIn(); err != nil {
		return err
	}
	return s.updateLive(ctx, b.Session, fn)
}

// BeginStepUp asks the session's own user to confirm with a passkey. One that an
// app requires must count already (DESIGN §6); others are not asked for then.
func (s *Service) BeginStepUp(ctx context.Context, b Browser, required bool) (*Ceremony, error) {
	if err := b.signedIn(); err != nil {
		return nil, err
	}
	var w *waUser
	err := s.rt.store.View(ctx, func(tx store.Tx) error {
		keys, err := s.usablePasskeys(tx, b.Session.User.ID)
		if err != nil {
			return err
		}
		w, err = newWAUser(b.Session.User, s.counted(keys, required))
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(w.creds) == 0 || s.cfg.NoPasskey {
		return nil, refuse(MethodOff)
	}
	options, data, err := s.webauthn.BeginLogin(w,
		webauthn.WithUserVerification(protocol.VerificationRequired), webauthn.WithLoginOrigin(s.expects(b)))
	if err != nil {
		return nil, fmt.Errorf("making a challenge: %w", err)
	}
	c := ceremony{Purpose: purposeStepUp, SessionID: b.Session.Session.ID, Data: *data}
	return s.putCeremony(ctx, c, options.Response, b, b.Session.User.ID)
}

// FinishStepUp renews the session; it never changes who.
func (s *Service) FinishStepUp(ctx context.Context, id string, body []byte, b Browser) (Token, error) {
	if err := b.signedIn(); err != nil {
		return "", err
	}
	if s.cfg.NoPasskey {
		return "", refuse(MethodOff)
	}
	c, err := s.takeCeremony(ctx, id, purposeStepUp, s.began(b))
	if err != nil {
		return "", err
	}
	if c.SessionID != b.Session.Session.ID {
		return "", refuse(FlowExpired)
	}
	proof, err := s.assert(ctx, c, body, b.Session.User)
	if err != nil {
		return "", s.failedLogin(ctx, err, b.Client)
	}
	var token Token
	err = s.commitProof(ctx, proof, b.Client, func(tx *txn, u *store.User) (*Refusal, error) {
		live, err := s.liveSession(tx, b.Session.Session.Hash)
		if errors.Is(err, store.ErrNotFound) {
			return refuse(Unauthenticated), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the session: %w", err)
		}
		token, err = s.stepUp(tx, live, AMRPasskey, proof.credential.ID)
		return nil, err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}
