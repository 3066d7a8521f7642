package authcore

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/canonpath"
)

// view is the blocks that all ways to read a request select: the path as the
// client sent it and as the guard finds it (FA-13), each as it is and without
// regard to case (FA-6). A request must satisfy every one of them.
type view struct {
	room     [4]*rules
	n        int
	many     []*rules // in place of room, for a path that has no canonical form
	public   bool     // no reading asks for a sign-in
	publicAt string   // the rule that the original path matched
}

func (v *view) len() int {
	if v.many != nil {
		return len(v.many)
	}
	return v.n
}

func (v *view) at(i int) *rules {
	if v.many != nil {
		return v.many[i]
	}
	return v.room[i]
}

func (v *view) add(r *rules) {
	for i := range v.n {
		if v.room[i] == r {
			return
		}
	}
	v.room[v.n] = r
	v.n++
}

// look fills the view.
func (v *view) look(p *Policy, r *Request) {
	if len(p.paths)+len(p.public) == 0 {
		v.add(&p.rules)
		return
	}
	v.public = true
	v.read(p, r.Path, r.Method)
	at := v.publicAt
	if r.Here != r.Path {
		v.read(p, r.Here, r.Method)
	}
	v.publicAt = at
}

// read adds what one spelling of the path selects. What is not canonical could
// be any path to somebody, so it is never public and must satisfy every block
// (FA-5).
func (v *view) read(p *Policy, escaped, method string) {
	path, ok := canonpath.Parse(escaped)
	if !ok {
		v.public = false
		v.add(&p.rules)
		if len(p.paths) > 0 {
			v.many = p.every(method)
		}
		return
	}
	block := p.pick(path, method, false)
	v.add(block.of(p))
	at, public := p.publicRule(block, path)
	v.publicAt = at
	if len(p.paths) > 0 {
		if other := p.pick(path.Fold(), method, true); other != block {
			v.add(other.of(p))
			public = false
		}
	}
	v.public = v.public && public
}

// of are the block's rules, or the app's where there is no block.
func (b *pathRules) of(p *Policy) *rules {
	if b == nil {
		return &p.rules
	}
	return &b.rules
}

// pick is the most specific block for a path, or nil.
func (p *Policy) pick(path canonpath.Path, method string, folded bool) *pathRules {
	for i := range p.paths {
		b := &p.paths[i]
		pattern := b.pattern
		if folded {
			pattern = b.folded
		}
		if pattern.Covers(path) && b.limitedTo(method) {
			return b
		}
	}
	return nil
}

// limitedTo compares methods without regard to case: they have one, but what
// stands behind us may not know (FA-7). HEAD is GET without an answer, and
// CONNECT what a WebSocket's GET is called in HTTP/2 and 3 (RFC 8441).
func (b *pathRules) limitedTo(method string) bool {
	if len(b.methods) == 0 {
		return true
	}
	for _, m := range b.methods {
		if strings.EqualFold(m, method) || m == "GET" && (strings.EqualFold(method, "HEAD") || strings.EqualFold(method, "CONNECT")) {
			return true
		}
	}
	return false
}

// every is all blocks that a method may meet.
func (p *Policy) every(method string) []*rules {
	list := []*rules{&p.rules}
	for i := range p.paths {
		if b := &p.paths[i]; b.limitedTo(method) {
			list = append(list, &b.rules)
		}
	}
	return list
}

// publicRule finds a rule that opens the path: one of the block's own, or one
// of the app's that is more specific than the block.
func (p *Policy) publicRule(block *pathRules, path canonpath.Path) (at string, ok bool) {
	if block != nil {
		for i := range block.public {
			if block.public[i].pattern.Match(path) {
				return block.public[i].at, true
			}
		}
	}
	for i := range p.public {
		rule := &p.public[i]
		if rule.pattern.Match(path) && (block == nil || rule.pattern.Compare(block.pattern) > 0) {
			return rule.at, true
		}
	}
	return "", false
}

