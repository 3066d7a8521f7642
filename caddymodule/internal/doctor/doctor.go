// Package doctor checks and attacks a deployment from outside, through its
// public addresses, and says which line to change (DESIGN §11).
//
//	doctor.go   what is known, what is asked, what comes out
//	wire.go     requests that no browser would send
//	world.go    the portal, the app, the probe, and what arrived
//	echo.go     what the app got, where it says so
//	process.go, portal.go, stranger.go, tunnel.go, spoof.go, paths.go, user.go, traffic.go
//	            the checks, each a question with its own fixes
//	fixes.go    the lines to change, by kind of proxy
//	report.go   the table
//
// It knows the server by its answers and by what Inside tells, and nothing of
// Caddy.
package doctor

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// Inside is the server, as it shows itself to the operator of its host.
type Inside interface {
	// Facts are what the process knows.
	Facts(ctx context.Context) (*Facts, error)
	// Probe begins a probe of an app's host; user may be empty.
	Probe(ctx context.Context, app, user string) (*Probe, error)
	// Seen is what arrived of a probe so far.
	Seen(ctx context.Context, nonce string) ([]Seen, error)
	// End ends a probe.
	End(ctx context.Context, nonce string) error
}

// Facts are what the running process knows about itself.
type Facts struct {
	Version string    `json:"version"`
	Now     time.Time `json:"now"`
	Uptime  int64     `json:"uptime_seconds"`
	Portal  string    `json:"portal"` // where people sign in
	Sidecar bool      `json:"sidecar"`
	Apps    []App     `json:"apps"`
	Proxies []Proxy   `json:"proxies"`
	Mail    string    `json:"mail"` // "ok", or what is wrong
	NoMail  bool      `json:"no_mail"`
	// Silent says which proxy lately did not tell who its client was.
	Silent string `json:"silent,omitempty"`
}

// App is a guarded host.
type App struct {
	Origin  string   `json:"origin"` // https://*.example.com: all of one label
	Guarded bool     `json:"guarded"`
	Public  []string `json:"public"`
}

// Proxy is who may ask for decisions.
type Proxy struct {
	Kind string   `json:"kind"`
	From []string `json:"from"`
}

// Probe is what a run has in its hands. Its secrets open one app for some
// minutes and are printed nowhere.
type Probe struct {
	Nonce     string            `json:"nonce"`
	Cookie    string            `json:"cookie,omitempty"` // name of the session's cookie
	Session   string            `json:"session,omitempty"`
	Token     string            `json:"token,omitempty"`
	NoToken   string            `json:"no_token,omitempty"`
	Identity  map[string]string `json:"identity,omitempty"`  // header → value; empty: must not arrive
	Assertion string            `json:"assertion,omitempty"` // header
}

// Seen is a request of the probe where it was decided about, or handed on to
// the app.
type Seen struct {
	Place   string      `json:"place"` // asked, handed
	Kind    string      `json:"kind,omitempty"`
	Peer    string      `json:"peer,omitempty"`
	Client  netip.Addr  `json:"client"`
	Method  string      `json:"method"`
	Scheme  string      `json:"scheme"`
	Host    string      `json:"host"`
	Path    string      `json:"path"`
	Query   string      `json:"query"`
	Header  http.Header `json:"header"`
	Verdict string      `json:"verdict,omitempty"`
}

// Where a request is seen.
const (
	asked  = "asked"
	handed = "handed"
)

// Options are what a run is told.
type Options struct {
	Version string // of this program
	App     string // host; empty: the first
	User    string // empty: what needs a session is not checked
	Echo    string // path that answers with the request it got; empty: looked for
	Events  string // path of an event stream
	WS      string // path of a WebSocket
	Wire    Wire
	Now     func() time.Time
	// Lookup resolves names; nil where they are not used.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Verdict is how a check ended.
type Verdict string

// Verdicts.
const (
	OK         Verdict = "ok"
	Fail       Verdict = "FAIL"
	Warn       Verdict = "warn"
	NotChecked Verdict = "not checked"
)

// Result is one row of the table, with what to do.
type Result struct {
	ID       string  `json:"id"`
	Question string  `json:"question"`
	Verdict  Verdict `json:"verdict"`
	Saw      string  `json:"saw"`
	Why      string  `json:"why,omitempty"`
	Fixes    []Fix   `json:"fixes,omitempty"`
}

// Fix is what to write, for one kind of proxy.
type Fix struct {
	Where string   `json:"where"` // "nginx"; "Caddyfile" is ours
	Lines []string `json:"lines"`
}

// Report is a whole run.
type Report struct {
	Portal  string   `json:"portal"`
	App     string   `json:"app"`
	Kinds   []string `json:"kinds"` // what stands in front of the app
	Results []Result `json:"results"`
}

// Failed reports whether something is wrong.
func (r *Report) Failed() bool {
	for i := range r.Results {
		if r.Results[i].Verdict == Fail {
			return true
		}
	}
	return false
}

// check is one question. It runs on a world and answers what it found.
type check struct {
	id, question string
	why          string // what is at stake, in one sentence
	needs        needs
	run          func(ctx context.Context, w *world) finding
}

// needs say what a check cannot do without.
type needs uint8

const (
	needUser needs = 1 << iota // a session that the app takes
	needEcho                   // an app that says what it got
)

// finding is what a check found out; fix is by kind, and may be left out.
type finding struct {
	verdict Verdict
	saw     string
	fix     fixes
}

func ok(saw string) finding              { return finding{OK, saw, nil} }
func fail(fix fixes, saw string) finding { return finding{Fail, saw, fix} }
func warn(fix fixes, saw string) finding { return finding{Warn, saw, fix} }
func notChecked(why string) finding      { return finding{NotChecked, why, nil} }
func (f finding) worse(other finding) finding {
	if rank[other.verdict] > rank[f.verdict] {
		return other
	}
	return f
}

var rank = map[Verdict]int{NotChecked: 0, OK: 1, Warn: 2, Fail: 3}

// checks are all questions in the order of the table.
func checks() []check {
	var all []check
	for _, list := range [][]check{processChecks, portalChecks, strangerChecks, spoofChecks, userChecks, trafficChecks} {
		all = append(all, list...)
	}
	return all
}

// Run asks every question. An error means that nothing could be asked.
func Run(ctx context.Context, in Inside, o Options) (*Report, error) {
	w, err := begin(ctx, in, o)
	if err != nil {
		return nil, err
	}
	defer w.end()
	report := &Report{Portal: w.facts.Portal, App: w.app.Origin, Kinds: w.kinds}
	for _, c := range checks() {
		report.Results = append(report.Results, w.ask(ctx, &c))
	}
	return report, ctx.Err()
}

func (w *world) ask(ctx context.Context, c *check) Result {
	f := notChecked(w.lacks(c.needs))
	if w.tally = (tally{}); f.saw == "" {
		f = c.run(ctx, w)
	}
	if why := w.tally.worthless(); f.verdict == OK && why != "" {
		f = notChecked(why)
	}
	r := Result{ID: c.id, Question: c.question, Verdict: f.verdict, Saw: w.redact(f.saw)}
	if f.verdict == Fail || f.verdict == Warn {
		r.Why, r.Fixes = c.why, w.fixes(f.fix)
	}
	return r
}
