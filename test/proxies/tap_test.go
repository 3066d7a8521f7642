package proxies

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// tap stands between the proxy and an app and keeps the bytes that the proxy
// sends, before any parser has changed them.
type tap struct {
	addr string
	mu   sync.Mutex
	seen []*bytes.Buffer // one for each connection
}

func startTap(t *testing.T, app string) *tap {
	t.Helper()
	ln := harness.Listen(t)
	p := &tap{addr: ln.Addr().String()}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // closed by the cleanup
			}
			conns.Go(func() { p.serve(conn, app) })
		}
	})
	t.Cleanup(func() { _ = ln.Close() }) // the connections end with the proxy and the app
	return p
}

func (p *tap) serve(from net.Conn, app string) {
	defer from.Close()
	to, err := net.Dial("tcp", app)
	if err != nil {
		return
	}
	defer to.Close()
	seen := new(bytes.Buffer)
	p.mu.Lock()
	p.seen = append(p.seen, seen)
	p.mu.Unlock()
	go func() {
		_, _ = io.Copy(from, to) // ends with either side
		_ = from.Close()
	}()
	_, _ = io.Copy(to, io.TeeReader(from, locked{&p.mu, seen}))
}

type locked struct {
	mu *sync.Mutex
	to io.Writer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

// mark is how many bytes there are now, for since.
func (p *tap) mark() map[int]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := map[int]int{}
	for i, b := range p.seen {
		at[i] = b.Len()
	}
	return at
}

// since is what was sent after the mark.
func (p *tap) since(mark map[int]int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all strings.Builder
	for i, b := range p.seen {
		all.Write(b.Bytes()[mark[i]:])
	}
	return all.String()
}

// targetOf is the request target of the request that bears the mark in a
// header, as the app was sent it; ok false where none arrived.
func targetOf(sent, mark string) (target string, ok bool) {
	at := strings.Index(sent, mark)
	if at < 0 {
		return "", false
	}
	head := sent[:at]
	if begin := strings.LastIndex(head, "\r\n\r\n"); begin >= 0 {
		head = head[begin+4:]
	}
	line, _, _ := strings.Cut(head, "\r\n")
	_, target, _ = strings.Cut(line, " ")
	if end := strings.LastIndex(target, " "); end >= 0 {
		target = target[:end]
	}
	return target, true
}
