package caddymodule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/portal"
)

var (
	errNotReady = errors.New("sign-in is starting")
	errRaced    = errors.New("the session changed while a stream began")
	errTunnel   = errors.New("CONNECT is for WebSocket only")
)

// ServeHTTP decides about one request and, if it may pass, makes sure that the
// app hears from us, and from nobody else, who is here.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	stripUpgrade(r.Header)
	refuseTunnel(w, r)
	s := g.app.serving(r.Context())
	if s == nil { // FA-10: a guard that cannot decide lets nobody through
		g.strip(r) // HD-1, HD-5: the site's error routes may lead to an upstream
		dropCookies(r, authcore.CookieNames())
		if authcore.HoldsToken(r.Header["Authorization"]) {
			delete(r.Header, "Authorization")
		}
		return caddyhttp.Error(http.StatusServiceUnavailable, errNotReady)
	}
	original := originalURL(r)
	host := r.Host
	if g.host != "" {
		host = g.host // configuration, not the request, says which app this is
	}
	if reserved(original.Path) {
		s.serveReserved(w, r, host, original)
		return nil
	}
	p := passing{
		ResponseWriter: w, serving: s,
		asked: authcore.Request{Host: host, Path: original.EscapedPath(), Method: methodOf(r), Cookies: r.Header["Cookie"]},
	}
	p.asked.SetAuthorization(r.Header)
	if len(p.asked.Authorization) > 0 || g.policy.AsksForClient() {
		p.asked.Client, _ = s.addresses(r)
	}
	if p.asked.Here = p.asked.Path; r.URL.Path != original.Path || r.URL.RawPath != original.RawPath {
		p.asked.Here = r.URL.EscapedPath()
	}
	defer p.release()
	p.decision = s.svc.Check(r.Context(), &p.asked)
	s.note(authcore.SeenAsked, r, original, &p)
	if p.decision.Verdict == authcore.Allow && mayStream(r) {
		r = p.watchRequest(r)
	}
	if p.decision.Verdict != authcore.Allow {
		s.pages.Refuse(w, asSent(r, host, original), &p.decision)
		return nil
	}
	p.names = s.cookiesOf(p.decision.App)
	g.strip(r)
	dropCookies(r, p.names)
	if p.decision.Token {
		delete(r.Header, "Authorization")
	}
	if tunnels(r) {
		return caddyhttp.Error(http.StatusMethodNotAllowed, errTunnel)
	}
	if id := p.decision.Identity; id != nil {
		assertion, err := s.svc.Assertion(&p.decision)
		if err != nil {
			return caddyhttp.Error(http.StatusServiceUnavailable, err) // FA-10: the app asked for it
		}
		g.policy.SetHeaders(r.Header, id, assertion)
	}
	s.note(authcore.SeenHanded, r, original, &p)
	return next.ServeHTTP(&p, r)
}

// originalURL is the URL as the client sent it, before any rewrite (FA-13).
func originalURL(r *http.Request) *url.URL {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		return original.URL
	}
	return r.URL
}

// reserved reports whether a path is ours on every app host.
func reserved(path string) bool {
	rest, ok := strings.CutPrefix(path, authcore.ReservedPrefix)
	return ok && (rest == "" || rest[0] == '/')
}

// serveReserved answers /.auth/. It is recognised on the original URI, so no
// rewrite can hand it to the upstream.
func (s *serving) serveReserved(w http.ResponseWriter, r *http.Request, host string, original *url.URL) {
	r = asSent(r, host, original)
	if app := s.svc.App(host); app != nil {
		s.pages.ServeApp(w, r, app)
		return
	}
	s.pages.Refuse(w, r, &authcore.Decision{})
}

// asSent is the request for our own pages: the URL as the client sent it, the
// host that configuration says it is, Caddy's id for it, and the scheme that a
// trusted proxy tells.
func asSent(r *http.Request, host string, original *url.URL) *http.Request {
	answersOurselves(r)
	ctx := portal.WithRequestID(r.Context(), caddyID(r.Context()))
	if told := toldScheme(r); told != "" {
		ctx = portal.WithScheme(ctx, told)
	}
	r = r.WithContext(ctx)
	r.Host, r.URL = host, original
	return r
}

// caddyID is Caddy's id for a request, or "".
func caddyID(ctx context.Context) (id string) {
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		id, _ = repl.GetString("http.request.uuid")
	}
	return id
}

