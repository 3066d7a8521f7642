package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// The checks of this file see one configuration, or as much of it as was read:
// the adapter asks again after each line, so that the line which broke it is
// the one that is named. A field that was not set is always right.

const day = 24 * time.Hour

// check refuses impossible values and unsafe combinations (BT-2).
func (a *App) check() error {
	if err := a.checkLines(); err != nil {
		return err
	}
	if err := a.checkPortal(); err != nil {
		return err
	}
	for i := range a.Apps {
		app := &a.Apps[i]
		if err := app.check(); err != nil {
			return err
		}
		if err := app.complete(); err != nil {
			return fmt.Errorf("app %s: %w", app.Host, err)
		}
	}
	if a.SMTP != (SMTP{}) {
		return a.SMTP.complete()
	}
	return nil
}

// checkPortal refuses what only a portal serves: a sidecar has no API, and no
// other apps.
func (a *App) checkPortal() error {
	switch {
	case a.Portal != "":
		return nil
	case len(a.Clients) > 0:
		return errors.New("client: the API is served by a portal; add \"portal https://auth.example.com\"")
	case a.API != (API{}):
		return errors.New("api: the API is served by a portal; add \"portal https://auth.example.com\"")
	case len(a.Apps) > 0:
		return errors.New("app: people sign in to an app behind another proxy at a portal; add \"portal https://auth.example.com\"")
	case len(a.Proxies) > 0:
		return errors.New("proxy: decisions are served by a portal; add \"portal https://auth.example.com\"")
	}
	return nil
}

