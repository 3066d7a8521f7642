package authcore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// A probe is how "doctor" looks at a deployment from outside and from inside at
// once: what it sends through the public address carries a nonce in its query,
// and what arrives here of that is kept for it (seen.go).
//
//	begun  by an operator on the host: Probe. For a user it comes with a session
//	       of one app's host, and an access token for it
//	used   as a session is, by the guard and the decision endpoints. It is no
//	       proof of anything: it satisfies no require and no reauth, and at
//	       sign-in and account it is nobody (Current)
//	dead   by EndProbe; after probeTTL, whatever is done with it, whatever is
//	       configured meanwhile
//
// The root session's token is forgotten as soon as it is made.

// Probe is what doctor needs for its requests.
type Probe struct {
	Nonce   string
	Cookie  string      // name of the session cookie; empty without a user
	Session Token       // its value
	Token   AccessToken // for the same app; empty where there is none
	NoToken string      // why there is none
	// Identity is what the app must be told about the user, by the names of all
	// headers that speak of one; empty: such a header must not arrive.
	Identity map[string]string
	// Assertion is the name of the header with an assertion; empty: none.
	Assertion string
}

// probing is a probe that is under way.
type probing struct {
	records
	rootID  string
	tokenID string
}

// isProbe reports whether a session is nobody's sign-in.
func isProbe(sess *store.Session) bool { return len(sess.AMR) == 1 && sess.AMR[0] == AMRProbe }

// Probe begins a probe of an app on behalf of an operator. With who it is a
// user's, who is told nothing and loses no session by it.
func (s *Service) Probe(ctx context.Context, actor, who, host string) (*Probe, error) {
	app := s.App(host)
	if app == nil {
		return nil, &Refusal{Reason: NotFound, Detail: "No app is configured at " + host + "; guard that site, or write another host."}
	}
	nonce, err := secret.ID(s.rt.rand)
	if err != nil {
		return nil, fmt.Errorf("naming a probe: %w", err)
	}
	p, under := &Probe{Nonce: nonce}, &probing{}
	done := event{typ: evProbed, actor: actor}
	err = s.update(ctx, func(tx *txn) (err error) {
		*p, *under, done.subject = Probe{Nonce: nonce}, probing{}, ""
		var u *store.User
		if who != "" {
			if u, err = findUser(tx, who); err != nil {
				return err
			}
			if done.subject = u.ID; u.Disabled {
				return &Refusal{Reason: Forbidden, Detail: "The user is disabled; name another, or enable them first."}
			}
			if under.rootID, err = s.probeSession(tx, p, u, app); err != nil {
				return err
			}
		}
		e := done.of(done.subject)
		e.details = map[string]string{"app": app.Origin.Host, "session": under.rootID}
		return tx.audit(e)
	})
	if err != nil {
		return nil, s.audited(ctx, done, err)
	}
	if who != "" {
		if err := s.probeToken(ctx, p, under, actor, who, app); err != nil {
			return nil, err
		}
	}
	if !s.rt.probes.add(nonce, under, s.now()) {
		err := s.endProbe(ctx, under, actor)
		return nil, errors.Join(&Refusal{Reason: TooMany, Detail: "Too many probes are under way; try again in some minutes."}, err)
	}
	return p, nil
}

// probeSession makes a root session whose token nobody has, and what the guard
// of the app takes: its child or, in a sidecar, the root itself. It ends no
// other session of the user.
func (s *Service) probeSession(tx *txn, p *Probe, u *store.User, app *App) (rootID string, err error) {
	now := s.now()
	root := store.Session{
		Kind: store.RootSession, UserID: u.ID, Epoch: u.Epoch, Host: s.portal.Host, AMR: []string{AMRProbe},
		AuthTime:  time.Unix(0, 0).UTC(), // longer ago than any rule allows
		CreatedAt: now, LastSeen: now, UserAgent: "passwordless-auth doctor",
	}
	if p.Session, err = s.putProbe(tx, &root); err != nil {
		return "", err
	}
	if !s.Sidecar() {
		child := root
		child.Kind, child.Host, child.RootID = store.AppSession, app.Origin.Host, root.ID
		if p.Session, err = s.putProbe(tx, &child); err != nil {
			return "", err
		}
	}
	p.Cookie = s.SessionCookie(app.Origin)
	p.Identity, p.Assertion = app.Policy.tells(newIdentity(u))
	return root.ID, nil
}

// putProbe stores a session under a new token and id.
func (s *Service) putProbe(tx *txn, sess *store.Session) (Token, error) {
	token, err := secret.New(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("making a probe's session: %w", err)
	}
	if sess.ID, err = secret.ID(s.rt.rand); err != nil {
		return "", fmt.Errorf("naming a probe's session: %w", err)
	}
	sess.Hash, sess.Expires = token.Hash(), s.expires(sess)
	if err := tx.PutSession(sess); err != nil {
		return "", fmt.Errorf("storing a probe's session: %w", err)
	}
	return token, nil
}

// probeToken adds an access token, where the user may have one.
func (s *Service) probeToken(ctx context.Context, p *Probe, under *probing, actor, who string, app *App) error {
	if s.Sidecar() || app.Policy.noTokens {
		p.NoToken = "the app takes no access tokens"
		return nil
	}
	token, rec, err := s.CreateToken(ctx, actor, who, Grant{App: app.Origin.Host}, "doctor", probeTTL)
	if r, refused := AsRefusal(err); refused {
		p.NoToken = r.Detail
		return nil
	}
	if err != nil {
		return errors.Join(err, s.endProbe(ctx, under, actor))
	}
	p.Token, under.tokenID = token, rec.ID
	return nil
}

// EndProbe ends a probe and all that came with it. One that is over is no error.
func (s *Service) EndProbe(ctx context.Context, actor, nonce string) error {
	if under := s.rt.probes.take(nonce); under != nil {
		return s.endProbe(ctx, under, actor)
	}
	return nil
}

func (s *Service) endProbe(ctx context.Context, under *probing, actor string) error {
	if under.rootID == "" {
		return nil
	}
	err := s.update(ctx, func(tx *txn) error {
		return s.endSession(tx, &store.Session{ID: under.rootID}, Client{}, actor, "the probe is over")
	})
	if under.tokenID == "" {
		return err
	}
	revoked := s.RevokeToken(ctx, actor, under.tokenID)
	if r, refused := AsRefusal(revoked); refused && r.Reason == NotFound {
		revoked = nil // whatever ends everything of the user was faster
	}
	return errors.Join(err, revoked)
}

// tells is what an app with this policy hears about a user: see Probe.
func (p *Policy) tells(id *Identity) (identity map[string]string, assertion string) {
	identity = map[string]string{}
	for _, name := range defaultHeaderNames {
		identity[name] = "" // also those that this app has renamed
	}
	for i, name := range p.names() {
		if name != "" {
			identity[name] = id.values[i]
		}
	}
	if p.Asserts() {
		assertion = p.names()[numHeaders-1]
		delete(identity, assertion)
	}
	return identity, assertion
}

// PublicPaths are the patterns that need no sign-in in the whole app.
func (p *Policy) PublicPaths() []string {
	var list []string
	for _, r := range p.public {
		list = append(list, r.pattern.String())
	}
	return list
}
