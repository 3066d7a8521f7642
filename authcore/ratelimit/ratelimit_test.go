package ratelimit

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ulule/limiter/v3"
)

// clock is stepped by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var perMinute = limiter.Rate{Period: time.Minute, Limit: 3}

func get(t testing.TB, s *Store, key string, rate limiter.Rate) limiter.Context {
	t.Helper()
	got, err := s.Get(context.Background(), key, rate)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestGet_FixedWindowToItsEdge(t *testing.T) {
	clock := newClock()
	s := NewStore(0, clock.Now)
	reset := clock.Now().Add(time.Minute).Unix()
	for i := range 5 {
		want := limiter.Context{Limit: 3, Remaining: max(int64(2-i), 0), Reset: reset, Reached: i >= 3}
		if got := get(t, s, "a", perMinute); got != want {
			t.Errorf("request %d: %+v, want %+v", i+1, got, want)
		}
		clock.Step(10 * time.Second)
	}
	clock.Step(10*time.Second - 1)
	if got := get(t, s, "a", perMinute); !got.Reached {
		t.Error("the window ends too early")
	}
	clock.Step(1)
	if got := get(t, s, "a", perMinute); got.Reached || got.Remaining != 2 {
		t.Errorf("the window does not end: %+v", got)
	}
}

func TestReset_IsNeverTooEarly(t *testing.T) {
	clock := newClock()
	clock.Step(900 * time.Millisecond)
	s := NewStore(0, clock.Now)
	got := get(t, s, "a", perMinute)
	if wait := time.Unix(got.Reset, 0).Sub(clock.Now()); wait < time.Minute || wait >= time.Minute+time.Second {
		t.Errorf("Reset is %v ahead", wait)
	}
}

func TestPeek_CountsNothing(t *testing.T) {
	s := NewStore(0, newClock().Now)
	for range 10 {
		if got, err := s.Peek(context.Background(), "a", perMinute); err != nil || got.Remaining != 3 || got.Reached {
			t.Fatalf("Peek = %+v, %v", got, err)
		}
	}
	get(t, s, "a", perMinute)
	if got, err := s.Peek(context.Background(), "a", perMinute); err != nil || got.Remaining != 2 {
		t.Errorf("Peek = %+v, %v", got, err)
	}
}

func TestIncrement_NeitherNegativeNorOver(t *testing.T) {
	s := NewStore(0, newClock().Now)
	for _, step := range []struct{ count, remaining int64 }{{2, 1}, {-5, 1}, {0, 1}, {1, 0}, {math.MaxInt64, 0}, {math.MaxInt64, 0}, {1, 0}} {
		got, err := s.Increment(context.Background(), "a", step.count, perMinute)
		if err != nil || got.Remaining != step.remaining {
			t.Errorf("Increment(%d) = %+v, %v", step.count, got, err)
		}
	}
	if got := get(t, s, "a", perMinute); !got.Reached {
		t.Error("a great count ran over")
	}
}

func TestReset_ForgetsOneKey(t *testing.T) {
	s := NewStore(0, newClock().Now)
	for range 5 {
		get(t, s, "a", perMinute)
		get(t, s, "b", perMinute)
	}
	if got, err := s.Reset(context.Background(), "a", perMinute); err != nil || got.Remaining != 3 || got.Reached {
		t.Errorf("Reset = %+v, %v", got, err)
	}
	if got := get(t, s, "a", perMinute); got.Remaining != 2 {
		t.Errorf("after Reset: %+v", got)
	}
	if got := get(t, s, "b", perMinute); !got.Reached {
		t.Error("Reset of one key forgot another")
	}
}

func TestStore_KeysAndPeriodsCountApart(t *testing.T) {
	s := NewStore(0, newClock().Now)
	burst := limiter.Rate{Period: 10 * time.Second, Limit: 3}
	for i := range 4 {
		a, b, c := get(t, s, "a", perMinute), get(t, s, "a", burst), get(t, s, "b", perMinute)
		for _, got := range []limiter.Context{a, b, c} {
			if got.Reached != (i == 3) {
				t.Errorf("request %d: %+v", i+1, got)
			}
		}
	}
}

func TestStore_WorksUnderTheLimiter(t *testing.T) {
	l := limiter.New(NewStore(0, newClock().Now), perMinute)
	for i := range 4 {
		if got, err := l.Get(context.Background(), "a"); err != nil || got.Reached != (i == 3) {
			t.Errorf("request %d: %+v, %v", i+1, got, err)
		}
	}
}

// RL-4: bounded memory under key explosion; the attacker's count stays, with
// any number of other keys thrown at it.
func TestEvict_NeverForgetsAnActiveAttacker(t *testing.T) {
	for _, keys := range []int{1, 10, 1000, 10_000} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			clock := newClock()
			s := NewStore(keys, clock.Now)
			for range 3 { // exactly used up: the next request is refused
				get(t, s, "attacker", perMinute)
			}
			for i := range 5 * keys {
				get(t, s, fmt.Sprint("filler ", i), perMinute)
			}
			if got := get(t, s, "attacker", perMinute); !got.Reached {
				t.Errorf("the attacker's count was forgotten: %+v", got)
			}
			if n := s.len(); n > keys {
				t.Errorf("%d keys, bound %d", n, keys)
			}
		})
	}
}

