package portal

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// The JSON API (DESIGN §7): no cookies, one bearer token, problem documents.
func (h *Handler) routeAPI() {
	for pattern, fn := range map[string]apiHandler{
		"POST /api/login/email":        h.apiLoginEmail,
		"POST /api/login/email/verify": h.apiLoginVerify,
		"POST /api/token/refresh":      h.apiRefresh,
		"POST /api/logout":             h.apiLogout,
		"GET /api/me":                  h.apiMe,
		"GET /api/sessions":            h.apiSessions,
		"DELETE /api/sessions/{id}":    h.apiSessionRevoke,
	} {
		_, path, _ := strings.Cut(pattern, " ")
		h.portal.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h.cors(w, r)
			if err := fn(w, r); err != nil {
				h.apiRefused(w, r, err)
			}
		})
		if !slices.Contains(h.preflights, path) {
			h.preflights = append(h.preflights, path)
			h.portal.HandleFunc("OPTIONS "+path, h.preflight)
		}
	}
}

type apiHandler func(http.ResponseWriter, *http.Request) error

// apiRefused answers a problem whatever the client looks like.
func (h *Handler) apiRefused(w http.ResponseWriter, r *http.Request, err error) {
	m, ref := h.resolve(r, err)
	p := m.problem(i18n.English()) // for developers
	switch {                       // programmers get other words than people
	case errors.Is(err, errJSON):
		p.Detail = "The JSON is malformed, or a member is unknown, doubled or of the wrong type."
	case errors.Is(err, errType):
		p.Detail = "Send Content-Type: application/json, in UTF-8, and no Content-Encoding."
	case ref != nil && ref.Reason == authcore.Unauthenticated:
		p.Detail = "Send Authorization: Bearer with the session token. There was none, it has ended, or it is of another kind; an access token opens /api/me only."
	}
	if ref != nil {
		p.Methods = ref.Methods
		if ref.RetryAfter > 0 {
			w.Header().Set("Retry-After", itoa(seconds(ref.RetryAfter)))
		}
	}
	if m.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	h.writeProblem(w, r, m.status, p)
}

// cors lets scripts of configured clients read the answer. The list is exact,
// "null" is never on it, and credentials are never allowed (CS-2). Which client
// a page may act for is asked where that is known.
func (h *Handler) cors(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Add("Vary", "Origin")
	origin := webOrigin(r)
	for _, c := range h.svc.Config().Clients {
		if slices.Contains(c.Origins, origin) {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
			w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
			return true
		}
	}
	return false
}

// webOrigin is the origin of the page that asks, or "" for a program that is
// no page. Two of them are nobody's.
func webOrigin(r *http.Request) string {
	switch v := r.Header["Origin"]; len(v) {
	case 0:
		return ""
	case 1:
		return cmp.Or(v[0], "null")
	}
	return "null"
}

