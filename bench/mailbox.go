package main

import (
	"fmt"
	"io"
	"net"
	"regexp"

	"github.com/emersion/go-smtp"
)

// mailbox is an SMTP server on loopback that takes every mail.
type mailbox struct {
	server *smtp.Server
	addr   string
}

// openMailbox passes each mail on to take, with the one address that it is for.
// An error of take refuses the mail.
func openMailbox(take func(to string, mail []byte) error) (*mailbox, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the mailbox: %w", err)
	}
	m := &mailbox{addr: ln.Addr().String()}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{take: take}, nil }))
	m.server.Domain = "localhost"
	m.server.ReadTimeout, m.server.WriteTimeout = patience, patience
	go func() { _ = m.server.Serve(ln) }() // ends with ErrServerClosed
	return m, nil
}

func (m *mailbox) close() error { return m.server.Close() }

// delivery is one SMTP session.
type delivery struct {
	take func(to string, mail []byte) error
	to   string
}

// Mail is the sender, whoever that is.
func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt is the one address that a mail of ours has (EM-4).
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}

// Data is the mail.
func (d *delivery) Data(r io.Reader) error {
	mail, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return d.take(d.to, mail)
}

// Reset begins anew.
func (d *delivery) Reset() { d.to = "" }

// Logout ends the session.
func (d *delivery) Logout() error { return nil }

var (
	codePattern = regexp.MustCompile(`\b(\d{4}) (\d{4})\b`) // as mails show it (DESIGN §6)
	errNoCode   = &smtp.SMTPError{Code: 554, Message: "no code in this mail"}
)

// serveMailbox takes mails that nobody reads; its answer is its address.
func serveMailbox(in io.Reader, out io.Writer) error {
	m, err := openMailbox(func(string, []byte) error { return nil })
	if err != nil {
		return err
	}
	defer m.close() //nolint:errcheck // the process ends
	return answer(in, out, func(struct{}) (any, error) { return m.addr, nil })
}

// codeIn is the code of a sign-in mail, or empty.
func codeIn(mail []byte) string {
	code := codePattern.FindSubmatch(mail)
	if code == nil {
		return ""
	}
	return string(code[1]) + string(code[2])
}

// passOn sends codes to whoever waits for one; more than one at a time are for
// nobody.
func passOn(codes chan<- string) func(string, []byte) error {
	return func(_ string, mail []byte) error {
		code := codeIn(mail)
		if code == "" {
			return errNoCode
		}
		select {
		case codes <- code:
		default: // one is enough
		}
		return nil
	}
}
