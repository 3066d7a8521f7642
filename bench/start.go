package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

// Start is what an empty server costs.
type Start struct {
	Ready    float64 // seconds from starting the process to readiness 200, median
	Starts   int     // how many
	Resident int64   // bytes of RAM of the last one, idle for idleFor
	Binary   int64   // bytes of the executable
}

const idleFor = 5 * time.Second

// measureStart starts the server on an empty database again and again.
func measureStart(ctx context.Context, o options) (*Start, error) {
	info, err := os.Stat(o.binary)
	if err != nil {
		return nil, fmt.Errorf("measuring the binary: %w", err)
	}
	slog.Info("starting the server", "times", o.starts)
	result := &Start{Starts: o.starts, Binary: info.Size()}
	var times []float64
	for i := range o.starts {
		idle := time.Duration(0)
		if i == o.starts-1 {
			idle = idleFor
		}
		took, resident, err := startOnce(ctx, o.binary, idle)
		if err != nil {
			return nil, err
		}
		times, result.Resident = append(times, took.Seconds()), resident
	}
	result.Ready = median(times)
	return result, nil
}

func startOnce(ctx context.Context, binary string, idle time.Duration) (took time.Duration, resident int64, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return 0, 0, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ports, err := freePorts(2)
	if err != nil {
		return 0, 0, err
	}
	guardedSite := fmt.Sprintf("%s {\n\tpasswordless_guard\n\trespond 200\n}\n", origin(guarded+".localhost", ports[1]))
	begin := time.Now()
	s, err := caddyProgram("the server", binary, dir, portalFor(dir, ports[0], "127.0.0.1:25", "")+guardedSite).start()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.ready(ctx, origin(portalHost, ports[0])+"/readiness"); err != nil {
		return 0, 0, err
	}
	took = time.Since(begin)
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	resident, err = residentBytes(s.pid())
	return took, resident, err
}

// Open is what opening a database file takes.
type Open struct {
	Sessions int
	Bytes    int64
	Took     float64 // seconds, median of opens
	Opens    int
}

const (
	openUsers    = 100_000
	openSessions = 1_000_000
	openBatch    = 50_000 // records a commit
	opens        = 11
)

// measureOpen fills a file and opens it, its pages still in the page cache.
func measureOpen(ctx context.Context, _ options) (result *Open, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "auth.db")
	slog.Info("filling a database", "sessions", openSessions)
	if err := fill(ctx, path); err != nil {
		return nil, fmt.Errorf("filling a database: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var times []float64
	for range opens {
		begin := time.Now()
		db, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			return nil, err
		}
		times = append(times, time.Since(begin).Seconds())
		if err := db.Close(); err != nil {
			return nil, err
		}
	}
	return &Open{Sessions: openSessions, Bytes: info.Size(), Took: median(times), Opens: opens}, nil
}

// fill writes users and their sessions through the store, in the order of all
// keys: so it is quick, and the file has few free pages, as one has that grew by
// one sign-in at a time.
func fill(ctx context.Context, path string) (err error) {
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	now := time.Now().UTC()
	err = inBatches(ctx, db, openUsers, func(tx store.Tx, i int) error { return tx.PutUser(aUser(i, now)) })
	if err != nil {
		return err
	}
	return inBatches(ctx, db, openSessions, func(tx store.Tx, i int) error { return tx.PutSession(aSession(i, now)) })
}

func inBatches(ctx context.Context, db *bolt.DB, n int, put func(store.Tx, int) error) error {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	for batch := range slices.Chunk(all, openBatch) {
		err := db.Update(ctx, func(tx store.Tx) error {
			for _, i := range batch {
				if err := put(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hashOf ascends with i.
func hashOf(i int) store.Hash {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	binary.BigEndian.PutUint64(h[:], uint64(i)<<40)
	return h
}

func aUser(i int, now time.Time) *store.User {
	address, handle := fmt.Sprintf("user%06d@example.com", i), hashOf(i)
	return &store.User{
		ID: fmt.Sprintf("%026d", i), Email: address, Name: address, Handle: slices.Concat(handle[:], handle[:]),
		CreatedAt: now, VerifiedAt: now,
	}
}

func aSession(i int, now time.Time) *store.Session {
	now = now.Add(time.Duration(i))
	return &store.Session{
		Hash: hashOf(i), ID: fmt.Sprintf("%026d", i), Kind: store.RootSession, UserID: fmt.Sprintf("%026d", i*openUsers/openSessions),
		Host: portalHost, AMR: []string{"email"}, AuthTime: now, CreatedAt: now, LastSeen: now, Expires: now.Add(24 * time.Hour),
		IP: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	}
}
