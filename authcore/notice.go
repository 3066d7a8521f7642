package authcore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// A notice is a mail that tells a person what was done in their account, with a
// link for when it was somebody else.
//
//	notify    queues the mail in the transaction of what was done.
//	PeekNotice  what the page behind the link may show. Consumes nothing.
//	NotMe     a click there: ends the session that did it, takes back what that
//	          session added or changed (undo.go), and freezes the account until a
//	          passkey or recovery code from before, or an admin, confirms
//	          (DESIGN §6). Who has the mailbox is told of that, too.
//
// Where there is nothing left to take back the mail has no such link, and says
// what to do instead.
//
// Who reads the mailbox may do that, too. They can undo what is newer than seven
// days, and so come to where the mailbox alone signs in again if it did then; but
// of a frozen account they can change nothing (factors.go).

// NoticeKind says what was done.
type NoticeKind string

// Kinds of notices.
const (
	NoticeSignIn         NoticeKind = "new-device"
	NoticePasskeyAdded   NoticeKind = "passkey-added"
	NoticePasskeyRemoved NoticeKind = "passkey-removed"
	NoticeTOTPAdded      NoticeKind = "totp-added"
	NoticeTOTPRemoved    NoticeKind = "totp-removed"
	NoticeRecoveryMade   NoticeKind = "recovery-made"
	NoticeRecoveryUsed   NoticeKind = "recovery-used"
	NoticeAddress        NoticeKind = "address-changed"
	NoticeToken          NoticeKind = "token-made"
	NoticeHandOut        NoticeKind = "handed-out"
	NoticeDeleted        NoticeKind = "account-deleted"
	NoticeNotMe          NoticeKind = "not-me"
)

// NoticeKinds lists every kind, for tables that must be complete.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{
		NoticeSignIn, NoticePasskeyAdded, NoticePasskeyRemoved, NoticeTOTPAdded, NoticeTOTPRemoved,
		NoticeRecoveryMade, NoticeRecoveryUsed, NoticeAddress, NoticeToken, NoticeHandOut,
		NoticeDeleted, NoticeNotMe,
	}
}

// told are the words of a kind: keys in the catalogue of languages.
type told struct {
	message string // a sentence, which is given {name}, {from} and {to}
	event   string // a label
	next    string // what to do, which is given {brand}; empty: there is a link for it
}

func (k NoticeKind) told() told {
	return map[NoticeKind]told{
		NoticeSignIn:         {"notice.new-device", "notice.event-new-device", ""},
		NoticePasskeyAdded:   {"notice.passkey-added", "history.webauthn-register-completed", ""},
		NoticePasskeyRemoved: {"notice.passkey-removed", "history.user-passkey-removed", ""},
		NoticeTOTPAdded:      {"notice.totp-added", "history.totp-enrolled", ""},
		NoticeTOTPRemoved:    {"notice.totp-removed", "history.user-totp-removed", ""},
		NoticeRecoveryMade:   {"notice.recovery-made", "history.user-recovery-made", ""},
		NoticeRecoveryUsed:   {"notice.recovery-used", "history.user-recovery-used", ""},
		NoticeAddress:        {"notice.address-changed", "history.user-address-changed", ""},
		NoticeToken:          {"notice.token-made", "history.user-token-created", ""},
		NoticeHandOut:        {"notice.handed-out", "notice.event-handed-out", ""},
		NoticeDeleted:        {"notice.account-deleted", "notice.event-account-deleted", "notice.account-deleted-next"},
		NoticeNotMe:          {"notice.not-me", "notice.event-not-me", "notice.not-me-next"},
	}[k]
}

// Message is the key of the sentence, in the catalogue of languages, that says
// what was done; it is given the {name} of what it concerns and, where the address
// was changed, the addresses {from} and {to}.
func (k NoticeKind) Message() string { return k.told().message }

// Event is the key of the label that the mail's subject begins with. It names
// nothing that a person chose.
func (k NoticeKind) Event() string { return k.told().event }

// Next is the key of what to do where there is no link that takes anything back;
// it is given the {brand}. Of others it is "".
func (k NoticeKind) Next() string { return k.told().next }

// notice is the stored record (store.KindNotice).
type notice struct {
	What      NoticeKind `json:"what"`
	UserID    string     `json:"user_id"`
	SessionID string     `json:"session_id"`     // that did it; the ID of a link that was handed out
	Since     time.Time  `json:"since"`          // when that session began
	Name      string     `json:"name,omitempty"` // of the passkey or token concerned
	To        string     `json:"to"`             // the address that is told
	Email     string     `json:"email"`          // the account's address then
	Agent     string     `json:"agent,omitempty"`
	MadeAt    time.Time  `json:"made_at"`
}

