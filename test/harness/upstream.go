package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Echo is what an upstream app saw of a request.
type Echo struct {
	Method  string              `json:"method"`
	URI     string              `json:"uri"`
	Host    string              `json:"host"`
	Headers map[string][]string `json:"headers"`
	Body    string              `json:"body,omitempty"`
}

// Upstream is an app behind the proxy. /ws is a WebSocket that repeats what it
// hears, /events a stream with an event every 50 ms; every other path answers
// its Echo, as HTML where the client prefers HTML and as JSON otherwise.
type Upstream struct {
	Addr string // host:port for reverse_proxy
	live atomic.Int64
	mu   sync.Mutex
	seen []Echo
}

// StartUpstream starts an app on a free port.
func StartUpstream(t testing.TB) *Upstream {
	t.Helper()
	u := &Upstream{}
	mux := http.NewServeMux()
	mux.HandleFunc("/", u.echo)
	mux.HandleFunc("/ws", u.webSocket)
	mux.HandleFunc("/events", u.events)
	ln := Listen(t)
	u.Addr = ln.Addr().String()
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: patience}
	go func() { _ = srv.Serve(ln) }() // ends with ErrServerClosed
	t.Cleanup(func() { _ = srv.Close() })
	return u
}

// Seen are the requests so far, oldest first, /ws and /events included.
func (u *Upstream) Seen() []Echo {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Echo(nil), u.seen...)
}

// Live is the number of WebSockets and event streams open now.
func (u *Upstream) Live() int { return int(u.live.Load()) }

func (u *Upstream) record(r *http.Request) Echo {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // a broken body shows as a short one
	e := Echo{Method: r.Method, URI: r.RequestURI, Host: r.Host, Headers: r.Header, Body: string(body)}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, e)
	return e
}

func (u *Upstream) echo(w http.ResponseWriter, r *http.Request) {
	e := u.record(r)
	text, err := json.Marshal(e)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if bytes.HasPrefix([]byte(r.Header.Get("Accept")), []byte("text/html")) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, echoPage, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}

// echoPage is a page of an app; json.Marshal has escaped <, > and & already.
const echoPage = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>App</title><link rel="icon" href="data:,"><main><h1>App</h1><pre id="echo" tabindex="0" style="white-space:pre-wrap;overflow-wrap:anywhere">%s</pre></main></html>`

func (u *Upstream) events(w http.ResponseWriter, r *http.Request) {
	u.record(r)
	u.live.Add(1)
	defer u.live.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", n); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

func (u *Upstream) webSocket(w http.ResponseWriter, r *http.Request) {
	u.record(r)
	key := r.Header.Get("Sec-WebSocket-Key")
	if key == "" {
		http.Error(w, "not a WebSocket handshake", http.StatusBadRequest)
		return
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	u.live.Add(1)
	defer u.live.Add(-1)
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptKey(key))
	ws := &WebSocket{conn: conn, r: buf.Reader}
	for {
		text, err := ws.Receive()
		if err != nil || ws.Send(text) != nil {
			return
		}
	}
}

// RawUpstream is an app that keeps the very bytes of each request, before any
// parser of ours has changed them, and answers 200.
type RawUpstream struct {
	Addr string
	mu   sync.Mutex
	seen []string
}

// StartRawUpstream starts one on a free port.
func StartRawUpstream(t testing.TB) *RawUpstream {
	t.Helper()
	u := &RawUpstream{}
	ln := Listen(t)
	u.Addr = ln.Addr().String()
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // closed by the cleanup
			}
			conns.Go(func() { u.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		conns.Wait()
	})
	return u
}

// Seen are the requests so far, as bytes.
func (u *RawUpstream) Seen() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.seen...)
}

// serve reads one request and its body, keeps the bytes and closes.
func (u *RawUpstream) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var raw bytes.Buffer
	req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &raw)))
	if err == nil {
		_, _ = io.Copy(io.Discard, req.Body) // to its end, so that trailers are captured
	}
	u.mu.Lock()
	u.seen = append(u.seen, raw.String())
	u.mu.Unlock()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
