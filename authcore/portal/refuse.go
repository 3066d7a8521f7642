package portal

import (
	"net/http"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// What a person or a program gets in place of an app that did not let the
// request in (DESIGN §9). People get pages that need no assets: an app's host
// serves none of ours. Programs get problems, and never a redirect (FA-8).

// Refuse answers a request that the guard did not let in.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, d *authcore.Decision) {
	hurry(w, r)
	dataHeaders(w.Header(), d.App != nil && d.App.Origin.Scheme == "https")
	if d.Cookie == authcore.BadCookie && d.App != nil {
		http.SetCookie(w, h.svc.ClearCookie(d.App.Origin, h.svc.SessionCookie(d.App.Origin)))
	}
	switch {
	case d.Verdict == authcore.Unavailable:
		h.Log.Error("deciding about a request", "error", d.Err, "request_id", requestID(r))
		w.Header().Set("Retry-After", "10")
		h.appFail(w, r, d, http.StatusServiceUnavailable, failure{key: "refused.session-unknown", code: "UNAVAILABLE"})
	case d.App == nil:
		h.unconfigured(w, r)
	case d.Verdict == authcore.BadToken:
		h.Log.Info("an access token was not accepted", "host", d.App.Origin.Host, "client", h.client(r).IP, "request_id", requestID(r))
		challenge(w, r, d)
		h.writeProblem(w, r, http.StatusUnauthorized, problem{
			Title: "Token not accepted", Detail: "The access token is unknown, expired or revoked, or it is for another app.", Code: string(authcore.TokenInvalid),
		})
	case d.Verdict == authcore.SignIn, d.Verdict == authcore.StepUp:
		h.signInFirst(w, r, d)
	default:
		h.denied(w, r, d)
	}
}

// Fail answers with a refusal of the caller's own, on any host: a page for
// people, a problem for programs. Title and detail are fixed texts (WB-1), and in
// English: they are for whoever sets up the proxy that asks.
func (h *Handler) Fail(w http.ResponseWriter, r *http.Request, status int, code, title, detail string) {
	hurry(w, r)
	app := h.svc.App(r.Host)
	dataHeaders(w.Header(), app != nil && app.Origin.Scheme == "https")
	h.tell(w, r, &authcore.Decision{App: app}, status, i18n.English(), told{title: title, what: detail}, code, action{})
}

// signInFirst sends a page load to sign-in, or to a stronger one, and everything
// else a 401 that its client can use (FA-8).
func (h *Handler) signInFirst(w http.ResponseWriter, r *http.Request, d *authcore.Decision) {
	why := astray(r, d.App.Origin)
	home := why.with(authcore.StartURL(d.App, "/", 0, d.Need)) // not where this request goes: it cannot be sent again
	switch authcore.Negotiate(r.Method, r.Header) {
	case authcore.Navigation:
		redirect(w, http.StatusFound, why.with(authcore.StartURL(d.App, r.URL.RequestURI(), 0, d.Need)))
	case authcore.PostOther:
		// Not replayed: the form's page is on another site.
		redirect(w, http.StatusSeeOther, home)
	case authcore.PostSame:
		f := failure{
			key: "refused.session-ended", code: "UNAUTHENTICATED", action: action{Label: "action.sign-in-new-tab", URL: home, NewTab: true},
		}
		if d.Verdict == authcore.StepUp {
			f.key, f.code, f.Label = "refused.confirm-first", string(authcore.StepUpRequired), "action.confirm-new-tab"
		}
		h.appFail(w, r, d, http.StatusUnauthorized, f)
	case authcore.Prefetch:
		w.WriteHeader(http.StatusServiceUnavailable)
	case authcore.Program:
		challenge(w, r, d)
		h.writeProblem(w, r, http.StatusUnauthorized, signInProblem(d, home))
	}
}

// challenge asks a program for an access token, where one would help.
func challenge(w http.ResponseWriter, r *http.Request, d *authcore.Decision) {
	if c := d.Challenge(r.Header); c != "" {
		w.Header().Set("Www-Authenticate", c)
	}
}

