package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// How a guard learns its hosts.
//
// A handler is not told which host it serves: the host stands in a matcher of
// some route above it. So the app walks the routes of all HTTP servers
// (walk.go) and derives an origin for each guard from the host matchers on the
// way and from the server's listeners. What cannot be derived is refused, and
// "caddy validate" must refuse it too, which provisions and never starts.
//
// Caddy provisions apps in map order, and an app that is asked for before its
// turn at once. Four facts of Caddy make one scheme right in every order:
//
//  1. An app can be found by ctx.App from the moment its Provision begins.
//  2. The HTTP app decodes the matchers of all top-level routes, and decides
//     which servers speak TLS, before it provisions any handler.
//  3. The raw JSON of a handler, with everything nested in it, is dropped only
//     after the handler is loaded.
//  4. Whoever provisions stands in the lineage of its context, so each handler
//     can see the HTTP app above it.
//
// The first of our handlers to be provisioned therefore sees a complete
// picture: every other one of ours is still raw JSON, by 3; what is decoded
// already holds none of ours. It hands the HTTP app, by 4, to our app, by 1,
// which walks all routes then and there. The others find that done. Our app's
// own Provision, when it comes first, asks for the HTTP app at its end, so that
// its handlers come back to an app that is ready for them; when it comes last,
// all is done; without any global block, the first handler brings it into
// being. If no handler of ours turns up, that is known as well, and a portal
// that nobody serves is refused.
//
// Start walks the same routes again with the same code. Then they are decoded,
// and the walk yields the very guards that will serve.

// boundHost is one app's host name and the guards that protect it. They stand
// in different routes of its sites and have the same rules. Behind another
// proxy there are none.
type boundHost struct {
	Origin origin
	Host   string // Origin's host; "*.example.com" is every one below
	Guards []*Guard

	policy authcore.Policy // zero as long as its guards are not provisioned
	at     string          // what put it there, to people
}

// binding is what a walk found.
type binding struct {
	hosts    []boundHost // in the order of the walk: server names, then routes
	limits   []found     // in the same order
	warnings []string
}

// bindApp returns the app, after it has bound all guards.
func bindApp(ctx caddy.Context) (*App, error) {
	mod, err := ctx.App("passwordless")
	if err != nil {
		return nil, err
	}
	app := mod.(*App)
	if app.http != nil {
		return app, nil
	}
	if app.http = httpAncestor(ctx); app.http == nil {
		return nil, fmt.Errorf("%s works only in the routes of the http app", ctx.Module().CaddyModule().ID.Name())
	}
	b, err := app.bindHosts()
	if err != nil {
		return nil, err
	}
	for _, w := range b.warnings {
		app.log.Warn(w)
	}
	return app, nil
}

// httpAncestor is the HTTP app that is provisioning ctx's module, or nil.
func httpAncestor(ctx caddy.Context) *caddyhttp.App {
	for _, m := range ctx.Modules() {
		if app, ok := m.(*caddyhttp.App); ok {
			return app
		}
	}
	return nil
}

// bindHosts walks the routes and judges what it finds.
func (a *App) bindHosts() (binding, error) {
	w := walker{app: a.http, repl: caddy.NewReplacer()}
	if err := w.walk(); err != nil {
		return binding{}, err
	}
	b := binding{limits: w.limits, warnings: w.warnings}
	for _, f := range w.guards {
		if err := b.add(a.http, f); err != nil {
			return b, err
		}
	}
	if err := b.addApps(a); err != nil {
		return b, err
	}
	if err := a.judge(&b, w.portals); err != nil {
		return b, err
	}
	if err := a.checkGuards(w.guards); err != nil {
		return b, err
	}
	a.warnApps(&b)
	b.warn(w.guards)
	b.warnBare(&w)
	b.warnProxies(a.http)
	return b, a.checkCore(&b)
}

