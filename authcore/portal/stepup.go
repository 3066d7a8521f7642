package portal

import (
	"net/http"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// A fresh proof from somebody who is signed in (DESIGN §6, SE-8): for an act on
// their account or, with a trip, for an app that asks for one.
func (h *Handler) getStepUp(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	t := h.trip(one(r.URL.Query(), "to"))
	if t.app != nil {
		return h.stepUpForApp(w, r, b, t)
	}
	keys, err := h.svc.Passkeys(r.Context(), b.Session.User)
	if err != nil {
		return err
	}
	p, err := h.begin(w, r, b, "stepup.title", t)
	if err != nil {
		return err
	}
	page := stepUpPage{Page: p, Passkey: len(h.svc.Usable(keys)) > 0}
	page.Mail = !page.Passkey && h.svc.Config().MailWorks()
	if ref := h.svc.MayManage(b.Session, keys); ref != nil && slices.Contains(ref.Methods, authcore.AMRHandOut) {
		page.Mail, page.Link = false, true
	}
	h.render(w, r, http.StatusOK, page)
	return nil
}

// stepUpForApp asks for what the app needs and, where this person cannot give
// it now, says what they can do instead: asking for the same again would lead
// round in circles.
func (h *Handler) stepUpForApp(w http.ResponseWriter, r *http.Request, b *authcore.Browser, t trip) error {
	ways, err := h.svc.Ways(r.Context(), b.Session, t.Return, t.app)
	if err != nil {
		return err
	}
	if ways.Met { // in another tab, or a passkey began to count
		redirect(w, http.StatusSeeOther, h.next(t.sealed, false))
		return nil
	}
	p, err := h.begin(w, r, b, "stepup.title", t)
	if err != nil {
		return err
	}
	page := stepUpPage{Page: p, For: t.app.Origin.HostPort(), Passkey: ways.Passkey, Mail: ways.Mail, Waits: ways.Waits, Add: ways.Add}
	if ways.Add && ways.Added.After(h.svc.Now().Add(time.Minute)) {
		page.Added = ways.Added
	}
	stuck := !ways.Passkey && !ways.Mail && !ways.Add && ways.Waits.IsZero()
	page.Again, page.Stuck = stuck && !ways.Methods, stuck && ways.Methods
	switch {
	case ways.Add:
		page.Title = p.Lang.Text("stepup.title-add")
	case page.Stuck:
		page.Title = p.Lang.Text("stepup.title-stuck")
	case !ways.Passkey && !ways.Waits.IsZero():
		page.Title = p.Lang.Text("stepup.title-waits")
	}
	h.render(w, r, http.StatusOK, page)
	return nil
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
