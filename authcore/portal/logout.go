package portal

import (
	"net/http"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func (h *Handler) getLogout(w http.ResponseWriter, r *http.Request) error {
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	if b.Session == nil {
		h.see(w, "/signed-out")
		return nil
	}
	p, err := h.begin(w, r, &b, "logout.title", trip{})
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusOK, logoutPage{p, h.svc.Base() + "/account"})
	return nil
}

// postLogout ends the root session and its children. Apps carry its form, so
// it asks for the origin and for nothing that only our pages know (CS-1).
func (h *Handler) postLogout(w http.ResponseWriter, r *http.Request) error {
	if !authcore.SameOrigin(r.Header, h.svc.Portal()) {
		return errCross
	}
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	if b.Session == nil {
		if err := h.allow(r); err != nil {
			return err
		}
	}
	f := map[string]string{}
	if len(r.Header["Content-Type"]) > 0 {
		if f, err = readForm(r, []string{"token", "to"}); err != nil {
			return err
		}
	}
	if b.Session != nil {
		if err := h.svc.SignOut(r.Context(), b); err != nil {
			return err
		}
	}
	h.forget(w)
	page := "/signed-out"
	if one(r.URL.Query(), "switch") == "1" {
		page = "/login"
	}
	h.see(w, page+h.trip(f["to"]).query())
	return nil
}

// forget makes the browser drop the session, what it had begun, and every page
// it has seen here (SE-4). The device cookie stays: it opens nothing.
func (h *Handler) forget(w http.ResponseWriter) {
	o := h.svc.Portal()
	http.SetCookie(w, h.svc.ClearCookie(o, h.svc.SessionCookie(o)))
	http.SetCookie(w, h.svc.ClearCookie(o, h.svc.FlowCookie(o)))
	w.Header().Set("Clear-Site-Data", `"cache"`)
}

// getSignedOut follows a sign-out here or on an app host. The app's name comes
// from configuration; the query only chooses.
func (h *Handler) getSignedOut(w http.ResponseWriter, r *http.Request) error {
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	app := h.svc.App(one(q, "app"))
	if b.Session != nil && app == nil {
		h.see(w, "/account")
		return nil
	}
	t, toSwitch := h.trip(one(q, "to")), one(q, "switch") == "1"
	if b.Session == nil && toSwitch {
		h.see(w, "/login"+t.query())
		return nil
	}
	p, err := h.begin(w, r, &b, "signedout.title", t)
	if err != nil {
		return err
	}
	if app != nil {
		p.App = app.Origin.String()
	}
	if toSwitch {
		p.Title = p.Lang.Text("signedout.switch")
	}
	h.render(w, r, http.StatusOK, signedOutPage{Page: p, Everywhere: one(q, "everywhere") == "1", Deleted: one(q, "deleted") == "1", Sidecar: h.svc.Sidecar(), Switch: toSwitch})
	return nil
}