// within says whether the client's address may come at all. An unknown address
// is nowhere (FA-1).
func (v *view) within(client netip.Addr) (at string, ok bool) {
	for i := range v.len() {
		for j := range v.at(i).networks {
			if rule := &v.at(i).networks[j]; !rule.holds(client) {
				return rule.at, false
			}
		}
	}
	return "", true
}

func (n *networkRule) holds(client netip.Addr) bool {
	if !client.IsValid() {
		return false
	}
	for _, p := range n.prefixes {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// admits says whether the user may pass, and which line said so.
func (v *view) admits(id *Identity) (at string, why Why, ok bool) {
	for i := range v.len() {
		r := v.at(i)
		var here string
		if here, why, ok = r.admits(id); !ok {
			return here, why, false
		}
		if i == 0 {
			at = here
		}
	}
	return at, WhyAllow, true
}

func (r *rules) admits(id *Identity) (at string, why Why, ok bool) {
	for i := range r.deny {
		if r.deny[i].matches(id) {
			return r.deny[i].at, WhyDeny, false
		}
	}
	if len(r.allow) == 0 {
		return r.at, WhyAllow, true
	}
	for i := range r.allow {
		if r.allow[i].matches(id) {
			return r.allow[i].at, WhyAllow, true
		}
	}
	return r.allow[0].at, WhyAllow, false
}

// shows says whether a session proves enough (SE-8): methods as bits, and its
// age.
func (v *view) shows(bits uint8, age time.Duration) (at string, why Why, ok bool) {
	for i := range v.len() {
		r := v.at(i)
		for j := range r.require {
			if r.require[j].bits&bits == 0 {
				return r.require[j].at, WhyRequire, false
			}
		}
		if r.reauth > 0 && age > r.reauth {
			return r.reauthAt, WhyReauth, false
		}
	}
	return "", "", true
}

// need is what a session has to show for the view.
func (v *view) need() (n Need) {
	for i := range v.len() {
		r := v.at(i)
		for j := range r.require {
			n.add(r.require[j].words)
		}
		if r.reauth > 0 && (n.MaxAge == 0 || r.reauth < n.MaxAge) {
			n.MaxAge = r.reauth
		}
	}
	return n
}

// NeedAt is what a page load of an app's path needs to show; path may have a
// query.
func (p *Policy) NeedAt(path string) Need {
	path, _, _ = strings.Cut(path, "?")
	var v view
	v.look(p, &Request{Path: path, Here: path, Method: "GET"})
	return v.need()
}

// takesTokens reports whether access tokens may be used here.
func (v *view) takesTokens() bool {
	for i := range v.len() {
		if v.at(i).noTokens {
			return false
		}
	}
	return true
}

// tokenNeed are the methods that the app requires of people where it takes their
// access tokens all the same.
func (p *Policy) tokenNeed() (n Need) {
	add := func(r *rules) {
		for i := range r.require {
			if !r.noTokens {
				n.add(r.require[i].words)
			}
		}
	}
	add(&p.rules)
	for i := range p.paths {
		add(&p.paths[i].rules)
	}
	return n
}

// TakesTokens reports whether access tokens may be used anywhere in the app.
func (p *Policy) TakesTokens() bool {
	return !p.noTokens || slices.ContainsFunc(p.paths, func(b pathRules) bool { return !b.noTokens })
}

// block is where the first block stands: what decides about who is not signed
// in.
func (v *view) block() string { return v.at(0).at }

// AsksForClient reports whether any rule looks at the client's address, which
// takes time to find out.
func (p *Policy) AsksForClient() bool { return p.asks }

// admitsAnywhere says whether some path of the app is open to the user. With
// no is the line that is to be blamed.
func (p *Policy) admitsAnywhere(id *Identity) (at string, ok bool) {
	if at, _, ok = p.admits(id); ok {
		return at, true
	}
	for i := range p.paths {
		if here, _, ok := p.paths[i].admits(id); ok {
			return here, true
		}
	}
	return at, false
}