// checkLines is check without what needs the whole configuration.
func (a *App) checkLines() error {
	for _, check := range []func() error{
		a.checkNames, a.checkPeople, a.checkLinkTTL, a.SMTP.check, a.Registration.check, a.Session.check,
		a.API.check, a.Limits.check, a.Brand.check, a.checkClients, a.checkProxies, a.checkApps,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) checkNames() error {
	if err := checkDatabase(a.Database); err != nil {
		return err
	}
	if a.RootKey != "" {
		if err := checkSecret("root_key", a.RootKey); err != nil {
			return err
		}
	}
	var portal origin
	if a.Portal != "" {
		var err error
		if portal, err = parseOrigin(a.Portal); err != nil {
			return fmt.Errorf("portal: %w", err)
		}
	}
	if a.RPID == "" {
		return nil
	}
	if err := checkHost(a.RPID); err != nil {
		return fmt.Errorf("rp_id: %w", err)
	}
	if portal.host != "" {
		return a.checkRPID(portal.host)
	}
	return nil
}

// checkRPID holds the rule of WebAuthn Level 3 section 5.1.3: the id is the
// name of the host that signs in, or a parent of it.
func (a *App) checkRPID(host string) error {
	if a.RPID == "" || a.RPID == host || strings.HasSuffix(host, "."+a.RPID) && a.RPID != "localhost" {
		return nil
	}
	return fmt.Errorf("rp_id: %q is neither %q, which serves sign-in, nor a parent of it; no browser would make a passkey", a.RPID, host)
}

func (a *App) checkPeople() error {
	for i, address := range a.Admins {
		if err := checkEmail(address); err != nil {
			return fmt.Errorf("admins: %w", err)
		}
		if slices.Contains(a.Admins[:i], address) {
			return fmt.Errorf("admins: %q stands twice", address)
		}
	}
	for i, m := range a.Methods {
		if m != "passkey" && m != "email" {
			return fmt.Errorf("methods: %q; write passkey, email or both", m)
		}
		if slices.Contains(a.Methods[:i], m) {
			return fmt.Errorf("methods: %q stands twice", m)
		}
	}
	if a.EmailAfterPasskey != "" && !slices.Contains([]string{"allow", "second", "off"}, a.EmailAfterPasskey) {
		return fmt.Errorf("email_after_passkey: %q; write allow, second or off", a.EmailAfterPasskey)
	}
	if err := a.checkWays(); err != nil {
		return err
	}
	if a.SelfDelete != "" && a.SelfDelete != "allow" && a.SelfDelete != "off" {
		return fmt.Errorf("self_delete: %q; write allow or off", a.SelfDelete)
	}
	for _, cidr := range a.MetricsAllow {
		if err := checkNetwork(cidr); err != nil {
			return fmt.Errorf("metrics_allow: %w", err)
		}
	}
	return nil
}

func (a *App) checkLinkTTL() error {
	if ttl := orDefault(a.LinkTTL, 10*time.Minute); ttl < time.Minute || ttl > 10*time.Minute { // ML-1, EC-1
		return errors.New("link_ttl: must be 1m to 10m: until then, whoever reads the mail can sign in")
	}
	return nil
}

func (s *SMTP) check() error {
	if s.Address != "" {
		if err := checkMailServer(s.Address); err != nil {
			return err
		}
	}
	if s.Password != "" {
		if err := checkSecret("smtp password", s.Password); err != nil {
			return err
		}
	}
	if s.From != "" {
		// The operator writes it, so the lenient parser of RFC 5322 may read it.
		if _, err := mail.ParseAddress(s.From); err != nil {
			return fmt.Errorf("smtp: from %q; write an address or \"Name <address>\"", s.From)
		}
	}
	if s.TLS != "" && !slices.Contains([]string{"starttls", "implicit", "none"}, s.TLS) {
		return fmt.Errorf("smtp: tls %q; write starttls, implicit or none", s.TLS)
	}
	if s.TLS == "none" && s.Password != "" && !isLoopback(s.host()) {
		return errors.New("smtp: tls none would send the password in the clear; write starttls or implicit")
	}
	return nil
}

// complete asks for what a mail server cannot do without.
func (s *SMTP) complete() error {
	switch {
	case s.Address == "":
		return errors.New("smtp: the server's address is missing, such as smtp.example.com:587")
	case s.From == "":
		return errors.New("smtp: from is missing, such as from \"Example <login@example.com>\"")
	case s.Password != "" && s.Username == "":
		return errors.New("smtp: a password without a username")
	case s.Username != "" && s.Password == "":
		return errors.New("smtp: a username without a password")
	}
	return nil
}

func checkMailServer(address string) error {
	host := address
	if strings.Contains(address, ":") {
		h, port, err := net.SplitHostPort(address)
		if err != nil || !validPort(port) {
			return fmt.Errorf("smtp: %q; write HOST:PORT", address)
		}
		host = h
	}
	if net.ParseIP(host) == nil && checkHost(strings.ToLower(host)) != nil {
		return fmt.Errorf("smtp: %q; write HOST:PORT", address)
	}
	return nil
}

// host is Address without its port.
func (s *SMTP) host() string {
	if host, _, err := net.SplitHostPort(s.Address); err == nil {
		return host
	}
	return s.Address
}

func (r *Registration) check() error {
	if r.Mode != "" && !slices.Contains([]string{"closed", "invite", "open"}, r.Mode) {
		return fmt.Errorf("registration: %q; write closed, invite or open", r.Mode)
	}
	if len(r.Domains) > 0 && r.Mode != "open" && r.Mode != "invite" {
		return errors.New("registration: domains belong to open and invite; closed lets in only who was added or invited")
	}
	for _, d := range r.Domains {
		if err := checkDomain(d); err != nil {
			return fmt.Errorf("registration: %w", err)
		}
	}
	return nil
}

func (s *Session) check() error {
	idle, absolute := orDefault(s.Idle, day), orDefault(s.Absolute, 30*day)
	switch {
	case idle < time.Minute:
		return errors.New("session: idle must be 1m or more")
	case absolute > 365*day:
		return errors.New("session: absolute must be 365d or less")
	case idle > absolute:
		return fmt.Errorf("session: idle (%v) must not be longer than absolute (%v)", idle, absolute)
	case s.PerUser < 0 || s.PerUser > 1000:
		return errors.New("session: per_user must be 1 to 1000")
	}
	return nil
}

func (a *API) check() error {
	access, refresh := orDefault(a.AccessTTL, 10*time.Minute), orDefault(a.RefreshTTL, 30*day)
	switch {
	case access < 10*time.Second || access > 10*time.Minute:
		return errors.New("api: access_ttl must be 10s to 10m: an access token cannot be taken back") // JW-4
	case refresh < access || refresh > 365*day:
		return fmt.Errorf("api: refresh_ttl must be %v to 365d", access)
	}
	return nil
}

func (l *Limits) check() error {
	for _, r := range []struct {
		word string
		rate Rate
	}{{"requests", l.Requests}, {"burst", l.Burst}, {"mails_per_address", l.MailsPerAddress}} {
		if err := r.rate.check(); err != nil {
			return fmt.Errorf("limits: %s: %w", r.word, err)
		}
	}
	// EC-3: five tries for each mail must stay under the guesser's budget.
	if m := l.MailsPerAddress; m != (Rate{}) && float64(m.Count)*float64(time.Hour) > 80*float64(m.Per) {
		return errors.New("limits: mails_per_address must be 80 per 1h or less: more mails are more chances to guess a code")
	}
	return nil
}

func (r Rate) check() error {
	switch {
	case r == (Rate{}):
		return nil
	case r.Count < 1:
		return errors.New("the number must be 1 or more")
	case time.Duration(r.Per) < time.Second || time.Duration(r.Per) > day:
		return errors.New("the time must be 1s to 1d")
	}
	return nil
}

func (a *App) checkClients() error {
	for i, c := range a.Clients {
		if !validName(c.Name) {
			return fmt.Errorf("client: %q is no name; it has 1 to 64 of a-z 0-9 . _ -", c.Name)
		}
		if c.Title == "" || len(c.Title) > 64 || hasControl(c.Title) {
			return fmt.Errorf("client %s: the title must have 1 to 64 bytes, without control characters", c.Name)
		}
		if slices.ContainsFunc(a.Clients[:i], func(other Client) bool { return other.Name == c.Name }) {
			return fmt.Errorf("client: %q stands twice", c.Name)
		}
		if len(c.Audience) > 256 || strings.ContainsFunc(c.Audience, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("client %s: the audience must have at most 256 visible ASCII characters, such as https://api.example.com", c.Name)
		}
		for _, o := range c.Origins {
			if _, err := parseOrigin(o); err != nil {
				return fmt.Errorf("client %s: %w", c.Name, err) // CS-2: exact origins only
			}
		}
	}
	return nil
}

func (b *Brand) check() error {
	if len(b.Name) > 64 || hasControl(b.Name) {
		return errors.New("brand: name must have at most 64 bytes, without control characters")
	}
	if b.Accent != "" && !validAccent(b.Accent) {
		return fmt.Errorf("brand: accent %q; write \"#rrggbb\", in quotes", b.Accent)
	}
	if b.Logo != "" && !slices.Contains([]string{".svg", ".png"}, filepath.Ext(b.Logo)) {
		return fmt.Errorf("brand: logo %q; write the path of an .svg or .png file", b.Logo)
	}
	return nil
}

func orDefault(d caddy.Duration, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return time.Duration(d)
}
