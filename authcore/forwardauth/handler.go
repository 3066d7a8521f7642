package forwardauth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// Pages answers people and programs in their own language.
type Pages interface {
	// ServeApp answers a path under /.auth/ of an app's host.
	ServeApp(w http.ResponseWriter, r *http.Request, app *authcore.App)
	// Refuse answers a request that may not pass.
	Refuse(w http.ResponseWriter, r *http.Request, d *authcore.Decision)
	// Fail answers what is no request to an app: a page or a problem.
	Fail(w http.ResponseWriter, r *http.Request, status int, code, title, detail string)
}

// Options are what a Handler needs.
type Options struct {
	Service *authcore.Service
	Pages   Pages
	Proxies []Proxy
	Log     *slog.Logger
}

// Handler serves the decision endpoints of one configuration.
type Handler struct {
	svc     *authcore.Service
	pages   Pages
	proxies []Proxy
	log     *slog.Logger
	enabled []*vocabulary
	silent  atomic.Pointer[silence]
	strange atomic.Pointer[silence] // the last peer that is no proxy, and when the log was told
}

// New makes a Handler. Only the endpoints of the configured proxies exist.
func New(o Options) *Handler {
	h := &Handler{svc: o.Service, pages: o.Pages, proxies: o.Proxies, log: o.Log}
	for _, p := range o.Proxies {
		if v := p.Kind.vocabulary(); v != nil && !slices.Contains(h.enabled, v) {
			h.enabled = append(h.enabled, v)
		}
	}
	return h
}

// verifyPath is the endpoint under the name that tools hard-code.
const verifyPath = "/api/verify"

// Serves reports whether a path is a decision endpoint's.
func Serves(path string) bool {
	return strings.HasPrefix(path, "/api/authz/") || isBelow(path, verifyPath)
}

// isBelow reports whether a path is prefix or stands behind it and a slash.
func isBelow(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// call is one check request on its way to its answer.
type call struct {
	*Handler
	w        http.ResponseWriter
	r        *http.Request
	from     peer
	speaks   *vocabulary // nil until it is known
	kind     Kind        // of the peer; "" until it is trusted
	asked    asked
	app      *authcore.App // of asked; nil: none
	client   netip.Addr
	answered bool
}

// ServeHTTP decides about the request that a proxy asks about.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := call{Handler: h, w: w, r: r, from: peerOf(r)}
	defer c.rescue()
	prefix := c.route()
	if c.speaks == nil {
		if !c.svc.IsPortal(r.Host) { // there, it is the public that asks
			c.note(slog.LevelWarn, "there is no such endpoint", "hint", "a line such as proxy traefik "+c.from.String()+" opens the one of that kind")
		}
		c.fail(http.StatusNotFound, "NOT_FOUND", "Nothing here", "There is nothing at this address.")
		return
	}
	if !c.trust() {
		c.distrusted()
		return
	}
	var err error
	if c.asked, err = c.speaks.read(r, prefix); err != nil {
		c.malformed(err.Error())
		return
	}
	if c.client = h.clientOf(r.Header["X-Forwarded-For"]); !c.client.IsValid() {
		h.noteSilence(c.kind, c.from)
	}
	c.decide()
}

// route finds the vocabulary that is spoken at the path, and the part of it
// that is the endpoint's. None is on the portal's own host, where the same proxy
// brings the public (FA-1), and none that no proxy is configured for.
func (c *call) route() (prefix string) {
	path := c.r.URL.Path
	if c.svc.IsPortal(c.r.Host) {
		return ""
	}
	var v *vocabulary
	if isBelow(path, verifyPath) {
		v, prefix = c.alias(), verifyPath
	} else {
		for _, e := range c.enabled {
			if isBelow(path, e.endpoint) {
				v, prefix = e, e.endpoint
			}
		}
	}
	if v != nil && (v.below || path == prefix) {
		c.speaks = v
	}
	return prefix
}

// alias is the one enabled vocabulary or, of several, the one that the peer
// speaks; what a request holds has no say in it (FA-2). A peer that speaks none
// gets any, which then does not trust it.
func (c *call) alias() *vocabulary {
	if len(c.enabled) == 0 {
		return nil
	}
	var spoken *vocabulary
	for i := range c.proxies {
		p := &c.proxies[i]
		if v := p.Kind.vocabulary(); p.admits(c.from) && v != spoken {
			if spoken != nil {
				return nil
			}
			spoken = v
		}
	}
	if spoken == nil {
		return c.enabled[0]
	}
	return spoken
}

// trust looks for the peer among the proxies that speak the vocabulary.
func (c *call) trust() bool {
	for i := range c.proxies {
		if p := &c.proxies[i]; slices.Contains(c.speaks.kinds, p.Kind) && p.admits(c.from) {
			c.kind = p.Kind
			return true
		}
	}
	return false
}

