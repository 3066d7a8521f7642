package authcore

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// mailBudget charges one mail on every axis (EC-4, RL-2) and reports whether
// all allow it. It is charged for unknown addresses too. A browser that signed
// this user in before, or is signed in, has a budget of its own and is charged
// on nothing else, so that strangers cannot use up the owner's (RL-5).
func (s *Service) mailBudget(tx *txn, addr string, u *store.User, b Browser) (bool, error) {
	now := s.now()
	known, err := knownDevice(tx, b.Device, u, now)
	if err != nil {
		return false, fmt.Errorf("recognising the device: %w", err)
	}
	if known || u != nil && b.Session != nil && b.Session.User.ID == u.ID {
		_, within, err := charge(tx, "mail/known/"+addr, s.cfg.MailsPerAddress, now, s.cfg.MailsPer)
		return within, err
	}
	// The source comes first, and what one axis refuses costs the next nothing:
	// who has used up its own budget must not use up other people's.
	if _, within, err := s.chargeMailSource(tx, b.Client, now); err != nil || !within {
		return false, err
	}
	if _, within, err := charge(tx, "mail/address/"+addr, s.cfg.MailsPerAddress, now, s.cfg.MailsPer); err != nil || !within {
		return false, err
	}
	_, within, err := chargeMailAll(tx, now)
	return within, err
}

// chargeMailSource charges a mail to whoever causes it.
func (s *Service) chargeMailSource(tx *txn, client Client, now time.Time) (reset time.Time, within bool, err error) {
	return chargeSource(tx, "mail/source/", client.source(), max(mailsPerSource, s.cfg.requestsIn(time.Minute)), now, time.Hour)
}

// chargeMailAll charges a mail to everybody together.
func chargeMailAll(tx *txn, now time.Time) (reset time.Time, within bool, err error) {
	return charge(tx, "mail/all", mailsGlobal, now, time.Hour)
}

// pendingBudget charges one flow or ceremony to its source, and refuses it
// where the source or everybody together has begun too many (DS-1).
func (s *Service) pendingBudget(tx *txn, kind store.Kind, client Client) (*Refusal, error) {
	n, err := tx.CountTakes(kind)
	if err != nil {
		return nil, fmt.Errorf("counting what is pending: %w", err)
	}
	if n >= maxPending {
		return &Refusal{Reason: RateLimited, RetryAfter: time.Minute}, nil
	}
	now := s.now()
	limit := max(pendingPerSource, s.cfg.requestsIn(pendingWindow)/3)
	reset, within, err := chargeSource(tx, "pending/"+string(kind)+"/", client.source(), limit, now, pendingWindow)
	if err != nil || within {
		return nil, err
	}
	return &Refusal{Reason: RateLimited, RetryAfter: reset.Sub(now)}, nil
}

// charge adds one to a counter and reports whether that was within its limit,
// and when it starts anew.
func charge(tx *txn, name string, limit int, now time.Time, window time.Duration) (reset time.Time, within bool, err error) {
	c, err := tx.AddCounter(name, 1, now, window)
	if err != nil {
		return reset, false, fmt.Errorf("counting %s: %w", name[:strings.IndexByte(name, '/')], err)
	}
	return c.Reset, c.Count <= limit, nil
}

// chargeSource charges a client's address and the wider networks that it is
// part of, each of which has room for more. What a narrow one refuses costs the
// wider ones nothing: others live there (RL-5).
func chargeSource(tx *txn, prefix string, ip netip.Addr, limit int, now time.Time, window time.Duration) (reset time.Time, within bool, err error) {
	for _, source := range ratelimit.ClientKeys(ip) {
		reset, within, err = charge(tx, prefix+source, limit, now, window)
		if err != nil || !within {
			return reset, false, err // and the wider network's others are not charged
		}
		limit *= ratelimit.WiderFactor
	}
	return reset, true, nil
}
