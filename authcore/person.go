package authcore

import (
	"context"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// What people may see and do about their own record: their name, what happened
// in their account, a copy of what is kept about them, and its end.

// AuditRecord is a line of the audit log, as those above authcore see it.
type AuditRecord = store.AuditRecord

// SetDisplayName changes what pages and apps call the person.
func (s *Service) SetDisplayName(ctx context.Context, l *Live, name string, client Client) error {
	if !isLabel(name) {
		return &Refusal{Reason: NameInvalid, Detail: "Give a name of up to 64 characters."}
	}
	return s.manage(ctx, l, func(tx *txn, l *Live, _ []*store.Passkey) (*Refusal, error) {
		l.User.DisplayName = name
		if err := tx.PutUser(l.User); err != nil {
			return nil, fmt.Errorf("storing the user: %w", err)
		}
		tx.users = append(tx.users, l.User.ID)
		return nil, tx.audit(event{typ: evUserChanged, ok: true, client: client, subject: l.User.ID})
	})
}

// History is what happened in the user's account, newest first: up to limit
// records with an id before the given one ("" = from the newest), and the id to
// go on from ("" = that is all). That something began is not told, only what
// came of it.
func (s *Service) History(ctx context.Context, u *store.User, before string, limit int) (list []*store.AuditRecord, older string, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		list, older, err = history(tx, u, before, limit)
		return err
	})
	return list, older, err
}

func history(tx store.Tx, u *store.User, before string, limit int) (list []*store.AuditRecord, older string, err error) {
	for range historyReads {
		records, err := tx.ListAuditOf(u.ID, before, limit+1)
		if err != nil {
			return nil, "", err
		}
		for _, r := range records {
			if before = r.ID; r.Type == evRegisterStarted || r.Type == evLoginStarted {
				continue
			}
			if len(list) == limit {
				return list, list[limit-1].ID, nil
			}
			list = append(list, r)
		}
		if len(records) <= limit {
			return list, "", nil
		}
	}
	return list, before, nil
}

// OpenedApp is the host of the app that a record says was opened, or "".
func OpenedApp(r *AuditRecord) string {
	if r.Type != evSessionCreated || r.Details[detailKind] != string(store.AppSession) {
		return ""
	}
	return r.Details[detailHost]
}

// PasskeyConcerned is the name, at that time, of the passkey that a record is
// about, or "".
func PasskeyConcerned(r *AuditRecord) string { return r.Details[detailPasskey] }

// Export is a copy of what is kept about a person, without secrets. The doc tags
// describe it in the API's document.
type Export struct {
	MadeAt      time.Time       `json:"made_at" doc:"When the copy was made."`
	ID          string          `json:"id" doc:"Of the user. It never changes."`
	Email       string          `json:"email" doc:"The address."`
	Name        string          `json:"name" doc:"The user name."`
	DisplayName string          `json:"display_name" doc:"What pages and apps call the person; may be empty."`
	Groups      []string        `json:"groups" doc:"Those that the server's administrator put the user into."`
	Admin       bool            `json:"admin" doc:"The user was accepted as an administrator."`
	CreatedAt   time.Time       `json:"created_at" doc:"When the account was made."`
	VerifiedAt  time.Time       `json:"verified_at,omitzero" doc:"When the address was first shown to be theirs."`
	Language    string          `json:"language,omitempty" doc:"Of pages and mails, as BCP 47 writes it; left out where none was chosen."`
	Passkeys    []ExportPasskey `json:"passkeys" doc:"The oldest first."`
	TOTP        *ExportTOTP     `json:"totp,omitempty" doc:"The authenticator app, where there is one."`
	Recovery    RecoveryStatus  `json:"recovery_codes" doc:"How many there are, not which."`
	Sessions    []ExportSession `json:"sessions" doc:"Those that are kept: browsers at the portal and at apps, and clients of the API."`
	Tokens      []ExportToken   `json:"access_tokens" doc:"All that are good, the oldest first."`
	History     []ExportEvent   `json:"history" doc:"What happened in the account, the newest 5000 events, newest first."`
}

// ExportPasskey is a passkey in an Export.
type ExportPasskey struct {
	Name      string    `json:"name" doc:"What its owner calls it."`
	CreatedAt time.Time `json:"created_at" doc:"When it was added."`
	LastUsed  time.Time `json:"last_used,omitzero" doc:"Left out while it has not been used."`
	Synced    bool      `json:"synced" doc:"Its provider keeps a copy."`
}

// ExportTOTP is the authenticator app in an Export.
type ExportTOTP struct {
	CreatedAt time.Time `json:"created_at" doc:"When its first code confirmed it."`
	LastUsed  time.Time `json:"last_used,omitzero" doc:"When a code of it was taken last. Left out while none was."`
}

