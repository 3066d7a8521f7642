package outbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

func TestCheck_SaysWhatToWrite(t *testing.T) {
	good := SMTP{Host: "smtp.example.com", From: "login@example.com"}
	with := func(change func(*SMTP)) SMTP {
		s := good
		change(&s)
		return s
	}
	for name, s := range map[string]SMTP{
		"plain":           good,
		"display name":    with(func(s *SMTP) { s.From = "Exämple Login <login@example.com>" }),
		"encoded name":    with(func(s *SMTP) { s.From = "=?utf-8?q?Ex=C3=A4mple?= <login@example.com>" }),
		"sign-in":         with(func(s *SMTP) { s.Username, s.Password = "u", "p" }),
		"loopback, plain": with(func(s *SMTP) { s.Host, s.Username, s.Password, s.TLS = "127.0.0.1", "u", "p", NoTLS }),
		"IPv6 loopback":   with(func(s *SMTP) { s.Host, s.Username, s.Password, s.TLS = "::1", "u", "p", NoTLS }),
		"relay":           with(func(s *SMTP) { s.Host, s.TLS = "mail_relay", NoTLS }),
	} {
		if err := s.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []struct {
		change func(*SMTP)
		want   string
	}{
		{func(s *SMTP) { s.Host = "" }, "address is missing"},
		{func(s *SMTP) { s.Host = "smtp.example.com:587" }, "write HOST:PORT"},
		{func(s *SMTP) { s.Host = "smtp example" }, "write HOST:PORT"},
		{func(s *SMTP) { s.Port = 70000 }, "1 to 65535"},
		{func(s *SMTP) { s.TLS = "ssl" }, "starttls, implicit or none"},
		{func(s *SMTP) { s.Password = "p" }, "a password without a username"},
		{func(s *SMTP) { s.Username = "u" }, "a username without a password"},
		{func(s *SMTP) { s.Username, s.Password, s.TLS = "u", "p", NoTLS }, "in the clear"},
		{func(s *SMTP) { s.Timeout = -1 }, "at most 5m"},
		{func(s *SMTP) { s.Timeout = time.Hour }, "at most 5m"},
		{func(s *SMTP) { s.From = "" }, "from is missing"},
		{func(s *SMTP) { s.From = "login" }, "write one address"},
		{func(s *SMTP) { s.From = "a@example.com, b@example.com" }, "write one address"},
		{func(s *SMTP) { s.From = `"a b"@example.com` }, "the address may hold"},
		{func(s *SMTP) { s.From = "löwe@example.com" }, "the address may hold"},
		{func(s *SMTP) { s.From = "a@[127.0.0.1]" }, "the address may hold"},
		{func(s *SMTP) { s.From = "=?utf-8?q?A=E2=80=AEB?= <a@example.com>" }, "plain words on one line"},
	} {
		s := with(c.change)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", s, err, c.want)
		}
	}
}

func TestSMTP_HidesItsPassword(t *testing.T) {
	s := SMTP{Host: "h", Username: "u", Password: "hunter2"}
	j, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "smtp", s)
	for _, out := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %v %x", s, s, &s, s.Password), string(j), logged.String()} {
		if strings.Contains(out, "hunter2") {
			t.Errorf("printed: %s", out)
		}
	}
}

// trySend sends one mail without a worker.
func trySend(t *testing.T, s SMTP) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errTimedOut)
	defer cancel()
	return s.withDefaults().send(ctx, "login@example.com", "ada@example.com", []byte("Subject: x\r\n\r\n.hidden dot\r\n"))
}

func TestSend_EveryConnection(t *testing.T) {
	for name, s := range map[string]*sink{
		"starttls":              {},
		"implicit":              {implicit: true},
		"none":                  {noTLS: true},
		"starttls, PLAIN":       {mechanisms: []string{"PLAIN"}},
		"implicit, PLAIN":       {mechanisms: []string{"PLAIN"}, implicit: true},
		"starttls, LOGIN":       {mechanisms: []string{"LOGIN"}},
		"loopback alone, PLAIN": {mechanisms: []string{"PLAIN"}, noTLS: true},
		"loopback alone, LOGIN": {mechanisms: []string{"LOGIN"}, noTLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			s.start(t)
			if err := trySend(t, s.smtp()); err != nil {
				t.Fatal(err)
			}
			got := s.mails()
			if len(got) != 1 || got[0].from != "login@example.com" || len(got[0].to) != 1 || got[0].to[0] != "ada@example.com" {
				t.Fatalf("got %+v", got)
			}
			if got[0].data != "Subject: x\r\n\r\n.hidden dot\r\n" {
				t.Errorf("data %q", got[0].data)
			}
			if got[0].encrypted == s.noTLS {
				t.Errorf("encrypted: %t", got[0].encrypted)
			}
			if len(s.mechanisms) > 0 && (got[0].user != "u" || got[0].mechanism != s.mechanisms[0]) {
				t.Errorf("signed in as %q by %q", got[0].user, got[0].mechanism)
			}
		})
	}
}

