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
	Absent bool      // needs a peer that the reader does not have
}

// The marks of a target.
const (
	met      = "pass"
	missed   = "**miss**"
	unknown  = "**not measured**"
	unjudged = "–"
	absent   = "not at hand"
)

// mark judges the target.
func (t Target) mark(quick bool) string {
	if t.Absent {
		return absent
	}
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
		list = append(list, r.guardTargets()...)
	}
	if r.measured("forward-auth") {
		list = append(list, r.forwardAuthTargets()...)
	}
	if r.measured("micro") {
		list = append(list, r.storeTargets()...)
	}
	if r.measured("open") {
		list = append(list, Target{What: "bbolt: opening a file with 1 million sessions", Op: "≤", Bound: 10, Unit: "ms", Values: []float64{r.openTime()}, Noisy: true})
	}
	if r.measured("start") {
		list = append(list, r.startTargets()...)
	}
	if r.measured("sign-in") {
		list = append(list, r.signInTargets()...)
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
		{What: "the check on a hit, at 1 thousand, 100 thousand, 1 million sessions", Op: "≤", Bound: 0.4, Unit: "µs", Values: ns, Noisy: true},
		{What: "… its allocations", Op: "≤", Bound: 1, Values: allocs},
		{What: "the whole guard", Op: "≤", Bound: 1.2, Unit: "µs", Values: []float64{(r.figure("caddymodule", guard, "ns/op") - r.figure("caddymodule", arrival, "ns/op")) / 1e3}, Noisy: true},
		{What: "… its allocations", Op: "≤", Bound: 5, Values: []float64{r.figure("caddymodule", guard, "allocs/op")}},
	}
}

// each compares two variants of a scenario at every level.
func (c *Comparison) each(of, to string, m metric) (values []float64) {
	for _, conns := range levels {
		l := c.level(conns)
		values = append(values, ratio(l.Samples[of], l.Samples[to], m))
	}
	return values
}

// drifts are those of the A/A control at every level.
func (c *Comparison) drifts() (values []float64) {
	for _, conns := range levels {
		values = append(values, c.level(conns).drift())
	}
	return values
}

func (r *Report) guardTargets() []Target {
	c := r.Guards
	return []Target{
		{What: "A/A control: two plain proxies differ by, at 1, 16, 64 connections", Op: "≤", Bound: controlBound, Values: c.drifts(), Noisy: true},
		{What: "guarded proxy against one that sets the same headers: throughput", Op: "≥", Bound: 0.97, Unit: "×", Values: c.each(guarded, headers, throughput), Noisy: true},
		{What: "guarded proxy against a plain one: throughput", Op: "≥", Bound: 0.90, Unit: "×", Values: c.each(guarded, plain, throughput), Noisy: true},
		{What: "… CPU per request", Op: "≤", Bound: 1.10, Unit: "×", Values: c.each(guarded, plain, cpuPerRequest), Noisy: true},
	}
}

func (r *Report) storeTargets() []Target {
	var bytes []float64
	for _, n := range sizes[1:] { // with so few, what an empty cache costs outweighs them
		bytes = append(bytes, r.figure("authcore/sessioncache", fmt.Sprintf("GetTouch/sessions=%d", n), "B/session"))
	}
	return []Target{
		{What: "session cache, at 100 thousand, 1 million sessions", Op: "≤", Bound: 150, Unit: "bytes a session", Values: bytes},
		{What: "bbolt: durable commits of 16 writers, grouped against one each", Op: "≥", Bound: 3, Unit: "×", Values: []float64{r.figure("store/bolt", "Commit16Writers", "x")}, Noisy: true},
	}
}

func (r *Report) startTargets() []Target {
	ready, resident, binary := math.NaN(), math.NaN(), math.NaN()
	if r.Start != nil {
		ready, resident, binary = r.Start.Ready*1e3, float64(r.Start.Resident)/1e6, float64(r.Start.Binary)/1e6
	}
	return []Target{
		{What: "start to ready, empty database", Op: "≤", Bound: 200, Unit: "ms", Values: []float64{ready}, Noisy: true},
		{What: "memory (RSS) of an idle server", Op: "≤", Bound: 60, Unit: "MB", Values: []float64{resident}},
		{What: "size of the binary", Op: "≤", Bound: 70, Unit: "MB", Values: []float64{binary}},
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
