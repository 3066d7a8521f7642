package sessioncache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"unsafe"
)

// userSlot is one user as of one moment: the sessions that were read since the
// user's last invalidation point to it. It is never revived; after an
// invalidation the next session makes a new one.
type userSlot[U any] struct {
	id   string
	user *U          // set once
	refs int32       // entries that point here; guarded by the userMap
	dead atomic.Bool // set once
}

// userMap finds live slots by a 64-bit hash of the user id, which takes a third
// less memory than the ids as keys. The id is compared; of two users with one
// hash, the later one takes the place.
type userMap[U any] struct {
	mu    sync.Mutex
	slots map[uint64]*userSlot[U]
	_     [48]byte // keeps neighbours' locks off one cache line
}

// mapCell is what a live slot takes in its map: 16 bytes of key and value and a
// control byte, at the load that a growing map has on average.
const mapCell = 26

func (c *Cache[U]) userMap(id string) (*userMap[U], uint64) {
	key := maphash.String(c.seed, id)
	return &c.users[key%uint64(len(c.users))], key
}

// join returns the user's slot with one more entry counted, unless anything was
// invalidated since stamp. The stamp is compared under the user's lock; the
// caller holds the lock of the session's shard (see the package comment).
func (c *Cache[U]) join(id string, user *U, stamp uint64) (*userSlot[U], bool) {
	m, key := c.userMap(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.stamp.Load() != stamp {
		return nil, false
	}
	slot := m.slots[key]
	if slot != nil && slot.id != id {
		c.kill(m, key)
		slot = nil
	}
	if slot == nil {
		slot = &userSlot[U]{id: id, user: user}
		m.slots[key] = slot
		c.userBytes.Add(slot.bytes())
	}
	slot.refs++
	return slot, true
}

// kill makes all entries of a live slot miss. The caller holds the map's lock.
func (c *Cache[U]) kill(m *userMap[U], key uint64) {
	slot := m.slots[key]
	slot.dead.Store(true)
	c.dead.Add(int64(slot.refs))
	delete(m.slots, key)
}

// leave counts one entry less and frees the slot with its last.
func (c *Cache[U]) leave(slot *userSlot[U]) {
	m, key := c.userMap(slot.id)
	m.mu.Lock()
	defer m.mu.Unlock()
	slot.refs--
	dead := slot.dead.Load()
	if dead {
		c.dead.Add(-1)
	}
	if slot.refs > 0 {
		return
	}
	c.userBytes.Add(-slot.bytes())
	if !dead {
		delete(m.slots, key)
	}
}

func (s *userSlot[U]) bytes() int64 {
	return int64(unsafe.Sizeof(*s)) + mapCell + int64(len(s.id))
}
