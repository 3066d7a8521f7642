package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// walker follows the routes of the HTTP app to our handlers. It reads routes
// that are still raw JSON and routes that are decoded alike (hosts.go says when
// it meets which): through subroutes (handle, handle_path, route) and named
// routes (invoke). One of ours anywhere else is refused.
type walker struct {
	app      *caddyhttp.App
	repl     *caddy.Replacer
	guards   []found // a guard in a named route once for each invocation
	portals  []found
	limits   []found // only of decoded routes
	bare     []found // proxies that requests reach without a guard
	onError  []found // proxies in error routes
	warnings []string
	invoking []string // named routes being walked, against loops
}

// found is one of our handlers, reached in one way.
type found struct {
	scope
	guard *Guard // nil for a portal or a limit
	limit *Limit // nil for a guard or a portal
}

// scope is what is true for a request by the time it gets to a place.
type scope struct {
	server     *caddyhttp.Server
	serverName string
	hosts      []string // what the host may be; nil: anything
	auth       bool     // requests for /.auth/* get here
	rewritten  bool     // the URI may have been changed
	behind     *Guard   // the guard it has passed for certain
}

// meets reports whether a request for one of the guard's hosts may get here.
func (s *scope) meets(guard *found) bool {
	switch {
	case s.server != guard.server:
		return false
	case s.hosts == nil || guard.hosts == nil:
		return s.hosts == nil && guard.hosts == nil // other sites have hosts of their own
	}
	return slices.ContainsFunc(guard.hosts, s.serves)
}

// serves reports whether requests for host get here.
func (s *scope) serves(host string) bool {
	return s.hosts == nil || slices.ContainsFunc(s.hosts, func(pattern string) bool { return covers(pattern, host) })
}

func (w *walker) walk() error {
	for _, name := range slices.Sorted(maps.Keys(w.app.Servers)) {
		srv := w.app.Servers[name]
		s := scope{server: srv, serverName: name, auth: true}
		if _, err := w.routes(srv.Routes, s); err != nil {
			return fmt.Errorf("server %s: %w", name, err)
		}
		if srv.Errors != nil {
			if err := w.errorRoutes(srv.Errors.Routes, s); err != nil {
				return fmt.Errorf("server %s: %w", name, err)
			}
		}
	}
	return nil
}

// routes walks a list and returns what is true behind it. Of a group, one route
// runs, so none of its routes comes behind another.
func (w *walker) routes(list caddyhttp.RouteList, s scope) (scope, error) {
	rewriting := make(map[string]bool) // groups that may rewrite; "" is none
	for i := range list {
		route, in := &list[i], s
		for group := range rewriting {
			in.rewritten = in.rewritten || group == "" || group != route.Group
		}
		after, err := w.route(route, in)
		if err != nil {
			return s, err
		}
		if after.rewritten && !in.rewritten {
			rewriting[route.Group] = true
		}
		if route.Group == "" && len(matchersOf(route)) == 0 {
			s.behind = after.behind
		}
	}
	s.rewritten = s.rewritten || len(rewriting) > 0
	return s, nil
}

