// Package sessioncache keeps what the guard must know of live sessions in
// memory, so that a request with a valid session costs no I/O.
//
// # Shape
//
// Sessions are spread over shards by their token's SHA-256, which is uniform
// by itself. A shard is a mutex, a dense slab of 64-byte entries grown in
// chunks, and an open-addressing index of 4-byte cells into it. The sessions
// of one user share one userSlot, found by user id only when a session is
// added or a user invalidated; the hot path follows a pointer. Everything is
// bounded by bytes; the least recently used sessions go first (CLOCK).
//
// # Why a stale session cannot stay
//
// A fill notes Stamp, reads the store, and calls Insert with the stamp. A
// change commits to the store, then calls Invalidate, InvalidateUser or Flush,
// and answers when that has returned. Promise: from then on no entry that was
// read before the commit is found.
//
// Each invalidation first raises the stamp, then takes the locks it needs one
// after the other and removes. Insert compares the stamp while it holds both
// the session's shard and the user's shard, and holds the session's shard until
// the entry stands. A fill that read before the commit noted its stamp before
// the raise. So if Insert compares after the raise, it refuses. If it compares
// before, then every lock it holds at that moment is taken by the invalidation
// afterwards (the invalidation locks only after the raise): Invalidate finds
// the entry in place and removes it, and InvalidateUser and Flush find the slot
// the entry joined and mark it dead, which Get reads at each hit. Were the
// removal first and the raise second, an Insert between them would stay.
//
// What is known of a user goes stale by InvalidateUser and Flush alone: after
// Invalidate, a session that is read again may join the slot that the user's
// other sessions kept alive, and share its *U.
package sessioncache

import (
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"
)

// Entry is a cached session. Times are Unix seconds; the cache holds those of
// the years 1970 to 2106 and moves others to the nearer end.
type Entry[U any] struct {
	User     *U     // shared by all sessions of the user; read-only
	Host     uint32 // the host it is bound to, as the caller numbers them (FA-12)
	Kind     uint8  // the kind of session, as the caller numbers them
	AMR      uint8  // how it was authenticated, as the caller's bits (SE-7)
	AuthTime int64  // when
	Created  int64
	LastSeen int64
}

// Touched is a session that was used since it was last collected.
type Touched struct {
	Hash     [32]byte
	LastSeen int64 // Unix seconds
}

// DefaultBytes is the bound that New takes for zero or less.
const DefaultBytes = 64 << 20

// Cache is a bounded cache of sessions by the SHA-256 of their token. U is what
// the caller knows of a user. All methods are safe for concurrent use; none
// does I/O.
type Cache[U any] struct {
	stamp     atomic.Uint64
	maxBytes  int
	userBytes atomic.Int64 // memory of all user slots
	dead      atomic.Int64 // entries of invalidated users that still stand in slabs
	nextDirty atomic.Uint32
	seed      maphash.Seed

	shards []shard[U]     // a power of two
	users  [64]userMap[U] // locked after a shard, never before one; at most one at a time
}

// New returns an empty cache of at most maxBytes of memory (0: DefaultBytes).
// An idle cache takes a few kilobytes. Below 256 KiB per shard there are fewer
// shards; the least bound is one shard of 256 KiB.
func New[U any](maxBytes int) *Cache[U] {
	if maxBytes <= 0 {
		maxBytes = DefaultBytes
	}
	n := maxShards
	for n > 1 && maxBytes/n < minShardBytes {
		n /= 2
	}
	c := &Cache[U]{
		maxBytes: max(maxBytes, minShardBytes),
		seed:     maphash.MakeSeed(),
		shards:   make([]shard[U], n),
	}
	for i := range c.users {
		c.users[i].slots = map[uint64]*userSlot[U]{}
	}
	return c
}

// Get returns the session with this hash. All 32 bytes are compared (SE-1).
func (c *Cache[U]) Get(hash *[32]byte) (Entry[U], bool) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, ok := c.live(s, hash)
	if !ok {
		return Entry[U]{}, false
	}
	return s.at(pos).export(), true
}

// Touch raises LastSeen to now and marks the session for Dirty. It does nothing
// if the session is not cached or was seen later.
func (c *Cache[U]) Touch(hash *[32]byte, now int64) {
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if pos, ok := c.live(s, hash); ok {
		s.touch(pos, seconds(now))
	}
}

// Stamp returns the invalidation counter. A fill notes it before it reads the
// store.
func (c *Cache[U]) Stamp() uint64 { return c.stamp.Load() }

