package store

import "time"

// Users are stored by id.
type Users interface {
	// User returns the user or ErrNotFound.
	User(id string) (*User, error)
	// PutUser creates or replaces. ErrConflict if another user holds the
	// Email, Name or Handle. It keeps the indexes.
	PutUser(*User) error
	// DeleteUser removes the user with all passkeys, sessions and tokens and
	// answers the hashes of the removed sessions and tokens. ErrNotFound when
	// absent. The Names stay reserved.
	DeleteUser(id string) ([]Hash, error)
	// ListUsers returns up to limit users with id > after, in byte order.
	ListUsers(after string, limit int) ([]*User, error)
}

// UserIndex finds users by their unique values. ErrNotFound when absent. An
// empty value is held by nobody: it conflicts with nothing and finds nobody.
type UserIndex interface {
	UserByEmail(email string) (*User, error)
	UserByName(name string) (*User, error)
	UserByHandle(handle []byte) (*User, error)
}

// Names remembers every user name that was ever used, for good (SE-9).
type Names interface {
	// NameOwner returns the id of the user who first held the name, also when
	// that user is gone. ErrNotFound if nobody did.
	NameOwner(name string) (string, error)
	// ReserveName records the first holder. ErrConflict if somebody else was.
	ReserveName(name, userID string) error
}

// Passkeys are stored by credential id.
type Passkeys interface {
	Passkey(id []byte) (*Passkey, error)
	// PutPasskey creates or replaces. ErrConflict if another user holds the id.
	PutPasskey(*Passkey) error
	// TakePasskey deletes and returns it, or ErrNotFound.
	TakePasskey(id []byte) (*Passkey, error)
	// PasskeysOf lists a user's passkeys, oldest first.
	PasskeysOf(userID string) ([]*Passkey, error)
}

// Sessions are stored by the hash of their token.
type Sessions interface {
	Session(Hash) (*Session, error)
	// PutSession creates or replaces the session with this Hash. ErrConflict
	// if its ID belongs to a session with another Hash (rotate: take the old
	// one first).
	PutSession(*Session) error
	// TakeSession deletes and returns it, or ErrNotFound. Children stay; see
	// ChildrenOf.
	TakeSession(Hash) (*Session, error)
	// TouchSession sets LastSeen and Expires if the session still exists and
	// LastSeen is later than the stored one; otherwise it does nothing.
	TouchSession(h Hash, lastSeen, expires time.Time) error
}

// SessionIndex lists sessions.
type SessionIndex interface {
	SessionByID(id string) (*Session, error)
	// SessionsOf lists all sessions of a user, oldest first.
	SessionsOf(userID string) ([]*Session, error)
	// ChildrenOf lists the app sessions of a root session, oldest first.
	ChildrenOf(rootID string) ([]*Session, error)
	// ListSessions returns up to limit sessions with Hash > after, in byte order.
	ListSessions(after Hash, limit int) ([]*Session, error)
}

// Tokens are access tokens, stored by the keyed hash of their secret.
type Tokens interface {
	// Token returns the token or ErrNotFound. Expiry is judged by the caller.
	Token(Hash) (*AccessToken, error)
	// PutToken creates or replaces the token with this Hash. ErrConflict if its
	// ID belongs to a token with another Hash.
	PutToken(*AccessToken) error
	// TakeToken deletes and returns it, or ErrNotFound.
	TakeToken(Hash) (*AccessToken, error)
	// TouchToken sets LastUsed if the token still exists and LastUsed is later
	// than the stored one; otherwise it does nothing.
	TouchToken(h Hash, lastUsed time.Time) error
	TokenByID(id string) (*AccessToken, error)
	// TokensOf lists a user's tokens, oldest first.
	TokensOf(userID string) ([]*AccessToken, error)
}

// Kind names a table of records that live for a while and, mostly, are used
// once.
type Kind string

// Kinds of Takes.
const (
	KindFlow     Kind = "flow"     // a sign-in that has begun, by hash of its flow secret
	KindLink     Kind = "link"     // a mailed link → its flow
	KindCeremony Kind = "ceremony" // a WebAuthn challenge
	KindTicket   Kind = "ticket"   // root → app hand-over
	KindInvite   Kind = "invite"
	KindRefresh  Kind = "refresh" // a refresh token, spent ones included
	KindDevice   Kind = "device"  // this browser signed this user in before
	KindSecond   Kind = "second"  // a first factor was given, the second is awaited; by hash of the flow secret
	KindTOTP     Kind = "totp"    // an authenticator app that is not confirmed yet
	KindAddress  Kind = "address" // a new e-mail address that is not confirmed yet
	KindNotice   Kind = "notice"  // the link of a mail that says what was done, for "that was not me"
	KindRequest  Kind = "request" // somebody asks for an account, and waits for an admin
)

