package caddymodule

import (
	"cmp"
	"fmt"
	"maps"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// The grammar of a policy is one for passwordless_guard and app. Syntax, every
// line optional:
//
//	public    <path>…
//	allow     user:<name> | group:<name> | email:<address> | email:*@<domain> …
//	deny      …
//	network   <address or network>…
//	require   passkey | totp | passkey totp
//	reauth    <time>
//	tokens    on | off
//	assertion on | off
//	path      <path> {
//	    methods <method>…
//	    public | allow | deny | network | require | reauth | tokens
//	}
//	headers {
//	    user | sub | email | name | groups | jwt   <header name> | off
//	}
//
// public, allow, deny and network may stand more than once, as one longer line
// would: whoever fits any entry of allow may pass. Lines of require all hold.

// parse reads the block of a policy with the words that it has; check looks at
// what was read so far.
func (p *Policy) parse(d *caddyfile.Dispenser, known words, check func() error) error {
	known["methods"] = elsewhere("limits a path block; write it in path /* { … } to mean all paths")
	if err := parseBlock(d, known, "", check); err != nil {
		return err
	}
	if err := p.complete(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (p *Policy) words() words {
	own := words{
		"assertion": onOff(func(on bool) { p.Assertion = on }),
		"path":      {parse: p.parsePath, many: true},
		"headers":   {parse: p.Headers.parse},
	}
	maps.Copy(own, p.Rules.words())
	return own
}

func (r *Rules) words() words {
	return words{
		"public":  r.rules(&r.Public),
		"allow":   r.rules(&r.Allow),
		"deny":    r.rules(&r.Deny),
		"network": r.rules(&r.Network),
		"require": {parse: r.parseRequire, many: true},
		"reauth":  {parse: r.parseReauth},
		"tokens":  onOff(func(on bool) { r.Tokens = &on }),
	}
}

// rules reads a list and remembers where each entry stood.
func (r *Rules) rules(field *[]string) word {
	return word{many: true, parse: func(d *caddyfile.Dispenser) error {
		name, at, before := d.Val(), place(d), len(*field)
		if err := list(field).parse(d); err != nil {
			return err
		}
		for _, entry := range (*field)[before:] {
			r.note(name+" "+entry, at)
		}
		return nil
	}}
}

// note remembers where a rule stands.
func (r *Rules) note(rule, at string) {
	if r.At == nil {
		r.At = make(map[string]string)
	}
	r.At[rule] = at
}

func (r *Rules) parseRequire(d *caddyfile.Dispenser) error {
	at := place(d)
	var methods []string
	if err := list(&methods).parse(d); err != nil {
		return err
	}
	r.Require = append(r.Require, methods)
	r.note("require "+strings.Join(methods, " "), at)
	return nil
}

func (r *Rules) parseReauth(d *caddyfile.Dispenser) error {
	r.note("reauth", place(d))
	return duration(&r.Reauth).parse(d)
}

// parsePath reads the rules for some paths. What they mean beside other blocks
// is known at their end, and said of their first line.
func (p *Policy) parsePath(d *caddyfile.Dispenser) error {
	var path Path
	path.note("path", place(d))
	here := fmt.Sprintf("%s:%d", d.File(), d.Line())
	if err := text(&path.Path).parse(d); err != nil {
		return err
	}
	if err := path.check(); err != nil {
		return d.WrapErr(err)
	}
	if d.NextArg() {
		return d.Errf("path: %q is too much; write a block for each path", d.Val())
	}
	known := path.words()
	for _, w := range []string{"origin", "path", "headers", "assertion"} {
		known[w] = elsewhere("is one for the whole app; write it outside of the path block")
	}
	if err := parseBlock(d, known, "", path.check); err != nil {
		return err
	}
	p.Paths = append(p.Paths, path)
	if err := cmp.Or(path.complete(), p.check()); err != nil {
		return fmt.Errorf("%w, at %s", err, here)
	}
	return nil
}

// elsewhere is a word that a block does not have, and where it belongs.
func elsewhere(where string) word {
	return word{parse: func(d *caddyfile.Dispenser) error { return d.Errf("%s %s", d.Val(), where) }}
}

func (p *Path) words() words {
	own := words{"methods": list(&p.Methods)}
	maps.Copy(own, p.Rules.words())
	return own
}

func (h *Headers) parse(d *caddyfile.Dispenser) error {
	return parseBlock(d, h.words(), "", h.check)
}

func (h *Headers) words() words {
	return words{
		"user": text(&h.User), "sub": text(&h.Sub), "email": text(&h.Email), "name": text(&h.Name), "groups": text(&h.Groups), "jwt": text(&h.JWT),
	}
}
