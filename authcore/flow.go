package authcore

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// A flow is a sign-in that has begun. It is a record of its own kind, keyed by
// the hash of a secret that only the asking browser (a cookie) or API client
// holds, and is accepted by nothing but its next step (SE-6).

// flow is the stored record (store.KindFlow).
type flow struct {
	UserID   string     `json:"user_id,omitempty"` // empty: a decoy, or an account yet to be made
	Epoch    uint64     `json:"epoch,omitempty"`
	Register bool       `json:"register,omitempty"` // success makes the account
	Ask      bool       `json:"ask,omitempty"`      // success asks an admin for an account
	Email    string     `json:"email"`
	Known    bool       `json:"known"` // somebody had the address then, whoever else asks (a decoy's, too)
	Code     [32]byte   `json:"code"`  // MAC over the code, bound to this flow
	Link     store.Hash `json:"link"`
	NoCode   bool       `json:"no_code,omitempty"` // the mail carries the link only (EC-3)
	Tries    int        `json:"tries,omitempty"`
	SentAt   time.Time  `json:"sent_at"`
	To       string     `json:"to,omitempty"`        // sealed return state
	ClientID string     `json:"client_id,omitempty"` // API flow
	StepUp   string     `json:"step_up,omitempty"`   // ID of the root session to renew
	IP       string     `json:"ip,omitempty"`
	Agent    string     `json:"agent,omitempty"` // who asked, for the person who opens the mail
}

// link is the stored record of a mailed link (store.KindLink).
type link struct {
	Flow store.Hash `json:"flow"`
}

// SignedIn is the end of a flow: a new root session for this browser.
type SignedIn struct {
	Token   Token // session cookie
	Device  Token // device cookie
	Session *store.Session
	User    *store.User
	Offer   bool // offer a passkey now
}

// Browser is what a browser at the portal sent along, or a client of the JSON
// API, which has no cookies.
type Browser struct {
	Client
	Flow    Token // flow cookie, or ""
	Device  Token // device cookie, or ""
	Session *Live // session it has now, or nil

	ClientID string // of the API client; "": a browser at the portal
	Origin   string // API: the web origin of the page that asks; "": it is no page
}

// signedIn refuses a browser without a session.
func (b *Browser) signedIn() error {
	if b.Session == nil {
		return refuse(Unauthenticated)
	}
	return nil
}

// mayFinish reports whether a step-up flow is this browser's own; every other
// flow may end in any browser.
func (b *Browser) mayFinish(f *flow) bool {
	return f.StepUp == "" || b.Session != nil && b.Session.Session.ID == f.StepUp
}

// FormToken binds a page's forms to the browser's flow cookie (CS-1).
func (s *Service) FormToken(flow Token) string {
	mac := s.rt.keys.MAC("form token", []byte(flow.Reveal()))
	return base64.RawURLEncoding.EncodeToString(mac[:])
}

// CheckForm reports whether a form token belongs to the flow cookie.
func (s *Service) CheckForm(flow Token, token string) bool {
	return flow != "" && hmac.Equal([]byte(token), []byte(s.FormToken(flow)))
}

func (s *Service) codeMAC(flowKey store.Hash, code string) [32]byte {
	return s.rt.keys.MAC("e-mail code", flowKey[:], []byte(code)) // EC-1: keyed, bound to the flow
}

// over reports whether a flow is too old by the current configuration (ML-3).
func (s *Service) over(f *flow) bool { return s.now().Sub(f.SentAt) > s.cfg.LinkTTL }

// dropFlow takes a flow and its link, wherever it stands; absent is no error.
func dropFlow(tx *txn, key store.Hash) error {
	var f flow
	switch err := tx.Take(store.KindFlow, key, &f); {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("dropping a flow: %w", err)
	}
	var l link
	if err := tx.Take(store.KindLink, f.Link, &l); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("dropping a link: %w", err)
	}
	return nil
}

// flowUser answers the user whom a taken flow signs in, or nil when it cannot
// succeed any more: a decoy, or the user was disabled, removed, signed out
// everywhere (SE-5) or given to other methods since (SE-6).
func (s *Service) flowUser(tx *txn, f *flow, client Client) (*store.User, error) {
	if f.UserID == "" {
		if !f.Register {
			return nil, nil
		}
		return s.registerByFlow(tx, f, client)
	}
	u, err := tx.User(f.UserID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the user: %w", err)
	}
	if ok, err := s.mayUseEmail(tx, u, f.StepUp != ""); !ok || err != nil {
		return nil, err
	}
	if u.Epoch != f.Epoch || u.Email != f.Email {
		return nil, nil
	}
	return u, nil
}

