package caddymodule

import (
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// adminKey is a signing key without its secret (AD-4).
type adminKey struct {
	ID         string    `json:"id"`    // the kid
	State      string    `json:"state"` // next, signing or retired
	CreatedAt  time.Time `json:"created_at"`
	SignsFrom  time.Time `json:"signs_from"`
	SignsUntil time.Time `json:"signs_until,omitzero"` // absent: no other key is published
	GoneAt     time.Time `json:"gone_at,omitzero"`
}

func toAdminKey(k authcore.KeyInfo) adminKey {
	return adminKey{
		ID: k.ID, State: string(k.State), CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom, SignsUntil: k.SignsUntil, GoneAt: k.GoneAt,
	}
}

func listKeys(svc *authcore.Service, _ *http.Request) (any, error) {
	list := adminPage[adminKey]{Items: []adminKey{}}
	for _, k := range svc.Keys() {
		list.Items = append(list.Items, toAdminKey(k))
	}
	return list, nil
}

// adminRotation says how the signing keys are rotated.
type adminRotation struct {
	Now bool `json:"now"` // every key leaves at once
}

func rotateKeys(svc *authcore.Service, r *http.Request) (any, error) {
	var how adminRotation
	if err := decodeAdmin(r, &how); err != nil {
		return nil, err
	}
	rotate := svc.RotateKeys
	if how.Now {
		rotate = svc.ReplaceKeys
	}
	k, err := rotate(r.Context(), operator)
	if err != nil {
		return nil, err
	}
	return toAdminKey(k), nil
}
