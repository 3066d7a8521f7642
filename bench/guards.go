package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// What a guard in front of an app costs: one Caddy serves every variant on a
// port of its own, in front of one upstream. The load sends all of them the same
// bytes but for the Host.

// Variants, by the first label of their host.
const (
	plain   = "plain"   // reverse_proxy
	control = "control" // the same again
	headers = "headers" // reverse_proxy that sets the headers which the guard sets
	guarded = "app"     // passwordless_guard and reverse_proxy, signed in
)

// guardVariants in the order of the table.
var guardVariants = []string{plain, control, headers, guarded}

// globals keeps every trace of a server in its directory.
const globals = `{
	admin off
	auto_https off
	persist_config off
	default_bind 127.0.0.1
	storage file_system %s
	grace_period 1s
%s}
`

// ours is a portal, for globals, and whatever else the server knows.
const ours = `	passwordless {
		database %s
		portal %s
		methods email
		smtp %s {
			from bench@localhost
			tls none
		}
%s	}
`

const portalSite = "%s {\n\tpasswordless_portal\n}\n"

// proxying keeps as many idle connections to the upstream as there are clients.
// Caddy's default of 32 makes it open one for every fourth request of 64
// clients, which would drown what is compared.
const proxying = `reverse_proxy %s {
		transport http {
			keepalive_idle_conns_per_host 64
		}
%s	}`

// portalFor is the part of a Caddyfile that makes a server ours; more are lines
// for its global option.
func portalFor(dir string, port int, smtp, more string) string {
	portal := origin(portalHost, port)
	return fmt.Sprintf(globals, filepath.Join(dir, "storage"), fmt.Sprintf(ours, databaseIn(dir), portal, smtp, more)) +
		fmt.Sprintf(portalSite, portal)
}

func databaseIn(dir string) string { return filepath.Join(dir, "data", "auth.db") }

// setUpGuards starts the Caddy and signs in to the guarded app.
func setUpGuards(ctx context.Context, s *scenario, o options) error {
	upstream, err := s.upstreamAddr()
	if err != nil {
		return err
	}
	ports, err := freePorts(len(guardVariants) + 1)
	if err != nil {
		return err
	}
	sites := make(map[string]string) // origins
	for i, v := range guardVariants {
		sites[v] = origin(v+".localhost", ports[i+1])
	}
	dir, err := s.home("caddy")
	if err != nil {
		return err
	}
	if err := addPerson(ctx, databaseIn(dir)); err != nil {
		return err
	}
	caddy, err := s.start(caddyProgram("caddy", o.binary, dir, guardsCaddyfile(dir, ports[0], s.mailbox.addr, upstream, sites)))
	if err != nil {
		return err
	}
	if err := caddy.ready(ctx, origin(portalHost, ports[0])+"/readiness"); err != nil {
		return err
	}
	b, err := newBrowser()
	if err != nil {
		return err
	}
	defer b.CloseIdleConnections()
	session, err := b.signIn(ctx, sites[guarded]+"/", s.codes)
	if err != nil {
		return fmt.Errorf("signing in: %w\n%s", err, caddy.lastWords())
	}
	cookies := "theme=dark; " + session
	for i, v := range guardVariants {
		s.variants = append(s.variants, variant{
			name: v, addr: loopback(ports[i+1]), work: []*server{caddy},
			request: get("/", hostOf(sites[v]), "User-Agent: bench", "Accept: */*", "Cookie: "+cookies),
		})
	}
	s.base, s.control = plain, control
	return verifyGuards(ctx, s.variants, sites, cookies)
}

// hostOf is an origin's host with its port.
func hostOf(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return host
}

func guardsCaddyfile(dir string, portal int, smtp, upstream string, sites map[string]string) string {
	headersUp := ""
	for _, h := range identity {
		headersUp += fmt.Sprintf("\t\theader_up %s %q\n", h.name, h.value)
	}
	proxy, setting := fmt.Sprintf(proxying, upstream, ""), fmt.Sprintf(proxying, upstream, headersUp)
	text := portalFor(dir, portal, smtp, "")
	for _, site := range []struct{ variant, directives string }{
		{plain, proxy}, {control, proxy}, {headers, setting}, {guarded, "passwordless_guard\n\t" + proxy},
	} {
		text += fmt.Sprintf("%s {\n\t%s\n}\n", sites[site.variant], site.directives)
	}
	return text
}

// verifyGuards looks at what reaches the upstream: a comparison of things that
// do not do what they are called would be worthless.
func verifyGuards(ctx context.Context, variants []variant, sites map[string]string, cookies string) error {
	for _, v := range variants {
		got, err := seen(ctx, v.addr, hostOf(sites[v.name]), cookies)
		if err != nil {
			return err
		}
		for _, h := range identity {
			want := ""
			if v.name == headers || v.name == guarded {
				want = h.value
			}
			if value := got.Get(h.name); value != want {
				return fmt.Errorf("behind %s the upstream got %s %q instead of %q", v.name, h.name, value, want)
			}
		}
		if hidden := !strings.Contains(got.Get("Cookie"), sessionCookie+"="); hidden != (v.name == guarded) {
			return fmt.Errorf("behind %s it is %t that the session cookie was taken out", v.name, hidden)
		}
	}
	return nil
}
