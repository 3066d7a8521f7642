package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// maxWeight is what the sign-in page may cost to load, in kB.
const maxWeight = 30

// signInTargets judges what speed tells and what the page weighs. How fast
// sign-ins are depends on the disk, so those figures are facts.
func (r *Report) signInTargets() []Target {
	requests := timedRequests()
	told := Target{What: "telling known addresses by the time of " + strings.Join(requests, ", ") + ": AUC off ½ by", Op: "≤", Bound: tellBound, Noisy: true}
	beyond := Target{What: "… beyond what chance does to unknown ones (A/A)", Op: "≤", Bound: beyondBound, Noisy: true}
	for _, request := range requests {
		t := r.SignIn.timing(request)
		told.Values = append(told.Values, t.told())
		beyond.Values = append(beyond.Values, max(0, t.told()-t.drift()))
	}
	weight := Target{What: "sign-in page with all that it loads, compressed", Op: "≤", Bound: maxWeight, Unit: "kB", Values: []float64{math.NaN()}}
	if r.SignIn != nil && r.SignIn.Weight != nil {
		weight.Values[0] = float64(r.SignIn.Weight.Compressed) / 1e3
	}
	return []Target{told, beyond, weight}
}

func timedRequests() (list []string) {
	for _, at := range doors {
		if list = append(list, at.asks); at.typeCode != nil {
			list = append(list, at.types)
		}
	}
	return list
}

// timing is a request's, or one without samples.
func (s *SignIn) timing(request string) *Timing {
	if s != nil {
		for _, t := range s.Timings {
			if t.Request == request {
				return t
			}
		}
	}
	return new(Timing)
}

func (r *Report) writeSignIn(b *strings.Builder) {
	s := r.SignIn
	fmt.Fprintf(b, `
## Signing in

One server of ours for each way, with a new database (bbolt in the directory for temporary files, every commit durable), %d accounts and a
client of the JSON API. All who sign in, and the mail server, are one other process on this machine. Limits that are configuration are
lifted. p50 and p99 are of what a sign-in waits for the server: until it has answered to the request for a code and to the code, or to both
requests of a passkey. That counts from when each was due, so that who comes while the server is late waits too. The mail stands apart,
from when the code was to be asked for until it was delivered; a crowd that signs in by code waits for mails as well, which the server
delivers four at a time. What an authenticator does is in no figure. CPU is the server's, delivery included.

`, s.People)
	fmt.Fprint(b, "| | at a time | each second | p50 | p99 | CPU each | mail p50 | mail p99 |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	s.Code.write(b, "by code")
	s.Passkey.write(b, "by passkey")
	if s.Refresh != nil {
		s.Refresh.write(b, "refresh of tokens")
	}
	writeMost(b, "by code", s.Code)
	writeMost(b, "by passkey", s.Passkey)
	if len(s.Timings) > 0 {
		writeTimings(b, s.Timings)
	}
	if w := s.Weight; w != nil {
		fmt.Fprintf(b, `
### What the sign-in page weighs

%d files, the page and what it and its scripts name: %s kB as they are, %s kB from a site with `+"`encode gzip`"+`. Caddy compresses only where a site says so.
`, w.Files, number(float64(w.Plain)/1e3), number(float64(w.Compressed)/1e3))
	}
}

func (w *Way) write(b *strings.Builder, name string) {
	if w == nil {
		return
	}
	w.Steady.write(b, fmt.Sprintf("%s, %d due each second", name, signInRate))
	for _, l := range w.Crowded {
		l.write(b, name+", as many as it takes")
	}
}

func (l *Load) write(b *strings.Builder, name string) {
	atATime, mail50, mail99 := unjudged, unjudged, unjudged
	if l.Workers > 0 {
		atATime = fmt.Sprint(l.Workers)
	}
	if l.Mail99 > 0 {
		mail50, mail99 = millis(l.Mail50), millis(l.Mail99)
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s ms | %s | %s |\n", name, atATime, number(throughput(l.Sample)),
		millis(l.P50), millis(l.P99), number(cpuPerRequest(l.Sample)*1e3), mail50, mail99)
}

func millis(d time.Duration) string { return number(d.Seconds()*1e3) + " ms" }

// most is the highest rate at which the server took sign-ins.
func (w *Way) most() *Load {
	var best *Load
	for _, l := range w.Crowded {
		if best == nil || throughput(l.Sample) > throughput(best.Sample) {
			best = l
		}
	}
	return best
}

func writeMost(b *strings.Builder, name string, w *Way) {
	if w != nil && len(w.Crowded) == len(crowds) {
		most := w.most()
		fmt.Fprintf(b, "\nThe most sign-ins %s that it took: %s each second, %d at a time.\n", name, number(throughput(most.Sample)), most.Workers)
	}
}

func writeTimings(b *strings.Builder, timings []*Timing) {
	fmt.Fprintf(b, `
### What the time of an answer tells

Requests for addresses of three groups, in random order on one connection: known, unknown, and unknown again (A/A). Those that ask for a
mail are %v apart; then a wrong code is typed for each of the API's. Times are medians. AUC is the probability that, of two answers, the
one for a known address (for the second unknown group) is the slower: ½ where nothing tells them apart.

| request | samples | known | unknown | difference | AUC | A/A: difference | A/A: AUC |
|---|--:|--:|--:|--:|--:|--:|--:|
`, lull)
	for _, t := range timings {
		base := median(t.Samples[unknown1])
		fmt.Fprintf(b, "| %s | %d each | %s µs | %s µs | %+.0f µs | %.3f | %+.0f µs | %.3f |\n", t.Request, len(t.Samples[known]),
			number(median(t.Samples[known])*1e6), number(base*1e6),
			(median(t.Samples[known])-base)*1e6, slower(t.Samples[known], t.Samples[unknown1]),
			(median(t.Samples[unknown2])-base)*1e6, slower(t.Samples[unknown2], t.Samples[unknown1]))
	}
	for _, t := range timings {
		if t.Tries > 1 {
			fmt.Fprintf(b, "\n%s: run %d, since the control of those before drifted by more than %s.\n", t.Request, t.Tries, number(tellBound))
		}
	}
}
