package sessioncache

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"
)

type user struct{ name string }

func hashOf(i int) [32]byte {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(i))
	return sha256.Sum256(b[:])
}

func mustInsert[U any](t testing.TB, c *Cache[U], i int, e Entry[U], userID string) [32]byte {
	t.Helper()
	hash := hashOf(i)
	if !c.Insert(hash, e, userID, c.Stamp()) {
		t.Fatalf("Insert of %d refused", i)
	}
	return hash
}

func TestGet_ReturnsWhatWasInserted(t *testing.T) {
	c := New[user](0)
	want := Entry[user]{User: &user{"alice"}, Host: 7, Kind: 2, AMR: 5, AuthTime: 1000, Created: 900, LastSeen: 1100}
	hash := mustInsert(t, c, 1, want, "alice")
	if got, ok := c.Get(&hash); !ok || got != want {
		t.Errorf("Get = %+v, %v, want %+v", got, ok, want)
	}
	other := hashOf(2)
	if got, ok := c.Get(&other); ok || got != (Entry[user]{}) {
		t.Errorf("Get of another hash = %+v, %v", got, ok)
	}
	want.Host = 8
	mustInsert(t, c, 1, want, "alice")
	if got, ok := c.Get(&hash); !ok || got != want || c.Len() != 1 {
		t.Errorf("Get after replacing = %+v, %v, Len %d", got, ok, c.Len())
	}
}

// SE-1: a token is compared whole.
func TestGet_ComparesEveryBit(t *testing.T) {
	c := New[user](0)
	hash := mustInsert(t, c, 1, Entry[user]{User: &user{}}, "alice")
	for i := range 256 {
		changed := hash
		changed[i/8] ^= 1 << (i % 8)
		if _, ok := c.Get(&changed); ok {
			t.Errorf("a hash with bit %d changed is found", i)
		}
	}
}

// Hashes that agree in shard, index position and tag are told apart.
func TestGet_TellsCollidingHashesApart(t *testing.T) {
	c := New[user](0)
	var hashes [][32]byte
	for i := range 40 {
		var hash [32]byte
		hash[31] = byte(i)
		hashes = append(hashes, hash)
		if !c.Insert(hash, Entry[user]{User: &user{}, Host: uint32(i)}, "alice", c.Stamp()) {
			t.Fatal("refused")
		}
	}
	c.Invalidate(hashes[3], hashes[17], hashes[39])
	for i, hash := range hashes {
		got, ok := c.Get(&hash)
		if gone := i == 3 || i == 17 || i == 39; ok == gone || ok && got.Host != uint32(i) {
			t.Errorf("Get of %d = %+v, %v", i, got, ok)
		}
	}
}

func TestEntry_TimesAreClamped(t *testing.T) {
	c := New[user](0)
	hash := mustInsert(t, c, 1, Entry[user]{User: &user{}, AuthTime: -62135596800, Created: math.MaxInt64, LastSeen: math.MaxUint32}, "alice")
	got, _ := c.Get(&hash)
	if got.AuthTime != 0 || got.Created != math.MaxUint32 || got.LastSeen != math.MaxUint32 {
		t.Errorf("times are %d, %d, %d", got.AuthTime, got.Created, got.LastSeen)
	}
}

func TestTouch_RaisesOnly(t *testing.T) {
	c := New[user](0)
	hash := mustInsert(t, c, 1, Entry[user]{User: &user{}, LastSeen: 100}, "alice")
	absent := hashOf(2)
	c.Touch(&absent, 500)
	for _, step := range []struct{ now, want int64 }{{90, 100}, {100, 100}, {120, 120}, {110, 120}} {
		c.Touch(&hash, step.now)
		if got, _ := c.Get(&hash); got.LastSeen != step.want {
			t.Errorf("after Touch(%d) LastSeen is %d, want %d", step.now, got.LastSeen, step.want)
		}
	}
	if got := c.Dirty(10); !slices.Equal(got, []Touched{{hash, 120}}) {
		t.Errorf("Dirty = %v", got)
	}
	if got := c.Dirty(10); len(got) != 0 {
		t.Errorf("Dirty again = %v", got)
	}
	c.Touch(&hash, 120)
	if got := c.Dirty(10); len(got) != 0 {
		t.Errorf("Dirty after a touch that raised nothing = %v", got)
	}
}