// decide asks the core, as the guard does.
func (c *call) decide() {
	a := &c.asked
	if strings.EqualFold(a.method, http.MethodConnect) {
		c.tunnel()
		return
	}
	app := c.svc.App(a.host)
	if app == nil || !a.at(app.Origin) {
		c.show("no app has this host")
		c.refuse(&authcore.Decision{Why: authcore.WhyHost})
		return
	}
	c.app = app
	if a.scheme != c.app.Origin.Scheme {
		c.mixedSchemes()
		return
	}
	if ours, plain := a.reserved(); ours && !plain {
		c.malformed("the path looks like " + authcore.ReservedPrefix + "/ to some and not to others") // FA-5
		return
	} else if ours {
		c.serveReserved()
		return
	}
	q := authcore.Request{Host: a.host, Path: a.path, Here: a.path, Method: a.method, Client: c.client, Cookies: c.r.Header["Cookie"]}
	q.SetAuthorization(c.r.Header)
	d := c.svc.Check(c.r.Context(), &q)
	c.show(d.Verdict.String())
	if d.Verdict != authcore.Allow {
		c.refuse(&d)
		return
	}
	assertion, err := c.svc.Assertion(&d)
	if err != nil { // FA-10
		d.Verdict, d.Err = authcore.Unavailable, fmt.Errorf("making an assertion: %w", err)
		c.refuse(&d)
		return
	}
	c.allow(&d, assertion)
}

// distrusted refuses a peer that nobody configured, and tells the log what to
// write if it is a proxy of ours.
func (c *call) distrusted() {
	c.show("this peer is no configured proxy")
	kind := c.speaks.kinds[0]
	for i := range c.proxies {
		if slices.Contains(c.speaks.kinds, c.proxies[i].Kind) {
			kind = c.proxies[i].Kind
			break
		}
	}
	level := slog.LevelDebug
	if c.stranger() { // LG-2: one who asks on and on writes one line a minute
		level = slog.LevelWarn
	}
	c.note(level, "this peer is no configured proxy", "hint", fmt.Sprintf("if it is yours, write: proxy %s %s", kind, c.from))
	c.fail(http.StatusForbidden, "PROXY_NOT_TRUSTED", "Not a known proxy", "This address answers configured proxies only. The log names the line to add.")
}

// malformed refuses what is not understood. Nothing is guessed from the check
// request's own method, host or path (FA-3).
func (c *call) malformed(why string) {
	c.show(why)
	c.note(slog.LevelWarn, why)
	c.fail(http.StatusBadRequest, "CHECK_MALFORMED", "The proxy's question is malformed", "We cannot tell which request this is about: "+why+".")
}

// tunnel refuses CONNECT (FA-7). Some proxies write what follows it to the
// upstream as it comes, which reads it as the next request: one that nobody
// asked about, and that may claim to be anybody's.
func (c *call) tunnel() {
	const reason = "CONNECT is refused"
	c.show(reason)
	c.note(slog.LevelWarn, reason, "hint", "let the proxy refuse it before the check")
	c.fail(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "No tunnels", "CONNECT leads nowhere here.")
}

// mixedSchemes refuses a request by another scheme than the app's, whose cookies
// would not come along, so that a sign-in would go in circles.
func (c *call) mixedSchemes() {
	c.show("the request came by another scheme than the app's")
	c.note(slog.LevelWarn, "the request came by another scheme than the app's", "said", c.asked.scheme, "app", c.app.Origin.String(),
		"hint", "if the browser did use "+c.app.Origin.Scheme+", a proxy in front of "+string(c.kind)+" ends TLS: let it send X-Forwarded-Proto, and have "+string(c.kind)+" trust its address")
	c.fail(http.StatusBadRequest, "SCHEME_MISMATCH", "http and https are mixed up",
		"This app is "+c.app.Origin.String()+", and the proxy says that the request came by "+c.asked.scheme+
			". Open "+c.app.Origin.String()+"/. If you did, the proxy that ends TLS must say so to the next one (X-Forwarded-Proto: "+c.app.Origin.Scheme+"), which must trust it.")
}

// rescue makes a deny of a panic (FA-10), unless the connection is to be cut.
func (c *call) rescue() {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	c.note(slog.LevelError, "panic", "panic", fmt.Sprint(v))
	if c.answered {
		return
	}
	clear(c.w.Header()) // FA-8: an allow may have been half written
	status := http.StatusServiceUnavailable
	if c.speaks != nil && c.speaks.bare {
		status = http.StatusForbidden
	}
	c.bare(status)
}

// note writes the one line of a refusal: no header, no cookie, no query (LG-1).
func (c *call) note(level slog.Level, reason string, more ...any) {
	ctx := c.r.Context()
	if !c.log.Enabled(ctx, level) {
		return
	}
	host := c.asked.host
	if host == "" {
		host = capped(c.r.Host)
	}
	c.log.Log(ctx, level, "refusing a check request", append([]any{
		"reason", reason, "kind", string(c.kind), "peer", c.from.String(), "host", host,
	}, more...)...)
}

// capped bounds what a stranger writes into the log (LG-2).
func capped(s string) string {
	s = s[:min(len(s), maxHost)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
