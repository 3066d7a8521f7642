package demo

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Bounds of what is kept: the mailbox lives in memory.
const (
	maxMails    = 200
	maxMailSize = 256 << 10
)

// Mail is one received mail, as /messages.json shows it.
type Mail struct {
	To      string    `json:"to"`   // envelope recipients, ", " between them
	From    string    `json:"from"` // envelope sender
	Subject string    `json:"subject"`
	Date    time.Time `json:"date"` // when it arrived
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
}

// Sink is the demo's mail server and mailbox: a real SMTP server on a loopback
// port of its own, which delivers everything to the mailbox page.
type Sink struct {
	now    func() time.Time
	server *smtp.Server

	mu    sync.Mutex
	mails []Mail // oldest first, at most maxMails
	count int    // how many there ever were
}

// NewSink makes the mail server; Serve starts it.
func NewSink(now func() time.Time, log *slog.Logger) *Sink {
	s := &Sink{now: now}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{sink: s}, nil }))
	s.server.Domain = "mail.localhost"
	s.server.MaxMessageBytes = maxMailSize
	s.server.MaxRecipients = 1
	s.server.ReadTimeout, s.server.WriteTimeout = 10*time.Second, 10*time.Second
	s.server.ErrorLog = smtpLog{log}
	return s
}

// Serve takes mail until Close.
func (s *Sink) Serve(ln net.Listener) error {
	if err := s.server.Serve(ln); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return fmt.Errorf("taking mail: %w", err)
	}
	return nil
}

// Close ends the mail server.
func (s *Sink) Close() error { return s.server.Close() }

// Mails are the mails, newest first, and a number that changes with each one.
func (s *Sink) Mails() ([]Mail, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.mails)
	slices.Reverse(list)
	return list, s.count
}

func (s *Sink) add(m Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mails) == maxMails {
		s.mails = slices.Delete(s.mails, 0, 1)
	}
	s.mails = append(s.mails, m)
	s.count++
}

// delivery is one SMTP connection.
type delivery struct {
	sink *Sink
	from string
	to   []string
}

func (d *delivery) Mail(from string, _ *smtp.MailOptions) error {
	d.from = from
	return nil
}

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = append(d.to, to)
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	m := Mail{From: d.from, To: strings.Join(d.to, ", "), Date: d.sink.now().UTC()}
	if err := m.parse(r); err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "not a mail: " + err.Error()}
	}
	d.sink.add(m)
	return nil
}

func (d *delivery) Reset()        { d.from, d.to = "", nil }
func (d *delivery) Logout() error { return nil }

// parse reads the subject and the text and HTML parts (RFC 5322, RFC 2045).
func (m *Mail) parse(r io.Reader) error {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return fmt.Errorf("reading the subject: %w", err)
	}
	return m.part(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body, 0)
}

// maxDepth bounds multiparts within multiparts.
const maxDepth = 4

func (m *Mail) part(contentType, encoding string, body io.Reader, depth int) error {
	kind, params := "text/plain", map[string]string(nil)
	if contentType != "" {
		var err error
		if kind, params, err = mime.ParseMediaType(contentType); err != nil {
			return fmt.Errorf("reading a content type: %w", err)
		}
	}
	if strings.HasPrefix(kind, "multipart/") {
		return m.parts(multipart.NewReader(body, params["boundary"]), depth)
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("reading a part: %w", err)
	}
	text := strings.ReplaceAll(string(content), "\r\n", "\n")
	switch kind {
	case "text/plain":
		m.Text += text
	case "text/html":
		m.HTML += text
	}
	return nil
}

func (m *Mail) parts(r *multipart.Reader, depth int) error {
	if depth == maxDepth {
		return errors.New("too many parts within parts")
	}
	for {
		// NextRawPart leaves the encoding alone, so that it is read in one place.
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading parts: %w", err)
		}
		if err := m.part(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, depth+1); err != nil {
			return err
		}
	}
}

// smtpLog hands the server's complaints to a logger.
type smtpLog struct{ log *slog.Logger }

func (l smtpLog) Printf(format string, v ...any) {
	l.log.Debug("demo mail server", "message", fmt.Sprintf(format, v...))
}

func (l smtpLog) Println(v ...any) {
	l.log.Debug("demo mail server", "message", fmt.Sprint(v...))
}
