package ratelimit

import (
	"sync"
	"time"

	"github.com/ulule/limiter/v3"
)

// window is a count and the end of its time, counted from the store's start.
type window struct {
	count int64
	until time.Duration
}

// counter is the window of one key.
type counter struct {
	window
	id   id
	used float64 // part of the limit that is used; 1 or more: spent
}

// shard holds counters without gaps, so that the search for one to evict is a
// walk over some kilobytes, a few microseconds under attack and none otherwise.
type shard struct {
	mu       sync.Mutex
	limit    int
	counters []counter
	index    map[id]int
	overflow map[time.Duration]window // by period; those come from the configuration and are few
	_        [48]byte                 // keeps neighbours' locks off one cache line
}

// count adds n to the window of id and returns it.
func (s *shard) count(id id, n int64, rate limiter.Rate, now time.Duration) window {
	pos, ok := s.index[id]
	if !ok {
		if len(s.counters) >= s.limit && !s.evict(now) {
			w := s.overflow[rate.Period].at(now, rate.Period)
			w.count = add(w.count, n)
			s.overflow[rate.Period] = w
			return w
		}
		pos = len(s.counters)
		s.counters = append(s.counters, counter{id: id})
		s.index[id] = pos
	}
	c := &s.counters[pos]
	c.window = c.at(now, rate.Period)
	c.count = add(c.count, n)
	c.used = 1
	if rate.Limit > 0 {
		c.used = float64(c.count) / float64(rate.Limit)
	}
	return c.window
}

// peek returns the window that count would add to, as far as it has one.
func (s *shard) peek(id id, rate limiter.Rate, now time.Duration) window {
	if pos, ok := s.index[id]; ok {
		return s.counters[pos].at(now, rate.Period)
	}
	if s.crowded(now) {
		return s.overflow[rate.Period].at(now, rate.Period)
	}
	return window{until: now + rate.Period}
}

// at returns the window as of now: a new one if w is over.
func (w window) at(now, period time.Duration) window {
	if w.until <= now {
		return window{until: now + period}
	}
	return w
}

// evict makes room: it removes what has expired, and if nothing has, the
// counter that used the smallest part of its limit; of equals, the one whose
// window ends first. It reports false if every counter is spent.
func (s *shard) evict(now time.Duration) bool {
	least, expired := -1, false
	for pos := range s.counters {
		c := &s.counters[pos]
		expired = expired || c.until <= now
		if !c.spent() && (least < 0 || c.before(&s.counters[least])) {
			least = pos
		}
	}
	if expired {
		for pos := len(s.counters) - 1; pos >= 0; pos-- {
			if s.counters[pos].until <= now {
				s.remove(pos)
			}
		}
		return true
	}
	if least < 0 {
		return false
	}
	s.remove(least)
	return true
}

// crowded reports whether evict would find no room.
func (s *shard) crowded(now time.Duration) bool {
	if len(s.counters) < s.limit {
		return false
	}
	for pos := range s.counters {
		if c := &s.counters[pos]; c.until <= now || !c.spent() {
			return false
		}
	}
	return true
}

// spent counters are refused at their next request: to forget one would let an
// attacker start over (RL-4).
func (c *counter) spent() bool { return c.used >= 1 }

func (c *counter) before(other *counter) bool {
	return c.used < other.used || c.used == other.used && c.until < other.until
}

func (s *shard) remove(pos int) {
	last := len(s.counters) - 1
	delete(s.index, s.counters[pos].id)
	if pos != last {
		s.counters[pos] = s.counters[last]
		s.index[s.counters[pos].id] = pos
	}
	s.counters = s.counters[:last]
}