// signInProblem tells a program where its person signs in.
func signInProblem(d *authcore.Decision, login string) problem {
	if d.Verdict == authcore.StepUp {
		return problem{
			Title: "Sign in again", Detail: "This needs a stronger or fresher sign-in. Open login_url in a browser.",
			Code: string(authcore.StepUpRequired), Methods: d.Need.Methods(), LoginURL: login,
		}
	}
	return problem{
		Title: "Sign in first", Detail: "Nobody is signed in. Open login_url in a browser.",
		Code: string(authcore.Unauthenticated), LoginURL: login,
	}
}

// appFail writes a failure on an app host, where no assets are served.
func (h *Handler) appFail(w http.ResponseWriter, r *http.Request, d *authcore.Decision, status int, f failure) {
	l := h.language(r)
	h.tell(w, r, d, status, l, f.in(l), f.code, f.action.in(l))
}

// tell is appFail in a language of the caller's.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, d *authcore.Decision, status int, l *i18n.Language, t told, code string, a action) {
	if wantsProblem(r) {
		h.writeProblem(w, r, status, problem{Title: t.title, Detail: t.detail(l), Code: code})
		return
	}
	h.render(w, r, status, errorPage{Page: h.appPageIn(l, d.App, d.Identity, t.title), What: t.what, Next: t.next, Action: a, RequestID: requestID(r)})
}

// denied says no to somebody, or to a network. The page tells where the rule
// stands and never what it says; the log tells the rest under the request's id.
func (h *Handler) denied(w http.ResponseWriter, r *http.Request, d *authcore.Decision) {
	client, user := h.client(r), ""
	if d.Identity != nil {
		user = d.Identity.UserID
	}
	h.Log.Info("a request was refused", "host", d.App.Origin.Host, "why", string(d.Why), "at", d.At, "user", user, "client", client.IP, "request_id", requestID(r))
	if wantsProblem(r) || d.Token {
		code, detail := deniedProblem(d, client.IP.IsValid())
		h.problem(w, r, http.StatusForbidden, code, detail)
		return
	}
	if d.Why == authcore.WhyNetwork {
		page := networkPage{Page: h.appPage(r, d.App, d.Identity, "network.title"), RequestID: requestID(r)}
		if client.IP.IsValid() {
			page.Client = client.IP.Unmap().String()
		}
		if d.Identity != nil {
			page.Rule = d.At
		}
		h.render(w, r, http.StatusForbidden, page)
		return
	}
	h.render(w, r, http.StatusForbidden, deniedPage{
		Page: h.appPage(r, d.App, d.Identity, "denied.title"), Rule: d.At, Unnamed: d.Why == authcore.WhyName, RequestID: requestID(r),
	})
}

func deniedProblem(d *authcore.Decision, known bool) (code, detail string) {
	switch {
	case d.Why == authcore.WhyNetwork && known:
		return "NETWORK_FORBIDDEN", "This is open from certain networks only, and your address is in none of them."
	case d.Why == authcore.WhyNetwork:
		return "NETWORK_FORBIDDEN", "This is open from certain networks only, and the proxy in front did not tell your address."
	case d.Why == authcore.WhyToken:
		return string(authcore.Forbidden), "The access token does not reach this path, method or network, or none is taken here."
	case d.Why == authcore.WhyName:
		return string(authcore.Forbidden), "You are signed in, but your account needs a user name before apps open. An administrator gives it one."
	}
	return string(authcore.Forbidden), "You are signed in, but this app is not open to you."
}

func (h *Handler) unconfigured(w http.ResponseWriter, r *http.Request) {
	if wantsProblem(r) {
		h.problem(w, r, http.StatusForbidden, "HOST_NOT_CONFIGURED", "This host is not configured.")
		return
	}
	p := unconfiguredPage{Page: h.appPage(r, nil, nil, "unconfigured.title"), RequestID: requestID(r)}
	h.render(w, r, http.StatusForbidden, p)
}

// appPage starts a page that is shown on an app host; title is a message key.
func (h *Handler) appPage(r *http.Request, app *authcore.App, id *authcore.Identity, title string) Page {
	l := h.language(r)
	return h.appPageIn(l, app, id, l.Text(title))
}

// appPageIn is appPage in a language of the caller's, and title its text.
func (h *Handler) appPageIn(l *i18n.Language, app *authcore.App, id *authcore.Identity, title string) Page {
	p := h.pages.pageIn(l, authcore.ReservedPrefix, title)
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
