package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// The JSON API (DESIGN §7): no cookies, one bearer token, problem documents.
//
//	api_routes.go   the table that is the API: mux, preflights, limits, strict
//	                bodies, the OpenAPI document and the tests are made of it
//	api_login.go    signing in, refreshing
//	api_account.go  who is here, sessions, signing out
//	api_passkeys.go, api_factors.go, api_tokens.go
//	                what a person has
//	api_problem.go  what is said when something is refused
//	api_cors.go     which pages may read it
//	api_openapi.go  the document that describes it

// apiRoute is one method of one path.
type apiRoute struct {
	method, path string
	id, summary  string // of the OpenAPI document
	about        string // more of it, in Markdown; may be empty

	auth    apiAuth
	limited bool // a session that a recovery code began may do it (DESIGN §6)
	charged bool // to the rate limit: of the source or, signed in, of the user
	keyed   bool // takes Idempotency-Key
	// spares answers the user to charge where the source has used up its requests:
	// those of others at the same address must not end anybody's session (RL-5).
	spares func(*Handler, *apiCall) (*authcore.User, error)

	apiAct
	answers []apiAnswer
	refuses []authcore.Reason // beside those that follow from the lines above
	faults  []*apiFault       // likewise
}

// apiAuth is what a route wants to see of its caller.
type apiAuth int

const (
	authNone    apiAuth = iota
	authSession         // the session token
	authEither          // it, or an access token
)

// apiAnswer is a good answer: its status and its document, nil for no body.
type apiAnswer struct {
	status int
	doc    any
	about  string
}

// apiCall is a request that was let in.
type apiCall struct {
	w      http.ResponseWriter
	r      *http.Request
	client authcore.Client
	origin string         // of the page that asks, or ""
	live   *authcore.Live // where the route has an apiAuth
}

// browser is the caller as authcore's flows know one.
func (c *apiCall) browser() authcore.Browser {
	b := authcore.Browser{Client: c.client, Session: c.live, Origin: c.origin}
	if c.live != nil {
		b.ClientID = c.live.Session.ClientID
	}
	return b
}

func (c *apiCall) answer(status int, doc any) error {
	if doc == nil {
		c.w.WriteHeader(status)
	} else {
		writeJSON(c.w, status, doc)
	}
	return nil
}

// apiAct is what a route does, with the type of its body; nil is none.
type apiAct struct {
	in reflect.Type
	do func(*Handler, *apiCall) error
}

// bare is an act without a body.
func bare(do func(*Handler, *apiCall) error) apiAct { return apiAct{do: do} }

// with is an act whose body is a T.
func with[T any](do func(*Handler, *apiCall, *T) error) apiAct {
	return apiAct{reflect.TypeFor[T](), func(h *Handler, c *apiCall) error {
		in := new(T)
		if err := readDocument(c.r, in); err != nil {
			return err
		}
		return do(h, c, in)
	}}
}

// empty is the body of what needs no words. It is asked for all the same: a page
// of another site cannot send one without a preflight (CS-3).
type empty struct{}

// readDocument is readJSON, and insists on the members that the document has to
// have, those without omitempty, and that what is passed on as it came is an
// object.
func readDocument(r *http.Request, into any) error {
	body, err := jsonBody(r)
	if err != nil {
		return err
	}
	if err := decodeJSON(body, into); err != nil {
		return err
	}
	var have map[string]json.RawMessage
	if err := json.Unmarshal(body, &have); err != nil {
		return errJSON
	}
	for _, f := range members(reflect.TypeOf(into).Elem()) {
		value, ok := have[f.name]
		if !ok && f.required {
			return misfit("The member " + f.name + " is missing.")
		}
		if ok && f.Type == rawType && value[0] != '{' {
			return wrongType(f)
		}
	}
	return nil
}

// member is a field of a document.
type member struct {
	reflect.StructField
	name     string
	required bool
}

func members(t reflect.Type) (list []member) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		list = append(list, member{f, name, !strings.HasPrefix(options, "omit")})
	}
	return list
}

const apiPrefix = "/api/"

