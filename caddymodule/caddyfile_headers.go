package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseSecurityHeaders reads the headers that every answer gets. Syntax, every
// line optional:
//
//	passwordless_headers [<matcher>] {
//	    nosniff            on | off
//	    referrer_policy    <policy> | off
//	    frame              DENY | SAMEORIGIN | off
//	    permissions_policy "<feature>=(<who>), …" | off
//	    hsts               <time> [subdomains] [preload] | off
//	}
func parseSecurityHeaders(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	s := new(SecurityHeaders)
	if h.NextArg() {
		return nil, h.Errf("%q is too much; values stand in a block: passwordless_headers { … }", h.Val())
	}
	if err := parseBlock(h.Dispenser, s.words(), "", s.check); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *SecurityHeaders) words() words {
	return words{
		"nosniff": text(&s.Nosniff), "referrer_policy": text(&s.ReferrerPolicy), "frame": text(&s.Frame),
		"permissions_policy": text(&s.PermissionsPolicy), "hsts": {parse: s.HSTS.parse},
	}
}

func (h *HSTS) parse(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("hsts needs a time, such as 365d, or off")
	}
	if d.Val() == "off" {
		h.Off = true
		return nil
	}
	age, err := caddy.ParseDuration(d.Val())
	if err != nil || age <= 0 {
		return d.Errf("hsts: %q; write a time such as 365d, or off", d.Val())
	}
	h.MaxAge = caddy.Duration(age)
	for d.NextArg() {
		switch word := d.Val(); {
		case word == "subdomains" && !h.Subdomains:
			h.Subdomains = true
		case word == "preload" && !h.Preload:
			h.Preload = true
		default:
			return d.Errf("hsts: %q; after the time may stand subdomains and preload, each once", word)
		}
	}
	return nil
}
