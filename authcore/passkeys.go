package authcore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// A person's own passkeys: add, rename, remove. All need a session that was
// proved in the last 15 minutes, by a passkey where the account has one (SE-8).

// Passkey is a passkey's record, as those above authcore see it.
type Passkey = store.Passkey

// Passkeys lists the user's passkeys, oldest first.
func (s *Service) Passkeys(ctx context.Context, u *store.User) (keys []*store.Passkey, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		keys, err = tx.PasskeysOf(u.ID)
		return err
	})
	return keys, err
}

// Usable are those that work here: a passkey belongs to the rp_id that it was
// made for, and no browser offers it under another. One of another rp_id is
// nobody's way in and confirms nothing.
func (s *Service) Usable(keys []*store.Passkey) (usable []*store.Passkey) {
	for _, k := range keys {
		if k.RPID == s.cfg.RPID {
			usable = append(usable, k)
		}
	}
	return usable
}

// usablePasskeys are the user's passkeys that work here.
func (s *Service) usablePasskeys(tx store.Tx, userID string) ([]*store.Passkey, error) {
	keys, err := tx.PasskeysOf(userID)
	if err != nil {
		return nil, fmt.Errorf("listing passkeys: %w", err)
	}
	return s.Usable(keys), nil
}

// BeginAddPasskey starts the registration of a passkey.
func (s *Service) BeginAddPasskey(ctx context.Context, b Browser) (*Ceremony, error) {
	if err := b.signedIn(); err != nil {
		return nil, err
	}
	if s.cfg.NoPasskey {
		return nil, refuse(MethodOff)
	}
	if !s.mayHold(b) {
		return nil, refuse(OriginForbidden)
	}
	var w *waUser
	err := s.enrol(ctx, b.Session, func(tx *txn, l *Live, keys []*store.Passkey) (r *Refusal, err error) {
		if len(keys) >= maxPasskeys {
			return refuse(TooMany), nil
		}
		w, err = s.loadWAUser(tx, l.User)
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	options, data, err := s.webauthn.BeginRegistration(w,
		webauthn.WithRegistrationOrigin(s.expects(b)),
		webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementRequired),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		}),
		webauthn.WithExclusions(webauthn.Credentials(w.creds).CredentialDescriptors()))
	if err != nil {
		return nil, fmt.Errorf("making a challenge: %w", err)
	}
	c := ceremony{Purpose: purposeRegister, SessionID: b.Session.Session.ID, Data: *data}
	return s.putCeremony(ctx, c, options.Response, b, b.Session.User.ID)
}

// Added is a passkey that was added.
type Added struct {
	Passkey *store.Passkey
	// Token is the session's new token where the passkey ended what a recovery
	// code had left it with; otherwise empty.
	Token Token
}

// FinishAddPasskey stores the new passkey under a name its owner may change.
func (s *Service) FinishAddPasskey(ctx context.Context, id string, body []byte, name string, b Browser) (*Added, error) {
	if err := b.signedIn(); err != nil {
		return nil, err
	}
	if s.cfg.NoPasskey {
		return nil, refuse(MethodOff)
	}
	c, err := s.takeCeremony(ctx, id, purposeRegister, s.began(b))
	if err != nil {
		return nil, err
	}
	if c.SessionID != b.Session.Session.ID {
		return nil, refuse(FlowExpired)
	}
	cred, err := s.attest(ctx, c, body, b.Session.User)
	if err != nil {
		return nil, s.failedRegistration(ctx, err, b)
	}
	var added Added
	err = s.enrol(ctx, b.Session, func(tx *txn, l *Live, keys []*store.Passkey) (*Refusal, error) {
		added = Added{}
		if len(keys) >= maxPasskeys {
			return refuse(TooMany), nil
		}
		if _, err := tx.Passkey(cred.ID); err == nil { // WA-4: unique over all users
			return refuse(CredentialTaken), nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("looking for the credential: %w", err)
		}
		trusted, err := s.trustedFrom(tx, l, vouchesForPasskey)
		if err != nil {
			return nil, err
		}
		if added.Passkey, err = s.storePasskey(tx, l, cred, name, trusted); err != nil {
			return nil, err
		}
		// SE-5: links, codes and tickets that were issued before are dead.
		// Sessions stay: adding a passkey takes nothing from anybody.
		if err := s.renewEpoch(tx, l.User); err != nil {
			return nil, err
		}
		if added.Token, err = s.unlimit(tx, l, cred.ID); err != nil {
			return nil, err
		}
		n := noticeOf(l, NoticePasskeyAdded)
		n.Name = added.Passkey.Name
		if err := s.notify(tx, l.User, n, b.Client); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{typ: evRegisterCompleted, ok: true, client: b.Client, subject: l.User.ID, details: named(added.Passkey)})
	})
	if err != nil {
		return nil, s.failedRegistration(ctx, err, b)
	}
	return &added, nil
}

