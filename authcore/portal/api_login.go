package portal

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// Signing in over the API: by a mailed code or a passkey, with a second step
// where the account has one, and the tokens that come of it.

// emailIn asks for a code.
type emailIn struct {
	Email    string `json:"email" doc:"The address, as the person typed it."`
	ClientID string `json:"client_id,omitempty" doc:"Who asks. May be left out where one client is configured, or one is called default."`
}

// flowDoc is a sign-in by mail that has begun.
type flowDoc struct {
	Flow        string `json:"flow" doc:"The secret of this sign-in, for the next step."`
	ExpiresIn   int    `json:"expires_in" doc:"Seconds that the code is good for."`
	ResendAfter int    `json:"resend_after" doc:"Seconds after which a new mail may be asked for."`
	CodeLength  int    `json:"code_length" doc:"Digits of the code."`
}

// codeIn is what a person typed for a flow.
type codeIn struct {
	Flow string `json:"flow" doc:"The secret of the sign-in, from the step before."`
	Code string `json:"code" doc:"What the person typed. One space or hyphen in its middle is dropped."`
}

// nextDoc names the step that a sign-in still needs, and the flow for it.
type nextDoc struct {
	Next    string   `json:"next" enum:"totp,recovery" doc:"The step to offer: POST /api/login/{next}. It is totp wherever the account has an authenticator app."`
	Flow    string   `json:"flow" doc:"The secret for that step. The one before is spent."`
	Methods []string `json:"methods" doc:"Every step that would do, totp and recovery. Empty: the account has none of them, and this sign-in leads nowhere."`
}

// tokensDoc is "tokens" of DESIGN §7.
type tokensDoc struct {
	AccessToken  string   `json:"access_token,omitempty" doc:"A JWT for your other services. Left out where next is passkey."`
	TokenType    string   `json:"token_type" enum:"Bearer" doc:"How the access token is sent."`
	ExpiresIn    int      `json:"expires_in,omitempty" doc:"Seconds that the access token is good for."`
	RefreshToken string   `json:"refresh_token" doc:"Good for one refresh."`
	SessionToken string   `json:"session_token" doc:"The key to this API."`
	SessionID    string   `json:"session_id" doc:"The session in GET /api/sessions, and sid in the access token."`
	User         userDoc  `json:"user" doc:"Who signed in."`
	AMR          []string `json:"amr" doc:"How the person signed in: email, passkey, totp, recovery."`
	AuthTime     int64    `json:"auth_time" doc:"When, in Unix seconds."`
	Next         string   `json:"next,omitempty" enum:"passkey" doc:"There after a recovery code: the session can add a passkey and do little else, and has no access token until it did."`
}

func tokensJSON(t *authcore.Tokens) tokensDoc {
	doc := tokensDoc{
		AccessToken: t.Access, TokenType: "Bearer", ExpiresIn: seconds(t.ExpiresIn), RefreshToken: t.Refresh.Reveal(),
		SessionToken: t.SessionToken.Reveal(), SessionID: t.Session.ID, User: docOf(t.User), AMR: texts(t.Session.AMR), AuthTime: t.Session.AuthTime.Unix(),
	}
	if t.Access == "" {
		doc.Next = authcore.AMRPasskey
	}
	return doc
}

func docOf(u *authcore.User) userDoc { return userJSON(u.ID, u.Name, u.Email, u.DisplayName, u.Groups) }

// apiLoginEmail starts a sign-in; the answer is the same for everybody (EN).
func (h *Handler) apiLoginEmail(c *apiCall, in *emailIn) error {
	key, err := idempotencyKey(c.r)
	if err != nil {
		return err
	}
	client, err := h.apiClient(c, in.ClientID)
	if err != nil {
		return err
	}
	got, err := h.svc.StartEmail(c.r.Context(), authcore.StartEmail{Address: in.Email, Client: client, Key: key, Browser: c.browser()})
	if err != nil {
		return err
	}
	return c.answer(http.StatusAccepted, flowDoc{got.Flow.Reveal(), seconds(got.ExpiresIn), seconds(got.ResendAfter), 8})
}

// keyHeader tells the repeat of a request from a new one.
const keyHeader = "Idempotency-Key"

// idempotencyKey is the one that the request carries, or "". Short ones could be
// guessed, and with them the secret of the flow.
func idempotencyKey(r *http.Request) (string, error) {
	v := r.Header[keyHeader]
	if len(v) == 0 {
		return "", nil
	}
	hidden := func(c rune) bool { return c <= ' ' || c > '~' }
	if len(v) > 1 || len(v[0]) < 16 || len(v[0]) > 64 || strings.ContainsFunc(v[0], hidden) {
		return "", errKey
	}
	return v[0], nil
}

