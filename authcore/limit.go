package authcore

import (
	"context"
	"time"

	"github.com/ulule/limiter/v3"
)

// AllowRequest charges one request of a client against the configured windows
// ("requests", "burst") and reports when to come back if one is full. No peer
// is exempt (RL-4).
func (s *Service) AllowRequest(ctx context.Context, client Client) (retry time.Duration, ok bool) {
	c := s.cfg
	return s.rt.limits.Charge(ctx, "request", client.source(),
		limiter.Rate{Limit: int64(c.Requests), Period: c.RequestsPer},
		limiter.Rate{Limit: int64(c.Burst), Period: c.BurstPer})
}
