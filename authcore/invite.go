package authcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The invitation flow.
//
//	Invite        on the host: a link, single use, 24 h.
//	PeekInvite    what the page behind the link may show. Consumes nothing.
//	AcceptInvite  a click there: makes the account if it is new and signs this
//	              browser in. For an account that has a passkey or TOTP the link
//	              proves too little, and for one that was signed out everywhere
//	              since it is too old (SE-5): its owner signs in first, then
//	              accepts.
//
// An admin invitation grants the role, which takes effect with a passkey or TOTP
// (BT-1): no mailbox alone ever holds it. An invitation that was mailed proves
// the mailbox and nothing else.
//
// A hand-out link (HandOut) is for an account whose passkeys are lost. It is
// accepted as an invitation is, and proves enough for a fresh session to add a
// passkey and remove the lost ones (DESIGN §6).

// invite is the stored record (store.KindInvite).
type invite struct {
	ID     string    `json:"id,omitempty"` // of a hand-out link, for what hangs on it
	User   NewUser   `json:"user"`
	Admin  bool      `json:"admin,omitempty"`
	Lost   bool      `json:"lost,omitempty"`   // a hand-out link
	Mailed bool      `json:"mailed,omitempty"` // whoever reads the mailbox has it
	Actor  string    `json:"actor"`
	UserID string    `json:"user_id,omitempty"` // of the account, if there was one
	Epoch  uint64    `json:"epoch,omitempty"`
	MadeAt time.Time `json:"made_at"`
}

// Invite makes an invitation link. An admin invitation without an address
// takes the only configured admin; where admins are configured others are
// refused.
func (s *Service) Invite(ctx context.Context, actor string, n NewUser, admin bool) (string, error) {
	link, err := s.invite(ctx, actor, n, admin, false)
	return link, s.audited(ctx, event{typ: evUserInvited, actor: actor}, err)
}

// MailInvite is Invite that mails the link to the invited address as well.
func (s *Service) MailInvite(ctx context.Context, actor string, n NewUser, admin bool) (string, error) {
	var link string
	var err error
	switch {
	case s.cfg.NoMailServer:
		err = &Refusal{Reason: Conflict, Detail: "No mail server is configured, so nothing can be mailed; invite without mail, and hand over the link."}
	case admin: // BT-1: a mailbox alone never gives the role
		err = &Refusal{Reason: Forbidden, Detail: "An admin's invitation is not mailed, since whoever reads the mailbox would be admin; hand over the link yourself."}
	default:
		link, err = s.invite(ctx, actor, n, admin, true)
	}
	if err == nil && s.cfg.Mailed != nil {
		s.cfg.Mailed()
	}
	return link, s.audited(ctx, event{typ: evUserInvited, actor: actor}, err)
}

// HandOut makes a link for a user who has lost every passkey. Whoever opens it
// is that user, so it goes from hand to hand. Everything that ends the user's
// sessions ends it as well.
func (s *Service) HandOut(ctx context.Context, actor, who string) (string, error) {
	token, err := secret.New(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("making a hand-out link: %w", err)
	}
	id, err := secret.ID(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("naming a hand-out link: %w", err)
	}
	now, done := s.now(), event{typ: evHandOut, actor: actor}
	err = s.update(ctx, func(tx *txn) error {
		done.subject = ""
		u, err := findUser(tx, who)
		if err != nil {
			return err
		}
		done.subject = u.ID
		if u.Disabled {
			return &Refusal{Reason: Conflict, Detail: "That user is disabled; enable them first."}
		}
		inv := invite{ID: id, User: NewUser{Email: u.Email}, Lost: true, Actor: actor, UserID: u.ID, Epoch: u.Epoch, MadeAt: now}
		if err := tx.Put(store.KindInvite, token.Hash(), inv, now.Add(inviteTTL)); err != nil {
			return fmt.Errorf("storing the hand-out link: %w", err)
		}
		if err := s.notify(tx, u, notice{What: NoticeHandOut, SessionID: id, Since: now}, Client{}); err != nil {
			return err
		}
		return tx.audit(done.of(u.ID))
	})
	return s.URL("/invite#" + token.Reveal()), s.audited(ctx, done, err)
}

