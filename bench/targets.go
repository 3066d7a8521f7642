package main

import (
	"fmt"
	"math"
)

// Target is a line of DESIGN §13: figures and what they must keep.
type Target struct {
	What   string
	Op     string // "≤" or "≥"
	Bound  float64
	Unit   string
	Values []float64 // all must keep it; NaN was not measured
	Noisy  bool      // moves with what else the machine does, so a quick run cannot judge it
}

// The marks of a target.
const (
	met      = "pass"
	missed   = "**miss**"
	unknown  = "**not measured**"
	unjudged = "–"
)

// mark judges the target.
func (t Target) mark(quick bool) string {
	for _, v := range t.Values {
		if math.IsNaN(v) {
			return unknown
		}
	}
	if quick && t.Noisy {
		return unjudged
	}
	for _, v := range t.Values {
		if t.Op == "≤" && v > t.Bound || t.Op == "≥" && v < t.Bound {
			return missed
		}
	}
	return met
}

// sizes are the numbers of cached sessions that the check is measured with.
var sizes = []int{1_000, 100_000, 1_000_000}

// targets judges what was measured, in the order of DESIGN §13.
func (r *Report) targets() []Target {
	var list []Target
	if r.measured("micro") {
		list = append(list, r.checkTargets()...)
	}
	if r.measured("http") {
		list = append(list, r.httpTargets()...)
	}
	if r.measured("micro") {
		list = append(list, r.storeTargets()...)
	}
	if r.measured("open") {
		list = append(list, Target{"bbolt: opening a file with 1 million sessions", "≤", 10, "ms", []float64{r.openTime()}, true})
	}
	if r.measured("start") {
		list = append(list, r.startTargets()...)
	}
	return list
}

func (r *Report) checkTargets() []Target {
	var ns, allocs []float64
	for _, n := range sizes {
		name := fmt.Sprintf(`Check/hit/%d`, n)
		ns, allocs = append(ns, r.figure("authcore", name, "ns/op")/1e3), append(allocs, r.figure("authcore", name, "allocs/op"))
	}
	const guard, arrival = `Guard/whole`, `Guard/arrival`
	return []Target{
		{"the check on a hit, at 1 thousand, 100 thousand, 1 million sessions", "≤", 0.4, "µs", ns, true},
		{"… its allocations", "≤", 1, "", allocs, false},
		{"the whole guard", "≤", 1.2, "µs", []float64{(r.figure("caddymodule", guard, "ns/op") - r.figure("caddymodule", arrival, "ns/op")) / 1e3}, true},
		{"… its allocations", "≤", 5, "", []float64{r.figure("caddymodule", guard, "allocs/op")}, false},
	}
}

func (r *Report) httpTargets() []Target {
	each := func(of, to string, m metric) (values []float64) {
		for _, conns := range levels {
			value := math.NaN()
			for _, l := range r.Levels {
				if l.Conns == conns {
					value = ratio(l.Samples[of], l.Samples[to], m)
				}
			}
			values = append(values, value)
		}
		return values
	}
	drifts := make([]float64, len(levels))
	for i := range drifts {
		drifts[i] = math.NaN()
		if i < len(r.Levels) {
			drifts[i] = r.Levels[i].drift()
		}
	}
	return []Target{
		{"A/A control: two plain proxies differ by, at 1, 16, 64 connections", "≤", controlBound, "", drifts, true},
		{"guarded proxy against one that sets the same headers: throughput", "≥", 0.97, "×", each(guarded, headers, throughput), true},
		{"guarded proxy against a plain one: throughput", "≥", 0.90, "×", each(guarded, plain, throughput), true},
		{"… CPU per request", "≤", 1.10, "×", each(guarded, plain, cpuPerRequest), true},
	}
}

func (r *Report) storeTargets() []Target {
	var bytes []float64
	for _, n := range sizes[1:] { // with so few, what an empty cache costs outweighs them
		bytes = append(bytes, r.figure("authcore/sessioncache", fmt.Sprintf("GetTouch/sessions=%d", n), "B/session"))
	}
	return []Target{
		{"session cache, at 100 thousand, 1 million sessions", "≤", 150, "bytes a session", bytes, false},
		{"bbolt: durable commits of 16 writers, grouped against one each", "≥", 3, "×", []float64{r.figure("store/bolt", "Commit16Writers", "x")}, true},
	}
}

func (r *Report) startTargets() []Target {
	ready, resident, binary := math.NaN(), math.NaN(), math.NaN()
	if r.Start != nil {
		ready, resident, binary = r.Start.Ready*1e3, float64(r.Start.Resident)/1e6, float64(r.Start.Binary)/1e6
	}
	return []Target{
		{"start to ready, empty database", "≤", 200, "ms", []float64{ready}, true},
		{"memory (RSS) of an idle server", "≤", 60, "MB", []float64{resident}, false},
		{"size of the binary", "≤", 70, "MB", []float64{binary}, false},
	}
}

func (r *Report) openTime() float64 {
	if r.Open == nil {
		return math.NaN()
	}
	return r.Open.Took * 1e3
}

// figure is a benchmark's, NaN when there is none.
func (r *Report) figure(pkg, name, unit string) float64 {
	if value, ok := find(r.Benchmarks, pkg, name, unit); ok {
		return value
	}
	return math.NaN()
}
