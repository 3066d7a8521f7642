package portal

import (
	"encoding/json"
	"net/http"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// The passkey ceremonies of our pages' scripts: options, then the browser's
// answer. The account page's are in account.go, the step-up's in stepup.go.

// ceremonyDoc is what a script hands to navigator.credentials.
type ceremonyDoc struct {
	Flow      string `json:"flow"`
	PublicKey any    `json:"publicKey"`
}

// answerDoc is what comes back.
type answerDoc struct {
	scripted
	Flow       string          `json:"flow"`
	Credential json.RawMessage `json:"credential"`
	To         string          `json:"to"`
}

// nothing is a JSON object without anything of its own.
type nothing struct{ scripted }

func writeCeremony(w http.ResponseWriter, c *authcore.Ceremony) {
	writeJSON(w, http.StatusOK, ceremonyDoc{c.ID.Reveal(), c.Options})
}

func (h *Handler) postPasskeyOptions(w http.ResponseWriter, r *http.Request) error {
	var b authcore.Browser
	if err := h.open(r, &b, &nothing{}); err != nil {
		return err
	}
	c, err := h.svc.BeginPasskey(r.Context(), b)
	if err != nil {
		return err
	}
	writeCeremony(w, c)
	return nil
}

func (h *Handler) postPasskey(w http.ResponseWriter, r *http.Request) error {
	var b authcore.Browser
	var a answerDoc
	if err := h.open(r, &b, &a); err != nil {
		return err
	}
	done, err := h.svc.FinishPasskey(r.Context(), a.Flow, a.Credential, b)
	if err != nil {
		return err
	}
	h.arrived(w, done, h.next(h.trip(a.To).sealed, done.Offer))
	return nil
}
