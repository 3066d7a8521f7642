package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// upstreamState is what the upstream says of itself.
type upstreamState struct {
	Addr   string
	Opened int // connections accepted so far
}

// seenPath shows what reached the upstream; every other path answers three bytes.
const seenPath = "/seen"

// serveUpstream is the app behind the proxy: as little work as a server of the
// standard library can do.
func serveUpstream(in io.Reader, out io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	var connections atomic.Int64
	srv := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(app),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		},
	}
	go func() { _ = srv.Serve(ln) }() // until the process ends
	return answer(in, out, func(struct{}) (any, error) {
		return upstreamState{Addr: ln.Addr().String(), Opened: int(connections.Load())}, nil
	})
}

func app(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == seenPath {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r.Header)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}