// getTouch is a hit as the guard makes one.
func getTouch[U any](c *Cache[U], hash *[32]byte, now int64) (Entry[U], bool) {
	e, ok := c.Get(hash)
	c.Touch(hash, now)
	return e, ok
}

func TestUser_SharedByItsSessions(t *testing.T) {
	c := New[user](0)
	first := &user{"alice"}
	a := mustInsert(t, c, 1, Entry[user]{User: first}, "alice")
	b := mustInsert(t, c, 2, Entry[user]{User: &user{"alice"}}, "alice")
	other := mustInsert(t, c, 3, Entry[user]{User: &user{"bob"}}, "bob")
	for _, hash := range [][32]byte{a, b} {
		if got, ok := c.Get(&hash); !ok || got.User != first {
			t.Errorf("Get = %+v, %v: not the shared user", got, ok)
		}
	}
	if got, _ := c.Get(&other); got.User.name != "bob" {
		t.Errorf("another user is %+v", got.User)
	}

	c.InvalidateUser("alice")
	for _, hash := range [][32]byte{a, b} {
		if _, ok := c.Get(&hash); ok {
			t.Error("a session is found after InvalidateUser")
		}
		c.Touch(&hash, 1<<30)
	}
	if _, ok := c.Get(&other); !ok {
		t.Error("another user's session is gone")
	}
	renamed := &user{"alicia"}
	mustInsert(t, c, 1, Entry[user]{User: renamed}, "alice")
	if got, ok := c.Get(&a); !ok || got.User != renamed {
		t.Errorf("after InvalidateUser a fill gives %+v, %v", got, ok)
	}
	if _, ok := c.Get(&b); ok {
		t.Error("a fill of one session revived another")
	}
}

// Two users whose ids hash alike never share a slot.
func TestUser_CollidingIDsAreToldApart(t *testing.T) {
	c := New[user](0)
	a := mustInsert(t, c, 1, Entry[user]{User: &user{"alice"}}, "alice")
	m, key := c.userMap("alice")
	impostor := &userSlot[user]{id: "bob", user: &user{"bob"}, refs: 1}
	m.slots[key], c.shard(&a).at(0).slot = impostor, impostor
	c.userBytes.Store(impostor.bytes())

	c.InvalidateUser("alice")
	if got, ok := c.Get(&a); !ok || got.User.name != "bob" {
		t.Errorf("another user's invalidation hit %+v, %v", got, ok)
	}
	b := mustInsert(t, c, 2, Entry[user]{User: &user{"alice"}}, "alice")
	if got, ok := c.Get(&b); !ok || got.User.name != "alice" {
		t.Errorf("Get = %+v, %v", got, ok)
	}
	if _, ok := c.Get(&a); ok || c.Len() != 1 {
		t.Errorf("the user whose place was taken is still found; Len %d", c.Len())
	}
}

func TestInvalidateUser_CountsAtOnce(t *testing.T) {
	c := New[user](0)
	var hashes [][32]byte
	for i := range 20 {
		hashes = append(hashes, mustInsert(t, c, i, Entry[user]{User: &user{}}, "alice"))
	}
	mustInsert(t, c, 100, Entry[user]{User: &user{}}, "bob")
	c.InvalidateUser("alice")
	c.InvalidateUser("nobody")
	if c.Len() != 1 {
		t.Errorf("Len = %d, want 1", c.Len())
	}
	for i := range hashes {
		c.Get(&hashes[i])
	}
	c.Flush()
	if c.Len() != 0 || c.Bytes() != 0 {
		t.Errorf("when empty Len = %d, Bytes = %d", c.Len(), c.Bytes())
	}
}

