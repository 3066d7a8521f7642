package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wneessen/go-mail"
)

const (
	testText = "Your code is 1234 5678.\nhttps://auth.example.test/login/link#tök=1\nDon't share it — it is yours alone, and the line is long enough to be folded."
	testHTML = "<p>Your code</p>"
)

// deliver sends one mail with go-mail, as the outbox does.
func deliver(t *testing.T, s *Sink, roots *x509.CertPool, extra ...mail.Option) error {
	t.Helper()
	opts := append([]mail.Option{
		mail.WithPort(s.Port), mail.WithTimeout(time.Second),
		mail.WithTLSConfig(&tls.Config{RootCAs: roots, ServerName: s.Host, MinVersion: tls.VersionTLS12}),
	}, extra...)
	c, err := mail.NewClient(s.Host, opts...)
	if err != nil {
		return err
	}
	m := mail.NewMsg()
	if err := errors.Join(m.EnvelopeFrom("bounce@example.test"), m.From("login@example.test"), m.To("ada@example.test")); err != nil {
		return err
	}
	m.Subject("Dein Code für später")
	m.SetBodyString(mail.TypeTextPlain, testText)
	m.AddAlternativeString(mail.TypeTextHTML, testHTML)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return c.DialAndSendWithContext(ctx, m)
}

func TestSink_DeliversByEveryTransport(t *testing.T) {
	login := []mail.Option{mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername("u"), mail.WithPassword("secret")}
	for _, c := range []struct {
		name      string
		opts      SinkOptions
		client    []mail.Option
		encrypted bool
	}{
		{"STARTTLS", SinkOptions{}, []mail.Option{mail.WithTLSPolicy(mail.TLSMandatory)}, true},
		{"STARTTLS and AUTH", SinkOptions{Username: "u", Password: "secret"}, append(login, mail.WithTLSPolicy(mail.TLSMandatory)), true},
		{"implicit TLS", SinkOptions{ImplicitTLS: true}, []mail.Option{mail.WithSSL()}, true},
		{"plain", SinkOptions{Plain: true}, []mail.Option{mail.WithTLSPolicy(mail.NoTLS)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := StartSink(t, c.opts)
			if err := deliver(t, s, Roots(t, s.CA), c.client...); err != nil {
				t.Fatal(err)
			}
			m := s.Wait("Ada@example.test")
			if m.From != "bounce@example.test" || m.User != c.opts.Username || m.Encrypted != c.encrypted {
				t.Errorf("envelope %q, user %q, encrypted %v", m.From, m.User, m.Encrypted)
			}
			if got := strings.TrimSpace(strings.ReplaceAll(m.Text, "\r\n", "\n")); got != testText {
				t.Errorf("text %q", got)
			}
			if m.Subject != "Dein Code für später" || strings.TrimSpace(m.HTML) != testHTML {
				t.Errorf("subject %q, HTML %q", m.Subject, m.HTML)
			}
			if code := m.Code(t); code != "12345678" {
				t.Errorf("code %q", code)
			}
			if link := m.Link(t, "/login/link"); link != "https://auth.example.test/login/link#tök=1" {
				t.Errorf("link %q", link)
			}
		})
	}
}

func TestSink_RefusesWhatAServerWould(t *testing.T) {
	tlsOnly := mail.WithTLSPolicy(mail.TLSMandatory)
	s := StartSink(t, SinkOptions{Username: "u", Password: "secret"})
	auth := []mail.Option{tlsOnly, mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername("u")}
	for _, c := range []struct {
		name  string
		roots *x509.CertPool
		opts  []mail.Option
	}{
		{"an unknown certificate", x509.NewCertPool(), append(auth, mail.WithPassword("secret"))},
		{"a wrong password", Roots(t, s.CA), append(auth, mail.WithPassword("guess"))},
		{"nobody signed in", Roots(t, s.CA), []mail.Option{tlsOnly}},
		{"no encryption", Roots(t, s.CA), []mail.Option{mail.WithTLSPolicy(mail.NoTLS)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := deliver(t, s, c.roots, c.opts...); err == nil {
				t.Error("accepted")
			}
		})
	}
	if n := len(s.Messages()); n != 0 {
		t.Errorf("%d mails kept", n)
	}
}

func TestSink_FailsOnDemand(t *testing.T) {
	s := StartSink(t, SinkOptions{})
	send := func() error { return deliver(t, s, Roots(t, s.CA), mail.WithTLSPolicy(mail.TLSMandatory)) }
	for _, c := range []struct {
		fault     error
		temporary bool
	}{{ErrTemporary, true}, {ErrPermanent, false}} {
		s.Fail(c.fault)
		var refused *mail.SendError
		if err := send(); !errors.As(err, &refused) || refused.IsTemp() != c.temporary {
			t.Errorf("%v became %v", c.fault, err)
		}
	}
	s.Fail(ErrHang)
	if err := send(); err == nil {
		t.Error("a server that hangs was waited for")
	}
	s.Stop()
	if err := send(); err == nil {
		t.Error("a stopped server took a mail")
	}
	s.Fail(nil)
	s.Start()
	if err := send(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	s.Wait("ada@example.test")
}