// signIn ends a flow at the portal: the browser gets a new root session in
// place of the one it had (SE-2).
func (s *Service) signIn(tx *txn, u *store.User, by proven, b Browser) (*SignedIn, error) {
	now := s.now()
	known, err := knownDevice(tx, b.Device, u, now)
	if err != nil {
		return nil, fmt.Errorf("recognising the device: %w", err)
	}
	first, err := s.welcome(tx, u, b.Client)
	if err != nil {
		return nil, err
	}
	if b.Session != nil {
		if err := s.endSession(tx, b.Session.Session, b.Client, b.Session.User.ID, "signed in anew"); err != nil {
			return nil, err
		}
	}
	device, err := s.rememberDevice(tx, u, b.Device)
	if err != nil {
		return nil, err
	}
	token, sess, err := s.startSession(tx, newSession{
		kind: store.RootSession, host: s.portal.Host, user: u, proven: by, client: b.Client,
	})
	if err != nil {
		return nil, err
	}
	if !first && !known {
		if err := s.notify(tx, u, notice{What: NoticeSignIn, SessionID: sess.ID, Since: now}, b.Client); err != nil {
			return nil, err
		}
	}
	keys, err := s.usablePasskeys(tx, u.ID)
	if err != nil {
		return nil, err
	}
	offer := !s.cfg.NoPasskey && len(keys) == 0 && now.After(u.NotNowUntil)
	return &SignedIn{Token: token, Device: device, Session: sess, User: u, Offer: offer}, nil
}

// welcome notes on the user that a whole sign-in succeeded (RL-6), and reports
// whether it was the first proof of the address.
func (s *Service) welcome(tx *txn, u *store.User, client Client) (first bool, err error) {
	first = u.VerifiedAt.IsZero()
	if first {
		if err := s.verifyFirst(tx, u, client); err != nil {
			return first, err
		}
	}
	if err := rightCode(tx, u.Email); err != nil {
		return first, err
	}
	if client.Lang == "" || u.Lang == client.Lang {
		return first, nil
	}
	u.Lang = client.Lang
	if err := tx.PutUser(u); err != nil {
		return first, fmt.Errorf("storing the user: %w", err)
	}
	return first, nil
}

// verifyFirst marks the first proof of the address. Whatever was hung on the
// account before it belongs to nobody and goes (EM-7).
func (s *Service) verifyFirst(tx *txn, u *store.User, client Client) error {
	keys, err := tx.PasskeysOf(u.ID)
	if err != nil {
		return fmt.Errorf("listing passkeys: %w", err)
	}
	for _, k := range keys {
		if _, err := tx.TakePasskey(k.ID); err != nil {
			return fmt.Errorf("purging a passkey: %w", err)
		}
	}
	u.TOTP, u.Recovery = nil, nil
	u.VerifiedAt = s.now()
	return s.endAll(tx, u, nil, client, u.ID, "address verified for the first time")
}

// stepUp renews the proof of an existing root session: same user, new token
// (DESIGN §6).
func (s *Service) stepUp(tx *txn, l *Live, amr string, passkeyID []byte) (Token, error) {
	sess := l.Session
	if !slices.Contains(sess.AMR, amr) {
		sess.AMR = append(slices.Clone(sess.AMR), amr)
	}
	sess.AuthTime, sess.LastSeen = s.now(), s.now()
	if passkeyID != nil {
		sess.PasskeyID = passkeyID
	}
	if err := s.hangOn(tx, l.User, sess, amr); err != nil {
		return "", err
	}
	return s.rotate(tx, sess)
}

// deviceKey names the record "this browser signed this user in before". It
// takes both, so a stolen store tells no pairs.
func deviceKey(device Token, userID string) store.Hash {
	return secret.Token(device.Reveal() + "/" + userID).Hash()
}

type device struct {
	Epoch uint64    `json:"epoch"`
	Since time.Time `json:"since"`
}

// knownDevice reports whether the browser signed this user in before, and
// nothing has signed the user out everywhere since. While the account is frozen,
// those browsers are strangers that came after whoever was not its owner.
func knownDevice(tx store.Tx, t Token, u *store.User, now time.Time) (bool, error) {
	if t == "" || u == nil {
		return false, nil
	}
	var d device
	err := tx.Peek(store.KindDevice, deviceKey(t, u.ID), &d)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || u.Freeze != nil && !d.Since.Before(u.Freeze.Since) {
		return false, err
	}
	return d.Epoch == u.DeviceEpoch && now.Sub(d.Since) < deviceTTL, nil
}

// rememberDevice records the pair and answers the cookie to set.
func (s *Service) rememberDevice(tx *txn, u *store.User, t Token) (Token, error) {
	if t == "" {
		var err error
		if t, err = secret.New(s.rt.rand); err != nil {
			return "", fmt.Errorf("making a device cookie: %w", err)
		}
	}
	now := s.now()
	err := tx.Put(store.KindDevice, deviceKey(t, u.ID), device{Epoch: u.DeviceEpoch, Since: now}, now.Add(deviceTTL))
	if err != nil {
		return "", fmt.Errorf("remembering the device: %w", err)
	}
	return t, nil
}
