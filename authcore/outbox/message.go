package outbox

import (
	"bytes"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// subject is the same for every mail of a kind and a brand, and of a notice for
// every one of what was done: subjects are shown on locked screens and kept in
// logs (ML-7).
func subject(l *i18n.Language, k kind, a About, data any) string {
	event := ""
	if n, ok := data.(Notice); ok {
		event = l.Text(n.Kind.Event())
	}
	return l.Text(k.subject, "brand", a.Brand, "event", i18n.Word(event))
}

// compose builds the mail: headers, a text part and an HTML part, all of it
// 7-bit, with lines that no server needs to break.
func compose(id string, from *netmail.Address, to email.Address, now time.Time, subject, plain, rich string) ([]byte, error) {
	m := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP))
	if err := m.From(from.String()); err != nil {
		return nil, fmt.Errorf("setting the sender: %w", err)
	}
	if err := m.To(string(to)); err != nil {
		return nil, fmt.Errorf("setting the recipient: %w", err)
	}
	m.Subject(subject)
	m.SetDateWithValue(now)
	// The same for every try, so that mailboxes can tell a repeated delivery.
	_, domain, _ := strings.Cut(from.Address, "@")
	m.SetMessageIDWithValue(id + "@" + domain)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	m.SetBodyString(mail.TypeTextPlain, plain)
	m.AddAlternativeString(mail.TypeTextHTML, rich)
	var out bytes.Buffer
	if _, err := m.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("writing the mail: %w", err)
	}
	return out.Bytes(), nil
}
