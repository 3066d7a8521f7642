package authcore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/cookies"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/authcore/sessioncache"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Request is what a decision is made of, and nothing else is (FA-14).
type Request struct {
	Host    string     // as the client or a trusted proxy named it
	Path    string     // escaped path as the client sent it
	Here    string     // escaped path at the guard's own place; Path where nothing rewrote it
	Method  string     // as the client sent it
	Client  netip.Addr // its address; the zero Addr where that is not known (FA-1)
	Cookies []string   // raw Cookie headers

	Authorization []string // raw Authorization headers
	// Site is Sec-Fetch-Site, and Origin the header of that name: no access
	// token is taken of a browser that sends it for a page of another origin.
	Site, Origin string
}

// SetAuthorization takes from a request's headers what access tokens need.
func (r *Request) SetAuthorization(h http.Header) {
	if r.Authorization = h["Authorization"]; len(r.Authorization) > 0 {
		r.Site, r.Origin = first(h, "Sec-Fetch-Site"), first(h, "Origin")
	}
}

// otherSite reports whether a browser sent the request for a page of another
// origin than the app's.
func (r *Request) otherSite(app *App) bool {
	switch r.Site {
	case "cross-site", "same-site":
		return true
	case "":
		return r.Origin != "" && r.Origin != app.Origin.String()
	}
	return false
}

// Verdict is the outcome of a decision. The zero value denies.
type Verdict uint8

// Verdicts.
const (
	Deny        Verdict = iota // 403: refused, or a host we do not guard
	SignIn                     // nobody is signed in here
	StepUp                     // signed in, but by too weak or too old a proof: Need says what is missing
	BadToken                   // 401: an access token that opens nothing here
	Allow                      // pass
	Unavailable                // the store did not answer: 503 (FA-10)
)

// String is the verdict's word in logs and explanations.
func (v Verdict) String() string {
	switch v {
	case SignIn:
		return "sign in"
	case StepUp:
		return "step up"
	case BadToken:
		return "bad token"
	case Allow:
		return "allow"
	case Unavailable:
		return "unavailable"
	}
	return "deny"
}

// Why is the kind of rule that decided.
type Why string

// Kinds of rules.
const (
	WhyHost    Why = "host"    // no app has this host
	WhyPublic  Why = "public"  // no sign-in needed
	WhySession Why = "session" // nobody is signed in
	WhyNetwork Why = "network" // the client's address
	WhyName    Why = "name"    // the account has no user name yet
	WhyAllow   Why = "allow"
	WhyDeny    Why = "deny"
	WhyRequire Why = "require"
	WhyReauth  Why = "reauth"
	WhyToken   Why = "token" // the access token, or that none is taken here
)

// Decision is a verdict and the line of configuration that made it, as one
// value for guard, endpoints, logs and pages.
type Decision struct {
	Verdict  Verdict
	Public   bool      // allowed without sign-in
	Why      Why       // the kind of rule that decided
	At       string    // where it stands: "Caddyfile:17"; empty when no line decided
	App      *App      // nil: the host is not configured
	Identity *Identity // who is here, also on public paths; nil: nobody
	Session  store.Hash
	Need     Need // StepUp: all that the request needs
	Token    bool // an access token decided; no app may see its Authorization (HD-5)
	// TokensHere says of a 401 that an access token would help.
	TokensHere bool
	Cookie     cookies.Status // Bad: clear it (CK-2)
	Err        error          // the store did not answer: why it is Unavailable or, on a public path, nobody

	proof proofOf // of Session
}

// Check decides about one request. With a valid cached session it does no I/O,
// takes no global lock and allocates nothing.
func (s *Service) Check(ctx context.Context, r *Request) (d Decision) {
	s.check(ctx, r, &d, true)
	return d
}

// Peek decides as Check does, without counting as use of the session.
func (s *Service) Peek(ctx context.Context, r *Request) (d Decision) {
	s.check(ctx, r, &d, false)
	return d
}