// unlimit ends what a recovery code allowed, once there is the passkey. A session
// that the code began is whole then: making a passkey verifies the person as
// using one does.
func (s *Service) unlimit(tx *txn, l *Live, credentialID []byte) (Token, error) {
	if l.Session.RecoveredAt.IsZero() {
		return "", nil
	}
	l.Session.Epoch, l.Session.RecoveredAt = l.User.Epoch, time.Time{}
	if l.Limited() {
		return s.stepUp(tx, l, AMRPasskey, credentialID)
	}
	if err := tx.PutSession(l.Session); err != nil {
		return "", fmt.Errorf("noting that a recovery code did its work: %w", err)
	}
	return "", nil
}

// trustedFrom is when a factor that the session adds begins to count where a
// policy requires one (DESIGN §6): at once if the session showed one of the given
// methods, which is as much as the new one will, or has just begun by an
// invitation, a hand-out or the first proof of the address; otherwise the mailbox
// alone is behind it, and its owner gets time to notice.
func (s *Service) trustedFrom(tx store.Tx, l *Live, methods uint8) (time.Time, error) {
	bits, err := s.proofBits(tx, l)
	if err != nil {
		return time.Time{}, err
	}
	now, began := s.now(), l.Proof().CreatedAt
	first := began.Sub(l.User.VerifiedAt)
	entered := bits&(bitInvite|bitHandOut) != 0 || first >= 0 && first < registrationSpan
	if bits&methods != 0 || entered && now.Sub(began) <= registrationAge {
		return now, nil
	}
	return now.Add(factorWait), nil
}

// What a session must have shown for a factor that it adds to count at once. A
// code can be had by a page in the middle, and so vouches for no passkey.
const (
	vouchesForPasskey = bitTrustedPasskey
	vouchesForTOTP    = bitTrustedPasskey | bitTrustedTOTP
)

func (s *Service) storePasskey(tx *txn, l *Live, cred *webauthn.Credential, name string, trusted time.Time) (*store.Passkey, error) {
	encoded, err := json.Marshal(cred)
	if err != nil {
		return nil, fmt.Errorf("encoding the passkey: %w", err)
	}
	key := &store.Passkey{
		ID: cred.ID, UserID: l.User.ID, AddedBy: l.Session.ID, Behind: l.Session.Behind, Name: cleanName(name, "Passkey"), Credential: encoded, AAGUID: cred.Authenticator.AAGUID,
		CreatedAt: s.now(), Synced: cred.Flags.BackupState, RPID: s.cfg.RPID, TrustedAt: trusted,
	}
	if err := tx.PutPasskey(key); err != nil {
		return nil, fmt.Errorf("storing the passkey: %w", err)
	}
	return key, nil
}

// renewEpoch kills what is pending and carries every session over.
func (s *Service) renewEpoch(tx *txn, u *store.User) error {
	u.Epoch++
	all, err := tx.SessionsOf(u.ID)
	if err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	for _, sess := range all {
		if sess.Epoch != u.Epoch-1 {
			continue // dead already
		}
		sess.Epoch = u.Epoch
		if err := tx.PutSession(sess); err != nil {
			return fmt.Errorf("keeping a session: %w", err)
		}
	}
	tx.users = append(tx.users, u.ID)
	return tx.PutUser(u)
}

// attest verifies a registration. See assert.
func (s *Service) attest(ctx context.Context, c *ceremony, body []byte, u *store.User) (cred *webauthn.Credential, err error) {
	defer func() {
		if v := recover(); v != nil {
			cred, err = nil, s.contained(v)
		}
	}()
	parsed, err := protocol.ParseCredentialCreationResponseBytes(body)
	if err != nil || parsed.Response.CollectedClientData.Origin != s.originOf(c) ||
		!oneReading(body, parsed.Raw.AttestationResponse.ClientDataJSON) {
		return nil, refuse(PasskeyRefused)
	}
	var w *waUser
	if err := s.rt.store.View(ctx, func(tx store.Tx) error {
		w, err = s.loadWAUser(tx, u)
		return err
	}); err != nil {
		return nil, err
	}
	if cred, err = s.webauthn.CreateCredential(w, c.Data, parsed); err != nil || !verifiable(cred.PublicKey) {
		return nil, refuse(PasskeyRefused)
	}
	// Only the flags of the key remain of an attestation we did not ask for.
	cred.Attestation = webauthn.CredentialAttestation{}
	// Transports are hints in the browser's words: those that we know, once each.
	cred.Transport = slices.DeleteFunc(knownTransports(), func(t protocol.AuthenticatorTransport) bool {
		return !slices.Contains(parsed.Response.Transports, t)
	})
	return cred, nil
}

func knownTransports() []protocol.AuthenticatorTransport {
	return []protocol.AuthenticatorTransport{
		protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal,
	}
}

