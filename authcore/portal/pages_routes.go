package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// The portal's pages and what their scripts ask (DESIGN §4.1). In a sidecar all
// of them stand below /.auth.
func (h *Handler) routePages() {
	for pattern, fn := range h.pageRoutes() {
		h.handle(h.portal, pattern, fn)
		if p, ok := strings.CutPrefix(pattern, "GET "); ok && !strings.Contains(p, "{") {
			h.own[p] = true
		}
	}
}

func (h *Handler) pageRoutes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":           h.getHome,
		"GET /assets/{name}": h.getAsset,

		"GET /login":                  h.getLogin,
		"POST /login":                 h.postLogin,
		"GET /login/code":             h.getCode,
		"POST /login/code":            h.postCode,
		"POST /login/code/resend":     h.postResend,
		"GET /login/asked":            h.getAsked,
		"GET /login/totp":             h.getSecond,
		"POST /login/totp":            h.postSecondTOTP,
		"POST /login/recovery":        h.postSecondRecovery,
		"GET /login/link":             h.getLink,
		"POST /login/link/peek":       h.postLinkPeek,
		"POST /login/link":            h.postLink,
		"POST /login/passkey/options": h.postPasskeyOptions,
		"POST /login/passkey":         h.postPasskey,
		"GET /invite":                 h.getInvite,
		"POST /invite/peek":           h.postInvitePeek,
		"POST /invite":                h.postInvite,
		"GET /not-me":                 h.getNotMe,
		"POST /not-me/peek":           h.postNotMePeek,
		"POST /not-me":                h.postNotMe,
		"GET /not-me/done":            h.getNotMeDone,
		"GET /logout":                 h.getLogout,
		"POST /logout":                h.postLogout,
		"GET /signed-out":             h.getSignedOut,
		"GET /login/offer":            h.getOffer,
		"POST /language":              h.postLanguage,

		"POST /login/offer":                    h.member(h.postOffer),
		"GET /login/step-up":                   h.member(h.getStepUp),
		"POST /login/step-up/email":            h.member(h.postStepUpEmail),
		"POST /login/step-up/passkey/options":  h.member(h.postStepUpOptions),
		"POST /login/step-up/passkey":          h.member(h.postStepUp),
		"POST /login/step-up/totp":             h.member(h.postStepUpTOTP),
		"POST /login/step-up/recovery":         h.member(h.postStepUpRecovery),
		"GET /account":                         h.member(h.getAccount),
		"POST /account/name":                   h.member(h.postName),
		"GET /account/email":                   h.member(h.getAddress),
		"POST /account/email":                  h.member(h.postAddress),
		"POST /account/email/confirm":          h.member(h.postAddressConfirm),
		"POST /account/totp":                   h.member(h.postTOTP),
		"POST /account/totp/confirm":           h.member(h.postTOTPConfirm),
		"POST /account/totp/remove":            h.member(h.postTOTPRemove),
		"POST /account/recovery-codes":         h.member(h.postRecoveryCodes),
		"GET /account/tokens":                  h.member(h.getNewToken),
		"POST /account/tokens":                 h.member(h.postToken),
		"POST /account/tokens/{id}/revoke":     h.member(h.postTokenRevoke),
		"GET /account/history":                 h.member(h.getHistory),
		"POST /account/data":                   h.member(h.postData),
		"POST /account/delete":                 h.member(h.postDelete),
		"POST /account/sessions/revoke-others": h.member(h.postRevokeOthers),
		"POST /account/passkeys/options":       h.member(h.postAddOptions),
		"POST /account/passkeys":               h.member(h.postAdd),
		"POST /account/passkeys/{id}/rename":   h.member(h.postRename),
		"POST /account/passkeys/{id}/remove":   h.member(h.postRemove),
		"POST /account/sessions/{id}/revoke":   h.member(h.postRevoke),
		"POST /account/sessions/revoke-all":    h.member(h.postRevokeAll),
	}
}

