package portal

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// A fresh proof from somebody who is signed in (DESIGN §6, SE-8): for an act on
// their account or, with a trip, for an app that asks for one.
func (h *Handler) getStepUp(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.showStepUp(w, r, b, h.trip(one(r.URL.Query(), "to")), nil)
}

func (h *Handler) showStepUp(w http.ResponseWriter, r *http.Request, b *authcore.Browser, t trip, failed *mapped) error {
	var page stepUpPage
	var err error
	if t.app != nil {
		page, err = h.stepUpForApp(r, b, t)
	} else {
		page, err = h.stepUpForAccount(r, b)
	}
	if err != nil {
		return err
	}
	if page.Met { // in another tab, or a factor began to count
		redirect(w, http.StatusSeeOther, h.next(t.sealed, false))
		return nil
	}
	title := cmp.Or(page.Title, "stepup.title")
	if page.Page, err = h.begin(w, r, b, title, t); err != nil {
		return err
	}
	status := http.StatusOK
	if failed != nil {
		page.Error, status = failed.in(page.Lang).detail(page.Lang), failed.status
	}
	h.render(w, r, status, page)
	return nil
}

// stepUpForAccount asks for what changing the account needs.
func (h *Handler) stepUpForAccount(r *http.Request, b *authcore.Browser) (page stepUpPage, err error) {
	keys, err := h.svc.Passkeys(r.Context(), b.Session.User)
	if err != nil {
		return page, err
	}
	methods := h.svc.Confirms(b.Session, keys)
	does := func(method string) bool { return slices.Contains(methods, method) }
	page = stepUpPage{
		Passkey: does(authcore.AMRPasskey), TOTP: does(authcore.AMRTOTP), Link: does(authcore.AMRHandOut),
		Mail: does(authcore.AMREmail) && h.svc.Config().MailWorks(),
	}
	page.Recover = (page.Passkey || page.TOTP) && authcore.Recovery(b.Session.User).Left > 0
	return page, nil
}

// stepUpForApp asks for what the app needs and, where this person cannot give
// it now, says what they can do instead: asking for the same again would lead
// round in circles. The title is a message's key.
func (h *Handler) stepUpForApp(r *http.Request, b *authcore.Browser, t trip) (page stepUpPage, err error) {
	ways, err := h.svc.Ways(r.Context(), b.Session, t.Return, t.app)
	if err != nil {
		return page, err
	}
	page = stepUpPage{
		For: t.app.Origin.HostPort(), Met: ways.Met, Passkey: ways.Passkey, TOTP: ways.TOTP, Mail: ways.Mail,
		Waits: ways.Waits, Add: ways.Add, AddTOTP: ways.AddTOTP, Limited: ways.Limited,
	}
	if (ways.Add || ways.AddTOTP) && ways.Added.After(h.svc.Now().Add(time.Minute)) {
		page.Added = ways.Added
	}
	now := ways.Passkey || ways.TOTP || ways.Mail
	page.Recover = (now || ways.Limited) && !ways.Mail && authcore.Recovery(b.Session.User).Left > 0
	stuck := !now && !ways.Add && !ways.AddTOTP && !ways.Limited && ways.Waits.IsZero()
	page.Again, page.Stuck = stuck && !ways.Methods, stuck && ways.Methods
	switch {
	case ways.Add:
		page.Title = "stepup.title-add"
	case page.Stuck:
		page.Title = "stepup.title-stuck"
	case !now && !ways.Waits.IsZero():
		page.Title = "stepup.title-waits"
	}
	return page, nil
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

// forApp is where the step-up of a page leads.
type forApp struct {
	scripted
	To string `json:"to"`
}

func (h *Handler) postStepUpOptions(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	var in forApp
	if err := h.script(r, b, &in); err != nil {
		return err
	}
	required := false
	if t := h.trip(in.To); t.app != nil {
		ways, err := h.svc.Ways(r.Context(), b.Session, t.Return, t.app)
		if err != nil {
			return err
		}
		required = ways.Methods
	}
	c, err := h.svc.BeginStepUp(r.Context(), *b, required)
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

func (h *Handler) postStepUpTOTP(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.stepUpByCode(w, r, b, h.svc.StepUpTOTP, h.confirmed)
}

// postStepUpRecovery leads to the account page: all that it opens is there.
func (h *Handler) postStepUpRecovery(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.stepUpByCode(w, r, b, h.svc.StepUpRecovery, func(trip) string {
		return h.svc.Base() + "/account?done=recovery-confirmed"
	})
}

func (h *Handler) stepUpByCode(
	w http.ResponseWriter, r *http.Request, b *authcore.Browser,
	confirm func(context.Context, string, authcore.Browser) (authcore.Token, error), next func(trip) string,
) error {
	f, err := h.form(r, b, "code", "to")
	if err != nil {
		return err
	}
	t := h.trip(f["to"])
	token, err := confirm(r.Context(), f["code"], *b)
	if m := h.mistyped(r, err); m != nil {
		return h.showStepUp(w, r, b, t, m)
	}
	if err != nil {
		return err
	}
	h.newToken(w, token)
	redirect(w, http.StatusSeeOther, next(t))
	return nil
}