// route walks one route and returns what is true behind its last handler.
func (w *walker) route(route *caddyhttp.Route, s scope) (scope, error) {
	s, err := w.narrow(route, s)
	if err != nil || s.hosts != nil && len(s.hosts) == 0 {
		return s, err // no request can get in
	}
	nodes, err := handlersOf(route)
	if err != nil {
		return s, err
	}
	for _, n := range nodes {
		if s, err = w.handler(n, s); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (w *walker) handler(n node, s scope) (scope, error) {
	switch n.name {
	case "passwordless_guard":
		return w.guard(n, s)
	case "passwordless_portal":
		w.portals = append(w.portals, found{scope: s})
	case "passwordless_limit":
		if l, ok := n.module.(*Limit); ok {
			w.limits = append(w.limits, found{scope: s, limit: l})
		}
	case "subroute":
		return w.subroute(n, s)
	case "invoke":
		return w.invoke(n, s)
	case "rewrite":
		return w.rewrite(n, s)
	default:
		if inner := oursWithin(n.raw); inner != "" {
			return s, fmt.Errorf("%s stands inside %s, where it cannot work; write it directly in the site, or in handle or route", inner, n.name)
		}
		if n.name == "reverse_proxy" {
			return w.proxy(n, s)
		}
	}
	return s, nil
}

// proxy notes one that a guard does not stand in front of, and a rewrite that
// it does by itself.
func (w *walker) proxy(n node, s scope) (scope, error) {
	if s.behind == nil {
		w.bare = append(w.bare, found{scope: s})
	}
	var rp struct {
		Rewrite json.RawMessage `json:"rewrite"`
	}
	if n.module != nil {
		return s, nil // decoded: it was looked at when it was raw
	}
	if err := n.decode(&rp); err != nil || rp.Rewrite == nil {
		return s, err
	}
	_, err := w.rewrite(node{name: n.name, raw: rp.Rewrite}, s)
	return s, err // what it rewrites goes to its upstream and nowhere else
}

func (w *walker) guard(n node, s scope) (scope, error) {
	g, ok := n.module.(*Guard)
	if !ok {
		g = new(Guard)
		if err := n.decode(g); err != nil {
			return s, err
		}
	}
	if s.behind != nil {
		// The first guard takes our cookie out of the request, so a second one
		// would see a stranger.
		return s, fmt.Errorf("%s stands behind another one (%s), which hides the session from it; put all rules into one", g.where(), s.behind.where())
	}
	w.guards = append(w.guards, found{scope: s, guard: g})
	s.behind = g
	return s, nil
}

func (w *walker) subroute(n node, s scope) (scope, error) {
	sub, ok := n.module.(*caddyhttp.Subroute)
	if !ok {
		sub = new(caddyhttp.Subroute)
		if err := n.decode(sub); err != nil {
			return s, err
		}
	}
	if sub.Errors != nil {
		if err := w.errorRoutes(sub.Errors.Routes, s); err != nil {
			return s, err
		}
	}
	after, err := w.routes(sub.Routes, s)
	s.behind, s.rewritten = after.behind, after.rewritten
	return s, err
}

func (w *walker) invoke(n node, s scope) (scope, error) {
	var inv caddyhttp.Invoke
	if err := n.decode(&inv); err != nil {
		return s, err
	}
	route := s.server.NamedRoutes[inv.Name]
	if route == nil || slices.Contains(w.invoking, inv.Name) {
		return s, nil // fails when it is requested, which is Caddy's to say
	}
	w.invoking = append(w.invoking, inv.Name)
	after, err := w.route(route, s)
	w.invoking = w.invoking[:len(w.invoking)-1]
	s.behind, s.rewritten = after.behind, after.rewritten
	return s, err
}

// rewrite notes a change of the path. Behind a guard with rules for paths, what
// was let through is no longer what was looked at (FA-13).
func (w *walker) rewrite(n node, s scope) (scope, error) {
	var rw struct {
		URI             string          `json:"uri"`
		StripPathPrefix string          `json:"strip_path_prefix"`
		StripPathSuffix string          `json:"strip_path_suffix"`
		URISubstring    json.RawMessage `json:"uri_substring"`
		PathRegexp      json.RawMessage `json:"path_regexp"`
	}
	if err := n.decode(&rw); err != nil {
		return s, err
	}
	path, _, _ := strings.Cut(rw.URI, "?")
	if path+rw.StripPathPrefix+rw.StripPathSuffix == "" && rw.URISubstring == nil && rw.PathRegexp == nil {
		return s, nil // method or query only
	}
	s.rewritten = true
	if s.behind != nil && s.behind.looksAtPaths() {
		warning := s.behind.where() + ": the URI is rewritten behind the guard; public and path rules are compared before that"
		if !slices.Contains(w.warnings, warning) {
			w.warnings = append(w.warnings, warning)
		}
	}
	return s, nil
}

// errorRoutes refuses ours in handle_errors: what runs there has no sign-in.
func (w *walker) errorRoutes(list caddyhttp.RouteList, s scope) error {
	inner := walker{app: w.app, repl: w.repl, invoking: w.invoking}
	if _, err := inner.routes(list, s); err != nil {
		return err
	}
	w.limits = append(w.limits, inner.limits...)
	w.onError = append(w.onError, inner.bare...)
	if len(inner.guards)+len(inner.portals) > 0 {
		return errors.New("handle_errors: passwordless_guard and passwordless_portal cannot work there")
	}
	return nil
}

// node is a handler of a route: raw or, once decoded, the handler itself.
type node struct {
	name   string
	raw    json.RawMessage
	module any
}

// decode reads the handler's configuration into v.
func (n node) decode(v any) error {
	raw := n.raw
	if n.module != nil {
		var err error
		if raw, err = json.Marshal(n.module); err != nil {
			return fmt.Errorf("reading a %s: %w", n.name, err)
		}
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("reading a %s: %w", n.name, err)
	}
	return nil
}

func handlersOf(route *caddyhttp.Route) ([]node, error) {
	var nodes []node
	for _, raw := range route.HandlersRaw {
		var head struct {
			Handler string `json:"handler"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, fmt.Errorf("reading a handler: %w", err)
		}
		nodes = append(nodes, node{name: head.Handler, raw: raw})
	}
	if route.HandlersRaw != nil {
		return nodes, nil
	}
	for _, h := range route.Handlers {
		if m, ok := h.(caddy.Module); ok {
			nodes = append(nodes, node{name: m.CaddyModule().ID.Name(), module: h})
		}
	}
	return nodes, nil
}

// oursWithin names a guard, a portal or a limit in any depth of a configuration,
// or "". A limit that the walk does not meet has no counter of its own.
func oursWithin(raw json.RawMessage) string {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return "" // Caddy says so when it loads it
	}
	return oursIn(value)
}

func oursIn(value any) string {
	switch v := value.(type) {
	case map[string]any:
		if name := v["handler"]; name == "passwordless_guard" || name == "passwordless_portal" || name == "passwordless_limit" {
			return name.(string)
		}
		return oursIn(slices.Collect(maps.Values(v)))
	case []any:
		for _, inner := range v {
			if name := oursIn(inner); name != "" {
				return name
			}
		}
	}
	return ""
}
