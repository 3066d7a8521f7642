package sessioncache

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The promise of the package comment under fire: fillers read a store, one that
// is slow between reading and inserting, while writers change it and
// invalidate. Once a writer's invalidation has returned, nothing older than its
// change may be found. The store is a version; users and sessions carry the
// version they were read at.
func TestInvalidate_NoStaleSessionStays(t *testing.T) {
	hashes := make([][32]byte, 4)
	for i := range hashes {
		hashes[i] = hashOf(i)
	}
	for name, change := range map[string]struct {
		invalidate func(*Cache[uint64])
		ofUser     bool // the change is also one of the user
	}{
		"session": {func(c *Cache[uint64]) { c.Invalidate(hashes...) }, false},
		"user":    {func(c *Cache[uint64]) { c.InvalidateUser("alice") }, true},
		"flush":   {func(c *Cache[uint64]) { c.Flush() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := New[uint64](0)
			var version atomic.Uint64
			var stop atomic.Bool
			var wg sync.WaitGroup
			for f := range 4 {
				wg.Go(func() {
					for i := f; !stop.Load(); i++ {
						stamp := c.Stamp()
						v := version.Load()
						if i%3 == 0 {
							runtime.Gosched() // a slow read: the change may commit meanwhile
						}
						c.Insert(hashes[i%len(hashes)], Entry[uint64]{User: &v, Host: uint32(v)}, "alice", stamp)
						getTouch(c, &hashes[i%len(hashes)], int64(i))
					}
				})
			}
			checked := 0
			start := time.Now()
			for time.Since(start) < 400*time.Millisecond || checked == 0 && time.Since(start) < 10*time.Second {
				committed := version.Add(1)
				change.invalidate(c)
				for range 8 {
					runtime.Gosched()
					for i := range hashes {
						if got, ok := c.Get(&hashes[i]); ok {
							checked++
							if uint64(got.Host) < committed || change.ofUser && *got.User < committed {
								t.Errorf("found version %d of user %d, committed was %d", got.Host, *got.User, committed)
								stop.Store(true)
								wg.Wait()
								return
							}
						}
					}
				}
			}
			stop.Store(true)
			wg.Wait()
			if checked == 0 {
				t.Error("no session was ever found: the test tested nothing")
			}
		})
	}
}

// The order that the promise rests on, one invalidation at a time: the stamp is
// raised before a lock is taken, so an Insert that still holds the lock has
// compared before the raise and is removed after it, and a later one refuses.
func TestInvalidate_RaisesTheStampBeforeItRemoves(t *testing.T) {
	hash := hashOf(1)
	for name, invalidate := range map[string]func(*Cache[uint64]){
		"session": func(c *Cache[uint64]) { c.Invalidate(hash) },
		"user":    func(c *Cache[uint64]) { c.InvalidateUser("alice") },
		"flush":   func(c *Cache[uint64]) { c.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			c := New[uint64](0)
			mustInsert(t, c, 1, Entry[uint64]{User: new(uint64)}, "alice")
			stamp, s := c.Stamp(), c.shard(&hash)
			m, _ := c.userMap("alice")
			s.mu.Lock()
			m.mu.Lock()
			done := make(chan struct{})
			go func() { invalidate(c); close(done) }()
			eventually(t, "the stamp is raised while the locks are held", func() bool { return c.Stamp() != stamp })
			m.mu.Unlock()
			if _, ok := c.join("alice", new(uint64), stamp); ok {
				t.Error("an Insert that passed the first comparison is not refused at the second")
			}
			s.mu.Unlock()
			<-done
			if _, ok := c.Get(&hash); ok {
				t.Error("the session is found")
			}
		})
	}
}

// While Flush is at a later shard, a session read anew must not join the old user.
func TestFlush_NoOldUserLivesOn(t *testing.T) {
	c := New[uint64](0)
	first, last := -1, -1
	for i := 0; first < 0 || last < 0; i++ {
		switch hash := hashOf(i); c.shard(&hash) {
		case &c.shards[0]:
			first = i
		case &c.shards[len(c.shards)-1]:
			last = i
		}
	}
	old, fresh := uint64(1), uint64(2)
	hash := mustInsert(t, c, first, Entry[uint64]{User: &old}, "alice")
	mustInsert(t, c, last, Entry[uint64]{User: &old}, "alice")
	s := &c.shards[len(c.shards)-1]
	s.mu.Lock()
	done := make(chan struct{})
	go func() { c.Flush(); close(done) }()
	eventually(t, "the first shard is flushed", func() bool {
		c.shards[0].mu.Lock()
		defer c.shards[0].mu.Unlock()
		return c.shards[0].n == 0
	})
	mustInsert(t, c, first, Entry[uint64]{User: &fresh}, "alice")
	s.mu.Unlock()
	<-done
	if got, ok := c.Get(&hash); !ok || got.User != &fresh {
		t.Errorf("Get = %+v, %v: not the user as read after the flush", got, ok)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("not in 10 s: %s", what)
		}
	}
}

// Everything at once, for the race detector and for the books.
func TestCache_ConcurrentUseKeepsItsBooks(t *testing.T) {
	c := New[user](512 << 10)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 4000 {
				n := (i*7 + g*1013) % 6000
				hash, id := hashOf(n), fmt.Sprint(n%97)
				switch i % 16 {
				case 0:
					c.Invalidate(hash)
				case 1:
					if i%160 == 1 {
						c.InvalidateUser(id)
					}
				case 2:
					c.Dirty(10)
				case 3:
					if i == 2003 && g == 0 {
						c.Flush()
					}
				case 4:
					c.Len()
					c.Bytes()
				case 5, 6, 7, 8:
					getTouch(c, &hash, int64(i))
				default:
					c.Insert(hash, Entry[user]{User: &user{id}}, id, c.Stamp())
					if got, ok := c.Get(&hash); ok && got.User.name != id {
						t.Errorf("session of %s is %s's", id, got.User.name)
					}
				}
			}
		})
	}
	wg.Wait()
	entries, refs := 0, 0
	slots := map[*userSlot[user]]int{}
	for i := range c.shards {
		s := &c.shards[i]
		entries += s.n
		for pos := range s.n {
			slots[s.at(pos).slot]++
			if found, ok := s.find(&s.at(pos).hash); !ok || found != pos {
				t.Fatalf("the entry at %d is found at %d, %v", pos, found, ok)
			}
		}
	}
	dead := 0
	for slot, n := range slots {
		refs += n
		if int(slot.refs) != n {
			t.Errorf("user %s counts %d sessions, has %d", slot.id, slot.refs, n)
		}
		if slot.dead.Load() {
			dead += n
		} else if m, key := c.userMap(slot.id); m.slots[key] != slot {
			t.Errorf("the live slot of %s is not in its map", slot.id)
		}
	}
	if refs != entries || int(c.dead.Load()) != dead || c.Len() != entries-dead {
		t.Errorf("%d entries, %d counted, %d dead of %d, Len %d", entries, refs, c.dead.Load(), dead, c.Len())
	}
	c.Flush()
	if c.userBytes.Load() != 0 || c.dead.Load() != 0 {
		t.Errorf("empty, and %d bytes of users, %d dead", c.userBytes.Load(), c.dead.Load())
	}
}
