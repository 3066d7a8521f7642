package authcore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/seal"
	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
	"github.com/passwordless-auth/passwordless-auth/authcore/sessioncache"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// RuntimeOptions are what a Runtime is made of.
type RuntimeOptions struct {
	Store      store.Store // taken over: Close closes it
	RootKey    RootKey
	Now        func() time.Time // the clock
	Rand       io.Reader        // cryptographic randomness
	Log        *slog.Logger
	CacheBytes int // bound of the session cache; default 64 MB
}

// Runtime is everything that outlives one configuration.
type Runtime struct {
	store   store.Store
	now     func() time.Time
	rand    io.Reader
	log     *slog.Logger
	keys    *seal.Keys
	ring    *keyRing
	cache   *sessioncache.Cache[Identity]
	tokens  tokenCache
	hosts   hostIDs
	streams streams
	limits  *ratelimit.Store
	signed  assertions
	probes  probes
	started time.Time

	flushing  sync.Mutex
	unwritten []sessioncache.Touched // collected from the cache, not yet in the store; guarded by flushing

	current atomic.Pointer[Service] // newest started configuration
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// NewRuntime loads the signing keys (making the first) and starts the
// housekeeping, which Close ends.
func NewRuntime(ctx context.Context, o RuntimeOptions) (*Runtime, error) {
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	rt := &Runtime{
		store: o.Store, now: o.Now, rand: o.Rand, log: o.Log,
		keys:    seal.New(o.RootKey),
		cache:   sessioncache.New[Identity](o.CacheBytes),
		limits:  ratelimit.NewStore(100_000, o.Now),
		started: o.Now(),
	}
	rt.streams.init()
	var err error
	if rt.ring, err = loadKeyRing(ctx, rt); err != nil {
		return nil, fmt.Errorf("loading signing keys: %w", err)
	}
	run, stop := context.WithCancel(context.Background())
	rt.stop = stop
	rt.every(run, flushEvery, "flushing last_seen", rt.flush)
	rt.every(run, sweepEvery, "sweeping expired records", rt.sweep)
	rt.every(run, recheckEvery, "checking live streams", func(context.Context) error { rt.streams.recheckAll(); return nil })
	rt.every(run, keysEvery, "tending signing keys", rt.tendKeys)
	rt.every(run, recheckEvery, "noting the rp_id", rt.noteRPID())
	return rt, nil
}

// noteRPID asks each configuration once, after it has lasted a while.
func (rt *Runtime) noteRPID() func(context.Context) error {
	var noted *Service
	return func(ctx context.Context) error {
		s := rt.current.Load()
		if s == noted {
			return nil
		}
		if err := s.noteRPID(ctx); err != nil {
			return err
		}
		noted = s
		return nil
	}
}

// Close ends the workers, writes what is pending and closes the store.
func (rt *Runtime) Close() error {
	rt.stop()
	rt.workers.Wait()
	rt.streams.cutAll()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(rt.flush(ctx), rt.store.Close())
}

// every runs work until ctx ends. A panic is logged and the next round comes
// (DS-4).
func (rt *Runtime) every(ctx context.Context, d time.Duration, what string, work func(context.Context) error) {
	rt.workers.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				rt.once(ctx, what, work)
			}
		}
	})
}

func (rt *Runtime) once(ctx context.Context, what string, work func(context.Context) error) {
	defer func() {
		if p := recover(); p != nil {
			rt.log.Error("panic while "+what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if err := work(ctx); err != nil && ctx.Err() == nil {
		rt.log.Error(what, "error", err)
	}
}

// hostIDs numbers host names for the cache, from 1. It holds the hosts that
// were ever configured in this process or have a session: never one that only a
// stranger named.
type hostIDs struct {
	mu  sync.RWMutex
	ids map[string]uint32
}

func (h *hostIDs) id(host string) uint32 {
	if id := h.find(host); id != 0 {
		return id
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	id, ok := h.ids[host]
	if !ok {
		if h.ids == nil {
			h.ids = map[string]uint32{}
		}
		id = uint32(len(h.ids) + 1)
		h.ids[host] = id
	}
	return id
}

// find is 0 for a host that has no number.
func (h *hostIDs) find(host string) uint32 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ids[host]
}
