package authcore

import (
	"context"

	"github.com/ulule/limiter/v3"

	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
)

// Quota is where the window with the least left stands after a request.
type Quota = ratelimit.Quota

// AllowRequest charges one request of a client against the configured windows
// ("requests", "burst") and reports whether it may go on; if not, Quota.Reset is
// when to come back. It asks who sends and never about whom (EN), and no peer is
// exempt (RL-4).
func (s *Service) AllowRequest(ctx context.Context, client Client) (q Quota, ok bool) {
	return s.rt.limits.Measure(ctx, "request", client.source(), s.rates()...)
}

// AllowMember is AllowRequest for who is signed in: charged to the user, since
// strangers at the same address must not keep anybody from signing out (RL-5).
func (s *Service) AllowMember(ctx context.Context, u *User) (q Quota, ok bool) {
	return s.rt.limits.MeasureKey(ctx, "member", u.ID, s.rates()...)
}

func (s *Service) rates() []limiter.Rate {
	return []limiter.Rate{
		{Limit: int64(s.cfg.Requests), Period: s.cfg.RequestsPer},
		{Limit: int64(s.cfg.Burst), Period: s.cfg.BurstPer},
	}
}
