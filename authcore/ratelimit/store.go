// Package ratelimit counts requests in memory for ulule/limiter: fixed windows,
// a bounded number of keys, and no way to have one's own count forgotten by
// filling the memory with other keys (RL-4).
package ratelimit

import (
	"context"
	"hash/maphash"
	"math"
	"time"

	"github.com/ulule/limiter/v3"
)

// DefaultKeys is the bound that NewStore takes for zero or less.
const DefaultKeys = 100_000

const (
	maxShards   = 512 // eviction walks through one
	minPerShard = 64  // fewer shards below that: eviction compares within one
)

// Store is a limiter.Store. A window begins with the first request of a key and
// lasts one period of the rate; one key counts apart for each period. It keeps
// no goroutine and measures time by the clock it is given, whose monotonic
// reading makes it indifferent to a wall clock that is set. Its methods never
// fail, and they ignore their context as there is nothing to wait for.
//
// When the keys are full, a new key takes the place of expired ones; failing
// that, of the one that used the smallest part of its limit. A key whose limit
// is used up is never evicted. Where only such keys are left, all new keys of
// that shard share one count, so that under an attack by that many sources
// strangers are limited together rather than not at all.
type Store struct {
	now    func() time.Time
	start  time.Time
	seeds  [2]maphash.Seed
	shards []shard
}

var _ limiter.Store = (*Store)(nil)

// NewStore returns an empty store for at most keys counters (0: DefaultKeys) of
// about 100 bytes each.
func NewStore(keys int, now func() time.Time) *Store {
	if keys <= 0 {
		keys = DefaultKeys
	}
	n := maxShards
	for n > 1 && keys/n < minPerShard {
		n /= 2
	}
	s := &Store{
		now:    now,
		start:  now(),
		seeds:  [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		shards: make([]shard, n),
	}
	for i := range s.shards {
		s.shards[i] = shard{limit: keys / n, index: map[id]int{}, overflow: map[time.Duration]window{}}
	}
	return s
}

// Get counts one request of key and returns where it stands.
func (s *Store) Get(ctx context.Context, key string, rate limiter.Rate) (limiter.Context, error) {
	return s.Increment(ctx, key, 1, rate)
}

// Increment counts several requests of key at once and returns where it stands.
// A negative count is taken for zero.
func (s *Store) Increment(_ context.Context, key string, count int64, rate limiter.Rate) (limiter.Context, error) {
	now, id := s.now(), s.id(key, rate.Period)
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return s.answer(now, rate, sh.count(id, max(count, 0), rate, now.Sub(s.start))), nil
}

// Peek returns where key stands without counting.
func (s *Store) Peek(_ context.Context, key string, rate limiter.Rate) (limiter.Context, error) {
	now, id := s.now(), s.id(key, rate.Period)
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return s.answer(now, rate, sh.peek(id, rate, now.Sub(s.start))), nil
}

// Reset forgets the count of key. A count that new keys share stays.
func (s *Store) Reset(_ context.Context, key string, rate limiter.Rate) (limiter.Context, error) {
	now, id := s.now(), s.id(key, rate.Period)
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if pos, ok := sh.index[id]; ok {
		sh.remove(pos)
	}
	return s.answer(now, rate, window{until: now.Sub(s.start) + rate.Period}), nil
}

// id stands for a key and period. The key is 128 bits under seeds that nobody
// outside knows: two keys do not come to share a counter, and a client cannot
// choose keys that fall into one shard to crowd out others there (RL-5). Long
// keys take no more memory than short ones.
type id struct {
	a, b   uint64
	period time.Duration
}

func (s *Store) id(key string, period time.Duration) id {
	return id{maphash.String(s.seeds[0], key), maphash.String(s.seeds[1], key), period}
}

func (s *Store) shard(id id) *shard { return &s.shards[id.a%uint64(len(s.shards))] }

// answer says where a window stands. Reset is rounded up to a whole second, so
// that whoever waits until then is not refused once more.
func (s *Store) answer(now time.Time, rate limiter.Rate, w window) limiter.Context {
	end := now.Add(w.until - now.Sub(s.start)).Add(time.Second - 1)
	return limiter.Context{
		Limit:     rate.Limit,
		Remaining: max(rate.Limit-w.count, 0),
		Reset:     end.Unix(),
		Reached:   w.count > rate.Limit,
	}
}

// add counts without running over.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
