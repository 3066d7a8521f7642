package authcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/cookies"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// User is a person's record, as those above authcore see it.
type User = store.User

// Token is a secret that a browser or client holds; it prints as [redacted].
type Token = secret.Token

// ParseToken accepts exactly the spelling that was issued (SE-1).
func ParseToken(s string) (Token, bool) { return secret.Parse(s) }

// Methods of authentication, as sessions and tokens carry them (SE-7).
const (
	AMRPasskey  = "passkey"  // with user verification: two factors
	AMRTOTP     = "totp"     // a second step
	AMREmail    = "email"    // control of the mailbox; never a second factor
	AMRInvite   = "invite"   // an invitation made on the host or by an admin
	AMRRecovery = "recovery" // a recovery code in place of the second step: it only lets a passkey be added
	AMRHandOut  = "handout"  // a link made on the host for somebody who has lost every passkey
	AMRProbe    = "probe"    // nobody signed in: doctor asks what the user would get (probe.go)
)

// Live is a session that is valid now, with what it hangs on.
type Live struct {
	Session *store.Session
	Root    *store.Session // app sessions: their live root; otherwise nil
	User    *store.User
}

// Proof is the session whose methods and time count: the root of a child.
func (l *Live) Proof() *store.Session {
	if l.Root != nil {
		return l.Root
	}
	return l.Session
}

// SteppedUp reports whether the proof is as fresh as account acts need.
func (l *Live) SteppedUp(now time.Time) bool { return now.Sub(l.Proof().AuthTime) <= stepUpAge }

// Has reports whether the session used the method.
func (l *Live) Has(amr string) bool { return slices.Contains(l.Proof().AMR, amr) }

// liveSession reads a session and judges it by server state and the current
// configuration. A session that is over is ErrNotFound, whatever ended it.
func (s *Service) liveSession(tx store.Tx, h store.Hash) (*Live, error) {
	sess, err := tx.Session(h)
	if err != nil {
		return nil, err
	}
	l := &Live{Session: sess}
	if sess.Kind == store.AppSession {
		if l.Root, err = tx.SessionByID(sess.RootID); err != nil {
			return nil, err
		}
	}
	if l.User, err = tx.User(sess.UserID); err != nil {
		return nil, err
	}
	now := s.now()
	if !s.alive(sess, l.User, now) || l.Root != nil && !s.alive(l.Root, l.User, now) {
		return nil, fmt.Errorf("session is over: %w", store.ErrNotFound)
	}
	return l, nil
}

// alive applies user state (SE-5) and the idle and absolute limits (SE-3).
func (s *Service) alive(sess *store.Session, u *store.User, now time.Time) bool {
	if sess.Kind == store.APISession && s.Client(sess.ClientID) == nil {
		return false // the client is not configured any more
	}
	idle := s.idle(sess.Kind)
	return sess.UserID == u.ID && sess.Epoch == u.Epoch && !u.Disabled &&
		now.Sub(sess.LastSeen) <= idle && now.Sub(sess.CreatedAt) <= s.absolute(sess)
}

// absolute is how long a session lives, however much it is used.
func (s *Service) absolute(sess *store.Session) time.Duration {
	switch {
	case isProbe(sess):
		return min(probeTTL, s.cfg.SessionAbsolute)
	case sess.Kind == store.APISession:
		return s.cfg.RefreshTTL
	}
	return s.cfg.SessionAbsolute
}

// idle is the inactivity limit. An API session lives by its refresh tokens,
// which have an absolute lifetime only.
func (s *Service) idle(k store.SessionKind) time.Duration {
	if k == store.APISession {
		return s.cfg.RefreshTTL
	}
	return s.cfg.SessionIdle
}

func (s *Service) expires(sess *store.Session) time.Time {
	end := sess.CreatedAt.Add(s.absolute(sess))
	if idle := sess.LastSeen.Add(s.idle(sess.Kind)); idle.Before(end) {
		return idle
	}
	return end
}

// Current is the root session of a browser at the portal, or nil. status is
// cookies.Bad when the cookie should be cleared.
func (s *Service) Current(ctx context.Context, cookieHeaders []string) (*Live, CookieStatus, error) {
	value, status := cookies.Find(cookieHeaders, s.SessionCookie(s.portal))
	if status != cookies.One {
		return nil, status, nil
	}
	l, err := s.session(ctx, value, s.portal.Host, store.RootSession)
	if l != nil && isProbe(l.Session) {
		return nil, status, nil // it opens the app and no account
	}
	return l, status, err
}

