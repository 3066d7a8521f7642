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
	return s.rt.limits.Charge(ctx, "request", client.source(), s.rates()...)
}

// AllowMember is AllowRequest for who is signed in: charged to the user, since
// strangers at the same address must not keep anybody from signing out (RL-5).
func (s *Service) AllowMember(ctx context.Context, u *User) (retry time.Duration, ok bool) {
	return s.rt.limits.ChargeKey(ctx, "member", u.ID, s.rates()...)
}

func (s *Service) rates() []limiter.Rate {
	return []limiter.Rate{
		{Limit: int64(s.cfg.Requests), Period: s.cfg.RequestsPer},
		{Limit: int64(s.cfg.Burst), Period: s.cfg.BurstPer},
	}
}
