package caddymodule

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// AppHost is an app behind another proxy, which asks us about each request.
type AppHost struct {
	// Host is HOST, HOST:PORT or a whole origin, as people's browsers have it.
	// "*.example.com" is every host one label below, except the portal and
	// hosts that are configured by themselves. Without a scheme it is https,
	// but http for names under localhost where the portal is http. Required.
	Host string `json:"host"`

	Policy
}

// Proxy is another proxy that may ask for decisions. It is believed what the
// request was and where it came from.
type Proxy struct {
	// Kind is "traefik", "caddy", "nginx", "haproxy" or "envoy": which endpoint
	// is on for it, and in which headers it says what the request was. Required.
	Kind string `json:"kind"`

	// From are its addresses (172.18.0.2) and networks (172.18.0.0/29), and
	// "unix" for whoever comes through a unix socket. Everybody there can ask,
	// and say that a request came from anywhere. Required.
	From []string `json:"from"`
}

// proxyKinds are the vocabularies that we know.
var proxyKinds = []string{"traefik", "caddy", "nginx", "haproxy", "envoy"}

// where names the app to people.
func (h *AppHost) where() string { return h.placed("app", "app "+h.Host) }

// origin is where people's browsers find the app. portal is the portal's
// origin, as far as it is known.
func (h *AppHost) origin(portal string) (origin, error) {
	s := h.Host
	if !strings.Contains(s, "://") {
		name, _, _ := strings.Cut(strings.TrimPrefix(s, "*."), ":")
		scheme := "https://"
		if isLocalName(name) && strings.HasPrefix(portal, "http://") {
			scheme = "http://"
		}
		s = scheme + s
	}
	scheme, rest, _ := strings.Cut(s, "://")
	name, wild := strings.CutPrefix(rest, "*.")
	o, err := parseOrigin(scheme + "://" + name)
	if err != nil || !wild {
		return o, err
	}
	if _, err := authcore.ParseAppOrigin(s); err != nil { // RD-1
		return o, fmt.Errorf("%q; %w", h.Host, err)
	}
	o.host = "*." + o.host
	return o, nil
}

// checkApps refuses hosts that cannot be told apart by their cookies.
func (a *App) checkApps() error {
	portal, err := parseOrigin(a.Portal)
	if a.Portal != "" && err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	seen := make(map[string]string)
	for i := range a.Apps {
		h := &a.Apps[i]
		o, err := h.origin(a.Portal)
		switch other := seen[o.host]; {
		case err != nil:
			return fmt.Errorf("app: %w", err)
		case o.host == portal.host:
			return fmt.Errorf("app: %q is the portal; an app there would share its cookies, so give it a host of its own", h.Host)
		case other == h.Host:
			return fmt.Errorf("app: %q stands twice", h.Host)
		case other != "":
			return fmt.Errorf("app: %q and %q are one host name, and share cookies; give each app a name of its own", other, h.Host)
		}
		seen[o.host] = h.Host
	}
	return nil
}

// check refuses rules that cannot be meant.
func (h *AppHost) check() error {
	if err := h.Policy.check(); err != nil {
		return fmt.Errorf("app %s: %w", h.Host, err)
	}
	return nil
}

func (a *App) checkProxies() error {
	seen := make(map[string]bool)
	for _, p := range a.Proxies {
		if !slices.Contains(proxyKinds, p.Kind) {
			return fmt.Errorf("proxy: %q is no kind of proxy; write traefik, caddy, nginx, haproxy or envoy", p.Kind)
		}
		if len(p.From) == 0 {
			return fmt.Errorf("proxy: the address of %[1]s is missing, such as proxy %[1]s 172.18.0.2", p.Kind)
		}
		for _, from := range p.From {
			if err := checkProxy(p.Kind, from); err != nil {
				return fmt.Errorf("proxy: %w", err)
			}
			if seen[p.Kind+" "+from] {
				return fmt.Errorf("proxy: %q stands twice", p.Kind+" "+from)
			}
			seen[p.Kind+" "+from] = true
		}
	}
	return nil
}

