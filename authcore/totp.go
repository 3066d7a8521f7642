package authcore

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/code"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// TOTP (RFC 6238): the code of an authenticator app, as a second step after a
// sign-in by mail, or as a step-up; never alone.
//
//	BeginTOTP    a session that may manage the account gets a new secret. It is
//	             kept beside the account and opens nothing (TO-1).
//	ConfirmTOTP  a first right code makes it the account's.
//	checkTOTP    the one place where a code is held against the account: at
//	             confirmation, sign-in and step-up alike. Each accepted time step
//	             is the last of its kind (TO-2), each wrong code is counted (TO-3).
//	RemoveTOTP   ends every other session (SE-7).

// enrolment is the stored record (store.KindTOTP), by hash of the session's ID.
type enrolment struct {
	UserID  string    `json:"user_id"`
	Epoch   uint64    `json:"epoch"`
	ID      string    `json:"id"`
	Sealed  []byte    `json:"sealed"`
	BegunAt time.Time `json:"begun_at"`
}

// TOTPEnrolment is what the person's authenticator app needs, shown once.
type TOTPEnrolment struct {
	Secret string // base32, for typing
	URI    string // otpauth://, for a QR code
}

const (
	totpPurpose = "totp"
	totpPeriod  = 30 // seconds (RFC 6238 section 4.1)
	totpWindow  = 1  // steps that clocks may differ by
	totpBytes   = 20 // RFC 4226 section 4 R6 asks for 160 bits
)

var totpEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

func enrolmentKey(sess *store.Session) store.Hash {
	return secret.Token("totp/" + sess.ID).Hash()
}

func totpAAD(userID, id string) []byte { return []byte(userID + "/" + id) }

