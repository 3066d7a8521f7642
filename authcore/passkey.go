package authcore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The passkey flow (WebAuthn Level 3).
//
//	BeginX    stores a ceremony: challenge, purpose, who began it: the browser's
//	          flow cookie or, for the JSON API, its client. A client has nothing
//	          else to hold, so the ceremony's id is its secret.
//	FinishX   takes it, commits, and only then parses what the browser sent
//	          (WA-1): whatever follows, the challenge is spent. Verification
//	          runs outside the transaction; its result is written in a second
//	          one that checks again what it relied on.
//
// Sign-in is discoverable and usernameless: the options are the same for
// everybody (EN), and the user is found by handle and must own the credential.
//
// A ceremony expects the one origin that it began on (WA-7), and is finished from
// there: the portal's or, over the API, that of the client's page that asked.

// ceremony purposes. A challenge is good for its own purpose only.
const (
	purposeLogin    = "login"
	purposeRegister = "register"
	purposeStepUp   = "step-up"
)

// ceremony is the stored record (store.KindCeremony).
type ceremony struct {
	Purpose   string               `json:"purpose"`
	Flow      store.Hash           `json:"flow"`                // of the browser's flow cookie
	ClientID  string               `json:"client_id,omitempty"` // of the API, which has none
	Origin    string               `json:"origin,omitempty"`    // API: where it began; else empty: the portal's
	SessionID string               `json:"session_id,omitempty"`
	Data      webauthn.SessionData `json:"data"` // whole: a lost field switches checks off (WA-3)
	BegunAt   time.Time            `json:"begun_at"`
}

// Ceremony is what the browser gets: the id of the ceremony and the options
// for navigator.credentials.
type Ceremony struct {
	ID      Token
	Options any // protocol.PublicKeyCredential{Creation,Request}Options
}