// apiClient finds the client that a stranger names, and refuses pages that are
// none of its own.
func (h *Handler) apiClient(c *apiCall, id string) (*authcore.APIClient, error) {
	if len(h.svc.Config().Clients) == 0 {
		return nil, &authcore.Refusal{Reason: authcore.MethodOff}
	}
	client := h.svc.Client(id)
	if client == nil {
		return nil, &authcore.Refusal{Reason: authcore.ClientUnknown}
	}
	if !h.svc.PageMayUse(client, c.origin) {
		return nil, &authcore.Refusal{Reason: authcore.OriginForbidden}
	}
	return client, nil
}

func (h *Handler) apiLoginVerify(c *apiCall, in *codeIn) error {
	flow, ok := authcore.ParseToken(in.Flow)
	if !ok {
		return &authcore.Refusal{Reason: authcore.FlowExpired}
	}
	got, err := h.svc.VerifyAPICode(c.r.Context(), flow, in.Code, c.origin, c.client)
	if err != nil {
		return err
	}
	if got.API != nil {
		return c.answer(http.StatusOK, tokensJSON(got.API))
	}
	next := nextDoc{Next: authcore.SecondTOTP, Flow: got.Second.Reveal(), Methods: texts(got.SecondBy)}
	if len(got.SecondBy) > 0 {
		next.Next = got.SecondBy[0]
	}
	return c.answer(http.StatusAccepted, next)
}

func (h *Handler) apiLoginTOTP(c *apiCall, in *codeIn) error {
	return h.apiLoginSecond(c, in, authcore.SecondTOTP)
}

func (h *Handler) apiLoginRecovery(c *apiCall, in *codeIn) error {
	return h.apiLoginSecond(c, in, authcore.SecondRecovery)
}

func (h *Handler) apiLoginSecond(c *apiCall, in *codeIn, by string) error {
	flow, ok := authcore.ParseToken(in.Flow)
	if !ok {
		return &authcore.Refusal{Reason: authcore.FlowExpired}
	}
	got, err := h.svc.FinishAPISecond(c.r.Context(), by, flow, in.Code, c.origin, c.client)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, tokensJSON(got))
}

// clientIn names who asks for a passkey.
type clientIn struct {
	ClientID string `json:"client_id,omitempty" doc:"Who asks. May be left out where one client is configured, or one is called default."`
}

// optionsDoc is a ceremony that has begun.
type optionsDoc struct {
	Flow      string `json:"flow" doc:"The secret of this ceremony, to send with its result."`
	PublicKey any    `json:"publicKey" doc:"WebAuthn options in JSON: PublicKeyCredential.parseRequestOptionsFromJSON or parseCreationOptionsFromJSON reads them."`
}

// credentialIn is the result of a ceremony.
type credentialIn struct {
	Flow       string          `json:"flow" doc:"The secret that came with the options."`
	Credential json.RawMessage `json:"credential" doc:"The credential, as its toJSON() writes it."`
}

// apiPasskeyOptions answers the same for everybody: it is not known yet who will
// come (EN).
func (h *Handler) apiPasskeyOptions(c *apiCall, in *clientIn) error {
	client, err := h.apiClient(c, in.ClientID)
	if err != nil {
		return err
	}
	b := c.browser()
	b.ClientID = client.ID
	got, err := h.svc.BeginPasskey(c.r.Context(), b)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, optionsDoc{got.ID.Reveal(), got.Options})
}

func (h *Handler) apiPasskey(c *apiCall, in *credentialIn) error {
	got, err := h.svc.FinishAPIPasskey(c.r.Context(), in.Flow, in.Credential, c.origin, c.client)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, tokensJSON(got))
}

// refreshIn spends a refresh token.
type refreshIn struct {
	RefreshToken string `json:"refresh_token" doc:"The newest one. It is spent by this."`
}

// refreshHolder is whose refresh token the body carries; nil is nobody's, or no
// such body. It can be read again.
func (h *Handler) refreshHolder(c *apiCall) (*authcore.User, error) {
	body, err := jsonBody(c.r)
	c.r.Body = io.NopCloser(bytes.NewReader(body))
	var in refreshIn
	if err != nil || decodeJSON(body, &in) != nil {
		return nil, nil //nolint:nilerr // it is refused for being one too many
	}
	return h.svc.RefreshHolder(c.r.Context(), in.RefreshToken)
}

func (h *Handler) apiRefresh(c *apiCall, in *refreshIn) error {
	got, err := h.svc.Refresh(c.r.Context(), in.RefreshToken, c.origin, c.client)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, tokensJSON(got))
}