func (s *Service) invite(ctx context.Context, actor string, n NewUser, admin, mailed bool) (string, error) {
	if admin && n.Email == "" && len(s.cfg.Admins) == 1 {
		n.Email = s.cfg.Admins[0]
	}
	addr, err := n.check()
	if err != nil {
		return "", err
	}
	if admin && !s.mayBeAdmin(addr) {
		return "", &Refusal{Reason: Forbidden, Detail: "That address is not among the configured admins."}
	}
	n.Email = string(addr)
	token, err := secret.New(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("making an invitation: %w", err)
	}
	now := s.now()
	err = s.update(ctx, func(tx *txn) error {
		inv := invite{User: n, Admin: admin, Mailed: mailed, Actor: actor, MadeAt: now}
		if u, err := tx.UserByEmail(n.Email); err == nil {
			inv.UserID, inv.Epoch = u.ID, u.Epoch
		} else if !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("finding the address: %w", err)
		}
		if err := tx.Put(store.KindInvite, token.Hash(), inv, now.Add(inviteTTL)); err != nil {
			return fmt.Errorf("storing the invitation: %w", err)
		}
		if mailed {
			if err := s.queueInvite(tx, n.Email, token); err != nil {
				return err
			}
		}
		return tx.audit(event{typ: evUserInvited, ok: true, actor: actor, details: map[string]string{"email": addr.Mask(), "admin": fmt.Sprint(admin)}})
	})
	return s.URL("/invite#" + token.Reveal()), err
}

func (s *Service) queueInvite(tx *txn, to string, token Token) error {
	_, err := s.queue(tx, outgoing{
		to: to, template: TemplateInvite, notAfter: s.now().Add(inviteTTL),
		secrets: map[string]string{SecretLink: s.URL("/invite#" + token.Reveal())},
	})
	return err
}

// mayBeAdmin reports whether the configuration lets an address hold the role.
func (s *Service) mayBeAdmin(addr email.Address) bool {
	return len(s.cfg.Admins) == 0 || slices.ContainsFunc(s.cfg.Admins, func(a string) bool { return lowerASCII(a) == string(addr) })
}

// InviteInfo is what the holder of the link may see.
type InviteInfo struct {
	Email string
	Admin bool
	Lost  bool // it is a hand-out link
}

// PeekInvite consumes nothing (ML-4).
func (s *Service) PeekInvite(ctx context.Context, raw string) (*InviteInfo, error) {
	token, ok := secret.Parse(raw)
	if !ok {
		return nil, refuse(InviteInvalid)
	}
	var inv invite
	err := s.rt.store.View(ctx, func(tx store.Tx) error { return tx.Peek(store.KindInvite, token.Hash(), &inv) })
	if errors.Is(err, store.ErrNotFound) || err == nil && s.now().Sub(inv.MadeAt) > inviteTTL {
		return nil, refuse(InviteInvalid)
	}
	return &InviteInfo{inv.User.Email, inv.Admin, inv.Lost}, err
}

// AcceptInvite takes the invitation.
func (s *Service) AcceptInvite(ctx context.Context, raw string, b Browser) (*SignedIn, error) {
	token, ok := secret.Parse(raw)
	if !ok {
		return nil, refuse(InviteInvalid)
	}
	var out *SignedIn
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		out, refusal = nil, nil
		var inv invite
		err := tx.Peek(store.KindInvite, token.Hash(), &inv)
		if errors.Is(err, store.ErrNotFound) || err == nil && s.now().Sub(inv.MadeAt) > inviteTTL {
			refusal = refuse(InviteInvalid)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the invitation: %w", err)
		}
		if inv.Admin && !s.mayBeAdmin(email.Address(inv.User.Email)) { // BT-1: asked again, the list may have changed
			refusal = refuse(InviteInvalid)
			return nil
		}
		u, proved, r, err := s.inviteUser(tx, &inv, b)
		if r != nil || err != nil {
			refusal = r // not taken: the owner comes back with it
			return err
		}
		if err := tx.Take(store.KindInvite, token.Hash(), &inv); err != nil {
			return fmt.Errorf("taking the invitation: %w", err)
		}
		if inv.Admin && !u.Admin {
			u.Admin = true
			tx.users = append(tx.users, u.ID)
			if err := tx.PutUser(u); err != nil {
				return fmt.Errorf("granting the role: %w", err)
			}
			if err := tx.audit(event{typ: evAdminGranted, ok: true, client: b.Client, actor: inv.Actor, subject: u.ID}); err != nil {
				return err
			}
		}
		if proved != nil {
			// SE-2: a new token. The link adds nothing to what the session proved,
			// and must not make a fresh proof of an old one.
			out = &SignedIn{Session: proved.Session, User: u}
			out.Token, err = s.rotate(tx, proved.Session)
			return err
		}
		if inv.Lost {
			if err := s.thaw(tx, u, b.Client); err != nil { // an admin confirms
				return err
			}
		}
		out, err = s.signIn(tx, u, proven{amr: []string{inv.proves()}, handOut: inv.ID}, b)
		return err
	})
	return out, orRefusal(err, refusal)
}

