package caddymodule

import (
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// forwarding are the headers by which a proxy tells of a client.
var forwarding = [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// addresses are the client's, zero where it is unknown, and the peer's.
func addresses(r *http.Request) (client, peer netip.Addr) {
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		peer = from.Addr().Unmap().WithZone("")
	}
	return clientIP(r), peer
}

// clientIP is the client's address, or the zero Addr where it is unknown. Caddy
// resolves it through the configured trusted proxies. A peer that is not one of
// them but sends forwarding headers may be a proxy nobody told us of, or a
// client that lies; either way its address is not the client's (FA-1).
func clientIP(r *http.Request) netip.Addr {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if !trusted {
		for _, name := range forwarding {
			if len(r.Header[name]) > 0 {
				return netip.Addr{}
			}
		}
	}
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}
