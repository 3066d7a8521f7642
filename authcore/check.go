package authcore

import (
	"context"
	"errors"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/cookies"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/authcore/sessioncache"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Request is what a decision is made of, and nothing else is (FA-14).
type Request struct {
	Host    string   // as the client or a trusted proxy named it
	Path    string   // escaped path as the client sent it
	Here    string   // escaped path at the guard's own place; Path where nothing rewrote it
	Cookies []string // raw Cookie headers
}

// Verdict is the outcome of a decision. The zero value denies.
type Verdict uint8

// Verdicts.
const (
	Deny        Verdict = iota // 403: signed in and refused, or a host we do not guard
	SignIn                     // nobody is signed in here
	Allow                      // pass
	Unavailable                // the store did not answer: 503 (FA-10)
)

// Decision is a verdict and the line of configuration that made it, as one
// value for guard, endpoints, logs and pages.
type Decision struct {
	Verdict  Verdict
	Public   bool      // allowed without sign-in
	At       string    // "Caddyfile:17"; empty when no line did
	App      *App      // nil: the host is not configured
	Identity *Identity // who is here, also on public paths; nil: nobody
	Session  store.Hash
	Cookie   cookies.Status // Bad: clear it (CK-2)
	Err      error          // the store did not answer: why it is Unavailable or, on a public path, nobody
}

// Check decides about one request. With a valid cached session it does no I/O,
// takes no global lock and allocates nothing.
func (s *Service) Check(ctx context.Context, r *Request) Decision { return s.check(ctx, r, true) }

// Peek decides as Check does, without counting as use of the session.
func (s *Service) Peek(ctx context.Context, r *Request) Decision { return s.check(ctx, r, false) }

func (s *Service) check(ctx context.Context, r *Request, touch bool) Decision {
	app := s.App(r.Host)
	if app == nil {
		return Decision{}
	}
	d := Decision{App: app, Verdict: SignIn}
	publicAt, public := app.Policy.isPublic(r.Path, r.Here)
	var value string
	value, d.Cookie = cookies.Find(r.Cookies, s.SessionCookie(app.Origin))
	if d.Cookie == cookies.One {
		entry, hash, err := s.lookup(ctx, value, app.id, s.guardKind(), touch)
		switch d.Err = err; {
		case err != nil && !public:
			d.Verdict = Unavailable
			return d
		case err == nil && entry.User != nil:
			d.Identity, d.Session = entry.User, hash
		}
	}
	switch {
	case public:
		d.Verdict, d.Public, d.At = Allow, true, publicAt
	case d.Identity == nil:
		d.At = app.Policy.at
	case d.Identity.Unnamed:
		d.Verdict = Deny
	default:
		var ok bool
		if d.At, ok = app.Policy.admits(d.Identity); ok {
			d.Verdict = Allow
		} else {
			d.Verdict = Deny
		}
	}
	return d
}

// Session kinds as the cache numbers them.
const (
	kindRoot uint8 = iota + 1
	kindApp
	kindAPI
)

var kindNumbers = map[store.SessionKind]uint8{store.RootSession: kindRoot, store.AppSession: kindApp, store.APISession: kindAPI}

// guardKind is the session an app host accepts: its own app session, or in a
// sidecar, where app and sign-in are one origin, the root session.
func (s *Service) guardKind() uint8 {
	if s.Sidecar() {
		return kindRoot
	}
	return kindApp
}

// lookup finds the live session of a token on one host. A dead or unknown one
// is an Entry without User; an error means that the store did not answer.
func (s *Service) lookup(ctx context.Context, token string, host uint32, kind uint8, touch bool) (sessioncache.Entry[Identity], store.Hash, error) {
	var none sessioncache.Entry[Identity]
	tok, ok := secret.Parse(token)
	if !ok {
		return none, store.Hash{}, nil
	}
	hash := tok.Hash()
	now := s.rt.now().Unix()
	e, ok := s.rt.cache.Get(&hash)
	if !ok || !s.fresh(&e, now) {
		// A cached LastSeen may be older than the stored one (a child that
		// kept its root alive), so "idle" is asked again.
		var err error
		cached := ok
		if e, err = s.fill(ctx, hash); err != nil || e.User == nil {
			if cached && err == nil {
				s.rt.cache.Invalidate(hash) // not for unknown tokens: it makes other fills start over
			}
			return none, hash, err
		}
	}
	if e.Host != host || e.Kind != kind { // FA-12: one host, one kind
		return none, hash, nil
	}
	if touch && now-e.LastSeen >= touchEvery {
		s.rt.cache.Touch(&hash, now)
	}
	return e, hash, nil
}

// fresh applies the current configuration's limits (SE-3).
func (s *Service) fresh(e *sessioncache.Entry[Identity], now int64) bool {
	return now-e.LastSeen <= int64(s.cfg.SessionIdle/time.Second) && now-e.Created <= int64(s.cfg.SessionAbsolute/time.Second)
}

// fill reads a session into the cache.
func (s *Service) fill(ctx context.Context, hash store.Hash) (sessioncache.Entry[Identity], error) {
	var none, e sessioncache.Entry[Identity]
	stamp := s.rt.cache.Stamp() // before the read: an invalidation in between refuses the insert
	var live *Live
	err := s.rt.store.View(ctx, func(tx store.Tx) (err error) {
		live, err = s.liveSession(tx, hash)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	e = sessioncache.Entry[Identity]{
		User: newIdentity(live.User), Host: s.rt.hosts.id(live.Session.Host), Kind: kindNumbers[live.Session.Kind],
		AMR: amrBits(live.Proof().AMR), AuthTime: live.Proof().AuthTime.Unix(),
		Created: live.Session.CreatedAt.Unix(), LastSeen: live.Session.LastSeen.Unix(),
	}
	s.rt.cache.Insert(hash, e, live.User.ID, stamp)
	return e, nil
}

// amrBits packs methods for the cache.
func amrBits(amr []string) (bits uint8) {
	for _, m := range amr {
		switch m {
		case AMRPasskey:
			bits |= 1
		case AMREmail:
			bits |= 2
		case AMRInvite:
			bits |= 4
		case AMRHandOut:
			bits |= 8
		}
	}
	return bits
}
