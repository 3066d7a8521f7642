package authcore

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/code"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Changing the address of an account (EM-6).
//
//	StartAddress    a session that may manage the account names the new one. A
//	                code goes there; until it comes back nothing has changed.
//	ConfirmAddress  the same session types it. The address changes, whatever was
//	                mailed before is dead, other sessions that the old mailbox
//	                opened end, and the old address is told.
//
// An address that somebody has already gets no mail and no other answer (EN).

// addressChange is the stored record (store.KindAddress), by hash of the
// session's ID.
type addressChange struct {
	UserID string    `json:"user_id"`
	Epoch  uint64    `json:"epoch"`
	Email  string    `json:"email"`
	Code   [32]byte  `json:"code"`
	Tries  int       `json:"tries,omitempty"`
	Decoy  bool      `json:"decoy,omitempty"` // nobody got the code
	SentAt time.Time `json:"sent_at"`
}

func addressKey(sess *store.Session) store.Hash { return secret.Token("address/" + sess.ID).Hash() }

// StartAddress mails a code to a new address. The answer tells nothing about it.
func (s *Service) StartAddress(ctx context.Context, l *Live, typed string, client Client) error {
	addr, err := email.Parse(typed)
	if err != nil {
		return &Refusal{Reason: EmailInvalid, Detail: err.Error()}
	}
	err = s.manage(ctx, l, func(tx *txn, l *Live, _ []*store.Passkey) (*Refusal, error) {
		if refusal := s.mayHave(l.User, addr); refusal != nil {
			return refusal, nil
		}
		if refusal, err := s.addressMails(tx, client); refusal != nil || err != nil {
			return refusal, err
		}
		// Of their own: strangers cannot use it up, nor can they the strangers' (RL-5).
		reset, within, err := charge(tx, "address-change/"+l.User.ID, s.cfg.MailsPerAddress, s.now(), s.cfg.MailsPer)
		if err != nil {
			return nil, err
		}
		if !within {
			return &Refusal{Reason: RateLimited, RetryAfter: reset.Sub(s.now())}, nil
		}
		free, err := s.isFree(tx, string(addr), l.User.ID)
		if err != nil {
			return nil, err
		}
		if _, within, err = charge(tx, "mail/address/"+string(addr), s.cfg.MailsPerAddress, s.now(), s.cfg.MailsPer); err != nil {
			return nil, err
		}
		return nil, s.putAddress(tx, l, addr, !free || !within, client)
	})
	if err == nil && s.cfg.Mailed != nil {
		s.cfg.Mailed()
	}
	return err
}

// addressMails charges the mail to its source and to everybody together (EC-4): one
// person may have many accounts.
func (s *Service) addressMails(tx *txn, client Client) (*Refusal, error) {
	now := s.now()
	reset, within, err := s.chargeMailSource(tx, client, now)
	if err == nil && within {
		reset, within, err = chargeMailAll(tx, now)
	}
	if err != nil || within {
		return nil, err
	}
	return &Refusal{Reason: RateLimited, RetryAfter: reset.Sub(now)}, nil
}

// mayHave refuses an address that tells nothing of others by being refused.
func (s *Service) mayHave(u *store.User, addr email.Address) *Refusal {
	switch {
	case u.Email == string(addr):
		return &Refusal{Reason: Conflict, Detail: "That is your address already."}
	case u.Admin && !s.mayBeAdmin(addr): // DESIGN §3.1: who may hold the role
		return &Refusal{Reason: Forbidden, Detail: "You are an admin, and that address is not among the configured admins."}
	}
	return nil
}

func (s *Service) putAddress(tx *txn, l *Live, addr email.Address, decoy bool, client Client) error {
	digits, err := code.New(s.rt.rand)
	if err != nil {
		return fmt.Errorf("making a code: %w", err)
	}
	key := addressKey(l.Session)
	rec := addressChange{UserID: l.User.ID, Epoch: l.User.Epoch, Email: string(addr), Code: s.codeMAC(key, digits), Decoy: decoy, SentAt: s.now()}
	ends := rec.SentAt.Add(s.cfg.LinkTTL)
	if err := tx.Put(store.KindAddress, key, rec, ends); err != nil {
		return fmt.Errorf("storing a change of address: %w", err)
	}
	m := outgoing{
		to: string(addr), userID: l.User.ID, lang: l.User.Lang, template: TemplateAddress, notAfter: ends,
		params: map[string]string{ParamAgent: client.agent()}, secrets: map[string]string{SecretCode: digits},
	}
	if decoy {
		m.unsent = "the address is taken, or got too many mails"
	}
	if _, err := s.queue(tx, m); err != nil {
		return err
	}
	// The person reads this in their history, so it tells nothing of the address either.
	return tx.audit(event{typ: evAddressAsked, ok: true, client: client, subject: l.User.ID, details: map[string]string{"email": addr.Mask()}})
}

