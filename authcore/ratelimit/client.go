package ratelimit

import (
	"context"
	"net/netip"
	"time"

	"github.com/ulule/limiter/v3"
)

// WiderFactor is how many times as much each wider network around an IPv6 /64
// may send as the one inside it (RL-1).
const WiderFactor = 2

// Charge counts one event of a client under a name, against each rate and each
// of the client's keys, and reports whether all of them allow it; if not, retry
// is when to come back, a second or more. Names keep events apart. What a narrow
// network refuses is not charged to the wider ones, where others live (RL-5).
func (s *Store) Charge(ctx context.Context, name string, ip netip.Addr, rates ...limiter.Rate) (retry time.Duration, ok bool) {
	return s.charge(ctx, name, ClientKeys(ip), rates)
}

// ChargeKey is Charge for something that is not at an address, such as a user.
func (s *Store) ChargeKey(ctx context.Context, name, key string, rates ...limiter.Rate) (retry time.Duration, ok bool) {
	return s.charge(ctx, name, []string{key}, rates)
}

func (s *Store) charge(ctx context.Context, name string, keys []string, rates []limiter.Rate) (retry time.Duration, ok bool) {
	ok = true
	for _, rate := range rates {
		for _, key := range keys {
			got, err := s.Get(ctx, name+"/"+rate.Period.String()+"/"+key, rate)
			if err != nil || got.Reached {
				ok = false
				retry = max(retry, time.Unix(got.Reset, 0).Sub(s.now()), time.Second)
				break
			}
			rate.Limit *= WiderFactor
		}
	}
	return retry, ok
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