func TestInsert_RefusedAfterAnyInvalidation(t *testing.T) {
	for name, invalidate := range map[string]func(*Cache[user]){
		"session":         func(c *Cache[user]) { c.Invalidate(hashOf(1)) },
		"another session": func(c *Cache[user]) { c.Invalidate(hashOf(2)) },
		"no session":      func(c *Cache[user]) { c.Invalidate() },
		"user":            func(c *Cache[user]) { c.InvalidateUser("alice") },
		"another user":    func(c *Cache[user]) { c.InvalidateUser("bob") },
		"flush":           func(c *Cache[user]) { c.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			c := New[user](0)
			stamp := c.Stamp()
			invalidate(c)
			if c.Insert(hashOf(1), Entry[user]{User: &user{}}, "alice", stamp) || c.Len() != 0 {
				t.Error("a fill that read before the invalidation was inserted")
			}
			if c.Bytes() != 0 {
				t.Errorf("a refused fill left %d bytes", c.Bytes())
			}
			mustInsert(t, c, 1, Entry[user]{User: &user{}}, "alice")
		})
	}
}

func TestFlush_RemovesAll(t *testing.T) {
	c := New[user](0)
	for i := range 5000 {
		mustInsert(t, c, i, Entry[user]{User: &user{}}, fmt.Sprint(i%700))
	}
	c.Flush()
	for i := range 5000 {
		if hash := hashOf(i); found(c, hash) {
			t.Fatalf("%d is found after Flush", i)
		}
	}
	for i := range c.users {
		if n := len(c.users[i].slots); n != 0 {
			t.Errorf("%d user slots are left", n)
		}
	}
	mustInsert(t, c, 1, Entry[user]{User: &user{}}, "alice")
}

func found(c *Cache[user], hash [32]byte) bool {
	_, ok := c.Get(&hash)
	return ok
}

// A long random walk against a plain map: what is found is what was put in.
func TestCache_AgreesWithAMap(t *testing.T) {
	c := New[user](0)
	type record struct {
		host uint32
		user string
	}
	model := map[int]record{}
	state := uint64(1)
	next := func(n int) int { // xorshift: the walk is the same each time
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		return int(bits.Reverse64(state) % uint64(n))
	}
	for step := range 100_000 {
		i := next(3000)
		switch op := next(1000); {
		case op < 500:
			r := record{uint32(step), fmt.Sprint(next(200))}
			mustInsert(t, c, i, Entry[user]{User: &user{r.user}, Host: r.host}, r.user)
			model[i] = r
		case op < 800:
			hash := hashOf(i)
			got, ok := getTouch(c, &hash, int64(step))
			want, exists := model[i]
			if ok != exists || ok && (got.Host != want.host || got.User.name != want.user) {
				t.Fatalf("step %d: Get = %+v, %v, want %+v, %v", step, got, ok, want, exists)
			}
		case op < 990:
			c.Invalidate(hashOf(i))
			delete(model, i)
		case op < 999:
			gone := fmt.Sprint(next(200))
			c.InvalidateUser(gone)
			for j, r := range model {
				if r.user == gone {
					delete(model, j)
				}
			}
		default:
			c.Dirty(next(100))
		}
		if step%10_000 == 0 && c.Len() != len(model) {
			t.Fatalf("step %d: Len = %d, want %d", step, c.Len(), len(model))
		}
	}
	if c.Len() != len(model) {
		t.Errorf("Len = %d, want %d", c.Len(), len(model))
	}
}

func TestHit_AllocatesNothing(t *testing.T) {
	c := New[user](0)
	hash := mustInsert(t, c, 1, Entry[user]{User: &user{}}, "alice")
	absent, now := hashOf(2), int64(0)
	for name, f := range map[string]func(){
		"get":           func() { c.Get(&hash) },
		"get, absent":   func() { c.Get(&absent) },
		"touch":         func() { now++; c.Touch(&hash, now) },
		"get and touch": func() { now++; getTouch(c, &hash, now) },
		"stamp":         func() { c.Stamp() },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
