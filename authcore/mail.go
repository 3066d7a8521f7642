package authcore

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The mail templates, by the names that rows and template folders use.
const (
	TemplateSignIn = "sign-in"
	// TemplatePaused tells somebody that API clients get no code for them now,
	// because too many wrong ones were typed, and how that ends (EC-3, RL-5).
	TemplatePaused = "codes-paused"
	// TemplateNotice says what was done in an account.
	TemplateNotice = "notice"
	// TemplateAddress asks the holder of a new address to confirm it.
	TemplateAddress = "confirm-address"
	// TemplateInvite carries an invitation.
	TemplateInvite = "invitation"
	// TemplateApproved tells somebody who asked for an account that there is one.
	TemplateApproved = "approved"
)

// Names of a sign-in mail's parameters and sealed secrets.
const (
	ParamBrand  = "brand"
	ParamHost   = "host"   // the portal, where a code may be typed
	ParamClient = "client" // API client's title; empty for browsers
	ParamAgent  = "agent"  // User-Agent of who asked
	ParamLang   = "lang"   // BCP 47 tag; empty: unknown
	ParamWhat   = "what"   // NoticeKind
	ParamName   = "name"   // of the passkey or token that a notice is about
	ParamTime   = "time"   // when it happened, RFC 3339
	ParamEmail  = "email"  // the account's address now
	ParamUnsent = "unsent" // why nobody gets it; empty: it is sent
	SecretCode  = "code"
	SecretLink  = "link"
)

type signInMail struct {
	to, userID, lang, client, agent string
	code, link                      string
	ends                            time.Time
	unsent                          string // why nobody gets it; empty: it is sent
}

// queueSignIn queues the mail of a flow and answers the row's id.
func (s *Service) queueSignIn(tx *txn, m signInMail) (string, error) {
	template := TemplateSignIn
	if m.code == "" && m.link == "" {
		template = TemplatePaused
	}
	return s.queue(tx, outgoing{
		to: m.to, userID: m.userID, lang: m.lang, template: template, notAfter: m.ends, unsent: m.unsent,
		params:  map[string]string{ParamClient: m.client, ParamAgent: m.agent},
		secrets: map[string]string{SecretCode: m.code, SecretLink: m.link},
	})
}

// outgoing is a row of the outbox before it has an id.
type outgoing struct {
	to, userID, lang string
	template         string
	params           map[string]string
	secrets          map[string]string
	notAfter         time.Time
	unsent           string // why nobody gets it; empty: it is sent
}

// queue writes an outbox row in the transaction of what it tells of; delivery
// is never in the request path. It answers the row's id.
func (s *Service) queue(tx *txn, m outgoing) (string, error) {
	id, err := secret.TimeID(s.rt.rand, s.now())
	if err != nil {
		return "", fmt.Errorf("naming a mail: %w", err)
	}
	plain, err := json.Marshal(m.secrets)
	if err != nil {
		return "", fmt.Errorf("encoding a mail's secrets: %w", err)
	}
	sealed, err := s.rt.keys.Seal(s.rt.rand, "outbox", plain, []byte(id))
	if err != nil {
		return "", fmt.Errorf("sealing a mail: %w", err)
	}
	params := map[string]string{ParamBrand: s.cfg.Brand, ParamHost: s.portal.HostPort(), ParamLang: m.lang, ParamUnsent: m.unsent}
	maps.Copy(params, m.params)
	kind := store.MailMessage
	if m.unsent != "" {
		kind = store.DecoyMessage
	}
	now := s.now()
	err = tx.PutMessage(&store.Message{
		ID: id, Kind: kind, To: m.to, UserID: m.userID, Template: m.template, Params: params,
		Sealed: sealed, CreatedAt: now, NotAfter: m.notAfter, NextAt: now, Status: store.Queued,
	})
	if err != nil {
		return "", fmt.Errorf("queueing a mail: %w", err)
	}
	return id, nil
}

// OpenSecrets unseals what a queued message carries, for delivery.
func (rt *Runtime) OpenSecrets(m *store.Message) (map[string]string, error) {
	plain, err := rt.keys.Open("outbox", m.Sealed, []byte(m.ID))
	if err != nil {
		return nil, errors.New("the mail was sealed under another root key")
	}
	var secrets map[string]string
	if err := json.Unmarshal(plain, &secrets); err != nil {
		return nil, fmt.Errorf("decoding a mail's secrets: %w", err)
	}
	return secrets, nil
}

// Store is the open store, for the workers that live beside the Runtime.
func (rt *Runtime) Store() store.Store { return rt.store }
