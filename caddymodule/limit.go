package caddymodule

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/ulule/limiter/v3"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
)

func init() {
	caddy.RegisterModule(new(Limit))
}

// Limit is the handler "passwordless_limit": it lets a client address send so
// many requests in so much time to the handlers behind it, and answers the rest
// with 429 and Retry-After. IPv6 clients count by their /64. Loopback and
// private addresses are no exception (RL-4).
type Limit struct {
	// Requests is the rate. Required.
	Requests Rate `json:"requests"`

	// Burst is what of it may come at once. Default: no second rate.
	Burst Rate `json:"burst,omitzero"`

	app *App
}

// CaddyModule returns the Caddy module information.
func (*Limit) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.passwordless_limit",
		New: func() caddy.Module { return new(Limit) },
	}
}

// Provision checks the rates and finds the app, whose counters outlive a
// configuration.
func (l *Limit) Provision(ctx caddy.Context) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("passwordless_limit: %w", err)
	}
	var err error
	l.app, err = bindApp(ctx)
	return err
}

func (l *Limit) check() error {
	if l.Requests == (Rate{}) {
		return errors.New("the rate is missing, such as 10 per 1m")
	}
	if err := l.Requests.check(); err != nil {
		return err
	}
	if err := l.Burst.check(); err != nil {
		return fmt.Errorf("burst: %w", err)
	}
	return nil
}

// ServeHTTP counts a request and lets it pass, or answers 429.
func (l *Limit) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	c := l.app.limiting.Load()
	if c == nil {
		l.app.wait(r.Context())
		if c = l.app.fallback().limiting.Load(); c == nil {
			return caddyhttp.Error(http.StatusServiceUnavailable, errNotReady)
		}
	}
	rates := [2]limiter.Rate{l.Requests.limit(), l.Burst.limit()}
	n := 1
	if l.Burst != (Rate{}) {
		n = 2
	}
	retry, ok := c.store.Charge(r.Context(), c.names[l], source(r), rates[:n]...)
	if !ok {
		tooMany(w, r, retry)
		return nil
	}
	return next.ServeHTTP(w, r)
}

// source is whom a limit counts: the client, or the peer where that is unknown.
func source(r *http.Request) netip.Addr {
	client, peer := addresses(r)
	if client.IsValid() {
		return client
	}
	return peer
}

// tooMany answers in words that need no portal: a limit may stand in front of
// anything.
func tooMany(w http.ResponseWriter, r *http.Request, retry time.Duration) {
	seconds := int(math.Ceil(retry.Seconds()))
	h := w.Header()
	h.Set("Retry-After", strconv.Itoa(seconds))
	h.Set("Cache-Control", "no-store")
	if authcore.Negotiate(r.Method, r.Header) == authcore.Program {
		h.Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprintf(w, `{"type":"about:blank","title":"Too many requests","status":429,"detail":"Try again in %d seconds.","code":"RATE_LIMITED"}`+"\n", seconds)
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusTooManyRequests)
	fmt.Fprintf(w, "Too many requests. Try again in %d seconds.\n", seconds)
}

// limiting is what the limits of a configuration count with.
type limiting struct {
	store *ratelimit.Store
	names map[*Limit]string
}

// countersKey names the counters among the leases. A store's key is a path.
const countersKey = "passwordless_limit"

// startLimits gives each limit a name by its place: the server and how many of
// its limits come before. So a reload goes on counting where the last
// configuration was, as long as none is put in between.
func (a *App) startLimits(limits []found) error {
	c := &limiting{names: make(map[*Limit]string)}
	before := make(map[string]int)
	for _, f := range limits {
		if _, ok := c.names[f.limit]; !ok { // a named route may be invoked more than once
			c.names[f.limit] = fmt.Sprintf("%s/%d", f.serverName, before[f.serverName])
			before[f.serverName]++
		}
	}
	if len(limits) == 0 {
		return nil
	}
	var err error
	a.counters, err = acquire(runtimes, countersKey,
		func() (*ratelimit.Store, error) { return ratelimit.NewStore(0, time.Now), nil },
		func(*ratelimit.Store) error { return nil })
	if err != nil {
		return err
	}
	c.store = a.counters.value
	a.limiting.Store(c)
	return nil
}

func (r Rate) limit() limiter.Rate {
	return limiter.Rate{Limit: int64(r.Count), Period: time.Duration(r.Per)}
}

var (
	_ caddy.Provisioner           = (*Limit)(nil)
	_ caddyhttp.MiddlewareHandler = (*Limit)(nil)
)
