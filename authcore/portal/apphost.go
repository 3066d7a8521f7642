package portal

import (
	"net/http"
	"net/url"
	"strconv"

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

// Refuse answers a request that the guard did not let in.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, d *authcore.Decision) {
	hurry(w, r)
	secure := d.App != nil && d.App.Origin.Scheme == "https"
	dataHeaders(w.Header(), secure)
	if d.Cookie == authcore.BadCookie && d.App != nil {
		http.SetCookie(w, h.svc.ClearCookie(d.App.Origin, h.svc.SessionCookie(d.App.Origin)))
	}
	switch {
	case d.Verdict == authcore.Unavailable:
		h.Log.Error("deciding about a request", "error", d.Err, "request_id", requestID(r))
		w.Header().Set("Retry-After", "10")
		h.appFail(w, r, d, http.StatusServiceUnavailable, failure{
			"Sign-in is not available", "We could not check your session just now.",
			"Try again in a minute.", "UNAVAILABLE",
			action{},
		})
	case d.App == nil:
		h.unconfigured(w, r)
	case d.Verdict == authcore.SignIn, d.Verdict == authcore.StepUp:
		h.signInFirst(w, r, d)
	default:
		h.denied(w, r, d)
	}
}

// signInFirst sends a page load to sign-in, or to a stronger one, and everything
// else a 401 that its client can use (FA-8).
func (h *Handler) signInFirst(w http.ResponseWriter, r *http.Request, d *authcore.Decision) {
	start := authcore.StartURL(d.App, r.URL.RequestURI(), 0, d.Need)
	home := authcore.StartURL(d.App, "/", 0, d.Need) // not where this request goes: it cannot be sent again
	switch authcore.Negotiate(r.Method, r.Header) {
	case authcore.Navigation:
		redirect(w, http.StatusFound, start)
	case authcore.PostOther:
		// Not replayed: the form's page is on another site.
		redirect(w, http.StatusSeeOther, home)
	case authcore.PostSame:
		h.appFail(w, r, d, http.StatusUnauthorized, failure{
			"Your session has ended", "What you sent was not delivered, and this page still holds it.",
			"Sign in in a new tab, come back here and reload; your browser will offer to send it again.", "UNAUTHENTICATED",
			action{Label: "Sign in in a new tab", URL: home, NewTab: true},
		})
	case authcore.Prefetch:
		w.WriteHeader(http.StatusServiceUnavailable)
	case authcore.Program:
		p := problem{
			Title: "Sign in first", Detail: "Nobody is signed in. Open login_url in a browser.", Code: string(authcore.Unauthenticated), LoginURL: home,
		}
		if d.Verdict == authcore.StepUp {
			p.Title, p.Detail, p.Code = "Sign in again", "This needs a stronger or fresher sign-in. Open login_url in a browser.", string(authcore.StepUpRequired)
			p.Methods = d.Need.Methods()
		}
		h.writeProblem(w, r, http.StatusUnauthorized, p)
	}
}

// appFail writes a failure on an app host, where no assets are served.
func (h *Handler) appFail(w http.ResponseWriter, r *http.Request, d *authcore.Decision, status int, f failure) {
	if k := authcore.Negotiate(r.Method, r.Header); k == authcore.Program || k == authcore.Prefetch {
		h.writeProblem(w, r, status, problem{Title: f.title, Detail: f.what + " " + f.next, Code: f.code})
		return
	}
	h.render(w, r, status, errorPage{Page: h.appPage(d.App, d.Identity, f.title), What: f.what, Next: f.next, Action: f.action, RequestID: requestID(r)})
}

func (h *Handler) denied(w http.ResponseWriter, r *http.Request, d *authcore.Decision) {
	if wantsProblem(r) {
		h.problem(w, r, http.StatusForbidden, string(authcore.Forbidden), "You are signed in, but this app is not open to you.")
		return
	}
	h.render(w, r, http.StatusForbidden, deniedPage{
		Page: h.appPage(d.App, d.Identity, "Not open to you"), Rule: d.At, Unnamed: d.Identity != nil && d.Identity.Unnamed, RequestID: requestID(r),
	})
}

func (h *Handler) unconfigured(w http.ResponseWriter, r *http.Request) {
	if wantsProblem(r) {
		h.problem(w, r, http.StatusForbidden, "HOST_NOT_CONFIGURED", "This host is not configured.")
		return
	}
	p := unconfiguredPage{Page: h.appPage(nil, nil, "Not configured"), RequestID: requestID(r)}
	h.render(w, r, http.StatusForbidden, p)
}

