package authcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The JSON API's own tokens (DESIGN §7). A session token opens /api; an access
// token is for resource servers; a refresh token makes new ones of both, once.
//
// A refresh token is a record by its hash. Refreshing marks it spent and makes
// its successor, derived from it, so that a client that lost the answer gets
// the same one again within ten seconds. Any other use of a spent token ends
// the family: session and all (RT-2).

// Tokens is what an API client gets at sign-in and refresh.
type Tokens struct {
	Access       string // empty where the session is limited: it may add a passkey and open nothing
	ExpiresIn    time.Duration
	Refresh      Token
	SessionToken Token
	Session      *store.Session
	User         *store.User
}

// refresh is the stored record (store.KindRefresh).
type refresh struct {
	SessionID string    `json:"session_id"` // which knows user, epoch and client
	Host      string    `json:"host"`
	EndsAt    time.Time `json:"ends_at"` // of the family; rotation never moves it (ASVS 10.4.8)
	SpentAt   time.Time `json:"spent_at,omitzero"`
}

// Client finds a configured API client. An empty id means the only one there
// is, or the one called "default".
func (s *Service) Client(id string) *APIClient {
	for i := range s.cfg.Clients {
		c := &s.cfg.Clients[i]
		if c.ID == id || id == "" && (len(s.cfg.Clients) == 1 || c.ID == "default") {
			return c
		}
	}
	return nil
}

// PageMayUse reports whether a web page of an origin may act for a client: one of
// the client's own, or of ours. Another client's page is not let in: what it got
// would carry the wrong client's name and audience (CS-2). A program that is no
// web page sends no origin.
func (s *Service) PageMayUse(c *APIClient, origin string) bool {
	return origin == "" || origin == s.portal.String() || slices.Contains(c.Origins, origin)
}

// pageMayUse is PageMayUse for a client of a record, which must still be configured.
func (s *Service) pageMayUse(clientID, origin string) bool {
	c := s.Client(clientID)
	return clientID != "" && c != nil && s.PageMayUse(c, origin)
}

// signInAPI makes an API session with its tokens.
func (s *Service) signInAPI(tx *txn, u *store.User, by proven, clientID string, client Client) (*Tokens, error) {
	// A client has no cookie: it is known by its name, the program that runs it and
	// from where. The first two are its own words, which a thief can say as well.
	networks := ratelimit.ClientKeys(client.source())
	device := secret.Token("client/" + clientID + "/" + client.agent() + "/" + networks[len(networks)-1])
	known, err := knownDevice(tx, device, u, s.now())
	if err != nil {
		return nil, fmt.Errorf("recognising the client: %w", err)
	}
	first, err := s.welcome(tx, u, client)
	if err != nil {
		return nil, err
	}
	if _, err := s.rememberDevice(tx, u, device); err != nil {
		return nil, err
	}
	token, sess, err := s.startSession(tx, newSession{
		kind: store.APISession, host: s.portal.Host, user: u, clientID: clientID, proven: by, client: client,
	})
	if err != nil {
		return nil, err
	}
	if !first && !known {
		if err := s.notify(tx, u, notice{What: NoticeSignIn, SessionID: sess.ID, Since: s.now()}, client); err != nil {
			return nil, err
		}
	}
	again, err := secret.New(s.rt.rand)
	if err != nil {
		return nil, fmt.Errorf("making a refresh token: %w", err)
	}
	r := refresh{SessionID: sess.ID, Host: s.portal.Host, EndsAt: s.now().Add(s.cfg.RefreshTTL)}
	if err := tx.Put(store.KindRefresh, again.Hash(), r, r.EndsAt); err != nil {
		return nil, fmt.Errorf("storing a refresh token: %w", err)
	}
	return s.tokens(u, sess, token, again)
}

func (s *Service) tokens(u *store.User, sess *store.Session, session, refresh Token) (*Tokens, error) {
	out := &Tokens{Refresh: refresh, SessionToken: session, Session: sess, User: u}
	if limited(amrBits(sess.AMR)) {
		return out, nil // other services know nothing of limits
	}
	var err error
	if out.Access, err = s.signAccess(u, sess); err != nil {
		return nil, err
	}
	out.ExpiresIn = s.cfg.AccessTTL
	return out, nil
}

// successor derives the next refresh token and the session token that comes
// with it from the spent one: the same input gives the same answer.
func (s *Service) successor(spent Token, what string) Token {
	return secret.FromBytes(s.rt.keys.MAC("refresh successor", []byte(what), []byte(spent.Reveal())))
}

