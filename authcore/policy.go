package authcore

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/canonpath"
)

// Line is one line of a policy block: its words after the keyword, and where
// it stands ("Caddyfile:17"), which every decision it makes will name.
type Line struct {
	Words []string
	At    string
}

// Switch is a word that may be left out.
type Switch uint8

// Switches.
const (
	Unset Switch = iota
	On
	Off
)

// PolicySpec is a policy block as configured (DESIGN §3.2).
type PolicySpec struct {
	Public  []Line
	Allow   []Line
	Deny    []Line
	Network []Line // addresses and networks; the lines of a block are one list
	Require []Line // each line names methods, of which the session must have used one
	Reauth  time.Duration
	// ReauthAt is where Reauth stands.
	ReauthAt  string
	Tokens    Switch
	Assertion bool // Remote-Jwt; of the whole app only
	Paths     []PathSpec
	// Headers renames an identity header ("user" → "X-WebAuth-User") or, with
	// an empty value, drops it. Keys: user, sub, email, name, groups, jwt.
	Headers map[string]string
	At      string // of the block
}

// PathSpec is a block for some paths of an app: "/x" or "/x/*", which covers
// "/x" too.
type PathSpec struct {
	Path    string
	Methods []string   // what it is limited to; empty: any
	Rules   PolicySpec // without Paths, Headers and Assertion
}

// Policy is a compiled PolicySpec. The zero value lets every signed-in user in
// and nobody else.
type Policy struct {
	rules                 // where no path block says otherwise
	paths     []pathRules // the most specific first
	headers   headerNames
	renamed   bool // headers are not the default ones
	assertion bool
	asks      bool // some rule looks at the client's address
}

// rules are what one block asks of a request, with what it inherits.
type rules struct {
	public   []publicRule
	allow    []matcher
	deny     []matcher
	networks []networkRule // of each, one must hold the client
	require  []requirement
	reauth   time.Duration // 0: any age
	reauthAt string
	noTokens bool
	at       string
}

// pathRules are the rules of a path block.
type pathRules struct {
	rules
	pattern canonpath.Pattern
	folded  canonpath.Pattern // without regard to case (FA-6)
	methods []string          // upper case; empty: any
}

type publicRule struct {
	pattern canonpath.Pattern
	at      string
}

type networkRule struct {
	prefixes []netip.Prefix
	at       string
}

// requirement is a line of methods, of which one is enough.
type requirement struct {
	words string // "passkey", or "passkey totp"
	bits  uint8
	at    string
}

// CompilePolicy checks a block. Its errors name the word and what to write.
func CompilePolicy(spec PolicySpec) (Policy, error) {
	p := Policy{headers: defaultHeaderNames, assertion: spec.Assertion}
	var err error
	if p.rules, err = (rules{}).with(spec); err != nil {
		return p, err
	}
	for _, path := range spec.Paths {
		block, err := p.compilePath(path)
		if err != nil {
			return p, fmt.Errorf("path %q: %w", path.Path, err)
		}
		p.paths = append(p.paths, block)
	}
	p.asks = len(p.networks) > 0 || slices.ContainsFunc(p.paths, func(b pathRules) bool { return len(b.networks) > 0 })
	slices.SortStableFunc(p.paths, func(a, b pathRules) int { return a.compare(&b) })
	for key, name := range spec.Headers {
		if err := p.headers.rename(key, name); err != nil {
			return p, err
		}
	}
	p.renamed = p.headers != defaultHeaderNames
	return p, p.headers.unique()
}

// with are the rules of a block inside r: allow, public and tokens replace,
// the others add up (DESIGN §3.2).
func (r rules) with(spec PolicySpec) (rules, error) {
	r.at, r.public = spec.At, nil
	for _, l := range spec.Public {
		for _, w := range l.Words {
			pattern, err := canonpath.ParsePattern(w)
			if err != nil {
				return r, fmt.Errorf("public %q: %w", w, err)
			}
			r.public = append(r.public, publicRule{pattern, l.At})
		}
	}
	allow, err := compileMatchers("allow", spec.Allow)
	if err != nil {
		return r, err
	}
	if len(allow) > 0 {
		r.allow = allow
	}
	deny, err := compileMatchers("deny", spec.Deny)
	if err != nil {
		return r, err
	}
	r.deny = slices.Concat(r.deny, deny)
	network, err := compileNetworks(spec.Network)
	if err != nil {
		return r, err
	}
	r.networks = slices.Concat(r.networks, network)
	require, err := compileRequire(spec.Require)
	if err != nil {
		return r, err
	}
	r.require = slices.Concat(r.require, require)
	switch {
	case spec.Reauth == 0:
	case spec.Reauth < time.Minute:
		return r, fmt.Errorf("reauth %v: must be 1m or more, so that a person can get through sign-in", spec.Reauth)
	case r.reauth == 0 || spec.Reauth < r.reauth:
		r.reauth, r.reauthAt = spec.Reauth, spec.ReauthAt
	}
	switch {
	case spec.Tokens != Unset:
		r.noTokens = spec.Tokens == Off
	case len(require) > 0 || spec.Reauth > 0:
		r.noTokens = true // no token passes a check that is about people
	}
	return r, nil
}