// checkProxy accepts where a proxy may ask from. Whoever can ask can also say
// where a request came from, so "everybody" is never meant (FA-1).
func checkProxy(kind, from string) error {
	if from == "unix" {
		return nil
	}
	n, err := authcore.ParseNetwork(from)
	switch {
	case err == nil && n.Bits() == 0:
		return fmt.Errorf("%q is everybody, who could all ask about apps and make addresses up; write the address of %s, such as 172.18.0.2", from, kind)
	case err == nil && CatchAll(n), strings.HasPrefix(from, "private"), from == "any", from == "all", from == "*":
		return fmt.Errorf("%q is far more than one proxy; write the address of %s, such as 172.18.0.2", from, kind)
	case err == nil:
		return nil
	case strings.ContainsAny(from, "/%"):
		return fmt.Errorf("%q; %w", from, err)
	}
	return fmt.Errorf("%q; write the address of %s, such as 172.18.0.2, a network, or unix; names are not looked up", from, kind)
}

// prefixes are the addresses of the proxy, and whether it comes through a unix
// socket.
func (p Proxy) prefixes() (list []netip.Prefix, unix bool, err error) {
	for _, from := range p.From {
		if from == "unix" {
			unix = true
			continue
		}
		n, err := authcore.ParseNetwork(from)
		if err != nil {
			return nil, false, fmt.Errorf("proxy %s: %q; %w", p.Kind, from, err)
		}
		list = append(list, n)
	}
	return list, unix, nil
}

// wide reports a network that is hardly the address of one proxy.
func wide(n netip.Prefix) bool {
	if n.Addr().Is4() {
		return n.Bits() < 29
	}
	return n.Bits() < 64
}

// CatchAll reports a network so wide that some of them are everybody: 0.0.0.0/1
// and 128.0.0.0/1 are 0.0.0.0/0 in pieces (FA-1). The widest private networks,
// 10.0.0.0/8 and fc00::/7, are none.
func CatchAll(n netip.Prefix) bool {
	switch {
	case n.Addr().Unmap().Is4():
		return n.Bits()-(n.Addr().BitLen()-32) < 8
	case n.Bits() >= 7 && n.Addr().IsPrivate():
		return false
	}
	return n.Bits() < 16
}

// addApps adds the apps behind other proxies. One host has one set of rules, so
// none of them may be guarded here as well.
func (b *binding) addApps(a *App) error {
	for i := range a.Apps {
		app := &a.Apps[i]
		o, err := app.origin(a.Portal)
		if err != nil {
			return fmt.Errorf("%s: %w", app.where(), err)
		}
		for _, h := range b.hosts {
			if h.Host == o.host {
				return fmt.Errorf("%s: %s guards this host already, and one host has one set of rules; remove one of them", app.where(), h.at)
			}
		}
		h := boundHost{Origin: o, Host: o.host, at: app.where()}
		if h.policy, err = authcore.CompilePolicy(app.spec("app")); err != nil {
			return fmt.Errorf("%s: %w", app.where(), err)
		}
		b.hosts = append(b.hosts, h)
	}
	return nil
}

// warnApps finds apps and proxies that do not find each other, and proxies that
// may be anybody.
func (a *App) warnApps(b *binding) {
	switch {
	case len(a.Apps) > 0 && len(a.Proxies) == 0:
		b.warnings = append(b.warnings, a.Apps[0].where()+": no proxy may ask about it; add to the passwordless global option, with the kind and address of yours\nproxy traefik 172.18.0.2")
	case len(a.Apps) == 0 && len(a.Proxies) > 0:
		b.warnings = append(b.warnings, fmt.Sprintf("proxy %s: there is no app that it could ask about; add to the passwordless global option\napp wiki.example.com", a.Proxies[0].Kind))
	}
	for _, p := range a.Proxies {
		networks, _, err := p.prefixes()
		if err != nil {
			continue // checkProxies has refused it
		}
		for _, n := range networks {
			if wide(n) {
				b.warnings = append(b.warnings, fmt.Sprintf("proxy %s: everybody in %v can ask about apps and make addresses up; name the proxy alone, as %v", p.Kind, n, n.Addr().Next()))
			}
		}
	}
}
