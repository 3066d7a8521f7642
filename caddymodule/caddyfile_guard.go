package caddymodule

import (
	"maps"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseGuard reads a guard. Syntax:
//
//	passwordless_guard [<matcher>] {
//	    origin <origin>
//	    …               the words of a policy
//	}
func parseGuard(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	g := new(Guard)
	g.note("passwordless_guard", place(h.Dispenser))
	if h.NextArg() {
		return nil, h.Errf("%q is too much; rules stand in a block: passwordless_guard { … }", h.Val())
	}
	if err := g.parse(h.Dispenser, g.words(), g.check); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Guard) words() words {
	own := words{"origin": text(&g.Origin)}
	maps.Copy(own, g.Policy.words())
	return own
}

// parsePortal reads a portal. Syntax:
//
//	passwordless_portal [<matcher>]
func parsePortal(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.Errf("passwordless_portal: %q is too much; its settings stand in the passwordless global option", h.Val())
	}
	return new(Portal), nil
}

// parseLimit reads a limit. Syntax:
//
//	passwordless_limit [<matcher>] <number> per <time> [burst <number> per <time>]
func parseLimit(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	l := new(Limit)
	if err := rate(&l.Requests).parse(h.Dispenser); err != nil {
		return nil, err
	}
	if h.NextArg() {
		if h.Val() != "burst" {
			return nil, h.Errf("passwordless_limit: %q; write burst, a number, per and a time", h.Val())
		}
		if err := rate(&l.Burst).parse(h.Dispenser); err != nil {
			return nil, err
		}
	}
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.Errf("passwordless_limit: %q is too much", h.Val())
	}
	if err := l.check(); err != nil {
		return nil, h.WrapErr(err)
	}
	return l, nil
}
