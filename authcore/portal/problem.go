package portal

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// failure is what a person or program is told: the messages key.title, key.what
// and, where there is something to do, key.next.
type failure struct {
	key    string
	code   string // machine code
	detail string // authcore's own sentence, in place of key.next; empty: none
	action
}

// told is a failure in words.
type told struct {
	title string // page heading
	what  string // what happened
	next  string // what to do; empty: nothing
}

// in is what the failure says in a language.
func (f failure) in(l *i18n.Language) told {
	t := told{title: l.Text(f.key + ".title"), what: l.Text(f.key + ".what")}
	if next := f.key + ".next"; l.Has(next) {
		t.next = l.Text(next)
	}
	if key := details()[f.detail]; key != "" {
		t.next = l.Text(key)
	} else if f.detail != "" && l == i18n.English() {
		t.next = f.detail
	}
	return t
}

// detail is both sentences.
func (t told) detail(l *i18n.Language) string {
	if t.next == "" {
		return t.what
	}
	return l.Text("sentences", "first", t.what, "second", t.next)
}

func (f failure) problem(l *i18n.Language) problem {
	t := f.in(l)
	return problem{Title: t.title, Detail: t.detail(l), Code: f.code}
}

// details finds the message of a sentence that authcore puts into a refusal: the
// English catalogue has the same words (a test compares them).
var details = sync.OnceValue(func() map[string]string {
	found := map[string]string{}
	for _, key := range i18n.English().Keys() {
		if strings.HasPrefix(key, "detail.") {
			found[i18n.English().Text(key)] = key
		}
	}
	return found
})

type mapped struct {
	status int
	failure
}

// refusals maps every reason to status, text and code; a test proves it
// complete.
var refusals = map[authcore.Reason]mapped{
	authcore.EmailInvalid:      {400, failure{key: "refused.email-invalid"}},
	authcore.CodeInvalid:       {400, failure{key: "refused.code-invalid"}},
	authcore.CodeExhausted:     {400, failure{key: "refused.code-exhausted"}},
	authcore.FlowExpired:       {400, failure{key: "refused.flow-expired"}},
	authcore.LinkInvalid:       {400, failure{key: "refused.link-invalid"}},
	authcore.InviteInvalid:     {400, failure{key: "refused.invite-invalid"}},
	authcore.MethodOff:         {403, failure{key: "refused.method-off"}},
	authcore.PasskeyRefused:    {400, failure{key: "refused.passkey-refused"}},
	authcore.CredentialUnknown: {400, failure{key: "refused.credential-unknown"}},
	authcore.CredentialTaken:   {409, failure{key: "refused.credential-taken"}},
	authcore.TooMany:           {409, failure{key: "refused.too-many"}},
	authcore.Unauthenticated:   {401, failure{key: "refused.unauthenticated"}},
	authcore.StepUpRequired:    {403, failure{key: "refused.step-up"}},
	authcore.Forbidden:         {403, failure{key: "refused.forbidden"}},
	authcore.NotFound:          {404, failure{key: "refused.not-found"}},
	authcore.NameInvalid:       {400, failure{key: "refused.name-invalid"}},
	authcore.Conflict:          {409, failure{key: "refused.conflict"}},
	authcore.RateLimited:       {429, failure{key: "refused.rate-limited"}},
	authcore.ClientUnknown:     {400, failure{key: "refused.client-unknown"}},
	authcore.OriginForbidden:   {403, failure{key: "refused.origin-forbidden"}},
	authcore.TokenInvalid:      {401, failure{key: "refused.token-invalid"}},
	authcore.TokenReused:       {401, failure{key: "refused.token-reused"}},
	authcore.TOTPInvalid:       {400, failure{key: "refused.totp-invalid"}},
	authcore.RecoveryInvalid:   {400, failure{key: "refused.recovery-invalid"}},
	authcore.GuessesSpent:      {429, failure{key: "refused.guesses-spent"}},
	authcore.Frozen:            {403, failure{key: "refused.frozen"}},
	authcore.ApprovalPending:   {403, failure{key: "refused.approval-pending"}},
	authcore.HandoverFailed:    {400, failure{key: "refused.handover-failed"}},
	authcore.HandoverLoop:      {400, failure{key: "refused.handover-loop"}},
}

