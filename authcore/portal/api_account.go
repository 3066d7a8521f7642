package portal

import (
	"net/http"
	"slices"
	"time"
)

// Who is here, where they are signed in, and signing out.

func (h *Handler) apiMe(c *apiCall) error { return c.answer(http.StatusOK, docOf(c.live.User)) }

// sessionDoc is one device in a list.
type sessionDoc struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind" enum:"root,api" doc:"A browser at the portal, or a client of this API."`
	ClientID  string    `json:"client_id,omitempty" doc:"Of the API client."`
	IP        string    `json:"ip"`
	UserAgent string    `json:"user_agent"`
	CreatedAt time.Time `json:"created_at"`
	LastSeen  time.Time `json:"last_seen"`
	AMR       []string  `json:"amr"`
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
		return errJSON
	}
	if err := h.svc.SignOutScope(c.r.Context(), c.live, scope, c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}
