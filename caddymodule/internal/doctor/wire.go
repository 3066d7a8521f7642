package doctor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// maxBody is as much of an answer as is read.
	maxBody = 256 << 10
	// defaultTimeout bounds one request.
	defaultTimeout = 10 * time.Second
)

// Wire sends requests byte for byte: attacks are what a tidy client cannot send.
type Wire struct {
	Connect string         // host:port to dial, whatever a name says; empty: look it up
	Plain   string         // the same for plain http on port 80
	CAs     *x509.CertPool // nil: the system's
	From    netip.Addr     // this machine's address to come from; invalid: any
	Timeout time.Duration  // of one request; 0: 10 s
}

// header is one line of a request, as it is written.
type header struct{ name, value string }

// request is one request of HTTP/1.1.
type request struct {
	origin string // https://app.example.com: where it goes
	host   string // the Host header; empty: the origin's
	method string // empty: GET
	target string // the request target as it stands
	header []header
	body   string
}

// with is the request with more header lines.
func (r request) with(h ...header) request {
	r.header = append(append([]header{}, r.header...), h...)
	return r
}

// response is an answer, as far as it was read.
type response struct {
	*http.Response
	body string
	from netip.Addr // this machine's address
}

func (r *response) status() string { return strconv.Itoa(r.StatusCode) }

func (r *response) success() bool { return r.StatusCode >= 200 && r.StatusCode < 300 }

func (r *response) location() string { return r.Header.Get("Location") }

func (r *response) isHTML() bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "text/html")
}

func (r *response) isProblem() bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/problem+json")
}

func (w *Wire) timeout() time.Duration {
	if w.Timeout > 0 {
		return w.Timeout
	}
	return defaultTimeout
}

// dial connects to an origin.
func (w *Wire) dial(ctx context.Context, origin string, config *tls.Config) (net.Conn, error) {
	scheme, rest, _ := strings.Cut(origin, "://")
	name, port := hostPort(rest)
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[scheme]
	}
	address := net.JoinHostPort(name, port)
	switch {
	case origin == "http://"+name && w.Plain != "":
		address = w.Plain
	case w.Connect != "":
		address = w.Connect
	}
	var dialer net.Dialer
	if w.From.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(w.From, 0))
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	if scheme != "https" {
		return conn, nil
	}
	config = config.Clone()
	config.ServerName = name
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("beginning TLS: %w", err)
	}
	return secured, nil
}

func (w *Wire) tls() *tls.Config {
	return &tls.Config{RootCAs: w.CAs, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

// hostPort cuts the port off a name.
func hostPort(s string) (name, port string) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// send sends a request and reads its answer to its end.
func (w *Wire) send(ctx context.Context, r request) (*response, error) {
	return w.exchange(ctx, r, func(_ *bufio.Reader, res *http.Response) (string, error) {
		body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
		if ctx.Err() == nil && len(body) > 0 {
			err = nil // a server that did not read all of a request may reset behind its answer
		}
		return string(body), err
	})
}

// exchange sends a request and has the body of its answer read. A server that
// answers before it has read everything is no error.
func (w *Wire) exchange(ctx context.Context, r request, read func(*bufio.Reader, *http.Response) (string, error)) (*response, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout())
	defer cancel()
	conn, err := w.dial(ctx, r.origin, w.tls())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	_, wrote := conn.Write(r.bytes())
	br := bufio.NewReaderSize(conn, 64<<10)
	res, err := readFinal(br, r.verb())
	if err != nil {
		if wrote != nil {
			err = wrote
		}
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	defer res.Body.Close()
	body, err := read(br, res)
	if err != nil {
		return nil, fmt.Errorf("reading the answer's body: %w", err)
	}
	from, _ := netip.ParseAddrPort(conn.LocalAddr().String())
	return &response{res, body, from.Addr().Unmap()}, nil
}

// readFinal reads past answers that only announce another (RFC 9110 section 15.2).
func readFinal(br *bufio.Reader, method string) (*http.Response, error) {
	for {
		res, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, err
		}
	}
}

func (r *request) verb() string {
	if r.method == "" {
		return http.MethodGet
	}
	return r.method
}

// bytes is the request as it goes over the wire. The connection is closed after
// it, unless it says something else about that.
func (r *request) bytes() []byte {
	var b bytes.Buffer
	host := r.host
	if host == "" {
		_, host, _ = strings.Cut(r.origin, "://")
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.verb(), r.target, host)
	said := false
	for _, h := range r.header {
		fmt.Fprintf(&b, "%s: %s\r\n", h.name, h.value)
		said = said || strings.EqualFold(h.name, "Connection")
	}
	if !said {
		b.WriteString("Connection: close\r\n")
	}
	if r.body != "" || r.verb() == http.MethodPost {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n" + r.body)
	return b.Bytes()
}
