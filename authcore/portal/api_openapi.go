package portal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// GET /api/openapi.json: the table of routes and the types of their documents, as
// OpenAPI 3.1 says it. It is made once, and so cannot say what is not there.

// openAPIDoc is the document itself, as far as its own schema goes.
type openAPIDoc struct {
	OpenAPI    string          `json:"openapi" doc:"The version of OpenAPI that it is written in."`
	Info       json.RawMessage `json:"info" doc:"Title and version of the API."`
	Servers    []apiServer     `json:"servers" doc:"One: this."`
	Paths      json.RawMessage `json:"paths" doc:"Its operations, by path and method."`
	Components json.RawMessage `json:"components" doc:"What several operations share, the schemas first of all."`
}

type apiServer struct {
	URL string `json:"url" doc:"The portal's origin."`
}

// object is a JSON object.
type object map[string]any

func (h *Handler) apiDocument(c *apiCall) error {
	document, err := h.document()
	if err != nil {
		return fmt.Errorf("describing the API: %w", err)
	}
	public(c.w)
	c.w.Header().Del("Vary") // it is the same for every page
	c.w.Header().Set("Content-Type", "application/json")
	_, _ = c.w.Write(document) // a client that went away needs no answer
	return nil
}

// apiStrayCodes are of answers below /api that are no route's: another path,
// method or host.
var apiStrayCodes = []string{string(authcore.NotFound), "METHOD_NOT_ALLOWED", "MISDIRECTED"}

func (h *Handler) openAPI(routes []apiRoute) ([]byte, error) {
	s, shared, paths := schemas{}, object{}, map[string]object{}
	codes := slices.Clone(apiStrayCodes)
	for _, route := range routes {
		for _, list := range route.codes() {
			codes = append(codes, list...)
		}
		if paths[route.path] == nil {
			paths[route.path] = object{}
		}
		paths[route.path][strings.ToLower(route.method)] = route.operation(s, shared)
	}
	s.answer(problem{})
	slices.Sort(codes)
	s["Problem"]["properties"].(object)["code"].(object)["enum"] = slices.Compact(codes)
	return json.Marshal(object{
		"openapi": "3.1.1",
		"info": object{
			"title": h.Brand.Name, "version": cmp.Or(h.Version, "0"),
			"description": "Passwordless sign-in for apps. Errors are problems (RFC 9457): decide by `code`. Every answer has the id of its request in `X-Request-Id`.",
		},
		"servers": []apiServer{{h.svc.Portal().String()}},
		"paths":   paths,
		"components": object{
			"schemas":         s,
			"responses":       shared,
			"headers":         apiHeaderObjects(),
			"securitySchemes": apiSchemes(),
		},
	})
}

func apiSchemes() object {
	return object{
		"session": object{"type": "http", "scheme": "bearer", "description": "The session_token of a sign-in or refresh."},
		"access":  object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The access_token of a sign-in or refresh."},
	}
}

func apiHeaderObjects() object {
	number := func(about string) object {
		return object{"description": about, "schema": object{"type": "integer", "minimum": 0}}
	}
	return object{
		"X-Request-Id":        object{"description": "Finds the request in the server's log.", "schema": object{"type": "string"}},
		"RateLimit-Limit":     number("Requests that the tightest window takes."),
		"RateLimit-Remaining": number("Requests that are left in it."),
		"RateLimit-Reset":     number("Seconds until it begins anew."),
		"Retry-After":         number("Seconds to wait."),
		"WWW-Authenticate":    object{"description": "What to send: a bearer token.", "schema": object{"const": "Bearer"}},
	}
}

// operation describes one route.
func (r *apiRoute) operation(s schemas, shared object) object {
	op := object{"operationId": r.id, "summary": r.summary, "tags": []string{r.tag()}, "security": r.security(), "responses": r.responses(s, shared)}
	if r.about != "" {
		op["description"] = r.about
	}
	if p := r.parameters(); len(p) > 0 {
		op["parameters"] = p
	}
	if r.in != nil {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": s.request(r.in)}}}
	}
	return op
}

