package authcore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// NewUser is what an operator or invitation says about a user.
type NewUser struct {
	Email       string
	Name        string // short user name; empty: the e-mail address
	DisplayName string
	Groups      []string
}

// check validates and answers the canonical address.
func (n *NewUser) check() (email.Address, error) {
	addr, err := email.Parse(n.Email)
	if err != nil {
		return "", &Refusal{Reason: EmailInvalid, Detail: err.Error()}
	}
	if n.Name != "" && !ValidName(n.Name) {
		return "", &Refusal{Reason: NameInvalid, Detail: "A user name has 1 to 64 of a-z 0-9 . _ - and nothing else."}
	}
	for _, g := range n.Groups {
		if !ValidGroup(g) {
			return "", &Refusal{Reason: NameInvalid, Detail: "A group has 1 to 64 of a-z 0-9 . _ - and nothing else."}
		}
	}
	return addr, nil
}

// createUser stores a new user under a new id (SE-9) and reserves the name.
func (s *Service) createUser(tx *txn, n NewUser, addr email.Address) (*store.User, error) {
	id, err := secret.ID(s.rt.rand)
	if err != nil {
		return nil, fmt.Errorf("naming a user: %w", err)
	}
	u := &store.User{
		ID: id, Email: string(addr), Name: n.Name, DisplayName: cleanName(n.DisplayName, ""),
		Groups: slices.Compact(slices.Sorted(slices.Values(n.Groups))), Epoch: 1, Named: n.Name != "", CreatedAt: s.now(),
		Handle: make([]byte, 64), // WA-6: random, never personal
	}
	if _, err := io.ReadFull(s.rt.rand, u.Handle); err != nil {
		return nil, fmt.Errorf("making a WebAuthn handle: %w", err)
	}
	if u.Name == "" {
		u.Name = u.Email
	}
	switch err := tx.ReserveName(u.Name, u.ID); {
	case errors.Is(err, store.ErrConflict) && u.Named:
		return nil, &Refusal{Reason: Conflict, Detail: "That user name was used before; names are never given twice."}
	case errors.Is(err, store.ErrConflict):
		// The address once was somebody's user name, and upstreams may know
		// that somebody by it (DESIGN §6): a placeholder name, and no app,
		// until an admin names them.
		u.Name, u.Unnamed = "unnamed-"+u.ID, true
		if err := tx.ReserveName(u.Name, u.ID); err != nil {
			return nil, fmt.Errorf("reserving a name: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("reserving a name: %w", err)
	}
	return u, tx.PutUser(u)
}

// isTaken reports whether an account has the address.
func isTaken(tx store.Tx, addr string) (bool, error) {
	_, err := tx.UserByEmail(addr)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, fmt.Errorf("looking for the address: %w", err)
	}
	return err == nil, nil
}

// isFree reports whether the user ("": somebody new) may have the address: no
// account has it, and none but theirs had it until some days ago.
func (s *Service) isFree(tx store.Tx, addr, userID string) (bool, error) {
	if taken, err := isTaken(tx, addr); taken || err != nil {
		return false, err
	}
	owner, err := s.keptFor(tx, addr)
	return owner == "" || owner == userID, err
}

// registerByFlow makes the account that an open registration's flow stands
// for. The first to register is an ordinary user (BT-1).
func (s *Service) registerByFlow(tx *txn, f *flow, client Client) (*store.User, error) {
	if free, err := s.isFree(tx, f.Email, ""); !free || err != nil {
		return nil, err // made meanwhile: the flow knows nothing of the account's epoch (SE-5)
	}
	if !s.mayRegister(f.Email) {
		return nil, nil
	}
	u, err := s.createUser(tx, NewUser{Email: f.Email}, email.Address(f.Email))
	if err != nil {
		return nil, err
	}
	return u, tx.audit(event{typ: evUserRegistered, ok: true, client: client, subject: u.ID})
}

// AddUser creates a user on behalf of an operator.
func (s *Service) AddUser(ctx context.Context, actor string, n NewUser) (*store.User, error) {
	var u *store.User
	done := event{typ: evUserRegistered, actor: actor}
	err := s.update(ctx, func(tx *txn) error {
		u = nil
		addr, err := n.check()
		if err != nil {
			return err
		}
		if taken, err := isTaken(tx, string(addr)); err != nil {
			return err
		} else if taken {
			return &Refusal{Reason: Conflict, Detail: "There is a user with that address already."}
		}
		if u, err = s.createUser(tx, n, addr); err != nil {
			return err
		}
		return tx.audit(done.of(u.ID))
	})
	return u, s.audited(ctx, done, err)
}

// FindUser finds a user by e-mail address, user name or id.
func (s *Service) FindUser(ctx context.Context, who string) (u *store.User, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		u, err = findUser(tx, who)
		return err
	})
	return u, err
}

func findUser(tx store.Tx, who string) (*store.User, error) {
	for _, find := range []func(string) (*store.User, error){tx.UserByEmail, tx.UserByName, tx.User} {
		u, err := find(lowerASCII(who))
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return u, err
		}
	}
	return nil, &Refusal{Reason: NotFound, Detail: "There is no such user."}
}

// ListUsers pages through users by id.
func (s *Service) ListUsers(ctx context.Context, after string, limit int) (users []*store.User, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		users, err = tx.ListUsers(after, limit)
		return err
	})
	return users, err
}

