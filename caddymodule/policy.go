package caddymodule

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// Policy says who may use an app, and how. It is the same in a guard and in an
// app behind another proxy. Without any rule, every signed-in user may pass.
type Policy struct {
	Rules

	// Assertion gives the app a signed statement of who is here, in Remote-Jwt:
	// good for 5 minutes, for this app only, verified with the keys of
	// /.well-known/jwks.json. Default: false.
	Assertion bool `json:"assertion,omitempty"`

	// Paths are rules for some paths of the app; the most specific one that fits
	// a request holds. Default: none.
	Paths []Path `json:"path,omitempty"`

	// Headers renames or drops identity headers.
	Headers Headers `json:"headers,omitzero"`
}

// Path holds the rules for some paths. In it, public, allow and tokens take the
// place of the app's; deny, network, require and reauth come on top of them.
type Path struct {
	// Path is "/admin" or "/admin/*", which covers "/admin" too. It is written
	// decoded, and no spelling of case leads around it. Required.
	Path string `json:"path"`

	// Methods limits the rules to requests with these, such as POST; others
	// fall to the next less specific path. GET covers HEAD. Default: any.
	Methods []string `json:"methods,omitempty"`

	Rules
}

// Rules are the words that an app and its paths have in common.
type Rules struct {
	// Public are paths that need no sign-in: "/healthz" is this path only,
	// "/assets/*" all paths below. Compared with regard to case, and only with
	// paths that are already in canonical form; anything else is protected.
	// Network holds for them as well. Default: none.
	Public []string `json:"public,omitempty"`

	// Allow lists who may pass: user:NAME, group:NAME, email:ADDRESS,
	// email:*@DOMAIN. One that fits is enough. Default: any signed-in user.
	Allow []string `json:"allow,omitempty"`

	// Deny lists who may not, in the same words. It outweighs Allow.
	Deny []string `json:"deny,omitempty"`

	// Network are the addresses (10.1.2.3) and networks (10.0.0.0/8) that a
	// request may come from; a client whose address is not known is in none of
	// them. Default: anywhere.
	Network []string `json:"network,omitempty"`

	// Require lists what a session must have been signed in with: of each entry
	// one method. The methods are passkey and totp, a code of an authenticator
	// app. Default: anything that signs in.
	Require [][]string `json:"require,omitempty"`

	// Reauth is how long ago the sign-in may be, 1m or more. Whoever is beyond
	// it signs in again. Default: as long as the session lasts.
	Reauth caddy.Duration `json:"reauth,omitempty"`

	// Tokens says whether programs may come with an access token in place of a
	// session. Default: true, but false where Require or Reauth stands.
	Tokens *bool `json:"tokens,omitempty"`

	// At tells where rules stand, for decisions, logs and the denied page: the
	// rule in the words of the Caddyfile ("allow group:staff", and
	// "passwordless_guard", "app" or "path" for the block) and its place
	// ("Caddyfile:17"). The Caddyfile adapter fills it in. Default: rules name
	// themselves.
	At map[string]string `json:"at,omitempty"`
}

// check refuses rules that cannot be meant, also of a block that was read in
// part. What CompilePolicy finds is refused here, where a line can be named.
func (p *Policy) check() error {
	if err := p.Rules.check(); err != nil {
		return err
	}
	for i := range p.Paths {
		path := &p.Paths[i]
		if err := path.check(); err != nil {
			return err
		}
		if err := p.contradicts(&path.Rules); err != nil {
			return fmt.Errorf("path %q: %w", path.Path, err)
		}
	}
	if err := p.Headers.check(); err != nil {
		return err
	}
	if p.Assertion && p.Headers.JWT == "off" {
		return errors.New("headers: jwt off leaves out what assertion on makes; remove one")
	}
	_, err := authcore.CompilePolicy(p.spec(""))
	return err
}

// complete is about what only the whole block can show.
func (p *Policy) complete() error {
	for i := range p.Paths {
		if err := p.Paths[i].complete(); err != nil {
			return err
		}
	}
	if p.Headers.JWT != "" && p.Headers.JWT != "off" && !p.Assertion {
		return fmt.Errorf("headers: jwt %s is never sent without an assertion; add assertion on", p.Headers.JWT)
	}
	return nil
}

// contradicts refuses rules of a path that nobody could satisfy together with
// the app's.
func (p *Policy) contradicts(inner *Rules) error {
	for _, entry := range p.Deny {
		if slices.Contains(inner.Allow, entry) {
			return fmt.Errorf("allow: %q is denied in the whole app; deny outweighs allow, so remove one", entry)
		}
	}
	if len(p.Network) == 0 || len(inner.Network) == 0 {
		return nil
	}
	outer := parsed(p.Network)
	for _, n := range parsed(inner.Network) {
		if !slices.ContainsFunc(outer, n.Overlaps) {
			return fmt.Errorf("network: %v lies outside of the app's network (%s), so nobody could come from there", n, strings.Join(p.Network, " "))
		}
	}
	return nil
}

// parsed are the networks of a list that was checked.
func parsed(list []string) (networks []netip.Prefix) {
	for _, s := range list {
		if n, err := authcore.ParseNetwork(s); err == nil {
			networks = append(networks, n)
		}
	}
	return networks
}

// place is where a rule stands. Without a place it names itself, behind within,
// the block around it.
func (r *Rules) place(rule, within string) string {
	if at := r.At[rule]; at != "" {
		return at
	}
	return within + rule
}

// placed names a block to people: "passwordless_guard at Caddyfile:2".
func (r *Rules) placed(block, name string) string {
	if at := r.At[block]; at != "" {
		return name + " at " + at
	}
	return name
}

// looksAtPaths reports whether it matters which path a request has.
func (p *Policy) looksAtPaths() bool { return len(p.Public)+len(p.Paths) > 0 }

// same reports whether two policies decide alike, wherever they stand.
func (p *Policy) same(other *Policy) bool {
	return reflect.DeepEqual(p.withoutPlaces(), other.withoutPlaces())
}

func (p *Policy) withoutPlaces() Policy {
	bare := *p
	bare.At, bare.Paths = nil, slices.Clone(p.Paths)
	for i := range bare.Paths {
		bare.Paths[i].At = nil
	}
	return bare
}