func newWebAuthn(cfg Config, serving Origin) (*webauthn.WebAuthn, error) {
	origins := []string{serving.String()}
	for i := range cfg.Clients {
		for _, text := range cfg.Clients[i].Origins {
			if _, ok := cfg.passkeyPage(text); ok {
				origins = append(origins, text)
			}
		}
	}
	timeout := webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyTTL, TimeoutUVD: ceremonyTTL} // WA-2
	return webauthn.New(&webauthn.Config{
		RPID: cfg.RPID, RPDisplayName: cfg.RPName,
		RPOrigins:             origins, // WA-7: each ceremony is bound to one of them
		AttestationPreference: protocol.PreferNoAttestation,
		Timeouts:              webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
}

// waUser shows a user to the library.
type waUser struct {
	u     *store.User
	creds []webauthn.Credential
}

func (w *waUser) WebAuthnID() []byte   { return w.u.Handle }
func (w *waUser) WebAuthnName() string { return w.u.Email }
func (w *waUser) WebAuthnDisplayName() string {
	if w.u.DisplayName != "" {
		return w.u.DisplayName
	}
	return w.u.Email
}
func (w *waUser) WebAuthnCredentials() []webauthn.Credential { return w.creds }

func (s *Service) loadWAUser(tx store.Tx, u *store.User) (*waUser, error) {
	keys, err := s.usablePasskeys(tx, u.ID)
	if err != nil {
		return nil, err
	}
	return newWAUser(u, keys)
}

func newWAUser(u *store.User, keys []*store.Passkey) (*waUser, error) {
	w := &waUser{u: u}
	for _, k := range keys {
		var c webauthn.Credential
		if err := json.Unmarshal(k.Credential, &c); err != nil {
			return nil, fmt.Errorf("decoding a passkey: %w", err)
		}
		w.creds = append(w.creds, c)
	}
	return w, nil
}

// BeginPasskey starts a sign-in.
func (s *Service) BeginPasskey(ctx context.Context, b Browser) (*Ceremony, error) {
	if s.cfg.NoPasskey {
		return nil, refuse(MethodOff)
	}
	if !s.mayHold(b) {
		return nil, refuse(OriginForbidden)
	}
	options, data, err := s.webauthn.BeginDiscoverableLogin(
		webauthn.WithUserVerification(protocol.VerificationRequired), webauthn.WithLoginOrigin(s.expects(b)))
	if err != nil {
		return nil, fmt.Errorf("making a challenge: %w", err)
	}
	return s.putCeremony(ctx, ceremony{Purpose: purposeLogin, Data: *data}, options.Response, b, "")
}

func (s *Service) putCeremony(ctx context.Context, c ceremony, options any, b Browser, userID string) (*Ceremony, error) {
	id, err := secret.New(s.rt.rand)
	if err != nil {
		return nil, fmt.Errorf("naming a ceremony: %w", err)
	}
	c.Flow, c.BegunAt = b.Flow.Hash(), s.now()
	if b.ClientID != "" {
		c.ClientID, c.Origin = b.ClientID, s.expects(b)
	}
	started := map[string]string{purposeLogin: evLoginStarted, purposeStepUp: evLoginStarted, purposeRegister: evRegisterStarted}
	var refusal *Refusal
	err = s.update(ctx, func(tx *txn) error {
		refusal, err = s.pendingBudget(tx, store.KindCeremony, b.Client)
		if refusal != nil || err != nil {
			return err
		}
		if err := tx.Put(store.KindCeremony, id.Hash(), c, c.BegunAt.Add(ceremonyTTL)); err != nil {
			return fmt.Errorf("storing a ceremony: %w", err)
		}
		if c.Purpose == purposeLogin {
			return nil // autofill begins one per page view; the outcome is audited
		}
		return tx.audit(event{typ: started[c.Purpose], ok: true, client: b.Client, subject: userID})
	})
	if err = orRefusal(err, refusal); err != nil {
		return nil, err
	}
	return &Ceremony{ID: id, Options: options}, nil
}

// expects is the origin that a ceremony of b is bound to (WA-7). A program that
// is no page says none; its platform's passkeys speak for the portal's.
func (s *Service) expects(b Browser) string { return cmp.Or(b.Origin, s.portal.String()) }

// mayHold reports whether b's page may hold a ceremony: an app's may not, though
// it be a client's.
func (s *Service) mayHold(b Browser) bool {
	return b.ClientID == "" || slices.Contains(s.PasskeyOrigins(s.Client(b.ClientID)), s.expects(b))
}

// takeCeremony spends the challenge in a commit of its own (WA-1). What is not
// the caller's is refused as if it were not there.
func (s *Service) takeCeremony(ctx context.Context, rawID, purpose string, mine func(*ceremony) bool) (*ceremony, error) {
	id, ok := secret.Parse(rawID)
	if !ok {
		return nil, refuse(FlowExpired)
	}
	var c ceremony
	err := s.update(ctx, func(tx *txn) error {
		c = ceremony{}
		return tx.Take(store.KindCeremony, id.Hash(), &c)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(FlowExpired)
	}
	if err != nil {
		return nil, fmt.Errorf("taking the ceremony: %w", err)
	}
	if c.Purpose != purpose || !mine(&c) || s.now().Sub(c.BegunAt) > ceremonyTTL || c.Data.Challenge == "" {
		return nil, refuse(FlowExpired)
	}
	return &c, nil
}

// began reports whether a ceremony is b's: begun by the same browser, or by the
// same client on the same origin.
func (s *Service) began(b Browser) func(*ceremony) bool {
	return func(c *ceremony) bool {
		if b.ClientID != "" {
			return c.ClientID == b.ClientID && c.Origin == s.expects(b) && s.mayHold(b)
		}
		return c.ClientID == "" && b.Flow != "" && c.Flow == b.Flow.Hash()
	}
}

// FinishPasskey ends a sign-in; body is the browser's credential as JSON.
func (s *Service) FinishPasskey(ctx context.Context, id string, body []byte, b Browser) (out *SignedIn, err error) {
	err = s.finishPasskey(ctx, id, body, b.Client, s.began(b), func(tx *txn, u *store.User, by proven, _ string) (err error) {
		out, err = s.signIn(tx, u, by, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// FinishAPIPasskey is FinishPasskey for a client of the JSON API; origin is the
// web origin that asks, if any.
func (s *Service) FinishAPIPasskey(ctx context.Context, id string, body []byte, origin string, client Client) (out *Tokens, err error) {
	mine := func(c *ceremony) bool {
		return s.pageMayUse(c.ClientID, origin) && s.began(Browser{ClientID: c.ClientID, Origin: origin})(c)
	}
	err = s.finishPasskey(ctx, id, body, client, mine, func(tx *txn, u *store.User, by proven, clientID string) (err error) {
		out, err = s.signInAPI(tx, u, by, clientID, client)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// finishPasskey verifies a sign-in and has then make its session.
func (s *Service) finishPasskey(ctx context.Context, id string, body []byte, client Client, mine func(*ceremony) bool,
	then func(tx *txn, u *store.User, by proven, clientID string) error,
) error {
	if s.cfg.NoPasskey {
		return refuse(MethodOff)
	}
	c, err := s.takeCeremony(ctx, id, purposeLogin, mine)
	if err != nil {
		return err
	}
	proof, err := s.assert(ctx, c, body, nil)
	if err != nil {
		return s.failedLogin(ctx, err, client)
	}
	return s.commitProof(ctx, proof, client, func(tx *txn, u *store.User) (*Refusal, error) {
		return nil, then(tx, u, proven{amr: []string{AMRPasskey}, passkeyID: proof.credential.ID}, c.ClientID)
	})
}

// originOf is the only origin that may finish a ceremony.
func (s *Service) originOf(c *ceremony) string { return cmp.Or(c.Origin, s.portal.String()) }

// proof is a verified assertion that is not yet written.
type proof struct {
	user       *store.User
	credential *webauthn.Credential
	before     []byte // the stored credential it was verified against
}

// assert verifies an assertion. Every fault of the client's is one refusal,
// panics of parsers included (WA-11); only the store's faults are errors.
func (s *Service) assert(ctx context.Context, c *ceremony, body []byte, only *store.User) (p *proof, err error) {
	defer func() {
		if v := recover(); v != nil {
			p, err = nil, s.contained(v)
		}
	}()
	parsed, err := protocol.ParseCredentialRequestResponseBytes(body)
	// The library compares origins after parsing them; ours have one spelling (WA-7).
	if err != nil || parsed.Response.CollectedClientData.Origin != s.originOf(c) ||
		!oneReading(body, parsed.Raw.AssertionResponse.ClientDataJSON) {
		return nil, refuse(PasskeyRefused)
	}
	var w *waUser
	var key *store.Passkey
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		if key, err = tx.Passkey(parsed.RawID); err != nil {
			return err
		}
		u, err := tx.User(key.UserID)
		if err != nil {
			return err
		}
		w, err = s.loadWAUser(tx, u)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(CredentialUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("finding the passkey: %w", err)
	}
	if w.u.Disabled || only != nil && w.u.ID != only.ID {
		return nil, refuse(PasskeyRefused)
	}
	var credential *webauthn.Credential
	if only != nil {
		credential, err = s.webauthn.ValidateLogin(w, c.Data, parsed)
	} else {
		_, credential, err = s.webauthn.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
			if !bytes.Equal(handle, w.u.Handle) { // WA-6: the handle's user owns the credential
				return nil, errors.New("handle and credential disagree")
			}
			return w, nil
		}, c.Data, parsed)
	}
	if err != nil {
		return nil, refuse(PasskeyRefused)
	}
	if credential.Authenticator.CloneWarning { // WA-5
		s.rt.log.Warn("the counter of a passkey went back: it may have been copied", "user", w.u.ID)
		return nil, &Refusal{Reason: PasskeyRefused, Detail: counterWentBack, about: w.u.ID}
	}
	return &proof{user: w.u, credential: credential, before: key.Credential}, nil
}

// commitProof writes the new counter and flags and runs then, if the user and
// the credential are still what they were when the proof was verified.
func (s *Service) commitProof(ctx context.Context, p *proof, client Client, then func(*txn, *store.User) (*Refusal, error)) error {
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		refusal = nil
		u, err := tx.User(p.user.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("reading the user: %w", err)
		}
		key, kerr := tx.Passkey(p.credential.ID)
		if kerr != nil && !errors.Is(kerr, store.ErrNotFound) {
			return fmt.Errorf("reading the passkey: %w", kerr)
		}
		if err != nil || kerr != nil || u.Disabled || u.VerifiedAt.IsZero() || // EM-7
			u.Epoch != p.user.Epoch || !bytes.Equal(key.Credential, p.before) {
			refusal = refuse(PasskeyRefused)
			return tx.audit(loginFailed(refusal, client))
		}
		if key.Credential, err = json.Marshal(p.credential); err != nil {
			return fmt.Errorf("encoding the passkey: %w", err)
		}
		key.LastUsed, key.Synced = s.now(), p.credential.Flags.BackupState
		if err := tx.PutPasskey(key); err != nil {
			return fmt.Errorf("storing the passkey: %w", err)
		}
		if err := s.thawBy(tx, u, key, client); err != nil {
			return err
		}
		if refusal, err = then(tx, u); err != nil {
			return err
		}
		if refusal != nil {
			return tx.audit(loginFailed(refusal, client))
		}
		return tx.audit(event{typ: evLoginCompleted, ok: true, client: client, subject: u.ID, details: named(key)})
	})
	return orRefusal(err, refusal)
}

func (s *Service) failedLogin(ctx context.Context, cause error, client Client) error {
	r, ok := AsRefusal(cause)
	if !ok {
		return cause
	}
	err := s.update(ctx, func(tx *txn) error { return tx.audit(loginFailed(r, client)) })
	return errors.Join(err, cause)
}

// counterWentBack tells a copied authenticator from a typing fault.
const counterWentBack = "the counter went back"

func loginFailed(r *Refusal, client Client) event {
	return event{typ: evLoginFailed, client: client, subject: r.about, details: map[string]string{"why": cmp.Or(r.Detail, string(r.Reason))}}
}
