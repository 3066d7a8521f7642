package caddymodule

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// matchers are the matchers of one set (all must match), by name.
type matchers map[string]any

// matchersOf returns a route's matcher sets, of which one must match.
func matchersOf(route *caddyhttp.Route) []matchers {
	var sets []matchers
	for _, raw := range route.MatcherSetsRaw {
		set := make(matchers)
		for name, m := range raw {
			set[name] = m
		}
		sets = append(sets, set)
	}
	if route.MatcherSetsRaw != nil {
		return sets
	}
	for _, decoded := range route.MatcherSets {
		set := make(matchers)
		for _, m := range decoded {
			if mod, ok := m.(caddy.Module); ok {
				set[mod.CaddyModule().ID.Name()] = m
			} else {
				set[fmt.Sprintf("%T", m)] = m
			}
		}
		sets = append(sets, set)
	}
	return sets
}

// strings returns the values of a matcher that is a list, raw or decoded.
func (m matchers) strings(name string) ([]string, error) {
	value, ok := m[name]
	if !ok {
		return nil, nil
	}
	switch v := value.(type) {
	case json.RawMessage:
		var list []string
		if err := json.Unmarshal(v, &list); err != nil {
			return nil, fmt.Errorf("reading the matcher %s: %w", name, err)
		}
		return list, nil
	case *caddyhttp.MatchHost:
		return *v, nil
	case caddyhttp.MatchHost: // in Caddy's own redirects
		return v, nil
	case *caddyhttp.MatchPath:
		return *v, nil
	}
	return nil, nil
}

// narrow is the scope inside a route.
func (w *walker) narrow(route *caddyhttp.Route, s scope) (scope, error) {
	sets := matchersOf(route)
	if len(sets) == 0 {
		return s, nil
	}
	var hosts []string
	anyHost, auth := false, false
	for _, set := range sets {
		here, err := w.hostsOf(set)
		if err != nil {
			return s, err
		}
		hosts = append(hosts, here...)
		anyHost = anyHost || here == nil
		admits, err := admitsAuth(set)
		if err != nil {
			return s, err
		}
		auth = auth || admits
	}
	s.auth = s.auth && auth
	if !anyHost {
		s.hosts = intersect(s.hosts, hosts)
	}
	return s, nil
}

// hostsOf returns the hosts that a set admits, in lower-case ASCII; nil is any.
func (w *walker) hostsOf(set matchers) ([]string, error) {
	list, err := set.strings("host")
	if list == nil || err != nil {
		return nil, err
	}
	hosts := make([]string, len(list))
	for i, host := range list {
		one := caddyhttp.MatchHost{w.repl.ReplaceKnown(host, "")}
		if err := one.Provision(caddy.Context{}); err != nil { // spells it as Caddy does
			return nil, err
		}
		hosts[i] = strings.ToLower(one[0])
	}
	return hosts, nil
}

// admitsAuth reports whether a set admits requests for /.auth/*. Of matchers
// other than host and path it is not known, so they do not count as admitting.
func admitsAuth(set matchers) (bool, error) {
	for name := range set {
		if name != "host" && name != "path" {
			return false, nil
		}
	}
	if _, ok := set["path"]; !ok {
		return true, nil
	}
	paths, err := set.strings("path")
	return slices.ContainsFunc(paths, func(p string) bool {
		prefix, ok := strings.CutSuffix(p, "*")
		return ok && strings.HasPrefix("/.auth/", prefix)
	}), err
}

// intersect returns what both lists admit; outer nil admits everything.
func intersect(outer, inner []string) []string {
	both := []string{}
	add := func(host string) {
		if !slices.Contains(both, host) {
			both = append(both, host)
		}
	}
	for _, in := range inner {
		if outer == nil {
			add(in)
		}
		for _, out := range outer {
			switch {
			case covers(out, in):
				add(in)
			case covers(in, out):
				add(out)
			}
		}
	}
	return both
}

// covers reports whether a host pattern admits a host (or every host of another
// pattern), as Caddy's host matcher does: a * stands for one label. What a
// placeholder stands for is known with each request only, so it may be any host.
func covers(pattern, host string) bool {
	if pattern == host || strings.Contains(pattern, "{") {
		return true
	}
	patterns, labels := strings.Split(pattern, "."), strings.Split(host, ".")
	return len(patterns) == len(labels) && !strings.Contains(host, "{") &&
		slices.EqualFunc(patterns, labels, func(p, l string) bool { return p == "*" || p == l })
}