func (s *Store) len() int {
	n := 0
	for i := range s.shards {
		n += len(s.shards[i].counters)
	}
	return n
}

func TestEvict_LeastUsedFirst(t *testing.T) {
	clock := newClock()
	s := NewStore(3, clock.Now)
	wide := limiter.Rate{Period: time.Minute, Limit: 100}
	for range 2 {
		get(t, s, "two of three", perMinute)
	}
	for range 50 {
		get(t, s, "half", wide)
	}
	get(t, s, "one of three", perMinute)
	get(t, s, "new", perMinute)
	for key, c := range map[string]struct {
		rate      limiter.Rate
		remaining int64
	}{"two of three": {perMinute, 1}, "half": {wide, 50}, "one of three": {perMinute, 3}, "new": {perMinute, 2}} {
		if got, _ := s.Peek(context.Background(), key, c.rate); got.Remaining != c.remaining {
			t.Errorf("%q has %d left, want %d", key, got.Remaining, c.remaining)
		}
	}
}

func TestEvict_ExpiredFirst(t *testing.T) {
	clock := newClock()
	s := NewStore(2, clock.Now)
	for range 9 {
		get(t, s, "spent, but over", perMinute)
	}
	clock.Step(30 * time.Second)
	get(t, s, "one of three", perMinute)
	clock.Step(30 * time.Second)
	get(t, s, "new", perMinute)
	if got, _ := s.Peek(context.Background(), "one of three", perMinute); got.Remaining != 2 {
		t.Errorf("a live key went before an expired one: %+v", got)
	}
}

// Where every key is used up, new ones are counted together: limited, bounded,
// and on their own again once there is room.
func TestOverflow_StrangersShareACount(t *testing.T) {
	clock := newClock()
	s := NewStore(4, clock.Now)
	for i := range 4 {
		for range 3 {
			get(t, s, fmt.Sprint("attacker ", i), perMinute)
		}
	}
	if got, _ := s.Peek(context.Background(), "stranger", perMinute); got.Reached || got.Remaining != 3 {
		t.Errorf("Peek before the first stranger: %+v", got)
	}
	for i := range 4 {
		if got := get(t, s, fmt.Sprint("stranger ", i), perMinute); got.Reached != (i == 3) {
			t.Errorf("stranger %d: %+v", i, got)
		}
	}
	if got, _ := s.Reset(context.Background(), "stranger 1", perMinute); got.Reached {
		t.Errorf("Reset: %+v", got)
	}
	if got, _ := s.Peek(context.Background(), "stranger 1", perMinute); got.Remaining != 0 {
		t.Errorf("Reset of one stranger forgot the others: %+v", got)
	}
	if s.len() != 4 {
		t.Errorf("%d keys", s.len())
	}
	clock.Step(time.Minute)
	for i := range 4 {
		if got := get(t, s, fmt.Sprint("stranger ", i), perMinute); got.Remaining != 2 {
			t.Errorf("stranger %d later: %+v", i, got)
		}
	}
}

func TestStore_ConcurrentCountsAreExact(t *testing.T) {
	s := NewStore(1000, newClock().Now)
	rate := limiter.Rate{Period: time.Minute, Limit: 1 << 20}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				if _, err := s.Get(context.Background(), fmt.Sprint(i%10), rate); err != nil {
					t.Error(err)
				}
				if _, err := s.Peek(context.Background(), fmt.Sprint("filler ", g, i), rate); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 10 {
		if got, _ := s.Peek(context.Background(), fmt.Sprint(i), rate); rate.Limit-got.Remaining != 800 {
			t.Errorf("key %d was counted %d times, want 800", i, rate.Limit-got.Remaining)
		}
	}
}

