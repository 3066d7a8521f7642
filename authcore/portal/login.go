package portal

import (
	"net/http"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

// The sign-in page is also where every finished sign-in comes through: it sees
// that the browser kept its cookie, and hands over to the app (DESIGN §4.2).
func (h *Handler) getLogin(w http.ResponseWriter, r *http.Request) error {
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	t := h.trip(one(q, "to"))
	switch {
	case b.Session != nil && t.app != nil:
		return h.handOver(w, r, &b, t)
	case b.Session != nil && one(q, "in") == "1" && h.svc.Sidecar(): // an invitation leads nowhere special: to the app
		redirect(w, http.StatusSeeOther, h.svc.Portal().String()+"/")
		return nil
	case b.Session != nil:
		h.see(w, "/account")
		return nil
	case one(q, "in") == "1":
		return h.cookieMissing(w, r, &b, t)
	}
	p, err := h.begin(w, r, &b, "login.title", t)
	if err != nil {
		return err
	}
	if q.Has("to") && t.app == nil {
		p.Notice = p.Lang.Text("login.way-lost")
	}
	h.render(w, r, http.StatusOK, h.login(r, p))
	return nil
}

func (h *Handler) login(r *http.Request, p Page) loginPage {
	c := h.svc.Config()
	page := loginPage{Page: p, Passkey: !c.NoPasskey, Mail: c.MailWorks(), NoServer: !c.NoEmail && c.NoMailServer}
	page.InAppName, page.InApp = useragent.InApp(r.UserAgent())
	return page
}

// cookieMissing stops a sign-in whose cookies do not come back.
func (h *Handler) cookieMissing(w http.ResponseWriter, r *http.Request, b *authcore.Browser, t trip) error {
	p, err := h.begin(w, r, b, "cookie.title", t)
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusBadRequest, cookiePage{p})
	return nil
}

// postLogin begins a sign-in by mail. Its answer is the same for every address
// (EN).
func (h *Handler) postLogin(w http.ResponseWriter, r *http.Request) error {
	if err := h.allow(r); err != nil {
		return err
	}
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	f, err := h.form(r, &b, "email", "to")
	if err != nil {
		return err
	}
	t := h.trip(f["to"])
	_, err = h.svc.StartEmail(r.Context(), authcore.StartEmail{Address: f["email"], Browser: b, To: t.sealed})
	if ref, ok := authcore.AsRefusal(err); ok && ref.Reason == authcore.EmailInvalid && !wantsProblem(r) {
		p, err := h.begin(w, r, &b, "login.title", t)
		if err != nil {
			return err
		}
		m, _ := h.resolve(r, ref)
		p.Error = m.in(p.Lang).next
		h.render(w, r, http.StatusBadRequest, h.login(r, p))
		return nil
	}
	if err != nil {
		return err
	}
	h.see(w, "/login/code")
	return nil
}

// handOver sends a signed-in browser on to the app.
func (h *Handler) handOver(w http.ResponseWriter, r *http.Request, b *authcore.Browser, t trip) error {
	if !authcore.MayAct(r.Method, r.Header) {
		h.notAPageLoad(w, r)
		return nil
	}
	if h.svc.Sidecar() { // one origin, one session: nothing to hand over
		ref, err := h.svc.Unmet(r.Context(), b.Session, t.Return, t.app)
		switch {
		case err != nil:
			return err
		case ref != nil:
			h.see(w, "/login/step-up"+t.query())
		default:
			redirect(w, http.StatusSeeOther, t.plain())
		}
		return nil
	}
	callback, err := h.svc.IssueTicket(r.Context(), b.Session, t.Return, t.app)
	ref, _ := authcore.AsRefusal(err)
	switch {
	case err == nil && b.Flow != "":
		redirect(w, http.StatusSeeOther, callback)
		return nil
	case err == nil:
		// Begun elsewhere: the ticket stays unused, and this browser begins a
		// hand-over of its own at the app (DESIGN §4.2).
		if err := h.ensureFlow(w, b); err != nil {
			return err
		}
		redirect(w, http.StatusSeeOther, t.plain())
		return nil
	case ref != nil && ref.Reason == authcore.Forbidden:
		return h.notForYou(w, r, b, t, ref.Detail)
	case ref != nil && ref.Reason == authcore.StepUpRequired:
		h.see(w, "/login/step-up"+t.query())
		return nil
	case ref != nil && ref.Reason == authcore.HandoverLoop:
		return h.inCircles(w, r, b, t)
	case ref != nil && ref.Reason == authcore.Unauthenticated: // ended meanwhile
		h.see(w, "/login"+t.query())
		return nil
	}
	return err
}

// notForYou: the app host could only say so again.
func (h *Handler) notForYou(w http.ResponseWriter, r *http.Request, b *authcore.Browser, t trip, at string) error {
	p, err := h.begin(w, r, b, "denied.title", t)
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusForbidden, deniedPage{Page: p, Rule: at, Unnamed: b.Session.User.Unnamed, RequestID: requestID(r)})
	return nil
}
