package caddymodule

import (
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/aaguid"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// adminUserInFull is a user with what they sign in with. It holds no secret and
// no key (AD-4).
type adminUserInFull struct {
	adminUser
	Passkeys      []adminPasskey `json:"passkeys"` // oldest first
	TOTP          bool           `json:"totp"`
	RecoveryCodes int            `json:"recovery_codes"` // left
	Sessions      int            `json:"sessions"`
	Tokens        int            `json:"tokens"`
}

// adminPasskey is a passkey.
type adminPasskey struct {
	Name      string    `json:"name"`
	Provider  string    `json:"provider,omitempty"` // what it says that it is; absent: unknown
	RPID      string    `json:"rp_id"`
	Works     bool      `json:"works"` // it was made for this rp_id
	CreatedAt time.Time `json:"created_at"`
	LastUsed  time.Time `json:"last_used,omitzero"` // absent: never
	Synced    bool      `json:"synced"`
}

func toAdminPasskey(k *store.Passkey, works bool) adminPasskey {
	return adminPasskey{
		Name: k.Name, Provider: aaguid.Name(k.AAGUID), RPID: k.RPID, Works: works, CreatedAt: k.CreatedAt, LastUsed: k.LastUsed, Synced: k.Synced,
	}
}

func showUser(svc *authcore.Service, r *http.Request) (any, error) {
	u, err := svc.FindUser(r.Context(), r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	keys, err := svc.Passkeys(r.Context(), u)
	if err != nil {
		return nil, err
	}
	devices, err := svc.Devices(r.Context(), u, nil)
	if err != nil {
		return nil, err
	}
	tokens, err := svc.ListTokens(r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	v := adminUserInFull{
		adminUser: toAdminUser(u), Passkeys: []adminPasskey{}, TOTP: u.TOTP != nil, RecoveryCodes: authcore.Recovery(u).Left,
		Sessions: len(devices), Tokens: len(tokens),
	}
	for _, k := range keys {
		v.Passkeys = append(v.Passkeys, toAdminPasskey(k, len(svc.Usable([]*store.Passkey{k})) > 0))
	}
	return v, nil
}
