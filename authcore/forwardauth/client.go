package forwardauth

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

const (
	// maxHops bounds how far X-Forwarded-For is read (DS-1); nobody has so many
	// proxies of their own.
	maxHops = 32
	// lately is how long readiness speaks of a proxy that named no client.
	lately = 10 * time.Minute
)

// peer is who connected to us.
type peer struct {
	addr netip.Addr
	unix bool
}

// peerOf reads what the server saw, and no header (FA-1).
func peerOf(r *http.Request) peer {
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return peer{addr: from.Addr().Unmap().WithZone("")}
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return peer{unix: ok && local.Network() == "unix"}
}

// String is the peer as the configuration writes it.
func (p peer) String() string {
	switch {
	case p.unix:
		return "unix"
	case p.addr.IsValid():
		return p.addr.String()
	}
	return "unknown"
}

// admits reports whether the peer is one of the proxies.
func (p *Proxy) admits(who peer) bool { return who.unix && p.Unix || p.holds(who.addr) }

func (p *Proxy) holds(addr netip.Addr) bool {
	for _, prefix := range p.From {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// clientOf reads X-Forwarded-For from the right, past our own proxies: the first
// other address was seen by a proxy of ours, and what is left of it is what a
// client says (FA-1). The zero Addr is unknown.
func (h *Handler) clientOf(lines []string) netip.Addr {
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; hops++ {
			cut := strings.LastIndexByte(rest, ',')
			addr, ok := parseNode(strings.Trim(rest[cut+1:], " \t"))
			if !ok || hops == maxHops {
				return netip.Addr{}
			}
			if !h.isProxy(addr) {
				return addr
			}
			if more = cut >= 0; more {
				rest = rest[:cut]
			}
		}
	}
	return netip.Addr{}
}

// parseNode reads an address, with a port or without.
func parseNode(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		with, err := netip.ParseAddrPort(s)
		if err != nil {
			return addr, false
		}
		addr = with.Addr()
	}
	return addr.Unmap(), addr.Zone() == ""
}

func (h *Handler) isProxy(addr netip.Addr) bool {
	for i := range h.proxies {
		if h.proxies[i].holds(addr) {
			return true
		}
	}
	return false
}

// silence is a proxy that did not say who its client was.
type silence struct {
	kind Kind
	peer peer
	at   time.Time
}

// noteSilence remembers the last one; not every request anew.
func (h *Handler) noteSilence(kind Kind, who peer) {
	now := h.svc.Now()
	if last := h.silent.Load(); last == nil || last.kind != kind || last.peer != who || now.Sub(last.at) > lately/10 {
		h.silent.Store(&silence{kind, who, now})
	}
}

// Unknown names a proxy that lately gave no client address that we could use,
// for which network rules fail.
func (h *Handler) Unknown() (kind, peer string, ok bool) {
	last := h.silent.Load()
	if last == nil || h.svc.Now().Sub(last.at) > lately {
		return "", "", false
	}
	return string(last.kind), last.peer.String(), true
}

// stranger reports whether the peer is another one than last time, or that was
// a while ago.
func (c *call) stranger() bool {
	now := c.svc.Now()
	if last := c.strange.Load(); last != nil && last.peer == c.from && now.Sub(last.at) < time.Minute {
		return false
	}
	c.strange.Store(&silence{peer: c.from, at: now})
	return true
}

type clientKey struct{}

// ClientOf is the address of the client that a proxy asked for, on the context
// of a request that Pages gets. It is the zero Addr where that is unknown; ok is
// false on every other context.
func ClientOf(ctx context.Context) (client netip.Addr, ok bool) {
	client, ok = ctx.Value(clientKey{}).(netip.Addr)
	return client, ok
}

func withClient(ctx context.Context, client netip.Addr) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}
