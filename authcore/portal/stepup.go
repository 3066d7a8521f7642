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
	q := r.URL.Query()
	return h.showStepUp(w, r, b, stepUpView{trip: h.trip(one(q, "to")), back: h.accountPage(one(q, "back"))})
}

// stepUpView is what differs between two showings of the page.
type stepUpView struct {
	trip
	back   string  // page of the account to go back to
	failed *mapped // nil: nothing was typed
	wrong  string  // the method that failed
}

func (h *Handler) showStepUp(w http.ResponseWriter, r *http.Request, b *authcore.Browser, v stepUpView) error {
	var page stepUpPage
	var err error
	t := v.trip
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
	page.Back, page.Wrong = v.back, v.wrong
	page.Lost = page.Recover && (page.Frozen || v.wrong == authcore.AMRRecovery)
	status := http.StatusOK
	if v.failed != nil {
		page.Error, status = v.failed.in(page.Lang).detail(page.Lang), v.failed.status
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
	page.Recover = (page.Passkey || page.TOTP) && h.svc.Recoverable(b.Session.User)
	page.Frozen = h.svc.MayThaw(b.Session.User, keys)
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
	page.Recover = (now || ways.Limited) && !ways.Mail && h.svc.Recoverable(b.Session.User)
	stuck := !now && !ways.Add && !ways.AddTOTP && !ways.Limited && ways.Waits.IsZero()
	page.Again, page.Stuck = stuck && !ways.Methods, stuck && ways.Methods
	switch {
	case ways.Add, ways.Limited:
		page.Title = "stepup.title-add"
	case page.Stuck:
		page.Title = "stepup.title-stuck"
	case !now && !ways.Waits.IsZero():
		page.Title = "stepup.title-waits"
	}
	return page, nil
}

// confirmed is where a finished step-up leads back to.
func (h *Handler) confirmed(t trip, back string) string {
	switch page := h.accountPage(back); {
	case t.app != nil:
		return h.next(t.sealed, false)
	case page != "/account":
		return h.svc.Base() + page
	}
	return h.svc.Base() + "/account?done=confirmed"
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

// stepUpDoc is the answer to the ceremony.
type stepUpDoc struct {
	answerDoc
	Back string `json:"back"`
}

func (h *Handler) postStepUp(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	var a stepUpDoc
	if err := h.script(r, b, &a); err != nil {
		return err
	}
	token, err := h.svc.FinishStepUp(r.Context(), a.Flow, a.Credential, *b)
	if err != nil {
		return err
	}
	h.newToken(w, token)
	writeJSON(w, http.StatusOK, goOn{h.confirmed(h.trip(a.To), a.Back)})
	return nil
}

func (h *Handler) postStepUpTOTP(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.stepUpByCode(w, r, b, authcore.AMRTOTP, h.svc.StepUpTOTP, h.confirmed)
}

// postStepUpRecovery leads to the account page, where the passkey is added, and
// from there on to the app that asked.
func (h *Handler) postStepUpRecovery(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.stepUpByCode(w, r, b, authcore.AMRRecovery, h.svc.StepUpRecovery, func(t trip, _ string) string {
		return h.svc.Base() + "/account?done=recovery-confirmed" + t.more()
	})
}

func (h *Handler) stepUpByCode(
	w http.ResponseWriter, r *http.Request, b *authcore.Browser, method string,
	confirm func(context.Context, string, authcore.Browser) (authcore.Token, error), next func(t trip, back string) string,
) error {
	f, err := h.form(r, b, "code", "to", "back")
	if err != nil {
		return err
	}
	t := h.trip(f["to"])
	token, err := confirm(r.Context(), f["code"], *b)
	if m := h.mistyped(w, r, err); m != nil {
		return h.showStepUp(w, r, b, stepUpView{t, h.accountPage(f["back"]), m, method})
	}
	if err != nil {
		return err
	}
	h.newToken(w, token)
	redirect(w, http.StatusSeeOther, next(t, f["back"]))
	return nil
}
