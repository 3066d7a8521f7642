package main

import (
	"crypto/rand"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"
)

// Sample is one slice: one variant under load for a moment.
type Sample struct {
	Round    int
	Requests int
	Elapsed  time.Duration
	CPU      time.Duration // of the servers that work for it, user and system
	P50, P99 time.Duration // latency as the client saw it
	Opened   int           // connections that the upstream accepted
	Accepted int           // connections that anybody on this machine did
}

// metric is one figure of a sample.
type metric func(Sample) float64

func throughput(s Sample) float64    { return float64(s.Requests) / s.Elapsed.Seconds() }
func cpuPerRequest(s Sample) float64 { return s.CPU.Seconds() / float64(s.Requests) }
func p50(s Sample) float64           { return s.P50.Seconds() }
func p99(s Sample) float64           { return s.P99.Seconds() }
func opened(s Sample) float64        { return float64(s.Opened) / float64(s.Requests) }

// asked are the connections that an auth server accepted: the load keeps its
// own, and those of the upstream are counted there.
func asked(s Sample) float64 { return float64(s.Accepted-s.Opened) / float64(s.Requests) }

// median is the middle value, or the mean of the two middle ones; NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// percentile is the smallest value that at least the share p of them does not
// exceed (nearest rank); 0 of none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[max(0, min(rank, len(sorted))-1)]
}

// typical is the median of a metric.
func typical(samples []Sample, m metric) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = m(s)
	}
	return median(values)
}

// ratio compares two variants round by round, so that what slows the machine
// down for a while slows both sides, and is the median of those ratios.
func ratio(of, to []Sample, m metric) float64 {
	byRound := make(map[int]Sample, len(to))
	for _, s := range to {
		byRound[s.Round] = s
	}
	var values []float64
	for _, s := range of {
		if base, ok := byRound[s.Round]; ok {
			values = append(values, m(s)/m(base))
		}
	}
	return median(values)
}

// controlBound is how far two identical variants may seem to differ before a
// run says nothing (DESIGN §13: 0.97 to 1.03).
const controlBound = 0.03

// drift is how far the A/A control is from telling the truth: the larger
// distance from 1 of throughput and CPU per request.
func drift(control, plain []Sample) float64 {
	return max(math.Abs(ratio(control, plain, throughput)-1), math.Abs(ratio(control, plain, cpuPerRequest)-1))
}

// valid says whether a drift is small enough to believe the run; NaN is not.
func valid(drift float64) bool { return drift <= controlBound }

// shuffled are the numbers below n in random order, so that no variant always
// runs after the same other one.
func shuffled(n int) ([]int, error) {
	order := make([]int, n)
	for i := range order {
		j, err := rand.Int(rand.Reader, big.NewInt(int64(i+1)))
		if err != nil {
			return nil, fmt.Errorf("shuffling: %w", err)
		}
		k := int(j.Int64())
		order[i] = order[k]
		order[k] = i
	}
	return order, nil
}

// slower is the probability that one of a takes longer than one of b, both
// picked at random (area under the ROC curve; Mann-Whitney U over pairs): 1/2
// where nothing tells them apart. NaN of none.
func slower(a, b []float64) float64 {
	sorted := slices.Sorted(slices.Values(b))
	var wins float64
	for _, v := range a {
		below, _ := slices.BinarySearch(sorted, v)
		above, _ := slices.BinarySearchFunc(sorted, v, func(e, v float64) int {
			if e <= v {
				return -1
			}
			return 1
		})
		wins += float64(below+above) / 2 // an equal one is half
	}
	return wins / float64(len(a)*len(b))
}
