package portal

import (
	"net/http"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// A new e-mail address: named, then confirmed by the code that goes there (EM-6).

// getAddress asks for a fresh proof before the person types anything.
func (h *Handler) getAddress(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if err := h.mayManage(r, b); err != nil {
		return err
	}
	return h.showAddress(w, r, b, http.StatusOK, nil)
}

func (h *Handler) showAddress(w http.ResponseWriter, r *http.Request, b *authcore.Browser, status int, failed *mapped) error {
	pending, err := h.svc.PendingAddress(r.Context(), b.Session)
	if err != nil {
		return err
	}
	p, err := h.begin(w, r, b, "address.title", trip{})
	if err != nil {
		return err
	}
	if failed != nil {
		p.Error = failed.in(p.Lang).detail(p.Lang)
	}
	h.render(w, r, status, addressPage{Page: p, New: pending, Minutes: seconds(h.svc.Config().LinkTTL) / 60})
	return nil
}

func (h *Handler) postAddress(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	f, err := h.form(r, b, "email")
	if err != nil {
		return err
	}
	err = h.svc.StartAddress(r.Context(), b.Session, f["email"], b.Client)
	if m := h.mistyped(w, r, err, authcore.Conflict, authcore.RateLimited, authcore.Forbidden); m != nil {
		return h.showAddress(w, r, b, m.status, m)
	}
	if err != nil {
		return err
	}
	h.see(w, "/account/email")
	return nil
}

func (h *Handler) postAddressConfirm(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	f, err := h.form(r, b, "code")
	if err != nil {
		return err
	}
	token, err := h.svc.ConfirmAddress(r.Context(), b.Session, f["code"], b.Client)
	if m := h.mistyped(w, r, err, authcore.CodeExhausted, authcore.FlowExpired); m != nil {
		return h.showAddress(w, r, b, m.status, m)
	}
	if err != nil {
		return err
	}
	h.newToken(w, token)
	h.see(w, "/account?done=address-changed")
	return nil
}
