package portal

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/aaguid"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

// notices are what the account page says was just done, by the query's word.
var notices = map[string]string{
	"confirmed":       "account.done.confirmed",
	"passkey-added":   "account.done.passkey-added",
	"passkey-renamed": "account.done.passkey-renamed",
	"passkey-removed": "account.done.passkey-removed",
	"handed-out":      "account.done.handed-out",
	"session-revoked": "account.done.session-revoked",

	"totp-added":         "account.done.totp-added",
	"totp-removed":       "account.done.totp-removed",
	"recovery-made":      "account.done.recovery-made",
	"recovery-confirmed": "account.done.recovery-confirmed",
	"address-changed":    "account.done.address-changed",
	"name-changed":       "account.done.name-changed",
	"token-revoked":      "account.done.token-revoked",
	"others-ended":       "account.done.others-ended",
}

func (h *Handler) getAccount(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	p, err := h.begin(w, r, b, "account.title", h.trip(one(r.URL.Query(), "to"))) // an app asks for a passkey
	if err != nil {
		return err
	}
	if done := notices[one(r.URL.Query(), "done")]; done != "" {
		p.Notice = p.Lang.Text(done)
	}
	return h.account(w, r, b, http.StatusOK, p)
}

func (h *Handler) account(w http.ResponseWriter, r *http.Request, b *authcore.Browser, status int, p Page) error {
	u := b.Session.User
	c := h.svc.Config()
	page := accountPage{
		Page: p, Name: u.DisplayName, Groups: u.Groups, NoPasskey: c.NoPasskey, Frozen: u.Freeze != nil, Limited: b.Session.Limited(),
		TOTP: h.totpRow(u), Recovery: authcore.Recovery(u), MayDelete: h.svc.MayDelete(), Deleting: r.URL.Path == "/account/delete",
	}
	if page.Limited { // whoever reads the mail and found the paper sees no more than they need
		page.Name, page.Groups, page.TOTP = "", nil, nil
		h.render(w, r, status, page)
		return nil
	}
	for _, app := range c.Apps {
		if _, ok := h.svc.Admits(&app, u); ok {
			page.Open = append(page.Open, app.Origin.String())
		}
	}
	if err := errors.Join(h.accountKeys(r, b, &page), h.accountLists(r, b, &page)); err != nil {
		return err
	}
	h.render(w, r, status, page)
	return nil
}

// onAccount are the refusals that the account page itself tells: the person can
// mend it there, or sees there why it cannot be.
var onAccount = []authcore.Reason{
	authcore.NameInvalid, authcore.NotFound, authcore.Conflict, authcore.TooMany, authcore.Frozen, authcore.FlowExpired,
}

func (h *Handler) accountRefused(w http.ResponseWriter, r *http.Request, b *authcore.Browser, refusal error) error {
	m, _ := h.resolve(r, refusal)
	p, err := h.begin(w, r, b, "account.title", trip{})
	if err != nil {
		return err
	}
	p.Error = m.in(p.Lang).detail(p.Lang)
	return h.account(w, r, b, m.status, p)
}

// mayManage refuses a page that leads up to a change of the account where the
// change would be refused: nobody types for nothing.
func (h *Handler) mayManage(r *http.Request, b *authcore.Browser) error {
	keys, err := h.svc.Passkeys(r.Context(), b.Session.User)
	if err != nil {
		return err
	}
	if refusal := h.svc.MayManage(b.Session, keys); refusal != nil {
		return refusal
	}
	if b.Session.User.Freeze != nil {
		return &authcore.Refusal{Reason: authcore.Frozen}
	}
	return nil
}

// accountKeys fills in the passkeys, and what the browser's provider is told.
func (h *Handler) accountKeys(r *http.Request, b *authcore.Browser, page *accountPage) error {
	u := b.Session.User
	keys, err := h.svc.Passkeys(r.Context(), u)
	if err != nil {
		return err
	}
	c, usable := h.svc.Config(), h.svc.Usable(keys)
	page.Signal = passkeySignal{
		RPID: c.RPID, UserHandle: base64.RawURLEncoding.EncodeToString(u.Handle), UserName: u.Email, DisplayName: cmp.Or(u.DisplayName, u.Email),
	}
	for _, k := range keys {
		row := accountPasskey{
			ID: base64.RawURLEncoding.EncodeToString(k.ID), Name: k.Name, Provider: aaguid.Name(k.AAGUID),
			Created: k.CreatedAt, LastUsed: k.LastUsed, Synced: k.Synced,
		}
		if k.RPID == c.RPID {
			row.Last = len(usable) == 1 && !c.MailWorks()
			page.Signal.Credentials = append(page.Signal.Credentials, row.ID)
		} else {
			row.MadeFor = k.RPID
		}
		page.Passkeys = append(page.Passkeys, row)
	}
	page.Strong = len(usable) > 0 || u.TOTP != nil
	page.Thaws = h.svc.MayThaw(u, keys)
	page.TokensStay = h.svc.Weaker(b.Session, keys)
	page.OnlyOne = len(usable) == 1 && !usable[0].Synced && page.Recovery.Left == 0
	return nil
}