// session loads the live session of a token for one host and kind, and notes
// that it was seen; nil if there is none.
func (s *Service) session(ctx context.Context, token, host string, kind store.SessionKind) (*Live, error) {
	e, hash, err := s.lookup(ctx, token, place{host, s.rt.hosts.id(host)}, kindNumbers[kind], true)
	if err != nil || e.User == nil {
		return nil, err
	}
	var l *Live
	err = s.rt.store.View(ctx, func(tx store.Tx) (err error) {
		l, err = s.liveSession(tx, hash)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return l, err
}

// proven is what a sign-in showed.
type proven struct {
	amr       []string
	passkeyID []byte // the credential, where it was one
	handOut   string // the ID of the link, where it was one
}

// newSession is what startSession needs to know.
type newSession struct {
	kind     store.SessionKind
	host     string
	user     *store.User
	root     *store.Session // app sessions
	clientID string         // API sessions
	proven
	client Client
}

// startSession stores a new session under a new token (SE-2) and audits it.
func (s *Service) startSession(tx *txn, n newSession) (Token, *store.Session, error) {
	token, err := secret.New(s.rt.rand)
	if err != nil {
		return "", nil, fmt.Errorf("making a session token: %w", err)
	}
	id, err := secret.ID(s.rt.rand)
	if err != nil {
		return "", nil, fmt.Errorf("naming a session: %w", err)
	}
	now := s.now()
	sess := &store.Session{
		Hash: token.Hash(), ID: id, Kind: n.kind, UserID: n.user.ID, Epoch: n.user.Epoch, Host: n.host,
		ClientID: n.clientID, AMR: n.amr, AuthTime: now, CreatedAt: now, LastSeen: now,
		IP: n.client.ip(), UserAgent: n.client.agent(), PasskeyID: n.passkeyID,
	}
	if slices.Contains(n.amr, AMRRecovery) {
		sess.RecoveredAt = now
	}
	if n.handOut != "" {
		sess.Behind = []string{n.handOut}
	}
	if n.root != nil {
		// A child never outlives its root: it shares its beginning.
		sess.RootID, sess.CreatedAt, sess.AuthTime = n.root.ID, n.root.CreatedAt, n.root.AuthTime
	} else if err := errors.Join(s.capSessions(tx, n.user, n.client), s.hangOn(tx, n.user, sess, n.amr...)); err != nil {
		return "", nil, err
	}
	sess.Expires = s.expires(sess)
	if err := tx.PutSession(sess); err != nil {
		return "", nil, fmt.Errorf("storing a session: %w", err)
	}
	return token, sess, tx.audit(event{
		typ: evSessionCreated, ok: true, client: n.client, subject: n.user.ID,
		details: map[string]string{"session": sess.ID, detailKind: string(sess.Kind), detailHost: sess.Host},
	})
}

// capSessions makes room for one more: the session seen longest ago goes
// (SE-10).
func (s *Service) capSessions(tx *txn, u *store.User, client Client) error {
	all, err := tx.SessionsOf(u.ID)
	if err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	all = slices.DeleteFunc(all, func(x *store.Session) bool { return x.Kind == store.AppSession || isProbe(x) })
	return s.endOldest(tx, all, s.cfg.SessionsPerUser, client, "too many sessions")
}

// endOldest ends those of the user's sessions that were seen longest ago, until
// one more makes limit.
func (s *Service) endOldest(tx *txn, all []*store.Session, limit int, client Client, why string) error {
	slices.SortFunc(all, func(a, b *store.Session) int { return a.LastSeen.Compare(b.LastSeen) })
	for len(all) >= limit {
		if err := s.endSession(tx, all[0], client, all[0].UserID, why); err != nil {
			return err
		}
		all = all[1:]
	}
	return nil
}

// endSession takes a session and its children and audits it. One that is gone
// already is no error. It goes by ID: the caller may have read it before a
// rotation changed its hash.
func (s *Service) endSession(tx *txn, sess *store.Session, client Client, actor, why string) error {
	sess, err := tx.SessionByID(sess.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the session: %w", err)
	}
	if sess.Kind == store.RootSession {
		children, err := tx.ChildrenOf(sess.ID)
		if err != nil {
			return fmt.Errorf("listing app sessions: %w", err)
		}
		for _, c := range children {
			if _, err := tx.TakeSession(c.Hash); err != nil {
				return fmt.Errorf("ending an app session: %w", err)
			}
			tx.dead = append(tx.dead, c.Hash)
		}
	}
	if _, err := tx.TakeSession(sess.Hash); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	tx.dead = append(tx.dead, sess.Hash)
	return tx.audit(event{
		typ: evSessionRevoked, ok: true, client: client, actor: actor, subject: sess.UserID,
		details: map[string]string{"session": sess.ID, "why": why},
	})
}

// endAll kills everything issued to the user before now: sessions, access
// tokens, and by the new epoch every flow, ticket and refresh token (SE-5).
// keep, if not nil, and its children survive. The user is stored.
func (s *Service) endAll(tx *txn, u *store.User, keep *store.Session, client Client, actor, why string) error {
	u.DeviceEpoch++
	if err := s.endTokens(tx, u, client, actor, why); err != nil {
		return err
	}
	return s.endSessions(tx, u, keep, client, actor, why)
}

// endSessions is endAll that leaves the access tokens.
func (s *Service) endSessions(tx *txn, u *store.User, keep *store.Session, client Client, actor, why string) error {
	u.Epoch++
	tx.users = append(tx.users, u.ID)
	all, err := tx.SessionsOf(u.ID)
	if err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	for _, sess := range all {
		switch {
		case keep != nil && (sess.ID == keep.ID || sess.RootID == keep.ID):
			sess.Epoch = u.Epoch
			if err := tx.PutSession(sess); err != nil {
				return fmt.Errorf("keeping a session: %w", err)
			}
		case sess.Kind != store.AppSession:
			if err := s.endSession(tx, sess, client, actor, why); err != nil {
				return err
			}
		}
	}
	return tx.PutUser(u)
}

// rotate gives a session a new token in place, keeping its ID so that its
// children stay children (SE-2).
func (s *Service) rotate(tx *txn, sess *store.Session) (Token, error) {
	token, err := secret.New(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("making a session token: %w", err)
	}
	if _, err := tx.TakeSession(sess.Hash); err != nil {
		return "", fmt.Errorf("rotating a session: %w", err)
	}
	tx.dead = append(tx.dead, sess.Hash)
	children, err := tx.ChildrenOf(sess.ID)
	if err != nil {
		return "", fmt.Errorf("listing app sessions: %w", err)
	}
	for _, c := range children { // they read methods and time through the root
		tx.dead = append(tx.dead, c.Hash)
	}
	sess.Hash = token.Hash()
	sess.Expires = s.expires(sess)
	return token, tx.PutSession(sess)
}

// SignOut ends the browser's root session, its children, and the sign-in by
// mail that this browser may have begun meanwhile (SE-4).
func (s *Service) SignOut(ctx context.Context, b Browser) error {
	if err := b.signedIn(); err != nil {
		return err
	}
	return s.update(ctx, func(tx *txn) error {
		if b.Flow != "" {
			if err := errors.Join(dropFlow(tx, b.Flow.Hash()), dropSecond(tx, b.Flow.Hash())); err != nil {
				return err
			}
		}
		return s.signOut(tx, b.Session, b.Client)
	})
}

func (s *Service) signOut(tx *txn, l *Live, client Client) error {
	if err := s.endSession(tx, l.Session, client, l.User.ID, "signed out"); err != nil {
		return err
	}
	return tx.audit(event{typ: evLoggedOut, ok: true, client: client, subject: l.User.ID})
}

// SignOutApp ends the app session that a request to an app host carries.
func (s *Service) SignOutApp(ctx context.Context, d *Decision, client Client) error {
	if d.Identity == nil {
		return nil
	}
	return s.update(ctx, func(tx *txn) error {
		sess, err := tx.Session(d.Session)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the session: %w", err)
		}
		// It came back, so the app keeps cookies: see startChild.
		if err := tx.ClearCounter(bounceCounter(sess.RootID, d.App)); err != nil {
			return fmt.Errorf("clearing the hand-overs: %w", err)
		}
		return s.endSession(tx, sess, client, sess.UserID, "signed out of the app")
	})
}

// SignOutScope ends sessions of the user: "this", "others" or "all". The last two
// end the access tokens as well, where the mailbox alone may (SE-8).
func (s *Service) SignOutScope(ctx context.Context, l *Live, scope string, client Client) error {
	switch scope {
	case "this":
		return s.update(ctx, func(tx *txn) error { return s.signOut(tx, l, client) })
	case "others", "all":
	default:
		return refuse(NotFound)
	}
	return s.updateLive(ctx, l, func(tx *txn, l *Live) (*Refusal, error) {
		if refusal := l.PasskeyFirst(); refusal != nil {
			return refusal, nil
		}
		var keep *store.Session
		if scope == "others" {
			keep = l.Session
		}
		keys, err := tx.PasskeysOf(l.User.ID)
		if err != nil {
			return nil, fmt.Errorf("listing passkeys: %w", err)
		}
		end := s.endAll
		if s.Weaker(l, keys) {
			end = s.endSessions
		}
		if err := end(tx, l.User, keep, client, l.User.ID, "signed out everywhere"); err != nil {
			return nil, err
		}
		return nil, tx.audit(event{typ: evLoggedOut, ok: true, client: client, subject: l.User.ID, details: map[string]string{"scope": scope}})
	})
}

// orRefusal answers the refusal that a committed transaction ended in.
func orRefusal(err error, r *Refusal) error {
	if err == nil && r != nil {
		return r
	}
	return err
}
