package authcore

import (
	"context"
	"net/netip"
	"time"
)

// Question is a request that nobody sends, for an operator who wants to know
// what would become of it.
type Question struct {
	Host, Path string // Path escaped, without query
	Method     string
	Client     netip.Addr    // the zero Addr: unknown
	Who        string        // address, name or id; empty: nobody is signed in
	AMR        []string      // how they signed in
	Age        time.Duration // how long ago
}

// Explanation is the decision about a Question, made by the very rules that
// decide about requests.
type Explanation struct {
	Decision
	Blocks    []string // where the blocks stand that the request must satisfy
	Canonical bool     // false: the path can be read in more than one way, so it must satisfy every block
}

// Explain answers a Question. Unknown users are refused as NotFound.
func (s *Service) Explain(ctx context.Context, q Question) (*Explanation, error) {
	e := &Explanation{Decision: Decision{Why: WhyHost}}
	app := s.App(q.Host)
	if app == nil {
		return e, nil
	}
	e.App, e.Verdict, e.Why = app, SignIn, WhySession
	var v view
	v.look(&app.Policy, &Request{Path: q.Path, Here: q.Path, Method: q.Method})
	e.Canonical = v.many == nil
	for i := range v.len() {
		e.Blocks = append(e.Blocks, v.at(i).at)
	}
	if q.Who != "" {
		u, err := s.FindUser(ctx, q.Who)
		if err != nil {
			return nil, err
		}
		e.Identity = newIdentity(u)
	}
	at, within := v.within(q.Client)
	switch {
	case !within:
		e.Verdict, e.Why, e.At = Deny, WhyNetwork, at
	case v.public:
		e.Verdict, e.Public, e.Why, e.At = Allow, true, WhyPublic, v.publicAt
	case e.Identity == nil:
		e.At = v.block()
	default:
		bits := amrBits(q.AMR)
		if bits&bitPasskey != 0 {
			bits |= bitTrustedPasskey
		}
		if bits&bitTOTP != 0 {
			bits |= bitTrustedTOTP
		}
		e.weigh(&v, e.Identity, bits, q.Age)
	}
	return e, nil
}
