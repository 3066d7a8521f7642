package authcore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ulule/limiter/v3"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/redirect"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The hand-over gives an app host a session of its own (FA-12).
//
//	app /.auth/start      SealReturn: exact host, path, hash of the nonce that
//	                      this browser holds in the app host's flow cookie
//	portal /login?to=…    OpenReturn; signs in if need be
//	portal                IssueTicket: single use, 60 s, bound to host, nonce
//	                      and root session
//	app /.auth/callback   RedeemTicket: takes it first, then compares; makes the
//	                      app session
//
// A ticket without its nonce cookie is worthless, so one that leaks in a log
// opens nothing. Nobody can plant a session: the nonce is the browser's own.

// Return is where a sign-in leads back to. It travels sealed.
type Return struct {
	Origin string    `json:"o"`
	Path   string    `json:"p"`
	Nonce  [32]byte  `json:"n"` // hash of the app host's flow cookie
	Tries  int       `json:"k,omitempty"`
	Need   Need      `json:"d,omitzero"`  // what the app asked for beside what its policy asks for Path
	Cause  string    `json:"c,omitempty"` // what may be wrong, should the sign-in come back again and again
	At     time.Time `json:"t"`
}

// ticket is the stored record (store.KindTicket).
type ticket struct {
	Host     string    `json:"host"`
	Path     string    `json:"path"`
	Nonce    [32]byte  `json:"nonce"`
	RootID   string    `json:"root_id"`
	UserID   string    `json:"user_id"`
	Epoch    uint64    `json:"epoch"`
	Tries    int       `json:"tries,omitempty"`
	IssuedAt time.Time `json:"issued_at"`
}

const returnPurpose = "return state"

// SafePath validates a path of the same host (RD-1..4); bad ones become "/", and
// so do our own paths, where nobody wants to end.
func SafePath(raw string) string {
	p, ok := redirect.Path(raw)
	if !ok || len(p) > maxReturnPath {
		return "/"
	}
	path, _, _ := strings.Cut(p, "?")
	if path, err := url.PathUnescape(path); err != nil || path == ReservedPrefix || strings.HasPrefix(path, ReservedPrefix+"/") {
		return "/"
	}
	return p
}