// Insert adds, or replaces, the session of the user userID. It refuses, and
// returns false, if anything was invalidated since stamp: what was read may be
// from before that. The caller may still use what it read for the request at
// hand, as a request a moment earlier would have.
//
// If another session of the user is cached, its *U is kept and e.User dropped:
// both were read since the user last changed, and so say the same.
func (c *Cache[U]) Insert(hash [32]byte, e Entry[U], userID string, stamp uint64) bool {
	if c.stamp.Load() != stamp {
		return false // cheap, and makes no room for nothing; the check that counts is in join
	}
	s := c.shard(&hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, replace := s.find(&hash)
	if replace {
		c.remove(s, pos)
	}
	if !c.makeRoom(s, userID) {
		return false
	}
	slot, ok := c.join(userID, e.User, stamp)
	if !ok {
		return false
	}
	s.add(hash, e, slot)
	return true
}

// Invalidate removes sessions. Like InvalidateUser and Flush, it is called after
// the change is committed and before it is answered.
func (c *Cache[U]) Invalidate(hashes ...[32]byte) {
	c.stamp.Add(1)
	for i := range hashes {
		s := c.shard(&hashes[i])
		s.mu.Lock()
		if pos, ok := s.find(&hashes[i]); ok {
			c.remove(s, pos)
		}
		s.mu.Unlock()
	}
}

// InvalidateUser makes every session of a user miss from now on, in constant
// time; their memory is taken back when they are asked for or evicted.
func (c *Cache[U]) InvalidateUser(userID string) {
	c.stamp.Add(1)
	m, key := c.userMap(userID)
	m.mu.Lock()
	defer m.mu.Unlock()
	if slot := m.slots[key]; slot != nil && slot.id == userID {
		c.kill(m, key)
	}
}

// Flush removes every session. Users go first: were sessions first, one read
// anew could join an old user whose other sessions stand in a later shard.
func (c *Cache[U]) Flush() {
	c.stamp.Add(1)
	for i := range c.users {
		m := &c.users[i]
		m.mu.Lock()
		for key := range m.slots {
			c.kill(m, key)
		}
		m.mu.Unlock()
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for s.n > 0 {
			c.remove(s, s.n-1)
		}
		s.shrink(0)
		s.index = nil
		s.mu.Unlock()
	}
}

// Dirty collects up to limit sessions touched since they were last collected,
// to be written in one batch. Touches of sessions that have left the cache are
// among them, up to a bound, and so are those of sessions that have ended: the
// caller raises LastSeen where the session still exists. A collected touch is
// the caller's to keep until it is written.
func (c *Cache[U]) Dirty(limit int) []Touched {
	var out []Touched
	// Each call begins at another shard, so that a small limit starves none.
	start := c.nextDirty.Add(1)
	for i := range uint32(len(c.shards)) {
		if len(out) >= limit {
			break
		}
		s := &c.shards[(start+i)%uint32(len(c.shards))]
		s.mu.Lock()
		out = s.collect(out, limit)
		s.mu.Unlock()
	}
	return out
}

// Len returns how many sessions are cached. With writers about it is a number
// from around now.
func (c *Cache[U]) Len() int {
	n := -int(c.dead.Load())
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.n
		s.mu.Unlock()
	}
	return max(n, 0)
}

// Bytes returns how much memory the cache holds, without the *U of its users.
func (c *Cache[U]) Bytes() int {
	n := int(c.userBytes.Load())
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.bytes()
		s.mu.Unlock()
	}
	return n
}

func (c *Cache[U]) shard(hash *[32]byte) *shard[U] {
	return &c.shards[int(binary.LittleEndian.Uint16(hash[:]))&(len(c.shards)-1)]
}

// live finds a session whose user is not invalidated, and marks it as used.
func (c *Cache[U]) live(s *shard[U], hash *[32]byte) (int, bool) {
	pos, ok := s.find(hash)
	if !ok {
		return 0, false
	}
	if s.at(pos).slot.dead.Load() {
		c.remove(s, pos)
		return 0, false
	}
	set(s.used, pos)
	return pos, true
}

// remove takes an entry out of its shard and its user's slot.
func (c *Cache[U]) remove(s *shard[U], pos int) {
	slot := s.at(pos).slot
	s.remove(pos)
	c.leave(slot)
}

// makeRoom evicts until one more entry, of a user who may be new, fits the
// shard's share of the bound. That share shrinks as users take memory; a shard
// above it gives chunks back when its turn comes, so that the bound may be
// passed by what a few insertions elsewhere took.
func (c *Cache[U]) makeRoom(s *shard[U], userID string) bool {
	slot := userSlot[U]{id: userID}
	for s.n > 0 {
		share := c.maxBytes - int(c.userBytes.Load()+slot.bytes())
		if s.fits(share / len(c.shards)) {
			break
		}
		c.remove(s, s.victim())
		s.shrink(0)
	}
	return s.n < maxPerShard
}
