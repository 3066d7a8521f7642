package authcore

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/strictjson"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// accessType is the typ of an access token (RFC 9068 §2.1).
const accessType = "at+jwt"

// jwtLeeway is what clocks may differ by, in seconds.
const jwtLeeway = 30

// accessClaims are the claims of an access token (DESIGN §7).
type accessClaims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Expires  int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	ID       string   `json:"jti"`
	Session  string   `json:"sid"`
	ClientID string   `json:"client_id"` // RFC 9068 §2.2
	AMR      []string `json:"amr"`
	AuthTime int64    `json:"auth_time"`
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
}

func (c *accessClaims) claims() (jwt.MapClaims, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var m jwt.MapClaims
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return m, d.Decode(&m)
}

// signAccess makes an access token for resource servers.
func (s *Service) signAccess(u *store.User, sess *store.Session) (string, error) {
	id, err := secret.ID(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("naming a token: %w", err)
	}
	audience, ok := s.audience(sess.ClientID)
	if !ok {
		return "", fmt.Errorf("signing a token: the client %q is not configured", sess.ClientID)
	}
	now := s.now()
	c := accessClaims{
		Issuer: s.portal.String(), Audience: audience, Subject: u.ID,
		Expires: now.Add(s.cfg.AccessTTL).Unix(), IssuedAt: now.Unix(), ID: id, Session: sess.ID, ClientID: sess.ClientID,
		AMR: sess.AMR, AuthTime: sess.AuthTime.Unix(), Email: u.Email, Groups: slices.Clone(u.Groups),
	}
	if c.Groups == nil {
		c.Groups = []string{}
	}
	m, err := c.claims()
	if err != nil {
		return "", fmt.Errorf("encoding a token: %w", err)
	}
	key := s.rt.signer()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, m)
	t.Header["typ"], t.Header["kid"] = accessType, key.ID
	signed, err := t.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed, nil
}

// audience is the client's own, or the issuer. A client that is not configured
// has none.
func (s *Service) audience(clientID string) (aud string, ok bool) {
	c := s.Client(clientID)
	if clientID == "" || c == nil {
		return "", false
	}
	if c.Audience == "" {
		return s.portal.String(), true
	}
	return c.Audience, true
}

var errToken = errors.New("not a valid access token")

// verifyAccess checks an access token as strictly as JW-1 and JW-2 ask, which
// is beyond the library: alphabet, header members, duplicate members, types.
func (s *Service) verifyAccess(raw string) (*accessClaims, error) {
	parts := strings.Split(raw, ".")
	if len(raw) > 8<<10 || len(parts) != 3 {
		return nil, errToken
	}
	var dec [3][]byte
	for i, p := range parts {
		if strings.ContainsAny(p, "\r\n") {
			return nil, errToken
		}
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil {
			return nil, errToken
		}
		dec[i] = b
	}
	var h struct {
		Alg string `json:"alg"`
		Typ string `json:"typ"`
		Kid string `json:"kid"`
	}
	if err := strictjson.Decode(dec[0], &h); err != nil || h.Alg != "EdDSA" || h.Typ != accessType {
		return nil, errToken // crit, jku, jwk, x5c … are unknown members and refused
	}
	key, ok := s.rt.ring.verifying(h.Kid)
	if !ok || len(dec[2]) != ed25519.SignatureSize || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), dec[2]) {
		return nil, errToken
	}
	var c accessClaims
	if err := strictjson.Decode(dec[1], &c); err != nil {
		return nil, errToken
	}
	now := s.now().Unix()
	fresh := c.IssuedAt <= now+jwtLeeway && now < c.Expires+jwtLeeway && c.Expires-c.IssuedAt <= int64(10*time.Minute/time.Second)
	audience, ok := s.audience(c.ClientID)
	if !ok || !fresh || c.Issuer != s.portal.String() || c.Audience != audience || c.Subject == "" || c.ID == "" || c.Session == "" {
		return nil, errToken
	}
	return &c, nil
}
