package outbox

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// received is one mail as an SMTP server saw it.
type received struct {
	from, data, user, mechanism string
	to                          []string
	encrypted                   bool
}

// sink is a real SMTP server on a socket that keeps what it gets and fails on
// demand. Fields are set before start.
type sink struct {
	mechanisms []string // AUTH; none: not offered
	noTLS      bool
	implicit   bool
	onRcpt     func(to string) error
	onData     func(to string, data string) error

	addr  *net.TCPAddr
	roots *x509.CertPool

	mu    sync.Mutex
	got   []received
	rcpts []string // also refused ones
}

func (s *sink) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &sinkSession{sink: s, conn: c}, nil
}

type sinkSession struct {
	sink *sink
	conn *smtp.Conn
	m    received
}

func (s *sinkSession) AuthMechanisms() []string { return s.sink.mechanisms }

func (s *sinkSession) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "u" || password != testPassword {
			return smtp.ErrAuthFailed
		}
		s.m.user, s.m.mechanism = user, mechanism
		return nil
	}
	if mechanism == "LOGIN" {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// loginServer speaks AUTH LOGIN, which go-sasl leaves to others.
type loginServer struct {
	user  *string
	step  int
	check func(user, password string) error
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		user := string(response)
		l.user = &user
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(*l.user, string(response))
}

func (s *sinkSession) Mail(from string, o *smtp.MailOptions) error {
	if o.UTF8 {
		return errors.New("SMTPUTF8 for an ASCII mail: a relay without it would bounce this")
	}
	s.m.from = from
	return nil
}

func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.sink.mu.Lock()
	s.sink.rcpts = append(s.sink.rcpts, to)
	s.sink.mu.Unlock()
	if s.sink.onRcpt != nil {
		if err := s.sink.onRcpt(to); err != nil {
			return err
		}
	}
	s.m.to = append(s.m.to, to)
	return nil
}

func (s *sinkSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.m.data = string(b)
	_, s.m.encrypted = s.conn.TLSConnectionState()
	if s.sink.onData != nil {
		if err := s.sink.onData(s.m.to[0], s.m.data); err != nil {
			return err
		}
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.got = append(s.sink.got, s.m)
	return nil
}

func (s *sinkSession) Reset() {
	s.m = received{user: s.m.user, mechanism: s.m.mechanism}
}
func (s *sinkSession) Logout() error { return nil }

// mails is what has been accepted so far.
func (s *sink) mails() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.got...)
}

// tried is every RCPT so far.
func (s *sink) tried() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.rcpts...)
}

// start serves until the test ends, on a free port of the loopback or on addr
// where an earlier server was.
func (s *sink) start(t testing.TB) *sink {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate, of 127.0.0.1 and example.com
	t.Cleanup(web.Close)
	s.roots = x509.NewCertPool()
	s.roots.AddCert(web.Certificate())
	certs := &tls.Config{Certificates: web.TLS.Certificates}

	at := "127.0.0.1:0"
	if s.addr != nil {
		at = s.addr.String()
	}
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().(*net.TCPAddr)
	srv := smtp.NewServer(s)
	srv.Domain = "localhost"
	srv.AllowInsecureAuth = true
	srv.EnableSMTPUTF8 = true
	srv.ErrorLog = log.New(io.Discard, "", 0)
	switch {
	case s.implicit:
		ln = tls.NewListener(ln, certs)
	case !s.noTLS:
		srv.TLSConfig = certs
	}
	serving := make(chan error, 1)
	go func() { serving <- srv.Serve(ln) }()
	t.Cleanup(func() {
		_ = ln.Close() // in case Serve has not begun, and Close does not know of it
		_ = srv.Close()
		if err := <-serving; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("serving: %v", err)
		}
	})
	return s
}

// smtp is the configuration that reaches the sink.
func (s *sink) smtp() SMTP {
	c := SMTP{Host: "127.0.0.1", Port: s.addr.Port, From: `"Example" <login@example.com>`, RootCAs: s.roots}
	switch {
	case s.implicit:
		c.TLS = Implicit
	case s.noTLS:
		c.TLS = NoTLS
	}
	if len(s.mechanisms) > 0 {
		c.Username, c.Password = "u", testPassword
	}
	return c
}

const testPassword = "correct horse battery staple"
