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
	"slices"
	"time"
)

// A scenario is variants that are compared: each listens on an address of its
// own, and all are put under the same load in turn, round by round.

// levels are numbers of connections.
var levels = []int{1, 16, 64}

const portalHost = "auth.localhost"

// variant is one thing under load.
type variant struct {
	name    string
	addr    string    // where the load connects
	request []byte    // what it sends, again and again
	work    []*server // whose CPU time it costs
	seldom  bool      // measured in every third round: no target depends on how fast it is
}

const seldomEvery = 3 // rounds

// scenario is everything that runs while its variants are measured.
type scenario struct {
	dir           string // for whatever a server writes
	upstream      *child
	load          *child
	mailbox       *mailbox
	codes         chan string // of the mails that came
	servers       []*server
	variants      []variant
	base, control string // two variants that are the same: what differs between them is noise (A/A)
}

// Comparison is what was measured of a scenario.
type Comparison struct {
	Levels   []*Level
	Resident []Resident
}

// Level is what was measured with so many connections.
type Level struct {
	Conns         int
	Tries         int
	Samples       map[string][]Sample // by variant
	Base, Control string
}

// Resident is the memory of a server that was under load.
type Resident struct {
	Server string
	Bytes  int64
}

func (l *Level) drift() float64 { return drift(l.Samples[l.Control], l.Samples[l.Base]) }

// level is the one with so many connections, or one without samples.
func (c *Comparison) level(conns int) *Level {
	if c != nil {
		for _, l := range c.Levels {
			if l.Conns == conns {
				return l
			}
		}
	}
	return new(Level)
}

// compare sets a scenario up, measures its variants at every level, and leaves
// nothing behind.
func compare(ctx context.Context, o options, setUp func(context.Context, *scenario, options) error) (result *Comparison, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &scenario{dir: dir, codes: make(chan string, 1)}
	defer func() { err = errors.Join(err, s.stop()) }()
	if s.upstream, err = startChild("upstream"); err != nil {
		return nil, err
	}
	if s.load, err = startChild("load"); err != nil {
		return nil, err
	}
	if s.mailbox, err = openMailbox(passOn(s.codes)); err != nil {
		return nil, err
	}
	if err := setUp(ctx, s, o); err != nil {
		return nil, err
	}
	result = new(Comparison)
	for _, conns := range levels {
		level, err := s.level(ctx, conns, o)
		if err != nil {
			return result, err
		}
		result.Levels = append(result.Levels, level)
	}
	for _, server := range s.servers {
		bytes, err := residentBytes(server.pid())
		if err != nil {
			return result, err
		}
		result.Resident = append(result.Resident, Resident{server.name, bytes})
	}
	return result, nil
}

func (s *scenario) stop() error {
	var errs []error
	for _, server := range slices.Backward(s.servers) {
		errs = append(errs, server.stop())
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

// start runs a server in its home until the scenario ends.
func (s *scenario) start(p program) (*server, error) {
	server, err := p.start()
	if err != nil {
		return nil, err
	}
	s.servers = append(s.servers, server)
	return server, nil
}

// home makes the directory of a server.
func (s *scenario) home(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("making a directory: %w", err)
	}
	return dir, nil
}

// upstreamAddr is where the app listens.
func (s *scenario) upstreamAddr() (string, error) {
	var up upstreamState
	err := s.upstream.ask(struct{}{}, &up)
	return up.Addr, err
}

// seen are the headers that reach the upstream of a site, for a request with
// some cookies.
func seen(ctx context.Context, addr, host, cookies string) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+seenPath, nil)
	if err != nil {
		return nil, err
	}
	req.Host = host
	req.Header.Set("Cookie", cookies)
	res, err := once(req)
	if err != nil {
		return nil, fmt.Errorf("looking behind %s: %w", host, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("looking behind %s: %s", host, res.Status)
	}
	var got http.Header
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		return nil, fmt.Errorf("looking behind %s: %w", host, err)
	}
	return got, nil
}

// once sends one request to loopback, on a connection of its own, and follows
// no redirect.
func once(req *http.Request) (*http.Response, error) {
	client := http.Client{
		Transport:     &http.Transport{DialContext: dialLoopback, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
	return client.Do(req)
}

// level measures all variants with so many connections, again while the control
// says that the figures cannot be believed.
func (s *scenario) level(ctx context.Context, conns int, o options) (*Level, error) {
	l := &Level{Conns: conns, Base: s.base, Control: s.control}
	for l.Tries < o.tries {
		l.Tries++
		slog.Info("measuring", "connections", conns, "variants", len(s.variants), "slices", o.slices, "try", l.Tries)
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
	for _, v := range s.variants { // opens the connections, fills caches
		if _, err := s.sample(v, l.Conns, o.span/4); err != nil {
			return err
		}
	}
	for round := range o.slices {
		order, err := shuffled(len(s.variants))
		if err != nil {
			return err
		}
		for _, i := range order {
			v := s.variants[i]
			if v.seldom && round%seldomEvery != 0 {
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
			l.Samples[v.name] = append(l.Samples[v.name], sample)
		}
	}
	return nil
}

func (s *scenario) sample(v variant, conns int, span time.Duration) (Sample, error) {
	before, err := s.counters(v)
	if err != nil {
		return Sample{}, err
	}
	var r sliceResult
	if err := s.load.ask(slice{Addr: v.addr, Request: v.request, Conns: conns, Span: span}, &r); err != nil {
		return Sample{}, fmt.Errorf("loading %s with %d connections: %w", v.name, conns, err)
	}
	after, err := s.counters(v)
	if err != nil {
		return Sample{}, err
	}
	return Sample{
		Requests: r.Requests, Elapsed: r.Elapsed, P50: r.P50, P99: r.P99,
		CPU: after.cpu - before.cpu, Opened: after.opened - before.opened, Accepted: after.accepted - before.accepted,
	}, nil
}

// counters only ever grow.
type counters struct {
	opened   int           // connections that the upstream accepted
	accepted int           // … that anybody on this machine did
	cpu      time.Duration // of the variant's servers
}

func (s *scenario) counters(v variant) (c counters, err error) {
	var up upstreamState
	if err := s.upstream.ask(struct{}{}, &up); err != nil {
		return c, err
	}
	c.opened = up.Opened
	if c.accepted, err = accepted(); err != nil {
		return c, err
	}
	for _, server := range v.work {
		cpu, err := cpuTime(server.pid())
		if err != nil {
			return c, err
		}
		c.cpu += cpu
	}
	return c, nil
}

// get is a GET request as bytes, with lines "Name: value" after the Host.
func get(path, host string, lines ...string) []byte {
	text := "GET " + path + " HTTP/1.1\r\n"
	for _, line := range append([]string{"Host: " + host}, lines...) {
		text += line + "\r\n"
	}
	return []byte(text + "\r\n")
}
