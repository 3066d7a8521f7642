package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSteadily_WhoComesWaitsForNobodyBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var late atomic.Int64
		err := steadily(t.Context(), 50, 10, func(_ context.Context, i int, due time.Time) error {
			if want := begin.Add(time.Duration(i) * 20 * time.Millisecond); !due.Equal(want) || !time.Now().Equal(want) {
				late.Add(1)
			}
			time.Sleep(time.Hour) // a server that stalls
			return nil
		})
		if err != nil || late.Load() != 0 {
			t.Errorf("%d of 10 came late, %v", late.Load(), err)
		}
		if took := time.Since(begin); took != time.Hour+180*time.Millisecond {
			t.Errorf("ended after %v, before the last one", took)
		}
	})
}

func TestCrowded_SoManyAtATimeAndEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		done := make([]atomic.Int64, 20)
		begin := time.Now()
		err := crowded(t.Context(), 4, len(done), func(_ context.Context, i int, _ time.Time) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			now.Add(-1)
			done[i].Add(1)
			return nil
		})
		if err != nil || most.Load() != 4 || time.Since(begin) != 5*time.Second {
			t.Errorf("at most %d at a time, in %v, %v", most.Load(), time.Since(begin), err)
		}
		for i := range done {
			if n := done[i].Load(); n != 1 {
				t.Errorf("the one with number %d was done %d times", i, n)
			}
		}
	})
}

func TestPace_AFailureEndsIt(t *testing.T) {
	broken := errors.New("broken")
	for name, pace := range map[string]func(context.Context, func(context.Context, int, time.Time) error) error{
		"steadily": func(ctx context.Context, do func(context.Context, int, time.Time) error) error {
			return steadily(ctx, 1000, 1_000_000, do)
		},
		"crowded": func(ctx context.Context, do func(context.Context, int, time.Time) error) error {
			return crowded(ctx, 3, 1_000_000, do)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var begun atomic.Int64
			err := pace(t.Context(), func(ctx context.Context, i int, _ time.Time) error {
				begun.Add(1)
				if i == 5 {
					return broken
				}
				select {
				case <-time.After(time.Millisecond):
				case <-ctx.Done(): // the others hear of it
				}
				return nil
			})
			if !errors.Is(err, broken) || begun.Load() > 20 {
				t.Errorf("%s: %v after %d", name, err, begun.Load())
			}
		})
	}
}

// A server that takes 30 ms for one at a time, and gets one every 20 ms, makes
// each wait 10 ms longer than the one before. Counted from when somebody is
// served, all would seem to wait 30 ms.
func TestLoad_WhoQueuesWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan *account, 1)
		free <- new(account)
		slow := func(_ context.Context, _ *account, due time.Time) (spell, error) {
			time.Sleep(30 * time.Millisecond)
			return spell{server: time.Since(due), mail: time.Millisecond}, nil
		}
		l := Load{Rate: 50}
		spells, err := l.run(t.Context(), free, 11, slow)
		if err != nil {
			t.Fatal(err)
		}
		l.latencies(spells)
		if l.P50 != 80*time.Millisecond || l.P99 != 130*time.Millisecond {
			t.Errorf("p50 %v, p99 %v", l.P50, l.P99)
		}
		if l.Mail50 != time.Millisecond || l.Mail99 != time.Millisecond {
			t.Errorf("mail after %v, %v", l.Mail50, l.Mail99)
		}
	})
}

func TestLoad_AccountsTakeTurns(t *testing.T) {
	free := make(chan *account, 3)
	for range cap(free) {
		free <- new(account)
	}
	var turns []*account
	l := Load{Workers: 1}
	_, err := l.run(t.Context(), free, 6, func(_ context.Context, a *account, _ time.Time) (spell, error) {
		turns = append(turns, a)
		return spell{}, nil
	})
	if err != nil || !slices.Equal(turns[:3], turns[3:]) || turns[0] == turns[1] || turns[1] == turns[2] || turns[0] == turns[2] {
		t.Errorf("turns of %v, %v", turns, err)
	}
}

func TestSpell_TypingIsDueWhenAnswerAndMailAreThere(t *testing.T) {
	due := time.Now()
	at := func(ms int) time.Time { return due.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct {
		name                string
		asked, mailed, done int
		server, mail        time.Duration
	}{
		{"the mail comes late", 5, 100, 103, 8 * time.Millisecond, 100 * time.Millisecond},
		{"the mail comes first", 5, 4, 8, 8 * time.Millisecond, 4 * time.Millisecond},
	} {
		if got := spellOf(due, at(c.asked), at(c.mailed), at(c.done)); got != (spell{c.server, c.mail}) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
