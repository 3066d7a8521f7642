package caddymodule

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// listenOrigin is the scheme and port under which a server is reached, without
// a host. It follows Caddy's rule: a listener speaks TLS if the server has
// connection policies and the port is not the HTTP port. The port is taken as
// people see it; where something in front translates ports (http_port,
// https_port in a container), the guard says origin.
func listenOrigin(app *caddyhttp.App, srv *caddyhttp.Server) (origin, error) {
	var secure, plain []origin
	repl := caddy.NewReplacer()
	for _, listen := range srv.Listen {
		addr, err := caddy.ParseNetworkAddress(repl.ReplaceAll(listen, ""))
		if err != nil {
			return origin{}, fmt.Errorf("reading the listener %q: %w", listen, err)
		}
		if addr.IsUnixNetwork() || addr.IsFdNetwork() {
			return origin{}, fmt.Errorf("the listener %q has no port", listen)
		}
		if addr.PortRangeSize() != 1 {
			return origin{}, fmt.Errorf("the listener %q has several ports", listen)
		}
		port := int(addr.StartPort)
		if len(srv.TLSConnPolicies) > 0 && port != portOr(app.HTTPPort, caddyhttp.DefaultHTTPPort) {
			secure = append(secure, origin{scheme: "https", port: external(port, caddyhttp.DefaultHTTPSPort)})
		} else {
			plain = append(plain, origin{scheme: "http", port: external(port, caddyhttp.DefaultHTTPPort)})
		}
	}
	// A server that listens on both only redirects from the plain one.
	if len(secure) > 0 {
		return single(secure)
	}
	return single(plain)
}

// single is the one origin of a server that listens on several addresses.
func single(origins []origin) (origin, error) {
	if len(origins) == 0 {
		return origin{}, errors.New("the server has no listener")
	}
	for _, o := range origins {
		if o != origins[0] {
			return origin{}, errors.New("the server listens on several ports")
		}
	}
	return origins[0], nil
}

// external is the port that people write, "" for the scheme's own.
func external(port, standard int) string {
	if port == standard {
		return ""
	}
	return strconv.Itoa(port)
}

func portOr(port, standard int) int {
	if port == 0 {
		return standard
	}
	return port
}

// loopbackOnly reports whether only this machine can connect.
func loopbackOnly(srv *caddyhttp.Server) bool {
	repl := caddy.NewReplacer()
	for _, listen := range srv.Listen {
		addr, err := caddy.ParseNetworkAddress(repl.ReplaceAll(listen, ""))
		if err != nil || !addr.IsUnixNetwork() && !isLoopback(addr.Host) {
			return false
		}
	}
	return true
}