// SealReturn seals where to come back to, the Path, Tries, Need and Cause of r;
// nonce is the app host's flow cookie.
func (s *Service) SealReturn(app *App, r Return, nonce Token) (string, error) {
	r.Origin, r.Path, r.Nonce, r.At = app.Origin.String(), SafePath(r.Path), sha256.Sum256([]byte(nonce.Reveal())), s.now()
	plain, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encoding the return state: %w", err)
	}
	sealed, err := s.rt.keys.Seal(s.rt.rand, returnPurpose, plain, []byte(s.portal.String()))
	if err != nil {
		return "", fmt.Errorf("sealing the return state: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// OpenReturn opens a sealed return state, or nil when it is not ours, too old,
// or names a host that is no longer guarded (RD-3: validated again when used).
func (s *Service) OpenReturn(sealed string) (*Return, *App) {
	if sealed == "" || len(sealed) > 8192 || strings.ContainsAny(sealed, "\r\n") { // line ends are skipped by the decoder
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return nil, nil
	}
	plain, err := s.rt.keys.Open(returnPurpose, raw, []byte(s.portal.String()))
	if err != nil {
		return nil, nil
	}
	var r Return
	if json.Unmarshal(plain, &r) != nil || s.now().Sub(r.At) > returnTTL {
		return nil, nil
	}
	o, err := redirect.ParseOrigin(r.Origin)
	if err != nil {
		return nil, nil
	}
	app := s.App(o.Host)
	if app == nil || app.Origin != o {
		return nil, nil
	}
	r.Path = SafePath(r.Path)
	return &r, app
}

// IssueTicket gives the browser's root session a way into one app host and
// answers the absolute URL to send it to. An app whose policy does not admit
// the user is Forbidden: the app host would only say so again. Where it asks for
// a stronger or fresher proof, the refusal is StepUpRequired.
func (s *Service) IssueTicket(ctx context.Context, l *Live, r *Return, app *App) (string, error) {
	// In memory, so that what is over the limit writes nothing (DS-3).
	if retry, ok := s.rt.limits.ChargeKey(ctx, "ticket", l.Session.ID, limiter.Rate{Limit: ticketsPerRoot, Period: ticketTTL}); !ok {
		return "", &Refusal{Reason: RateLimited, RetryAfter: retry}
	}
	token, err := secret.New(s.rt.rand)
	if err != nil {
		return "", fmt.Errorf("making a ticket: %w", err)
	}
	err = s.updateLive(ctx, l, func(tx *txn, live *Live) (*Refusal, error) {
		if refusal, err := s.admit(tx, app, live, Client{}); refusal != nil || err != nil {
			return refusal, err
		}
		if refusal, err := s.unmet(tx, live, r, app); refusal != nil || err != nil {
			return refusal, err
		}
		now := s.now()
		n, err := tx.AddCounter(bounceCounter(live.Session.ID, app), 0, now, bounceWindow)
		if err != nil {
			return nil, fmt.Errorf("counting hand-overs: %w", err)
		}
		if n.Count >= maxBounces {
			return refuse(HandoverLoop), nil
		}
		return nil, tx.Put(store.KindTicket, token.Hash(), ticket{
			Host: app.Origin.Host, Path: r.Path, Nonce: r.Nonce, RootID: live.Session.ID,
			UserID: live.User.ID, Epoch: live.User.Epoch, Tries: r.Tries, IssuedAt: now,
		}, now.Add(ticketTTL))
	})
	if err != nil {
		return "", err
	}
	return app.Origin.String() + ReservedPrefix + "/callback?ticket=" + url.QueryEscape(token.Reveal()), nil
}

// bounceCounter counts the app sessions that were made and never came back.
func bounceCounter(rootID string, app *App) string { return "bounce/" + rootID + "/" + app.Origin.Host }

// Handed is a redeemed ticket.
type Handed struct {
	Token Token  // the app session
	Path  string // where to go on this host
	Tries int    // when refused: how often this browser has tried
	Late  bool   // when refused: the ticket was too old
}

// RedeemTicket takes the ticket first: one presentation burns it, whoever
// presents it (DESIGN §4.2).
func (s *Service) RedeemTicket(ctx context.Context, app *App, raw string, nonce Token, client Client) (*Handed, error) {
	tok, ok := secret.Parse(raw)
	if !ok {
		return &Handed{Path: "/"}, refuse(HandoverFailed)
	}
	var t ticket
	// A stranger's guess costs a read, and no place among the writers (DS-3).
	err := s.rt.store.View(ctx, func(tx store.Tx) error { return tx.Peek(store.KindTicket, tok.Hash(), &t) })
	if err == nil {
		err = s.update(ctx, func(tx *txn) error {
			t = ticket{}
			return tx.Take(store.KindTicket, tok.Hash(), &t)
		})
	}
	if errors.Is(err, store.ErrNotFound) {
		return &Handed{Path: "/"}, refuse(HandoverFailed)
	}
	if err != nil {
		return nil, fmt.Errorf("taking the ticket: %w", err)
	}
	out := &Handed{Path: "/", Tries: t.Tries}
	if t.Host != app.Origin.Host {
		return out, refuse(HandoverFailed)
	}
	out.Path, out.Late = t.Path, s.now().Sub(t.IssuedAt) > ticketTTL
	if nonce == "" || sha256.Sum256([]byte(nonce.Reveal())) != t.Nonce || out.Late {
		return out, refuse(HandoverFailed)
	}
	var refusal *Refusal
	err = s.update(ctx, func(tx *txn) error {
		refusal, out.Token = nil, ""
		root, err := tx.SessionByID(t.RootID)
		var live *Live
		if err == nil {
			live, err = s.liveSession(tx, root.Hash)
		}
		if errors.Is(err, store.ErrNotFound) || err == nil && (live.User.ID != t.UserID || live.User.Epoch != t.Epoch) {
			refusal = refuse(HandoverFailed)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the root session: %w", err)
		}
		if refusal, err = s.admit(tx, app, live, client); refusal != nil || err != nil {
			return err
		}
		out.Token, err = s.startChild(tx, live, app, client)
		return err
	})
	return out, orRefusal(err, refusal)
}

// startChild makes the one app session of a root on a host; the old one ends.
func (s *Service) startChild(tx *txn, root *Live, app *App, client Client) (Token, error) {
	children, err := tx.ChildrenOf(root.Session.ID)
	if err != nil {
		return "", fmt.Errorf("listing app sessions: %w", err)
	}
	counter, bounced := bounceCounter(root.Session.ID, app), 1
	var others []*store.Session
	for _, c := range children {
		if c.Host != app.Origin.Host {
			others = append(others, c)
			continue
		}
		// A session that is cached was presented: that app keeps cookies.
		if _, seen := s.rt.cache.Get((*[32]byte)(&c.Hash)); seen {
			bounced = 0
		}
		if err := s.endSession(tx, c, client, root.User.ID, "replaced by a new hand-over"); err != nil {
			return "", err
		}
	}
	if err := s.endOldest(tx, others, maxChildren, client, "too many apps"); err != nil {
		return "", err
	}
	if err := s.seen(tx, root.Session, s.now()); err != nil { // a hand-over is a use of the root
		return "", fmt.Errorf("noting a hand-over: %w", err)
	}
	if bounced == 0 {
		err = tx.ClearCounter(counter)
	} else {
		_, err = tx.AddCounter(counter, bounced, s.now(), bounceWindow)
	}
	if err != nil {
		return "", fmt.Errorf("counting hand-overs: %w", err)
	}
	token, _, err := s.startSession(tx, newSession{
		kind: store.AppSession, host: app.Origin.Host, user: root.User, root: root.Session, client: client,
	})
	return token, err
}

// admit refuses a user whom the app's policy does not let in. Who tries again
// and again is in the audit log once a minute for each app (DS-1).
func (s *Service) admit(tx *txn, app *App, root *Live, client Client) (*Refusal, error) {
	at, ok := s.Admits(app, root.User)
	if ok {
		return nil, nil
	}
	refusal := &Refusal{Reason: Forbidden, Detail: at}
	_, first, err := charge(tx, "denied/"+root.Session.ID+"/"+app.Origin.Host, 1, s.now(), deniedEvery)
	if err != nil || !first {
		return refusal, err
	}
	return refusal, tx.audit(event{
		typ: evAccessDenied, client: client, subject: root.User.ID,
		details: map[string]string{"host": app.Origin.Host, "at": at},
	})
}

// Admits says whether the app's policy lets the user in at all, be it to some
// of its paths, and which line says so.
func (s *Service) Admits(app *App, u *store.User) (at string, ok bool) {
	if u.Unnamed {
		return "", false
	}
	return app.Policy.admitsAnywhere(newIdentity(u))
}

// unmet refuses a session that does not show what the app needs where the
// sign-in leads (SE-8).
func (s *Service) unmet(tx store.Tx, l *Live, r *Return, app *App) (*Refusal, error) {
	need := app.Policy.NeedAt(r.Path).with(r.Need)
	if l.Limited() {
		return &Refusal{Reason: StepUpRequired, Methods: []string{AMRPasskey, AMRTOTP}}, nil
	}
	if need.IsZero() {
		return nil, nil
	}
	bits, err := s.proofBits(tx, l)
	if err != nil || need.meets(bits, s.now().Sub(l.Proof().AuthTime)) {
		return nil, err
	}
	return &Refusal{Reason: StepUpRequired, Methods: need.Methods()}, nil
}

// Unmet is the refusal of a session that does not show what the app needs where
// the sign-in leads; nil if it does.
func (s *Service) Unmet(ctx context.Context, l *Live, r *Return, app *App) (refusal *Refusal, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		refusal, err = s.unmet(tx, l, r, app)
		return err
	})
	return refusal, err
}

// StartURL is where an app host sends a browser that nobody is signed in with,
// or not well enough.
func StartURL(app *App, path string, tries int, need Need) string {
	u := app.Origin.String() + ReservedPrefix + "/start?rd=" + url.QueryEscape(SafePath(path)) + need.query()
	if tries > 0 {
		u += "&n=" + strconv.Itoa(tries)
	}
	return u
}
