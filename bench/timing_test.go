package main

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"
)

func TestSlower_IsTheShareOfPairs(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{2, 4}, []float64{1, 3}, 0.75},
		{[]float64{1, 3}, []float64{4, 2}, 0.25},
		{[]float64{5, 6}, []float64{1, 2, 3}, 1},
		{[]float64{1}, []float64{5, 6}, 0},
		{[]float64{1, 1}, []float64{1, 1, 1}, 0.5},
		{[]float64{2}, []float64{1, 2, 2, 9}, 0.5},
	} {
		if got := slower(c.a, c.b); got != c.want {
			t.Errorf("%v against %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if got := slower(nil, []float64{1}); !math.IsNaN(got) {
		t.Errorf("nothing is slower with probability %v", got)
	}
}

// timingOf has n samples of each group: the unknown ones alike, and of the known
// ones a share slower than all others.
func timingOf(request string, n int, share float64) *Timing {
	t := &Timing{Request: request, Tries: 1}
	for i := range n {
		v := 0.001 + float64(i)*1e-9
		t.Samples[unknown1], t.Samples[unknown2] = append(t.Samples[unknown1], v), append(t.Samples[unknown2], v)
		if float64(i) < share*float64(n) {
			v = 1
		}
		t.Samples[known] = append(t.Samples[known], v)
	}
	return t
}

func TestTiming_SlowerOrQuickerTellsAlike(t *testing.T) {
	same := timingOf("x", 100, 0)
	if same.told() != 0 || same.drift() != 0 || !settled([]*Timing{same}) {
		t.Errorf("told %v, drift %v", same.told(), same.drift())
	}
	slow := timingOf("x", 100, 1)
	quick := &Timing{Samples: [groups][]float64{slow.Samples[unknown1], slow.Samples[known], slow.Samples[known]}}
	for _, c := range []*Timing{slow, quick} {
		if c.told() != 0.5 || c.drift() != 0 {
			t.Errorf("told %v, drift %v", c.told(), c.drift())
		}
	}
	slow.Samples[unknown2] = slow.Samples[known]
	if slow.drift() != 0.5 || settled([]*Timing{same, slow}) {
		t.Errorf("drift %v is believed", slow.drift())
	}
	if !math.IsNaN(new(Timing).told()) || !math.IsNaN(new(Timing).drift()) {
		t.Error("nothing measured tells something")
	}
}

func TestNumbered_AGroupIsKnownOrNot(t *testing.T) {
	seen := map[string]int{}
	for i := range 10 * addressesEach * groups {
		address := numbered(i)
		if group, ok := seen[address]; ok && group != i%groups {
			t.Fatalf("%s is in two groups", address)
		}
		seen[address] = i % groups
	}
	for i := range addressesEach { // as openDesk writes them
		if seen[personOf(i*groups)] != known {
			t.Fatalf("%s has an account and is not known", personOf(i*groups))
		}
	}
	if len(seen) != addressesEach*groups {
		t.Errorf("%d addresses", len(seen))
	}
}

func TestTiming_EachSampleIsItsGroups(t *testing.T) {
	var got Timing
	var order []int
	err := got.each(t.Context(), 30, func(i int) (time.Duration, error) {
		order = append(order, i)
		return time.Duration(i%groups) * time.Second, nil
	})
	if err != nil || slices.IsSorted(order) {
		t.Errorf("in order %v, %v", order, err)
	}
	for group, samples := range got.Samples {
		if len(samples) != 10 || slices.Max(samples) != float64(group) || slices.Min(samples) != float64(group) {
			t.Errorf("group %d has %v", group, samples)
		}
	}
	broken := errors.New("broken")
	if err := got.each(t.Context(), 3, func(int) (time.Duration, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
