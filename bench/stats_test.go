package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestMedian_MiddleOrMeanOfTheMiddles(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 100, 2}, 3}} {
		given := slices.Clone(c.values)
		if got := median(given); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(given, c.values) {
			t.Errorf("median reordered %v", c.values)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing is %v", got)
	}
}

func TestPercentile_IsAValueThatOccurred(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{{hundred, 0.50, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred[:1], 0.99, 1}, {hundred[:3], 0.50, 2}, {nil, 0.50, 0}} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %v of %d values is %v, want %v", c.p, len(c.sorted), got, c.want)
		}
	}
}

// sampleOf served so many requests in a second, each for so much CPU.
func sampleOf(round, requests int, cpu time.Duration) Sample {
	return Sample{Round: round, Requests: requests, Elapsed: time.Second, CPU: cpu * time.Duration(requests)}
}

func TestRatio_IsNotMovedByASlowMachine(t *testing.T) {
	var fast, slow []Sample
	for round, speed := range []int{1000, 100, 2000, 10, 700} { // the machine's, round by round
		fast = append(fast, sampleOf(round, speed*2, 1))
		slow = append(slow, sampleOf(round, speed, 1))
	}
	slices.Reverse(slow) // rounds are matched by number, not by order
	if got := ratio(fast, slow, throughput); got != 2 {
		t.Errorf("ratio %v, want 2", got)
	}
	if got := ratio(fast[:2], slow[:2], throughput); !math.IsNaN(got) {
		t.Errorf("ratio %v of variants that share no round", got)
	}
}

func TestControl_BelievedOnlyWithinItsBound(t *testing.T) {
	base := []Sample{sampleOf(0, 1000, 100), sampleOf(1, 1000, 100), sampleOf(2, 1000, 100)}
	for _, c := range []struct {
		name     string
		requests int
		cpu      time.Duration
		want     bool
	}{
		{"equal", 1000, 100, true},
		{"a little faster", 1029, 100, true},
		{"a little slower", 971, 100, true},
		{"faster", 1031, 100, false},
		{"slower", 969, 100, false},
		{"more CPU", 1000, 104, false},
		{"less CPU", 1000, 96, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var samples []Sample
			for round := range base {
				samples = append(samples, sampleOf(round, c.requests, c.cpu))
			}
			if d := drift(samples, base); valid(d) != c.want {
				t.Errorf("drift %v is valid: %t", d, valid(d))
			}
		})
	}
	if valid(drift(nil, nil)) {
		t.Error("a control that was not measured is believed")
	}
}

func TestShuffled_EveryNumberOnceInChangingOrder(t *testing.T) {
	first := make(map[int]bool)
	for range 200 {
		order, err := shuffled(5)
		if err != nil {
			t.Fatal(err)
		}
		first[order[0]] = true
		if slices.Sort(order); !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Fatalf("got %v", order)
		}
	}
	if len(first) != 5 { // by chance in 1 of 10^18 runs
		t.Errorf("only %d of 5 variants ever came first", len(first))
	}
}

func TestAsked_LeavesOutTheUpstreams(t *testing.T) {
	if got := asked(Sample{Requests: 100, Opened: 7, Accepted: 10}); got != 0.03 {
		t.Errorf("got %v connections a request, want 0.03", got)
	}
}
