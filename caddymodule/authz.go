package caddymodule

import (
	"context"
	"net/http"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
	"github.com/passwordless-auth/passwordless-auth/authcore/portal"
)

// askers are the proxies that may ask, as package forwardauth has them.
func (a *App) askers() ([]forwardauth.Proxy, error) {
	var list []forwardauth.Proxy
	for _, p := range a.Proxies {
		from, unix, err := p.prefixes()
		if err != nil {
			return nil, err
		}
		list = append(list, forwardauth.Proxy{Kind: forwardauth.Kind(p.Kind), From: from, Unix: unix})
	}
	return list, nil
}

// proxyPages are the portal's pages for requests that a proxy asks about, whose
// client is the one that the proxy named.
type proxyPages struct{ pages *portal.Handler }

func (p proxyPages) ServeApp(w http.ResponseWriter, r *http.Request, app *authcore.App) {
	p.pages.ServeApp(w, asAsked(r), app)
}

func (p proxyPages) Refuse(w http.ResponseWriter, r *http.Request, d *authcore.Decision) {
	p.pages.Refuse(w, asAsked(r), d)
}

func (p proxyPages) Fail(w http.ResponseWriter, r *http.Request, status int, code, title, detail string) {
	p.pages.Fail(w, asAsked(r), status, code, title, detail)
}

func asAsked(r *http.Request) *http.Request {
	client, ok := forwardauth.ClientOf(r.Context())
	if !ok {
		return r
	}
	return r.WithContext(portal.WithClient(requestIDOf(r.Context()), client))
}

// requestIDOf keeps Caddy's id of the check request for pages and logs.
func requestIDOf(ctx context.Context) context.Context { return portal.WithRequestID(ctx, caddyID(ctx)) }
