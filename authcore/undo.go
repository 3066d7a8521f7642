package authcore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// What "that was not me" does (notice.go), and what ends it.

// undo ends the session that the notice is about, takes back what it added or
// changed, and freezes the account. Sessions that rely on what went go with it,
// and those that the mailbox alone has opened since: who was not the owner may
// have signed in twice, and the second time from a browser that was known by then.
func (s *Service) undo(tx *txn, u *store.User, n *notice, client Client) error {
	all, err := tx.SessionsOf(u.ID)
	if err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	culprit := n.SessionID
	before, err := s.guarded(tx, u)
	if err != nil {
		return err
	}
	gone, err := s.takeBack(tx, u, culprit, client)
	if err != nil {
		return err
	}
	after, err := s.guarded(tx, u)
	if err != nil {
		return err
	}
	address, err := s.restoreAddress(tx, u, culprit)
	if err != nil {
		return err
	}
	for _, sess := range all {
		mailed := amrBits(sess.AMR) == bitEmail && !sess.CreatedAt.Before(n.Since)
		if sess.Kind == store.AppSession || !mailed && !hangs(culprit, sess.ID, sess.Behind) && !gone.carried(sess) {
			continue
		}
		if err := s.endSession(tx, sess, client, u.ID, notTheirs); err != nil {
			return err
		}
	}
	if u.Freeze == nil {
		u.Freeze = &store.Freeze{At: s.now(), Since: n.Since}
	} else if n.Since.Before(u.Freeze.Since) {
		u.Freeze.At, u.Freeze.Since = s.now(), n.Since
	}
	u.Freeze.Bare = u.Freeze.Bare || before && !after
	// The press must give nobody a mailbox that signs in: not to the culprit, who
	// keeps the address where it cannot be given back, and not to who reads one that
	// an owner with more than that had left.
	u.Freeze.NoMail = u.Freeze.NoMail || address == addressLost || address == addressBack && after
	// What was mailed, handed out or begun before now is dead (SE-5).
	if err := s.renewEpoch(tx, u); err != nil {
		return err
	}
	return tx.audit(event{
		typ: evNotMe, ok: true, client: client, subject: u.ID,
		details: map[string]string{"what": string(n.What), "session": n.SessionID},
	})
}

// guarded reports whether the account has more than the mailbox.
func (s *Service) guarded(tx store.Tx, u *store.User) (bool, error) {
	keys, err := s.usablePasskeys(tx, u.ID)
	return len(s.strong(u, keys)) > 0, err
}

// bare reports whether the account has lost to "that was not me" all that it had
// beyond the mailbox. It may have been the mailbox's reader who said so, to whom
// a site that asks for more than mail stays closed.
func bare(u *store.User) bool { return u.Freeze != nil && u.Freeze.Bare }

// mailWaits reports whether mail signs nobody in to the account before its freeze
// is lifted.
func mailWaits(u *store.User) bool { return u.Freeze != nil && u.Freeze.NoMail }

const notTheirs = "its owner says that it was not them"

// hangs reports whether there would be something without the culprit, a session or
// a hand-out link: it is that session, or added by it, or by one that hangs on it.
func hangs(culprit, id string, behind []string) bool {
	return culprit != "" && (id == culprit || slices.Contains(behind, culprit))
}

