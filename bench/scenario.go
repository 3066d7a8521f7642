package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// One Caddy serves every variant on a port of its own, in front of one
// upstream. The load sends all of them the same bytes but for the Host.

// Variants, by the first label of their host.
const (
	plain   = "plain"   // reverse_proxy
	control = "control" // the same again: what differs between the two is noise
	headers = "headers" // reverse_proxy that sets the headers which the guard sets
	guarded = "app"     // passwordless_guard and reverse_proxy, signed in
	floor   = "floor"   // respond 200: what Caddy costs without a proxy
)

var (
	variants = []string{plain, control, headers, guarded, floor}
	levels   = []int{1, 16, 64} // connections
)

const (
	portalHost = "auth.localhost"
	floorEvery = 3 // rounds; no target depends on the floor
)

// scenario is everything that runs while HTTP is measured.
type scenario struct {
	server   *server
	upstream *child
	load     *child
	mailbox  *mailbox
	ports    map[string]int
	cookies  string
}

// Level is what was measured with so many connections.
type Level struct {
	Conns   int
	Tries   int
	Samples map[string][]Sample // by variant
}

func (l *Level) drift() float64 { return drift(l.Samples[control], l.Samples[plain]) }

// measureHTTP compares the variants at every level.
func measureHTTP(ctx context.Context, o options) (result []*Level, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := new(scenario)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx, o.binary, dir); err != nil {
		return nil, err
	}
	for _, conns := range levels {
		level, err := s.level(ctx, conns, o)
		if err != nil {
			return result, err
		}
		result = append(result, level)
	}
	return result, nil
}

func (s *scenario) start(ctx context.Context, binary, dir string) (err error) {
	if s.upstream, err = startChild("upstream"); err != nil {
		return err
	}
	if s.load, err = startChild("load"); err != nil {
		return err
	}
	if s.mailbox, err = openMailbox(); err != nil {
		return err
	}
	var up upstreamState
	if err := s.upstream.ask(struct{}{}, &up); err != nil {
		return err
	}
	ports, err := freePorts(len(variants) + 1)
	if err != nil {
		return err
	}
	s.ports = make(map[string]int)
	for i, v := range variants {
		s.ports[v] = ports[i+1]
	}
	if err := addPerson(ctx, databaseIn(dir)); err != nil {
		return err
	}
	if s.server, err = startServer(binary, dir, s.caddyfile(dir, ports[0], up.Addr)); err != nil {
		return err
	}
	if err := s.server.ready(ctx, ports[0]); err != nil {
		return err
	}
	session, err := signIn(ctx, s.origin(guarded)+"/", s.mailbox.codes)
	if err != nil {
		return fmt.Errorf("signing in: %w\n%s", err, s.server.lastWords())
	}
	s.cookies = "theme=dark; " + session
	return s.verify(ctx)
}

func (s *scenario) origin(variant string) string {
	return origin(variant+".localhost", s.ports[variant])
}

func (s *scenario) stop() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.stop())
	}
	for _, c := range []*child{s.load, s.upstream} {
		if c != nil {
			errs = append(errs, c.stop())
		}
	}
	if s.mailbox != nil {
		errs = append(errs, s.mailbox.close())
	}
	return errors.Join(errs...)
}

// globals keeps every trace of the server in dir.
const globals = `{
	admin off
	auto_https off
	persist_config off
	default_bind 127.0.0.1
	storage file_system %[1]s
	grace_period 1s
	passwordless {
		database %[2]s
		portal %[3]s
		methods email
		smtp %[4]s {
			from bench@localhost
			tls none
		}
	}
}
%[3]s {
	passwordless_portal
}
`

// proxying keeps as many idle connections to the upstream as there are clients.
// Caddy's default of 32 makes it open one for every fourth request of 64
// clients, which would drown what is compared.
const proxying = `reverse_proxy %s {
		transport http {
			keepalive_idle_conns_per_host 64
		}
%s	}`

func globalsFor(dir string, portal int, smtp string) string {
	return fmt.Sprintf(globals, filepath.Join(dir, "storage"), databaseIn(dir), origin(portalHost, portal), smtp)
}

func databaseIn(dir string) string { return filepath.Join(dir, "data", "auth.db") }

