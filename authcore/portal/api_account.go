package portal

import (
	"net/http"
	"slices"
	"time"
)

// Who is here, where they are signed in, and signing out; their display name, a
// copy of what is kept about them, and the end of their account.

func (h *Handler) apiMe(c *apiCall) error { return c.answer(http.StatusOK, docOf(c.live.User)) }

// sessionDoc is one device in a list.
type sessionDoc struct {
	ID        string    `json:"id" doc:"For DELETE /api/sessions/{id}."`
	Kind      string    `json:"kind" enum:"root,api" doc:"A browser at the portal, or a client of this API."`
	ClientID  string    `json:"client_id,omitempty" doc:"Of the API client."`
	IP        string    `json:"ip" doc:"The address that signed in; empty where that was not known."`
	UserAgent string    `json:"user_agent" doc:"What the browser or program calls itself."`
	CreatedAt time.Time `json:"created_at" doc:"When it signed in."`
	LastSeen  time.Time `json:"last_seen" doc:"When it was used last, to the minute."`
	AMR       []string  `json:"amr" doc:"How the person signed in: email, passkey, totp, recovery, invite, handout."`
	Apps      []string  `json:"apps" doc:"Hosts of the apps that a browser opened."`
	Current   bool      `json:"current" doc:"It is the session that asks."`
}

func (h *Handler) apiSessions(c *apiCall) error {
	devices, err := h.svc.Devices(c.r.Context(), c.live.User, c.live.Session)
	if err != nil {
		return err
	}
	var items []sessionDoc
	for _, d := range devices {
		s := d.Session
		items = append(items, sessionDoc{
			s.ID, string(s.Kind), s.ClientID, s.IP, s.UserAgent, s.CreatedAt, s.LastSeen, texts(s.AMR), texts(d.Apps), d.Current,
		})
	}
	return c.answer(http.StatusOK, listOf(items))
}

func (h *Handler) apiSessionRevoke(c *apiCall) error {
	if err := h.svc.RevokeDevice(c.r.Context(), c.live.User, c.r.PathValue("id"), c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}

// logoutIn says which sessions end.
type logoutIn struct {
	Scope *string `json:"scope,omitempty" enum:"this,others,all" doc:"This session (the default), every other one, or all of them. The last two end access tokens as well."`
}

func (h *Handler) apiLogout(c *apiCall, in *logoutIn) error {
	scope := "this"
	if in.Scope != nil {
		scope = *in.Scope
	}
	if !slices.Contains([]string{"this", "others", "all"}, scope) {
		return misfit("The member scope is none of this, others and all.")
	}
	if err := h.svc.SignOutScope(c.r.Context(), c.live, scope, c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}

// meIn is what people may change about themselves.
type meIn struct {
	DisplayName string `json:"display_name" doc:"What pages and apps call the person: up to 64 characters, or empty."`
}

func (h *Handler) apiMeChange(c *apiCall, in *meIn) error {
	if err := h.svc.SetDisplayName(c.r.Context(), c.live, in.DisplayName, c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}

func (h *Handler) apiMeExport(c *apiCall) error {
	data, err := h.svc.Export(c.r.Context(), c.live, c.client)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, data)
}

// deleteIn is the second thought before an account ends.
type deleteIn struct {
	Email string `json:"email" doc:"The account's own address, which the person types once more."`
}

func (h *Handler) apiMeDelete(c *apiCall, in *deleteIn) error {
	if err := h.svc.DeleteSelf(c.r.Context(), c.live, in.Email, c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}