// hangOn notes in a session what its proof by methods hangs on. Those in between
// may have ended, and what they added be gone, when somebody says that the first
// was not them. What is older than any notice of who added it is not asked about.
func (s *Service) hangOn(tx store.Tx, u *store.User, sess *store.Session, methods ...string) error {
	add := func(id string, behind []string, at time.Time) {
		if s.now().Sub(at) > max(s.cfg.SessionAbsolute, s.cfg.RefreshTTL)+noticeTTL {
			return
		}
		for _, id := range append(slices.Clone(behind), id) {
			if id != "" && id != sess.ID && len(sess.Behind) < maxBehind && !slices.Contains(sess.Behind, id) {
				sess.Behind = append(slices.Clone(sess.Behind), id)
			}
		}
	}
	if slices.Contains(methods, AMRPasskey) {
		k, err := tx.Passkey(sess.PasskeyID)
		if err != nil {
			return fmt.Errorf("reading the passkey of a session: %w", err)
		}
		add(k.AddedBy, k.Behind, k.CreatedAt)
	}
	if u.TOTP != nil && slices.Contains(methods, AMRTOTP) {
		add(u.TOTP.AddedBy, u.TOTP.Behind, u.TOTP.CreatedAt)
	}
	if u.Recovery != nil && slices.Contains(methods, AMRRecovery) {
		add(u.Recovery.AddedBy, u.Recovery.Behind, u.Recovery.MadeAt)
	}
	if !slices.Contains(methods, AMREmail) {
		return nil
	}
	list, err := s.formerAddresses(tx, u.ID)
	for _, a := range list {
		add(a.SessionID, a.Behind, a.At)
	}
	return err
}

// takenBack is what a session had added.
type takenBack struct {
	passkeys [][]byte
	totp     bool
	codes    time.Time // when the recovery codes were made; zero: they stay
}

// carried reports whether a session relies on what was taken back.
func (g *takenBack) carried(sess *store.Session) bool {
	return slices.ContainsFunc(g.passkeys, func(id []byte) bool { return bytes.Equal(id, sess.PasskeyID) }) ||
		g.totp && slices.Contains(sess.AMR, AMRTOTP) ||
		!g.codes.IsZero() && slices.Contains(sess.AMR, AMRRecovery) && !sess.CreatedAt.Before(g.codes)
}

// takeBack removes what hangs on the culprit. The user is stored by the caller.
func (s *Service) takeBack(tx *txn, u *store.User, culprit string, client Client) (gone takenBack, err error) {
	keys, err := tx.PasskeysOf(u.ID)
	if err != nil {
		return gone, fmt.Errorf("listing passkeys: %w", err)
	}
	for _, k := range keys {
		if !hangs(culprit, k.AddedBy, k.Behind) {
			continue
		}
		if _, err := tx.TakePasskey(k.ID); err != nil {
			return gone, fmt.Errorf("removing a passkey: %w", err)
		}
		gone.passkeys = append(gone.passkeys, k.ID)
	}
	tokens, err := tx.TokensOf(u.ID)
	if err != nil {
		return gone, fmt.Errorf("listing access tokens: %w", err)
	}
	for _, t := range tokens {
		if !hangs(culprit, t.AddedBy, t.Behind) {
			continue
		}
		if err := s.endToken(tx, t, client, u.ID, notTheirs); err != nil {
			return gone, err
		}
	}
	if u.Recovery != nil && hangs(culprit, u.Recovery.AddedBy, u.Recovery.Behind) {
		gone.codes, u.Recovery = u.Recovery.MadeAt, nil
	}
	if u.TOTP != nil && hangs(culprit, u.TOTP.AddedBy, u.TOTP.Behind) {
		gone.totp, u.TOTP = true, nil
	}
	return gone, nil
}

// thawBy lifts a freeze by a passkey from before: one that was made before the
// session began that was not its owner's (DESIGN §6).
func (s *Service) thawBy(tx *txn, u *store.User, key *store.Passkey, client Client) error {
	if u.Freeze == nil || !key.CreatedAt.Before(u.Freeze.Since) {
		return nil
	}
	return s.thaw(tx, u, client)
}

// thaw lifts a freeze, if there is one, and notes that.
func (s *Service) thaw(tx *txn, u *store.User, client Client) error {
	if u.Freeze == nil {
		return nil
	}
	if err := s.unfreeze(tx, u); err != nil {
		return err
	}
	if err := tx.PutUser(u); err != nil {
		return fmt.Errorf("lifting a freeze: %w", err)
	}
	return tx.audit(event{typ: evThawed, ok: true, client: client, subject: u.ID})
}

// unfreeze lifts a freeze, if there is one. Browsers that signed in before are
// strangers from then on: one of them is whoever was not the owner. The user is
// stored by the caller.
func (s *Service) unfreeze(tx *txn, u *store.User) error {
	if u.Freeze == nil {
		return nil
	}
	u.Freeze = nil
	return s.forgetDevices(tx, u)
}

