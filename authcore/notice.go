package authcore

import (
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
//	          session added or changed, and freezes additions until a passkey
//	          from before, a recovery code or an admin confirms (DESIGN §6).
//
// Who reads the mailbox may do that, too: they can undo what is new and stop
// additions, but gain nothing by it.

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
)

// NoticeKinds lists every kind, for tables that must be complete.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{
		NoticeSignIn, NoticePasskeyAdded, NoticePasskeyRemoved, NoticeTOTPAdded, NoticeTOTPRemoved,
		NoticeRecoveryMade, NoticeRecoveryUsed, NoticeAddress, NoticeToken, NoticeHandOut,
	}
}

// Message is the key of the sentence, in the catalogue of languages, that says
// what was done; it is given {name}.
func (k NoticeKind) Message() string {
	return map[NoticeKind]string{
		NoticeSignIn:         "notice.new-device",
		NoticePasskeyAdded:   "notice.passkey-added",
		NoticePasskeyRemoved: "notice.passkey-removed",
		NoticeTOTPAdded:      "notice.totp-added",
		NoticeTOTPRemoved:    "notice.totp-removed",
		NoticeRecoveryMade:   "notice.recovery-made",
		NoticeRecoveryUsed:   "notice.recovery-used",
		NoticeAddress:        "notice.address-changed",
		NoticeToken:          "notice.token-made",
		NoticeHandOut:        "notice.handed-out",
	}[k]
}

// notice is the stored record (store.KindNotice).
type notice struct {
	What      NoticeKind `json:"what"`
	UserID    string     `json:"user_id"`
	SessionID string     `json:"session_id,omitempty"` // that did it; empty: somebody on the host
	Since     time.Time  `json:"since"`                // when that session began
	Name      string     `json:"name,omitempty"`       // of the passkey or token concerned
	OldEmail  string     `json:"old_email,omitempty"`  // NoticeAddress
	Agent     string     `json:"agent,omitempty"`
	MadeAt    time.Time  `json:"made_at"`
}

// noticeOf begins a notice about what a session does.
func noticeOf(l *Live, what NoticeKind) notice {
	return notice{What: what, SessionID: l.Session.ID, Since: l.Session.CreatedAt}
}

// notify queues the mail. The address of before gets what changes the address.
func (s *Service) notify(tx *txn, u *store.User, n notice, client Client) error {
	if s.cfg.NoMailServer {
		return nil // nothing would ever leave
	}
	token, err := secret.New(s.rt.rand)
	if err != nil {
		return fmt.Errorf("making a notice's link: %w", err)
	}
	n.UserID, n.Agent, n.MadeAt = u.ID, client.agent(), s.now()
	if n.Since.IsZero() {
		n.Since = n.MadeAt
	}
	ends := n.MadeAt.Add(noticeTTL)
	if err := tx.Put(store.KindNotice, token.Hash(), n, ends); err != nil {
		return fmt.Errorf("storing a notice: %w", err)
	}
	to := u.Email
	if n.OldEmail != "" {
		to = n.OldEmail
	}
	_, err = s.queue(tx, outgoing{
		to: to, userID: u.ID, lang: u.Lang, template: TemplateNotice, notAfter: ends,
		params: map[string]string{
			ParamWhat: string(n.What), ParamAgent: n.Agent, ParamName: n.Name, ParamTime: n.MadeAt.Format(time.RFC3339), ParamEmail: u.Email,
		},
		secrets: map[string]string{SecretLink: s.URL("/not-me#" + token.Reveal())},
	})
	return err
}

// NoticeInfo is what the holder of the link may see.
type NoticeInfo struct {
	What  NoticeKind
	Email string
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
	var u *store.User
	err := s.rt.store.View(ctx, func(tx store.Tx) (err error) {
		n = notice{}
		if err := tx.Peek(store.KindNotice, token.Hash(), &n); err != nil {
			return err
		}
		u, err = tx.User(n.UserID)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && s.now().Sub(n.MadeAt) > noticeTTL {
		return nil, refuse(LinkInvalid)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a notice: %w", err)
	}
	email := u.Email
	if n.OldEmail != "" {
		email = n.OldEmail
	}
	return &NoticeInfo{What: n.What, Email: email, Name: n.Name, Agent: n.Agent, At: n.MadeAt}, nil
}

// NotMe takes the notice and undoes what it told of.
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
		return s.undo(tx, u, &n, client)
	})
	return orRefusal(err, refusal)
}