// appPage starts a page that is shown on an app host.
func (h *Handler) appPage(app *authcore.App, id *authcore.Identity, title string) Page {
	p := h.pages.page(authcore.ReservedPrefix, title)
	if !h.svc.Sidecar() {
		p.Standalone, p.Portal = true, h.svc.Portal().String()
	}
	if app != nil {
		p.App, p.Secure = app.Origin.String(), app.Origin.Scheme == "https"
	}
	if id != nil {
		p.SignedInAs = id.Email
	}
	return p
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
	if tries >= 3 {
		h.bounced(w, r, app, SafeRetry(q.Get("rd")))
		return nil
	}
	// One nonce per browser and host, reused while it is there, so that two
	// tabs work.
	nonce, ok := authcore.FindCookie(r.Header["Cookie"], h.svc.FlowCookie(app.Origin))
	if !ok {
		if nonce, err = h.svc.NewToken(); err != nil {
			return err
		}
		http.SetCookie(w, h.svc.Cookie(app.Origin, h.svc.FlowCookie(app.Origin), nonce, 0))
	}
	sealed, err := h.svc.SealReturn(app, authcore.Return{Path: q.Get("rd"), Tries: max(0, tries), Need: authcore.ParseNeed(q)}, nonce)
	if err != nil {
		return err
	}
	redirect(w, http.StatusFound, h.svc.URL("/login?to="+url.QueryEscape(sealed)))
	return nil
}

// SafeRetry is the local path that starts a sign-in afresh.
func SafeRetry(rd string) string {
	return authcore.ReservedPrefix + "/start?rd=" + url.QueryEscape(authcore.SafePath(rd))
}

// bounced stops a sign-in that came back three times and says why.
func (h *Handler) bounced(w http.ResponseWriter, r *http.Request, app *authcore.App, retry string) {
	page := bouncesPage{Page: h.appPage(app, nil, "Sign-in goes in circles"), Expected: app.Origin.String(), Retry: retry, RequestID: requestID(r)}
	if _, ok := authcore.FindCookie(r.Header["Cookie"], h.svc.FlowCookie(app.Origin)); !ok {
		page.Cause = bounceCookie
	}
	h.render(w, r, http.StatusBadRequest, page)
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
	if d, err := h.whoIsHere(r); err == nil && d.Identity != nil { // a late ticket, and this browser is in already
		redirect(w, http.StatusSeeOther, app.Origin.String()+"/")
		return nil
	}
	redirect(w, http.StatusSeeOther, authcore.StartURL(app, got.Path, got.Tries+1, authcore.Need{}))
	return nil
}

// whoIsHere decides about the app's front page, where these addresses lead.
func (h *Handler) whoIsHere(r *http.Request) (authcore.Decision, error) {
	d := h.svc.Check(r.Context(), &authcore.Request{Host: r.Host, Path: "/", Here: "/", Cookies: r.Header["Cookie"]})
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
	d, err := h.whoIsHere(r)
	if err != nil {
		return err
	}
	if d.Identity == nil {
		redirect(w, http.StatusSeeOther, h.svc.URL("/signed-out"))
		return nil
	}
	h.render(w, r, http.StatusOK, logoutPage{h.appPage(app, d.Identity, "Sign out"), app.Origin.String() + "/"})
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
	d, err := h.whoIsHere(r)
	if err != nil {
		return err
	}
	if err := h.svc.SignOutApp(r.Context(), &d, h.client(r)); err != nil {
		return err
	}
	http.SetCookie(w, h.svc.ClearCookie(app.Origin, h.svc.SessionCookie(app.Origin)))
	w.Header().Set("Clear-Site-Data", `"cache"`) // SE-4: the back button shows nothing
	redirect(w, http.StatusSeeOther, h.svc.URL("/signed-out?app="+url.QueryEscape(app.Origin.Host)))
	return nil
}

// appMe tells scripts of the app who is here.
func (h *Handler) appMe(w http.ResponseWriter, r *http.Request) error {
	d, err := h.whoIsHere(r)
	if err != nil {
		return err
	}
	if d.Identity == nil || d.Identity.Unnamed {
		return &authcore.Refusal{Reason: authcore.Unauthenticated}
	}
	id := d.Identity
	writeJSON(w, http.StatusOK, userJSON(id.UserID, id.Name, id.Email, id.DisplayName, id.Groups))
	return nil
}

func (h *Handler) appDenied(w http.ResponseWriter, r *http.Request) error {
	app, err := h.appOf(r)
	if err != nil {
		return err
	}
	d, err := h.whoIsHere(r)
	if err != nil {
		return err
	}
	switch {
	case d.Identity == nil: // a refused hand-over leaves no session here; the portal knows who it was
		redirect(w, http.StatusSeeOther, authcore.StartURL(app, "/", 0, authcore.Need{}))
	case d.Verdict == authcore.Allow:
		redirect(w, http.StatusSeeOther, app.Origin.String()+"/")
	default:
		h.denied(w, r, &d)
	}
	return nil
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
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Email       string   `json:"email"`
	DisplayName string   `json:"display_name"`
	Groups      []string `json:"groups"`
}

func userJSON(id, name, email, display string, groups []string) userDoc {
	if groups == nil {
		groups = []string{}
	}
	return userDoc{id, name, email, display, groups}
}
