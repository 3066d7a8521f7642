package authcore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The link of a sign-in mail (see email.go): PeekLink for the page that it
// opens, RedeemLink for the click there.

// LinkInfo is what the page behind a mailed link may show its holder.
type LinkInfo struct {
	Same    bool // this browser asked
	Email   string
	Agent   string // User-Agent of the browser that asked
	IP      string
	AskedAt time.Time
}

// PeekLink consumes nothing (ML-4).
func (s *Service) PeekLink(ctx context.Context, raw string, b Browser) (*LinkInfo, error) {
	token, ok := secret.Parse(raw)
	if !ok {
		return nil, refuse(LinkInvalid)
	}
	var info *LinkInfo
	err := s.rt.store.View(ctx, func(tx store.Tx) error {
		l, f, err := s.peekLink(tx, token, &b)
		if err != nil {
			return err
		}
		info = &LinkInfo{Same: b.Flow != "" && b.Flow.Hash() == l.Flow, Email: f.Email, Agent: f.Agent, IP: f.IP, AskedAt: f.SentAt}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(LinkInvalid)
	}
	return info, err
}

// peekLink reads a link and its flow. Where this browser cannot finish the flow
// the link does not exist for it, and stays for the one that can.
func (s *Service) peekLink(tx store.Tx, token Token, b *Browser) (l link, f flow, err error) {
	if err := tx.Peek(store.KindLink, token.Hash(), &l); err != nil {
		return l, f, err
	}
	if err := tx.Peek(store.KindFlow, l.Flow, &f); err != nil {
		return l, f, err
	}
	if s.over(&f) || !b.mayFinish(&f) {
		return l, f, store.ErrNotFound
	}
	return l, f, nil
}

// RedeemLink signs in the browser that clicks. Of parallel clicks one wins.
func (s *Service) RedeemLink(ctx context.Context, raw string, b Browser) (*Verified, error) {
	if s.cfg.NoEmail {
		return nil, refuse(MethodOff)
	}
	token, ok := secret.Parse(raw)
	if !ok || b.Flow == "" { // a second step belongs to a browser that can hold it
		return nil, refuse(LinkInvalid)
	}
	var out *Verified
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		out, refusal = nil, nil
		l, _, err := s.peekLink(tx, token, &b)
		if errors.Is(err, store.ErrNotFound) {
			refusal = refuse(LinkInvalid)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the link: %w", err)
		}
		out, refusal, err = s.finishEmail(tx, l.Flow, b)
		if refusal != nil && refusal.Reason == FlowExpired {
			refusal = refuse(LinkInvalid)
		}
		return err
	})
	return out, orRefusal(err, refusal)
}
