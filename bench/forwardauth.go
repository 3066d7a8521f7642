package main

import (
	"context"
	"slices"
	"strings"
)

// What forward-auth costs, asked and behind a proxy. One process of ours has the
// decision endpoints, a guard in process, and sites that answer 200 to anybody.
// A second Caddy, the edge, asks auth servers with forward_auth before each
// request to the upstream: ours, one that always says 200, and the peers.
//
//	asked    load → auth server
//	through  load → edge → auth server
//	              edge → upstream
//	inside   load → guard → upstream

// Variants that are no peer's.
const (
	always      = "respond 200" // the auth server that costs least
	alwaysAgain = "control"
	sameHeaders = "respond 200, same headers" // as many as an answer of ours has
	forwardAuth = "forward-auth"              // the last word of an endpoint
	authRequest = "auth-request"
	extAuthz    = "ext-authz"
	inside      = "passwordless_guard"
	us          = "passwordless-auth"
)

// endpoints are ours.
var endpoints = []string{forwardAuth, authRequest, extAuthz}

// through is the variant in which the edge asks.
func through(server string) string { return "forward_auth → " + server }

// client is whom the edge says it asks for: not itself.
const client = "192.0.2.1"

func setUpForwardAuth(ctx context.Context, s *scenario, o options) error {
	upstream, err := s.upstreamAddr()
	if err != nil {
		return err
	}
	f := &farm{scenario: s, binary: o.binary, upstream: upstream}
	if err := f.lay(); err != nil {
		return err
	}
	if err := f.startPeers(ctx, o.peers); err != nil {
		return err
	}
	if err := f.startOurs(ctx); err != nil {
		return err
	}
	if err := f.startEdge(ctx); err != nil {
		return err
	}
	if err := f.signIn(ctx); err != nil {
		return err
	}
	f.list()
	return f.verify(ctx)
}

// list names all that is compared.
func (f *farm) list() {
	add := func(name, addr string, request []byte, work ...*server) {
		f.variants = append(f.variants, variant{name: name, addr: addr, request: request, work: work})
	}
	for i, name := range []string{always, alwaysAgain, sameHeaders} {
		add(name, loopback(f.always[i]), f.constant.asking(forwardAuth, f.constant.cookies), f.own)
	}
	for _, endpoint := range endpoints {
		add(endpoint, f.ours.addr, f.ours.asking(endpoint, f.ours.cookies), f.own)
	}
	for _, d := range f.peers {
		add(d.name, d.addr, d.asking(forwardAuth, d.cookies), d.server)
	}
	for _, d := range f.deciders() {
		add(through(d.name), loopback(d.edge), visiting(d.app, d.cookies), f.edge, d.server)
	}
	for _, d := range f.insiders() {
		add(d.name, d.addr, visiting(d.app, d.cookies), d.server)
	}
	f.base, f.control = always, alwaysAgain
	for i := range f.variants {
		f.variants[i].seldom = f.seldom(f.variants[i].name)
	}
}

// seldom says that no target depends on how fast a variant is.
func (f *farm) seldom(name string) bool {
	switch name {
	case through(always), through(us):
		return true
	case inside: // compared with peers only
		return len(f.peers) == 0
	}
	return slices.ContainsFunc(f.modules, func(d *decider) bool { return d.name == name })
}

// visiting is a browser's request to an app.
func visiting(app, cookies string) []byte {
	return get("/", hostOf(app), "User-Agent: bench", "Accept: */*", "Cookie: theme=dark; "+cookies)
}

// asking is the question of a proxy, in the words of an endpoint of ours. Peers
// are asked as the edge does.
func (d *decider) asking(endpoint, cookies string) []byte {
	scheme, host, _ := strings.Cut(d.app, "://")
	path, lines := d.path, []string{"User-Agent: bench", "Accept: */*", "X-Forwarded-For: " + client}
	switch endpoint {
	case forwardAuth:
		lines = append(lines, "X-Forwarded-Method: GET", "X-Forwarded-Proto: "+scheme, "X-Forwarded-Host: "+host, "X-Forwarded-Uri: /")
	case authRequest:
		path = "/api/authz/auth-request"
		lines = append(lines, "X-Original-Method: GET", "X-Original-URL: "+d.app+"/")
	case extAuthz:
		path = "/api/authz/ext-authz/"
		lines = append(lines, "X-Forwarded-Proto: "+scheme, "Content-Length: 0")
	}
	return get(path, host, append(lines, "Cookie: theme=dark; "+cookies)...)
}
