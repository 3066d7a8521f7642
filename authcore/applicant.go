package authcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Asking for an account, where registration is by invitation.
//
//	StartEmail, VerifyCode  as everybody signs in (EN). The proof of an address
//	           that has no account leaves a request, and no account.
//	Applicants what waits for an admin.
//	Approve    makes the account and mails its owner; Decline forgets the request.
//
// Before an admin approves there is nothing that a session, a credential or a
// user name could hang on (EM-7).

// applicant is the stored record (store.KindRequest), by hash of the address.
type applicant struct {
	Email   string    `json:"email"`
	Lang    string    `json:"lang,omitempty"`
	IP      string    `json:"ip,omitempty"`
	Agent   string    `json:"agent,omitempty"`
	AskedAt time.Time `json:"asked_at"`
}

// Applicant is somebody who asks for an account.
type Applicant struct {
	Email   string
	IP      string
	Agent   string
	AskedAt time.Time
}

func applicantKey(addr string) store.Hash { return secret.Token("request/" + addr).Hash() }

// mayAsk reports whether an address without an account may ask for one.
func (s *Service) mayAsk(addr string) bool {
	r := s.cfg.Registration
	return r.Mode == "invite" && (len(r.Domains) == 0 || slices.Contains(r.Domains, email.Address(addr).Domain()))
}

// ask stores the request of somebody who has proved the address. Where too many
// wait it is refused as if it were too old: asking again later does.
func (s *Service) ask(tx *txn, f *flow, client Client) (*Refusal, error) {
	free, err := s.isFree(tx, f.Email, "")
	if err != nil {
		return nil, err
	}
	if !free || !s.mayAsk(f.Email) {
		return refuse(FlowExpired), nil // made meanwhile, or closed
	}
	var before applicant
	err = tx.Peek(store.KindRequest, applicantKey(f.Email), &before)
	if err == nil && s.now().Sub(before.AskedAt) <= requestTTL {
		return refuse(ApprovalPending), nil // it keeps its place and its end
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("reading a request: %w", err)
	}
	n, err := tx.CountTakes(store.KindRequest)
	if err != nil {
		return nil, fmt.Errorf("counting requests: %w", err)
	}
	_, within, err := chargeSource(tx, "requests/", client.source(), requestsPerSource, s.now(), requestTTL)
	if err != nil {
		return nil, err
	}
	if n >= maxRequests || !within {
		return refuse(FlowExpired), tx.audit(event{typ: evAsked, client: client, details: map[string]string{"why": "too many requests wait"}})
	}
	r := applicant{Email: f.Email, Lang: client.Lang, IP: client.ip(), Agent: client.agent(), AskedAt: s.now()}
	if err := tx.Put(store.KindRequest, applicantKey(f.Email), r, r.AskedAt.Add(requestTTL)); err != nil {
		return nil, fmt.Errorf("storing a request: %w", err)
	}
	return refuse(ApprovalPending), tx.audit(event{typ: evAsked, ok: true, client: client, details: map[string]string{"email": email.Address(f.Email).Mask()}})
}

// Applicants lists who asks for an account, oldest first.
func (s *Service) Applicants(ctx context.Context) (list []Applicant, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		list = nil
		var broken error
		err := tx.ListTakes(store.KindRequest, store.Hash{}, maxRequests, func(_ store.Hash, decode func(any) error) bool {
			var r applicant
			if broken = decode(&r); broken == nil && s.now().Sub(r.AskedAt) <= requestTTL {
				list = append(list, Applicant{r.Email, r.IP, r.Agent, r.AskedAt})
			}
			return broken == nil
		})
		return errors.Join(err, broken)
	})
	slices.SortFunc(list, func(a, b Applicant) int { return a.AskedAt.Compare(b.AskedAt) })
	return list, err
}

// Approve makes the account of somebody who asked, and mails them. n may name
// them and put them into groups; its address finds the request.
func (s *Service) Approve(ctx context.Context, actor string, n NewUser) (*store.User, error) {
	var u *store.User
	done := event{typ: evApproved, actor: actor}
	err := s.update(ctx, func(tx *txn) error {
		u, done.subject = nil, ""
		addr, err := n.check()
		if err != nil {
			return err
		}
		r, err := s.takeApplicant(tx, string(addr))
		if err != nil {
			return err
		}
		if taken, err := isTaken(tx, r.Email); err != nil {
			return err
		} else if taken {
			return &Refusal{Reason: Conflict, Detail: "There is a user with that address already."}
		}
		if u, err = s.createUser(tx, n, addr); err != nil {
			return err
		}
		if err := s.tellApproved(tx, u, r); err != nil {
			return err
		}
		return tx.audit(done.of(u.ID))
	})
	if err == nil && s.cfg.Mailed != nil {
		s.cfg.Mailed()
	}
	return u, s.audited(ctx, done, err)
}

func (s *Service) tellApproved(tx *txn, u *store.User, r *applicant) error {
	if s.cfg.NoMailServer {
		return nil // there was one when they asked
	}
	_, err := s.queue(tx, outgoing{
		to: r.Email, userID: u.ID, lang: r.Lang, template: TemplateApproved, notAfter: s.now().Add(noticeTTL),
		secrets: map[string]string{SecretLink: s.URL("/login")},
	})
	return err
}

// Decline forgets a request. Nobody is told; they may ask again.
func (s *Service) Decline(ctx context.Context, actor, address string) error {
	done := event{typ: evDeclined, actor: actor}
	err := s.update(ctx, func(tx *txn) error {
		r, err := s.takeApplicant(tx, lowerASCII(address))
		if err != nil {
			return err
		}
		e := done.of("")
		e.details = map[string]string{"email": email.Address(r.Email).Mask()}
		return tx.audit(e)
	})
	return s.audited(ctx, done, err)
}

// takeApplicant takes a request that an admin may still answer.
func (s *Service) takeApplicant(tx *txn, addr string) (*applicant, error) {
	var r applicant
	err := tx.Take(store.KindRequest, applicantKey(addr), &r)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.now().Sub(r.AskedAt) > requestTTL {
		return nil, &Refusal{Reason: NotFound, Detail: "Nobody with that address asks for an account."}
	}
	if err != nil {
		return nil, fmt.Errorf("taking a request: %w", err)
	}
	return &r, nil
}
