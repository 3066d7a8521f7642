package bolt

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// BenchmarkCommit16Writers writes what a sign-in writes with 16 writers, in grouped
// commits and in one db.Update of bbolt each, and reports how many times
// faster the groups are. The two take turns, so that both meet the same disk.
func BenchmarkCommit16Writers(b *testing.B) {
	db := mustOpen(b, filepath.Join(private(b), "auth.db"))
	single := func(_ context.Context, fn func(store.Tx) error) error {
		return db.bolt.Update(func(btx *bbolt.Tx) error { return fn(&tx{bolt: btx}) })
	}
	var grouped, each time.Duration
	for b.Loop() {
		grouped += signIns(b, db.Update)
		each += signIns(b, single)
	}
	perCommit := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(b.N*320) }
	b.ReportMetric(perCommit(grouped), "µs/grouped")
	b.ReportMetric(perCommit(each), "µs/each")
	b.ReportMetric(float64(each)/float64(grouped), "x")
}

// signIns makes 320 sign-ins by 16 writers.
func signIns(b *testing.B, update func(context.Context, func(store.Tx) error) error) time.Duration {
	begin := time.Now()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				var h store.Hash
				_, _ = rand.Read(h[:])
				if err := update(b.Context(), func(tx store.Tx) error { return signIn(tx, h) }); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

func signIn(tx store.Tx, h store.Hash) error {
	id := fmt.Sprintf("%x", h[:13])
	now := time.Unix(1_700_000_000, 0)
	if err := tx.PutSession(benchSession(h, id, now)); err != nil {
		return err
	}
	return tx.AppendAudit(&store.AuditRecord{ID: id, Time: now, Type: "session_created", Actor: id, Success: true})
}

func benchSession(h store.Hash, id string, now time.Time) *store.Session {
	return &store.Session{
		Hash: h, ID: id, Kind: store.RootSession, UserID: id, Host: "auth.example.com", AMR: []string{"email"},
		AuthTime: now, CreatedAt: now, LastSeen: now, Expires: now.Add(24 * time.Hour), IP: "192.0.2.1",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	}
}

func BenchmarkUpdateAlone(b *testing.B) {
	db := mustOpen(b, filepath.Join(private(b), "auth.db"))
	for b.Loop() {
		var h store.Hash
		_, _ = rand.Read(h[:])
		if err := db.Update(b.Context(), func(tx store.Tx) error { return signIn(tx, h) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSessionLookup(b *testing.B) {
	db := mustOpen(b, filepath.Join(private(b), "auth.db"))
	const n = 10_000
	err := db.Update(b.Context(), func(tx store.Tx) error {
		for i := range uint64(n) {
			if err := tx.PutSession(benchSession(key(i*2654435761), fmt.Sprint(i), time.Unix(int64(i), 0))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("View", func(b *testing.B) {
		b.ReportAllocs()
		for i := uint64(0); b.Loop(); i++ {
			err := db.View(b.Context(), func(tx store.Tx) error {
				_, err := tx.Session(key(i % n * 2654435761))
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("DecodeOnly", func(b *testing.B) {
		value, err := json.Marshal(benchSession(key(1), "id", time.Unix(1, 0)))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := json.Unmarshal(value, new(store.Session)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(private(b), "auth.db")
	if err := mustOpen(b, path).Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := Open(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = db.Close()
	}
}
