package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

// goodReport keeps every target.
func goodReport() *Report {
	r := &Report{
		Machine: Machine{CPU: "A Processor", Kernel: "Linux 6", Go: "go1.26", Cores: 2, Load: "0.00"},
		Date:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Slices: 2, Span: time.Second,
		Start:  &Start{Ready: 0.1, Starts: 10, Resident: 50e6, Binary: 60e6},
		Open:   &Open{Sessions: openSessions, Bytes: 1e9, Took: 0.001, Opens: opens},
		SignIn: goodSignIn(),
	}
	r.Guards = comparison(plain, control, guardVariants...)
	r.ForwardAuth = comparison(always, alwaysAgain, append(askedRows(), siteRows()...)...)
	add := func(pkg, name string, values map[string]float64) {
		r.Benchmarks = append(r.Benchmarks, Benchmark{pkg, name, values})
	}
	for _, n := range []string{"1000", "100000", "1000000"} {
		add("authcore", "Check/hit/"+n, map[string]float64{"ns/op": 300, "allocs/op": 1, "B/op": 16})
		add("authcore/sessioncache", "GetTouch/sessions="+n, map[string]float64{"ns/op": 100, "B/session": 120})
	}
	add("caddymodule", "Guard/whole", map[string]float64{"ns/op": 1000, "allocs/op": 4})
	add("caddymodule", "Guard/arrival", map[string]float64{"ns/op": 100, "allocs/op": 0})
	add("store/bolt", "Commit16Writers", map[string]float64{"ns/op": 1e9, "x": 4})
	return r
}

// comparison is of variants that are all the same.
func comparison(base, control string, variants ...string) *Comparison {
	c := new(Comparison)
	for _, conns := range levels {
		l := &Level{Conns: conns, Tries: 1, Samples: make(map[string][]Sample), Base: base, Control: control}
		for round := range 2 {
			for _, v := range variants {
				l.Samples[v] = append(l.Samples[v], sampleOf(round, 1000, 100*time.Microsecond))
			}
		}
		c.Levels = append(c.Levels, l)
	}
	return c
}

