package harness

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Client is an HTTP client with cookies that reaches every host name on
// loopback, at the port its URL names. It follows no redirect by itself.
type Client struct {
	*http.Client
	t   testing.TB
	tls *tls.Config
	// HTTPS is the port that stands in for 443 in URLs without one.
	HTTPS int
	// From is the loopback address that the client comes from, for servers
	// that count by address. Linux has all of 127.0.0.0/8. Default: 127.0.0.1.
	From net.IP
}

// Response is a fully read answer.
type Response struct {
	*http.Response
	Body string
}

// NewClient makes a client that trusts the certificates in the file caFile and no other
// ("" for plain HTTP only).
func NewClient(t testing.TB, caFile string) *Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		config.RootCAs = Roots(t, caFile)
	}
	c := &Client{t: t, tls: config, HTTPS: 443}
	transport := &http.Transport{DialContext: c.dialLoopback, TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	c.Client = &http.Client{
		Transport: transport, Jar: jar, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

func (c *Client) dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if port == "443" {
		port = strconv.Itoa(c.HTTPS)
	}
	dialer := new(net.Dialer)
	if c.From != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: c.From}
	}
	return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// Request sends a request as a program would: no Sec-Fetch header, no Accept.
// Header pairs follow the body: "Name", "value", …
func (c *Client) Request(method, target, body string, header ...string) Response {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return c.send(req)
}

func (c *Client) send(req *http.Request) Response {
	c.t.Helper()
	res, err := c.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("reading the answer to %s %s: %v", req.Method, req.URL, err)
	}
	return Response{res, string(body)}
}

// navigation are the headers of a browser that opens a page by itself (Fetch
// Metadata, W3C).
func navigation(site string) []string {
	return []string{
		"Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
		"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", site, "Sec-Fetch-User", "?1",
	}
}

// Navigate opens a page as a browser does and follows redirects, at most ten.
func (c *Client) Navigate(target string) Response {
	c.t.Helper()
	for range 10 {
		res := c.Request(http.MethodGet, target, "", navigation("none")...)
		next, err := res.Location()
		if err != nil {
			return res
		}
		target = next.String()
	}
	c.t.Fatalf("still redirected after ten steps: %s", target)
	return Response{}
}

// Submit posts a form as a browser does from a page of the same origin. It does not follow
// the redirect that answers it.
func (c *Client) Submit(target string, form url.Values) Response {
	c.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		c.t.Fatal(err)
	}
	header := append(navigation("same-origin"), "Content-Type", "application/x-www-form-urlencoded", "Origin", u.Scheme+"://"+u.Host)
	return c.Request(http.MethodPost, target, form.Encode(), header...)
}

// Cookie returns the value of the cookie that would be sent to the URL, "" if none.
func (c *Client) Cookie(target, name string) string {
	c.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, cookie := range c.Jar.Cookies(u) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// OpenWebSocket opens a WebSocket with the client's cookies. When the server
// answers anything but 101 it returns nil and that status.
func (c *Client) OpenWebSocket(target string) (*WebSocket, int) {
	c.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		c.t.Fatal(err)
	}
	address := u.Host
	if u.Port() == "" {
		address += map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	}
	conn, err := c.dialLoopback(c.t.Context(), "tcp", address)
	if err != nil {
		c.t.Fatal(err)
	}
	if u.Scheme == "https" {
		config := c.tls.Clone()
		config.ServerName, config.NextProtos = u.Hostname(), []string{"http/1.1"}
		conn = tls.Client(conn, config)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	req := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", u.RequestURI(), u.Host, key)
	for _, cookie := range c.Jar.Cookies(u) {
		req += "Cookie: " + cookie.String() + "\r\n"
	}
	if _, err := io.WriteString(conn, req+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		_ = conn.Close()
		return nil, res.StatusCode
	}
	if res.Header.Get("Sec-WebSocket-Accept") != acceptKey(key) {
		c.t.Fatal("the server answered another handshake")
	}
	ws := &WebSocket{conn: conn, r: r, masked: true}
	c.t.Cleanup(func() { _ = ws.Close() })
	return ws, res.StatusCode
}

// EventStream is an open text/event-stream.
type EventStream struct {
	lines *bufio.Scanner
	body  io.Closer
}

// OpenEvents opens an event stream with the client's cookies. When the server
// answers anything but 200 it returns nil and that status.
func (c *Client) OpenEvents(target string) (*EventStream, int) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, target, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := c.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		return nil, res.StatusCode
	}
	return &EventStream{lines: bufio.NewScanner(res.Body), body: res.Body}, res.StatusCode
}

// Next returns the data of the next event, or an error when the stream was cut.
func (s *EventStream) Next() (string, error) {
	for s.lines.Scan() {
		if data, ok := strings.CutPrefix(s.lines.Text(), "data: "); ok {
			return data, nil
		}
	}
	if err := s.lines.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

// Close ends the stream.
func (s *EventStream) Close() error { return s.body.Close() }
