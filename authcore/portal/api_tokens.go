package portal

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// Access tokens over the API: a person's own, for scripts and apps that cannot
// sign in. They are shown once, when they are made.

// maxTokenLife bounds expires_in, whose nanoseconds must have room in 64 bits.
const maxTokenLife = 10 * 365 * 24 * time.Hour

// tokenDoc is an access token in a list.
type tokenDoc struct {
	ID        string    `json:"id" doc:"For DELETE /api/tokens/{id}."`
	Name      string    `json:"name" doc:"What its owner calls it; may be empty."`
	Grant     string    `json:"grant" doc:"What it reaches, in one line."`
	App       string    `json:"app" doc:"The app's host name, without a port."`
	Path      string    `json:"path" doc:"/x, or /x/* for /x and all below it. Empty: all."`
	Methods   []string  `json:"methods" doc:"None: all."`
	Networks  []string  `json:"networks" doc:"None: from anywhere."`
	CreatedAt time.Time `json:"created_at" doc:"When it was made."`
	ExpiresAt time.Time `json:"expires_at,omitzero" doc:"Left out: it lives until it is revoked."`
	LastUsed  time.Time `json:"last_used,omitzero" doc:"To the minute; left out while it has not been used."`
}

func tokenJSON(t *authcore.TokenRecord) tokenDoc {
	g := authcore.Grant{App: t.App, Path: t.Path, Methods: t.Methods, Networks: t.Networks}
	return tokenDoc{t.ID, t.Name, g.String(), t.App, t.Path, texts(t.Methods), texts(t.Networks), t.CreatedAt, t.Expires, t.LastUsed}
}

func (h *Handler) apiTokens(c *apiCall) error {
	list, err := h.svc.OwnTokens(c.r.Context(), c.live.User)
	if err != nil {
		return err
	}
	var items []tokenDoc
	for _, t := range list {
		items = append(items, tokenJSON(t))
	}
	return c.answer(http.StatusOK, listOf(items))
}

// tokenIn asks for an access token: for a grant in one line, or in members.
type tokenIn struct {
	Name      string   `json:"name" doc:"What its owner calls it; cut to 64 bytes."`
	Grant     string   `json:"grant,omitempty" doc:"What it shall reach, in one line: app=HOST,path=/x/*,methods=GET+PUT,networks=10.0.0.0/8, of which only app is required. HOST is the app's host name, without a port. Or write the members below."`
	App       string   `json:"app,omitempty" doc:"The app's host name, without a port."`
	Path      string   `json:"path,omitempty" doc:"/x, or /x/* for /x and all below it. Default: all."`
	Methods   []string `json:"methods,omitempty" doc:"Default: all."`
	Networks  []string `json:"networks,omitempty" doc:"Addresses and prefixes. Default: from anywhere."`
	ExpiresIn *int64   `json:"expires_in,omitempty" doc:"Seconds, up to ten years. Default: until it is revoked."`
}

// grant is what is asked for.
func (in *tokenIn) grant() (authcore.Grant, error) {
	g := authcore.Grant{App: in.App, Path: in.Path, Methods: in.Methods, Networks: in.Networks}
	if in.Grant == "" {
		return g, grantFault(g.Check())
	}
	if g.String() != (authcore.Grant{}).String() {
		return g, errGrant // two ways to say it could say two things
	}
	g, err := authcore.ParseGrant(in.Grant)
	return g, grantFault(err)
}

// grantFault says what to write.
func grantFault(err error) error {
	if errors.Is(err, authcore.ErrGrantApp) {
		return &apiFault{errGrant.status, errGrant.code, err.Error() + "."}
	}
	if err != nil {
		return errGrant
	}
	return nil
}

// life is how long it shall live; 0 is until it is revoked.
func (in *tokenIn) life() (time.Duration, error) {
	if in.ExpiresIn == nil {
		return 0, nil
	}
	if n := *in.ExpiresIn; n < 1 || n > int64(maxTokenLife/time.Second) {
		return 0, misfit(fmt.Sprintf("The member expires_in is not from 1 to %d (seconds).", int64(maxTokenLife/time.Second)))
	}
	return time.Duration(*in.ExpiresIn) * time.Second, nil
}

// madeDoc is a token that was made.
type madeDoc struct {
	Token   string   `json:"token" doc:"The token itself. It is told once."`
	Details tokenDoc `json:"details" doc:"What lists show of it."`
}

func (h *Handler) apiTokenMake(c *apiCall, in *tokenIn) error {
	grant, err := in.grant()
	if err != nil {
		return err
	}
	life, err := in.life()
	if err != nil {
		return err
	}
	token, rec, err := h.svc.CreateOwnToken(c.r.Context(), c.live, grant, in.Name, life, c.client)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, madeDoc{token.Reveal(), tokenJSON(rec)})
}

func (h *Handler) apiTokenRevoke(c *apiCall) error {
	if err := h.svc.RevokeOwnToken(c.r.Context(), c.live, c.r.PathValue("id"), c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}
