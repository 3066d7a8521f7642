package caddymodule

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// forwarding are the headers by which a proxy tells of a client.
var forwarding = [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// addresses are the client's, zero where it is unknown, and the peer's.
func addresses(r *http.Request) (client, peer netip.Addr) {
	return clientIP(r), remoteAddr(r)
}

// remoteAddr is where the request comes from, the zero Addr if that is no address.
func remoteAddr(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return from.Addr().Unmap().WithZone("")
}

// fromTrusted reports whether the peer is a proxy that Caddy trusts.
func fromTrusted(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// stranger is a peer that sent forwarding headers and is no trusted proxy.
type stranger struct {
	peer netip.Addr
	at   time.Time
}

// lately is how long readiness speaks of one.
const lately = 10 * time.Minute

// addresses is the same, and remembers a peer whose word was not taken.
func (s *serving) addresses(r *http.Request) (client, peer netip.Addr) {
	client, peer = addresses(r)
	if !fromTrusted(r) && !client.IsValid() && peer.IsValid() {
		now := s.svc.Now()
		if last := s.stranger.Load(); last == nil || last.peer != peer || now.Sub(last.at) > lately/10 {
			s.stranger.Store(&stranger{peer, now})
		}
	}
	return client, peer
}

// Clients tells readiness of proxies that did not say whom they speak for, and
// what to write (FA-1): network rules fail for their clients, and limits count
// them as one.
func (s *serving) Clients() error {
	if kind, peer, ok := s.authz.Unknown(); ok {
		return fmt.Errorf("%s at %s sends no X-Forwarded-For that we can use; have it send the client's address", kind, peer)
	}
	if last := s.stranger.Load(); last != nil && s.svc.Now().Sub(last.at) < lately {
		return fmt.Errorf("%[1]s sends X-Forwarded headers and is no trusted proxy; if it is yours, add to the global options: servers { trusted_proxies static %[1]s; trusted_proxies_strict } (serve: TRUSTED_PROXIES)", last.peer)
	}
	return nil
}

// clientIP is the client's address, or the zero Addr where it is unknown. Caddy
// resolves it through the configured trusted proxies. A peer that is not one of
// them but sends forwarding headers may be a proxy nobody told us of, or a
// client that lies; either way its address is not the client's (FA-1).
func clientIP(r *http.Request) netip.Addr {
	trusted := fromTrusted(r)
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
	// The decision endpoints know no proxy that is its own client either.
	if addr = addr.Unmap().WithZone(""); trusted && (!forwardedFor(r, addr) || addr == remoteAddr(r)) {
		return netip.Addr{}
	}
	return addr
}

// forwardedFor reports whether the trusted proxy did say that the client is addr. Caddy
// passes over what is no address, and takes the proxy's own where nothing else is
// left: then a proxy that tells nothing, or a client behind one that adds
// rubbish, would be in the proxy's network.
func forwardedFor(r *http.Request, addr netip.Addr) bool {
	names := []string{"X-Forwarded-For"}
	if srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && len(srv.ClientIPHeaders) > 0 {
		names = srv.ClientIPHeaders
	}
	for _, name := range names {
		values := r.Header.Values(name)
		if len(values) == 0 {
			continue
		}
		for _, node := range slices.Backward(strings.Split(strings.Join(values, ","), ",")) {
			said, err := netip.ParseAddr(strings.TrimSpace(node))
			if err != nil {
				with, err := netip.ParseAddrPort(strings.TrimSpace(node))
				if err != nil {
					return false
				}
				said = with.Addr()
			}
			if said.Unmap().WithZone("") == addr {
				return true
			}
		}
		return false
	}
	return false
}

// toldScheme is the scheme by which the browser came, where a trusted proxy tells
// it; otherwise "".
func toldScheme(r *http.Request) string {
	if told := r.Header["X-Forwarded-Proto"]; fromTrusted(r) && len(told) == 1 && (told[0] == "http" || told[0] == "https") {
		return told[0]
	}
	return ""
}
