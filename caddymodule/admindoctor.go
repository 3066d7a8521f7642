package caddymodule

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/caddymodule/internal/doctor"
)

// doctorFacts is what the process knows about itself.
func (a *adminServer) doctorFacts(svc *authcore.Service, _ *http.Request) (any, error) {
	v := doctor.Facts{
		Version: Version(), Now: svc.Now(), Uptime: int64(svc.Now().Sub(svc.StartedAt()).Seconds()),
		Portal: svc.Portal().String(), Sidecar: svc.Sidecar(), Mail: "ok",
	}
	s := a.p.newest()
	if s == nil {
		return nil, errAsked // stopping since
	}
	v.NoMail, v.Proxies = !s.smtp, s.proxies
	if err := s.Mail(); err != nil {
		v.Mail = err.Error()
	}
	if err := s.Clients(); err != nil {
		v.Silent = err.Error()
	}
	apps := svc.Config().Apps
	for i := range apps {
		v.Apps = append(v.Apps, doctor.App{
			Origin: apps[i].Origin.String(), Public: apps[i].Policy.PublicPaths(),
			Guarded: slices.Contains(s.guarded, apps[i].Origin.Host),
		})
	}
	return v, nil
}

// adminProbe is a probe to be.
type adminProbe struct {
	App  string `json:"app"`
	User string `json:"user,omitempty"`
}

func beginProbe(svc *authcore.Service, r *http.Request) (any, error) {
	var ask adminProbe
	if err := decodeAdmin(r, &ask); err != nil {
		return nil, err
	}
	p, err := svc.Probe(r.Context(), operator, ask.User, ask.App)
	if err != nil {
		return nil, err
	}
	return doctor.Probe{
		Nonce: p.Nonce, Cookie: p.Cookie, Session: p.Session.Reveal(), Token: p.Token.Reveal(), NoToken: p.NoToken,
		Identity: p.Identity, Assertion: p.Assertion,
	}, nil
}

func probed(svc *authcore.Service, r *http.Request) (any, error) {
	list, ok := svc.Probed(r.PathValue("nonce"))
	if !ok {
		return nil, &authcore.Refusal{Reason: authcore.NotFound, Detail: "The probe is over; run doctor again."}
	}
	return list, nil
}

func endProbe(svc *authcore.Service, r *http.Request) (any, error) {
	return nil, svc.EndProbe(r.Context(), operator, r.PathValue("nonce"))
}

// note keeps a request of a probe at one place in the guard.
func (s *serving) note(place string, r *http.Request, original *url.URL, p *passing) {
	if !s.svc.Probing() {
		return
	}
	s.svc.NoteSeen(original.RawQuery, func() authcore.Seen {
		client, peer := addresses(r)
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		return authcore.Seen{
			Place: place, Peer: peer.String(), Client: client, Method: r.Method, Scheme: scheme, Host: p.asked.Host,
			Path: p.asked.Path, Header: r.Header, Verdict: p.decision.Verdict.String(),
		}
	})
}

// inside is the server of a target, as doctor sees it.
type inside struct{ *adminClient }

func (c inside) Facts(ctx context.Context) (*doctor.Facts, error) {
	v := new(doctor.Facts)
	return v, c.call(ctx, http.MethodGet, []string{"doctor"}, nil, nil, v)
}

func (c inside) Probe(ctx context.Context, app, user string) (*doctor.Probe, error) {
	v := new(doctor.Probe)
	return v, c.call(ctx, http.MethodPost, []string{"doctor", "probe"}, nil, adminProbe{app, user}, v)
}

func (c inside) Seen(ctx context.Context, nonce string) (list []doctor.Seen, err error) {
	err = c.call(ctx, http.MethodGet, []string{"doctor", "probe", nonce}, nil, nil, &list)
	return list, err
}

func (c inside) End(ctx context.Context, nonce string) error {
	return c.call(ctx, http.MethodDelete, []string{"doctor", "probe", nonce}, nil, nil, nil)
}