// proves is the method that a session has which the link began.
func (inv *invite) proves() string {
	switch {
	case inv.Lost:
		return AMRHandOut
	case inv.Mailed:
		return AMREmail
	}
	return AMRInvite
}

// inviteUser finds or makes the invited account. proved is this browser's session,
// if it is signed in as that account by more than the mailbox.
func (s *Service) inviteUser(tx *txn, inv *invite, b Browser) (u *store.User, proved *Live, r *Refusal, err error) {
	u, err = tx.UserByEmail(inv.User.Email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil, fmt.Errorf("finding the address: %w", err)
	}
	missing := err != nil
	switch {
	case !missing && u.Disabled, inv.Lost && (missing || u.ID != inv.UserID || u.Epoch != inv.Epoch):
		return nil, nil, refuse(InviteInvalid), nil
	case inv.Lost:
		return u, nil, nil, nil // it signs in anew, also who is signed in
	case missing:
		u, r, err = s.newInvited(tx, inv, b)
		return u, nil, r, err
	}
	keys, err := s.usablePasskeys(tx, u.ID)
	if err != nil {
		return nil, nil, nil, err
	}
	methods := s.strong(u, keys)
	var live *Live
	if b.Session != nil && b.Session.User.ID == u.ID {
		live, err = s.liveSession(tx, b.Session.Session.Hash)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, nil, nil, fmt.Errorf("reading the session: %w", err)
		}
	}
	switch {
	case len(methods) > 0 && live != nil && slices.ContainsFunc(methods, live.Has):
		return u, live, nil, nil
	case len(methods) > 0:
		return nil, nil, &Refusal{Reason: StepUpRequired, Methods: methods}, nil
	case live == nil && (u.ID != inv.UserID || u.Epoch != inv.Epoch):
		return nil, nil, &Refusal{Reason: StepUpRequired, Methods: []string{AMREmail}}, nil
	}
	return u, nil, nil, nil
}

// newInvited makes the account of an invitation.
func (s *Service) newInvited(tx *txn, inv *invite, b Browser) (*store.User, *Refusal, error) {
	u, err := s.createUser(tx, inv.User, email.Address(inv.User.Email))
	if r, ok := AsRefusal(err); ok {
		return nil, r, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return u, nil, tx.audit(event{typ: evUserRegistered, ok: true, client: b.Client, actor: inv.Actor, subject: u.ID})
}

// dropInvites takes the pending invitations of an address: whoever is removed
// does not come back by one of yesterday (SE-5).
func dropInvites(tx *txn, addr string) error {
	var after store.Hash
	for more := true; more; {
		more = false
		var found []store.Hash
		var broken error
		err := tx.ListTakes(store.KindInvite, after, sweepBatch, func(key store.Hash, decode func(any) error) bool {
			var inv invite
			if broken = decode(&inv); broken == nil && inv.User.Email == addr {
				found = append(found, key)
			}
			after, more = key, true
			return broken == nil
		})
		if err = errors.Join(err, broken); err != nil {
			return fmt.Errorf("listing invitations: %w", err)
		}
		for _, key := range found {
			var inv invite
			if err := tx.Take(store.KindInvite, key, &inv); err != nil {
				return fmt.Errorf("taking an invitation: %w", err)
			}
		}
	}
	return nil
}