// Takes holds records by kind and key until they are taken or expire. Single
// use is spelled Take and nothing else.
type Takes interface {
	// Put creates or replaces; value is encoded as JSON.
	Put(kind Kind, key Hash, value any, expires time.Time) error
	// Peek decodes the record into into without consuming it, replacing all
	// that into held. ErrNotFound when absent. Expiry is judged by the caller,
	// from the record.
	Peek(kind Kind, key Hash, into any) error
	// Take deletes the record and decodes it into into, as Peek does: of any
	// number of concurrent takers exactly one gets it, the others ErrNotFound.
	Take(kind Kind, key Hash, into any) error
	// CountTakes is how many records of the kind are stored, expired ones
	// included; it scans nothing.
	CountTakes(kind Kind) (int64, error)
	// ListTakes calls each with up to limit records with key > after, in byte
	// order, until each returns false. decode decodes the record at hand, as
	// Peek does. each may use the transaction, also to take what it is shown.
	ListTakes(kind Kind, after Hash, limit int, each func(key Hash, decode func(into any) error) bool) error
}

// Counters are durable throttle counters, named by the caller.
type Counters interface {
	// AddCounter adds n and returns the counter after that. A counter that is
	// absent or whose Reset is not after now starts at zero with Reset = now +
	// window. With n = 0 it stores nothing, so it also works inside View.
	AddCounter(name string, n int, now time.Time, window time.Duration) (Counter, error)
	// ClearCounter removes it; absent is no error.
	ClearCounter(name string) error
}

// Outbox is the queue of messages.
type Outbox interface {
	// PutMessage creates or replaces.
	PutMessage(*Message) error
	// Message returns the message or ErrNotFound.
	Message(id string) (*Message, error)
	// LeaseMessages returns up to limit messages that are Queued or Failed
	// with NextAt not after now, earliest first, and sets their NextAt to
	// until, so that nobody else gets them before.
	LeaseMessages(now, until time.Time, limit int) ([]*Message, error)
	// NextMessage returns the earliest NextAt of the messages that are Queued
	// or Failed, or ErrNotFound when there is none. It scans nothing.
	NextMessage() (time.Time, error)
	// ListMessages returns up to limit messages newest first with id < before
	// ("" = from the newest); status "" means all.
	ListMessages(status MessageStatus, before string, limit int) ([]*Message, error)
	// DeleteMessage removes it. ErrNotFound when absent.
	DeleteMessage(id string) error
}

// Audit is append-only.
type Audit interface {
	// AppendAudit stores the record under its ID. ErrConflict if that is not new.
	AppendAudit(*AuditRecord) error
	// ListAudit returns up to limit records newest first with id < before
	// ("" = from the newest).
	ListAudit(before string, limit int) ([]*AuditRecord, error)
	// ListAuditOf is ListAudit for the records whose Subject is this user id; it
	// scans no others. A record without a Subject is in no such list.
	ListAuditOf(subject, before string, limit int) ([]*AuditRecord, error)
}

// Keys are wrapped signing keys.
type Keys interface {
	// PutKey creates or replaces.
	PutKey(*Key) error
	// ListKeys returns all, oldest first.
	ListKeys() ([]*Key, error)
	// DeleteKey removes it. ErrNotFound when absent.
	DeleteKey(id string) error
}

// Meta is small facts about the database itself, and its housekeeping.
type Meta interface {
	// MetaValue returns ErrNotFound when unset.
	MetaValue(name string) ([]byte, error)
	// SetMeta sets the value, which may be empty.
	SetMeta(name string, value []byte) error
	// Counts reads the totals; it scans nothing.
	Counts() (Counts, error)
	// Sweep deletes up to limit records of any kind that ended before now,
	// earliest first: sessions and tokens (by Expires, where set), takes,
	// counters (by Reset), and messages whose SentAt (if Sent) or NotAfter (if Dead) is more than 30
	// days before now. It returns how many.
	Sweep(now time.Time, limit int) (int, error)
}

// Meta names.
const (
	MetaSchema = "schema_version"
	MetaDemo   = "demo" // set: made by the demo, refused by serve
)
