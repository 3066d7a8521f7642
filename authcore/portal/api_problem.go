package portal

import (
	"errors"
	"net/http"
	"reflect"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/strictjson"
)

// What programs are told when something is refused: in English, by a code that
// does not change. People get other words (problem.go).

// apiFault is a request that is refused before authcore is asked.
type apiFault struct {
	status       int
	code, detail string
}

func (f *apiFault) Error() string { return f.code }

var (
	errKey   = &apiFault{http.StatusBadRequest, "BAD_REQUEST", keyHeader + " stands once and has 16 to 64 visible ASCII characters. Draw a new UUID for each sign-in."}
	errGrant = &apiFault{http.StatusBadRequest, "GRANT_INVALID", ""}
)

// misfit is errJSON that says which member is wrong: by a name of ours, never in
// words of the sender's.
type misfit string

func (m misfit) Error() string { return string(m) }

// Is makes an errJSON of it, which is all that pages tell.
func (m misfit) Is(target error) bool { return target == errJSON }

// misfitOf says what strictjson has against a document.
func misfitOf(err error, into any) error {
	var bad *strictjson.MemberError
	switch {
	case errors.Is(err, strictjson.ErrUnknown):
		return misfit("There is an unknown member. Names are compared exactly, their case too.")
	case !errors.As(err, &bad):
		return errJSON
	case bad.Wrong == strictjson.Twice:
		return misfit("The member " + bad.Name + " stands twice.")
	case bad.Wrong == strictjson.Null:
		return misfit("The member " + bad.Name + " is null. Leave it out, or give it a value.")
	}
	for _, f := range members(reflect.TypeOf(into).Elem()) {
		if f.name == bad.Name {
			return wrongType(f)
		}
	}
	return errJSON // of an embedded struct: a page's
}

func wrongType(f member) error {
	t, kind := f.Type, "a string"
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == rawType:
		kind = "an object"
	case t.Kind() == reflect.Slice:
		kind = "a list of strings"
	case t.Kind() == reflect.Int64:
		kind = "a whole number"
	}
	return misfit("The member " + f.name + " is not " + kind + ".")
}

// apiText is what a code means, for the problem and for the OpenAPI document.
type apiText struct{ title, detail string }

var apiTexts = map[string]apiText{
	string(authcore.EmailInvalid):      {"Not an address", "That is not an e-mail address that is taken here."},
	string(authcore.CodeInvalid):       {"Wrong code", "That is not the code of this flow's newest mail."},
	string(authcore.CodeExhausted):     {"Too many wrong codes", "It was the fifth wrong code, and the flow is gone. Begin again."},
	string(authcore.FlowExpired):       {"No such flow", "The flow is unknown, used or too old, or another client or page began it. Begin again."},
	string(authcore.MethodOff):         {"Switched off", "No client is configured, or this way to sign in, or deleting one's own account, is switched off."},
	string(authcore.ApprovalPending):   {"An administrator decides", "The address has no account. It asks for one now, and gets a mail once that is approved."},
	string(authcore.PasskeyRefused):    {"Passkey not accepted", "The credential does not answer the options: challenge, origin, rp_id, signature, user verification or owner do not fit."},
	string(authcore.CredentialUnknown): {"Unknown passkey", "That passkey is not registered here."},
	string(authcore.CredentialTaken):   {"Passkey taken", "That passkey is registered already."},
	string(authcore.TooMany):           {"Too many", "The account has as many of these as it may have. Remove one first."},
	string(authcore.Unauthenticated):   {"Not signed in", "Send Authorization: Bearer with the session token. There was none, it has ended, or it is of another kind; an access token opens GET /api/me only."},
	string(authcore.StepUpRequired):    {"Sign in again first", "This needs a sign-in of the last 15 minutes by one of the methods. Sign in again with one of them, and go on with the new session token."},
	string(authcore.NotFound):          {"Not found", "It is not there, not yours, or not open to you."},
	string(authcore.NameInvalid):       {"Not a name", "Names have 1 to 64 characters, and no control characters."},
	string(authcore.Conflict):          {"Does not fit", "It conflicts with what the account has."},
	string(authcore.RateLimited):       {"Too many requests", "Come back after as many seconds as Retry-After says."},
	string(authcore.ClientUnknown):     {"Unknown client", "There is no client of that client_id, or several and none was named."},
	string(authcore.OriginForbidden):   {"Not from this page", "The request comes from a web page whose origin is none of that client's or, for passkeys, a guarded app's."},
	string(authcore.TokenInvalid):      {"Refresh token not accepted", "It is unknown or expired, or its session has ended. Sign in again."},
	string(authcore.TokenReused):       {"Refresh token used twice", "It had been used before, so its session was ended. Sign in again."},
	string(authcore.TOTPInvalid):       {"Wrong code", "That is not what the authenticator app shows now, it was used already, or the account has no such app."},
	string(authcore.RecoveryInvalid):   {"Wrong recovery code", "That is none of the account's unused recovery codes."},
	string(authcore.GuessesSpent):      {"Too many wrong codes today", "The account had 30 wrong second steps in a day. A passkey works still."},
	string(authcore.Frozen):            {"Nothing can be changed", "Its owner did not recognise something in the account. It stays as it is until a passkey or recovery code from before, or an administrator, confirms."},

	errGrant.code:            {"Not a grant", "Write app (the host name, without a port), and what you want of path, methods and networks; or all of it into grant, as app=HOST,path=/x/*,methods=GET+PUT,networks=10.0.0.0/8."},
	"BAD_REQUEST":            {"Not understood", "The JSON is malformed, or a member is unknown, missing, doubled or of the wrong type or value."},
	"UNSUPPORTED_MEDIA_TYPE": {"Not JSON", "Send Content-Type: application/json, in UTF-8, and no Content-Encoding."},
	"TOO_LARGE":              {"Too large", "A body has 64 KiB at most."},
	"UNAVAILABLE":            {"Not available", "The server could not reach what it needs to answer. Try again; its log has the request's id."},
}

// apiRefused answers a problem whatever the client looks like.
func (h *Handler) apiRefused(w http.ResponseWriter, r *http.Request, err error) {
	var fault *apiFault
	if errors.As(err, &fault) {
		h.apiProblem(w, r, fault.status, fault.code, problem{Detail: fault.detail})
		return
	}
	m, ref := h.resolve(r, err)
	p := problem{}
	if said := misfit(""); errors.As(err, &said) {
		p.Detail = string(said)
	}
	if ref != nil {
		p.Methods = ref.Methods
		switch ref.Reason {
		case authcore.EmailInvalid, authcore.NameInvalid, authcore.Conflict, authcore.NotFound:
			p.Detail = ref.Detail // a fixed sentence that says more
		}
		if ref.RetryAfter > 0 {
			w.Header().Set("Retry-After", itoa(seconds(ref.RetryAfter)))
		}
		if ref.Reason == authcore.RateLimited { // by whatever limit
			w.Header().Set("RateLimit-Remaining", "0")
			w.Header().Set("RateLimit-Reset", itoa(seconds(ref.RetryAfter)))
		}
	}
	switch m.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "10")
	}
	h.apiProblem(w, r, m.status, m.code, p)
}

// apiProblem writes a problem in the words of its code.
func (h *Handler) apiProblem(w http.ResponseWriter, r *http.Request, status int, code string, p problem) {
	text := apiTexts[code]
	p.Title, p.Code = text.title, code
	if p.Detail == "" {
		p.Detail = text.detail
	}
	h.writeProblem(w, r, status, p)
}
