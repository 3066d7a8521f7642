package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// world is the deployment that a run looks at.
type world struct {
	in     Inside
	o      Options
	facts  *Facts
	since  time.Time // when facts were told, by this machine's clock
	app    App
	host   string   // of app
	kinds  []string // of the proxies in front of it; "guard": none
	public string   // a public path of the app, or ""
	probe  *Probe
	steps  int
	tally  tally // of the check that runs

	home    *sent  // what the user gets at the echo's path, or at "/"
	heard   []Seen // what was decided about it
	echo    string // path of an echo, or ""
	session string // why the user's session cannot be used; "": it can
}

// guard is the kind of an app that is guarded in process.
const guard = "guard"

// sent is a request, its number in the query, and what came of it.
type sent struct {
	*response
	n   int
	err error
}

// was tells people what came.
func (s *sent) was() string {
	if s.err != nil {
		return s.err.Error()
	}
	if to := s.location(); to != "" {
		if u, err := url.Parse(to); err == nil {
			to = u.Scheme + "://" + u.Host + u.Path // a query may hold what is secret
		}
		return s.status() + " to " + to
	}
	return s.status()
}

// begin asks the process, chooses the app, begins the probe and finds out what
// the rest can build on.
func begin(ctx context.Context, in Inside, o Options) (*world, error) {
	w := &world{in: in, o: o, since: o.Now()}
	var err error
	if w.facts, err = in.Facts(ctx); err != nil {
		return nil, err
	}
	if err := w.choose(); err != nil {
		return nil, err
	}
	if w.probe, err = in.Probe(ctx, w.host, o.User); err != nil {
		return nil, err
	}
	w.public = publicPath(w.app.Public)
	if o.User != "" {
		w.meet(ctx)
	}
	return w, nil
}

// choose finds the app that the run is about.
func (w *world) choose() error {
	if len(w.facts.Apps) == 0 {
		return errors.New("no app is configured: add passwordless_guard to a site, or an app and its proxy to the passwordless option")
	}
	want := strings.ToLower(w.o.App)
	var names []string
	for _, app := range w.facts.Apps {
		name := hostOf(app.Origin)
		names = append(names, name)
		parent, wild := strings.CutPrefix(name, "*.")
		label, above, _ := strings.Cut(want, ".")
		switch {
		case want == "" && !wild, want == name && !wild:
		case wild && above == parent && label != "" && !w.isApp(want):
			app.Origin = strings.Replace(app.Origin, "*", label, 1)
		default:
			continue
		}
		w.app, w.host = app, hostOf(app.Origin)
		w.kinds = w.kindsOf(app)
		return nil
	}
	if want == "" {
		return fmt.Errorf("%s is many hosts: name one of them with --app", names[0])
	}
	return fmt.Errorf("no app is configured at %s; there are: %s", want, strings.Join(names, ", "))
}

func (w *world) isApp(host string) bool {
	return slices.ContainsFunc(w.facts.Apps, func(a App) bool { return hostOf(a.Origin) == host })
}

func (w *world) kindsOf(app App) []string {
	if app.Guarded {
		return []string{guard}
	}
	var kinds []string
	for _, p := range w.facts.Proxies {
		if !slices.Contains(kinds, p.Kind) {
			kinds = append(kinds, p.Kind)
		}
	}
	return kinds
}

// hostOf is the name in an origin.
func hostOf(origin string) string {
	_, rest, _ := strings.Cut(origin, "://")
	name, _ := hostPort(rest)
	return name
}

// publicPath is a path that needs no sign-in, of the patterns that say so.
func publicPath(patterns []string) string {
	for _, p := range patterns {
		if below, wild := strings.CutSuffix(p, "*"); wild {
			return below + "doctor"
		}
	}
	if len(patterns) > 0 {
		return patterns[0]
	}
	return ""
}

// end ends the probe, whatever became of the run.
func (w *world) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = w.in.End(ctx, w.probe.Nonce) // it dies by itself soon
}

