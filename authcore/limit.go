package authcore

import (
	"context"
	"net/netip"
	"time"

	"github.com/ulule/limiter/v3"
)

// AllowRequest charges one request of a client against the configured windows
// ("requests", "burst") and reports when to come back if one is full. No peer
// is exempt (RL-4).
func (s *Service) AllowRequest(ctx context.Context, ip netip.Addr) (retry time.Duration, ok bool) {
	c := s.cfg
	return s.Limit(ctx, "request", ip,
		limiter.Rate{Limit: int64(c.Requests), Period: c.RequestsPer},
		limiter.Rate{Limit: int64(c.Burst), Period: c.BurstPer})
}

// Limit charges one event of a client under a name of its own.
func (s *Service) Limit(ctx context.Context, name string, ip netip.Addr, rates ...limiter.Rate) (retry time.Duration, ok bool) {
	return s.rt.limits.Charge(ctx, name, ip, rates...)
}
