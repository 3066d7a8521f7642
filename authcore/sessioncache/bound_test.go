package sessioncache

import (
	"fmt"
	"runtime"
	"testing"
)

func TestBytes_NeverPastTheBound(t *testing.T) {
	for name, perUser := range map[string]int{"one session a user": 1, "twenty sessions a user": 20} {
		for _, bound := range []int{256 << 10, 1 << 20, 4 << 20} {
			t.Run(fmt.Sprintf("%s, %d KiB", name, bound>>10), func(t *testing.T) {
				c := New[user](bound)
				most := 0
				for i := range bound / 40 {
					hash := mustInsert(t, c, i, Entry[user]{User: &user{}}, fmt.Sprintf("user-%021d", i/perUser))
					if _, ok := c.Get(&hash); !ok {
						t.Fatal("a session is gone right after it was inserted")
					}
					if i%1000 == 0 {
						most = max(most, c.Bytes())
					}
				}
				if most > bound {
					t.Errorf("%d bytes, bound %d", most, bound)
				}
				if c.Len() < bound/250 {
					t.Errorf("%d sessions in %d bytes", c.Len(), bound)
				}
			})
		}
	}
}

// Few users first, then many: the memory of sessions makes way for that of users.
func TestBytes_BoundHoldsWhenUsersMultiply(t *testing.T) {
	const bound = 4 << 20
	c := New[user](bound)
	for i := range 100_000 {
		mustInsert(t, c, i, Entry[user]{User: &user{}}, fmt.Sprint(i/1000))
	}
	few := c.Len()
	for i := range 100_000 {
		mustInsert(t, c, 1_000_000+i, Entry[user]{User: &user{}}, fmt.Sprintf("user-%021d", i))
		if i%1000 == 0 && c.Bytes() > bound+bound/100 {
			t.Fatalf("%d bytes, bound %d", c.Bytes(), bound)
		}
	}
	if c.Len() >= few {
		t.Errorf("%d sessions of many users, %d of few", c.Len(), few)
	}
}

func TestEvict_KeepsWhatIsInUse(t *testing.T) {
	c := New[user](1 << 20)
	var hot [][32]byte
	for i := range 200 {
		hot = append(hot, mustInsert(t, c, i, Entry[user]{User: &user{}}, "alice"))
	}
	for i := range 100_000 {
		mustInsert(t, c, 1000+i, Entry[user]{User: &user{}}, "bob")
		if i%100 == 0 {
			for j := range hot {
				if _, ok := c.Get(&hot[j]); !ok {
					t.Fatalf("session %d, in use all the time, is gone after %d others", j, i)
				}
			}
		}
	}
}

func TestEvict_LosesNoTouch(t *testing.T) {
	c := New[user](1 << 20)
	want := map[[32]byte]int64{}
	for i := range 400 {
		hash := mustInsert(t, c, i, Entry[user]{User: &user{}, LastSeen: 10}, "alice")
		c.Touch(&hash, int64(100+i))
		want[hash] = int64(100 + i)
	}
	for i := range 50_000 {
		mustInsert(t, c, 1000+i, Entry[user]{User: &user{}}, "bob")
	}
	gone := 0
	for i := range 400 {
		if hash := hashOf(i); !found(c, hash) {
			gone++
		}
	}
	if gone == 0 {
		t.Fatal("nothing was evicted")
	}
	for {
		batch := c.Dirty(50)
		if len(batch) > 50 {
			t.Fatalf("Dirty(50) returned %d", len(batch))
		}
		if len(batch) == 0 {
			break
		}
		for _, touched := range batch {
			if want[touched.Hash] != touched.LastSeen {
				t.Errorf("touch at %d, want %d", touched.LastSeen, want[touched.Hash])
			}
			delete(want, touched.Hash)
		}
	}
	if len(want) != 0 {
		t.Errorf("%d touches are lost", len(want))
	}
}

func TestRefill_KnowsThePendingTouch(t *testing.T) {
	c := New[user](0)
	for name, leave := range map[string]func([32]byte){
		"invalidated": func(hash [32]byte) { c.Invalidate(hash) },
		"flushed":     func([32]byte) { c.Flush() },
		"replaced":    func([32]byte) {},
	} {
		t.Run(name, func(t *testing.T) {
			hash := mustInsert(t, c, 1, Entry[user]{User: &user{}, LastSeen: 10}, "alice")
			c.Touch(&hash, 50)
			leave(hash)
			mustInsert(t, c, 1, Entry[user]{User: &user{}, LastSeen: 10}, "alice")
			if got, _ := c.Get(&hash); got.LastSeen != 50 {
				t.Errorf("LastSeen is %d after a fill from the store, want 50", got.LastSeen)
			}
			if got := c.Dirty(10); len(got) != 1 || got[0] != (Touched{hash, 50}) {
				t.Errorf("Dirty = %v", got)
			}
		})
	}
}

func TestPending_IsBounded(t *testing.T) {
	c := New[user](256 << 10)
	for i := range 3 * maxPending {
		hash := mustInsert(t, c, i, Entry[user]{User: &user{}}, "alice")
		c.Touch(&hash, 5)
		c.Invalidate(hash)
	}
	if got := len(c.Dirty(1 << 20)); got != maxPending {
		t.Errorf("%d touches pending, want %d", got, maxPending)
	}
}

func TestDirty_SmallBatchesReachEveryShard(t *testing.T) {
	c := New[user](0)
	hashes := map[[32]byte]bool{}
	for i := range 2000 {
		hash := mustInsert(t, c, i, Entry[user]{User: &user{}}, "alice")
		c.Touch(&hash, 5)
		hashes[hash] = true
	}
	if got := c.Dirty(0); len(got) != 0 {
		t.Errorf("Dirty(0) = %d touches", len(got))
	}
	for range 2000 {
		for _, touched := range c.Dirty(1) {
			delete(hashes, touched.Hash)
		}
	}
	if len(hashes) != 0 {
		t.Errorf("%d touches never collected", len(hashes))
	}
}

// DESIGN 13: at most 150 bytes a session. Measured on the heap, without the
// users themselves, and compared with what Bytes believes.
func TestMemory_PerSession(t *testing.T) {
	const sessions = 100_000
	for _, perUser := range []int{1, 2, 20} {
		t.Run(fmt.Sprintf("%d a user", perUser), func(t *testing.T) {
			users, ids := make([]user, sessions), make([]string, sessions)
			for i := range ids {
				ids[i] = fmt.Sprintf("user-%021d", i)
			}
			before := heap()
			c := New[user](DefaultBytes)
			for i := range sessions {
				mustInsert(t, c, i, Entry[user]{User: &users[i/perUser]}, ids[i/perUser])
			}
			used := heap() - before
			each := float64(used) / sessions
			t.Logf("%.0f bytes a session, %.0f by Bytes", each, float64(c.Bytes())/sessions)
			if c.Len() != sessions {
				t.Fatalf("Len = %d", c.Len())
			}
			if each > 150 {
				t.Errorf("%.0f bytes a session", each)
			}
			if c.Bytes() < int(float64(used)*0.9) {
				t.Errorf("Bytes = %d, the heap says %d", c.Bytes(), used)
			}
			runtime.KeepAlive(ids)
			runtime.KeepAlive(users)
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
