package harness

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Faults for Sink.Fail, as a server would answer RCPT TO (RFC 5321 §4.2).
var (
	// ErrTemporary is 451: try again later.
	ErrTemporary error = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	// ErrPermanent is 550: no such mailbox.
	ErrPermanent error = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	// ErrHang never answers; the client has to give up.
	ErrHang = errors.New("no answer")
)

// SinkOptions says how the mail server behaves. The zero value offers STARTTLS
// and refuses mail without it.
type SinkOptions struct {
	ImplicitTLS bool   // TLS from the first byte (RFC 8314 §3.3)
	Plain       bool   // no TLS at all
	Username    string // not "": AUTH PLAIN with these is required
	Password    string
}

// Sink is an SMTP server on a real socket that keeps what it is given.
type Sink struct {
	Host string // the name its certificate is for
	Port int
	CA   string // file of the certificate to trust (SSL_CERT_FILE)

	t       testing.TB
	opts    SinkOptions
	tls     *tls.Config
	mu      sync.Mutex
	server  *smtp.Server // nil while stopped
	ln      net.Listener
	stopped chan struct{}
	got     []Message
	read    map[string]int // by recipient: how many Wait has handed out
	fault   error
}

// StartSink starts a mail server on a free port.
func StartSink(t testing.TB, o SinkOptions) *Sink {
	t.Helper()
	cert, ca := selfSigned(t, "localhost")
	s := &Sink{
		Host: "localhost", Port: FreePort(t), CA: ca, t: t, opts: o, read: map[string]int{},
		tls: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start listens again, on the same port, after Stop.
func (s *Sink) Start() {
	s.t.Helper()
	srv := smtp.NewServer(smtp.BackendFunc(s.session))
	srv.Domain = s.Host
	srv.AllowInsecureAuth = s.opts.Plain
	srv.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up are part of the tests
	srv.ReadTimeout, srv.WriteTimeout = patience, patience
	if !s.opts.Plain {
		srv.TLSConfig = s.tls
	}
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.opts.ImplicitTLS {
		ln = tls.NewListener(ln, s.tls)
	}
	s.mu.Lock()
	s.server, s.ln, s.stopped = srv, ln, make(chan struct{})
	s.mu.Unlock()
	go func() { _ = srv.Serve(ln) }() // ends with ErrServerClosed at Stop
}

// Stop closes the port: the mail server is down. What it got stays.
func (s *Sink) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return
	}
	close(s.stopped)
	_ = s.server.Close()
	_ = s.ln.Close() // a server that has not come to serve yet does not know it
	s.server = nil
}

// Fail makes every recipient fail with the fault from now on; nil ends it.
func (s *Sink) Fail(fault error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Messages are all mails so far, oldest first.
func (s *Sink) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.got...)
}

// Wait returns the oldest mail to the address that no Wait has returned yet.
// Notices of what was done in an account come when they come: WaitNotice has them.
func (s *Sink) Wait(address string) Message {
	s.t.Helper()
	return s.wait("mail", address, func(m Message) bool { return !m.isNotice() })
}

// WaitNotice is Wait for the mails that tell what was done in an account.
func (s *Sink) WaitNotice(address string) Message {
	s.t.Helper()
	return s.wait("notice", address, Message.isNotice)
}

func (s *Sink) wait(what, address string, is func(Message) bool) Message {
	s.t.Helper()
	var found Message
	Eventually(s.t, "waiting for a "+what+" to "+address, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		seen, key := 0, what+" "+address
		for _, m := range s.got {
			if !m.sentTo(address) || !is(m) {
				continue
			}
			if seen == s.read[key] {
				s.read[key]++
				found = m
				return ""
			}
			seen++
		}
		return strconv.Itoa(len(s.got)) + " mails, none of them new and to this address"
	})
	return found
}

// WaitCode is the code of the oldest mail to the address that no Wait has
// returned yet and that has one: what notices say is passed over.
func (s *Sink) WaitCode(address string) string {
	s.t.Helper()
	for {
		if m := s.Wait(address); codePattern.MatchString(m.Text) {
			return m.Code(s.t)
		}
	}
}

func (s *Sink) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, encrypted := c.TLSConnectionState()
	return &sinkSession{sink: s, stopped: s.stopped, m: Message{Encrypted: encrypted}}, nil
}

// sinkSession is one connection (after STARTTLS: its encrypted part).
type sinkSession struct {
	sink    *Sink
	stopped <-chan struct{}
	m       Message
}

func (c *sinkSession) AuthMechanisms() []string {
	if c.sink.opts.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (c *sinkSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != c.sink.opts.Username || password != c.sink.opts.Password {
			return smtp.ErrAuthFailed
		}
		c.m.User = user
		return nil
	}), nil
}

func (c *sinkSession) Mail(from string, _ *smtp.MailOptions) error {
	if !c.sink.opts.Plain && !c.m.Encrypted {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "must issue STARTTLS first"}
	}
	if c.sink.opts.Username != "" && c.m.User == "" {
		return smtp.ErrAuthRequired
	}
	c.m.From = from
	return nil
}

func (c *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.sink.mu.Lock()
	fault := c.sink.fault
	c.sink.mu.Unlock()
	if errors.Is(fault, ErrHang) {
		<-c.stopped
	}
	if fault != nil {
		return fault
	}
	c.m.To = append(c.m.To, to)
	return nil
}

func (c *sinkSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := c.m
	m.Raw, m.At = string(raw), time.Now()
	if err := m.parse(); err != nil {
		c.sink.t.Errorf("a mail that cannot be parsed: %v\n%s", err, raw)
	}
	c.sink.mu.Lock()
	c.sink.got = append(c.sink.got, m)
	c.sink.mu.Unlock()
	return nil
}

func (c *sinkSession) Reset() {
	c.m = Message{User: c.m.User, Encrypted: c.m.Encrypted}
}

func (c *sinkSession) Logout() error { return nil }

// isNotice tells a mail with a link for "that was not me", or one of ours in
// English that has none.
func (m Message) isNotice() bool {
	return strings.Contains(m.Text, "/not-me#") || strings.HasPrefix(m.Text, "In your account ")
}

func (m Message) sentTo(address string) bool {
	for _, to := range m.To {
		if strings.EqualFold(to, address) {
			return true
		}
	}
	return false
}
