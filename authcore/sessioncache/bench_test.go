package sessioncache

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// benchCache holds n sessions, four a user, and reports the bytes of each.
func benchCache(b *testing.B, n int) (*Cache[user], [][32]byte, float64) {
	b.Helper()
	hashes, users, ids := make([][32]byte, n), make([]user, n/4+1), make([]string, n/4+1)
	for i := range hashes {
		hashes[i] = hashOf(i)
	}
	for i := range ids {
		ids[i] = fmt.Sprintf("user-%021d", i)
	}
	before := heap()
	c := New[user](1 << 30)
	for i, hash := range hashes {
		if !c.Insert(hash, Entry[user]{User: &users[i/4]}, ids[i/4], c.Stamp()) {
			b.Fatal("refused")
		}
	}
	return c, hashes, float64(heap()-before) / float64(n)
}

func BenchmarkGetTouch(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		c, hashes, bytes := benchCache(b, n)
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := getTouch(c, &hashes[i], int64(i)); !ok {
					b.Fatal("miss")
				}
				if i++; i == n {
					i = 0
				}
			}
			b.ReportMetric(bytes, "B/session")
		})
		b.Run(fmt.Sprintf("sessions=%d,parallel", n), func(b *testing.B) {
			b.ReportAllocs()
			var start atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				i := int(start.Add(int64(n/7))) % n
				for pb.Next() {
					if _, ok := getTouch(c, &hashes[i], int64(i)); !ok {
						b.Error("miss")
						return
					}
					if i++; i == n {
						i = 0
					}
				}
			})
		})
	}
}

// Revocations beside: one invalidation of another session for each hundred hits.
func BenchmarkGetTouch_RevocationsBeside(b *testing.B) {
	c, hashes, _ := benchCache(b, 100_000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		getTouch(c, &hashes[i%len(hashes)], int64(i))
		if i++; i%100 == 0 {
			c.Invalidate(hashOf(-i))
		}
	}
}

func BenchmarkInsert_Evicting(b *testing.B) {
	c := New[user](8 << 20)
	hashes := make([][32]byte, 1<<18)
	for i := range hashes {
		hashes[i] = hashOf(i)
	}
	u := &user{}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		c.Insert(hashes[i%len(hashes)], Entry[user]{User: u}, "alice", c.Stamp())
		i++
	}
}