func render(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReport_ShowsMachineDateAndEveryTarget(t *testing.T) {
	r := goodReport()
	if list := r.failures(); len(list) > 0 {
		t.Errorf("missed: %v", list)
	}
	text := render(t, r)
	for _, want := range []string{
		"A Processor · 2 cores · Linux 6 · go1.26", "2 January 2026, 03:04 UTC",
		"| the check on a hit, at 1 thousand, 100 thousand, 1 million sessions | 0.30 · 0.30 · 0.30 µs | ≤ 0.40 µs | pass |",
		"| bbolt: durable commits of 16 writers, grouped against one each | 4 × | ≥ 3 × | pass |",
		"| size of the binary | 60 MB | ≤ 70 MB | pass |",
		"| guarded | 1000 | 1 | 100 µs | 1 |",
		"| authcore | Check/hit/1000 | 300 | 1 | 16 |  |",
		"### 1 connection\n", "### 64 connections\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	for _, never := range []string{missed, unknown, "?", "NaN"} {
		if strings.Contains(text, never) {
			t.Errorf("the report of a good run has %q", never)
		}
	}
}

func TestReport_EachMissIsNamed(t *testing.T) {
	slower := func(r *Report) { // 11 % less throughput, and so 11 % more CPU
		for i := range r.Guards.Levels[1].Samples[guarded] {
			r.Guards.Levels[1].Samples[guarded][i].Requests = 890
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Report)
		quick  bool
		want   []string
	}{
		{"slow guard", slower, false, []string{
			"guarded proxy against one that sets the same headers: throughput: 1 · 0.89 · 1 × instead of ≥ 0.97 ×",
			"guarded proxy against a plain one: throughput: 1 · 0.89 · 1 × instead of ≥ 0.90 ×",
			"… CPU per request: 1 · 1.12 · 1 × instead of ≤ 1.10 ×",
		}},
		{"slow guard, quick run", slower, true, nil},
		{"control drifts", func(r *Report) { r.Guards.Levels[0].Samples[control] = r.Guards.Levels[0].Samples[control][:0] }, false, []string{
			"A/A control: two plain proxies differ by, at 1, 16, 64 connections: ? · 0 · 0 instead of ≤ 0.03",
		}},
		{"large binary, quick run", func(r *Report) { r.Start.Binary = 71e6 }, true, []string{"size of the binary: 71 MB instead of ≤ 70 MB"}},
		{"no benchmark of the guard, quick run", func(r *Report) { r.drop("caddymodule") }, true, []string{
			"the whole guard: ? µs instead of ≤ 1.20 µs", "… its allocations: ? instead of ≤ 5",
		}},
		{"no grouped commits", func(r *Report) { r.drop("store/bolt") }, false, []string{
			"bbolt: durable commits of 16 writers, grouped against one each: ? × instead of ≥ 3 ×",
		}},
		{"nothing started", func(r *Report) { r.Start, r.Skipped = nil, []string{"http", "forward-auth", "micro", "open"} }, false, []string{
			"start to ready, empty database: ? ms instead of ≤ 200 ms", "memory (RSS) of an idle server: ? MB instead of ≤ 60 MB",
			"size of the binary: ? MB instead of ≤ 70 MB",
		}},
		{"left out", func(r *Report) { r.Start, r.Skipped = nil, []string{"start"} }, false, nil},
		{"HTTP broke off", func(r *Report) {
			r.Guards.Levels, r.Skipped = r.Guards.Levels[:2], []string{"forward-auth", "micro", "start", "open"}
		}, false, []string{
			"A/A control: two plain proxies differ by, at 1, 16, 64 connections: 0 · 0 · ? instead of ≤ 0.03",
			"guarded proxy against one that sets the same headers: throughput: 1 · 1 · ? × instead of ≥ 0.97 ×",
			"guarded proxy against a plain one: throughput: 1 · 1 · ? × instead of ≥ 0.90 ×",
			"… CPU per request: 1 · 1 · ? × instead of ≤ 1.10 ×",
		}},
		{"forward-auth did not start", func(r *Report) { r.ForwardAuth, r.Skipped = nil, []string{"http", "micro", "start", "open"} }, false, []string{
			"A/A control: two `respond 200` differ by, at 1, 16, 64 connections: ? · ? · ? instead of ≤ 0.03",
			"decision endpoint forward-auth against respond 200: throughput: ? · ? · ? × instead of ≥ 0.95 ×",
			"decision endpoint auth-request against respond 200: throughput: ? · ? · ? × instead of ≥ 0.95 ×",
			"decision endpoint ext-authz against respond 200: throughput: ? · ? · ? × instead of ≥ 0.95 ×",
			"decision endpoint forward-auth against respond 200, same headers: throughput: ? · ? · ? × instead of ≥ 0.95 ×",
			"decision endpoint auth-request against respond 200, same headers: throughput: ? · ? · ? × instead of ≥ 0.95 ×",
			"decision endpoint ext-authz against respond 200, same headers: throughput: ? · ? · ? × instead of ≥ 0.95 ×",
			"`forward_auth` → ours: connections opened per request, at 1, 16, 64 connections: ? · ? · ? instead of ≤ 0.05",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := goodReport()
			r.Quick = c.quick
			c.change(r)
			if got, want := strings.Join(r.failures(), "\n"), strings.Join(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if text := render(t, r); strings.Contains(text, missed) != (len(c.want) > 0 && !strings.Contains(c.want[0], "?")) {
				t.Errorf("marks do not agree:\n%s", text)
			}
		})
	}
}

// withPeers says that all peers were measured, each slower than ours by a
// hundredth more than it has to be.
func withPeers(r *Report) *Report {
	r.Peers = map[string]string{"authelia": "v4.1.2", "oauth2-proxy": "", "tinyauth": "v5.1.2", "caddy-security": "v1.1.2"}
	for _, l := range r.ForwardAuth.Levels {
		for _, b := range bounds {
			for i := range l.Samples[b.peer] {
				l.Samples[b.peer][i].CPU = time.Duration(1.01 * float64(l.Samples[b.peer][i].CPU) / b.cpu)
				l.Samples[through(b.peer)][i].Elapsed = time.Duration(1.01 * b.inside * float64(time.Second))
			}
		}
	}
	return r
}

func TestReport_PeersAreJudgedOnlyWhereTheyAreAtHand(t *testing.T) {
	r := goodReport()
	text := render(t, r)
	for _, want := range []string{
		"| … against authelia: CPU per check at 16 connections | – | ≤ 0.60 × | not at hand |",
		"| in process against `forward_auth` → tinyauth: throughput | – | ≥ 3 × | not at hand |",
		"Peers in this run: none; not at hand: authelia, oauth2-proxy, tinyauth, caddy-security.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}

	r = withPeers(r)
	if list := r.failures(); len(list) > 0 {
		t.Errorf("missed: %v", list)
	}
	text = render(t, r)
	for _, want := range []string{
		"| … against authelia: CPU per check at 16 connections | 0.59 × | ≤ 0.60 × | pass |",
		"| in process against `forward_auth` → tinyauth: throughput | 3.03 · 3.03 · 3.03 × | ≥ 3 × | pass |",
		"Peers in this run: authelia v4.1.2, oauth2-proxy, tinyauth v5.1.2, caddy-security v1.1.2.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}

	r.ForwardAuth.Levels[1].Samples["tinyauth"] = nil
	if list, want := r.failures(), "… against tinyauth: CPU per check at 16 connections: ? × instead of ≤ 0.25 ×"; len(list) != 1 || list[0] != want {
		t.Errorf("got %v, want %s", list, want)
	}
}

func TestReport_ForwardAuthShowsWhatWasOpenedAndTheMemory(t *testing.T) {
	r := goodReport()
	r.ForwardAuth.Resident = []Resident{{us, 61e6}, {"the edge", 48e6}}
	delete(r.ForwardAuth.Levels[0].Samples, "tinyauth")
	for i := range r.ForwardAuth.Levels[2].Samples[through(us)] {
		r.ForwardAuth.Levels[2].Samples[through(us)][i].Accepted = 60 // of 1000 requests
	}
	text := render(t, r)
	for _, want := range []string{
		"### Forward-auth, 1 connection\n", "| forward-auth | 1000 | 1 | 100 µs | 1 |",
		"| forward_auth → passwordless-auth | 1000 | 1 | 100 µs | 1 | 0 µs | 0 µs | 0.06 |",
		"| passwordless-auth | 61 MB |", "| the edge | 48 MB |",
		"| `forward_auth` → ours: connections opened per request, at 1, 16, 64 connections | 0 · 0 · 0.06 | ≤ 0.05 | **miss** |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "| tinyauth |"); n != 2 {
		t.Errorf("tinyauth has %d rows, measured at 2 levels", n)
	}
}

func (r *Report) drop(pkg string) {
	var kept []Benchmark
	for _, b := range r.Benchmarks {
		if b.Package != pkg {
			kept = append(kept, b)
		}
	}
	r.Benchmarks = kept
}

func TestReport_SaysWhenNotToBelieveIt(t *testing.T) {
	r := goodReport()
	r.Guards.Levels[2].Tries = 3
	for i := range r.Guards.Levels[2].Samples[control] {
		r.Guards.Levels[2].Samples[control][i].Requests = 900
	}
	text := render(t, r)
	if want := "throughput 0.90 ×, CPU 1.11 ×; run 3, since the control of those before drifted by more than 0.03; **the machine was too restless"; !strings.Contains(text, want) {
		t.Errorf("the report lacks %q:\n%s", want, text)
	}
	r.Quick = true
	if text := render(t, r); !strings.Contains(text, "**A quick run.**") {
		t.Error("a quick run looks like a real one")
	}
}

func TestNumber_KeepsWhatDecides(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 3: "3", 0.97: "0.97", 1.0149: "1.01", 12.34: "12.3", 123.4: "123", 45678.9: "45679",
		0.0312: "0.031", 0.00042: "0.00042", 0.5: "0.50", math.NaN(): "?",
	} {
		if got := number(v); got != want {
			t.Errorf("%v is shown as %s, want %s", v, got, want)
		}
	}
}
