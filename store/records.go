package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Hash is the SHA-256 of a secret. Secrets themselves are never stored.
type Hash [32]byte

// MarshalText encodes h as 43 characters of unpadded base64url, so that a
// record holds a short string and not a list of 32 numbers.
func (h Hash) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, h[:]), nil
}

// UnmarshalText accepts exactly what MarshalText writes.
func (h *Hash) UnmarshalText(text []byte) error {
	var b [len(h)]byte
	enc := base64.RawURLEncoding.Strict()
	if len(text) != enc.EncodedLen(len(h)) {
		return fmt.Errorf("decoding hash: %d characters instead of %d", len(text), enc.EncodedLen(len(h)))
	}
	n, err := enc.Decode(b[:], text)
	if err == nil && n != len(h) { // line breaks are skipped by the decoder
		err = errors.New("foreign characters")
	}
	if err != nil {
		return fmt.Errorf("decoding hash: %w", err)
	}
	copy(h[:], b[:])
	return nil
}

// User is a person. Email and Name are canonical and compared byte by byte.
type User struct {
	ID          string    `json:"id"`           // opaque, 26 characters, never reused
	Email       string    `json:"email"`        // canonical, unique
	Name        string    `json:"name"`         // Remote-User; the e-mail address unless named; unique, immutable once set by an admin
	DisplayName string    `json:"display_name"` // for people; may be empty
	Groups      []string  `json:"groups,omitempty"`
	Handle      []byte    `json:"handle"` // WebAuthn user handle: 64 random bytes, unique
	Epoch       uint64    `json:"epoch"`  // sessions, flows, tickets and refresh tokens of an older epoch are dead
	Disabled    bool      `json:"disabled,omitempty"`
	Admin       bool      `json:"admin,omitempty"`   // an admin invitation was accepted; the role also needs a passkey or TOTP (BT-1)
	Named       bool      `json:"named,omitempty"`   // Name was given by an admin or invitation
	Unnamed     bool      `json:"unnamed,omitempty"` // the address once was somebody else's user name: reaches no app until an admin names them
	CreatedAt   time.Time `json:"created_at"`
	VerifiedAt  time.Time `json:"verified_at,omitzero"`   // first proof of the address; before it no credential, session or token exists (EM-7)
	NotNowUntil time.Time `json:"not_now_until,omitzero"` // the offer of a passkey rests until then
	DeviceEpoch uint64    `json:"device_epoch,omitempty"` // browsers remembered under an older one are strangers, access tokens made under one are dead
	Lang        string    `json:"lang,omitempty"`         // BCP 47 tag of the language they last signed in with, for mails; empty: English

	TOTP     *TOTP          `json:"totp,omitempty"`     // a confirmed authenticator app; nil: none
	Recovery *RecoveryCodes `json:"recovery,omitempty"` // nil: none were made
	Freeze   *Freeze        `json:"freeze,omitempty"`   // nil: nothing is frozen
	// Guesses are the times of failed second steps in the last 24 hours, oldest
	// first (TO-3).
	Guesses []time.Time `json:"guesses,omitempty"`
}

// TOTP is a confirmed second factor by RFC 6238. Before it is confirmed it is
// no part of the user.
type TOTP struct {
	ID        string    `json:"id"`     // of this enrolment; never used again
	Sealed    []byte    `json:"sealed"` // the shared secret, AEAD bound to user and ID (TO-1)
	CreatedAt time.Time `json:"created_at"`
	LastUsed  time.Time `json:"last_used,omitzero"`
	// LastStep is the last accepted time step; only a later one is accepted (TO-2).
	LastStep int64 `json:"last_step"`
	// TrustedAt is from when on it counts where a policy requires TOTP.
	TrustedAt time.Time `json:"trusted_at,omitzero"`
	AddedBy   string    `json:"added_by,omitempty"` // ID of the session that did
	Behind    []string  `json:"behind,omitempty"`   // what that session hung on: Session.Behind
}

