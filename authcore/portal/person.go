package portal

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

// What people see and do about their own record: their name, what happened in
// the account, a copy of it, and its end.

func (h *Handler) postName(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.accountForm(w, r, b, "name-changed", func(f map[string]string) error {
		return h.svc.SetDisplayName(r.Context(), b.Session, f["name"], b.Client)
	}, "name")
}

// historyPage of so many lines; the account page shows fewer.
const (
	historyLines = 50
	historyFirst = 5
)

// accountEvent is one line of the history.
type accountEvent struct {
	What   string // a sentence
	When   time.Time
	Device string // empty: not done in a browser
	IP     string
	Bad    bool // it was refused
}

func (h *Handler) getHistory(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if b.Session.Limited() {
		h.see(w, "/account")
		return nil
	}
	before := one(r.URL.Query(), "before")
	records, older, err := h.svc.History(r.Context(), b.Session.User, before, historyLines)
	if err != nil {
		return err
	}
	p, err := h.begin(w, r, b, "history.title", trip{})
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusOK, historyPage{Page: p, Later: before != "", Before: older, Events: eventRows(p.Lang, records)})
	return nil
}

// eventWords are the messages of audit types that a history may hold.
var eventWords = map[string]string{
	"magic_link_requested":        "history.magic-link-requested",
	"magic_link_verified":         "history.magic-link-verified",
	"magic_link_failed":           "history.magic-link-failed",
	"totp_enrolled":               "history.totp-enrolled",
	"totp_verified":               "history.totp-verified",
	"totp_failed":                 "history.totp-failed",
	"user_totp_removed":           "history.user-totp-removed",
	"user_recovery_made":          "history.user-recovery-made",
	"user_recovery_used":          "history.user-recovery-used",
	"user_recovery_failed":        "history.user-recovery-failed",
	"user_address_asked":          "history.user-address-asked",
	"user_address_changed":        "history.user-address-changed",
	"user_not_me":                 "history.user-not-me",
	"user_thawed":                 "history.user-thawed",
	"user_approved":               "history.user-approved",
	"user_exported":               "history.user-exported",
	"webauthn_register_completed": "history.webauthn-register-completed",
	"webauthn_register_failed":    "history.webauthn-register-failed",
	"webauthn_login_completed":    "history.webauthn-login-completed",
	"webauthn_login_failed":       "history.webauthn-login-failed",
	"user_passkey_removed":        "history.user-passkey-removed",
	"user_passkey_renamed":        "history.user-passkey-renamed",
	"token_refreshed":             "history.token-refreshed",
	"token_refresh_failed":        "history.token-refresh-failed",
	"session_created":             "history.session-created",
	"session_revoked":             "history.session-revoked",
	"user_logged_out":             "history.user-logged-out",
	"rate_limit_exceeded":         "history.rate-limit-exceeded",
	"access_denied":               "history.access-denied",
	"user_registered":             "history.user-registered",
	"user_hand_out":               "history.user-hand-out",
	"user_changed":                "history.user-changed",
	"user_disabled":               "history.user-disabled",
	"user_enabled":                "history.user-enabled",
	"admin_role_granted":          "history.admin-role-granted",
	"user_token_created":          "history.user-token-created",
	"user_token_revoked":          "history.user-token-revoked",
}

// namedWords are those of types that may know which passkey it was.
var namedWords = map[string]string{
	"webauthn_register_completed": "history.passkey-added",
	"webauthn_login_completed":    "history.passkey-used",
	"user_passkey_removed":        "history.passkey-removed",
	"user_passkey_renamed":        "history.passkey-renamed",
}

// eventText says what happened, and with which app or passkey where the record
// knows it.
func eventText(l *i18n.Language, e *authcore.AuditRecord) string {
	host, name := authcore.OpenedApp(e), authcore.PasskeyConcerned(e)
	switch {
	case host != "":
		return l.Text("history.app-opened", "app", host)
	case name != "" && namedWords[e.Type] != "":
		return l.Text(namedWords[e.Type], "name", name)
	case eventWords[e.Type] != "":
		return l.Text(eventWords[e.Type])
	}
	return e.Type
}

func eventRows(l *i18n.Language, records []*authcore.AuditRecord) (rows []accountEvent) {
	for _, e := range records {
		row := accountEvent{When: e.Time, IP: e.IP, Bad: !e.Success, What: eventText(l, e)}
		if e.UserAgent != "" {
			row.Device = useragent.DescribeIn(l, e.UserAgent)
		}
		rows = append(rows, row)
	}
	return rows
}

// postData answers a copy of what is kept about the person.
func (h *Handler) postData(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if _, err := h.form(r, b); err != nil {
		return err
	}
	data, err := h.svc.Export(r.Context(), b.Session, b.Client)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="account.json"`)
	w.WriteHeader(http.StatusOK)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(data) // a client that went away needs no answer
	return nil
}

// postDelete ends the account. The address typed again is not a secret but a
// second thought.
func (h *Handler) postDelete(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	f, err := h.form(r, b, "email")
	if err != nil {
		return err
	}
	if err := h.svc.DeleteSelf(r.Context(), b.Session, f["email"], b.Client); err != nil {
		return err
	}
	h.forget(w)
	o := h.svc.Portal()
	http.SetCookie(w, h.svc.ClearCookie(o, h.svc.DeviceCookie(o)))
	h.see(w, "/signed-out?deleted=1")
	return nil
}
