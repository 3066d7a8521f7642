package authcore

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

func entryOfGrant(t *testing.T, g Grant) *tokenEntry {
	t.Helper()
	e, err := newTokenEntry(&store.AccessToken{App: g.App, Path: g.Path, Methods: g.Methods, Networks: g.Networks}, &store.User{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestTokenCache_AHitReadsNothing(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, _ := f.createToken(alice, "path=/x", 0)
	first := f.findsToken(token)
	views := f.views.Load()
	if f.findsToken(token) != first || f.views.Load() != views {
		t.Error("the second request reads the store")
	}
	f.breakViews(storetest.ErrInjected)
	if f.findsToken(token) != first {
		t.Error("a store that does not answer is asked for a token that is known")
	}
}

// FA-10: no answer is no refusal, and no entry.
func TestTokenCache_StoreThatFailsIsAnError(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, _ := f.createToken(alice, "", 0)
	f.breakViews(storetest.ErrInjected)
	if e, err := f.s.findToken(f.ctx(), token.Reveal()); e != nil || !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("got %v, %v", e, err)
	}
	f.breakViews(nil)
	if f.findsToken(token) == nil {
		t.Error("a failed read is remembered")
	}
}

// FA-10: a record that this program would not have written opens nothing.
func TestTokenCache_DamagedRecordOpensNothing(t *testing.T) {
	for name, spoil := range map[string]func(*store.AccessToken){
		"path":    func(rec *store.AccessToken) { rec.Path = "dav/*" },
		"network": func(rec *store.AccessToken) { rec.Networks = []string{"10.0.0.0"[:7]} },
	} {
		f := newFixture(t)
		f.signIn(alice)
		token, rec := f.createToken(alice, "", 0)
		spoil(rec)
		f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return tx.PutToken(rec) }))
		if e, err := f.s.findToken(f.ctx(), token.Reveal()); e != nil || err == nil {
			t.Errorf("%s: got %v, %v", name, e, err)
		}
	}
}

// A token knows its user as the store does since the last change.
func TestTokenCache_SeesAChangedUserAtOnce(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, _ := f.createToken(alice, "", 0)
	f.findsToken(token)
	f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"staff"}))
	if e := f.findsToken(token); e == nil || len(e.identity.Groups) != 1 {
		t.Errorf("after the change: %+v", e)
	}
}

// A read that was under way while something was invalidated is good for its own
// request and no other.
func TestTokenCache_ReadFromBeforeAChangeIsNotKept(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, rec := f.createToken(alice, "", 0)
	var once sync.Once
	view := func() error {
		once.Do(func() { f.rt.cache.Invalidate() }) // between the stamp and the read
		return nil
	}
	f.view.Store(&view)
	if f.findsToken(token) == nil {
		t.Fatal("the token does not work")
	}
	if f.rt.tokens.get(rec.Hash, f.rt.cache.Stamp()) != nil {
		t.Error("what was read before the change is found after it")
	}
}

func TestTokenCache_IsBounded(t *testing.T) {
	var c tokenCache
	hash := func(n int) store.Hash { return store.Hash{0: 7, 1: byte(n), 2: byte(n >> 8)} } // one shard
	for n := range 3 * tokensPerShard {
		c.add(&tokenEntry{hash: hash(n), stamp: 1})
		c.touch(&tokenEntry{hash: hash(n)}, time.Unix(1e9, 0))
	}
	sh := c.shard(hash(0))
	if len(sh.entries) != tokensPerShard || len(sh.used) != tokensPerShard {
		t.Errorf("%d entries and %d uses, want %d", len(sh.entries), len(sh.used), tokensPerShard)
	}
	if c.get(hash(3*tokensPerShard-1), 1) == nil {
		t.Error("the newest is not there")
	}
	c.add(&tokenEntry{hash: hash(9999), stamp: 2}) // all others are stale by now
	if len(sh.entries) != 1 || c.get(hash(9999), 2) == nil {
		t.Errorf("stale entries stay while good ones go: %d", len(sh.entries))
	}
	if tokenShards*tokensPerShard > maxCachedTokens {
		t.Error("the bound is passed")
	}
}