// isAPI reports whether a path of the portal's host is the API's.
func (h *Handler) isAPI(r *http.Request) bool {
	return !h.svc.Sidecar() && strings.HasPrefix(r.URL.Path, apiPrefix)
}

func (h *Handler) routeAPI() {
	routes, methods := apiRoutes(), map[string][]string{}
	h.document = sync.OnceValues(func() ([]byte, error) { return h.openAPI(routes) })
	for i := range routes {
		route := &routes[i]
		h.portal.HandleFunc(route.method+" "+route.path, func(w http.ResponseWriter, r *http.Request) {
			c := &apiCall{w: w, r: r, client: h.client(r), origin: webOrigin(r)}
			err := h.admit(c, route)
			if err == nil {
				err = route.do(h, c)
			}
			if err != nil {
				h.apiRefused(w, r, err)
			}
		})
		methods[route.path] = append(methods[route.path], route.method)
	}
	for path, list := range methods {
		h.portal.HandleFunc("OPTIONS "+path, func(w http.ResponseWriter, r *http.Request) { h.preflight(w, r, list) })
	}
}

// admit lets a call in: it charges strangers before any work is done (DS-3), and
// everybody else once it is known who they are (DS-1).
func (h *Handler) admit(c *apiCall, route *apiRoute) (err error) {
	if c.live, err = h.caller(c, route.auth); err != nil {
		return err
	}
	if route.charged {
		charge := func() (authcore.Quota, bool) { return h.svc.AllowRequest(c.r.Context(), c.client) }
		if c.live != nil {
			charge = func() (authcore.Quota, bool) { return h.svc.AllowMember(c.r.Context(), c.live.User) }
		}
		q, ok := charge()
		if !ok && route.spares != nil {
			u, err := route.spares(h, c)
			if err != nil {
				return err
			}
			if u != nil {
				q, ok = h.svc.AllowMember(c.r.Context(), u)
			}
		}
		quotaHeaders(c.w.Header(), q)
		if !ok {
			return &authcore.Refusal{Reason: authcore.RateLimited, RetryAfter: q.Reset}
		}
	}
	if c.live != nil && !route.limited {
		if refusal := c.live.PasskeyFirst(); refusal != nil {
			return refusal
		}
	}
	return nil
}

// quotaHeaders tell a client how much it may still send, and after how many
// seconds it may send more.
func quotaHeaders(h http.Header, q authcore.Quota) {
	h.Set("RateLimit-Limit", fmt.Sprint(q.Limit))
	h.Set("RateLimit-Remaining", fmt.Sprint(q.Remaining))
	h.Set("RateLimit-Reset", itoa(seconds(q.Reset)))
}

// caller is the live session behind the bearer token; a cookie is never one
// (AD-1).
func (h *Handler) caller(c *apiCall, auth apiAuth) (*authcore.Live, error) {
	if auth == authNone {
		return nil, nil
	}
	token, ok := bearer(c.r)
	if !ok {
		return nil, &authcore.Refusal{Reason: authcore.Unauthenticated}
	}
	l, err := h.svc.APISession(c.r.Context(), token, c.origin)
	if err == nil && l == nil && auth == authEither {
		l, err = h.svc.AccessUser(c.r.Context(), token, c.origin)
	}
	if err == nil && l == nil {
		return nil, &authcore.Refusal{Reason: authcore.Unauthenticated}
	}
	return l, err
}

// bearer reads the one Authorization header.
func bearer(r *http.Request) (string, bool) {
	v := r.Header["Authorization"]
	if len(v) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(v[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}

// listDoc is how lists answer. What an account has of anything is bounded, so
// each fits on the one page that is the last; next_cursor is for those that grow.
type listDoc[T any] struct {
	Items      []T    `json:"items" doc:"What there is."`
	NextCursor string `json:"next_cursor" doc:"Empty on the last page."`
}

func listOf[T any](items []T) listDoc[T] {
	if items == nil {
		items = []T{}
	}
	return listDoc[T]{Items: items}
}

// texts makes a list of none an empty one.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