// inputFaults maps refusals of requests that were not understood.
func inputFault(err error) (mapped, bool) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return mapped{413, failure{key: "refused.too-large", code: "TOO_LARGE"}}, true
	case errors.Is(err, errForm), errors.Is(err, errJSON):
		return mapped{400, failure{key: "refused.malformed", code: "BAD_REQUEST"}}, true
	case errors.Is(err, errType):
		return mapped{415, failure{key: "refused.media-type", code: "UNSUPPORTED_MEDIA_TYPE"}}, true
	case errors.Is(err, errCross):
		return mapped{403, failure{key: "refused.cross-site", code: "CROSS_SITE"}}, true
	case errors.Is(err, errExpired):
		return mapped{403, failure{key: "refused.form-expired", code: "FORM_EXPIRED"}}, true
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
				m.detail = ref.Detail
			}
			return m, ref
		}
	}
	h.Log.Error("request failed", "path", r.URL.Path, "error", err.Error(), "request_id", requestID(r))
	return mapped{503, failure{key: "refused.unavailable", code: "UNAVAILABLE"}}, nil
}

// refused answers an error: a page to a navigation, a problem to a program.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, err error) {
	m, ref := h.resolve(r, err)
	retryAfter(w, ref)
	if m.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	if ref != nil && len(ref.Methods) > 0 && wantsProblem(r) {
		p := m.problem(h.language(r))
		p.Methods = ref.Methods
		h.writeProblem(w, r, m.status, p)
		return
	}
	h.fail(w, r, m.status, m.failure)
}

// retryAfter says when to come back, where the refusal does.
func retryAfter(w http.ResponseWriter, ref *authcore.Refusal) {
	if ref != nil && ref.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(ref.RetryAfter)))
	}
}

// fail writes a failure in the client's language.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, status int, f failure) {
	l := h.language(r)
	if wantsProblem(r) {
		h.writeProblem(w, r, status, f.problem(l))
		return
	}
	t := f.in(l)
	page, back := h.page(r, t.title), action{Label: "action.back-to-login", URL: h.svc.Base() + "/login"}
	if app := h.svc.App(r.Host); app != nil && !h.svc.Sidecar() { // no assets and no sign-in of ours there
		page, back = h.appPageIn(l, app, nil, t.title), action{Label: "action.back-to-app", URL: app.Origin.String() + "/"}
	}
	if f.action == (action{}) {
		f.action = back
	}
	h.render(w, r, status, errorPage{Page: page, What: t.what, Next: t.next, Action: f.action.in(l), RequestID: requestID(r)})
}

// wantsProblem: scripts and programs, never a page load.
func wantsProblem(r *http.Request) bool {
	k := authcore.Negotiate(r.Method, r.Header)
	return k == authcore.Program || k == authcore.Prefetch
}

// problem is RFC 9457 with our members (DESIGN §7).
type problem struct {
	Type      string   `json:"type" doc:"about:blank. Decide by code."`
	Title     string   `json:"title" doc:"What happened, in a few words for people. It may change."`
	Status    int      `json:"status" doc:"The status of the answer."`
	Detail    string   `json:"detail" doc:"What happened and what to do, in sentences for people. It may change."`
	Code      string   `json:"code" doc:"What happened, for programs. A code does not change its meaning; later versions may have more of them."`
	RequestID string   `json:"request_id" doc:"Finds the request in the server's log."`
	Methods   []string `json:"methods,omitempty" doc:"STEP_UP_REQUIRED: what would do."`
	LoginURL  string   `json:"login_url,omitempty" doc:"On the host of an app, never below /api: where to sign in."`
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

// page starts a page of the portal in the request's language.
func (h *Handler) page(r *http.Request, title string) Page {
	p := h.pages.pageIn(h.language(r), h.svc.Base(), title)
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
