package authcore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Access tokens, for what cannot sign in by itself: scripts, mobile apps,
// webdav.
//
//	made     by an operator, for a user who has signed in once and an app that
//	         is configured; shown once
//	used     as Bearer token, or as Basic password: tokenheader.go finds it,
//	         tokencache.go knows it, Check decides. It is its user there, within
//	         its grant
//	dead     when revoked, when expired, and with whatever ends everything its
//	         user has (SE-5); a passkey that is added ends none
//
// Its hash is a MAC under the root key, so who can write to the database but
// does not have the key cannot plant one. A sidecar has none (DESIGN §2).

// AccessToken is the secret of an access token; it prints as [redacted].
type AccessToken = secret.AccessToken

// TokenRecord is an access token's record, as those above authcore see it.
type TokenRecord = store.AccessToken

func (rt *Runtime) tokenHash(t AccessToken) store.Hash {
	return rt.keys.MAC("access token", []byte(t.Reveal()))
}

// CreateToken makes an access token for a user on behalf of an operator. It
// lives for expires; 0 is until it is revoked.
func (s *Service) CreateToken(ctx context.Context, actor, who string, g Grant, name string, expires time.Duration) (AccessToken, *store.AccessToken, error) {
	var token AccessToken
	var rec *store.AccessToken
	done := event{typ: evTokenCreated, actor: actor}
	err := s.update(ctx, func(tx *txn) (err error) {
		token, rec, done.subject = "", nil, ""
		u, err := findUser(tx, who)
		if err != nil {
			return err
		}
		done.subject = u.ID
		grant, err := s.grantable(tx, u, g)
		if err != nil {
			return err
		}
		if expires < 0 {
			return &Refusal{Reason: Conflict, Detail: "A token cannot have expired already."}
		}
		if token, rec, err = s.newToken(u, grant, name, expires); err != nil {
			return err
		}
		rec.CreatedBy = actor
		if err := tx.PutToken(rec); err != nil {
			return fmt.Errorf("storing an access token: %w", err)
		}
		e := done.of(u.ID)
		e.details = map[string]string{"token": rec.ID, "grant": grant.String()}
		return tx.audit(e)
	})
	if err != nil {
		return "", nil, s.audited(ctx, done, err)
	}
	return token, rec, nil
}

// grantable answers g as it is stored, or refuses.
func (s *Service) grantable(tx store.Tx, u *store.User, g Grant) (Grant, error) {
	g, err := g.checked()
	if err != nil {
		return g, &Refusal{Reason: NameInvalid, Detail: err.Error()}
	}
	if s.Sidecar() {
		return g, &Refusal{Reason: Forbidden, Detail: "Access tokens need a portal; write portal https://auth.example.com in the passwordless block, and a site that serves it."}
	}
	if g.App, err = s.hostOf(g.App); err != nil {
		return g, err
	}
	switch {
	case u.Disabled:
		return g, &Refusal{Reason: Forbidden, Detail: "The user is disabled; enable them first."}
	case u.VerifiedAt.IsZero(): // EM-7
		return g, &Refusal{Reason: Forbidden, Detail: "The user has never signed in, so the address is not proven to be theirs; let them sign in once."}
	}
	all, err := tx.TokensOf(u.ID)
	if err != nil {
		return g, fmt.Errorf("listing access tokens: %w", err)
	}
	if len(all) >= maxTokens {
		return g, &Refusal{Reason: TooMany, Detail: fmt.Sprintf("The user has %d access tokens, as many as are allowed; revoke some.", len(all))}
	}
	return g, nil
}

// hostOf answers the host of the app that a grant names. Where people read the
// app's address, its port stands behind the host, so that port may stand here too.
func (s *Service) hostOf(name string) (string, error) {
	host, _, ported := strings.Cut(name, ":")
	app := s.App(host)
	if app == nil {
		return "", &Refusal{Reason: NotFound, Detail: "No app is configured at that host; write the app's host without a port, such as wiki.example.com, or guard that site."}
	}
	if o, err := ParseOrigin(app.Origin.Scheme + "://" + name); ported && (err != nil || o != app.Origin) {
		return "", &Refusal{Reason: NotFound, Detail: "The app has another port; write its host without a port: " + app.Origin.Host + "."}
	}
	return host, nil
}

func (s *Service) newToken(u *store.User, g Grant, name string, expires time.Duration) (AccessToken, *store.AccessToken, error) {
	token, err := secret.NewAccess(s.rt.rand)
	if err != nil {
		return "", nil, fmt.Errorf("making an access token: %w", err)
	}
	id, err := secret.ID(s.rt.rand)
	if err != nil {
		return "", nil, fmt.Errorf("naming an access token: %w", err)
	}
	now := s.now()
	rec := &store.AccessToken{
		Hash: s.rt.tokenHash(token), ID: id, UserID: u.ID, Epoch: u.DeviceEpoch, Name: cleanName(name, ""),
		App: g.App, Path: g.Path, Methods: g.Methods, Networks: g.Networks, CreatedAt: now,
	}
	if expires > 0 {
		rec.Expires = now.Add(expires)
	}
	return token, rec, nil
}

// ListTokens lists the access tokens of a user that are good, oldest first.
func (s *Service) ListTokens(ctx context.Context, who string) (list []*store.AccessToken, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		list = nil
		u, err := findUser(tx, who)
		if err != nil {
			return err
		}
		list, err = s.liveTokens(tx, u)
		return err
	})
	return list, err
}

// tokenAlive applies expiry and user state (SE-5, EM-7).
func tokenAlive(rec *store.AccessToken, u *store.User, now time.Time) bool {
	return rec.Epoch == u.DeviceEpoch && !u.Disabled && !u.VerifiedAt.IsZero() &&
		(rec.Expires.IsZero() || now.Before(rec.Expires))
}

// RevokeToken ends an access token by its public id on behalf of an operator.
func (s *Service) RevokeToken(ctx context.Context, actor, id string) error {
	err := s.update(ctx, func(tx *txn) error {
		rec, err := tx.TokenByID(id)
		if errors.Is(err, store.ErrNotFound) {
			return &Refusal{Reason: NotFound, Detail: "There is no such token."}
		}
		if err != nil {
			return fmt.Errorf("reading the access token: %w", err)
		}
		return s.endToken(tx, rec, Client{}, actor, "revoked by an operator")
	})
	return s.audited(ctx, event{typ: evTokenRevoked, actor: actor}, err)
}

// endTokens ends all access tokens of a user (SE-5). The new DeviceEpoch makes
// them worthless by itself; taken, they stand in no list and fill no cap.
func (s *Service) endTokens(tx *txn, u *store.User, client Client, actor, why string) error {
	all, err := tx.TokensOf(u.ID)
	if err != nil {
		return fmt.Errorf("listing access tokens: %w", err)
	}
	for _, rec := range all {
		if err := s.endToken(tx, rec, client, actor, why); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) endToken(tx *txn, rec *store.AccessToken, client Client, actor, why string) error {
	if _, err := tx.TakeToken(rec.Hash); err != nil {
		return fmt.Errorf("ending an access token: %w", err)
	}
	tx.dead = append(tx.dead, rec.Hash)
	return tx.audit(event{
		typ: evTokenRevoked, ok: true, client: client, actor: actor, subject: rec.UserID,
		details: map[string]string{"token": rec.ID, "why": why},
	})
}
