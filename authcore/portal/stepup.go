package portal

import (
	"net/http"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// A fresh proof from somebody who is signed in (DESIGN §6, SE-8).
func (h *Handler) getStepUp(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	t := h.trip(one(r.URL.Query(), "to"))
	keys, err := h.svc.Passkeys(r.Context(), b.Session.User)
	if err != nil {
		return err
	}
	usable := h.svc.Usable(keys)
	p, err := h.begin(w, b, "Confirm it’s you", t)
	if err != nil {
		return err
	}
	c := h.svc.Config()
	page := stepUpPage{Page: p, Passkey: len(usable) > 0, Mail: len(usable) == 0 && c.MailWorks(), Cancel: h.svc.Base() + "/account"}
	if ref := h.svc.MayManage(b.Session, keys); ref != nil && slices.Contains(ref.Methods, authcore.AMRHandOut) {
		page.Mail, page.Link = false, true
	}
	if t.app != nil {
		page.Cancel = t.plain()
	}
	h.render(w, r, http.StatusOK, page)
	return nil
}

// confirmed is where a finished step-up leads back to.
func (h *Handler) confirmed(t trip) string {
	if t.app == nil {
		return h.svc.Base() + "/account?done=confirmed"
	}
	return h.next(t.sealed, false)
}

func (h *Handler) postStepUpEmail(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	f, err := h.form(r, b, "to")
	if err != nil {
		return err
	}
	_, err = h.svc.StartEmail(r.Context(), authcore.StartEmail{Browser: *b, To: h.trip(f["to"]).sealed, StepUp: true})
	if err != nil {
		return err
	}
	h.see(w, "/login/code")
	return nil
}

func (h *Handler) postStepUpOptions(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if err := h.script(r, b, &nothing{}); err != nil {
		return err
	}
	c, err := h.svc.BeginStepUp(r.Context(), *b)
	if err != nil {
		return err
	}
	writeCeremony(w, c)
	return nil
}

func (h *Handler) postStepUp(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	var a answerDoc
	if err := h.script(r, b, &a); err != nil {
		return err
	}
	token, err := h.svc.FinishStepUp(r.Context(), a.Flow, a.Credential, *b)
	if err != nil {
		return err
	}
	h.newToken(w, token)
	writeJSON(w, http.StatusOK, goOn{h.confirmed(h.trip(a.To))})
	return nil
}