// RecoveryCodes are what is left of a person's set of one-time codes.
type RecoveryCodes struct {
	Salt    []byte    `json:"salt"`           // of this set
	Left    []Hash    `json:"left,omitempty"` // keyed, salted MAC of each unspent code (TO-4)
	Made    int       `json:"made"`           // how many there were
	MadeAt  time.Time `json:"made_at"`
	AddedBy string    `json:"added_by,omitempty"` // ID of the session that did
	Behind  []string  `json:"behind,omitempty"`   // what that session hung on: Session.Behind
}

// Freeze stops additions to an account whose owner said of something done in
// it: that was not me (DESIGN §6).
type Freeze struct {
	At time.Time `json:"at"`
	// Since is when the session began that was not theirs: what was there before
	// may lift the freeze.
	Since time.Time `json:"since"`
	// Bare says that nothing was left then of what the account had beyond the
	// mailbox: it is treated as if it still had that.
	Bare bool `json:"bare,omitempty"`
	// NoMail says that the mailbox of now signs nobody in: the account was not its
	// to open before.
	NoMail bool `json:"no_mail,omitempty"`
}

// Passkey is a WebAuthn credential.
type Passkey struct {
	ID         []byte    `json:"id"` // credential id, ≤ 1023 bytes, unique over all users
	UserID     string    `json:"user_id"`
	Name       string    `json:"name"`       // chosen by its owner
	Credential []byte    `json:"credential"` // the library's credential as JSON: key, flags, sign count, transports
	AAGUID     []byte    `json:"aaguid"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsed   time.Time `json:"last_used,omitzero"`
	Synced     bool      `json:"synced"` // backup state at last use
	RPID       string    `json:"rp_id"`
	// TrustedAt is from when on it counts where a policy requires a passkey;
	// zero: from the beginning.
	TrustedAt time.Time `json:"trusted_at,omitzero"`
	AddedBy   string    `json:"added_by,omitempty"` // ID of the session that did
	Behind    []string  `json:"behind,omitempty"`   // what that session hung on: Session.Behind
}

// SessionKind says what a session is good for. The kinds are never
// interchangeable (FA-12).
type SessionKind string

// Session kinds.
const (
	RootSession SessionKind = "root" // a browser at the portal (or at the one host of a sidecar)
	AppSession  SessionKind = "app"  // its child for exactly one app host
	APISession  SessionKind = "api"  // a client of the JSON API
)

// Session is a signed-in browser or API client.
type Session struct {
	Hash      Hash        `json:"hash"` // SHA-256 of its token; changes at step-up, ID does not
	ID        string      `json:"id"`   // public handle for lists and revocation; opens nothing
	Kind      SessionKind `json:"kind"`
	UserID    string      `json:"user_id"`
	Epoch     uint64      `json:"epoch"`               // of the user when it was made
	Host      string      `json:"host"`                // the one host it is valid on, without port
	RootID    string      `json:"root_id,omitempty"`   // app sessions: ID of the root session
	ClientID  string      `json:"client_id,omitempty"` // API sessions
	AMR       []string    `json:"amr"`                 // methods used in this session, e.g. "email", "passkey" (SE-7)
	AuthTime  time.Time   `json:"auth_time"`           // last sign-in or step-up
	CreatedAt time.Time   `json:"created_at"`
	LastSeen  time.Time   `json:"last_seen"`
	Expires   time.Time   `json:"expires"` // a hint for Sweep: the earlier of idle and absolute limit when last written
	IP        string      `json:"ip,omitempty"`
	UserAgent string      `json:"user_agent,omitempty"`
	PasskeyID []byte      `json:"passkey_id,omitempty"` // credential that it relied on last
	// RecoveredAt is when it was confirmed by a recovery code, which lets it add
	// a passkey and do nothing else.
	RecoveredAt time.Time `json:"recovered_at,omitzero"`
	// Behind are the sessions, by ID and oldest first, without which this one would
	// not be: that added the passkey, app or codes that it was proved by, or
	// changed the address; or the ID of the hand-out link that began it.
	Behind []string `json:"behind,omitempty"`
}

// AccessToken lets a script or an app do at one host what its user may do
// there, within its own bounds.
type AccessToken struct {
	Hash      Hash      `json:"hash"` // keyed MAC of the token
	ID        string    `json:"id"`   // public handle for lists and revocation; opens nothing
	UserID    string    `json:"user_id"`
	Epoch     uint64    `json:"epoch"` // the user's DeviceEpoch when it was made (SE-5)
	Name      string    `json:"name,omitempty"`
	App       string    `json:"app"`                // the one host it opens, without port
	Path      string    `json:"path,omitempty"`     // "/x" or "/x/*"; empty: all
	Methods   []string  `json:"methods,omitempty"`  // none: all
	Networks  []string  `json:"networks,omitempty"` // prefixes it may be used from; none: anywhere
	CreatedBy string    `json:"created_by"`         // user id or "host"
	AddedBy   string    `json:"added_by,omitempty"` // ID of its owner's session, where its owner made it
	Behind    []string  `json:"behind,omitempty"`   // what that session hung on: Session.Behind
	CreatedAt time.Time `json:"created_at"`
	Expires   time.Time `json:"expires,omitzero"` // zero: never
	LastUsed  time.Time `json:"last_used,omitzero"`
}

// Counter is a durable throttle counter.
type Counter struct {
	Count int       `json:"count"`
	Reset time.Time `json:"reset"` // when it falls back to zero
}

// MessageStatus is where an outbox message stands.
type MessageStatus string

// Message states.
const (
	Queued MessageStatus = "queued"
	Sent   MessageStatus = "sent"
	Failed MessageStatus = "failed" // will be tried again
	Dead   MessageStatus = "dead"   // given up or expired
)

// Message is one mail (later also one webhook call) in the outbox. It holds
// the template and its parameters; secrets are sealed and erased on delivery
// or expiry.
type Message struct {
	ID        string            `json:"id"`
	Kind      string            `json:"kind"` // MailMessage or DecoyMessage
	To        string            `json:"to"`   // the stored address (EM-4)
	UserID    string            `json:"user_id,omitempty"`
	Template  string            `json:"template"`
	Params    map[string]string `json:"params,omitempty"`
	Sealed    []byte            `json:"sealed,omitempty"` // AEAD over a JSON object of secrets, bound to ID
	CreatedAt time.Time         `json:"created_at"`
	NotAfter  time.Time         `json:"not_after"` // never delivered later than this
	NextAt    time.Time         `json:"next_at"`   // not before; also the end of a lease
	Attempts  int               `json:"attempts"`
	Status    MessageStatus     `json:"status"`
	SentAt    time.Time         `json:"sent_at,omitzero"`
	LastError string            `json:"last_error,omitempty"` // without secrets
}

// Kinds of messages.
const (
	MailMessage = "mail"
	// DecoyMessage stands where a mail would, for an address that gets none: it
	// goes the way of a mail and is dropped, so that no timing tells the two
	// apart (EN).
	DecoyMessage = "decoy"
)

// AuditRecord is one line of the audit log, written in the transaction it
// records.
type AuditRecord struct {
	ID        string            `json:"id"` // ascending in time: the key of the list
	Time      time.Time         `json:"time"`
	Type      string            `json:"type"`              // DESIGN §10
	Actor     string            `json:"actor,omitempty"`   // user id, "cli", "system"; empty: nobody known
	Subject   string            `json:"subject,omitempty"` // user id
	IP        string            `json:"ip,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
	Success   bool              `json:"success"`
	Details   map[string]string `json:"details,omitempty"` // no secrets
}

// Key is a signing key, wrapped by the root key.
type Key struct {
	ID        string    `json:"id"`      // the kid
	RootID    string    `json:"root_id"` // fingerprint of the root key that wraps it
	Use       string    `json:"use"`     // "sig"
	Wrapped   []byte    `json:"wrapped"`
	Public    []byte    `json:"public"`
	CreatedAt time.Time `json:"created_at"`
	SignsFrom time.Time `json:"signs_from,omitzero"` // until the key that begins next; zero: from CreatedAt
}

// Counts are totals kept up to date inside transactions, so reading them
// scans nothing. Queued is how many messages are Queued or Failed.
type Counts struct {
	Users, Sessions, Audit, Queued int64
}