func (s *Service) failedRegistration(ctx context.Context, cause error, b Browser) error {
	r, ok := AsRefusal(cause)
	if !ok {
		return cause
	}
	err := s.update(ctx, func(tx *txn) error {
		return tx.audit(event{
			typ: evRegisterFailed, client: b.Client, subject: b.Session.User.ID,
			details: map[string]string{"why": string(r.Reason)},
		})
	})
	return errors.Join(err, cause)
}

// RenamePasskey gives an own passkey another name.
func (s *Service) RenamePasskey(ctx context.Context, l *Live, id []byte, name string, client Client) error {
	name = strings.TrimSpace(name)
	if name == "" || !isLabel(name) {
		return &Refusal{Reason: NameInvalid, Detail: "Give it a name of 1 to 64 characters."}
	}
	return s.manage(ctx, l, func(tx *txn, l *Live, keys []*store.Passkey) (*Refusal, error) {
		key := findPasskey(keys, id)
		if key == nil {
			return refuse(NotFound), nil
		}
		key.Name = name
		if err := tx.PutPasskey(key); err != nil {
			return nil, fmt.Errorf("renaming the passkey: %w", err)
		}
		return nil, tx.audit(event{typ: evPasskeyRenamed, ok: true, client: client, subject: l.User.ID, details: named(key)})
	})
}

// RemovePasskey removes an own passkey and ends every other session (SE-5,
// SE-7). The last way in cannot be removed.
func (s *Service) RemovePasskey(ctx context.Context, l *Live, id []byte, client Client) error {
	return s.manage(ctx, l, func(tx *txn, l *Live, keys []*store.Passkey) (*Refusal, error) {
		key := findPasskey(keys, id)
		if key == nil {
			return refuse(NotFound), nil
		}
		left := slices.DeleteFunc(slices.Clone(keys), func(k *store.Passkey) bool { return k == key })
		if refusal := s.mayRemove(l, keys, left); refusal != nil {
			return refusal, nil
		}
		if _, err := tx.TakePasskey(id); err != nil {
			return nil, fmt.Errorf("removing the passkey: %w", err)
		}
		if bytes.Equal(l.Session.PasskeyID, id) { // the proof rested on what is gone
			if err := s.downgrade(tx, l.Session, AMRPasskey); err != nil {
				return nil, err
			}
		}
		s.dropIdleCodes(l.User, left)
		if err := s.endAll(tx, l.User, l.Session, client, l.User.ID, "a passkey was removed"); err != nil {
			return nil, err
		}
		n := noticeOf(l, NoticePasskeyRemoved)
		n.Name = key.Name
		if err := s.notify(tx, l.User, n, client); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{typ: evPasskeyRemoved, ok: true, client: client, subject: l.User.ID, details: named(key)})
	})
}

// mayRemove refuses to remove a passkey of keys, which leaves the others, where
// its owner would not come back in.
func (s *Service) mayRemove(l *Live, keys, left []*store.Passkey) *Refusal {
	usable := len(s.Usable(keys))
	if len(s.Usable(left)) == usable { // it is one that does not work here
		if len(s.strong(l.User, keys)) == 0 && !l.Has(AMRHandOut) {
			// SE-8: they may come back with the old rp_id, and the mailbox alone
			// must not take them away.
			return &Refusal{Reason: Conflict, Detail: "Add a passkey that works here first."}
		}
		return nil
	}
	if s.OnlyWayIn(left) {
		return &Refusal{Reason: Conflict, Detail: "This is your only way in. Add another passkey first."}
	}
	if l.User.Admin && len(s.strong(l.User, left)) == 0 {
		return refuseLastAdminFactor()
	}
	return nil
}

// named says in the audit log which passkey it was, by the name of that time.
func named(k *store.Passkey) map[string]string { return map[string]string{detailPasskey: k.Name} }

func findPasskey(keys []*store.Passkey, id []byte) *store.Passkey {
	for _, k := range keys {
		if bytes.Equal(k.ID, id) {
			return k
		}
	}
	return nil
}

// isLabel reports whether a person may call something that, or themselves.
func isLabel(s string) bool {
	return utf8.RuneCountInString(s) <= maxName && capText(s, len(s)) == s && strings.TrimSpace(s) == s
}

// cleanName bounds a label that a person chose.
func cleanName(s, fallback string) string {
	s = strings.TrimSpace(capText(s, maxName))
	if s == "" {
		return fallback
	}
	return s
}

// NotNow lets the offer of a passkey rest for a while.
func (s *Service) NotNow(ctx context.Context, l *Live) error {
	return s.update(ctx, func(tx *txn) error {
		u, err := tx.User(l.User.ID)
		if err != nil {
			return fmt.Errorf("reading the user: %w", err)
		}
		u.NotNowUntil = s.now().Add(notNow)
		return tx.PutUser(u)
	})
}
