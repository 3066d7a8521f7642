package portal

import "net/http"

// What browsers and password managers look up before they know our pages
// (RFC 8615). In a sidecar these paths are the app's, and nobody looks below
// /.auth.
func (h *Handler) routeWellKnown() {
	h.portal.HandleFunc("GET /.well-known/webauthn", h.wellKnownOrigins)
	h.portal.HandleFunc("GET /.well-known/passkey-endpoints", h.wellKnownPasskeys)
	h.handle(h.portal, "GET /.well-known/change-password", h.wellKnownPassword)
}

// wellKnownOrigins lists who else may use our passkeys (WebAuthn Level 3 §5.11).
// Browsers look at the rp_id's host only; where that is a parent of ours, it is
// not ours to answer for, and a list here would be read by nobody. A list of
// none is no list: whoever has no related origins has not opted in.
func (h *Handler) wellKnownOrigins(w http.ResponseWriter, r *http.Request) {
	origins := h.svc.RelatedOrigins()
	if len(origins) == 0 || h.svc.Portal().Host != h.svc.Config().RPID {
		h.problem(w, r, http.StatusNotFound, "NOT_FOUND", "No other origins use the passkeys of this host.")
		return
	}
	public(w)
	writeJSON(w, http.StatusOK, struct {
		Origins []string `json:"origins"`
	}{origins})
}

// wellKnownPasskeys says where a person makes and manages passkeys
// (W3C, A Well-Known URL for Relying Party Passkey Endpoints, §3.1). It must be
// an answer and no redirect.
func (h *Handler) wellKnownPasskeys(w http.ResponseWriter, r *http.Request) {
	if h.svc.Config().NoPasskey {
		h.problem(w, r, http.StatusNotFound, "NOT_FOUND", "Passkeys are off here.")
		return
	}
	public(w)
	account := h.svc.URL("/account")
	writeJSON(w, http.StatusOK, struct {
		Enroll string `json:"enroll"`
		Manage string `json:"manage"`
	}{account, account})
}

// wellKnownPassword leads to where a person changes how they sign in (W3C, A
// Well-Known URL for Changing Passwords, §3): there is no password, and this is
// what a password manager's "change password" means here.
func (h *Handler) wellKnownPassword(w http.ResponseWriter, _ *http.Request) error {
	h.see(w, "/account")
	return nil
}

// public lets anybody read and keep the answer for a while. The specifications
// ask for no CORS; extensions of password managers fetch as pages do.
func public(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
}