// noticeOf begins a notice about what a session does.
func noticeOf(l *Live, what NoticeKind) notice {
	return notice{What: what, SessionID: l.Session.ID, Since: l.Session.CreatedAt}
}

// notify queues the mail, to the user's address if n names no other.
func (s *Service) notify(tx *txn, u *store.User, n notice, client Client) error {
	if s.cfg.NoMailServer {
		return nil // nothing would ever leave
	}
	if n.What == NoticeSignIn {
		if _, within, err := charge(tx, "notices/"+u.ID, signInNotices, s.now(), time.Hour); err != nil || !within {
			return err
		}
	}
	n.UserID, n.To, n.Agent, n.MadeAt = u.ID, cmp.Or(n.To, u.Email), client.agent(), s.now()
	n.Email = u.Email
	if n.Since.IsZero() {
		n.Since = n.MadeAt
	}
	link, err := s.noticeLink(tx, n)
	if err != nil {
		return err
	}
	_, err = s.queue(tx, outgoing{
		to: n.To, userID: u.ID, lang: u.Lang, template: TemplateNotice, notAfter: n.MadeAt.Add(noticeTTL),
		params: map[string]string{
			ParamWhat: string(n.What), ParamAgent: n.Agent, ParamName: n.Name, ParamTime: n.MadeAt.Format(time.RFC3339), ParamEmail: u.Email,
		},
		secrets: map[string]string{SecretLink: link},
	})
	return err
}

// noticeLink makes the link of a notice: the one that takes back what it tells
// of, else the sign-in page, else none.
func (s *Service) noticeLink(tx *txn, n notice) (string, error) {
	switch n.What {
	case NoticeDeleted:
		return "", nil
	case NoticeNotMe:
		return s.URL("/login"), nil
	}
	token, err := secret.New(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("making a notice's link: %w", err)
	}
	if err := tx.Put(store.KindNotice, token.Hash(), n, n.MadeAt.Add(noticeTTL)); err != nil {
		return "", fmt.Errorf("storing a notice: %w", err)
	}
	return s.URL("/not-me#" + token.Reveal()), nil
}

// notifyNotMe tells that the account is frozen: the mailbox that it has now, and
// the one that it had before the press, if that brought another back. Who pressed
// reads one of them, and its owner may be somebody else.
func (s *Service) notifyNotMe(tx *txn, u *store.User, before string, client Client) error {
	for _, to := range slices.Compact([]string{u.Email, before}) {
		if err := s.notify(tx, u, notice{What: NoticeNotMe, To: to}, client); err != nil {
			return err
		}
	}
	return nil
}

// NoticeInfo is what the holder of the link may see.
type NoticeInfo struct {
	What  NoticeKind
	Email string // that was told
	Now   string // the account's address after what was done
	Name  string
	Agent string
	At    time.Time
}

// PeekNotice consumes nothing (ML-4).
func (s *Service) PeekNotice(ctx context.Context, raw string) (*NoticeInfo, error) {
	token, ok := secret.Parse(raw)
	if !ok {
		return nil, refuse(LinkInvalid)
	}
	var n notice
	err := s.rt.store.View(ctx, func(tx store.Tx) error {
		if err := tx.Peek(store.KindNotice, token.Hash(), &n); err != nil {
			return err
		}
		u, err := tx.User(n.UserID)
		if err == nil && n.Email == "" { // a notice of before there was the field
			n.Email = u.Email
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && s.now().Sub(n.MadeAt) > noticeTTL {
		return nil, refuse(LinkInvalid)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a notice: %w", err)
	}
	return &NoticeInfo{What: n.What, Email: n.To, Now: n.Email, Name: n.Name, Agent: n.Agent, At: n.MadeAt}, nil
}

// NotMe takes the notice and undoes what it told of, with all else that the same
// session did.
func (s *Service) NotMe(ctx context.Context, raw string, client Client) error {
	token, ok := secret.Parse(raw)
	if !ok {
		return refuse(LinkInvalid)
	}
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		refusal = nil
		var n notice
		err := tx.Take(store.KindNotice, token.Hash(), &n)
		if errors.Is(err, store.ErrNotFound) || err == nil && s.now().Sub(n.MadeAt) > noticeTTL {
			refusal = refuse(LinkInvalid)
			return nil
		}
		if err != nil {
			return fmt.Errorf("taking a notice: %w", err)
		}
		u, err := tx.User(n.UserID)
		if errors.Is(err, store.ErrNotFound) {
			refusal = refuse(LinkInvalid)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the user: %w", err)
		}
		before := u.Email
		if err := s.undo(tx, u, &n, client); err != nil {
			return err
		}
		return s.notifyNotMe(tx, u, before, client)
	})
	return orRefusal(err, refusal)
}