func compileNetworks(lines []Line) ([]networkRule, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	rule := networkRule{at: lines[0].At}
	for _, l := range lines {
		for _, w := range l.Words {
			prefix, err := ParseNetwork(w)
			if err != nil {
				return nil, fmt.Errorf("network %q: %w", w, err)
			}
			rule.prefixes = append(rule.prefixes, prefix)
		}
	}
	return []networkRule{rule}, nil
}

// ParseNetwork reads an address ("10.1.2.3") or a network ("10.0.0.0/8").
func ParseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || p.Addr().Is4In6():
		return p, errors.New("write an address or a network, such as 10.1.2.3 or 10.0.0.0/8")
	case p != p.Masked():
		return p, fmt.Errorf("it has bits beyond its length; write %v", p.Masked())
	}
	return p, nil
}

func compileRequire(lines []Line) ([]requirement, error) {
	var list []requirement
	for _, l := range lines {
		req := requirement{words: strings.Join(l.Words, " "), at: l.At}
		for _, w := range l.Words {
			switch w {
			case AMRPasskey:
				req.bits |= bitTrustedPasskey
			case AMRTOTP:
				req.bits |= bitTrustedTOTP
			default:
				return nil, fmt.Errorf("require %q: write passkey, totp or both", w)
			}
		}
		if len(l.Words) == 0 {
			return nil, errors.New("require: write passkey, totp or both")
		}
		list = append(list, req)
	}
	return list, nil
}

func (p *Policy) compilePath(spec PathSpec) (pathRules, error) {
	var b pathRules
	inner := spec.Rules
	if len(inner.Paths) > 0 || len(inner.Headers) > 0 || inner.Assertion {
		return b, errors.New("path, headers and assertion stand in the block of the app")
	}
	var err error
	if b.pattern, err = canonpath.ParsePattern(spec.Path); err != nil {
		return b, err
	}
	b.folded = b.pattern.Fold()
	for _, m := range spec.Methods {
		if !ValidMethod(m) {
			return b, fmt.Errorf("methods %q: write names such as GET or POST", m)
		}
		b.methods = append(b.methods, strings.ToUpper(m))
	}
	if b.rules, err = p.with(inner); err != nil {
		return b, err
	}
	for _, rule := range b.public {
		if !b.pattern.Contains(rule.pattern) {
			return b, fmt.Errorf("public %q: is not below the block's path", rule.pattern)
		}
	}
	for i := range p.paths {
		switch other := &p.paths[i]; {
		case other.pattern == b.pattern && other.sharesMethod(&b):
			return b, errors.New("there is a block for this path and method already; write one")
		case other.pattern != b.pattern && other.folded == b.folded:
			// One of them would be selected for the other's paths, too (FA-6).
			return b, fmt.Errorf("differs from %q by case only; write one", other.pattern)
		}
	}
	return b, nil
}

// compare sorts the most specific first: the longer path, then the exact one,
// then the one that is limited to methods.
func (b *pathRules) compare(other *pathRules) int {
	if c := other.pattern.Compare(b.pattern); c != 0 {
		return c
	}
	return min(len(other.methods), 1) - min(len(b.methods), 1)
}

func (b *pathRules) sharesMethod(other *pathRules) bool {
	if len(b.methods) == 0 || len(other.methods) == 0 {
		return len(b.methods) == len(other.methods)
	}
	return slices.ContainsFunc(b.methods, func(m string) bool { return slices.Contains(other.methods, m) })
}

// ValidMethod reports whether s is a token that can be a method (RFC 9110
// section 9.1).
func ValidMethod(s string) bool {
	if len(s) == 0 || len(s) > maxMethod {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return true
}