// undo ends the session, takes back what it brought, and freezes the account.
func (s *Service) undo(tx *txn, u *store.User, n *notice, client Client) error {
	gone, err := s.takeBack(tx, u, n, client)
	if err != nil {
		return err
	}
	if err := s.restoreAddress(tx, u, n); err != nil {
		return err
	}
	all, err := tx.SessionsOf(u.ID)
	if err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	for _, sess := range all {
		relied := slices.ContainsFunc(gone, func(id []byte) bool { return string(id) == string(sess.PasskeyID) })
		if sess.Kind == store.AppSession || sess.ID != n.SessionID && !relied {
			continue
		}
		if err := s.endSession(tx, sess, client, u.ID, "its owner says that it was not them"); err != nil {
			return err
		}
	}
	if u.Freeze == nil || n.Since.Before(u.Freeze.Since) {
		u.Freeze = &store.Freeze{At: s.now(), Since: n.Since}
	}
	// What was mailed, handed out or begun before now is dead (SE-5).
	if err := s.renewEpoch(tx, u); err != nil {
		return err
	}
	return tx.audit(event{
		typ: evNotMe, ok: true, client: client, subject: u.ID,
		details: map[string]string{"what": string(n.What), "session": n.SessionID},
	})
}

// takeBack removes what the session added and answers the passkeys that went.
// The user is stored by the caller.
func (s *Service) takeBack(tx *txn, u *store.User, n *notice, client Client) (gone [][]byte, err error) {
	if n.SessionID == "" {
		return nil, nil
	}
	keys, err := tx.PasskeysOf(u.ID)
	if err != nil {
		return nil, fmt.Errorf("listing passkeys: %w", err)
	}
	for _, k := range keys {
		if k.AddedBy != n.SessionID {
			continue
		}
		if _, err := tx.TakePasskey(k.ID); err != nil {
			return nil, fmt.Errorf("removing a passkey: %w", err)
		}
		gone = append(gone, k.ID)
	}
	tokens, err := tx.TokensOf(u.ID)
	if err != nil {
		return nil, fmt.Errorf("listing access tokens: %w", err)
	}
	for _, t := range tokens {
		if t.AddedBy != n.SessionID {
			continue
		}
		if err := s.endToken(tx, t, client, u.ID, "its owner says that it was not them"); err != nil {
			return nil, err
		}
	}
	if u.Recovery != nil && u.Recovery.AddedBy == n.SessionID {
		u.Recovery = nil
	}
	if u.TOTP != nil && u.TOTP.AddedBy == n.SessionID {
		u.TOTP = nil
	}
	return gone, nil
}

// restoreAddress gives the account its address of before, where nobody else has
// it by now. The user is stored by the caller.
func (s *Service) restoreAddress(tx *txn, u *store.User, n *notice) error {
	if n.What != NoticeAddress || n.OldEmail == "" {
		return nil
	}
	_, err := tx.UserByEmail(n.OldEmail)
	if err == nil {
		return nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("looking for the address: %w", err)
	}
	u.Email = n.OldEmail
	return nil
}

// thawBy lifts a freeze by a passkey from before: one that was made before the
// session began that was not its owner's (DESIGN §6).
func (s *Service) thawBy(tx *txn, u *store.User, key *store.Passkey, client Client) error {
	if u.Freeze == nil || !key.CreatedAt.Before(u.Freeze.Since) {
		return nil
	}
	u.Freeze = nil
	if err := tx.PutUser(u); err != nil {
		return fmt.Errorf("lifting a freeze: %w", err)
	}
	return tx.audit(event{typ: evThawed, ok: true, client: client, subject: u.ID})
}