// BeginTOTP makes a secret for the session's user. A second call replaces it.
func (s *Service) BeginTOTP(ctx context.Context, l *Live) (*TOTPEnrolment, error) {
	var out *TOTPEnrolment
	err := s.manage(ctx, l, func(tx *txn, l *Live, _ []*store.Passkey) (*Refusal, error) {
		out = nil
		if l.User.TOTP != nil {
			return &Refusal{Reason: Conflict, Detail: "You have an authenticator app already. Remove it first."}, nil
		}
		raw := make([]byte, totpBytes)
		if _, err := io.ReadFull(s.rt.rand, raw); err != nil {
			return nil, fmt.Errorf("making a TOTP secret: %w", err)
		}
		id, err := secret.ID(s.rt.rand)
		if err != nil {
			return nil, fmt.Errorf("naming an enrolment: %w", err)
		}
		sealed, err := s.rt.keys.Seal(s.rt.rand, totpPurpose, raw, totpAAD(l.User.ID, id))
		if err != nil {
			return nil, fmt.Errorf("sealing a TOTP secret: %w", err)
		}
		e := enrolment{UserID: l.User.ID, Epoch: l.User.Epoch, ID: id, Sealed: sealed, BegunAt: s.now()}
		if err := tx.Put(store.KindTOTP, enrolmentKey(l.Session), e, e.BegunAt.Add(stepUpAge)); err != nil {
			return nil, fmt.Errorf("storing an enrolment: %w", err)
		}
		text := totpEncoding.EncodeToString(raw)
		out = &TOTPEnrolment{Secret: text, URI: s.otpauth(l.User.Email, text)}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// otpauth is the address that authenticator apps read from a QR code. Escaped, a
// brand in Japanese is three times as long, twice: what a picture has no room for
// is left out of it.
func (s *Service) otpauth(account, secret string) string {
	for n := maxName; ; n /= 2 {
		if uri := otpauthOf(capText(s.cfg.Brand, n), account, secret); len(uri) <= maxOTPAuth || n == 0 {
			return uri
		}
	}
}

func otpauthOf(brand, account, secret string) string {
	if brand == "" {
		return "otpauth://totp/" + url.PathEscape(account) + "?secret=" + secret
	}
	q := url.Values{"secret": {secret}, "issuer": {brand}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	// Some apps show "+" for a space.
	return "otpauth://totp/" + url.PathEscape(brand) + ":" + url.PathEscape(account) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// ConfirmTOTP makes the secret that BeginTOTP gave this session the account's.
// The session has used it then, and gets a new token.
func (s *Service) ConfirmTOTP(ctx context.Context, l *Live, typed string, client Client) (Token, error) {
	var token Token
	err := s.manage(ctx, l, func(tx *txn, l *Live, _ []*store.Passkey) (*Refusal, error) {
		token = ""
		var e enrolment
		err := tx.Peek(store.KindTOTP, enrolmentKey(l.Session), &e)
		if errors.Is(err, store.ErrNotFound) || err == nil && (e.UserID != l.User.ID || e.Epoch != l.User.Epoch || s.now().Sub(e.BegunAt) > stepUpAge) {
			return refuse(FlowExpired), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading an enrolment: %w", err)
		}
		trusted, err := s.trustedFrom(tx, l, vouchesForTOTP)
		if err != nil {
			return nil, err
		}
		l.User.TOTP = &store.TOTP{ID: e.ID, Sealed: e.Sealed, CreatedAt: s.now(), TrustedAt: trusted, AddedBy: l.Session.ID, Behind: l.Session.Behind}
		refusal, err := s.checkTOTP(tx, l.User, typed, client)
		if err != nil {
			return nil, err
		}
		if refusal != nil { // unconfirmed is inert: what was counted stays counted
			l.User.TOTP = nil
			return refusal, tx.PutUser(l.User)
		}
		if err := tx.Take(store.KindTOTP, enrolmentKey(l.Session), &e); err != nil {
			return nil, fmt.Errorf("taking an enrolment: %w", err)
		}
		// SE-5: links, codes and tickets that were issued before are dead.
		if err := s.renewEpoch(tx, l.User); err != nil {
			return nil, err
		}
		l.Session.Epoch = l.User.Epoch
		if token, err = s.stepUp(tx, l, AMRTOTP, nil); err != nil {
			return nil, err
		}
		if err := s.notify(tx, l.User, noticeOf(l, NoticeTOTPAdded), client); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{typ: evTOTPEnrolled, ok: true, client: client, subject: l.User.ID})
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// checkTOTP holds a typed code against the user's secret and stores what comes
// of it: the step that is spent, or the guess. The user is stored. What cannot
// be a code at all is not a guess.
func (s *Service) checkTOTP(tx *txn, u *store.User, typed string, client Client) (*Refusal, error) {
	now := s.now()
	if refusal := s.mayGuess(u); refusal != nil {
		return refusal, tx.audit(event{typ: evTOTPFailed, client: client, subject: u.ID, details: map[string]string{"why": "too many wrong codes today"}})
	}
	digits, ok := code.NormalizeTOTP(typed)
	if !ok {
		return refuse(TOTPInvalid), nil
	}
	raw, err := s.rt.keys.Open(totpPurpose, u.TOTP.Sealed, totpAAD(u.ID, u.TOTP.ID))
	if err != nil {
		// The root key was lost (DESIGN §2), and recovery codes with it. A passkey still does.
		s.rt.log.Error("an authenticator app's secret does not open under the root key", "user", u.ID)
		return refuse(TOTPInvalid), nil
	}
	step, err := matchTOTP(raw, digits, now.Unix()/totpPeriod, u.TOTP.LastStep)
	if err != nil {
		return nil, err
	}
	e := event{typ: evTOTPVerified, ok: true, client: client, subject: u.ID}
	if step == 0 {
		u.Guesses = append(u.Guesses, now)
		e.typ, e.ok = evTOTPFailed, false
	} else {
		u.TOTP.LastStep, u.TOTP.LastUsed = step, now
	}
	if err := tx.PutUser(u); err != nil {
		return nil, fmt.Errorf("storing the user: %w", err)
	}
	if err := tx.audit(e); err != nil || step != 0 {
		return nil, err
	}
	return &Refusal{Reason: TOTPInvalid, counted: true}, nil
}

// matchTOTP answers the step whose code it is: around now, and later than the
// last that was accepted (TO-2); 0 if there is none.
func matchTOTP(raw []byte, digits string, now, last int64) (step int64, err error) {
	for at := now - totpWindow; at <= now+totpWindow; at++ {
		want, err := hotp.GenerateCodeCustom(totpEncoding.EncodeToString(raw), uint64(max(0, at)),
			hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("computing a TOTP code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(digits)) == 1 && at > last && step == 0 {
			step = at
		}
	}
	return step, nil
}

// mayGuess refuses a second step after as many wrong ones in 24 hours as an
// account has, over all flows (TO-3). Older ones are forgotten.
func (s *Service) mayGuess(u *store.User) *Refusal {
	since := s.now().Add(-guessWindow)
	u.Guesses = slices.DeleteFunc(slices.Clone(u.Guesses), func(t time.Time) bool { return !t.After(since) })
	if len(u.Guesses) < maxSecondGuesses {
		return nil
	}
	return &Refusal{Reason: GuessesSpent, RetryAfter: u.Guesses[len(u.Guesses)-maxSecondGuesses].Sub(since)}
}

// RemoveTOTP takes the authenticator app away and ends every other session.
func (s *Service) RemoveTOTP(ctx context.Context, l *Live, client Client) error {
	return s.manage(ctx, l, func(tx *txn, l *Live, keys []*store.Passkey) (*Refusal, error) {
		if l.User.TOTP == nil {
			return refuse(NotFound), nil
		}
		if l.User.Admin && len(s.Usable(keys)) == 0 {
			return refuseLastAdminFactor(), nil
		}
		l.User.TOTP = nil
		s.dropIdleCodes(l.User, keys)
		if err := s.downgrade(tx, l.Session, AMRTOTP); err != nil {
			return nil, err
		}
		if err := s.endAll(tx, l.User, l.Session, client, l.User.ID, "the authenticator app was removed"); err != nil {
			return nil, err
		}
		if err := s.notify(tx, l.User, noticeOf(l, NoticeTOTPRemoved), client); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{typ: evTOTPRemoved, ok: true, client: client, subject: l.User.ID})
	})
}

// downgrade takes a method from a session that relied on it (SE-7).
func (s *Service) downgrade(tx *txn, sess *store.Session, amr string) error {
	if !slices.Contains(sess.AMR, amr) {
		return nil
	}
	sess.AMR = slices.DeleteFunc(slices.Clone(sess.AMR), func(m string) bool { return m == amr })
	if amr == AMRPasskey {
		sess.PasskeyID = nil
	}
	if err := tx.PutSession(sess); err != nil {
		return fmt.Errorf("downgrading the session: %w", err)
	}
	tx.dead = append(tx.dead, sess.Hash)
	return nil
}
