package outbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
)

const (
	// maxReplies bounds all that a server may send in one delivery.
	maxReplies = 1 << 20
	// quitFor is how long a delivered mail waits for a polite goodbye.
	quitFor = 2 * time.Second
)

// send hands one mail over: connect, encrypt, sign in, and one MAIL with
// exactly one RCPT (EM-4). It returns nil once the server has accepted the
// mail, else a *failure. It ends when ctx does.
func (s SMTP) send(ctx context.Context, from string, to email.Address, mail []byte) error {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", s.address())
	if err != nil {
		return failed(ctx, "connecting", err)
	}
	defer raw.Close()
	// Whatever waits for the server is waiting on raw.
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	c, fault := s.open(ctx, &bounded{raw, maxReplies})
	if fault == nil {
		fault = s.transfer(ctx, c, from, to, mail)
	}
	if fault != nil {
		return fault
	}
	// Accepted is accepted, whatever becomes of the goodbye.
	if raw.SetDeadline(time.Now().Add(quitFor)) == nil {
		_ = c.Quit()
	}
	return nil
}

// open begins the session: greeting, EHLO, TLS, AUTH.
func (s SMTP) open(ctx context.Context, conn net.Conn) (*smtp.Client, *failure) {
	if s.TLS == Implicit {
		encrypted := tls.Client(conn, s.tlsConfig())
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, failed(ctx, "connecting with TLS", err)
		}
		conn = encrypted
	}
	c, err := smtp.NewClient(conn, s.Host)
	if err != nil {
		return nil, failed(ctx, "greeting", err)
	}
	c.SkipSMTPUTF8(true) // EM-2: our addresses are ASCII
	if err := c.Hello(helloName(conn.LocalAddr())); err != nil {
		return nil, failed(ctx, "EHLO", err)
	}
	if s.TLS == StartTLS {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return nil, failed(ctx, "STARTTLS", errors.New("the mail server does not offer it; write tls implicit for port 465, or tls none for a server on this machine"))
		}
		if err := c.StartTLS(s.tlsConfig()); err != nil {
			return nil, failed(ctx, "STARTTLS", err)
		}
	}
	if s.Username != "" {
		if err := s.signIn(c, conn); err != nil {
			return nil, failed(ctx, "AUTH", err)
		}
	}
	return c, nil
}

// signIn uses the best mechanism that the server offers. Without TLS it goes
// no further than this machine, whatever the host's name resolves to.
func (s SMTP) signIn(c *smtp.Client, conn net.Conn) error {
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if _, encrypted := c.TLSConnectionState(); !encrypted && (err != nil || !remote.Addr().Unmap().IsLoopback()) {
		return errors.New("refusing to send the password over an unencrypted connection")
	}
	_, offer := c.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(offer))
	password := s.Password.Reveal()
	for _, m := range []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(s.Username, password)},
		{"SCRAM-SHA-1", smtp.ScramSHA1Auth(s.Username, password)},
		{"PLAIN", smtp.PlainAuth("", s.Username, password, s.Host, true)},
		{"LOGIN", smtp.LoginAuth(s.Username, password, s.Host, true)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(s.Username, password)},
	} {
		if slices.Contains(offered, m.name) {
			return signInError(c.Auth(m.auth))
		}
	}
	if len(offered) == 0 {
		return errors.New("the mail server offers no sign-in here; leave username and password out, or use its submission port")
	}
	return errors.New("the mail server offers no way to sign in that we know")
}

// signInError drops what the library says of a dialogue that went wrong: it
// quotes the dialogue.
func signInError(err error) error {
	var reply *textproto.Error
	if err == nil || errors.As(err, &reply) {
		return err
	}
	return errors.New("the sign-in was broken off")
}

func (s SMTP) transfer(ctx context.Context, c *smtp.Client, from string, to email.Address, mail []byte) *failure {
	// A refused sender is the configuration's fault, not this mail's.
	if err := c.Mail("<" + from + ">"); err != nil {
		return failed(ctx, "MAIL", err)
	}
	if err := c.Rcpt("<" + string(to) + ">"); err != nil {
		return refused(ctx, "RCPT", err)
	}
	w, err := c.Data()
	if err != nil {
		return refused(ctx, "DATA", err)
	}
	// After a failed write the connection is dropped as it is: Close and QUIT
	// would both end the data properly, and half a mail would be delivered.
	if _, err := w.Write(mail); err != nil {
		return failed(ctx, "DATA", err)
	}
	if err := w.Close(); err != nil {
		return refused(ctx, "end of DATA", err)
	}
	return nil
}

// helloName is what EHLO says (RFC 5321 section 4.1.1.1): this machine's full
// name, or its address where it has none, as in a container.
func helloName(local net.Addr) string {
	if name, err := os.Hostname(); err == nil && isHost(name) && strings.Contains(name, ".") {
		return name
	}
	at, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return "localhost"
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is6() {
		return fmt.Sprintf("[IPv6:%s]", ip)
	}
	return fmt.Sprintf("[%s]", ip)
}

// bounded is a connection that answers only so much (DS-1): the protocol's
// parser takes lines of any length.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
