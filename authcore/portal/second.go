package portal

import (
	"net/http"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// The second step of a sign-in by mail: a code of the authenticator app or, when
// that is lost, a recovery code. Who has given the first step only holds a flow,
// and sees nothing of the account here.

func (h *Handler) getSecond(w http.ResponseWriter, r *http.Request) error {
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	return h.showSecond(w, r, &b, http.StatusOK, secondView{trip: h.trip(one(q, "to")), recovery: one(q, "by") == "recovery"})
}

// secondView is what a page of the second step shows.
type secondView struct {
	trip
	recovery bool
	failed   *mapped
}

func (h *Handler) showSecond(w http.ResponseWriter, r *http.Request, b *authcore.Browser, status int, v secondView) error {
	info, err := h.svc.Second(r.Context(), *b)
	if err != nil {
		return err
	}
	if info == nil { // finished in another tab, or too old
		h.see(w, "/login"+v.query())
		return nil
	}
	if v.app == nil {
		v.trip = h.trip(info.To)
	}
	p, err := h.begin(w, r, b, "second.title", v.trip)
	if err != nil {
		return err
	}
	if v.failed != nil {
		p.Error = v.failed.in(p.Lang).detail(p.Lang)
	}
	h.render(w, r, status, secondPage{Page: p, TOTP: info.TOTP, Recovery: info.Recovery, ByRecovery: info.Recovery && (v.recovery || !info.TOTP)})
	return nil
}

func (h *Handler) postSecondTOTP(w http.ResponseWriter, r *http.Request) error {
	return h.postSecond(w, r, authcore.SecondTOTP)
}

func (h *Handler) postSecondRecovery(w http.ResponseWriter, r *http.Request) error {
	return h.postSecond(w, r, authcore.SecondRecovery)
}

func (h *Handler) postSecond(w http.ResponseWriter, r *http.Request, by string) error {
	if err := h.allow(r); err != nil {
		return err
	}
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	f, err := h.form(r, &b, "code", "to")
	if err != nil {
		return err
	}
	t := h.trip(f["to"])
	done, err := h.svc.FinishSecond(r.Context(), by, f["code"], b)
	if m := h.mistyped(w, r, err); m != nil {
		return h.showSecond(w, r, &b, m.status, secondView{trip: t, recovery: by == authcore.SecondRecovery, failed: m})
	}
	if ref, ok := authcore.AsRefusal(err); ok && ref.Reason == authcore.CodeExhausted && !wantsProblem(r) {
		h.fail(w, r, refusals[ref.Reason].status, failure{
			key: "refused.second-exhausted", code: string(ref.Reason), action: action{Label: "action.back-to-login", URL: h.svc.Base() + "/login" + t.query()},
		})
		return nil
	}
	if err != nil {
		return err
	}
	if t.app == nil {
		t = h.trip(done.To)
	}
	h.signedIn(w, done.SignedIn)
	switch {
	case by == authcore.SecondRecovery && done.Same: // the page says by itself what comes first
		h.see(w, "/account"+t.query())
	case by == authcore.SecondRecovery:
		h.see(w, "/account")
	case done.Same || t.app == nil:
		redirect(w, http.StatusSeeOther, h.next(t.sealed, done.Offer))
	default: // the state is another browser's: this one begins its own hand-over
		redirect(w, http.StatusSeeOther, t.plain())
	}
	return nil
}

// mistyped is the refusal of something that the person may type again on the
// same page, or nil; more are reasons that a page can say as well.
func (h *Handler) mistyped(w http.ResponseWriter, r *http.Request, err error, more ...authcore.Reason) *mapped {
	ref, _ := authcore.AsRefusal(err)
	if ref == nil || wantsProblem(r) {
		return nil
	}
	switch ref.Reason {
	case authcore.TOTPInvalid, authcore.RecoveryInvalid, authcore.GuessesSpent, authcore.CodeInvalid, authcore.EmailInvalid, authcore.NameInvalid:
	default:
		if !slices.Contains(more, ref.Reason) {
			return nil
		}
	}
	m, _ := h.resolve(r, err)
	retryAfter(w, ref)
	return &m
}
