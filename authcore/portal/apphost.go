package portal

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// What an app host answers under /.auth/ (DESIGN §4.2). The hand-over itself is
// authcore/handover.go.
func (h *Handler) routeApp() {
	h.handle(h.app, "GET /start", h.appStart)
	h.handle(h.app, "GET /callback", h.appCallback)
	h.handle(h.app, "GET /logout", h.appLogoutPage)
	h.handle(h.app, "POST /logout", h.appLogout)
	h.handle(h.app, "GET /me", h.appMe)
	h.handle(h.app, "GET /denied", h.appDenied)
}

// appOf finds the app whose host this is; the guard let the request through to
// /.auth/ only for one of its own.
func (h *Handler) appOf(r *http.Request) (*authcore.App, error) {
	if app := h.svc.App(r.Host); app != nil {
		return app, nil
	}
	return nil, &authcore.Refusal{Reason: authcore.NotFound}
}

// appPageLoad finds the app of a page load, which alone may act here; ok false
// means that the rest is answered, or is err.
func (h *Handler) appPageLoad(w http.ResponseWriter, r *http.Request) (app *authcore.App, ok bool, err error) {
	if app, err = h.appOf(r); err != nil {
		return nil, false, err
	}
	if !authcore.MayAct(r.Method, r.Header) {
		h.notAPageLoad(w, r)
		return nil, false, nil
	}
	return app, true, nil
}

// appStart binds this browser to a hand-over and sends it to the portal.
func (h *Handler) appStart(w http.ResponseWriter, r *http.Request) error {
	app, ok, err := h.appPageLoad(w, r)
	if !ok {
		return err
	}
	q := r.URL.Query()
	tries, _ := strconv.Atoi(q.Get("n"))
	why := cause(q.Get("why"))
	if tries >= 3 {
		h.bounced(w, r, app, q.Get("rd"), why)
		return nil
	}
	sealed, err := h.sealReturn(w, r, app, authcore.Return{
		Path: q.Get("rd"), Tries: max(0, tries), Need: authcore.ParseNeed(q), Cause: string(why),
	})
	if err != nil {
		return err
	}
	redirect(w, http.StatusFound, h.svc.URL("/login?to="+url.QueryEscape(sealed)))
	return nil
}

// sealReturn seals the way back, bound to this browser by a nonce: one per
// browser and host, reused while it is there, so that two tabs work.
func (h *Handler) sealReturn(w http.ResponseWriter, r *http.Request, app *authcore.App, ret authcore.Return) (string, error) {
	nonce, ok := authcore.FindCookie(r.Header["Cookie"], h.svc.FlowCookie(app.Origin))
	if !ok {
		var err error
		if nonce, err = h.svc.NewToken(); err != nil {
			return "", err
		}
		http.SetCookie(w, h.svc.Cookie(app.Origin, h.svc.FlowCookie(app.Origin), nonce, 0))
	}
	return h.svc.SealReturn(app, ret, nonce)
}

// appCallback redeems the ticket and makes the app session.
func (h *Handler) appCallback(w http.ResponseWriter, r *http.Request) error {
	app, ok, err := h.appPageLoad(w, r)
	if !ok {
		return err
	}
	nonce, _ := authcore.FindCookie(r.Header["Cookie"], h.svc.FlowCookie(app.Origin))
	tickets := r.URL.Query()["ticket"]
	if len(tickets) != 1 {
		return &authcore.Refusal{Reason: authcore.HandoverFailed}
	}
	got, err := h.svc.RedeemTicket(r.Context(), app, tickets[0], nonce, h.client(r))
	ref, refused := authcore.AsRefusal(err)
	switch {
	case err == nil:
		o := app.Origin
		http.SetCookie(w, h.svc.Cookie(o, h.svc.SessionCookie(o), got.Token, h.svc.Config().SessionAbsolute))
		http.SetCookie(w, h.svc.ClearCookie(o, h.svc.FlowCookie(o))) // rotated on success
		redirect(w, http.StatusSeeOther, app.Origin.String()+got.Path)
		return nil
	case !refused:
		return err
	case ref.Reason == authcore.Forbidden:
		redirect(w, http.StatusSeeOther, app.Origin.String()+authcore.ReservedPrefix+"/denied")
		return nil
	}
	if d, err := h.whoIsHere(r, "/"); err == nil && d.Identity != nil { // a late ticket, and this browser is in already
		redirect(w, http.StatusSeeOther, app.Origin.String()+"/")
		return nil
	}
	var why bounceCause
	if got.Late {
		why = bounceClock // should it happen again and again
	}
	redirect(w, http.StatusSeeOther, why.with(authcore.StartURL(app, got.Path, got.Tries+1, authcore.Need{})))
	return nil
}

// whoIsHere decides about a page of the app, which may have a query.
func (h *Handler) whoIsHere(r *http.Request, page string) (authcore.Decision, error) {
	path, _, _ := strings.Cut(page, "?")
	q := authcore.Request{Host: r.Host, Path: path, Here: path, Method: http.MethodGet, Client: h.client(r).IP, Cookies: r.Header["Cookie"]}
	q.SetAuthorization(r.Header)
	d := h.svc.Check(r.Context(), &q)
	if d.Verdict == authcore.Unavailable {
		return d, d.Err
	}
	return d, nil
}

func (h *Handler) appLogoutPage(w http.ResponseWriter, r *http.Request) error {
	app, err := h.appOf(r)
	if err != nil {
		return err
	}
	d, err := h.whoIsHere(r, "/")
	if err != nil {
		return err
	}
	if d.Identity == nil {
		redirect(w, http.StatusSeeOther, h.svc.URL("/signed-out"))
		return nil
	}
	h.render(w, r, http.StatusOK, logoutPage{h.appPage(r, app, d.Identity, "logout.title"), app.Origin.String() + "/"})
	return nil
}

