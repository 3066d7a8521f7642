package caddymodule

import (
	"math"
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// adminToken is an access token without its secret (AD-4).
type adminToken struct {
	ID        string    `json:"id"`
	User      string    `json:"user"` // e-mail address
	Name      string    `json:"name,omitempty"`
	App       string    `json:"app"`
	Path      string    `json:"path,omitempty"`
	Methods   []string  `json:"methods,omitempty"`
	Networks  []string  `json:"networks,omitempty"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	Expires   time.Time `json:"expires,omitzero"` // absent: never
	LastUsed  time.Time `json:"last_used,omitzero"`
}

func toAdminToken(u *store.User, t *store.AccessToken) adminToken {
	return adminToken{
		ID: t.ID, User: u.Email, Name: t.Name, App: t.App, Path: t.Path, Methods: t.Methods, Networks: t.Networks,
		CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, Expires: t.Expires, LastUsed: t.LastUsed,
	}
}

// adminMadeToken is a new token, with its secret for the only time.
type adminMadeToken struct {
	adminToken
	Token string `json:"token"`
}

// adminNewToken is a token to be.
type adminNewToken struct {
	Email          string `json:"email"`
	Grant          string `json:"grant"`
	Name           string `json:"name,omitempty"`
	ExpiresSeconds int64  `json:"expires_seconds,omitempty"` // 0: never
}

func createToken(svc *authcore.Service, r *http.Request) (any, error) {
	var n adminNewToken
	if err := decodeAdmin(r, &n); err != nil {
		return nil, err
	}
	if n.ExpiresSeconds < 0 || n.ExpiresSeconds > int64(math.MaxInt64/time.Second) {
		return nil, errAsked
	}
	g, err := authcore.ParseGrant(n.Grant)
	if err != nil {
		return nil, &authcore.Refusal{Reason: authcore.NameInvalid, Detail: err.Error()}
	}
	token, made, err := svc.CreateToken(r.Context(), operator, n.Email, g, n.Name, time.Duration(n.ExpiresSeconds)*time.Second)
	if err != nil {
		return nil, err
	}
	u, err := svc.FindUser(r.Context(), made.UserID)
	if err != nil {
		return nil, err
	}
	return adminMadeToken{toAdminToken(u, made), token.Reveal()}, nil
}

func tokensOf(svc *authcore.Service, r *http.Request) (any, error) {
	u, err := svc.FindUser(r.Context(), r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	tokens, err := svc.ListTokens(r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	list := adminPage[adminToken]{Items: []adminToken{}}
	for _, t := range tokens {
		list.Items = append(list.Items, toAdminToken(u, t))
	}
	return list, nil
}

func revokeToken(svc *authcore.Service, r *http.Request) (any, error) {
	return nil, svc.RevokeToken(r.Context(), operator, r.PathValue("id"))
}