// last_used is written once a minute at most, and not by requests.
func TestToken_LastUsedIsFlushed(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, rec := f.createToken(alice, "", 0)
	used := func() time.Time { return f.storedToken(rec.ID).LastUsed }
	flushes := func() bool { // whether there was something to write
		before := f.updates.Load()
		f.must(f.rt.flush(f.ctx()))
		return f.updates.Load() != before
	}
	f.must(f.rt.flush(f.ctx()))
	if f.findsToken(token); flushes() || !used().IsZero() {
		t.Error("a token that was looked at counts as used")
	}
	first := f.s.now()
	before := f.updates.Load()
	f.s.useToken(f.findsToken(token))
	if f.updates.Load() != before {
		t.Error("a request wrote to the store")
	}
	if !flushes() || !used().Equal(first) {
		t.Errorf("last used is %v, want %v", used(), first)
	}
	f.clock.advance(tokenTouchEvery - time.Second)
	f.s.useToken(f.findsToken(token))
	f.rt.cache.Invalidate() // also when it is read anew
	f.s.useToken(f.findsToken(token))
	f.rt.tokens = tokenCache{}
	f.s.useToken(f.findsToken(token))
	if flushes() {
		t.Error("it is written again within the minute")
	}
	f.clock.advance(time.Second)
	f.s.useToken(f.findsToken(token))
	if !flushes() || !used().Equal(first.Add(tokenTouchEvery).Truncate(0)) {
		t.Errorf("a minute later last used is %v", used())
	}
}

func TestToken_UseOutlastsAStoreThatFails(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	token, rec := f.createToken(alice, "", 0)
	f.s.useToken(f.findsToken(token))
	f.setFault(alwaysFail)
	if err := f.rt.flush(f.ctx()); err == nil {
		t.Fatal("the flush did not fail")
	}
	f.setFault(nil)
	f.must(f.rt.flush(f.ctx()))
	if f.storedToken(rec.ID).LastUsed.IsZero() {
		t.Error("the use is lost")
	}
}

// What comes back from a flush that failed is older than what was noted since.
func TestTokenCache_NotesTheLatestUse(t *testing.T) {
	var c tokenCache
	early, late := time.Unix(1e9, 0), time.Unix(2e9, 0)
	for _, order := range [][]time.Time{{early, late}, {late, early}} {
		for _, at := range order {
			c.note(usedToken{at: at})
		}
		if all := c.collect(); len(all) != 1 || !all[0].at.Equal(late) {
			t.Errorf("noted %v, collected %v", order, all)
		}
	}
}

// Revoked while many use it: once that is answered, nobody is let in.
func TestTokenCache_RevocationWinsOverRequestsUnderWay(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	for range 20 {
		token, rec := f.createToken(alice, "", 0)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						if e, err := f.s.findToken(f.ctx(), token.Reveal()); err != nil {
							t.Error(err)
						} else if e != nil {
							f.s.useToken(e)
						}
					}
				}
			})
		}
		f.must(f.s.RevokeToken(f.ctx(), "host", rec.ID))
		if f.findsToken(token) != nil {
			t.Error("a revoked token works")
		}
		close(stop)
		wg.Wait()
		f.must(f.rt.flush(f.ctx()))
		if f.storedToken(rec.ID) != nil || f.findsToken(token) != nil {
			t.Error("a late use brought the token back")
		}
	}
}

// TestToken_HasOneRevoker: of any number of attempts one wins, and the audit
// log has one line of success.
func TestToken_HasOneRevoker(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	_, rec := f.createToken(alice, "", 0)
	if won := f.race(func(int) error { return f.s.RevokeToken(f.ctx(), "host", rec.ID) }); won != 1 {
		t.Errorf("%d won", won)
	}
	good := 0
	for _, a := range f.audit(evTokenRevoked) {
		good += b2i(a.Success)
	}
	if good != 1 {
		t.Errorf("%d lines of success", good)
	}
}

func BenchmarkFindToken(b *testing.B) {
	f := newFixture(b)
	f.signIn(alice)
	token, _ := f.createToken(alice, "path=/dav/*", 0)
	b.ReportAllocs()
	for b.Loop() {
		if e, err := f.s.findToken(f.ctx(), token.Reveal()); err != nil || e == nil {
			b.Fatal("not found")
		}
	}
}