// member lets through who is signed in. Everybody else is sent to sign in, and
// one whose proof is too old to confirm it (SE-8). Other refusals of an act on
// the account are told on its page.
func (h *Handler) member(fn func(http.ResponseWriter, *http.Request, *authcore.Browser) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, err := h.browser(r)
		if err != nil {
			return err
		}
		if b.Session == nil {
			return h.signInToGoOn(w, r)
		}
		if r.Method == http.MethodPost { // DS-1: who is signed in can flood, too
			if q, ok := h.svc.AllowMember(r.Context(), b.Session.User); !ok {
				return &authcore.Refusal{Reason: authcore.RateLimited, RetryAfter: q.Reset}
			}
		}
		err = fn(w, r, &b)
		ref, _ := authcore.AsRefusal(err)
		switch {
		case ref == nil || wantsProblem(r):
			return err
		case ref.Reason == authcore.StepUpRequired:
			h.see(w, "/login/step-up"+h.comingFrom(r.URL.Path))
		case ref.Reason == authcore.Unauthenticated: // the session ended meanwhile
			h.see(w, "/login")
		case strings.HasPrefix(r.URL.Path, "/account") && slices.Contains(onAccount, ref.Reason):
			return h.accountRefused(w, r, &b, err)
		default:
			return err
		}
		return nil
	}
}

func (h *Handler) signInToGoOn(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		if err := h.allow(r); err != nil {
			return err
		}
	}
	if wantsProblem(r) {
		return &authcore.Refusal{Reason: authcore.Unauthenticated}
	}
	h.see(w, "/login"+h.trip(one(r.URL.Query(), "to")).query())
	return nil
}

// see answers a form or page with a way to one of our own pages.
func (h *Handler) see(w http.ResponseWriter, path string) {
	redirect(w, http.StatusSeeOther, h.svc.Base()+path)
}

// one is a query parameter that stands exactly once, or "".
func one(q url.Values, name string) string {
	if v := q[name]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// trip is where a sign-in leads in the end: to an app, or nowhere special.
type trip struct {
	*authcore.Return
	sealed string        // as it travels; empty if there is none
	app    *authcore.App // nil if there is none
}

// trip opens the first of the sealed return states that is good (RD-3: asked
// again wherever one is used).
func (h *Handler) trip(sealed ...string) trip {
	for _, s := range sealed {
		if ret, app := h.svc.OpenReturn(s); app != nil {
			return trip{ret, s, app}
		}
	}
	return trip{}
}

// plain is the address in the app, from where it begins a hand-over of its own.
func (t trip) plain() string { return t.app.Origin.String() + t.Path }

// query hands the trip on to another page of ours.
func (t trip) query() string {
	if t.sealed == "" {
		return ""
	}
	return "?to=" + url.QueryEscape(t.sealed)
}

// more is query beside others.
func (t trip) more() string { return strings.Replace(t.query(), "?", "&", 1) }

// comingFrom lets a step-up lead back to the page that asked for it, where that
// is another than the account page.
func (h *Handler) comingFrom(path string) string {
	if page := h.accountPage(path); page != "/account" {
		return "?back=" + url.QueryEscape(page)
	}
	return ""
}

// accountPage is the page of the account at a path of ours; nothing else of what
// was sent is repeated.
func (h *Handler) accountPage(path string) string {
	if page := h.ownPage(path); strings.HasPrefix(page, "/account/") {
		return page
	}
	return "/account"
}

// begin starts a page for this browser, and gives it its flow cookie. title is
// a message key.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, b *authcore.Browser, title string, t trip) (Page, error) {
	p := h.page(r, "")
	p.Title, p.From = p.Lang.Text(title), h.ownPage(r.URL.Path)
	if err := h.ensureFlow(w, b); err != nil {
		return p, err
	}
	p.FormToken, p.To = h.svc.FormToken(b.Flow), t.sealed
	if t.app != nil && !h.svc.Sidecar() { // there it is where we are
		p.App = t.app.Origin.String()
	}
	if b.Session != nil {
		p.SignedInAs = b.Session.User.Email
	}
	return p, nil
}

func (h *Handler) getHome(w http.ResponseWriter, r *http.Request) error {
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	if b.Session != nil {
		h.see(w, "/account")
		return nil
	}
	h.see(w, "/login")
	return nil
}

func (h *Handler) getAsset(w http.ResponseWriter, r *http.Request) error {
	h.pages.assets.serve(w, r, r.PathValue("name"), h.svc.Portal().Scheme == "https")
	return nil
}
