package authcore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// TemplateSignIn is the mail template, by the name that rows and template
// folders use.
const TemplateSignIn = "sign-in"

// Names of a sign-in mail's parameters and sealed secrets.
const (
	ParamBrand  = "brand"
	ParamHost   = "host"   // the portal, where a code may be typed
	ParamClient = "client" // API client's title; empty for browsers
	ParamAgent  = "agent"  // User-Agent of who asked
	SecretCode  = "code"
	SecretLink  = "link"
)

type signInMail struct {
	to, userID, client, agent string
	code, link                string
	ends                      time.Time
}

// queueSignIn writes an outbox row in the flow's own transaction; delivery is
// never in the request path. It answers the row's id.
func (s *Service) queueSignIn(tx *txn, m signInMail) (string, error) {
	id, err := secret.TimeID(s.rt.rand, s.now())
	if err != nil {
		return "", fmt.Errorf("naming a mail: %w", err)
	}
	plain, err := json.Marshal(map[string]string{SecretCode: m.code, SecretLink: m.link})
	if err != nil {
		return "", fmt.Errorf("encoding a mail's secrets: %w", err)
	}
	sealed, err := s.rt.keys.Seal(s.rt.rand, "outbox", plain, []byte(id))
	if err != nil {
		return "", fmt.Errorf("sealing a mail: %w", err)
	}
	now := s.now()
	err = tx.PutMessage(&store.Message{
		ID: id, Kind: "mail", To: m.to, UserID: m.userID, Template: TemplateSignIn,
		Params: map[string]string{
			ParamBrand: s.cfg.Brand, ParamHost: s.portal.HostPort(), ParamClient: m.client, ParamAgent: m.agent,
		},
		Sealed: sealed, CreatedAt: now, NotAfter: m.ends, NextAt: now, Status: store.Queued,
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
