package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"
)

// slice asks the load for one slice.
type slice struct {
	Addr    string        // where the server listens
	Request []byte        // one HTTP/1.1 request, sent again and again
	Conns   int           // keep-alive connections, one request under way on each
	Span    time.Duration // how long
}

// sliceResult is what came of it. A slice with an answer that is not 2xx has no
// result.
type sliceResult struct {
	Requests int
	Elapsed  time.Duration
	P50, P99 time.Duration
}

// serveLoad is the load: it runs slices and keeps its connections between them,
// so that opening them is not measured.
func serveLoad(in io.Reader, out io.Writer) error {
	pools := make(map[string][]*conn)
	return answer(in, out, func(s slice) (any, error) {
		key := s.Addr + " " + strconv.Itoa(s.Conns)
		for len(pools[key]) < s.Conns {
			c, err := dial(s.Addr)
			if err != nil {
				return nil, err
			}
			pools[key] = append(pools[key], c)
		}
		return s.run(pools[key])
	})
}

// run sends requests on all connections until the span is over.
func (s slice) run(conns []*conn) (sliceResult, error) {
	type outcome struct {
		latencies []time.Duration
		err       error
	}
	outcomes := make(chan outcome)
	start := time.Now()
	deadline := start.Add(s.Span)
	for _, c := range conns {
		go func() {
			latencies, err := c.until(deadline, s.Request)
			outcomes <- outcome{latencies, err}
		}()
	}
	var all []time.Duration
	var errs []error
	for range conns {
		o := <-outcomes
		all, errs = append(all, o.latencies...), append(errs, o.err)
	}
	elapsed := time.Since(start)
	slices.Sort(all)
	return sliceResult{len(all), elapsed, percentile(all, 0.50), percentile(all, 0.99)}, errors.Join(errs...)
}

// conn is a client that does no more than HTTP/1.1 needs, since it shares the
// processors with what it measures.
type conn struct {
	net.Conn
	r *bufio.Reader
}

// patience is how long anything may take that should be quick.
const patience = 20 * time.Second

func dial(addr string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &conn{c, bufio.NewReader(c)}, nil
}

// until repeats the request up to the deadline and answers each one's latency.
func (c *conn) until(deadline time.Time, request []byte) ([]time.Duration, error) {
	if err := c.SetDeadline(deadline.Add(patience)); err != nil {
		return nil, err
	}
	latencies := make([]time.Duration, 0, 1<<14)
	for now := time.Now(); now.Before(deadline); {
		if _, err := c.Write(request); err != nil {
			return latencies, fmt.Errorf("sending: %w", err)
		}
		if err := c.receive(); err != nil {
			return latencies, err
		}
		end := time.Now()
		latencies = append(latencies, end.Sub(now))
		now = end
	}
	return latencies, nil
}

var (
	allowed       = []byte("HTTP/1.1 2") // oauth2-proxy allows with 202
	contentLength = []byte("content-length:")
)

// receive reads one answer, which must be a 2xx with a Content-Length.
func (c *conn) receive() error {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("receiving: %w", err)
	}
	if !bytes.HasPrefix(line, allowed) {
		return fmt.Errorf("answer %q instead of 2xx", bytes.TrimSpace(line))
	}
	length := -1
	for len(bytes.TrimSpace(line)) > 0 {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
		if n := len(contentLength); len(line) > n && bytes.EqualFold(line[:n], contentLength) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[n:]))); err != nil {
				return fmt.Errorf("reading a length: %w", err)
			}
		}
	}
	if length < 0 {
		return errors.New("an answer without Content-Length")
	}
	if _, err := c.r.Discard(length); err != nil {
		return fmt.Errorf("receiving: %w", err)
	}
	return nil
}
