package portal

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// failure is what a person or program is told. All texts are fixed (WB-1).
type failure struct {
	title string // page heading
	what  string // what happened
	next  string // what to do
	code  string // machine code
	action
}

type mapped struct {
	status int
	failure
}

// refusals maps every reason to status, text and code; a test proves it
// complete.
var refusals = map[authcore.Reason]mapped{
	authcore.EmailInvalid: {400, failure{
		"Check the address", "That is not an e-mail address we can use.",
		"Write it like name@example.com.", "",
		action{},
	}},
	authcore.CodeInvalid: {400, failure{
		"Wrong code", "That is not the code from the newest mail.",
		"Check the eight digits and try again.", "",
		action{},
	}},
	authcore.CodeExhausted: {400, failure{
		"Too many wrong codes", "The code was mistyped five times and no longer works.",
		"Ask for a new mail.", "",
		action{},
	}},
	authcore.FlowExpired: {400, failure{
		"Start again", "This sign-in was used, is too old, or began in another browser.",
		"Start again; it takes a moment.", "",
		action{},
	}},
	authcore.LinkInvalid: {400, failure{
		"This link no longer works", "It was used already, is too old, or a newer mail replaced it.",
		"Use the newest mail, or sign in again.", "",
		action{},
	}},
	authcore.InviteInvalid: {400, failure{
		"This invitation no longer works", "It was used already or is too old.",
		"Ask whoever invited you for a new one.", "",
		action{},
	}},
	authcore.MethodOff: {403, failure{
		"Not available", "This way to sign in is switched off here.",
		"Use another way to sign in.", "",
		action{},
	}},
	authcore.PasskeyRefused: {400, failure{
		"The passkey was not accepted", "Your device's answer did not fit what we asked.",
		"Try again, or sign in by e-mail.", "",
		action{},
	}},
	authcore.CredentialUnknown: {400, failure{
		"Unknown passkey", "That passkey is not registered here any more.",
		"Use another passkey, or sign in by e-mail and add a new one.", "",
		action{},
	}},
	authcore.CredentialTaken: {409, failure{
		"Already registered", "That passkey is registered already.",
		"Choose another device or password manager.", "",
		action{},
	}},
	authcore.TooMany: {409, failure{
		"That is the limit", "There are as many of these as one account may have.",
		"Remove one first.", "",
		action{},
	}},
	authcore.Unauthenticated: {401, failure{
		"Sign in first", "You are not signed in, or your session has ended.",
		"Sign in and try again.", "",
		action{},
	}},
	authcore.StepUpRequired: {403, failure{
		"Confirm it is you", "This needs a fresh confirmation.",
		"Confirm it is you, then try again.", "",
		action{},
	}},
	authcore.Forbidden: {403, failure{
		"Not allowed", "You are not allowed to do this.",
		"Ask an administrator of this site.", "",
		action{},
	}},
	authcore.NotFound: {404, failure{
		"Not found", "It is not there, or not yours.",
		"Reload the page to see what is there now.", "",
		action{},
	}},
	authcore.NameInvalid: {400, failure{
		"Check the name", "That name cannot be used.",
		"Use 1 to 64 characters.", "",
		action{},
	}},
	authcore.Conflict: {409, failure{
		"That does not fit", "It conflicts with what is there.",
		"Reload the page and try again.", "",
		action{},
	}},
	authcore.RateLimited: {429, failure{
		"Too many requests", "There were too many requests from your network.",
		"Wait a moment, then try again.", "",
		action{},
	}},
	authcore.ClientUnknown: {400, failure{
		"Unknown client", "No API client of that name is configured.",
		"Use the client_id from the server's configuration.", "",
		action{},
	}},
	authcore.OriginForbidden: {403, failure{
		"Not from this page", "The page that asks is none of that client's.",
		"Add its origin to the client in the server's configuration.", "",
		action{},
	}},
	authcore.TokenInvalid: {401, failure{
		"Token not accepted", "The token is unknown, used or expired.",
		"Sign in again.", "",
		action{},
	}},
	authcore.TokenReused: {401, failure{
		"Token used twice", "The refresh token had been used before, so its session was ended.",
		"Sign in again.", "",
		action{},
	}},
	authcore.TOTPInvalid: {400, failure{
		"Wrong code", "That is not the code that your authenticator app shows now, or it was used already.",
		"Wait for the next code and try again.", "",
		action{},
	}},
	authcore.RecoveryInvalid: {400, failure{
		"Wrong recovery code", "That is none of your unused recovery codes.",
		"Check it against your list, or use another one.", "",
		action{},
	}},
	authcore.GuessesSpent: {429, failure{
		"Too many wrong codes", "There were too many wrong codes for this account today.",
		"Use a passkey, or come back tomorrow.", "",
		action{},
	}},
	authcore.Frozen: {403, failure{
		"Nothing can be added now", "Somebody said that they did not recognise something in this account, so nothing can be added to it.",
		"Confirm with a passkey or recovery code from before, or ask an administrator.", "",
		action{},
	}},
	authcore.ApprovalPending: {403, failure{
		"An administrator decides", "Your request for an account has arrived.",
		"You get a mail once it is approved.", "",
		action{},
	}},
	authcore.HandoverFailed: {400, failure{
		"Sign-in did not arrive", "The hand-over to this app was used, is too old, or began in another browser.",
		"Try again.", "",
		action{},
	}},
	authcore.HandoverLoop: {400, failure{
		"Sign-in goes in circles", "The app's cookie does not come back.",
		"Allow cookies for the app, then try again.", "",
		action{},
	}},
}

