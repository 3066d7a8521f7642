package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/bench/peers"
)

// decider is an auth server that the edge asks, or a site that decides itself
// and stands in front of the app.
type decider struct {
	name    string
	addr    string
	app     string   // the origin that it knows
	copies  []string // the headers with which it names the user, first the name
	cookies string   // of a signed-in user
	server  *server
	path    string // of the decision endpoint
	edge    int    // port of its site at the edge
}

// farm is everything that answers while forward-auth is measured.
type farm struct {
	*scenario
	binary    string
	upstream  string // address
	own, edge *server
	portal    int    // port of ours
	always    [3]int // ports of the sites that say yes to anybody
	constant  *decider
	ours      *decider
	guard     *decider
	peers     []*decider // that the edge asks
	modules   []*decider // that decide themselves
}

// lay decides who listens where.
func (f *farm) lay() error {
	ports, err := freePorts(8)
	if err != nil {
		return err
	}
	f.portal, f.always = ports[0], [3]int(ports[5:])
	names := make([]string, len(identity))
	for i, h := range identity {
		names[i] = h.name
	}
	const path = "/api/authz/forward-auth"
	app := origin("app.localhost", ports[2])
	f.ours = &decider{name: us, addr: loopback(ports[1]), app: app, copies: names, path: path, edge: ports[2]}
	f.constant = &decider{name: always, addr: loopback(f.always[0]), app: app, copies: names, path: path, edge: ports[3]}
	f.guard = &decider{name: inside, addr: loopback(ports[4]), app: origin("guard.localhost", ports[4]), copies: names}
	return nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func (f *farm) startPeers(ctx context.Context, binaries map[string]string) error {
	for _, name := range peers.Names() {
		if binaries[name] == "" {
			continue
		}
		if err := f.startPeer(ctx, name, binaries[name]); err != nil {
			return err
		}
	}
	return nil
}

func (f *farm) startPeer(ctx context.Context, name, binary string) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	dir, err := f.home(name)
	if err != nil {
		return err
	}
	p, err := peers.New(name, peers.Place{Dir: dir, Port: ports[0], Upstream: f.upstream})
	if err != nil {
		return err
	}
	d := &decider{name: name, addr: loopback(ports[0]), path: p.Ask, app: p.App, copies: []string{p.User}, edge: ports[1]}
	d.server, err = f.start(program{name: name, binary: binary, dir: dir, args: p.Args, env: p.Env, files: p.Files})
	if err != nil {
		return err
	}
	if err := d.server.ready(ctx, "http://"+d.addr+p.Ready); err != nil {
		return err
	}
	if d.cookies, err = p.SignIn(ctx, once); err != nil {
		return fmt.Errorf("%w\n%s", err, d.server.lastWords())
	}
	if peers.Inside(name) {
		f.modules = append(f.modules, d)
	} else {
		f.peers = append(f.peers, d)
	}
	return nil
}

func (f *farm) startOurs(ctx context.Context) error {
	dir, err := f.home("ours")
	if err != nil {
		return err
	}
	if err := addPerson(ctx, databaseIn(dir)); err != nil {
		return err
	}
	more := fmt.Sprintf("\t\tapp %s\n", hostOf(f.ours.app))
	for _, kind := range []string{"caddy", "nginx", "envoy"} {
		more += fmt.Sprintf("\t\tproxy %s 127.0.0.1\n", kind)
	}
	text := portalFor(dir, f.portal, f.mailbox.addr, more)
	for _, site := range []struct {
		address    string
		directives string
	}{
		{anyHost(f.ours.addr), "passwordless_portal"},
		{anyHost(loopback(f.always[0])), "respond 200"},
		{anyHost(loopback(f.always[1])), "respond 200"},
		{anyHost(loopback(f.always[2])), answering() + "respond 200"},
		{f.guard.app, "passwordless_guard\n\t" + fmt.Sprintf(proxying, f.upstream, "")},
	} {
		text += fmt.Sprintf("%s {\n\t%s\n}\n", site.address, site.directives)
	}
	if f.own, err = f.start(caddyProgram(us, f.binary, dir, text)); err != nil {
		return err
	}
	f.ours.server, f.constant.server, f.guard.server = f.own, f.own, f.own
	return f.own.ready(ctx, origin(portalHost, f.portal)+"/readiness")
}

// answering sets the headers of an answer that allows (DESIGN §9).
func answering() string {
	text := "header {\n"
	for _, h := range identity {
		text += fmt.Sprintf("\t\t%s %q\n", h.name, h.value)
	}
	return text + "\t\tRemote-Jwt \"\"\n\t\tAuthorization \"\"\n\t\tCache-Control no-store\n\t}\n\t"
}

// anyHost is the address of a site that serves every host on a port.
func anyHost(addr string) string { return "http://" + strings.TrimPrefix(addr, "127.0.0.1") }

// asking is a site of the edge. What the auth server hears about the request is
// written out, so that each hears as much, and is asked about an origin that it
// knows.
const asking = `%s {
	forward_auth %s {
		uri %s
		header_up X-Forwarded-For %s
		header_up X-Forwarded-Proto %s
		header_up X-Forwarded-Host %s
		copy_headers %s
		transport http {
			keepalive_idle_conns_per_host 64
		}
	}
	%s
}
`

func (f *farm) startEdge(ctx context.Context) error {
	dir, err := f.home("edge")
	if err != nil {
		return err
	}
	text := fmt.Sprintf(globals, filepath.Join(dir, "storage"), "")
	for _, d := range f.deciders() {
		scheme, _, _ := strings.Cut(d.app, "://")
		text += fmt.Sprintf(asking, anyHost(loopback(d.edge)), d.addr, d.path, client, scheme, hostOf(d.app),
			strings.Join(d.copies, " "), fmt.Sprintf(proxying, f.upstream, ""))
	}
	if f.edge, err = f.start(caddyProgram("the edge", f.binary, dir, text)); err != nil {
		return err
	}
	return f.edge.ready(ctx, origin("127.0.0.1", f.constant.edge))
}

// deciders are all that the edge asks.
func (f *farm) deciders() []*decider { return append([]*decider{f.constant, f.ours}, f.peers...) }

// insiders are all that decide themselves.
func (f *farm) insiders() []*decider { return append([]*decider{f.guard}, f.modules...) }

// signIn signs in to our app, through the edge, and then at the guard, which is
// of the same portal.
func (f *farm) signIn(ctx context.Context) error {
	b, err := newBrowser()
	if err != nil {
		return err
	}
	defer b.CloseIdleConnections()
	if f.ours.cookies, err = b.signIn(ctx, f.ours.app+"/", f.codes); err != nil {
		return fmt.Errorf("signing in through the edge: %w\n%s", err, f.own.lastWords())
	}
	f.constant.cookies = f.ours.cookies // it does not look, but all get as many bytes
	if f.guard.cookies, err = b.visit(ctx, f.guard.app+"/"); err != nil {
		return fmt.Errorf("signing in at the guard: %w\n%s", err, f.own.lastWords())
	}
	return nil
}