func (s *scenario) caddyfile(dir string, portal int, upstream string) string {
	headersUp := ""
	for _, h := range identity {
		headersUp += fmt.Sprintf("\t\theader_up %s %q\n", h.name, h.value)
	}
	proxy, setting := fmt.Sprintf(proxying, upstream, ""), fmt.Sprintf(proxying, upstream, headersUp)
	text := globalsFor(dir, portal, s.mailbox.addr)
	for _, site := range []struct{ variant, directives string }{
		{plain, proxy}, {control, proxy}, {headers, setting}, {guarded, "passwordless_guard\n\t" + proxy}, {floor, "respond 200"},
	} {
		text += fmt.Sprintf("%s {\n\t%s\n}\n", s.origin(site.variant), site.directives)
	}
	return text
}

// verify looks at what reaches the upstream: a comparison of things that do not
// do what they are called would be worthless.
func (s *scenario) verify(ctx context.Context) error {
	for variant, identified := range map[string]bool{plain: false, control: false, headers: true, guarded: true} {
		got, err := s.seen(ctx, variant)
		if err != nil {
			return err
		}
		for _, h := range identity {
			want := ""
			if identified {
				want = h.value
			}
			if value := got.Get(h.name); value != want {
				return fmt.Errorf("behind %s the upstream got %s %q instead of %q", variant, h.name, value, want)
			}
		}
		if hidden := !strings.Contains(got.Get("Cookie"), sessionCookie+"="); hidden != (variant == guarded) {
			return fmt.Errorf("behind %s it is %t that the session cookie was taken out", variant, hidden)
		}
	}
	return nil
}

// seen are the headers that reach the upstream.
func (s *scenario) seen(ctx context.Context, variant string) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.origin(variant)+seenPath, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Cookie", s.cookies)
	client := http.Client{Transport: &http.Transport{DialContext: dialLoopback, DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("looking behind %s: %w", variant, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("looking behind %s: %s", variant, res.Status)
	}
	var got http.Header
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		return nil, fmt.Errorf("looking behind %s: %w", variant, err)
	}
	return got, nil
}

// level measures all variants with so many connections, again while the control
// says that the figures cannot be believed.
func (s *scenario) level(ctx context.Context, conns int, o options) (*Level, error) {
	l := &Level{Conns: conns}
	for l.Tries < o.tries {
		l.Tries++
		slog.Info("measuring", "connections", conns, "slices", o.slices, "try", l.Tries)
		if err := s.rounds(ctx, l, o); err != nil {
			return nil, err
		}
		if d := l.drift(); valid(d) {
			break
		} else {
			slog.Warn("the A/A control drifts", "connections", conns, "drift", fmt.Sprintf("%.3f", d))
		}
	}
	return l, nil
}

// rounds runs one slice of each variant in random order, again and again.
func (s *scenario) rounds(ctx context.Context, l *Level, o options) error {
	l.Samples = make(map[string][]Sample)
	for _, v := range variants { // opens the connections, fills caches
		if _, err := s.sample(v, l.Conns, o.span/4); err != nil {
			return err
		}
	}
	for round := range o.slices {
		order, err := shuffled(len(variants))
		if err != nil {
			return err
		}
		for _, i := range order {
			v := variants[i]
			if v == floor && round%floorEvery != 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			sample, err := s.sample(v, l.Conns, o.span)
			if err != nil {
				return err
			}
			sample.Round = round
			l.Samples[v] = append(l.Samples[v], sample)
		}
	}
	return nil
}

func (s *scenario) sample(variant string, conns int, span time.Duration) (Sample, error) {
	request := "GET / HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.origin(variant), "http://") +
		"\r\nUser-Agent: bench\r\nAccept: */*\r\nCookie: " + s.cookies + "\r\n\r\n"
	before, cpu, err := s.counters()
	if err != nil {
		return Sample{}, err
	}
	var r sliceResult
	err = s.load.ask(slice{
		Addr: "127.0.0.1:" + strconv.Itoa(s.ports[variant]), Request: []byte(request), Conns: conns, Span: span,
	}, &r)
	if err != nil {
		return Sample{}, fmt.Errorf("loading %s with %d connections: %w", variant, conns, err)
	}
	after, cpuAfter, err := s.counters()
	if err != nil {
		return Sample{}, err
	}
	return Sample{Requests: r.Requests, Elapsed: r.Elapsed, CPU: cpuAfter - cpu, P50: r.P50, P99: r.P99, Opened: after - before}, nil
}

// counters are the connections accepted by the upstream and the CPU time of the
// server so far.
func (s *scenario) counters() (int, time.Duration, error) {
	var up upstreamState
	if err := s.upstream.ask(struct{}{}, &up); err != nil {
		return 0, 0, err
	}
	cpu, err := cpuTime(s.server.pid())
	return up.Opened, cpu, err
}