func TestSend_RefusesWhatIsNotSafe(t *testing.T) {
	for name, c := range map[string]struct {
		sink   *sink
		change func(*SMTP)
		want   string
	}{
		"unknown CA, starttls": {&sink{}, func(s *SMTP) { s.RootCAs = x509.NewCertPool() }, "STARTTLS: tls: failed to verify certificate"},
		"unknown CA, implicit": {&sink{implicit: true}, func(s *SMTP) { s.RootCAs = x509.NewCertPool() }, "connecting with TLS: tls: failed to verify certificate"},
		"system CAs":           {&sink{}, func(s *SMTP) { s.RootCAs = nil }, "failed to verify certificate"},
		"foreign certificate":  {&sink{}, func(s *SMTP) { s.Host = "localhost" }, "failed to verify certificate"},
		"STARTTLS stripped":    {&sink{noTLS: true}, func(s *SMTP) { s.TLS = StartTLS }, "STARTTLS: the mail server does not offer it"},
		"wrong password":       {&sink{mechanisms: []string{"PLAIN"}}, func(s *SMTP) { s.Password = "wrong" }, "AUTH: 535 5.7.8"},
		"no AUTH offered":      {&sink{}, func(s *SMTP) { s.Username, s.Password = "u", "p" }, "AUTH: the mail server offers no sign-in here"},
		"unknown mechanism":    {&sink{mechanisms: []string{"GSSAPI"}}, func(*SMTP) {}, "AUTH: the mail server offers no way to sign in"},
	} {
		t.Run(name, func(t *testing.T) {
			c.sink.start(t)
			s := c.sink.smtp()
			c.change(&s)
			err := trySend(t, s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if final(err) {
				t.Error("a fault of the connection is taken for one of the mail")
			}
			if strings.Contains(err.Error(), "wrong") || len(c.sink.mails()) > 0 {
				t.Errorf("error %v, mails %v", err, c.sink.mails())
			}
		})
	}
}

// A host whose name resolves to another machine gets no password without TLS,
// even past Check.
func TestSend_NoPasswordBeyondLoopbackWithoutTLS(t *testing.T) {
	s := (&sink{noTLS: true, mechanisms: []string{"PLAIN"}}).start(t)
	far := farConn{}
	c, f := s.smtp().open(t.Context(), far.dial(t, s.addr))
	if c != nil || f == nil || !strings.Contains(f.Error(), "refusing to send the password") {
		t.Fatalf("got %v, %v", c, f)
	}
}

// farConn is a connection that claims to lead elsewhere.
type farConn struct{ net.Conn }

func (farConn) dial(t *testing.T, to net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return farConn{c}
}

func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25} }

// script answers each connection with fixed bytes and then reads on.
func script(t *testing.T, send func(net.Conn)) SMTP {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				send(c)
			}()
		}
	}()
	return SMTP{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, From: "login@example.com", TLS: NoTLS}
}

// DS-1: the server is bounded in what it may say.
func TestSend_EndlessAnswerIsCutOff(t *testing.T) {
	s := script(t, func(c net.Conn) {
		for chunk := bytes.Repeat([]byte("2"), 64<<10); ; {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	if err := trySend(t, s); err == nil || !strings.Contains(err.Error(), "greeting:") || strings.Contains(err.Error(), "222") {
		t.Fatalf("got %v", err)
	}
}

// Trying again after a lost goodbye would deliver the mail twice.
func TestSend_AcceptedIsAcceptedWithoutAGoodbye(t *testing.T) {
	s := script(t, func(c net.Conn) {
		lines := bufio.NewScanner(c)
		for _, reply := range []string{"220 hi", "250 EHLO", "250 MAIL", "250 RCPT", "354 DATA"} {
			if _, err := io.WriteString(c, reply+"\r\n"); err != nil || !lines.Scan() {
				return
			}
		}
		for lines.Text() != "." && lines.Scan() {
		}
		_, _ = io.WriteString(c, "250 accepted\r\n") // and the connection is gone
	})
	if err := trySend(t, s); err != nil {
		t.Fatal(err)
	}
}

func TestSend_SilenceEndsAtTheTimeout(t *testing.T) {
	s := script(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errTimedOut)
	defer cancel()
	err := s.withDefaults().send(ctx, "login@example.com", "ada@example.com", []byte("x"))
	if err == nil || err.Error() != "greeting: the mail server took too long" {
		t.Fatalf("got %v", err)
	}
}

// ML-7, LG-1, LG-2: what a server says is kept without what it quotes.
func TestWords_KeepNothingThatIsQuoted(t *testing.T) {
	for reply, want := range map[string]string{
		"5.1.1 <ada@example.com>: Recipient address rejected: User unknown": "Recipient address rejected: User unknown",
		"spam: " + testLink + " found":                                      "spam: found",
		"code " + testCode + " 1234 5678 1234-5678 (12345678)":              "code",
		"token=" + testToken + " (" + testToken + ") " + testToken[:21]:     "",
		"line one\nline\x1b[31m two\x00 \u202eevil":                         "line one",
		"see http://evil.example/ www.evil.example evil.example":            "see",
		"don't re-try (later)!":                                             "don't re-try (later)!",
	} {
		if got := words(reply); got != want {
			t.Errorf("words(%q) = %q, want %q", reply, got, want)
		}
	}
	if got := words(strings.Repeat("word ", 1000)); len(got) > maxReason {
		t.Errorf("%d bytes", len(got))
	}
}
