package authcore

import (
	"errors"
	"fmt"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// A client of the API that lost the answer to its request for a mail asks again,
// under the key of the first one, and gets the same flow. Nothing is kept for
// that: the flow's secret is computed from the request.
//
//	at once              the flow as it stands, and no second mail
//	after resendAfter    a new mail under the same flow, whose older code is dead
//	                     (ML-2)
//
// Whoever knows client, address and key gets the secret, too. So the key has to
// be as hard to guess, and the flow still wants the mail's code.

// flowSecret is what the asking browser holds already, or what a client of the
// API is given. Under a key, the same request has the same secret, and nobody
// can compute it without ours.
func (s *Service) flowSecret(in *StartEmail, addr email.Address) (Token, error) {
	if in.Client == nil {
		return in.Browser.Flow, nil
	}
	if in.Key != "" {
		return secret.FromBytes(s.rt.keys.MAC("e-mail flow", []byte(in.Client.ID), []byte(addr), []byte(in.Key))), nil
	}
	held, err := secret.New(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("making a flow secret: %w", err)
	}
	return held, nil
}

// begunBefore answers the repeat of a request whose mail was sent just now, or
// nil. Decoys are flows as others are, so it tells nothing (EN).
func (s *Service) begunBefore(tx *txn, in *StartEmail, held Token) (*EmailStarted, error) {
	if in.Key == "" {
		return nil, nil
	}
	var f flow
	err := tx.Peek(store.KindFlow, held.Hash(), &f)
	age := s.now().Sub(f.SentAt)
	if errors.Is(err, store.ErrNotFound) || err == nil && (age >= resendAfter || s.over(&f)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the flow: %w", err)
	}
	return &EmailStarted{Flow: held, ExpiresIn: s.cfg.LinkTTL - age, ResendAfter: resendAfter - age}, nil
}