// check fills a Decision that is zero.
func (s *Service) check(ctx context.Context, r *Request, d *Decision, touch bool) {
	app := s.App(r.Host)
	if app == nil {
		d.Why = WhyHost
		return
	}
	d.App, d.Verdict, d.Why = app, SignIn, WhySession
	var v view
	v.look(&app.Policy, r)
	d.At = v.block()
	at, within := v.within(r.Client)
	if !within {
		d.Verdict, d.Why, d.At = Deny, WhyNetwork, at
	}
	if raw, present := ourToken(r.Authorization); present {
		s.checkToken(ctx, r, d, &v, raw, touch)
		return
	}
	var value string
	value, d.Cookie = cookies.Find(r.Cookies, s.SessionCookie(app.Origin))
	if d.Cookie == cookies.One {
		entry, hash, err := s.lookup(ctx, value, app.place(), s.guardKind(), touch)
		switch d.Err = err; {
		case err != nil && !v.public && within:
			d.Verdict = Unavailable
			return
		case err == nil && entry.User != nil && !(v.public && limited(entry.AMR)): // it is nobody where nothing is asked
			d.Identity, d.Session, d.proof = entry.User, hash, proofOf{bits: entry.AMR &^ (bitTrustedPasskey | bitTrustedTOTP | bitRecovery), at: entry.AuthTime}
			if within && !v.public {
				s.judge(ctx, d, &v, &entry)
			}
		}
	}
	if within && v.public {
		d.Verdict, d.Public, d.Why, d.At = Allow, true, WhyPublic, v.publicAt
	}
	if d.Verdict == SignIn {
		d.TokensHere = s.takesTokens(&v)
	}
}

// takesTokens: a sidecar has none, since its app could make them for others.
func (s *Service) takesTokens(v *view) bool { return !s.Sidecar() && v.takesTokens() }

// checkToken decides about a request with an access token, which decides alone:
// one that is not good is never passed over for a cookie.
func (s *Service) checkToken(ctx context.Context, r *Request, d *Decision, v *view, raw string, touch bool) {
	d.Token = true
	if d.Why == WhyNetwork {
		return
	}
	d.Verdict, d.Why, d.At, d.TokensHere = BadToken, WhyToken, "", s.takesTokens(v)
	if r.otherSite(d.App) {
		return // a page of another site had the browser send it
	}
	e, err := s.findToken(ctx, raw)
	switch {
	case err != nil:
		d.Verdict, d.Err = Unavailable, err
		return
	case e == nil || e.app != d.App.Origin.Host: // FA-12
		return
	case !d.TokensHere:
		d.Verdict, d.At = Deny, v.block()
		return
	}
	d.Identity, d.Session, d.proof = e.identity, e.hash, proofOf{token: true}
	switch {
	case !e.admits(r.Path, r.Here, r.Method, r.Client):
		d.Verdict = Deny
		return
	case v.public:
		d.Verdict, d.Public, d.Why, d.At = Allow, true, WhyPublic, v.publicAt
	default:
		d.weighUser(v, e.identity)
	}
	if d.Verdict == Allow && touch {
		s.useToken(e)
	}
}

// judge decides about who is signed in.
func (s *Service) judge(ctx context.Context, d *Decision, v *view, e *sessioncache.Entry[Identity]) {
	d.weigh(v, e.User, e.AMR, s.age(e))
	waits := e.AMR&bitPasskey != 0 && e.AMR&bitTrustedPasskey == 0 || e.AMR&bitTOTP != 0 && e.AMR&bitTrustedTOTP == 0
	if d.Verdict != StepUp || !waits {
		return
	}
	// The factor did not count when the session was cached; it may by now.
	again, err := s.fill(ctx, d.Session)
	switch {
	case err != nil:
		d.Verdict, d.Err = Unavailable, err
	case again.User != nil:
		d.weigh(v, again.User, again.AMR, s.age(&again))
	}
}

