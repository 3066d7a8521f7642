package caddymodule

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// passing is a request that was let through, as the writer of its answer. It
// drops an upstream's cookies that bear our names (DESIGN §5), and ends an
// answer that outlives the session.
type passing struct {
	http.ResponseWriter
	serving  *serving
	asked    authcore.Request
	decision authcore.Decision
	names    []string // our cookies on this origin
	wrote    bool     // the final status is out

	cancel  context.CancelFunc // ends the request; nil for most
	unwatch func()             // of a live stream; nil for most

	mu   sync.Mutex
	over bool // the handler has returned; guarded by mu
}

// mayStream reports whether the answer may outlive the session, so that it is
// worth a context of its own: WebSocket and other upgrades, extended CONNECT
// (RFC 8441), event streams. HTTP/3 has no deadlines that end an idle stream.
func mayStream(r *http.Request) bool {
	if len(r.Header["Upgrade"]) > 0 || r.Method == http.MethodConnect || r.ProtoMajor == 3 {
		return true
	}
	for _, v := range r.Header["Accept"] {
		if strings.Contains(v, eventStream) { // in another case it is seen when the answer begins
			return true
		}
	}
	return false
}

const eventStream = "text/event-stream"

// isEventStream reads a media type, whose case says nothing (RFC 9110 section
// 8.3.1).
func isEventStream(contentType string) bool {
	contentType = strings.TrimLeft(contentType, " \t")
	return len(contentType) >= len(eventStream) && strings.EqualFold(contentType[:len(eventStream)], eventStream)
}

// watchRequest registers the request as a live stream and returns it with a
// context that ends when the session does.
func (p *passing) watchRequest(r *http.Request) *http.Request {
	ctx, cancel := context.WithCancel(r.Context())
	p.cancel = cancel
	if r.ProtoMajor != 3 || r.Method == http.MethodConnect {
		p.watch(ctx)
	}
	return r.WithContext(ctx)
}

// watch has the stream cut when the session ends. Where the session has ended
// since the decision, a new decision says so.
func (p *passing) watch(ctx context.Context) {
	var ok bool
	if p.unwatch, ok = p.serving.svc.Watch(ctx, p.asked, &p.decision, p.cut); ok {
		return
	}
	p.unwatch = nil
	if p.decision = p.serving.svc.Check(ctx, &p.asked); p.decision.Verdict == authcore.Allow {
		p.decision.Verdict, p.decision.Err = authcore.Unavailable, errRaced
	}
}

// cut ends the stream. Without a context to cancel, deadlines in the past do:
// over HTTP/1 the server's own read fails and cancels the request, over HTTP/2
// the stream is reset.
func (p *passing) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over: // the connection may serve another request by now
	case p.cancel != nil:
		p.cancel()
	default:
		c, past := http.NewResponseController(innermost(p.ResponseWriter)), time.Unix(1, 0)
		_ = c.SetReadDeadline(past)
		_ = c.SetWriteDeadline(past)
	}
}

// innermost is the server's own writer. Caddy's writers above it keep deadlines
// of their own, and are not made to be called from beside the handler.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// release ends the watch; the handler has returned.
func (p *passing) release() {
	if p.unwatch != nil {
		p.unwatch()
		p.mu.Lock()
		p.over = true
		p.mu.Unlock()
	}
	if p.cancel != nil {
		p.cancel()
	}
}

// Unwrap lets http.ResponseController reach the server's writer.
func (p *passing) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// WriteHeader filters headers, once for the final status and once for each 1xx
// before it.
func (p *passing) WriteHeader(status int) {
	if !p.wrote {
		p.wrote = status >= 200 || status == http.StatusSwitchingProtocols
		p.filter()
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write writes the body.
func (p *passing) Write(b []byte) (int, error) {
	p.begin()
	return p.ResponseWriter.Write(b)
}

// ReadFrom keeps the server's fast path for whole bodies.
func (p *passing) ReadFrom(r io.Reader) (int64, error) {
	p.begin()
	return io.Copy(p.ResponseWriter, r)
}

// FlushError sends what is buffered.
func (p *passing) FlushError() error {
	p.begin()
	return http.NewResponseController(p.ResponseWriter).Flush()
}

// Flush is FlushError for handlers that know http.Flusher only.
func (p *passing) Flush() { _ = p.FlushError() }

func (p *passing) begin() {
	if !p.wrote {
		p.WriteHeader(http.StatusOK)
	}
}

// filter looks at the headers that the app answers with.
func (p *passing) filter() {
	h := p.Header()
	if set := h["Set-Cookie"]; slices.ContainsFunc(set, p.ours) {
		if kept := slices.DeleteFunc(slices.Clone(set), p.ours); len(kept) > 0 {
			h["Set-Cookie"] = kept
		} else {
			delete(h, "Set-Cookie")
		}
	}
	if types := h["Content-Type"]; p.unwatch == nil && len(types) > 0 && isEventStream(types[0]) {
		p.watchAnswer()
	}
}

func (p *passing) ours(setCookie string) bool { return authcore.IsOurCookie(setCookie, p.names) }

// watchAnswer registers an answer that turns out to be an event stream, though
// the request did not say so.
func (p *passing) watchAnswer() {
	if p.watch(context.Background()); p.decision.Verdict != authcore.Allow {
		p.cut()
	}
}
