package portal

import (
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// The authenticator app and the recovery codes over the API.

// totpStatusDoc tells whether there is one.
type totpStatusDoc struct {
	Active    bool      `json:"active" doc:"The account has an authenticator app."`
	CreatedAt time.Time `json:"created_at,omitzero" doc:"When its first code confirmed it. Left out while there is none."`
	LastUsed  time.Time `json:"last_used,omitzero" doc:"When a code of it was taken last. Left out while none was."`
}

func (h *Handler) apiTOTP(c *apiCall) error {
	t := c.live.User.TOTP
	if t == nil {
		return c.answer(http.StatusOK, totpStatusDoc{})
	}
	return c.answer(http.StatusOK, totpStatusDoc{true, t.CreatedAt, t.LastUsed})
}

// totpDoc is what an authenticator app needs. It is told once.
type totpDoc struct {
	Secret     string `json:"secret" doc:"In base32, for typing."`
	OTPAuthURI string `json:"otpauth_uri" doc:"For a QR code."`
}

func (h *Handler) apiTOTPBegin(c *apiCall, _ *empty) error {
	got, err := h.svc.BeginTOTP(c.r.Context(), c.live)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, totpDoc{got.Secret, got.URI})
}

// totpIn is what an authenticator app shows.
type totpIn struct {
	Code string `json:"code" doc:"Six digits. One space or hyphen in the middle is dropped."`
}

// sessionTokenDoc is the session's new token.
type sessionTokenDoc struct {
	SessionToken string `json:"session_token" doc:"Go on with this one: the old one is dead."`
}

func (h *Handler) apiTOTPConfirm(c *apiCall, in *totpIn) error {
	token, err := h.svc.ConfirmTOTP(c.r.Context(), c.live, in.Code, c.client)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, sessionTokenDoc{token.Reveal()})
}

func (h *Handler) apiTOTPRemove(c *apiCall) error {
	if err := h.svc.RemoveTOTP(c.r.Context(), c.live, c.client); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}

// recoveryDoc tells how many codes are left.
type recoveryDoc struct {
	Left int  `json:"left" doc:"Codes that were not used."`
	Made int  `json:"made" doc:"As many as the set had; 0: there is none."`
	Low  bool `json:"low" doc:"Time to make new ones."`
}

func (h *Handler) apiRecovery(c *apiCall) error {
	s := authcore.Recovery(c.live.User)
	return c.answer(http.StatusOK, recoveryDoc{s.Left, s.Made, s.Low})
}

// codesDoc is a new set of recovery codes.
type codesDoc struct {
	Codes []string `json:"codes" doc:"Each works once. They are told once, and the set before is worthless."`
}

func (h *Handler) apiRecoveryMake(c *apiCall, _ *empty) error {
	codes, err := h.svc.NewRecoveryCodes(c.r.Context(), c.live, c.client)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, codesDoc{codes})
}