// strip removes from a request what is ours to say (HD-1): headers in every
// spelling, what the client nominates as hop-by-hop, trailers.
func (g *Guard) strip(r *http.Request) {
	g.policy.StripHeaders(r.Header)
	if values := r.Header["Connection"]; len(values) > 0 {
		stripConnection(r.Header, values, &g.policy)
	}
	stripTrailers(r, &g.policy)
}

// dropCookies removes what is ours to know (HD-5); other cookies stay byte for
// byte.
func dropCookies(r *http.Request, names []string) {
	cookies := r.Header["Cookie"]
	if len(cookies) == 0 {
		return
	}
	kept, changed := authcore.StripCookies(cookies, names)
	switch {
	case changed && len(kept) == 0:
		delete(r.Header, "Cookie")
	case changed:
		r.Header["Cookie"] = kept
	}
}

// stripConnection keeps a client from nominating our headers as hop-by-hop,
// upon which a proxy would remove what we set (HD-3).
func stripConnection(h http.Header, values []string, p *authcore.Policy) {
	var kept []string
	dropped := false
	for _, v := range values {
		for token := range strings.SplitSeq(v, ",") {
			if token = strings.TrimSpace(token); p.Reserved(token) {
				dropped = true
			} else {
				kept = append(kept, token)
			}
		}
	}
	switch {
	case dropped && len(kept) == 0:
		delete(h, "Connection")
	case dropped:
		h["Connection"] = []string{strings.Join(kept, ", ")}
	}
}

// methodOf is the method that the app will see. A WebSocket of HTTP/2 or 3 comes
// by CONNECT (RFC 8441), and goes on by GET.
func methodOf(r *http.Request) string {
	if r.Method == http.MethodConnect && !tunnels(r) {
		return http.MethodGet
	}
	return r.Method
}

// refuseTunnel ends the connection of an HTTP/1 CONNECT behind its answer, which
// is never a 2xx: what comes behind it, a proxy may have let through unread.
func refuseTunnel(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect && r.ProtoMajor < 2 {
		w.Header().Set("Connection", "close")
	}
}

// tunnels reports whether a request asks for a tunnel other than WebSocket's
// (RFC 8441, RFC 9220): what runs through it no guard sees (FA-13).
func tunnels(r *http.Request) bool {
	if r.Method != http.MethodConnect {
		return false
	}
	if r.ProtoMajor == 2 {
		return r.Header.Get(":protocol") != "websocket"
	}
	return r.ProtoMajor < 2 || r.Proto != "websocket" // HTTP/3 has it there
}

// stripUpgrade lets a client change to WebSocket and to no other protocol: in
// "h2c", say, it would send whole requests through the tunnel, which no guard
// sees (FA-13). A server may ignore Upgrade (RFC 9110 section 7.8), so the
// request goes on without.
func stripUpgrade(h http.Header) {
	asked := h["Upgrade"]
	if len(asked) == 0 {
		return
	}
	delete(h, "Http2-Settings")
	if len(asked) == 1 && strings.EqualFold(asked[0], "websocket") {
		return
	}
	delete(h, "Upgrade")
	var kept []string
	for _, v := range h["Connection"] {
		for token := range strings.SplitSeq(v, ",") {
			if token = strings.TrimSpace(token); token != "" && !strings.EqualFold(token, "upgrade") {
				kept = append(kept, token)
			}
		}
	}
	if len(kept) == 0 {
		delete(h, "Connection")
		return
	}
	h["Connection"] = []string{strings.Join(kept, ", ")}
}

// stripTrailers keeps reserved names out of trailers (HD-1): those announced
// now, and those that come at the end of the body.
func stripTrailers(r *http.Request, p *authcore.Policy) {
	deleteReserved(r.Trailer, p)
	if r.Body != nil && r.Body != http.NoBody && (r.ContentLength < 0 || len(r.Trailer) > 0) {
		r.Body = &trailerBody{r.Body, r, p}
	}
}

func deleteReserved(h http.Header, p *authcore.Policy) {
	for name := range h {
		if p.Reserved(name) {
			delete(h, name)
		}
	}
}

// trailerBody strips the trailers that the server adds when the body ends.
type trailerBody struct {
	io.ReadCloser
	r *http.Request
	p *authcore.Policy
}

// Read reads the body; its end is where trailers appear.
func (b *trailerBody) Read(buf []byte) (int, error) {
	n, err := b.ReadCloser.Read(buf)
	if err != nil {
		deleteReserved(b.r.Trailer, b.p)
	}
	return n, err
}