// ExportSession is a session in an Export.
type ExportSession struct {
	Kind      string    `json:"kind" doc:"root: a browser at the portal; app: a browser at an app; api: a client of the API."`
	Host      string    `json:"host" doc:"Where it is good."`
	ClientID  string    `json:"client_id,omitempty" doc:"Of the API client."`
	AMR       []string  `json:"amr" doc:"How the person signed in."`
	CreatedAt time.Time `json:"created_at" doc:"When it signed in."`
	LastSeen  time.Time `json:"last_seen" doc:"When it was used last, to the minute."`
	IP        string    `json:"ip,omitempty" doc:"The address that signed in."`
	UserAgent string    `json:"user_agent,omitempty" doc:"What the browser or program called itself."`
}

// ExportToken is an access token in an Export.
type ExportToken struct {
	Name      string    `json:"name,omitempty" doc:"What its owner calls it."`
	Grant     string    `json:"grant" doc:"What it reaches, in one line."`
	CreatedAt time.Time `json:"created_at" doc:"When it was made."`
	Expires   time.Time `json:"expires,omitzero" doc:"Left out: it lives until it is revoked."`
	LastUsed  time.Time `json:"last_used,omitzero" doc:"To the minute; left out while it has not been used."`
}

// ExportEvent is a line of the audit log in an Export.
type ExportEvent struct {
	Time      time.Time         `json:"time" doc:"When it happened."`
	Type      string            `json:"type" doc:"What happened, in a word of the audit log."`
	Success   bool              `json:"success" doc:"False: it was refused."`
	IP        string            `json:"ip,omitempty" doc:"From which address."`
	UserAgent string            `json:"user_agent,omitempty" doc:"By which browser or program."`
	Details   map[string]string `json:"details,omitempty" doc:"More of it; which members there are depends on the type."`
}

// Export collects it for a session that may manage the account.
func (s *Service) Export(ctx context.Context, l *Live, client Client) (*Export, error) {
	var out *Export
	err := s.manage(ctx, l, func(tx *txn, l *Live, keys []*store.Passkey) (_ *Refusal, err error) {
		if out, err = s.export(tx, l.User, keys); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{typ: evExported, ok: true, client: client, subject: l.User.ID})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) export(tx store.Tx, u *store.User, keys []*store.Passkey) (*Export, error) {
	out := &Export{
		MadeAt: s.now(), ID: u.ID, Email: u.Email, Name: u.Name, DisplayName: u.DisplayName, Groups: append([]string{}, u.Groups...),
		Admin: u.Admin, CreatedAt: u.CreatedAt, VerifiedAt: u.VerifiedAt, Language: u.Lang, Recovery: Recovery(u),
		Passkeys: []ExportPasskey{}, Sessions: []ExportSession{}, Tokens: []ExportToken{}, History: []ExportEvent{},
	}
	for _, k := range keys {
		out.Passkeys = append(out.Passkeys, ExportPasskey{k.Name, k.CreatedAt, k.LastUsed, k.Synced})
	}
	if u.TOTP != nil {
		out.TOTP = &ExportTOTP{u.TOTP.CreatedAt, u.TOTP.LastUsed}
	}
	sessions, err := tx.SessionsOf(u.ID)
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	for _, x := range sessions {
		out.Sessions = append(out.Sessions, ExportSession{string(x.Kind), x.Host, x.ClientID, append([]string{}, x.AMR...), x.CreatedAt, x.LastSeen, x.IP, x.UserAgent})
	}
	tokens, err := s.liveTokens(tx, u)
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		g := Grant{App: t.App, Path: t.Path, Methods: t.Methods, Networks: t.Networks}
		out.Tokens = append(out.Tokens, ExportToken{t.Name, g.String(), t.CreatedAt, t.Expires, t.LastUsed})
	}
	events, err := tx.ListAuditOf(u.ID, "", exportHistory)
	if err != nil {
		return nil, fmt.Errorf("listing the history: %w", err)
	}
	for _, e := range events {
		out.History = append(out.History, ExportEvent{e.Time, e.Type, e.Success, e.IP, e.UserAgent, e.Details})
	}
	return out, nil
}

// MayDelete reports whether people may delete their own accounts.
func (s *Service) MayDelete() bool { return s.cfg.SelfDelete == "allow" }

// DeleteSelf removes the session's own account. Id and name are never used
// again (SE-9). The address, typed once more, is a second thought and no secret.
func (s *Service) DeleteSelf(ctx context.Context, l *Live, typed string, client Client) error {
	if !s.MayDelete() {
		return refuse(MethodOff)
	}
	if lowerASCII(typed) != l.User.Email {
		return &Refusal{Reason: Conflict, Detail: "Type your e-mail address to delete the account."}
	}
	return s.manage(ctx, l, func(tx *txn, l *Live, _ []*store.Passkey) (*Refusal, error) {
		if err := s.remove(tx, l.User); err != nil {
			if r, ok := AsRefusal(err); ok {
				return r, nil
			}
			return nil, err
		}
		if err := s.notify(tx, l.User, notice{What: NoticeDeleted}, client); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{typ: evUserDeleted, ok: true, client: client, subject: l.User.ID})
	})
}
