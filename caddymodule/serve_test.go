package caddymodule

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

const within = 10 * time.Second // what any test waits for, at most

// site is a guarded site in a real Caddy with TLS, its upstream, and somebody
// who is signed in.
type site struct {
	*upstream
	app       *App
	port      string
	dir       string
	options   string // global options of the test's own
	guard     string // the guard's block
	rest      string // what else the site has
	unguarded bool   // the site stands without its guard
	cookie    string // of a signed-in user, as a Cookie header
	user      string // whose id is this
}

// newSite starts a sidecar at app.example.test. The guard's block and the rest
// of the site are the test's.
func newSite(t testing.TB, guard, rest string) *site {
	t.Helper()
	s := &site{upstream: newUpstream(t), port: freePort(t), guard: guard, rest: rest}
	s.start(t)
	s.cookie, s.user = s.signIn(t, authcore.NewUser{Email: "alice@example.com", Name: "alice", DisplayName: "Alice Ångström", Groups: []string{"staff", "ops"}})
	return s
}

// Whoever starts a server that nobody can sign in to is told how to get in:
// once, and not where anybody may register.
func TestStart_SaysHowToGetIn(t *testing.T) {
	const nobody, socket = "nobody can sign in yet; invite somebody with: ", "commands reach this process"
	said := func(s *site, text string) int {
		log, err := os.ReadFile(filepath.Join(s.dir, "log.json"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), text)
	}
	s := &site{upstream: newUpstream(t), port: freePort(t)}
	s.start(t)
	reloadWith(t, s, "registration invite")
	if n := said(s, nobody); n != 1 {
		t.Errorf("start and reload: said %d times", n)
	}
	if n := said(s, socket); n != 1 || said(s, filepath.Join(s.dir, "data", socketName)) == 0 {
		t.Errorf("the socket was named %d times", n)
	}
	s.app = running(t)
	s.signIn(t, authcore.NewUser{Email: "alice@example.com"})
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	if n := said(s, nobody); n != 1 {
		t.Errorf("with a user: said %d times", n)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	open := &site{upstream: newUpstream(t), port: freePort(t), dir: t.TempDir()}
	run(t, strings.Replace(open.caddyfile(), "passwordless {\n", "passwordless {\nregistration open\n", 1))
	open.issued(t)
	if n := said(open, nobody); n != 0 {
		t.Errorf("with open registration: said %d times", n)
	}
}

func (s *site) start(t testing.TB) {
	t.Helper()
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	s.app = run(t, s.caddyfile())
	s.issued(t)
}

// issued waits for the certificate, which Caddy issues beside: a test that ends
// before would take the directory away under it.
func (s *site) issued(t testing.TB) {
	t.Helper()
	eventually(t, "its certificate", func() bool {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+s.port, s.tls(t))
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// eventually waits for what happens beside.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !happened(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func (s *site) caddyfile() string {
	guard := "passwordless_guard {\n\t\t" + s.guard + "\n\t}"
	if s.unguarded {
		guard = ""
	}
	return fmt.Sprintf(`{
	admin off
	persist_config off
	skip_install_trust
	local_certs
	auto_https disable_redirects
	default_bind 127.0.0.1
	storage file_system %[1]s
	log {
		output file %[1]s/log.json
		format json
	}
	passwordless {
		database %[1]s/data/auth.db
		smtp mail.internal {
			from a@example.com
		}
	}
	%[2]s
}
https://app.example.test:%[3]s {
	%[4]s
	%[5]s
	reverse_proxy %[6]s
}
`, s.dir, s.options, s.port, guard, s.rest, s.addr)
}

// service is what the site serves with now.
func (s *site) service() *authcore.Service { return s.app.current.Load().svc }

// signIn invites a user and accepts for them, which is the shortest way in.
func (s *site) signIn(t testing.TB, who authcore.NewUser) (cookie, id string) {
	t.Helper()
	svc := s.service()
	link, err := svc.Invite(t.Context(), "test", who, false)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(link, "#")
	in, err := svc.AcceptInvite(t.Context(), secret, authcore.Browser{})
	if err != nil {
		t.Fatal(err)
	}
	return svc.SessionCookie(svc.Portal()) + "=" + in.Token.Reveal(), in.User.ID
}

func (s *site) tls(t testing.TB, protocols ...string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.dir, "pki/authorities/local/root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots, ServerName: "app.example.test", NextProtos: protocols}
}

// client speaks HTTP/1.1 or 2 to the site, whatever host a URL names.
func (s *site) client(t *testing.T, protocol string) *http.Client {
	t.Helper()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+s.port)
		},
		TLSClientConfig: s.tls(t), Protocols: new(http.Protocols), DisableCompression: true,
	}
	tr.Protocols.SetHTTP1(protocol == "h1")
	tr.Protocols.SetHTTP2(protocol == "h2")
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: within, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// request is a signed-in one, unless the test takes the cookie away.
func (s *site) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://app.example.test:"+s.port+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", s.cookie)
	return req
}

func do(t *testing.T, c *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := c.Do(req)
	for end := time.Now().Add(time.Second); broken(err) && req.Body == nil && time.Now().Before(end); {
		res, err = c.Do(req)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// broken reports whether a connection ended before an answer began. Caddy does
// that to some at each reload, with us or without: the kernel resets what waits
// at the old listener, and TLS handshakes end with the old configuration.
func broken(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) }

// raw sends bytes as they are over TLS with HTTP/1.1 and returns the answer's
// status line.
func (s *site) raw(t *testing.T, request string) string {
	t.Helper()
	line, err := bufio.NewReader(s.say(t, request)).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// conversation is all that is answered until the server hangs up.
func (s *site) conversation(t *testing.T, request string) string {
	t.Helper()
	said, err := io.ReadAll(s.say(t, request))
	if err != nil {
		t.Fatalf("%v after %q", err, said)
	}
	return string(said)
}

// say sends bytes over a connection of its own.
func (s *site) say(t *testing.T, request string) net.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", "127.0.0.1:"+s.port, s.tls(t, "http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	return conn
}

// upstream is an app that keeps each request as the bytes that arrived.
type upstream struct {
	addr string

	mu       sync.Mutex
	requests []string
	answer   string // headers of its answers, each with its line end
}

func newUpstream(t testing.TB) *upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	u := &upstream{addr: ln.Addr().String()}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u
}

// serve reads one request: its head, and a chunked body with trailers.
func (u *upstream) serve(conn net.Conn) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(within)) != nil {
		return
	}
	in := bufio.NewReader(conn)
	var got strings.Builder
	until := func(end string) bool {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return false
			}
			got.WriteString(line)
			if line == end {
				return true
			}
		}
	}
	if !until("\r\n") {
		return
	}
	if strings.Contains(got.String(), "\r\nTransfer-Encoding: chunked\r\n") && (!until("0\r\n") || !until("\r\n")) {
		return
	}
	u.mu.Lock()
	u.requests = append(u.requests, got.String())
	answer := u.answer
	u.mu.Unlock()
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n%s\r\nhi", answer)
}

// last is the newest request that arrived, and forgets all.
func (u *upstream) last(t *testing.T) string {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.requests) == 0 {
		t.Fatal("nothing reached the app")
	}
	last := u.requests[len(u.requests)-1]
	u.requests = nil
	return last
}

// reached reports whether something arrived, and forgets it.
func (u *upstream) reached() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	got := len(u.requests) > 0
	u.requests = nil
	return got
}

func (u *upstream) answerWith(lines ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = strings.Join(lines, "\r\n") + "\r\n"
}