func TestGet_AllocatesNothingForAKnownKey(t *testing.T) {
	s := NewStore(0, newClock().Now)
	get(t, s, "a", perMinute)
	if n := testing.AllocsPerRun(100, func() { get(t, s, "a", perMinute) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// RL-1.
func TestClientKeys(t *testing.T) {
	for in, want := range map[string][]string{
		"203.0.113.7":              {"203.0.113.7/32"},
		"::ffff:203.0.113.7":       {"203.0.113.7/32"},
		"::ffff:cb00:7107":         {"203.0.113.7/32"},
		"127.0.0.1":                {"127.0.0.1/32"},
		"::1":                      {"::/64", "::/56", "::/48"},
		"2001:db8:1:2:3:4:5:6":     {"2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48"},
		"2001:db8:1:2:ffff::":      {"2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48"},
		"2001:db8:1:3::":           {"2001:db8:1:3::/64", "2001:db8:1::/56", "2001:db8:1::/48"},
		"fe80::1%eth0":             {"fe80::/64", "fe80::/56", "fe80::/48"},
		"::ffff:203.0.113.7%spoof": {"203.0.113.7/32"},
	} {
		if got := ClientKeys(netip.MustParseAddr(in)); !slices.Equal(got, want) {
			t.Errorf("ClientKeys(%s) = %q, want %q", in, got, want)
		}
	}
	if got := ClientKeys(netip.Addr{}); !slices.Equal(got, []string{UnknownClient}) {
		t.Errorf("ClientKeys of no address = %q", got)
	}
}

// However an address is spelled, it has the keys of its canonical form, and
// they hold the address.
func FuzzClientKeys(f *testing.F) {
	for _, s := range []string{"203.0.113.7", "::ffff:1.2.3.4", "2001:db8::1", "fe80::1%x", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		keys := ClientKeys(addr)
		if err != nil {
			if !slices.Equal(keys, []string{UnknownClient}) {
				t.Errorf("ClientKeys(%q) = %q", s, keys)
			}
			return
		}
		plain := addr.Unmap().WithZone("")
		if !slices.Equal(keys, ClientKeys(plain)) || len(keys) != map[bool]int{true: 1, false: 3}[plain.Is4()] {
			t.Errorf("ClientKeys(%q) = %q", s, keys)
		}
		for _, key := range keys {
			prefix, err := netip.ParsePrefix(key)
			if err != nil || !prefix.Contains(plain) || prefix.Masked() != prefix {
				t.Errorf("ClientKeys(%q) = %q", s, keys)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	for _, c := range []struct {
		name       string
		keys, step int
	}{{"known keys", 10_000, 1}, {"new keys, full", 1 << 20, 7919}} {
		b.Run(c.name, func(b *testing.B) {
			s := NewStore(DefaultKeys, newClock().Now)
			keys := make([]string, c.keys)
			for i := range keys {
				keys[i] = fmt.Sprint("key ", i)
			}
			for i := range min(c.keys, 200_000) {
				get(b, s, keys[i], perMinute)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				get(b, s, keys[i], perMinute)
				i = (i + c.step) % len(keys)
			}
		})
	}
}

// Measure tells of the window that holds back first, and of one that refuses
// before all others.
func TestMeasure_TellsOfTheTightestWindow(t *testing.T) {
	clock := newClock()
	s := NewStore(0, clock.Now)
	rates := []limiter.Rate{{Period: time.Minute, Limit: 5}, {Period: 10 * time.Second, Limit: 3}}
	ip := netip.MustParseAddr("2001:db8::1")
	step := func(want Quota, wantOK bool) {
		t.Helper()
		if got, ok := s.Measure(context.Background(), "x", ip, rates...); got != want || ok != wantOK {
			t.Errorf("%+v %v, want %+v %v", got, ok, want, wantOK)
		}
	}
	for left := int64(2); left >= 0; left-- {
		step(Quota{3, left, 10 * time.Second}, true)
	}
	step(Quota{3, 0, 10 * time.Second}, false)
	clock.Step(10 * time.Second)
	step(Quota{5, 0, 50 * time.Second}, true) // four of five went, the refused one too
	step(Quota{5, 0, 50 * time.Second}, false)
	if retry, ok := s.Charge(context.Background(), "x", ip, rates...); ok || retry != 50*time.Second {
		t.Errorf("Charge answers %v %v", retry, ok)
	}
	if retry, ok := s.Charge(context.Background(), "y", ip, rates...); !ok || retry != 0 {
		t.Errorf("Charge answers %v %v", retry, ok)
	}
}