// changeUser finds a user, lets fn change it and stores it with an audit line.
func (s *Service) changeUser(ctx context.Context, actor, who, typ string, fn func(*txn, *store.User) error) error {
	done := event{typ: typ, actor: actor}
	err := s.update(ctx, func(tx *txn) error {
		done.subject = ""
		u, err := findUser(tx, who)
		if err != nil {
			return err
		}
		done.subject = u.ID
		tx.users = append(tx.users, u.ID)
		if err := fn(tx, u); err != nil {
			return err
		}
		return tx.audit(done.of(u.ID))
	})
	return s.audited(ctx, done, err)
}

// DisableUser ends everything the user has (SE-5).
func (s *Service) DisableUser(ctx context.Context, actor, who string) error {
	return s.changeUser(ctx, actor, who, evUserDisabled, func(tx *txn, u *store.User) error {
		if err := s.keepAnAdmin(tx, u); err != nil {
			return err
		}
		if err := dropInvites(tx, u.Email); err != nil {
			return err
		}
		u.Disabled = true
		return s.endAll(tx, u, nil, Client{}, actor, "user disabled")
	})
}

// EnableUser lets the user sign in again; nothing old comes back. It also lifts
// a freeze, which says that an admin has spoken with the person (DESIGN §6).
func (s *Service) EnableUser(ctx context.Context, actor, who string) error {
	return s.changeUser(ctx, actor, who, evUserEnabled, func(tx *txn, u *store.User) error {
		if err := s.unfreeze(tx, u); err != nil {
			return err
		}
		u.Disabled = false
		return tx.PutUser(u)
	})
}

// DeleteUser removes the user; id and name are never used again (SE-9).
func (s *Service) DeleteUser(ctx context.Context, actor, who string) error {
	return s.changeUser(ctx, actor, who, evUserDeleted, s.remove)
}

// remove takes a user with all that they have.
func (s *Service) remove(tx *txn, u *store.User) error {
	if err := s.keepAnAdmin(tx, u); err != nil {
		return err
	}
	if err := dropInvites(tx, u.Email); err != nil {
		return err
	}
	if err := dropFormer(tx, u.ID); err != nil {
		return err
	}
	dead, err := tx.DeleteUser(u.ID)
	tx.dead, tx.users = append(tx.dead, dead...), append(tx.users, u.ID)
	return err
}

// NameUser gives a user the short name that upstreams will see, once.
func (s *Service) NameUser(ctx context.Context, actor, who, name string) error {
	return s.changeUser(ctx, actor, who, evUserChanged, func(tx *txn, u *store.User) error {
		if !ValidName(name) {
			return &Refusal{Reason: NameInvalid, Detail: "A user name has 1 to 64 of a-z 0-9 . _ - and nothing else."}
		}
		if u.Named {
			return &Refusal{Reason: Conflict, Detail: "The user has a name already; names do not change."}
		}
		if err := tx.ReserveName(name, u.ID); errors.Is(err, store.ErrConflict) {
			return &Refusal{Reason: Conflict, Detail: "That user name was used before; names are never given twice."}
		} else if err != nil {
			return fmt.Errorf("reserving the name: %w", err)
		}
		u.Name, u.Named, u.Unnamed = name, true, false
		return tx.PutUser(u)
	})
}

// SetGroups replaces the user's groups; guards see it at once.
func (s *Service) SetGroups(ctx context.Context, actor, who string, groups []string) error {
	return s.changeUser(ctx, actor, who, evUserChanged, func(tx *txn, u *store.User) error {
		for _, g := range groups {
			if !ValidGroup(g) {
				return &Refusal{Reason: NameInvalid, Detail: "A group has 1 to 64 of a-z 0-9 . _ - and nothing else."}
			}
		}
		u.Groups = slices.Compact(slices.Sorted(slices.Values(groups)))
		return tx.PutUser(u)
	})
}

// isAdmin reports whether the role has taken effect (BT-1): it was accepted,
// and there is a passkey or an authenticator app to exercise it with.
func (s *Service) isAdmin(tx store.Tx, u *store.User) (bool, error) {
	if !u.Admin || u.Disabled {
		return false, nil
	}
	keys, err := s.usablePasskeys(tx, u.ID)
	return len(keys) > 0 || u.TOTP != nil, err
}

// keepAnAdmin refuses to take away the last admin: the last who can act, or
// where none can, the last who was accepted.
func (s *Service) keepAnAdmin(tx *txn, u *store.User) error {
	if !u.Admin || u.Disabled {
		return nil
	}
	acts, err := s.isAdmin(tx, u)
	if err != nil {
		return err
	}
	for after := ""; ; {
		users, err := tx.ListUsers(after, 100)
		if err != nil {
			return fmt.Errorf("listing users: %w", err)
		}
		if len(users) == 0 {
			return &Refusal{Reason: Conflict, Detail: "That is the last admin. Invite another one first."}
		}
		for _, x := range users {
			after = x.ID
			if x.ID == u.ID || !x.Admin || x.Disabled {
				continue
			}
			if admin, err := s.isAdmin(tx, x); admin || !acts || err != nil {
				return err
			}
		}
	}
}

// RevokeSession ends a session by its public id on behalf of an operator.
func (s *Service) RevokeSession(ctx context.Context, actor, id string) error {
	err := s.update(ctx, func(tx *txn) error {
		sess, err := tx.SessionByID(id)
		if errors.Is(err, store.ErrNotFound) {
			return &Refusal{Reason: NotFound, Detail: "There is no such session."}
		}
		if err != nil {
			return fmt.Errorf("reading the session: %w", err)
		}
		return s.endSession(tx, sess, Client{}, actor, "revoked by an operator")
	})
	return s.audited(ctx, event{typ: evSessionRevoked, actor: actor}, err)
}