// PendingAddress is the new address that waits for its code, or "".
func (s *Service) PendingAddress(ctx context.Context, l *Live) (string, error) {
	var rec addressChange
	err := s.rt.store.View(ctx, func(tx store.Tx) error { return tx.Peek(store.KindAddress, addressKey(l.Session), &rec) })
	if errors.Is(err, store.ErrNotFound) || err == nil && s.now().Sub(rec.SentAt) > s.cfg.LinkTTL {
		return "", nil
	}
	return rec.Email, err
}

// ConfirmAddress changes the address if the code is right. The session gets a
// new token.
func (s *Service) ConfirmAddress(ctx context.Context, l *Live, typed string, client Client) (Token, error) {
	var token Token
	err := s.manage(ctx, l, func(tx *txn, l *Live, _ []*store.Passkey) (*Refusal, error) {
		token = ""
		key := addressKey(l.Session)
		var rec addressChange
		err := tx.Peek(store.KindAddress, key, &rec)
		if errors.Is(err, store.ErrNotFound) || err == nil && (rec.UserID != l.User.ID || rec.Epoch != l.User.Epoch || s.now().Sub(rec.SentAt) > s.cfg.LinkTTL) {
			return refuse(FlowExpired), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a change of address: %w", err)
		}
		digits, wellFormed := code.Normalize(typed)
		mac := s.codeMAC(key, digits)
		if !wellFormed {
			return refuse(CodeInvalid), nil
		}
		if rec.Decoy || !hmac.Equal(mac[:], rec.Code[:]) {
			return s.wrongAddressCode(tx, key, &rec)
		}
		if err := tx.Take(store.KindAddress, key, &rec); err != nil {
			return nil, fmt.Errorf("taking a change of address: %w", err)
		}
		free, err := s.isFree(tx, rec.Email, l.User.ID)
		if err != nil {
			return nil, err
		}
		if !free || s.mayHave(l.User, email.Address(rec.Email)) != nil { // since it began
			return refuse(FlowExpired), nil
		}
		token, err = s.changeAddress(tx, l, rec.Email, client)
		return nil, err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// wrongAddressCode commits the count (EC-2).
func (s *Service) wrongAddressCode(tx *txn, key store.Hash, rec *addressChange) (*Refusal, error) {
	rec.Tries++
	if rec.Tries < maxCodeTries {
		if err := tx.Put(store.KindAddress, key, rec, rec.SentAt.Add(s.cfg.LinkTTL)); err != nil {
			return nil, fmt.Errorf("counting a wrong code: %w", err)
		}
		return refuse(CodeInvalid), nil
	}
	if err := tx.Take(store.KindAddress, key, rec); err != nil {
		return nil, fmt.Errorf("dropping a change of address: %w", err)
	}
	return refuse(CodeExhausted), nil
}

// endMailed ends the other sessions that the old mailbox had opened, and no passkey
// has confirmed since (SE-5, SE-7): somebody else may read it, and be why it changes.
func (s *Service) endMailed(tx *txn, l *Live, client Client) error {
	all, err := tx.SessionsOf(l.User.ID)
	if err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	for _, sess := range all {
		if bits := amrBits(sess.AMR); sess.ID == l.Session.ID || bits&bitEmail == 0 || bits&bitPasskey != 0 {
			continue
		}
		if err := s.endSession(tx, sess, client, l.User.ID, "the address was changed"); err != nil {
			return err
		}
	}
	return nil
}

// changeAddress writes the new address. A user name that was the old address
// stays: names do not change (DESIGN §6).
func (s *Service) changeAddress(tx *txn, l *Live, addr string, client Client) (Token, error) {
	u, old := l.User, l.User.Email
	if err := dropInvites(tx, old); err != nil {
		return "", err
	}
	before, err := s.formerAddresses(tx, u.ID)
	if err != nil {
		return "", err
	}
	if err := s.putFormer(tx, u.ID, append(before, formerAddress{old, l.Session.ID, l.Session.Behind, s.now()})); err != nil {
		return "", err
	}
	if err := tx.Put(store.KindAddress, keptKey(old), u.ID, s.now().Add(noticeTTL)); err != nil {
		return "", fmt.Errorf("keeping the address of before: %w", err)
	}
	u.Email = addr
	if err := s.renewEpoch(tx, u); err != nil { // EM-6: what was mailed to the old one is dead
		return "", err
	}
	l.Session.Epoch = u.Epoch
	if err := s.endMailed(tx, l, client); err != nil {
		return "", err
	}
	token, err := s.rotate(tx, l.Session)
	if err != nil {
		return "", err
	}
	n := noticeOf(l, NoticeAddress)
	n.To = old
	if err := s.notify(tx, u, n, client); err != nil {
		return "", err
	}
	return token, tx.audit(event{
		typ: evAddressChanged, ok: true, client: client, subject: u.ID,
		details: map[string]string{"from": email.Address(old).Mask(), "to": email.Address(addr).Mask()},
	})
}
