package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// laterRules and laterHeaders are words that come with later versions.
const (
	laterRules   later = "network require reauth path tokens assertion methods"
	laterHeaders later = "jwt"
)

// parseGuard reads a guard. Syntax, every line optional:
//
//	passwordless_guard [<matcher>] {
//	    origin <origin>
//	    public <path>…
//	    allow  user:<name> | group:<name> | email:<address> | email:*@<domain> …
//	    deny   …
//	    headers {
//	        user | sub | email | name | groups   <header name> | off
//	    }
//	}
//
// public, allow and deny may stand more than once, as one longer line would:
// whoever fits any entry of allow may pass.
func parseGuard(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	g := &Guard{At: map[string]string{"passwordless_guard": place(h.Dispenser)}}
	if h.NextArg() {
		return nil, h.Errf("%q is too much; rules stand in a block: passwordless_guard { … }", h.Val())
	}
	if err := parseBlock(h.Dispenser, g.words(), laterRules, g.check); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Guard) words() words {
	return words{
		"origin":  text(&g.Origin),
		"public":  {parse: g.rules(&g.Public), many: true},
		"allow":   {parse: g.rules(&g.Allow), many: true},
		"deny":    {parse: g.rules(&g.Deny), many: true},
		"headers": {parse: g.Headers.parse},
	}
}

// rules reads a list and remembers where each entry stood.
func (g *Guard) rules(field *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name, at, before := d.Val(), place(d), len(*field)
		if err := list(field).parse(d); err != nil {
			return err
		}
		for _, entry := range (*field)[before:] {
			g.At[name+" "+entry] = at
		}
		return nil
	}
}

func (h *Headers) parse(d *caddyfile.Dispenser) error {
	return parseBlock(d, h.words(), laterHeaders, h.check)
}

func (h *Headers) words() words {
	return words{"user": text(&h.User), "sub": text(&h.Sub), "email": text(&h.Email), "name": text(&h.Name), "groups": text(&h.Groups)}
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