// accountLists fills in devices, access tokens and the newest of the history.
func (h *Handler) accountLists(r *http.Request, b *authcore.Browser, page *accountPage) error {
	u := b.Session.User
	devices, err := h.svc.Devices(r.Context(), u, b.Session.Session)
	if err != nil {
		return err
	}
	for _, d := range devices {
		page.Sessions = append(page.Sessions, h.sessionRow(page.Lang, &d))
	}
	slices.SortStableFunc(page.Sessions, func(a, b accountSession) int { return rank(a) - rank(b) })
	if page.Tokens, err = h.tokenRows(r, u); err != nil {
		return err
	}
	page.MayToken = len(h.tokenApps(u)) > 0
	records, _, err := h.svc.History(r.Context(), u, "", historyFirst)
	if err != nil {
		return err
	}
	page.Events = eventRows(page.Lang, records)
	return nil
}

// rank puts this browser first.
func rank(s accountSession) int {
	if s.Current {
		return 0
	}
	return 1
}

func (h *Handler) sessionRow(l *i18n.Language, d *authcore.Device) accountSession {
	s := d.Session
	row := accountSession{
		ID: s.ID, Device: useragent.DescribeIn(l, s.UserAgent), IP: s.IP, SignedIn: s.CreatedAt, LastSeen: s.LastSeen,
		Current: d.Current, Apps: d.Apps, How: how(s.AMR),
	}
	if s.ClientID != "" {
		row.Device = s.ClientID
		if c := h.svc.Client(s.ClientID); c != nil {
			row.Device = c.Title
		}
	}
	return row
}

// how is the message that says what a session was signed in with, the strongest
// first.
func how(amr []string) string {
	switch {
	case slices.Contains(amr, authcore.AMRPasskey):
		return "account.signed-in-passkey"
	case slices.Contains(amr, authcore.AMRTOTP):
		return "account.signed-in-totp"
	case slices.Contains(amr, authcore.AMRRecovery):
		return "account.signed-in-recovery"
	case slices.Contains(amr, authcore.AMREmail):
		return "account.signed-in-email"
	case slices.Contains(amr, authcore.AMRHandOut):
		return "account.signed-in-hand-out"
	case slices.Contains(amr, authcore.AMRInvite):
		return "account.signed-in-invite"
	}
	return "account.signed-in"
}

// accountForm reads a form of the account page and runs act.
func (h *Handler) accountForm(w http.ResponseWriter, r *http.Request, b *authcore.Browser, done string, act func(f map[string]string) error, fields ...string) error {
	f, err := h.form(r, b, fields...)
	if err != nil {
		return err
	}
	if err := act(f); err != nil {
		return err
	}
	h.see(w, "/account?done="+done)
	return nil
}

// passkeyID reads a path segment; what is none of ours names nothing.
func passkeyID(r *http.Request) ([]byte, error) {
	id, err := base64.RawURLEncoding.Strict().DecodeString(r.PathValue("id"))
	if err != nil || len(id) == 0 {
		return nil, &authcore.Refusal{Reason: authcore.NotFound}
	}
	return id, nil
}

func (h *Handler) postRename(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.accountForm(w, r, b, "passkey-renamed", func(f map[string]string) error {
		id, err := passkeyID(r)
		if err != nil {
			return err
		}
		return h.svc.RenamePasskey(r.Context(), b.Session, id, f["name"], b.Client)
	}, "name", "to")
}

func (h *Handler) postRemove(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.accountForm(w, r, b, "passkey-removed", func(map[string]string) error {
		id, err := passkeyID(r)
		if err != nil {
			return err
		}
		return h.svc.RemovePasskey(r.Context(), b.Session, id, b.Client)
	}, "to")
}

func (h *Handler) postRevoke(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.accountForm(w, r, b, "session-revoked", func(map[string]string) error {
		if refusal := b.Session.PasskeyFirst(); refusal != nil {
			return refusal
		}
		return h.svc.RevokeDevice(r.Context(), b.Session.User, r.PathValue("id"), b.Client)
	}, "to")
}

func (h *Handler) postRevokeAll(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if _, err := h.form(r, b, "to"); err != nil {
		return err
	}
	if err := h.svc.SignOutScope(r.Context(), b.Session, "all", b.Client); err != nil {
		return err
	}
	h.forget(w)
	h.see(w, "/signed-out?everywhere=1")
	return nil
}

// postRevokeOthers ends every session of the account but this browser's.
func (h *Handler) postRevokeOthers(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.accountForm(w, r, b, "others-ended", func(map[string]string) error {
		return h.svc.SignOutScope(r.Context(), b.Session, "others", b.Client)
	})
}

func (h *Handler) postAddOptions(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if err := h.script(r, b, &nothing{}); err != nil {
		return err
	}
	c, err := h.svc.BeginAddPasskey(r.Context(), *b)
	if err != nil {
		return err
	}
	writeCeremony(w, c)
	return nil
}

func (h *Handler) postAdd(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	var a answerDoc
	if err := h.script(r, b, &a); err != nil {
		return err
	}
	added, err := h.svc.FinishAddPasskey(r.Context(), a.Flow, a.Credential, useragent.DescribeIn(h.language(r), r.UserAgent()), *b)
	if err != nil {
		return err
	}
	if added.Token != "" {
		h.newToken(w, added.Token)
	}
	next := h.svc.Base() + "/account?done=passkey-added"
	if t := h.trip(a.To); t.app != nil {
		next = h.next(t.sealed, false)
	}
	writeJSON(w, http.StatusOK, goOn{next})
	return nil
}