// forgetDevices makes every browser a stranger, and leaves access tokens good. The
// user is stored by the caller.
func (s *Service) forgetDevices(tx *txn, u *store.User) error {
	tokens, err := s.liveTokens(tx, u)
	if err != nil {
		return err
	}
	u.DeviceEpoch++
	tx.users = append(tx.users, u.ID)
	for _, t := range tokens {
		t.Epoch = u.DeviceEpoch
		if err := tx.PutToken(t); err != nil {
			return fmt.Errorf("keeping an access token: %w", err)
		}
	}
	return nil
}

// formerAddress is an address that an account had, and which session replaced it.
type formerAddress struct {
	Email     string    `json:"email"`
	SessionID string    `json:"session_id"`
	Behind    []string  `json:"behind,omitempty"` // what that session hung on
	At        time.Time `json:"at"`
}

// formerKey names the record (store.KindAddress) of the addresses that a user
// had in the last days, oldest first.
func formerKey(userID string) store.Hash { return secret.Token("addresses before/" + userID).Hash() }

// formerAddresses are those that may still be brought back.
func (s *Service) formerAddresses(tx store.Tx, userID string) (list []formerAddress, err error) {
	err = tx.Peek(store.KindAddress, formerKey(userID), &list)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the addresses of before: %w", err)
	}
	return slices.DeleteFunc(list, func(r formerAddress) bool { return s.now().Sub(r.At) > noticeTTL }), nil
}

// keptKey names the record (store.KindAddress) that an address was some user's,
// whose ID it holds, and may be given back to them.
func keptKey(addr string) store.Hash { return secret.Token("address kept/" + addr).Hash() }

// keptFor answers the user whose address it was until some days ago, or "". To
// anybody else it is taken: they could keep its owner from getting it back.
func (s *Service) keptFor(tx store.Tx, addr string) (string, error) {
	var id string
	err := tx.Peek(store.KindAddress, keptKey(addr), &id)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("asking for whom an address is kept: %w", err)
	}
	list, err := s.formerAddresses(tx, id)
	if err != nil || !slices.ContainsFunc(list, func(a formerAddress) bool { return a.Email == addr }) {
		return "", err
	}
	return id, nil
}

// dropFormer forgets the addresses that a user had, who is removed: they are free.
func dropFormer(tx *txn, userID string) error {
	var list []formerAddress
	if err := tx.Take(store.KindAddress, formerKey(userID), &list); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("forgetting the addresses of before: %w", err)
	}
	return nil
}

func (s *Service) putFormer(tx store.Tx, userID string, list []formerAddress) error {
	if err := tx.Put(store.KindAddress, formerKey(userID), list, s.now().Add(noticeTTL)); err != nil {
		return fmt.Errorf("noting the addresses of before: %w", err)
	}
	return nil
}

// What became of the address that the culprit changed.
type addressFate int

const (
	addressSame addressFate = iota // it was not changed
	addressBack                    // the account has it again
	addressLost                    // somebody else has it by now
)

// restoreAddress gives the account the address that it had before the culprit
// changed it, where nobody else has that by now. Every change since is forgotten
// with theirs: its notice may lie in a mailbox of a stranger who had it for a
// while, and must not bring that back. The user is stored by the caller.
func (s *Service) restoreAddress(tx *txn, u *store.User, culprit string) (addressFate, error) {
	list, err := s.formerAddresses(tx, u.ID)
	if err != nil {
		return addressSame, err
	}
	i := slices.IndexFunc(list, func(r formerAddress) bool { return hangs(culprit, r.SessionID, r.Behind) })
	if i < 0 {
		return addressSame, nil
	}
	holder, err := tx.UserByEmail(list[i].Email)
	if err == nil && holder.ID != u.ID {
		return addressLost, nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return addressSame, fmt.Errorf("looking for the address: %w", err)
	}
	if err := dropInvites(tx, u.Email); err != nil { // whoever has that address next is somebody else
		return addressSame, err
	}
	u.Email = list[i].Email
	return addressBack, s.putFormer(tx, u.ID, list[:i])
}