// checkCore asks the core about what it will be given.
func (a *App) checkCore(b *binding) error {
	if len(b.hosts) == 0 && a.Portal == "" {
		return nil
	}
	config, err := a.coreConfig(b.hosts)
	if err != nil {
		return err
	}
	if left := config.Unlisted(); len(left) > 0 {
		b.warnings = append(b.warnings, fmt.Sprintf("client: browsers let pages of five names use the portal's passkeys, and %s would be one too many; sign-in by code works there", strings.Join(left, ", ")))
	}
	return config.Check()
}

// add derives the origins of one guard.
func (b *binding) add(app *caddyhttp.App, f found) error {
	if f.guard.Origin != "" {
		o, err := parseOrigin(f.guard.Origin)
		if err != nil {
			return fmt.Errorf("%s: origin: %w", f.guard.where(), err)
		}
		return b.put(o, f)
	}
	if f.hosts == nil {
		return fmt.Errorf("%s: its site matches any host; write origin https://HOST in the guard's block", f.guard.where())
	}
	listening, err := listenOrigin(app, f.server)
	for _, host := range f.hosts {
		if strings.ContainsAny(host, "*{") {
			return fmt.Errorf("%s: %q is not an exact host; write origin https://HOST in the guard's block", f.guard.where(), host)
		}
		if err := checkHost(host); err != nil {
			return fmt.Errorf("%s: %w", f.guard.where(), err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w; write origin https://%s in the guard's block", f.guard.where(), err, host)
		}
		o := origin{listening.scheme, host, listening.port}
		if o.scheme == "http" && !isLocalName(host) { // CK-3
			return fmt.Errorf("%s: %s is plain HTTP; behind a proxy that ends TLS, write origin https://%s in the guard's block", f.guard.where(), o, host)
		}
		if err := b.put(o, f); err != nil {
			return err
		}
	}
	return nil
}

// put adds a guard to its host. Cookies know no ports and no schemes, so a host
// name has one origin, and one set of rules.
func (b *binding) put(o origin, f found) error {
	i := slices.IndexFunc(b.hosts, func(h boundHost) bool { return h.Host == o.host })
	if i < 0 {
		b.hosts = append(b.hosts, boundHost{Origin: o, Host: o.host, Guards: []*Guard{f.guard}, policy: f.guard.policy, at: f.guard.where()})
		return nil
	}
	h := &b.hosts[i]
	if h.Origin != o {
		return fmt.Errorf("%s: %s and %s are one host name, and share cookies; give each guarded site a name of its own", f.guard.where(), h.Origin, o)
	}
	if !h.Guards[0].same(&f.guard.Policy) {
		return fmt.Errorf("%s: %s is guarded by other rules already (%s); one host has one set of rules, so write the same in both", f.guard.where(), o.host, h.at)
	}
	if !slices.Contains(h.Guards, f.guard) {
		h.Guards = append(h.Guards, f.guard)
	}
	return nil
}

// judge refuses what would leave people without a place to sign in, or two
// parties with one set of cookies.
func (a *App) judge(b *binding, portals []found) error {
	if a.Portal == "" {
		return a.judgeSidecar(b, portals)
	}
	portal, err := parseOrigin(a.Portal)
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	for _, h := range b.hosts {
		if h.Host == portal.host {
			return fmt.Errorf("%s: %s is the portal; an app there would share its cookies, so give it a host of its own", h.at, h.Host)
		}
		switch {
		case strings.HasSuffix(h.Host, "."+portal.host) && portal.host != "localhost": // which browsers take for a top-level domain
			b.warnings = append(b.warnings, fmt.Sprintf("the app %s is below the portal's host name, and may ask browsers for the portal's passkeys; give one of them another name", h.Host))
		case a.RPID != "" && (h.Host == a.RPID || strings.HasSuffix(h.Host, "."+a.RPID)):
			b.warnings = append(b.warnings, fmt.Sprintf("rp_id %s covers the app %s, which may ask browsers for the portal's passkeys; rp_id %s would not", a.RPID, h.Host, portal.host))
		}
	}
	serving := slices.DeleteFunc(slices.Clone(portals), func(f found) bool { return !f.serves(portal.host) })
	if len(serving) == 0 {
		return a.portalUnserved()
	}
	b.warnPort(a.http, portal, serving)
	return nil
}

// warnPort finds a portal that people are sent to at a port where its site does
// not listen. A plain site of an https portal has a TLS proxy in front, which
// has ports of its own, and of a listener without a single port nothing is known.
func (b *binding) warnPort(app *caddyhttp.App, portal origin, serving []found) {
	if slices.ContainsFunc(serving, func(f found) bool { return f.hosts != nil }) {
		// A listener for any host beside the portal's own site is for other proxies.
		serving = slices.DeleteFunc(serving, func(f found) bool { return f.hosts == nil })
	}
	var elsewhere origin
	for _, f := range serving {
		at, err := listenOrigin(app, f.server)
		if err != nil || at.scheme == "http" && portal.scheme == "https" {
			return
		}
		if elsewhere = (origin{at.scheme, portal.host, at.port}); elsewhere == portal {
			return
		}
	}
	b.warnings = append(b.warnings, fmt.Sprintf("portal: its site listens on %s and %s says %s; that is right only behind a port mapping, otherwise write portal %s",
		elsewhere.number(), portal, portal.number(), elsewhere))
}

func (a *App) portalUnserved() error {
	address := strings.TrimPrefix(a.Portal, "https://")
	return fmt.Errorf("portal: no site with passwordless_portal serves %s; add\n%s {\n\tpasswordless_portal\n}", a.Portal, address)
}

// judgeSidecar allows one guarded host, which then signs in by itself.
func (a *App) judgeSidecar(b *binding, portals []found) error {
	if len(portals) > 0 {
		host := "auth.example.com"
		if hosts := portals[0].hosts; len(hosts) > 0 {
			host = hosts[0]
		}
		return fmt.Errorf("passwordless_portal: no portal is configured; add \"portal https://%s\" to the passwordless global option", host)
	}
	if len(b.hosts) > 1 {
		first, second := b.hosts[0], b.hosts[1]
		portal := first.Origin
		if _, parent, _ := strings.Cut(portal.host, "."); strings.Contains(parent, ".") || parent == "localhost" {
			portal.host = parent
		}
		portal.host = "auth." + portal.host
		return fmt.Errorf("%s: %s and %s are guarded, so sign-in needs a host of its own; add \"portal %s\" to the passwordless global option, and a site there with passwordless_portal",
			second.at, first.Host, second.Host, portal)
	}
	if len(b.hosts) == 1 {
		return a.checkRPID(b.hosts[0].Host)
	}
	return nil
}

// warn finds what works, but not as one would think.
func (b *binding) warn(guards []found) {
	for _, h := range b.hosts {
		routed := func(f found) bool { return f.auth && slices.Contains(h.Guards, f.guard) }
		if len(h.Guards) > 0 && !slices.ContainsFunc(guards, routed) {
			b.warnings = append(b.warnings, fmt.Sprintf("%s: requests for %s/.auth/* may not reach it, and sign-in ends there; add to the site, with the same rules\nhandle /.auth/* {\n\tpasswordless_guard\n}",
				h.at, h.Origin))
		}
	}
	for _, f := range guards {
		if f.guard.looksAtPaths() && f.rewritten {
			b.warnings = append(b.warnings, f.guard.where()+": the URI is rewritten before the guard; a path is public only if both the original and the rewritten one are listed, and path rules hold for either")
		}
		if isLocalSite(f) && !loopbackOnly(f.server) {
			b.warnings = append(b.warnings, f.guard.where()+": plain HTTP on localhost, but other machines can connect; add \"bind 127.0.0.1 ::1\" to the site")
		}
	}
}

// warnBare finds ways past the guard to an app that believes what requests say
// about users (HD-1).
func (b *binding) warnBare(w *walker) {
	for _, h := range b.hosts {
		reached := func(proxies []found) bool {
			return slices.ContainsFunc(proxies, func(p found) bool {
				return slices.ContainsFunc(w.guards, func(g found) bool { return slices.Contains(h.Guards, g.guard) && p.meets(&g) })
			})
		}
		if reached(w.bare) {
			b.warnings = append(b.warnings, fmt.Sprintf("%s: requests for %s can reach a reverse_proxy without it, and may claim there to be anybody; guard the whole site and open paths with public",
				h.at, h.Host))
		}
		if reached(w.onError) {
			b.warnings = append(b.warnings, fmt.Sprintf("%s: handle_errors of %s leads to a reverse_proxy that no guard stands in front of: what clients claim about users reaches it, and so do our cookies and access tokens; put this before it\n%s",
				h.at, h.Host, strings.Join(h.strips(), "\n")))
		}
	}
}

// strips are the lines that do in handle_errors what a guard does, as far as a
// Caddyfile can: cookies and credentials of the app go with ours (HD-1, HD-5).
func (h *boundHost) strips() []string {
	lines := []string{"request_header -Remote-*"}
	for _, f := range h.Guards[0].Headers.fields() {
		if f.name != "" && f.name != "off" {
			lines = append(lines, "request_header -"+f.name)
		}
	}
	return append(lines, "request_header -Cookie", "request_header -Authorization")
}

// warnProxies finds servers that believe the first address of a forwarded
// list, which the client wrote, and those that believe everybody (FA-1).
func (b *binding) warnProxies(app *caddyhttp.App) {
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		srv := app.Servers[name]
		if srv.TrustedProxiesStrict == 0 && trustsProxies(srv) {
			b.warnings = append(b.warnings, fmt.Sprintf("server %s: trusted_proxies without trusted_proxies_strict lets clients behind the proxy choose their address; add to the global options\nservers {\n\ttrusted_proxies_strict\n}", name))
		}
		for _, r := range staticRanges(srv) {
			if n, err := netip.ParsePrefix(r); err == nil && CatchAll(n) {
				b.warnings = append(b.warnings, fmt.Sprintf("server %s: trusted_proxies static %s believes strangers, who then choose their address; write that of the proxy in front, such as 172.18.0.2", name, r))
			}
		}
	}
}

