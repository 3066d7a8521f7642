package main

import (
	"fmt"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/bench/peers"
)

// bounds are what DESIGN §13 promises against each peer.
var bounds = []struct {
	peer   string
	cpu    float64 // ours per check, in parts of theirs
	inside float64 // our throughput in process, in multiples of theirs behind forward_auth
}{
	{"authelia", 0.6, 2}, {"oauth2-proxy", 0.4, 2}, {"tinyauth", 0.25, 3},
}

// compared are the connections at which CPU per check is compared with peers.
const compared = 16

func (r *Report) forwardAuthTargets() []Target {
	c := r.ForwardAuth
	list := []Target{{What: "A/A control: two `respond 200` differ by, at 1, 16, 64 connections", Op: "≤", Bound: controlBound, Values: c.drifts(), Noisy: true}}
	for _, base := range []string{always, sameHeaders} {
		for _, endpoint := range endpoints {
			list = append(list, Target{
				What: fmt.Sprintf("decision endpoint %s against %s: throughput", endpoint, base), Op: "≥", Bound: 0.95, Unit: "×",
				Values: c.each(endpoint, base, throughput), Noisy: true,
			})
		}
	}
	for _, b := range bounds {
		l := c.level(compared)
		list = append(list, Target{
			What: fmt.Sprintf("… against %s: CPU per check at %d connections", b.peer, compared), Op: "≤", Bound: b.cpu, Unit: "×",
			Values: []float64{ratio(l.Samples[forwardAuth], l.Samples[b.peer], cpuPerRequest)}, Noisy: true, Absent: !r.has(b.peer),
		})
	}
	opened := Target{What: "`forward_auth` → ours: connections opened per request, at 1, 16, 64 connections", Op: "≤", Bound: 0.05, Noisy: true}
	for _, conns := range levels {
		opened.Values = append(opened.Values, typical(c.level(conns).Samples[through(us)], asked))
	}
	list = append(list, opened)
	for _, b := range bounds {
		list = append(list, Target{
			What: "in process against `forward_auth` → " + b.peer + ": throughput", Op: "≥", Bound: b.inside, Unit: "×",
			Values: c.each(inside, through(b.peer), throughput), Noisy: true, Absent: !r.has(b.peer),
		})
	}
	return list
}

// has says whether a peer was given.
func (r *Report) has(peer string) bool {
	_, ok := r.Peers[peer]
	return ok
}

func (r *Report) writeForwardAuth(b *strings.Builder) {
	fmt.Fprintf(b, `
## Forward-auth

An auth server under load, and then the same server behind a Caddy that asks it about every request to an app. All know
the user by the session cookie that comes with each request. Each runs with its defaults, so some log every request.
%s.

- Asked: the load asks a decision endpoint as a proxy does, in that proxy's words, on connections that it keeps.
  `+"`respond 200`"+` is a site of the same process that says yes to anybody; control is the same again, for the noise (A/A);
  "same headers" is one whose answer has what an answer of ours has, so that what is left is the decision.
- In front of an app: the load visits an app behind `+"`forward_auth`"+`, or behind a guard in the proxy's own process. CPU is that of
  the proxy and of the auth server together; the app, the same for all, is not in it. Connections/request are those that
  the auth server accepted, from the kernel's count for the whole machine.
`, r.atHand())
	for _, l := range r.ForwardAuth.Levels {
		fmt.Fprintf(b, "\n### Forward-auth, %s\n\n%s.\n\n", l.connections(), l.verdict())
		l.writeTable(b, "asked", always, askedRows(), column{})
		fmt.Fprintln(b)
		l.writeTable(b, "in front of an app", always, siteRows(), column{"connections/request", asked})
	}
	if len(r.ForwardAuth.Resident) > 0 {
		fmt.Fprint(b, "\n### Memory after that load\n\n| process | RSS |\n|---|--:|\n")
		for _, m := range r.ForwardAuth.Resident {
			fmt.Fprintf(b, "| %s | %s MB |\n", m.Server, number(float64(m.Bytes)/1e6))
		}
	}
}

// atHand says which peers were measured.
func (r *Report) atHand() string {
	var given, missing []string
	for _, name := range peers.Names() {
		if version, ok := r.Peers[name]; ok {
			given = append(given, strings.TrimSpace(name+" "+version))
		} else {
			missing = append(missing, name)
		}
	}
	if len(given) == 0 {
		given = []string{"none"}
	}
	text := "Peers in this run: " + strings.Join(given, ", ")
	if len(missing) > 0 {
		text += "; " + absent + ": " + strings.Join(missing, ", ")
	}
	return text
}

// askedRows are the variants that are asked, in the order of the table.
func askedRows() []string {
	rows := append([]string{always, alwaysAgain, sameHeaders}, endpoints...)
	for _, name := range peers.Names() {
		if !peers.Inside(name) {
			rows = append(rows, name)
		}
	}
	return rows
}

// siteRows are those in front of an app.
func siteRows() []string {
	rows := []string{through(always), through(us)}
	var modules []string
	for _, name := range peers.Names() {
		if peers.Inside(name) {
			modules = append(modules, name)
		} else {
			rows = append(rows, through(name))
		}
	}
	return append(append(rows, inside), modules...)
}