// inputFaults maps refusals of requests that were not understood.
func inputFault(err error) (mapped, bool) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return mapped{413, failure{"Too large", "The request is larger than this takes.", "Send less.", "TOO_LARGE", action{}}}, true
	case errors.Is(err, errForm), errors.Is(err, errJSON):
		return mapped{400, failure{
			"Not understood", "The request is malformed: an unknown, missing, doubled or mistyped field.",
			"Go back, reload the page and try again.", "BAD_REQUEST",
			action{},
		}}, true
	case errors.Is(err, errType):
		return mapped{415, failure{
			"Not understood", "The content type is not the one this takes.",
			"Send what the documentation says.", "UNSUPPORTED_MEDIA_TYPE",
			action{},
		}}, true
	case errors.Is(err, errCross):
		return mapped{403, failure{
			"Not from here", "The request came from another site, or your browser hid where it came from.",
			"Open the page here and try again.", "CROSS_SITE",
			action{},
		}}, true
	case errors.Is(err, errExpired):
		return mapped{403, failure{
			"This page is too old", "Your browser did not send back the cookie that this page was made with.",
			"Allow cookies for this site, reload the page and try again.", "FORM_EXPIRED",
			action{},
		}}, true
	}
	return mapped{}, false
}

// resolve turns an error into what is told; anything unmapped is ours, and
// its detail goes to the log only.
func (h *Handler) resolve(r *http.Request, err error) (mapped, *authcore.Refusal) {
	if m, ok := inputFault(err); ok {
		return m, nil
	}
	if ref, ok := authcore.AsRefusal(err); ok {
		m, ok := refusals[ref.Reason]
		if ok {
			m.code = string(ref.Reason)
			if ref.Detail != "" && (ref.Reason == authcore.EmailInvalid || ref.Reason == authcore.NameInvalid || ref.Reason == authcore.Conflict) {
				m.next = ref.Detail
			}
			return m, ref
		}
	}
	h.Log.Error("request failed", "path", r.URL.Path, "error", err.Error(), "request_id", requestID(r))
	return mapped{503, failure{
		"Something is wrong on our side", "We could not reach what we need to answer.",
		"Try again in a minute. If it stays, tell an administrator the code below.", "UNAVAILABLE",
		action{},
	}}, nil
}

// refused answers an error: a page to a navigation, a problem to a program.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, err error) {
	m, ref := h.resolve(r, err)
	if ref != nil && ref.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(math.Ceil(ref.RetryAfter.Seconds()))))
	}
	if m.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	if ref != nil && len(ref.Methods) > 0 && wantsProblem(r) {
		h.writeProblem(w, r, m.status, problem{Title: m.title, Detail: m.what + " " + m.next, Code: m.code, Methods: ref.Methods})
		return
	}
	h.fail(w, r, m.status, m.failure)
}

// fail writes a failure in the client's language.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, status int, f failure) {
	if wantsProblem(r) {
		h.writeProblem(w, r, status, problem{Title: f.title, Detail: f.what + " " + f.next, Code: f.code})
		return
	}
	page, back := h.page(f.title), action{Label: "Back to sign-in", URL: h.svc.Base() + "/login"}
	if app := h.svc.App(r.Host); app != nil && !h.svc.Sidecar() { // no assets and no sign-in of ours there
		page, back = h.appPage(app, nil, f.title), action{Label: "Back to the app", URL: app.Origin.String() + "/"}
	}
	if f.action == (action{}) {
		f.action = back
	}
	h.render(w, r, status, errorPage{Page: page, What: f.what, Next: f.next, Action: f.action, RequestID: requestID(r)})
}

// wantsProblem: scripts and programs, never a page load.
func wantsProblem(r *http.Request) bool {
	k := authcore.Negotiate(r.Method, r.Header)
	return k == authcore.Program || k == authcore.Prefetch
}

// problem is RFC 9457 with our members (DESIGN §7).
type problem struct {
	Type      string   `json:"type"`
	Title     string   `json:"title"`
	Status    int      `json:"status"`
	Detail    string   `json:"detail"`
	Code      string   `json:"code"`
	RequestID string   `json:"request_id"`
	Methods   []string `json:"methods,omitempty"`
	LoginURL  string   `json:"login_url,omitempty"`
}

func (h *Handler) problem(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	h.writeProblem(w, r, status, problem{Title: http.StatusText(status), Detail: detail, Code: code})
}

func (h *Handler) writeProblem(w http.ResponseWriter, r *http.Request, status int, p problem) {
	p.Type, p.Status, p.RequestID = "about:blank", status, requestID(r)
	if p.Type == "about:blank" && p.Title == "" {
		p.Title = http.StatusText(status)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	writeJSON(w, status, p)
}

// writeJSON answers a value; the content type may have been set before.
func writeJSON(w http.ResponseWriter, status int, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away needs no answer
}

// page starts a page of the portal.
func (h *Handler) page(title string) Page {
	p := h.pages.page(h.svc.Base(), title)
	p.Secure = h.svc.Portal().Scheme == "https"
	return p
}

func (h *Handler) render(w http.ResponseWriter, r *http.Request, status int, v view) {
	if err := h.pages.render(w, status, v); err != nil {
		h.Log.Error("rendering a page", "error", err, "request_id", requestID(r))
	}
}

// seconds rounds a wait up, for pages and JSON.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
