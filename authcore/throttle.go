package authcore

import (
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// mailBudget charges one mail on every axis (EC-4, RL-2) and reports whether
// all allow it. It is charged for unknown addresses too, and for a browser
// that signed this user in before it is a budget of its own, so that strangers
// cannot use up the owner's (RL-5).
func (s *Service) mailBudget(tx *txn, addr string, u *store.User, b Browser) (bool, error) {
	now := s.now()
	known, err := knownDevice(tx, b.Device, u, now)
	if err != nil {
		return false, fmt.Errorf("recognising the device: %w", err)
	}
	subject := "mail/address/" + addr
	if known {
		subject = "mail/known/" + addr
	}
	within := true
	charge := func(name string, limit int, window time.Duration) error {
		c, err := tx.AddCounter(name, 1, now, window)
		if err != nil {
			return fmt.Errorf("counting mails: %w", err)
		}
		within = within && c.Count <= limit
		return nil
	}
	if err := charge(subject, s.cfg.MailsPerAddress, s.cfg.MailsPer); err != nil {
		return false, err
	}
	limit := mailsPerSource
	for _, source := range ratelimit.ClientKeys(b.IP) {
		if err := charge("mail/source/"+source, limit, time.Hour); err != nil {
			return false, err
		}
		limit *= ratelimit.WiderFactor
	}
	if !within || known {
		return within, nil // what is refused costs the others nothing, and strangers cost the known nothing
	}
	err = charge("mail/all", mailsGlobal, time.Hour)
	return within, err
}
