package portal

import (
	"net/http"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// The offer of a passkey, between a sign-in by mail and the app.
func (h *Handler) getOffer(w http.ResponseWriter, r *http.Request) error {
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	t := h.trip(one(q, "to"))
	if b.Session == nil {
		if one(q, "in") == "1" {
			return h.cookieMissing(w, r, &b, t)
		}
		h.see(w, "/login"+t.query())
		return nil
	}
	keys, err := h.svc.Passkeys(r.Context(), b.Session.User)
	if err != nil {
		return err
	}
	if len(h.svc.Usable(keys)) > 0 || h.svc.Config().NoPasskey {
		redirect(w, http.StatusSeeOther, h.next(t.sealed, false))
		return nil
	}
	p, err := h.begin(w, r, &b, "offer.title", t)
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusOK, offerPage{Page: p, OnlyWay: !h.svc.Config().MailWorks()})
	return nil
}

// postOffer is "not now".
func (h *Handler) postOffer(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	f, err := h.form(r, b, "to")
	if err != nil {
		return err
	}
	if err := h.svc.NotNow(r.Context(), b.Session); err != nil {
		return err
	}
	redirect(w, http.StatusSeeOther, h.next(h.trip(f["to"]).sealed, false))
	return nil
}
