package authcore

import (
	"container/list"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// An assertion is a signed, short-lived statement of who is here, for one app
// (HD-6): an app that verifies it by the JWKS need not trust the network
// between it and the guard. It is no access token, and opens nothing (JW-3).

// assertionType is the typ of an assertion.
const assertionType = "remote+jwt"

// AMRToken is the method of requests that carry an access token.
const AMRToken = "token"

// assertionKey is a session, or an access token, on one app: FA-12, FA-14.
type assertionKey struct {
	session store.Hash
	origin  Origin
}

// assertion is one that was signed, and all that it says of a session which may
// change while that lives.
type assertion struct {
	key    assertionKey
	signed string
	until  int64              // Unix seconds; not handed out after that
	who    [numHeaders]string // the user, as headers say it
	proof  proofOf
	issuer Origin
	kid    string
}

// proofOf is how the session of a decision was proven.
type proofOf struct {
	bits  uint8
	at    int64 // Unix seconds; zero for an access token
	token bool  // by an access token
}

func (p proofOf) amr() []string {
	if p.token {
		return []string{AMRToken}
	}
	amr := []string{}
	for _, m := range []struct {
		bit  uint8
		name string
	}{{bitPasskey, AMRPasskey}, {bitEmail, AMREmail}, {bitInvite, AMRInvite}, {bitHandOut, AMRHandOut}, {bitTOTP, AMRTOTP}} {
		if p.bits&m.bit != 0 {
			amr = append(amr, m.name)
		}
	}
	return amr
}

// Assertion is the signed statement for a decision with an Identity, or "" for
// an app that gets none. One is used again for half of its life.
func (s *Service) Assertion(d *Decision) (string, error) {
	if d.Identity == nil || d.App == nil || !d.App.Policy.Asserts() {
		return "", nil
	}
	key, now := assertionKey{d.Session, d.App.Origin}, s.rt.now().Unix()
	shard := s.rt.signed.shard(key)
	signer := s.rt.signer()
	if a := shard.get(key); a != nil && now < a.until && a.who == d.Identity.values && a.proof == d.proof && a.issuer == s.portal && a.kid == signer.ID {
		return a.signed, nil
	}
	signed, err := s.signAssertion(d, signer, now)
	if err != nil {
		return "", err
	}
	shard.put(&assertion{
		key: key, signed: signed, until: now + int64(assertionTTL/time.Second)/2, who: d.Identity.values, proof: d.proof, issuer: s.portal, kid: signer.ID,
	})
	return signed, nil
}

func (s *Service) signAssertion(d *Decision, signer *signingKey, now int64) (string, error) {
	id, err := secret.ID(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("naming an assertion: %w", err)
	}
	who := d.Identity
	groups := slices.Clone(who.Groups)
	if groups == nil {
		groups = []string{}
	}
	claims := jwt.MapClaims{
		"iss": s.portal.String(), "aud": d.App.Origin.String(), "sub": who.UserID, "jti": id,
		"iat": now, "exp": now + int64(assertionTTL/time.Second),
		"preferred_username": who.Name, "email": who.Email, "name": who.DisplayName, "groups": groups,
		"amr": d.proof.amr(),
	}
	if !d.proof.token { // nobody signed in for this
		claims["auth_time"] = d.proof.at
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	t.Header["typ"], t.Header["kid"] = assertionType, signer.ID
	signed, err := t.SignedString(signer.private)
	if err != nil {
		return "", fmt.Errorf("signing an assertion: %w", err)
	}
	return signed, nil
}

// assertions keeps those that were signed lately, in shards; of each the one
// unused longest gives way.
type assertions struct {
	shards [assertionShards]assertionShard
}

const (
	assertionShards    = 64
	assertionsPerShard = maxAssertions / assertionShards
)

func (c *assertions) shard(k assertionKey) *assertionShard {
	return &c.shards[k.session[0]%assertionShards]
}

type assertionShard struct {
	mu      sync.Mutex
	entries map[assertionKey]*list.Element // of *assertion
	order   list.List                      // used last in front
}

func (s *assertionShard) get(k assertionKey) *assertion {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil {
		return nil
	}
	s.order.MoveToFront(e)
	return e.Value.(*assertion)
}

func (s *assertionShard) put(a *assertion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[a.key]; e != nil {
		e.Value = a
		s.order.MoveToFront(e)
		return
	}
	if s.order.Len() >= assertionsPerShard {
		oldest := s.order.Back()
		delete(s.entries, s.order.Remove(oldest).(*assertion).key)
	}
	if s.entries == nil {
		s.entries = map[assertionKey]*list.Element{}
	}
	s.entries[a.key] = s.order.PushFront(a)
}
