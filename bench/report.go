package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Report is one run: what was measured, where and when.
type Report struct {
	Machine     Machine
	Date        time.Time
	Slices      int
	Span        time.Duration
	Quick       bool
	Skipped     []string          // sections
	Peers       map[string]string // versions, by name
	Guards      *Comparison
	ForwardAuth *Comparison
	Benchmarks  []Benchmark
	Start       *Start
	Open        *Open
	SignIn      *SignIn
}

// Machine is what the figures depend on.
type Machine struct {
	CPU, Kernel, Go string
	Cores           int
	Load            string // average of the minute before
}

func (r *Report) measured(section string) bool { return !slices.Contains(r.Skipped, section) }

// failures are the targets that were missed or not measured, one line each.
func (r *Report) failures() (list []string) {
	for _, t := range r.targets() {
		if mark := t.mark(r.Quick); mark == missed || mark == unknown {
			list = append(list, fmt.Sprintf("%s: %s instead of %s", t.What, t.figures(), t.bound()))
		}
	}
	return list
}

// write renders the report as Markdown.
func (r *Report) write(w io.Writer) error {
	var b strings.Builder
	r.writeHead(&b)
	r.writeTargets(&b)
	if r.Guards != nil || r.ForwardAuth != nil {
		r.writeMethod(&b)
	}
	if r.Guards != nil {
		r.writeGuards(&b)
	}
	if r.ForwardAuth != nil {
		r.writeForwardAuth(&b)
	}
	if len(r.Benchmarks) > 0 {
		r.writeBenchmarks(&b)
	}
	if r.SignIn != nil {
		r.writeSignIn(&b)
	}
	r.writeRest(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeHead(b *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(b, "# Performance\n\nWritten by `make bench`; do not edit. Run it on your machine: what carries over are the ratios.\n\n")
	if r.Quick {
		fmt.Fprintf(b, "**A quick run.** It shows that measuring works; its times mean nothing.\n\n")
	}
	fmt.Fprintf(b, "%s · %d cores · %s · %s · load before %s · %s\n", m.CPU, m.Cores, m.Kernel, m.Go, m.Load, r.Date.UTC().Format("2 January 2006, 15:04 UTC"))
	if len(r.Skipped) > 0 {
		fmt.Fprintf(b, "\nLeft out of this run: %s.\n", strings.Join(r.Skipped, ", "))
	}
}

func (r *Report) writeTargets(b *strings.Builder) {
	fmt.Fprint(b, "\n## Targets\n\n| what | measured | target | |\n|---|---|---|---|\n")
	for _, t := range r.targets() {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", t.What, t.figures(), t.bound(), t.mark(r.Quick))
	}
}

// figures are the measured values.
func (t Target) figures() string {
	if t.Absent {
		return unjudged
	}
	texts := make([]string, len(t.Values))
	for i, v := range t.Values {
		texts[i] = number(v)
	}
	return strings.TrimSpace(strings.Join(texts, " · ") + " " + t.Unit)
}

func (t Target) bound() string { return strings.TrimSpace(t.Op + " " + number(t.Bound) + " " + t.Unit) }

func (r *Report) writeMethod(b *strings.Builder) {
	fmt.Fprintf(b, `
## How load is measured

Servers, upstream and load are processes of their own, all on this machine. Each figure is the median of %d slices of %v
(of a third of them where no target depends on it). A round is a slice of each variant, in random order, and each ratio
is the median of the ratios within a round. CPU is user and system time.
`, r.Slices, r.Span)
}

func (r *Report) writeGuards(b *strings.Builder) {
	fmt.Fprint(b, `
## A guard in front of an app

One Caddy with a site for each variant, in front of one upstream. CPU is that of Caddy's process. All variants get the
same request, session cookie included, and keep 64 idle connections to the upstream.

- plain: `+"`reverse_proxy`"+` · control: the same again, for the noise (A/A) · headers: `+"`reverse_proxy`"+` that sets five headers
- guarded: `+"`passwordless_guard`"+`, signed in, and `+"`reverse_proxy`"+`
`)
	for _, l := range r.Guards.Levels {
		fmt.Fprintf(b, "\n### %s\n\n%s.\n\n", l.connections(), l.verdict())
		l.writeTable(b, "", plain, guardVariants, column{"upstream connections/request", opened})
	}
}

func (l *Level) connections() string {
	if l.Conns == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", l.Conns)
}

// verdict says whether the level's figures can be believed.
func (l *Level) verdict() string {
	of, to := l.Samples[l.Control], l.Samples[l.Base]
	text := fmt.Sprintf("A/A control: throughput %s ×, CPU %s ×", number(ratio(of, to, throughput)), number(ratio(of, to, cpuPerRequest)))
	if l.Tries > 1 {
		text += fmt.Sprintf("; run %d, since the control of those before drifted by more than %s", l.Tries, number(controlBound))
	}
	if !valid(l.drift()) {
		text += "; **the machine was too restless: do not believe these**"
	}
	return text
}

// column is one more figure of a table; the zero column is none.
type column struct {
	head   string
	metric metric
}

// writeTable compares variants, those that were measured, with the first.
func (l *Level) writeTable(b *strings.Builder, head, base string, variants []string, more column) {
	fmt.Fprintf(b, "| %s | requests/s | × %s | CPU/request | × %s | p50 | p99 |", head, base, base)
	rule := "\n|---|--:|--:|--:|--:|--:|--:|"
	if more.metric != nil {
		fmt.Fprintf(b, " %s |", more.head)
		rule += "--:|"
	}
	fmt.Fprintln(b, rule)
	for _, v := range variants {
		if len(l.Samples[v]) > 0 {
			l.writeRow(b, v, variants[0], more)
		}
	}
}

func (l *Level) writeRow(b *strings.Builder, variant, base string, more column) {
	name := variant
	if variant == guarded {
		name = "guarded"
	}
	samples, bases := l.Samples[variant], l.Samples[base]
	fmt.Fprintf(b, "| %s | %.0f | %s | %s µs | %s | %s µs | %s µs |", name,
		typical(samples, throughput), number(ratio(samples, bases, throughput)),
		number(typical(samples, cpuPerRequest)*1e6), number(ratio(samples, bases, cpuPerRequest)),
		number(typical(samples, p50)*1e6), number(typical(samples, p99)*1e6))
	if more.metric != nil {
		fmt.Fprintf(b, " %s |", number(typical(samples, more.metric)))
	}
	fmt.Fprintln(b)
}

func (r *Report) writeBenchmarks(b *strings.Builder) {
	fmt.Fprint(b, "\n## Go benchmarks\n\n| package | benchmark | ns | allocations | bytes allocated | more |\n|---|---|--:|--:|--:|---|\n")
	for _, m := range r.Benchmarks {
		var more []string
		for _, unit := range slices.Sorted(maps.Keys(m.Values)) {
			if !slices.Contains([]string{"ns/op", "allocs/op", "B/op"}, unit) {
				more = append(more, number(m.Values[unit])+" "+unit)
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", m.Package, m.Name,
			m.figure("ns/op"), m.figure("allocs/op"), m.figure("B/op"), strings.Join(more, ", "))
	}
}

func (m Benchmark) figure(unit string) string {
	value, ok := m.Values[unit]
	if !ok {
		return ""
	}
	return number(value)
}

func (r *Report) writeRest(b *strings.Builder) {
	if r.Start == nil && r.Open == nil {
		return
	}
	fmt.Fprint(b, "\n## Process and file\n\n")
	if s := r.Start; s != nil {
		fmt.Fprintf(b, "- Start to ready: %s ms, median of %d starts on an empty database, from starting the process to readiness 200.\n", number(s.Ready*1e3), s.Starts)
		fmt.Fprintf(b, "- Memory (RSS): %s MB, %v after that. Binary: %s MB.\n", number(float64(s.Resident)/1e6), idleFor, number(float64(s.Binary)/1e6))
	}
	if o := r.Open; o != nil {
		fmt.Fprintf(b, "- Opening a file of %s MB with %d sessions: %s ms, median of %d, its pages in the page cache.\n", number(float64(o.Bytes)/1e6), o.Sessions, number(o.Took*1e3), o.Opens)
	}
}

// number shows as many digits as carry meaning: a third one where it decides.
func number(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "?"
	case v == math.Trunc(v) || size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	case size >= 0.095:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.2g", v)
	}
}