// tag is the word behind /api/.
func (r *apiRoute) tag() string {
	tag, _, _ := strings.Cut(strings.TrimPrefix(r.path, apiPrefix), "/")
	return tag
}

func (r *apiRoute) security() []object {
	switch r.auth {
	case authSession:
		return []object{{"session": []string{}}}
	case authEither:
		return []object{{"session": []string{}}, {"access": []string{}}}
	}
	return []object{}
}

func (r *apiRoute) parameters() (list []object) {
	if strings.Contains(r.path, "{id}") {
		list = append(list, object{"name": "id", "in": "path", "required": true, "description": "As the list has it.", "schema": object{"type": "string"}})
	}
	if r.keyed {
		list = append(list, object{
			"name": keyHeader, "in": "header",
			"description": "Makes a repeat of the request the same request. It has to be unguessable: draw a new UUID (version 4) for each sign-in, and keep it as secret as the flow.",
			"schema":      object{"type": "string", "pattern": "^[!-~]{16,64}$"},
		})
	}
	return list
}

// codes are the problems that the route can answer, by status.
func (r *apiRoute) codes() map[int][]string {
	found := map[int][]string{}
	add := func(status int, code string) {
		if !slices.Contains(found[status], code) {
			found[status] = append(found[status], code)
		}
	}
	reason := func(list ...authcore.Reason) {
		for _, x := range list {
			add(refusals[x].status, string(x))
		}
	}
	reason(r.refuses...)
	for _, f := range r.faults {
		add(f.status, f.code)
	}
	if r.in != nil {
		add(http.StatusBadRequest, "BAD_REQUEST")
		add(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		add(http.StatusRequestEntityTooLarge, "TOO_LARGE")
	}
	if r.auth != authNone {
		reason(authcore.Unauthenticated)
	}
	if r.auth != authNone && !r.limited {
		reason(authcore.StepUpRequired)
	}
	if r.charged {
		reason(authcore.RateLimited)
	}
	if r.auth != authNone || r.in != nil { // it asks the store
		add(http.StatusServiceUnavailable, "UNAVAILABLE")
	}
	return found
}

// responses are the answers by status. A problem that stands alone under its
// status is the same for many routes, and shared.
func (r *apiRoute) responses(s schemas, shared object) object {
	out := object{}
	for _, a := range r.answers {
		answer := object{"description": a.about, "headers": r.headers(a.status)}
		if a.doc != nil {
			answer["content"] = object{"application/json": object{"schema": s.answer(a.doc)}}
		}
		out[itoa(a.status)] = answer
	}
	for status, codes := range r.codes() {
		if answer := r.refusal(status, codes); len(codes) > 1 {
			out[itoa(status)] = answer
		} else {
			name := codes[0]
			if r.counted(status) {
				name += ".counted"
			}
			shared[name] = answer
			out[itoa(status)] = object{"$ref": "#/components/responses/" + name}
		}
	}
	return out
}

func (r *apiRoute) refusal(status int, codes []string) object {
	slices.Sort(codes)
	var about []string
	for _, code := range codes {
		about = append(about, "`"+code+"`: "+apiTexts[code].detail)
	}
	return object{
		"description": strings.Join(about, "\n\n"), "headers": r.headers(status),
		"content": object{"application/problem+json": object{"schema": object{
			"allOf": []object{ref("Problem"), {"properties": object{"status": object{"const": status}, "code": object{"enum": codes}}}},
		}}},
	}
}

// counted reports whether an answer of a status tells where the rate limit
// stands: it is charged to whoever asks, once that is known.
func (r *apiRoute) counted(status int) bool {
	return r.charged && (r.auth == authNone || status != http.StatusUnauthorized && status != http.StatusServiceUnavailable)
}

// headers are those that answers of a status carry.
func (r *apiRoute) headers(status int) object {
	names := []string{"X-Request-Id"}
	if r.counted(status) {
		names = append(names, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		names = append(names, "Retry-After")
	case http.StatusUnauthorized:
		names = append(names, "WWW-Authenticate")
	}
	out := object{}
	for _, n := range names {
		out[n] = object{"$ref": "#/components/headers/" + n}
	}
	return out
}