// trustsProxies also looks where Caddy keeps the decoded setting, which it shows
// to nobody. Should that move, a warning is lost and nothing else.
func trustsProxies(srv *caddyhttp.Server) bool {
	return srv.TrustedProxiesRaw != nil || decodedProxies(srv).IsValid()
}

// staticRanges are the networks of trusted_proxies static; other sources tell
// theirs when a request comes.
func staticRanges(srv *caddyhttp.Server) []string {
	var raw struct {
		Source string   `json:"source"`
		Ranges []string `json:"ranges"`
	}
	if json.Unmarshal(srv.TrustedProxiesRaw, &raw) == nil && raw.Source == "static" {
		return raw.Ranges
	}
	decoded := decodedProxies(srv)
	if !decoded.IsValid() || decoded.Type() != reflect.TypeFor[*caddyhttp.StaticIPRange]() {
		return nil
	}
	ranges := decoded.Elem().FieldByName("Ranges")
	list := make([]string, ranges.Len())
	for i := range list {
		list[i] = ranges.Index(i).String()
	}
	return list
}

// decodedProxies is what Caddy made of trusted_proxies; not valid if nothing.
func decodedProxies(srv *caddyhttp.Server) reflect.Value {
	decoded := reflect.ValueOf(srv).Elem().FieldByName("trustedProxies")
	if !decoded.IsValid() || decoded.Kind() != reflect.Interface {
		return reflect.Value{}
	}
	return decoded.Elem()
}

func isLocalSite(f found) bool {
	return f.guard.Origin == "" && len(f.server.TLSConnPolicies) == 0
}