func (h *Handler) preflight(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if h.cors(w, r) {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// apiLoginEmail starts a sign-in; the answer is the same for everybody (EN).
func (h *Handler) apiLoginEmail(w http.ResponseWriter, r *http.Request) error {
	if err := h.allow(r); err != nil {
		return err
	}
	var in struct {
		Email    string `json:"email"`
		ClientID string `json:"client_id,omitempty"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	client, err := h.apiClient(in.ClientID)
	if err != nil {
		return err
	}
	if !h.svc.PageMayUse(client, webOrigin(r)) {
		return &authcore.Refusal{Reason: authcore.OriginForbidden}
	}
	got, err := h.svc.StartEmail(r.Context(), authcore.StartEmail{
		Address: in.Email, Client: client, Browser: authcore.Browser{Client: h.client(r)},
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusAccepted, struct {
		Flow        string `json:"flow"`
		ExpiresIn   int    `json:"expires_in"`
		ResendAfter int    `json:"resend_after"`
		CodeLength  int    `json:"code_length"`
	}{got.Flow.Reveal(), seconds(got.ExpiresIn), seconds(got.ResendAfter), 8})
	return nil
}

func (h *Handler) apiClient(id string) (*authcore.APIClient, error) {
	if len(h.svc.Config().Clients) == 0 {
		return nil, &authcore.Refusal{Reason: authcore.MethodOff}
	}
	if c := h.svc.Client(id); c != nil {
		return c, nil
	}
	return nil, &authcore.Refusal{Reason: authcore.ClientUnknown}
}

func (h *Handler) apiLoginVerify(w http.ResponseWriter, r *http.Request) error {
	if err := h.allow(r); err != nil {
		return err
	}
	var in struct {
		Flow string `json:"flow"`
		Code string `json:"code"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	flow, ok := authcore.ParseToken(in.Flow)
	if !ok {
		return &authcore.Refusal{Reason: authcore.FlowExpired}
	}
	got, err := h.svc.VerifyAPICode(r.Context(), flow, in.Code, webOrigin(r), h.client(r))
	if err != nil {
		return err
	}
	if got.API == nil {
		writeJSON(w, http.StatusAccepted, nextDoc{Next: authcore.SecondTOTP, Flow: got.Second.Reveal()})
		return nil
	}
	writeJSON(w, http.StatusOK, tokensJSON(got.API))
	return nil
}

// nextDoc names the step that a sign-in still needs, and the flow for it.
type nextDoc struct {
	Next string `json:"next"`
	Flow string `json:"flow"`
}

func (h *Handler) apiRefresh(w http.ResponseWriter, r *http.Request) error {
	if err := h.allow(r); err != nil {
		return err
	}
	var in struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	got, err := h.svc.Refresh(r.Context(), in.RefreshToken, webOrigin(r), h.client(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, tokensJSON(got))
	return nil
}

// tokensDoc is "tokens" of DESIGN §7.
type tokensDoc struct {
	AccessToken  string   `json:"access_token"`
	TokenType    string   `json:"token_type"`
	ExpiresIn    int      `json:"expires_in"`
	RefreshToken string   `json:"refresh_token"`
	SessionToken string   `json:"session_token"`
	SessionID    string   `json:"session_id"`
	User         userDoc  `json:"user"`
	AMR          []string `json:"amr"`
	AuthTime     int64    `json:"auth_time"`
}

func tokensJSON(t *authcore.Tokens) tokensDoc {
	return tokensDoc{
		AccessToken: t.Access, TokenType: "Bearer", ExpiresIn: seconds(t.ExpiresIn), RefreshToken: t.Refresh.Reveal(),
		SessionToken: t.SessionToken.Reveal(), SessionID: t.Session.ID, User: docOf(t.User), AMR: t.Session.AMR, AuthTime: t.Session.AuthTime.Unix(),
	}
}

func docOf(u *authcore.User) userDoc { return userJSON(u.ID, u.Name, u.Email, u.DisplayName, u.Groups) }

// bearer reads the one Authorization header.
func bearer(r *http.Request) (string, bool) {
	v := r.Header["Authorization"]
	if len(v) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(v[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}

// session is the API session of the request; a cookie is never one (AD-1).
func (h *Handler) session(r *http.Request) (*authcore.Live, error) {
	token, ok := bearer(r)
	if !ok {
		return nil, &authcore.Refusal{Reason: authcore.Unauthenticated}
	}
	l, err := h.svc.APISession(r.Context(), token, webOrigin(r))
	if err == nil && l == nil {
		return nil, &authcore.Refusal{Reason: authcore.Unauthenticated}
	}
	return l, err
}

func (h *Handler) apiMe(w http.ResponseWriter, r *http.Request) error {
	token, ok := bearer(r)
	if !ok {
		return &authcore.Refusal{Reason: authcore.Unauthenticated}
	}
	l, err := h.svc.APISession(r.Context(), token, webOrigin(r))
	if err == nil && l == nil {
		l, err = h.svc.AccessUser(r.Context(), token, webOrigin(r))
	}
	if err != nil {
		return err
	}
	if l == nil {
		return &authcore.Refusal{Reason: authcore.Unauthenticated}
	}
	writeJSON(w, http.StatusOK, docOf(l.User))
	return nil
}

func (h *Handler) apiLogout(w http.ResponseWriter, r *http.Request) error {
	l, err := h.session(r)
	if err != nil {
		return err
	}
	in := struct {
		Scope string `json:"scope,omitempty"`
	}{"this"}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if !slices.Contains([]string{"this", "others", "all"}, in.Scope) {
		return errJSON
	}
	if err := h.svc.SignOutScope(r.Context(), l, in.Scope, h.client(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sessionDoc is one device in a list.
type sessionDoc struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	ClientID  string    `json:"client_id,omitempty"`
	IP        string    `json:"ip"`
	UserAgent string    `json:"user_agent"`
	CreatedAt time.Time `json:"created_at"`
	LastSeen  time.Time `json:"last_seen"`
	AMR       []string  `json:"amr"`
	Apps      []string  `json:"apps"`
	Current   bool      `json:"current"`
}

func (h *Handler) apiSessions(w http.ResponseWriter, r *http.Request) error {
	l, err := h.session(r)
	if err != nil {
		return err
	}
	devices, err := h.svc.Devices(r.Context(), l.User, l.Session)
	if err != nil {
		return err
	}
	items := []sessionDoc{}
	for _, d := range devices {
		s := d.Session
		apps := d.Apps
		if apps == nil {
			apps = []string{}
		}
		items = append(items, sessionDoc{s.ID, string(s.Kind), s.ClientID, s.IP, s.UserAgent, s.CreatedAt, s.LastSeen, s.AMR, apps, d.Current})
	}
	writeJSON(w, http.StatusOK, listDoc{Items: items})
	return nil
}

// listDoc is how lists answer; next_cursor is empty on the last page.
type listDoc struct {
	Items      any    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

func (h *Handler) apiSessionRevoke(w http.ResponseWriter, r *http.Request) error {
	l, err := h.session(r)
	if err != nil {
		return err
	}
	if err := h.svc.RevokeDevice(r.Context(), l.User, r.PathValue("id"), h.client(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// wellKnownKeys serves the JWKS: any service may verify our tokens offline.
func (h *Handler) wellKnownKeys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	public(w)
	w.WriteHeader(http.StatusOK)
	_ = json.NewEncoder(w).Encode(h.svc.JWKS())
}