// Refresh exchanges a refresh token; origin is the web origin that asks, if any.
func (s *Service) Refresh(ctx context.Context, raw, origin string, client Client) (*Tokens, error) {
	token, ok := secret.Parse(raw)
	if !ok {
		return nil, refuse(TokenInvalid)
	}
	next, sessionToken := s.successor(token, "refresh"), s.successor(token, "session")
	var out *Tokens
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		out, refusal = nil, nil
		r, sess, u, err := s.refreshFamily(tx, token)
		if err != nil {
			return err
		}
		if u == nil {
			refusal = refuse(TokenInvalid)
			return tx.audit(event{typ: evRefreshFailed, client: client})
		}
		if !r.SpentAt.IsZero() { // wherever it comes from
			if refusal, err = s.reuse(tx, r, next, sess, client); refusal != nil || err != nil {
				return err
			}
		}
		if !s.pageMayUse(sess.ClientID, origin) {
			refusal = refuse(TokenInvalid)
			return tx.audit(event{typ: evRefreshFailed, client: client, subject: u.ID})
		}
		if !r.SpentAt.IsZero() {
			out, err = s.tokens(u, sess, sessionToken, next)
			return err
		}
		out, err = s.rotateFamily(tx, token, r, sess, u, next, sessionToken, client)
		return err
	})
	return out, orRefusal(err, refusal)
}

// refreshFamily reads the record with its live session and user; the user is
// nil when any of it is over (RT-3).
func (s *Service) refreshFamily(tx store.Tx, token Token) (*refresh, *store.Session, *store.User, error) {
	var r refresh
	err := tx.Peek(store.KindRefresh, token.Hash(), &r)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading the refresh token: %w", err)
	}
	sess, err := tx.SessionByID(r.SessionID)
	var live *Live
	if err == nil {
		live, err = s.liveSession(tx, sess.Hash)
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && (r.Host != s.portal.Host || !s.now().Before(r.EndsAt)) {
		return &r, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading the session: %w", err)
	}
	return &r, live.Session, live.User, nil
}

// reuse judges a spent token: within the grace, and only while its successor
// is unspent, it is a lost answer; otherwise it is theft.
func (s *Service) reuse(tx *txn, r *refresh, next Token, sess *store.Session, client Client) (*Refusal, error) {
	var succ refresh
	err := tx.Peek(store.KindRefresh, next.Hash(), &succ)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("reading the successor: %w", err)
	}
	if err == nil && succ.SpentAt.IsZero() && s.now().Sub(r.SpentAt) <= refreshGrace {
		return nil, nil
	}
	if err := s.endSession(tx, sess, client, sess.UserID, "refresh token reused"); err != nil {
		return nil, err
	}
	return refuse(TokenReused), tx.audit(event{typ: evRefreshFailed, client: client, subject: sess.UserID, details: map[string]string{"why": "reuse"}})
}

func (s *Service) rotateFamily(tx *txn, token Token, r *refresh, sess *store.Session, u *store.User, next, sessionToken Token, client Client) (*Tokens, error) {
	succ := *r
	r.SpentAt = s.now()
	if err := tx.Put(store.KindRefresh, token.Hash(), r, r.EndsAt); err != nil {
		return nil, fmt.Errorf("spending the refresh token: %w", err)
	}
	if err := tx.Put(store.KindRefresh, next.Hash(), succ, succ.EndsAt); err != nil {
		return nil, fmt.Errorf("storing a refresh token: %w", err)
	}
	if _, err := tx.TakeSession(sess.Hash); err != nil {
		return nil, fmt.Errorf("rotating the session: %w", err)
	}
	tx.dead = append(tx.dead, sess.Hash)
	sess.Hash, sess.LastSeen = sessionToken.Hash(), s.now()
	sess.Expires = s.expires(sess)
	if err := tx.PutSession(sess); err != nil {
		return nil, fmt.Errorf("rotating the session: %w", err)
	}
	if err := tx.audit(event{typ: evTokenRefreshed, ok: true, client: client, subject: u.ID}); err != nil {
		return nil, err
	}
	return s.tokens(u, sess, sessionToken, next)
}

// RefreshHolder is whose live session a refresh token belongs to; nil is nobody.
func (s *Service) RefreshHolder(ctx context.Context, raw string) (u *User, err error) {
	token, ok := secret.Parse(raw)
	if !ok {
		return nil, nil
	}
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		_, _, u, err = s.refreshFamily(tx, token)
		return err
	})
	return u, err
}

// APISession is the live session of a bearer session token, or nil; origin is
// the web origin that asks, if any.
func (s *Service) APISession(ctx context.Context, bearer, origin string) (*Live, error) {
	l, err := s.session(ctx, bearer, s.portal.Host, store.APISession)
	if err != nil || l == nil || !s.pageMayUse(l.Session.ClientID, origin) {
		return nil, err
	}
	return l, nil
}

// AccessUser is the live user and session behind an access token, or nil. It
// is asked of the store, so an ended session ends the token here at once.
func (s *Service) AccessUser(ctx context.Context, bearer, origin string) (*Live, error) {
	c, err := s.verifyAccess(bearer)
	if err != nil || !s.pageMayUse(c.ClientID, origin) {
		return nil, nil //nolint:nilerr // a bad token is nobody, not a fault
	}
	var l *Live
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		sess, err := tx.SessionByID(c.Session)
		if err != nil {
			return err
		}
		l, err = s.liveSession(tx, sess.Hash)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && l.User.ID != c.Subject {
		return nil, nil
	}
	return l, err
}
