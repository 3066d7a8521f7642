package authcore

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/code"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The e-mail flow. One mail carries a link and an 8-digit code; between them
// they work once, for ten minutes.
//
//	StartEmail   browser or client → flow record + queued mail. The same answer
//	             for everybody: unknown, disabled and throttled addresses get a
//	             decoy flow, which nothing finishes (EN). A client that asks again
//	             under the key of its first request gets the same flow, and no
//	             second mail until one may be sent again.
//	VerifyCode   the flow's holder types the code. Count, compare and take are
//	             one transaction; five wrong ones destroy the flow (EC-2).
//	PeekLink     what the page that the link opened may tell. Consumes nothing.
//	RedeemLink   a click on that page: signs in the browser that clicks, never
//	             the one that asked (ML-6).
//
// A newer mail of the same flow takes the older one's link and code with it; a
// flow of somebody else for the same address does not (ML-2).

// StartEmail is what StartEmail needs.
type StartEmail struct {
	Address string // as typed
	Browser Browser
	To      string     // sealed return state
	Client  *APIClient // API flow: who asks; the mail then has no link
	Key     string     // API flow: what tells a repeat of a request from a new one, unguessable; "": none is one
	StepUp  bool       // renew Browser.Session; the address is the session's own
}

// EmailStarted answers an API client; browsers hold the flow secret already.
type EmailStarted struct {
	Flow        Token
	ExpiresIn   time.Duration
	ResendAfter time.Duration
}

// StartEmail begins a flow under in.Browser.Flow (browser) or a new secret
// (API). The answer tells nothing about the account.
func (s *Service) StartEmail(ctx context.Context, in StartEmail) (*EmailStarted, error) {
	if s.cfg.NoEmail {
		return nil, refuse(MethodOff)
	}
	if in.StepUp {
		if err := in.Browser.signedIn(); err != nil {
			return nil, err
		}
		in.Address = in.Browser.Session.User.Email
	}
	if in.Client == nil && in.Browser.Flow == "" {
		return nil, refuse(FlowExpired) // a flow belongs to a browser that can hold it
	}
	addr, err := email.Parse(in.Address)
	if err != nil {
		return nil, &Refusal{Reason: EmailInvalid, Detail: err.Error()}
	}
	held, err := s.flowSecret(&in, addr)
	if err != nil {
		return nil, err
	}
	var refusal *Refusal
	var unsent string
	var before *EmailStarted
	err = s.update(ctx, func(tx *txn) error {
		unsent, refusal = "", nil
		if before, err = s.begunBefore(tx, &in, held); before != nil || err != nil {
			return err
		}
		refusal, err = s.pendingBudget(tx, store.KindFlow, in.Browser.Client)
		if refusal != nil || err != nil {
			return err
		}
		unsent, err = s.startEmail(tx, &in, string(addr), held.Hash())
		return err
	})
	if err = orRefusal(err, refusal); err != nil || before != nil {
		return before, err
	}
	if unsent == overBudget { // what else is not sent is told by delivery, where nobody waits (EN)
		s.rt.log.Info(NotSent, "why", unsent, "to", addr.Mask())
	}
	if s.cfg.Mailed != nil {
		s.cfg.Mailed() // EN: for decoys too
	}
	return &EmailStarted{Flow: held, ExpiresIn: s.cfg.LinkTTL, ResendAfter: resendAfter}, nil
}

// NotSent is what the log says of a mail that a visitor was promised and that
// nobody gets: the visitor must not learn of it, so that the operator can.
const NotSent = "no sign-in mail is sent"

const overBudget = "too many mails to this address, from this network or in all"

