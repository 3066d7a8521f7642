package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
)

func init() {
	caddy.RegisterModule(new(Portal))
}

// Portal is the handler "passwordless_portal": it serves sign-in, accounts, the
// API, the health endpoints, and the decision endpoints for other proxies. It
// never calls the next handler. Pages and API answer on the portal's host only,
// decisions on any other.
type Portal struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (*Portal) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.passwordless_portal",
		New: func() caddy.Module { return new(Portal) },
	}
}

// Provision has the app bind all guards, if this is the first of our handlers.
func (p *Portal) Provision(ctx caddy.Context) error {
	var err error
	p.app, err = bindApp(ctx)
	return err
}

// ServeHTTP serves the portal.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	refuseTunnel(w, r)
	s := p.app.serving(r.Context())
	if s == nil {
		return caddyhttp.Error(http.StatusServiceUnavailable, errNotReady)
	}
	if forwardauth.Serves(r.URL.Path) {
		s.authz.ServeHTTP(w, r)
		return nil
	}
	s.pages.ServeHTTP(w, asSent(r, r.Host, originalURL(r)))
	return nil
}

var (
	_ caddy.Provisioner           = (*Portal)(nil)
	_ caddyhttp.MiddlewareHandler = (*Portal)(nil)
)
