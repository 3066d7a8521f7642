package harness

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Message is a received mail: the envelope as the client gave it, and what the
// mail says.
type Message struct {
	From      string   // envelope sender (MAIL FROM)
	To        []string // envelope recipients (RCPT TO)
	User      string   // who authenticated, "" when nobody
	Encrypted bool     // the connection was TLS when the mail was given
	At        time.Time

	Header  mail.Header
	Subject string // decoded
	Text    string // the text/plain part, decoded
	HTML    string // the text/html part, decoded
	Raw     string // as it came over the wire
}

var (
	codePattern = regexp.MustCompile(`\b(\d{4}) (\d{4})\b`)
	linkPattern = regexp.MustCompile(`https?://[^\s<>"]+#[^\s<>"]+`)
)

// Code is the eight-digit code of the text part without its space. A mail that
// shows none, or two, fails the test.
func (m Message) Code(t testing.TB) string {
	t.Helper()
	found := codePattern.FindAllStringSubmatch(m.Text, -1)
	if len(found) != 1 {
		t.Fatalf("%d codes in the mail, want one:\n%s", len(found), m.Text)
	}
	return found[0][1] + found[0][2]
}

// Link is the one link of the text part that carries its secret in the
// fragment and whose path ends as given, e.g. "/login/link".
func (m Message) Link(t testing.TB, pathSuffix string) string {
	t.Helper()
	var links []string
	for _, link := range linkPattern.FindAllString(m.Text, -1) {
		if before, _, _ := strings.Cut(link, "#"); strings.HasSuffix(before, pathSuffix) {
			links = append(links, link)
		}
	}
	if len(links) != 1 {
		t.Fatalf("%d links to %s in the mail, want one:\n%s", len(links), pathSuffix, m.Text)
	}
	return links[0]
}

// parse fills the decoded fields from Raw.
func (m *Message) parse() error {
	msg, err := mail.ReadMessage(strings.NewReader(m.Raw))
	if err != nil {
		return fmt.Errorf("reading header: %w", err)
	}
	m.Header = msg.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return fmt.Errorf("decoding subject: %w", err)
	}
	return m.addPart(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body)
}

// addPart keeps a text part, or descends into a multipart one.
func (m *Message) addPart(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("parsing content type %q: %w", contentType, err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return fmt.Errorf("reading part: %w", err)
			}
			if err := m.addPart(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "", "7bit", "8bit":
	default:
		return fmt.Errorf("a text part in transfer encoding %q", encoding)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("decoding %s: %w", kind, err)
	}
	switch kind {
	case "text/plain":
		m.Text += string(text)
	case "text/html":
		m.HTML += string(text)
	}
	return nil
}
