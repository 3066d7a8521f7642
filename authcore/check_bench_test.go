package authcore

import (
	"context"
	"fmt"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore/sessioncache"
)

// cached puts n live app sessions of n/4 users into the cache and answers
// their tokens' cookies, at most 4096 of them.
func (f *fixture) cached(n int) (cookies [][]string) {
	f.t.Helper()
	app := f.app(appHost)
	now := f.clock.now().Unix()
	for i := range n {
		token, err := f.s.NewToken()
		f.must(err)
		user := fmt.Sprint("user", i/4)
		e := sessioncache.Entry[Identity]{
			User: &Identity{UserID: user, Name: user, Email: user + "@example.com"}, Host: app.id, Kind: kindApp,
			AuthTime: now, Created: now, LastSeen: now,
		}
		f.rt.cache.Insert(token.Hash(), e, user, f.rt.cache.Stamp())
		if len(cookies) < 4096 {
			cookies = append(cookies, f.cookies(app.Origin, token))
		}
	}
	return cookies
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("hit/%d", n), func(b *testing.B) {
			f := newFixture(b)
			f.rt.cache = sessioncache.New[Identity](256 << 20)
			cookies := f.cached(n)
			if f.rt.cache.Len() != n {
				b.Fatalf("%d sessions are cached", f.rt.cache.Len())
			}
			ctx := context.Background()
			b.ReportAllocs()
			b.ReportMetric(float64(f.rt.cache.Bytes())/float64(n), "B/session")
			i := 0
			for b.Loop() {
				r := Request{Host: appHost, Path: "/a/page", Here: "/a/page", Cookies: cookies[i%len(cookies)]}
				if d := f.s.Check(ctx, &r); d.Verdict != Allow {
					b.Fatalf("%+v", d)
				}
				i++
			}
		})
	}
	b.Run("miss", func(b *testing.B) {
		f := newFixture(b)
		who, _ := f.signIn(alice)
		r := Request{Host: appHost, Path: "/", Here: "/", Cookies: f.cookies(f.app(appHost).Origin, f.handOver(who.Session, appHost))}
		b.ReportAllocs()
		for b.Loop() {
			f.rt.cache.Flush()
			if d := f.s.Check(context.Background(), &r); d.Verdict != Allow {
				b.Fatalf("%+v", d)
			}
		}
	})
}

func TestCheck_HitAllocatesAtMostOnce(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	r := Request{Host: appHost, Path: "/a/page", Here: "/a/page", Cookies: f.cookies(f.app(appHost).Origin, f.handOver(b.Session, appHost))}
	if d := f.s.Check(f.ctx(), &r); d.Verdict != Allow {
		t.Fatalf("%+v", d)
	}
	ctx := f.ctx()
	least := testing.AllocsPerRun(1000, func() { f.s.Check(ctx, &r) })
	for range 5 { // the least of several runs: other goroutines allocate too
		least = min(least, testing.AllocsPerRun(1000, func() { f.s.Check(ctx, &r) }))
	}
	if least > 1 {
		t.Errorf("a hit makes %v allocations", least)
	}
}