// appLogout ends this host's session; no app can end the root session, but the
// portal offers to.
func (h *Handler) appLogout(w http.ResponseWriter, r *http.Request) error {
	app, err := h.appOf(r)
	if err != nil {
		return err
	}
	if !authcore.SameOrigin(r.Header, app.Origin) {
		return errCross
	}
	d, err := h.whoIsHere(r, "/")
	if err != nil {
		return err
	}
	if err := h.svc.SignOutApp(r.Context(), &d, h.client(r)); err != nil {
		return err
	}
	http.SetCookie(w, h.svc.ClearCookie(app.Origin, h.svc.SessionCookie(app.Origin)))
	w.Header().Set("Clear-Site-Data", `"cache"`) // SE-4: the back button shows nothing
	q := url.Values{"app": {app.Origin.Host}}
	if one(r.URL.Query(), "switch") == "1" { // not in the body: the check of a proxy brings none
		sealed, err := h.sealReturn(w, r, app, authcore.Return{Path: "/"})
		if err != nil {
			return err
		}
		q.Set("switch", "1")
		q.Set("to", sealed)
	}
	redirect(w, http.StatusSeeOther, h.svc.URL("/signed-out?"+q.Encode()))
	return nil
}

// appMe tells scripts of the app who is here.
func (h *Handler) appMe(w http.ResponseWriter, r *http.Request) error {
	app, err := h.appOf(r)
	if err != nil {
		return err
	}
	d, err := h.whoIsHere(r, "/")
	if err != nil {
		return err
	}
	if id := d.Identity; id != nil && !id.Unnamed {
		writeJSON(w, http.StatusOK, userJSON(id.UserID, id.Name, id.Email, id.DisplayName, id.Groups))
		return nil
	}
	start := authcore.StartURL(app, "/", 0, authcore.Need{})
	if wantsProblem(r) {
		h.writeProblem(w, r, http.StatusUnauthorized, signInProblem(&authcore.Decision{}, start))
		return nil
	}
	f := refusals[authcore.Unauthenticated].failure
	f.code, f.action = string(authcore.Unauthenticated), action{Label: "action.sign-in", URL: start}
	h.appFail(w, r, &authcore.Decision{App: app}, http.StatusUnauthorized, f)
	return nil
}

// appDenied is the page of a refusal at an address of its own, for proxies that
// cannot pass ours on. rd is where the person wanted to go.
func (h *Handler) appDenied(w http.ResponseWriter, r *http.Request) error {
	app, err := h.appOf(r)
	if err != nil {
		return err
	}
	asked := r.URL.Query().Has("rd")
	wanted := authcore.SafePath(one(r.URL.Query(), "rd"))
	d, err := h.whoIsHere(r, wanted)
	if err != nil {
		return err
	}
	switch {
	case d.Verdict == authcore.Deny:
		h.denied(w, r, &d)
	case d.Verdict == authcore.BadToken:
		h.Refuse(w, r, &d)
	case asked:
		h.deniedElsewhere(w, r, &d, wanted)
	case d.Verdict == authcore.Allow:
		redirect(w, http.StatusSeeOther, app.Origin.String()+wanted)
	default: // a refused hand-over leaves no session here; the portal knows who it was
		redirect(w, http.StatusSeeOther, authcore.StartURL(app, wanted, 0, d.Need))
	}
	return nil
}

// deniedElsewhere answers for a proxy that was told 403 and shows this page,
// where the page would now be decided about in another way: the session may
// have changed since, or the two do not hear of the same client. The proxy keeps
// its 403, with which no browser follows a redirect.
func (h *Handler) deniedElsewhere(w http.ResponseWriter, r *http.Request, d *authcore.Decision, wanted string) {
	f := failure{
		key: "refused.by-proxy", code: string(authcore.Forbidden),
		action: action{Label: "action.try-again", URL: d.App.Origin.String() + wanted},
	}
	if d.Verdict != authcore.Allow {
		f.key, f.action = "refused.by-proxy-sign-in", action{Label: "action.sign-in", URL: authcore.StartURL(d.App, wanted, 0, d.Need)}
	}
	h.appFail(w, r, d, http.StatusForbidden, f)
}

// notAPageLoad refuses what only a page load may do (DESIGN §4.2).
func (h *Handler) notAPageLoad(w http.ResponseWriter, r *http.Request) {
	if authcore.Negotiate(r.Method, r.Header) == authcore.Prefetch {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	h.problem(w, r, http.StatusUnauthorized, string(authcore.Unauthenticated), "Open this address in a browser tab.")
}

// redirect writes a Location that authcore made; no body repeats it.
func redirect(w http.ResponseWriter, status int, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(status)
}

// userDoc is a user as JSON shows one (DESIGN §7).
type userDoc struct {
	ID          string   `json:"id" doc:"It never changes, and is never used again."`
	Name        string   `json:"name" doc:"The user name. It never changes."`
	Email       string   `json:"email" doc:"The address, which the user has shown to be theirs. It may change."`
	DisplayName string   `json:"display_name" doc:"What pages and apps call the person; may be empty."`
	Groups      []string `json:"groups" doc:"Those that the server's administrator put the user into."`
}

func userJSON(id, name, email, display string, groups []string) userDoc {
	if groups == nil {
		groups = []string{}
	}
	return userDoc{id, name, email, display, groups}
}
