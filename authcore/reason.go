package authcore

import (
	"errors"
	"time"
)

// Reason is the machine code of a refusal. The portal maps each to a status
// and a sentence; a test proves that map complete.
type Reason string

// Reasons. Their text is the "code" member of problem documents (DESIGN §7).
const (
	EmailInvalid      Reason = "EMAIL_INVALID"
	CodeInvalid       Reason = "CODE_INVALID"   // not the code of this flow
	CodeExhausted     Reason = "CODE_EXHAUSTED" // five wrong ones: the flow is gone
	FlowExpired       Reason = "FLOW_EXPIRED"   // unknown, used or too old
	LinkInvalid       Reason = "LINK_INVALID"   // unknown, used or too old
	InviteInvalid     Reason = "INVITE_INVALID"
	MethodOff         Reason = "METHOD_OFF"         // this way to sign in is switched off
	PasskeyRefused    Reason = "PASSKEY_REFUSED"    // the ceremony proved nothing
	CredentialUnknown Reason = "CREDENTIAL_UNKNOWN" // a passkey that belongs to nobody here
	CredentialTaken   Reason = "CREDENTIAL_TAKEN"   // it is registered already
	TooMany           Reason = "TOO_MANY"           // a cap is reached
	Unauthenticated   Reason = "UNAUTHENTICATED"
	StepUpRequired    Reason = "STEP_UP_REQUIRED"
	Forbidden         Reason = "FORBIDDEN"
	NotFound          Reason = "NOT_FOUND"
	NameInvalid       Reason = "NAME_INVALID"
	Conflict          Reason = "CONFLICT"
	RateLimited       Reason = "RATE_LIMITED"
	ClientUnknown     Reason = "CLIENT_UNKNOWN"
	OriginForbidden   Reason = "ORIGIN_FORBIDDEN" // a page of another origin than the client's
	TokenInvalid      Reason = "TOKEN_INVALID"
	TokenReused       Reason = "TOKEN_REUSED"
	TOTPInvalid       Reason = "TOTP_INVALID"     // not a code of the authenticator app, or used already
	RecoveryInvalid   Reason = "RECOVERY_INVALID" // not a recovery code, or used already
	GuessesSpent      Reason = "GUESSES_SPENT"    // too many wrong second steps in a day
	Frozen            Reason = "FROZEN"           // its owner said "not me"; nothing is added until confirmed
	ApprovalPending   Reason = "APPROVAL_PENDING" // asked for an account; an admin decides
	HandoverFailed    Reason = "HANDOVER_FAILED"  // the ticket, its nonce or its session is gone
	HandoverLoop      Reason = "HANDOVER_LOOP"    // the app's cookie does not come back
)

// Reasons lists every reason, for tables that must be complete.
func Reasons() []Reason {
	return []Reason{
		EmailInvalid, CodeInvalid, CodeExhausted, FlowExpired, LinkInvalid, InviteInvalid, MethodOff,
		PasskeyRefused, CredentialUnknown, CredentialTaken, TooMany, Unauthenticated, StepUpRequired,
		Forbidden, NotFound, NameInvalid, Conflict, RateLimited, ClientUnknown, OriginForbidden, TokenInvalid,
		TokenReused, TOTPInvalid, RecoveryInvalid, GuessesSpent, Frozen, ApprovalPending, HandoverFailed, HandoverLoop,
	}
}

// Refusal says no to a person or client. It is an error for the caller's
// convenience and a committed result in the store.
type Refusal struct {
	Reason     Reason
	RetryAfter time.Duration // RateLimited: when to come back
	Methods    []string      // StepUpRequired: what would satisfy it
	Detail     string        // NameInvalid, Conflict …: a fixed sentence; never input

	about   string // the user concerned, for the audit log
	counted bool   // a wrong code that costs a try
}

// Error is the machine code.
func (r *Refusal) Error() string { return string(r.Reason) }

// AsRefusal finds a refusal in err's chain.
func AsRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

func refuse(r Reason) *Refusal { return &Refusal{Reason: r} }
