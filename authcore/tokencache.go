package authcore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// tokenEntry is a live access token as decisions know it. It is shared by
// requests; only touched changes.
type tokenEntry struct {
	identity *Identity
	hash     store.Hash
	app      string     // the one host it opens, canonical
	pattern  *tokenPath // nil: every path
	methods  []string   // none: every method
	networks []netip.Prefix
	expires  time.Time // zero: never

	stamp   uint64       // of the session cache, before the store was read
	touched atomic.Int64 // Unix seconds of the last use that was noted
}

// admits reports whether the grant covers a request: its escaped path as the
// client sent it, and at the guard's own place (FA-13), its method, and where it
// comes from. An unknown client is nowhere (FA-1).
func (e *tokenEntry) admits(original, here, method string, client netip.Addr) bool {
	if e.pattern != nil && !(e.pattern.covers(original) && e.pattern.covers(here)) {
		return false
	}
	if len(e.methods) > 0 && !slices.Contains(e.methods, method) && !(method == http.MethodHead && slices.Contains(e.methods, http.MethodGet)) {
		return false
	}
	if len(e.networks) == 0 {
		return true
	}
	client = client.Unmap().WithZone("")
	return slices.ContainsFunc(e.networks, func(p netip.Prefix) bool { return p.Contains(client) })
}

// findToken answers the live token of a secret; nil is one that is misspelt,
// unknown or dead. An error means that the store did not answer. A token that
// was read since anything was last invalidated costs no I/O.
func (s *Service) findToken(ctx context.Context, raw string) (*tokenEntry, error) {
	token, ok := secret.ParseAccess(raw)
	if !ok || s.Sidecar() {
		return nil, nil
	}
	hash := s.rt.tokenHash(token)
	stamp := s.rt.cache.Stamp() // before the read: see tokenCache
	e := s.rt.tokens.get(hash, stamp)
	if e == nil {
		var err error
		if e, err = s.readToken(ctx, hash); err != nil || e == nil {
			return nil, err
		}
		e.stamp = stamp
		s.rt.tokens.add(e)
	}
	if !e.expires.IsZero() && !s.now().Before(e.expires) {
		return nil, nil
	}
	return e, nil
}

// useToken notes that a token let a request in.
func (s *Service) useToken(e *tokenEntry) { s.rt.tokens.touch(e, s.now()) }

func (s *Service) readToken(ctx context.Context, hash store.Hash) (e *tokenEntry, err error) {
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		e = nil
		rec, err := tx.Token(hash)
		if err != nil {
			return err
		}
		u, err := tx.User(rec.UserID)
		if err != nil {
			return err
		}
		if tokenAlive(rec, u, s.now()) {
			e, err = newTokenEntry(rec, u)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return e, err
}

// newTokenEntry compiles a record. One that does not compile opens nothing
// (FA-10).
func newTokenEntry(rec *store.AccessToken, u *store.User) (*tokenEntry, error) {
	e := &tokenEntry{
		identity: newIdentity(u), hash: rec.Hash, app: rec.App, methods: rec.Methods, expires: rec.Expires,
	}
	e.touched.Store(rec.LastUsed.Unix())
	if rec.Path != "" {
		p, err := compileTokenPath(rec.Path)
		if err != nil {
			return nil, fmt.Errorf("reading access token %s: path: %w", rec.ID, err)
		}
		e.pattern = &p
	}
	for _, n := range rec.Networks {
		p, err := parseNetwork(n)
		if err != nil {
			return nil, fmt.Errorf("reading access token %s: %w", rec.ID, err)
		}
		e.networks = append(e.networks, p)
	}
	return e, nil
}

// tokenCache holds the access tokens in use, spread over shards by their MAC.
//
// An entry is good only while the stamp of the session cache is the one that was
// noted before the entry was read. Whatever changes a user, a session or a token
// raises that stamp after its commit and before its answer, so nothing stale is
// found after that answer. The price is that each such change makes the tokens
// in use be read once more; there are few of them beside sessions.
//
// Only tokens that exist get in, so guessing fills nothing.
type tokenCache struct {
	shards [tokenShards]tokenShard
}

const (
	tokenShards    = 64
	tokensPerShard = maxCachedTokens / tokenShards
)

type tokenShard struct {
	mu      sync.Mutex
	entries map[store.Hash]*tokenEntry
	used    map[store.Hash]time.Time // last_used that is not in the store yet
}

func (c *tokenCache) shard(h store.Hash) *tokenShard { return &c.shards[h[0]%tokenShards] }

func (c *tokenCache) get(h store.Hash, stamp uint64) *tokenEntry {
	sh := c.shard(h)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.entries[h]; e != nil && e.stamp == stamp {
		return e
	}
	return nil
}

// add makes room where it must: what is stale goes first, then any.
func (c *tokenCache) add(e *tokenEntry) {
	sh := c.shard(e.hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.entries == nil {
		sh.entries = map[store.Hash]*tokenEntry{}
	}
	if len(sh.entries) >= tokensPerShard && sh.entries[e.hash] == nil {
		for h, old := range sh.entries {
			if old.stamp != e.stamp {
				delete(sh.entries, h)
			}
		}
		for h := range sh.entries {
			if len(sh.entries) < tokensPerShard {
				break
			}
			delete(sh.entries, h)
		}
	}
	sh.entries[e.hash] = e
}

// touch keeps a use in mind unless there was one less than a minute before.
// Where there is no room the use is forgotten: the next one comes.
func (c *tokenCache) touch(e *tokenEntry, now time.Time) {
	last := e.touched.Load()
	if now.Unix()-last < int64(tokenTouchEvery/time.Second) || !e.touched.CompareAndSwap(last, now.Unix()) {
		return
	}
	c.note(usedToken{e.hash, now})
}

type usedToken struct {
	hash store.Hash
	at   time.Time
}

func (c *tokenCache) note(u usedToken) {
	sh := c.shard(u.hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.used == nil {
		sh.used = map[store.Hash]time.Time{}
	}
	if known, ok := sh.used[u.hash]; ok && known.After(u.at) || !ok && len(sh.used) >= tokensPerShard {
		return
	}
	sh.used[u.hash] = u.at
}

// collect takes what was noted.
func (c *tokenCache) collect() (all []usedToken) {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		for h, at := range sh.used {
			all = append(all, usedToken{h, at})
		}
		sh.used = nil
		sh.mu.Unlock()
	}
	return all
}

// flushTokens writes last_used of tokens that were used, in batches.
func (rt *Runtime) flushTokens(ctx context.Context) error {
	for used := rt.tokens.collect(); len(used) > 0; {
		batch := used[:min(len(used), sweepBatch)]
		err := rt.store.Update(ctx, func(tx store.Tx) error {
			for _, u := range batch {
				if err := tx.TouchToken(u.hash, u.at); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			for _, u := range used {
				rt.tokens.note(u) // the next round tries again
			}
			return fmt.Errorf("writing last_used: %w", err)
		}
		used = used[len(batch):]
	}
	return nil
}
