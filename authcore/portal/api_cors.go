package portal

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// apiHeaders are on every answer below /api, whether there is something at that
// address or not.
func (h *Handler) apiHeaders(w http.ResponseWriter, r *http.Request) {
	if id := requestID(r); id != "" {
		w.Header().Set("X-Request-Id", id)
	}
	h.cors(w, r)
}

// cors lets scripts of configured clients read the answer. The list is exact,
// "null" is never on it, and credentials are never allowed (CS-2). Which client
// a page may act for is asked where that is known.
func (h *Handler) cors(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Origin")
	if origin := webOrigin(r); h.isClientPage(origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, X-Request-Id")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
}

func (h *Handler) isClientPage(origin string) bool {
	for _, c := range h.svc.Config().Clients {
		if slices.Contains(c.Origins, origin) {
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

// preflight answers for a path and the methods that it has.
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request, methods []string) {
	w.Header().Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if h.isClientPage(webOrigin(r)) {
		w.Header().Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, "+keyHeader)
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// wellKnownKeys serves the JWKS: any service may verify our tokens offline.
func (h *Handler) wellKnownKeys(w http.ResponseWriter, _ *http.Request) {
	public(w)
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.WriteHeader(http.StatusOK)
	_ = json.NewEncoder(w).Encode(h.svc.JWKS())
}
