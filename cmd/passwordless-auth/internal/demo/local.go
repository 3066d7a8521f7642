package demo

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(Local))
	httpcaddyfile.RegisterHandlerDirective("passwordless_demo", parseLocal)
	httpcaddyfile.RegisterDirectiveOrder("passwordless_demo", httpcaddyfile.Before, "tracing")
}

// Local is the handler "passwordless_demo": it lets through what a browser on
// this machine sends to one of its hosts, and nothing else. A request that a
// proxy or a tunnel has passed on means that the demo, which anybody may
// register with and whose mail anybody may read, is open to others.
type Local struct {
	// Hosts are the names that browsers may ask for, with the port unless it
	// is 80.
	Hosts []string `json:"hosts"`
}

// CaddyModule returns the Caddy module information.
func (*Local) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.passwordless_demo",
		New: func() caddy.Module { return new(Local) },
	}
}

// parseLocal reads the directive. Syntax:
//
//	passwordless_demo <host>[:<port>]…
func parseLocal(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // the directive's name
	l := &Local{Hosts: h.RemainingArgs()}
	if len(l.Hosts) == 0 || h.NextBlock(0) {
		return nil, h.Err("passwordless_demo needs host names and nothing else")
	}
	return l, nil
}

// ServeHTTP passes a direct request on, or refuses.
func (l *Local) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if name := forwarded(r.Header); name != "" {
		return refuse(w, http.StatusForbidden, fmt.Sprintf("This is a demo for one machine, and something has passed your request on (%s). Open it directly.", name))
	}
	if !slices.Contains(l.Hosts, strings.ToLower(r.Host)) {
		return refuse(w, http.StatusMisdirectedRequest, "There is nothing at this name. Open http://"+l.Hosts[0]+"/")
	}
	return next.ServeHTTP(w, r)
}

func refuse(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, err := fmt.Fprintln(w, text)
	return err
}

// passedOn are headers of proxies, tunnels and delivery networks, beside those
// that begin with x-forwarded-.
var passedOn = []string{
	"forwarded", "via", "x-forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for",
	"x-original-host", "x-original-uri", "x-original-url", "x-rewrite-url", "x-envoy-external-address", "x-proxyuser-ip",
	"true-client-ip", "cf-connecting-ip", "cf-ray", "fastly-client-ip", "fly-client-ip", "client-ip", "proxy-connection",
}

// forwarded names a header that only something in between can have added, or
// "". Some proxies write underscores.
func forwarded(h http.Header) string {
	for name := range h {
		plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if strings.HasPrefix(plain, "x-forwarded-") || slices.Contains(passedOn, plain) {
			return name
		}
	}
	return ""
}

var _ caddyhttp.MiddlewareHandler = (*Local)(nil)
