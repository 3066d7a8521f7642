package portal

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/aaguid"
	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

// A person's passkeys over the API.

// passkeyDoc is a passkey in a list.
type passkeyDoc struct {
	ID         string    `json:"id" doc:"The credential's id, as its JSON has it."`
	Name       string    `json:"name" doc:"What its owner calls it."`
	Provider   string    `json:"provider,omitempty" doc:"The password manager or authenticator that keeps it, where that is known."`
	CreatedAt  time.Time `json:"created_at" doc:"When it was added."`
	LastUsed   time.Time `json:"last_used,omitzero" doc:"Left out while it has not been used."`
	CountsFrom time.Time `json:"counts_from" doc:"From when on it counts where an app requires a passkey."`
	Synced     bool      `json:"synced" doc:"Its provider keeps a copy."`
	Usable     bool      `json:"usable" doc:"False: it was made for another rp_id and works nowhere now."`
}

func (h *Handler) passkeyJSON(k *authcore.Passkey) passkeyDoc {
	return passkeyDoc{
		ID: base64.RawURLEncoding.EncodeToString(k.ID), Name: k.Name, Provider: aaguid.Name(k.AAGUID), CreatedAt: k.CreatedAt, LastUsed: k.LastUsed,
		CountsFrom: k.TrustedAt, Synced: k.Synced, Usable: len(h.svc.Usable([]*authcore.Passkey{k})) == 1,
	}
}

func (h *Handler) apiPasskeys(c *apiCall) error {
	keys, err := h.svc.Passkeys(c.r.Context(), c.live.User)
	if err != nil {
		return err
	}
	var items []passkeyDoc
	for _, k := range keys {
		items = append(items, h.passkeyJSON(k))
	}
	return c.answer(http.StatusOK, listOf(items))
}

func (h *Handler) apiPasskeyAddOptions(c *apiCall, _ *empty) error {
	got, err := h.svc.BeginAddPasskey(c.r.Context(), c.browser())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, optionsDoc{got.ID.Reveal(), got.Options})
}

// addIn is the result of a registration.
type addIn struct {
	Flow       string          `json:"flow" doc:"The secret that came with the options."`
	Credential json.RawMessage `json:"credential" doc:"The credential, as its toJSON() writes it."`
	Name       string          `json:"name,omitempty" doc:"What its owner calls it; cut to 64 bytes. Default: the browser and system."`
}

// addedDoc is a passkey that was added.
type addedDoc struct {
	Passkey      passkeyDoc `json:"passkey" doc:"As lists show it."`
	SessionToken string     `json:"session_token,omitempty" doc:"There where a recovery code had begun the session: go on with this one, the old one is dead, and refresh to get an access token."`
}

func (h *Handler) apiPasskeyAdd(c *apiCall, in *addIn) error {
	name := in.Name
	if name == "" {
		name = useragent.Describe(c.client.UserAgent)
	}
	added, err := h.svc.FinishAddPasskey(c.r.Context(), in.Flow, in.Credential, name, c.browser())
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, addedDoc{h.passkeyJSON(added.Passkey), added.Token.Reveal()})
}

// nameIn is a name.
type nameIn struct {
	Name string `json:"name" doc:"1 to 64 characters."`
}

func (h *Handler) apiPasskeyRename(c *apiCall, in *nameIn) error {
	id, err := passkeyID(c.r)
	if err != nil {
		return err
	}
	if err := h.svc.RenamePasskey(c.r.Context(), c.live, id, in.Name, c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}

func (h *Handler) apiPasskeyRemove(c *apiCall) error {
	id, err := passkeyID(c.r)
	if err != nil {
		return err
	}
	if err := h.svc.RemovePasskey(c.r.Context(), c.live, id, c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}
