package authcore

import (
	"context"
	"errors"
	"fmt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// What a change of rp_id would cost, before anybody makes it. A passkey works
// under the rp_id that it was made for and no other, so all of them stop at
// once, and whoever has no other way in stands outside.

// RPIDChange is a change that is thought about.
type RPIDChange struct {
	New    string
	Before string // "": the one of the last start
	Mail   bool   // a person can get in by a mail
}

// Loss is what a user would lose, worst first.
type Loss string

// Losses.
const (
	LosesEverything Loss = "every way in"   // nobody but an operator can let them in again
	LosesRole       Loss = "the admin role" // they get in by mail, which restores no admin (BT-1)
	LosesPasskeys   Loss = "every passkey"  // they get in by mail and can add a new one
	LosesSome       Loss = "some passkeys"  // another one works
)

// Severe reports whether it takes an operator to mend it.
func (l Loss) Severe() bool { return l == LosesEverything || l == LosesRole }

// RPIDLoss is one user with passkeys that would stop working.
type RPIDLoss struct {
	User *store.User
	Stop int // passkeys that stop working
	Work int // passkeys that work under the new rp_id: a change back
	Mail bool
	TOTP bool // beside the mail, which alone is not enough then
	Loss Loss
}

// RPIDPage is a part of the answer.
type RPIDPage struct {
	Before string
	Losses []RPIDLoss // by user id
	Users  int        // looked at, disabled ones included
	Next   string     // where to go on; "" at the end
}

// PreviewRPID looks at up to limit users with an id after the given one. It
// changes nothing.
func (s *Service) PreviewRPID(ctx context.Context, newID, after string, limit int) (*RPIDPage, error) {
	return PreviewRPID(ctx, s.rt.store, RPIDChange{New: newID, Before: s.cfg.RPID, Mail: s.cfg.MailWorks()}, after, limit)
}

// PreviewRPID is Service.PreviewRPID over a store that nobody serves from.
func PreviewRPID(ctx context.Context, st store.Store, c RPIDChange, after string, limit int) (page *RPIDPage, err error) {
	err = st.View(ctx, func(tx store.Tx) error {
		page = &RPIDPage{Before: c.Before}
		if page.Before == "" {
			last, err := tx.MetaValue(metaRPID)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("reading the last rp_id: %w", err)
			}
			page.Before = string(last)
		}
		users, err := tx.ListUsers(after, limit)
		if err != nil {
			return fmt.Errorf("listing users: %w", err)
		}
		for _, u := range users {
			keys, err := tx.PasskeysOf(u.ID)
			if err != nil {
				return fmt.Errorf("listing passkeys: %w", err)
			}
			if loss, ok := c.costs(u, keys, page.Before); ok {
				page.Losses = append(page.Losses, loss)
			}
		}
		if page.Users = len(users); page.Users == limit {
			page.Next = users[limit-1].ID
		}
		return nil
	})
	return page, err
}

// costs is what the change takes from one user; who is disabled has nothing to
// lose. Passkeys of yet another rp_id are of no use now and are not counted. Where
// the one before is not known, nobody has started the server, and every other is
// taken for it.
func (c *RPIDChange) costs(u *store.User, keys []*store.Passkey, before string) (RPIDLoss, bool) {
	loss := RPIDLoss{User: u, Mail: c.Mail, TOTP: u.TOTP != nil}
	for _, k := range keys {
		switch k.RPID {
		case c.New:
			loss.Work++
		case before:
			loss.Stop++
		default:
			if before == "" {
				loss.Stop++
			}
		}
	}
	switch {
	case loss.Work > 0:
		loss.Loss = LosesSome
	case !c.Mail:
		loss.Loss = LosesEverything
	case u.Admin && !loss.TOTP:
		loss.Loss = LosesRole
	default:
		loss.Loss = LosesPasskeys // email_after_passkey speaks of passkeys that work
	}
	return loss, loss.Stop > 0 && !u.Disabled
}
