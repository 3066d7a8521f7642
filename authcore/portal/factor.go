package portal

import (
	"html/template"
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/qr"
)

// The authenticator app and the recovery codes of an account. What is shown once
// is the answer to a form, and stands at no address of its own (TO-1, TO-4).

// postTOTP begins: the secret, as a picture and for typing.
func (h *Handler) postTOTP(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if _, err := h.form(r, b); err != nil {
		return err
	}
	e, err := h.svc.BeginTOTP(r.Context(), b.Session)
	if err != nil {
		return err
	}
	p, err := h.begin(w, r, b, "totp.title", trip{})
	if err != nil {
		return err
	}
	picture, err := qr.SVG(e.URI, p.Lang.Text("totp.picture"))
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusOK, totpPage{Page: p, Picture: picture, Secret: grouped(e.Secret), URI: template.URL(e.URI)}) //nolint:gosec // made of escaped parts
	return nil
}

// grouped spaces a secret for reading; authenticator apps drop the spaces.
func grouped(s string) string {
	var b []byte
	for i := range len(s) {
		if i > 0 && i%4 == 0 {
			b = append(b, ' ')
		}
		b = append(b, s[i])
	}
	return string(b)
}

// postTOTPConfirm makes it the account's. A wrong code shows the field again, not
// the secret.
func (h *Handler) postTOTPConfirm(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	f, err := h.form(r, b, "code")
	if err != nil {
		return err
	}
	token, err := h.svc.ConfirmTOTP(r.Context(), b.Session, f["code"], b.Client)
	if m := h.mistyped(w, r, err); m != nil {
		p, err := h.begin(w, r, b, "totp.title", trip{})
		if err != nil {
			return err
		}
		p.Error = m.in(p.Lang).detail(p.Lang)
		h.render(w, r, m.status, totpPage{Page: p})
		return nil
	}
	if err != nil {
		return err
	}
	h.newToken(w, token)
	h.see(w, "/account?done=totp-added")
	return nil
}

func (h *Handler) postTOTPRemove(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.accountForm(w, r, b, "totp-removed", func(map[string]string) error {
		return h.svc.RemoveTOTP(r.Context(), b.Session, b.Client)
	})
}

// postRecoveryCodes makes a new set and shows it, for printing.
func (h *Handler) postRecoveryCodes(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if _, err := h.form(r, b); err != nil {
		return err
	}
	codes, err := h.svc.NewRecoveryCodes(r.Context(), b.Session, b.Client)
	if err != nil {
		return err
	}
	p, err := h.begin(w, r, b, "recovery.title", trip{})
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusOK, recoveryPage{Page: p, Codes: codes, Host: h.svc.Portal().HostPort(), MadeAt: h.svc.Now()})
	return nil
}

// accountTOTP is the authenticator app on the account page.
type accountTOTP struct {
	Created  time.Time
	LastUsed time.Time
	Waits    time.Time // when it begins to count where a policy requires it; zero: it does
}

func (h *Handler) totpRow(u *authcore.User) *accountTOTP {
	if u.TOTP == nil {
		return nil
	}
	row := &accountTOTP{Created: u.TOTP.CreatedAt, LastUsed: u.TOTP.LastUsed}
	if h.svc.Now().Before(u.TOTP.TrustedAt) {
		row.Waits = u.TOTP.TrustedAt
	}
	return row
}