// startEmail stores the flow. Where it is a decoy, unsent says why.
func (s *Service) startEmail(tx *txn, in *StartEmail, addr string, key store.Hash) (unsent string, err error) {
	if err := errors.Join(dropFlow(tx, key), dropSecond(tx, key)); err != nil {
		return "", err
	}
	u, err := tx.UserByEmail(addr)
	if errors.Is(err, store.ErrNotFound) {
		u = nil
	} else if err != nil {
		return "", fmt.Errorf("finding the address: %w", err)
	}
	within, err := s.mailBudget(tx, addr, u, in.Browser)
	if err != nil {
		return "", err
	}
	f := &flow{Email: addr, Known: u != nil, SentAt: s.now(), To: in.To, IP: in.Browser.ip(), Agent: in.Browser.agent()}
	if in.Client != nil {
		f.ClientID = in.Client.ID
	}
	if in.StepUp {
		f.StepUp = in.Browser.Session.Session.ID
	}
	eligible, err := s.mayUseEmail(tx, u, in.StepUp)
	if err != nil {
		return "", err
	}
	open, err := s.codesOpen(tx, f)
	if err != nil {
		return "", err
	}
	keptFor, err := s.keptFor(tx, addr)
	if err != nil {
		return "", err
	}
	typ := evLinkRequested
	switch {
	case !within:
		typ, unsent = evRateLimited, overBudget
	case u != nil && u.Disabled:
		unsent = "the user is disabled"
	case u != nil && mailWaits(u):
		unsent = `somebody said "that was not me", and the mailbox of now signs nobody in until that is lifted`
	case u != nil && !eligible:
		unsent = "the user has a passkey or an authenticator app, and e-mail alone does not do beside it"
	case u != nil:
		f.UserID, f.Epoch, f.NoCode = u.ID, u.Epoch, !open
	case keptFor != "":
		unsent = "an account had this address until some days ago, and may get it back"
	case s.mayRegister(addr):
		f.Register = true
	case s.mayAsk(addr):
		f.Ask = true
	default:
		unsent = "nobody has this address, and registration is not open to it"
	}
	details := map[string]string{"email": email.Address(addr).Mask(), "client": f.ClientID}
	if unsent != "" {
		details["why"] = unsent
	}
	err = tx.audit(event{typ: typ, ok: unsent == "", client: in.Browser.Client, subject: f.UserID, details: details})
	if err != nil {
		return "", err
	}
	return unsent, s.putFlow(tx, key, f, in, unsent)
}

// putFlow stores the flow, its link and its mail. Where unsent says why there is
// none, it does the same work, keeps no link, and its mail is one that nobody
// gets (EN); beyond the budgets, which ask not who has an account, there is no
// mail at all.
func (s *Service) putFlow(tx *txn, key store.Hash, f *flow, in *StartEmail, unsent string) error {
	linkToken, err := secret.New(s.rt.rand)
	if err != nil {
		return fmt.Errorf("making a link: %w", err)
	}
	digits, err := code.New(s.rt.rand)
	if err != nil {
		return fmt.Errorf("making a code: %w", err)
	}
	f.Link, f.Code = linkToken.Hash(), s.codeMAC(key, digits)
	ends := f.SentAt.Add(s.cfg.LinkTTL)
	if err := tx.Put(store.KindFlow, key, f, ends); err != nil {
		return fmt.Errorf("storing a flow: %w", err)
	}
	if err := tx.Put(store.KindLink, f.Link, link{Flow: key}, ends); err != nil {
		return fmt.Errorf("storing a link: %w", err)
	}
	mail := signInMail{to: f.Email, userID: f.UserID, lang: in.Browser.Lang, agent: f.Agent, ends: ends, unsent: unsent}
	if !f.NoCode {
		mail.code = digits
	}
	if in.Client != nil {
		mail.client = in.Client.Title
	} else {
		mail.link = s.URL("/login/link#" + linkToken.Reveal())
	}
	id, err := s.queueSignIn(tx, mail)
	if err != nil || unsent == "" {
		return err
	}
	if unsent == overBudget {
		if err := tx.DeleteMessage(id); err != nil {
			return fmt.Errorf("taking a mail back: %w", err)
		}
	}
	var l link
	return tx.Take(store.KindLink, f.Link, &l)
}

// mayUseEmail applies the account's state and email_after_passkey.
func (s *Service) mayUseEmail(tx store.Tx, u *store.User, stepUp bool) (bool, error) {
	if u == nil || u.Disabled || mailWaits(u) {
		return false, nil
	}
	if s.cfg.EmailAfterPasskey == "allow" && !stepUp {
		return true, nil
	}
	keys, err := s.usablePasskeys(tx, u.ID)
	switch {
	case err != nil:
		return false, err
	case stepUp:
		return len(keys) == 0 && u.TOTP == nil, nil // SE-8: e-mail confirms nothing where there is more
	case s.cfg.EmailAfterPasskey == "second":
		return len(keys) == 0 && !bare(u) || u.TOTP != nil || s.Recoverable(u), nil
	}
	return len(keys) == 0 && !bare(u), nil
}

