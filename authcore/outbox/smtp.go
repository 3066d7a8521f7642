package outbox

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
)

// Password is the mail server's; whatever prints or logs it writes
// "[redacted]" (LG-1).
type Password = secret.Text

// Ways to encrypt the connection, for SMTP.TLS.
const (
	StartTLS = "starttls" // required of the server, never optional: an attacker could strip the offer
	Implicit = "implicit" // TLS from the first byte (RFC 8314)
	NoTLS    = "none"     // for a server on this machine or in one's own network
)

// SMTP is the mail server that takes our mail. The zero value means that there
// is none: mails then wait, say so, and expire.
type SMTP struct {
	Host     string
	Port     int           // default 587 with starttls, 465 with implicit, 25 with none
	Username string        // default: no sign-in
	Password Password      // together with Username
	From     string        // "login@example.com" or "Example <login@example.com>"
	TLS      string        // StartTLS (default), Implicit or NoTLS
	Timeout  time.Duration // of one delivery from dialling to acceptance; default 30 s, at most 5 min

	// RootCAs replaces the system's certificate authorities, in tests.
	RootCAs *x509.CertPool
}

const (
	defaultTimeout = 30 * time.Second
	// maxTimeout is what RFC 5321 section 4.5.3.2 gives a server for one
	// command. A code lives ten minutes, so nobody has more patience.
	maxTimeout = 5 * time.Minute
)

// Check says what is wrong with the settings in a sentence for the operator.
// It contacts nobody.
func (s SMTP) Check() error {
	switch {
	case s.Host == "":
		return errors.New("smtp: the server's address is missing, such as smtp.example.com:587")
	case !isHost(s.Host):
		return fmt.Errorf("smtp: %q is not a host name or IP address; write HOST:PORT", s.Host)
	case s.Port < 0 || s.Port > 65535:
		return fmt.Errorf("smtp: port %d; write a number from 1 to 65535", s.Port)
	case s.TLS != "" && s.TLS != StartTLS && s.TLS != Implicit && s.TLS != NoTLS:
		return fmt.Errorf("smtp: tls %q; write starttls, implicit or none", s.TLS)
	case s.Username == "" && s.Password != "":
		return errors.New("smtp: a password without a username")
	case s.Username != "" && s.Password == "":
		return errors.New("smtp: a username without a password")
	case s.TLS == NoTLS && s.Username != "" && !isLoopback(s.Host):
		return errors.New("smtp: tls none would send the password in the clear; write starttls or implicit")
	case s.Timeout < 0 || s.Timeout > maxTimeout:
		return fmt.Errorf("smtp: timeout %s; at most %s is possible", s.Timeout, maxTimeout)
	}
	_, err := s.sender()
	return err
}

// sender parses From. The operator writes it, so the lenient grammar of RFC
// 5322 may read the name; the address itself goes into the envelope and the
// Message-ID and must be plain.
func (s SMTP) sender() (*mail.Address, error) {
	if s.From == "" {
		return nil, errors.New("smtp: from is missing, such as from \"Example <login@example.com>\"")
	}
	from, err := mail.ParseAddress(s.From)
	if err != nil {
		return nil, fmt.Errorf("smtp: from %q; write one address or \"Name <address>\"", s.From)
	}
	local, domain, _ := strings.Cut(from.Address, "@")
	if plain(from.Name, len(from.Name)) != from.Name {
		return nil, fmt.Errorf("smtp: from %q; the name must be plain words on one line", s.From)
	}
	if local == "" || !isHost(domain) || strings.ContainsFunc(local, notInAddress) {
		return nil, fmt.Errorf("smtp: from %q; the address may hold letters, digits and signs such as + - _ and one @", s.From)
	}
	return from, nil
}

func notInAddress(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>@[\]`, r) }

// withDefaults fills in what may be left out.
func (s SMTP) withDefaults() SMTP {
	s.TLS = cmp.Or(s.TLS, StartTLS)
	s.Port = cmp.Or(s.Port, map[string]int{StartTLS: 587, Implicit: 465, NoTLS: 25}[s.TLS])
	s.Timeout = cmp.Or(s.Timeout, defaultTimeout)
	return s
}

// configured tells a server from none at all.
func (s SMTP) configured() bool { return s.Host != "" }

func (s SMTP) address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// tlsConfig verifies the server's certificate for Host, always.
func (s SMTP) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.Host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
}

func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInLabel) {
			return false
		}
	}
	return true
}

// notInLabel allows underscores: container networks have them.
func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}