// weigh holds a user and their proof against the rules.
func (d *Decision) weigh(v *view, id *Identity, bits uint8, age time.Duration) {
	if d.weighUser(v, id); d.Verdict != Allow {
		return
	}
	if limited(bits) { // it may add a passkey, at the portal
		d.Verdict, d.Why, d.At, d.Need = StepUp, WhyRequire, "", v.need()
		return
	}
	if at, why, ok := v.shows(bits, age); !ok {
		d.Verdict, d.Why, d.At, d.Need = StepUp, why, at, v.need()
	}
}

// weighUser holds a user against the rules.
func (d *Decision) weighUser(v *view, id *Identity) {
	d.Verdict, d.Need = Allow, Need{}
	if id.Unnamed {
		d.Verdict, d.Why, d.At = Deny, WhyName, ""
		return
	}
	var ok bool
	if d.At, d.Why, ok = v.admits(id); !ok {
		d.Verdict = Deny
	}
}

// age is how long ago the session's user proved who they are.
func (s *Service) age(e *sessioncache.Entry[Identity]) time.Duration {
	return time.Duration(s.rt.now().Unix()-e.AuthTime) * time.Second
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

// place is a host and its number, which is 0 as long as it is not known.
type place struct {
	host string
	id   uint32
}

func (a *App) place() place { return place{a.Origin.Host, a.id} }

// lookup finds the live session of a token on one host. A dead or unknown one
// is an Entry without User; an error means that the store did not answer.
func (s *Service) lookup(ctx context.Context, token string, at place, kind uint8, touch bool) (sessioncache.Entry[Identity], store.Hash, error) {
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
	if at.id == 0 {
		at.id = s.rt.hosts.find(at.host) // numbered by the fill, if this is the session's host
	}
	if e.Host != at.id || e.Kind != kind { // FA-12: one host, one kind
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
	var bits uint8
	err := s.rt.store.View(ctx, func(tx store.Tx) (err error) {
		if live, err = s.liveSession(tx, hash); err != nil {
			return err
		}
		bits, err = s.proofBits(tx, live)
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
		AMR: bits, AuthTime: live.Proof().AuthTime.Unix(),
		Created: live.Session.CreatedAt.Unix(), LastSeen: live.Session.LastSeen.Unix(),
	}
	if !isProbe(live.Session) { // its end is another one than the cache judges by
		s.rt.cache.Insert(hash, e, live.User.ID, stamp)
	}
	return e, nil
}

// proofBits are the methods that a session used, and whether they count where
// a policy requires them: a factor that is there and was added by somebody who
// might (DESIGN §6).
func (s *Service) proofBits(tx store.Tx, l *Live) (uint8, error) {
	proof := l.Proof()
	bits := amrBits(proof.AMR)
	if t := l.User.TOTP; bits&bitTOTP != 0 && t != nil && !s.now().Before(t.TrustedAt) {
		bits |= bitTrustedTOTP
	}
	if bits&bitPasskey == 0 || len(proof.PasskeyID) == 0 {
		return bits, nil
	}
	key, err := tx.Passkey(proof.PasskeyID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return bits, nil // SE-7: it was removed
	case err != nil:
		return 0, fmt.Errorf("reading the passkey of a session: %w", err)
	case key.UserID == proof.UserID && !s.now().Before(key.TrustedAt):
		bits |= bitTrustedPasskey
	}
	return bits, nil
}

// amrBits packs methods for the cache.
func amrBits(amr []string) (bits uint8) {
	for _, m := range amr {
		switch m {
		case AMRPasskey:
			bits |= bitPasskey
		case AMREmail:
			bits |= bitEmail
		case AMRInvite:
			bits |= bitInvite
		case AMRHandOut:
			bits |= bitHandOut
		case AMRTOTP:
			bits |= bitTOTP
		case AMRRecovery:
			bits |= bitRecovery
		}
	}
	return bits
}