func (s *Service) mayRegister(addr string) bool {
	r := s.cfg.Registration
	return r.Mode == "open" && (len(r.Domains) == 0 || slices.Contains(r.Domains, email.Address(addr).Domain()))
}

// Verified is the end of VerifyCode for one kind of flow.
type Verified struct {
	*SignedIn          // browser sign-in
	API       *Tokens  // API sign-in
	StepUp    Token    // renewed session token
	Second    Token    // a second step is owed, under this flow secret; a browser holds it already
	SecondBy  []string // what would do for it: SecondTOTP, SecondRecovery
	To        string
	Same      bool // the browser that asked is the one that finished
}

// session is the session that a sign-in made.
func (v *Verified) session() *store.Session {
	if v.API != nil {
		return v.API.Session
	}
	return v.Session
}

// VerifyCode checks what the flow's holder typed.
func (s *Service) VerifyCode(ctx context.Context, typed string, b Browser) (*Verified, error) {
	return s.verify(ctx, typed, b, func(f *flow) bool { return f.ClientID == "" })
}

// verify refuses flows that are not the caller's kind as if they were not there.
func (s *Service) verify(ctx context.Context, typed string, b Browser, mine func(*flow) bool) (*Verified, error) {
	if s.cfg.NoEmail {
		return nil, refuse(MethodOff)
	}
	digits, wellFormed := code.Normalize(typed)
	key := b.Flow.Hash()
	var out *Verified
	var refusal *Refusal
	err := s.update(ctx, func(tx *txn) error {
		out, refusal = nil, nil
		var f flow
		err := tx.Peek(store.KindFlow, key, &f)
		if errors.Is(err, store.ErrNotFound) || b.Flow == "" || err == nil && (s.over(&f) || !mine(&f)) {
			refusal = refuse(FlowExpired)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the flow: %w", err)
		}
		open, err := s.codesOpen(tx, &f)
		if err != nil {
			return err
		}
		mac := s.codeMAC(key, digits)
		if right := wellFormed && open && hmac.Equal(mac[:], f.Code[:]); !right {
			refusal, err = s.wrongCode(tx, key, &f, b.Client, wellFormed)
			return err
		}
		out, refusal, err = s.finishEmail(tx, key, b)
		return err
	})
	return out, orRefusal(err, refusal)
}

// VerifyAPICode is VerifyCode for a client of the JSON API, whose flow secret
// is in the body; origin is the web origin that asks, if any.
func (s *Service) VerifyAPICode(ctx context.Context, secret Token, typed, origin string, client Client) (*Verified, error) {
	mine := func(f *flow) bool { return s.pageMayUse(f.ClientID, origin) }
	return s.verify(ctx, typed, Browser{Client: client, Flow: secret}, mine)
}

// wrongCounter counts the wrong codes in a row for an address, over all flows. An
// address without an account is counted too: what is written must not tell (EN).
func wrongCounter(addr string) string { return "wrong/" + addr }

// codesOpen reports whether the address still takes codes. Flows that were begun
// before the hundredth wrong one are asked too: the stop is hard (EC-3).
func (s *Service) codesOpen(tx store.Tx, f *flow) (bool, error) {
	if f.NoCode {
		return false, nil
	}
	c, err := tx.AddCounter(wrongCounter(f.Email), 0, s.now(), time.Hour)
	if err != nil {
		return false, fmt.Errorf("reading the wrong codes: %w", err)
	}
	return c.Count < maxWrongCodes, nil
}

// rightCode forgets the wrong ones, once a whole sign-in has succeeded (RL-6).
func rightCode(tx store.Tx, addr string) error {
	if err := tx.ClearCounter(wrongCounter(addr)); err != nil {
		return fmt.Errorf("forgetting the wrong codes: %w", err)
	}
	return nil
}