// guarded reports whether the app is guarded in process.
func (w *world) guarded() bool { return w.app.Guarded }

// lacks says what is missing for a check; "": nothing.
func (w *world) lacks(n needs) string {
	switch {
	case n&(needUser|needEcho) != 0 && w.o.User == "":
		return "name a user with --user"
	case n&(needUser|needEcho) != 0 && w.session != "":
		return w.session
	case n&needEcho != 0 && w.echo == "":
		return "the app does not say what it gets; name a path that does with --echo"
	}
	return ""
}

// Header lines of clients that there are.
var (
	navigation = []header{
		{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"},
		{"Sec-Fetch-Mode", "navigate"},
		{"Sec-Fetch-Dest", "document"},
		{"Sec-Fetch-Site", "none"},
		{"Sec-Fetch-User", "?1"},
		{"User-Agent", agent},
	}
	script = []header{
		{"Accept", "application/json"}, {"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Dest", "empty"}, {"Sec-Fetch-Site", "same-origin"}, {"User-Agent", agent},
	}
)

const agent = "Mozilla/5.0 (passwordless-auth doctor)"

// stepParam numbers the requests of a run, in their query.
const stepParam = "passwordless-step="

// mark adds the probe's nonce and the number of the step to a target.
func (w *world) mark(target string, n int) string {
	sep := "?"
	if strings.Contains(target, "?") {
		sep = "&"
	}
	return target + sep + "passwordless-probe=" + w.probe.Nonce + "&" + stepParam + strconv.Itoa(n)
}

// step is the number of the next request.
func (w *world) step() int {
	w.steps++
	return w.steps
}

// send sends a request to the app, marked. Its error is in what it answers.
func (w *world) send(ctx context.Context, r request) *sent {
	return w.sendAs(ctx, w.step(), r)
}

func (w *world) sendAs(ctx context.Context, n int, r request) *sent {
	if r.origin == "" {
		r.origin = w.app.Origin
	}
	r.target = w.mark(r.target, n)
	res, err := w.o.Wire.send(ctx, r)
	w.tally.count(res, err)
	return &sent{res, n, err}
}

// tally is how the requests of one check fared.
type tally struct{ sent, failed, limited int }

func (t *tally) count(res *response, err error) {
	switch t.sent++; {
	case err != nil:
		t.failed++
	case res.StatusCode == http.StatusTooManyRequests:
		t.limited++
	}
}

// worthless says why requests that did no harm prove nothing; "": they do.
func (t *tally) worthless() string {
	switch {
	case t.limited > 0:
		return "a limit refused some of the requests; raise it, or wait and come again"
	case t.sent > 0 && t.failed == t.sent:
		return "nobody answers"
	}
	return ""
}

// get is a request of nobody.
func get(target string, h ...header) request {
	return request{target: target, header: append(append([]header{}, script...), h...)}
}

// load is a page load of nobody.
func load(target string) request { return request{target: target, header: navigation} }

// signedIn adds the user's session.
func (w *world) signedIn(r request) request { return r.with(w.cookie()) }

func (w *world) cookie() header { return header{"Cookie", w.probe.Cookie + "=" + w.probe.Session} }

// seen is what arrived of a step at a place.
func (w *world) seen(ctx context.Context, n int, place string) ([]Seen, error) {
	list, err := w.in.Seen(ctx, w.probe.Nonce)
	if err != nil {
		return nil, err
	}
	want := stepParam + strconv.Itoa(n)
	return slices.DeleteFunc(list, func(s Seen) bool {
		return s.Place != place || !slices.Contains(strings.Split(s.Query, "&"), want)
	}), nil
}

// redact takes the secrets of the probe out of what is shown, wherever they
// came from.
func (w *world) redact(s string) string {
	for _, secret := range []string{w.probe.Session, w.probe.Token} {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "…")
		}
	}
	const longest = 400
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}
