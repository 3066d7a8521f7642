package ratelimit

import (
	"context"
	"math"
	"net/netip"
	"time"

	"github.com/ulule/limiter/v3"
)

// WiderFactor is how many times as much each wider network around an IPv6 /64
// may send as the one inside it (RL-1).
const WiderFactor = 2

// Quota is where a client stands: of its windows, the one with the least left.
type Quota struct {
	Limit, Remaining int64
	Reset            time.Duration // until that window is over; where it refuses, a second or more
}

// Charge counts one event of a client under a name, against each rate and each
// of the client's keys, and reports whether all of them allow it; if not, retry
// is when to come back, a second or more. Names keep events apart. What a narrow
// network refuses is not charged to the wider ones, where others live (RL-5).
func (s *Store) Charge(ctx context.Context, name string, ip netip.Addr, rates ...limiter.Rate) (retry time.Duration, ok bool) {
	return refusal(s.Measure(ctx, name, ip, rates...))
}

// ChargeKey is Charge for something that is not at an address, such as a user.
func (s *Store) ChargeKey(ctx context.Context, name, key string, rates ...limiter.Rate) (retry time.Duration, ok bool) {
	return refusal(s.MeasureKey(ctx, name, key, rates...))
}

func refusal(q Quota, ok bool) (time.Duration, bool) {
	if ok {
		return 0, true
	}
	return q.Reset, false
}

// Measure is Charge for callers that tell the client where it stands.
func (s *Store) Measure(ctx context.Context, name string, ip netip.Addr, rates ...limiter.Rate) (q Quota, ok bool) {
	return s.charge(ctx, name, ClientKeys(ip), rates)
}

// MeasureKey is Measure for something that is not at an address.
func (s *Store) MeasureKey(ctx context.Context, name, key string, rates ...limiter.Rate) (q Quota, ok bool) {
	return s.charge(ctx, name, []string{key}, rates)
}

func (s *Store) charge(ctx context.Context, name string, keys []string, rates []limiter.Rate) (q Quota, ok bool) {
	q, ok = Quota{Remaining: math.MaxInt64}, true
	for _, rate := range rates {
		for _, key := range keys {
			got, err := s.Get(ctx, name+"/"+rate.Period.String()+"/"+key, rate)
			at := Quota{got.Limit, got.Remaining, time.Unix(got.Reset, 0).Sub(s.now())}
			refuses := err != nil || got.Reached
			if refuses {
				at.Remaining, at.Reset = 0, max(at.Reset, time.Second)
			}
			switch {
			case !refuses && !ok: // one that does says more
			case refuses && ok, tighter(at, q):
				q = at
			}
			if refuses {
				ok = false
				break
			}
			rate.Limit *= WiderFactor
		}
	}
	return q, ok
}

// tighter reports whether a holds the client back more than b.
func tighter(a, b Quota) bool {
	return a.Remaining < b.Remaining || a.Remaining == b.Remaining && a.Reset > b.Reset
}

// UnknownClient is the key that all clients without a known address share.
const UnknownClient = "unknown"

// ClientKeys returns the keys under which a client address is counted, narrow
// before wide: an IPv4 address by itself; an IPv6 address by its /64, which is
// one subscriber's to choose from, and by its /56 and /48, which a household or
// a site may hold, for which the caller sets higher limits (RL-1). An IPv4-mapped
// IPv6 address is the IPv4 address; zones do not count. There is no exemption
// for any address (RL-4).
func ClientKeys(addr netip.Addr) []string {
	switch addr = addr.Unmap(); {
	case !addr.IsValid():
		return []string{UnknownClient}
	case addr.Is4():
		return []string{netip.PrefixFrom(addr, 32).String()}
	}
	keys := make([]string, 0, 3)
	for _, bits := range []int{64, 56, 48} {
		keys = append(keys, netip.PrefixFrom(addr.WithZone(""), bits).Masked().String())
	}
	return keys
}