// wrongCode commits the count (EC-2). What cannot be a code at all is not a
// guess, and does not cost the person a try.
func (s *Service) wrongCode(tx *txn, key store.Hash, f *flow, c Client, counts bool) (*Refusal, error) {
	if !counts {
		return refuse(CodeInvalid), nil
	}
	f.Tries++
	refusal := refuse(CodeInvalid)
	if f.Tries >= maxCodeTries {
		refusal = refuse(CodeExhausted)
		if err := dropFlow(tx, key); err != nil {
			return nil, err
		}
	} else if err := tx.Put(store.KindFlow, key, f, f.SentAt.Add(s.cfg.LinkTTL)); err != nil {
		return nil, fmt.Errorf("counting a wrong code: %w", err)
	}
	window := wrongCodesOfNobody
	if f.Known { // noted then: to ask now would take longer where somebody is found (EN)
		window = wrongCodesKept
	}
	if _, err := tx.AddCounter(wrongCounter(f.Email), 1, s.now(), window); err != nil {
		return nil, fmt.Errorf("counting a wrong code: %w", err)
	}
	return refusal, tx.audit(event{typ: evLinkFailed, client: c, subject: f.UserID, details: map[string]string{"why": "wrong code"}})
}

// finishEmail takes the flow with its link and does what it was begun for.
func (s *Service) finishEmail(tx *txn, key store.Hash, b Browser) (*Verified, *Refusal, error) {
	var f flow
	if err := tx.Take(store.KindFlow, key, &f); errors.Is(err, store.ErrNotFound) {
		return nil, refuse(FlowExpired), nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("taking the flow: %w", err)
	}
	var l link
	if err := tx.Take(store.KindLink, f.Link, &l); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, nil, fmt.Errorf("taking the link: %w", err)
	}
	if f.Ask && !s.over(&f) {
		refusal, err := s.ask(tx, &f, b.Client)
		return nil, refusal, err
	}
	u, err := s.flowUser(tx, &f, b.Client)
	if err != nil {
		return nil, nil, err
	}
	live, err := s.renewed(tx, &f, u, &b)
	if err != nil {
		return nil, nil, err
	}
	if u == nil || s.over(&f) || f.StepUp != "" && live == nil {
		return nil, refuse(FlowExpired), tx.audit(event{typ: evLinkFailed, client: b.Client, subject: f.UserID})
	}
	if err := tx.audit(event{typ: evLinkVerified, ok: true, client: b.Client, subject: u.ID}); err != nil {
		return nil, nil, err
	}
	out := &Verified{To: f.To, Same: b.Flow != "" && b.Flow.Hash() == key}
	if f.StepUp != "" {
		out.StepUp, err = s.stepUp(tx, live, AMREmail, nil)
		return out, nil, err
	}
	more, err := s.needsSecond(tx, u)
	switch {
	case err != nil:
	case more:
		out, err = s.beginSecond(tx, u, &f, b, out.Same)
	case f.ClientID != "":
		out.API, err = s.signInAPI(tx, u, proven{amr: []string{AMREmail}}, f.ClientID, b.Client)
	default:
		out.SignedIn, err = s.signIn(tx, u, proven{amr: []string{AMREmail}}, b)
	}
	return out, nil, err
}

// renewed is the session that a step-up flow of u renews: this browser's own,
// and still live. It never changes who.
func (s *Service) renewed(tx *txn, f *flow, u *store.User, b *Browser) (*Live, error) {
	if f.StepUp == "" || u == nil || !b.mayFinish(f) {
		return nil, nil
	}
	live, err := s.liveSession(tx, b.Session.Session.Hash)
	if errors.Is(err, store.ErrNotFound) || err == nil && live.User.ID != u.ID {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the session: %w", err)
	}
	return live, nil
}

// FlowInfo is what /login/code may show the browser that began the flow.
type FlowInfo struct {
	Email    string
	To       string
	ResendIn time.Duration // 0: now
	StepUp   bool
}

// Flow answers the browser's e-mail flow, or nil; one of an API client is none.
func (s *Service) Flow(ctx context.Context, t Token) (*FlowInfo, error) {
	if t == "" {
		return nil, nil
	}
	var f flow
	err := s.rt.store.View(ctx, func(tx store.Tx) error { return tx.Peek(store.KindFlow, t.Hash(), &f) })
	if errors.Is(err, store.ErrNotFound) || err == nil && (s.over(&f) || f.ClientID != "") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	wait := max(0, resendAfter-s.now().Sub(f.SentAt))
	return &FlowInfo{Email: f.Email, To: f.To, ResendIn: wait, StepUp: f.StepUp != ""}, nil
}
