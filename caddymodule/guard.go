package caddymodule

import (
	"cmp"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func init() {
	caddy.RegisterModule(new(Guard))
}

// Guard is the handler "passwordless_guard": only signed-in people that its
// rules let in reach the handlers behind it. It also answers /.auth/ itself.
// Without any rule, every signed-in user may pass.
type Guard struct {
	// Origin is what people's browsers call this site, such as
	// https://app.example.com. It is needed where the site does not say so
	// itself: a site without an exact host name, or a plain http:// site
	// behind a proxy that ends TLS. Default: scheme, host and port of the site.
	Origin string `json:"origin,omitempty"`

	Policy

	app    *App
	policy authcore.Policy
	host   string // of Origin, as a Host header has it; "" where the request says it
}

// CaddyModule returns the Caddy module information.
func (*Guard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.passwordless_guard",
		New: func() caddy.Module { return new(Guard) },
	}
}

// Provision checks the rules and has the app bind all guards, if this is the
// first of our handlers.
func (g *Guard) Provision(ctx caddy.Context) error {
	if err := cmp.Or(g.check(), g.complete()); err != nil {
		return fmt.Errorf("%s: %w", g.where(), err)
	}
	var err error
	if g.policy, err = authcore.CompilePolicy(g.spec("passwordless_guard")); err != nil {
		return fmt.Errorf("%s: %w", g.where(), err)
	}
	if g.Origin != "" {
		o, err := authcore.ParseOrigin(g.Origin)
		if err != nil {
			return fmt.Errorf("%s: origin: %w", g.where(), err)
		}
		g.host = o.HostPort()
	}
	g.app, err = bindApp(ctx)
	return err
}

// where names the guard to people.
func (g *Guard) where() string {
	return g.placed("passwordless_guard", "passwordless_guard")
}

// check refuses rules that cannot be meant.
func (g *Guard) check() error {
	if g.Origin != "" {
		if _, err := parseOrigin(g.Origin); err != nil {
			return fmt.Errorf("origin: %w", err)
		}
	}
	return g.Policy.check()
}

var (
	_ caddy.Provisioner           = (*Guard)(nil)
	_ caddyhttp.MiddlewareHandler = (*Guard)(nil)
)
