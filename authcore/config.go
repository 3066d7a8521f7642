package authcore

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/redirect"
)

// Origin is a configured web origin.
type Origin = redirect.Origin

// ParseOrigin reads "https://host[:port]"; plain http only for localhost and
// *.localhost. The error says what to write.
func ParseOrigin(s string) (Origin, error) { return redirect.ParseOrigin(s) }

// Registration says who may create an account by signing in.
type Registration struct {
	Mode    string   // "closed", "invite" or "open"
	Domains []string // open, invite: only addresses of these; empty: any
}

// APIClient is a program that may use /api/login (DESIGN §7).
type APIClient struct {
	ID       string
	Title    string
	Origins  []string // exact origins for CORS
	Audience string   // of its access tokens; default the issuer
}

// App is one guarded host, or all hosts one label below a name: then Origin's
// host begins with "*.".
type App struct {
	Origin Origin
	Policy Policy

	id uint32 // the runtime's number for Origin.Host; 0: it has none yet
}

// ParseAppOrigin is ParseOrigin for an app, which may be https://*.example.com.
func ParseAppOrigin(s string) (Origin, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	name, ok := strings.CutPrefix(rest, "*.")
	if !ok {
		return redirect.ParseOrigin(s)
	}
	o, err := redirect.ParseOrigin(scheme + "://" + name)
	if err != nil {
		return o, err
	}
	// RD-1: below a public suffix live strangers.
	if suffix, _ := publicsuffix.PublicSuffix(o.Host); suffix == o.Host && o.Host != "localhost" {
		return o, fmt.Errorf("anybody can have a name below %s; write hosts, or a * below a domain of your own", o.Host)
	}
	o.Host = "*." + o.Host
	return o, nil
}

// Config is everything a Service is made of. The zero value of each field is
// its safe default where it has one.
type Config struct {
	Portal Origin // zero: sidecar
	Apps   []App
	RPID   string // default: the host that serves sign-in
	RPName string // default: Brand
	Brand  string // default "Sign in"

	Registration Registration
	Admins       []string
	NoPasskey    bool // methods without passkey
	NoEmail      bool // methods without email
	NoMailServer bool // mail cannot leave, so pages ask nobody for an address
	// EmailAfterPasskey is what a mail may do in an account that has a passkey:
	// "allow" (default) signs in a session that manages nothing, "second" asks
	// for TOTP or a recovery code as well, "off" does not sign in.
	EmailAfterPasskey string
	// SelfDelete lets people delete their own accounts: "allow", "off", or
	// empty: where registration is open.
	SelfDelete string

	SessionIdle     time.Duration // default 24 h
	SessionAbsolute time.Duration // default 30 d
	SessionsPerUser int           // default 20

	Clients    []APIClient
	AccessTTL  time.Duration // default and at most 10 min (JW-4)
	RefreshTTL time.Duration // default 30 d
	LinkTTL    time.Duration // default and at most 10 min (ML-1)

	Requests, Burst       int           // default 60 and a third of it
	RequestsPer, BurstPer time.Duration // default 1 min and 10 s
	MailsPerAddress       int           // default 10, at most 80
	MailsPer              time.Duration // default 1 h

	// Mailed is called after mail may have been queued; it must not block.
	// Default: nobody is told, and delivery looks by itself.
	Mailed func()
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// withDefaults returns a checked copy.
func (c Config) withDefaults() (Config, error) {
	def(&c.Brand, "Sign in")
	def(&c.RPName, c.Brand)
	def(&c.Registration.Mode, "closed")
	def(&c.EmailAfterPasskey, "allow")
	if c.SelfDelete == "" {
		c.SelfDelete = map[bool]string{true: "allow", false: "off"}[c.Registration.Mode == "open"]
	}
	def(&c.SessionIdle, 24*time.Hour)
	def(&c.SessionAbsolute, 30*24*time.Hour)
	def(&c.SessionsPerUser, 20)
	def(&c.AccessTTL, 10*time.Minute)
	def(&c.RefreshTTL, 30*24*time.Hour)
	def(&c.LinkTTL, 10*time.Minute)
	def(&c.Requests, 60)
	def(&c.RequestsPer, time.Minute)
	def(&c.Burst, max(1, c.Requests/3))
	def(&c.BurstPer, 10*time.Second)
	def(&c.MailsPerAddress, 10)
	def(&c.MailsPer, time.Hour)
	c.Apps = slices.Clone(c.Apps)
	if c.Portal.Host == "" {
		if len(c.Apps) != 1 {
			return c, fmt.Errorf("%d guarded hosts and no portal: add \"portal https://auth.example.com\" and serve it with passwordless_portal", len(c.Apps))
		}
		def(&c.RPID, c.Apps[0].Origin.Host)
	} else {
		def(&c.RPID, c.Portal.Host)
	}
	return c, c.check()
}

// MailWorks reports whether a person can get in by a mail.
func (c Config) MailWorks() bool { return !c.NoEmail && !c.NoMailServer }

func (c *Config) check() error {
	serving := c.Portal
	if serving.Host == "" {
		serving = c.Apps[0].Origin
	}
	if c.RPID != serving.Host && !strings.HasSuffix(serving.Host, "."+c.RPID) {
		return fmt.Errorf("rp_id %q is not %q nor a parent of it: passkeys would fail in every browser", c.RPID, serving.Host)
	}
	hosts := map[string]bool{c.Portal.Host: c.Portal.Host != ""}
	for _, a := range c.Apps {
		if hosts[a.Origin.Host] {
			return fmt.Errorf("two origins on the host name %q: cookies ignore ports, so each needs a name of its own", a.Origin.Host)
		}
		hosts[a.Origin.Host] = true
	}
	if c.NoPasskey && c.NoEmail {
		return errors.New("methods: name at least one of passkey and email")
	}
	if !slices.Contains([]string{"closed", "invite", "open"}, c.Registration.Mode) {
		return fmt.Errorf("registration %q: write closed, invite or open", c.Registration.Mode)
	}
	if !slices.Contains([]string{"allow", "second", "off"}, c.EmailAfterPasskey) {
		return fmt.Errorf("email_after_passkey %q: write allow, second or off", c.EmailAfterPasskey)
	}
	if !slices.Contains([]string{"allow", "off"}, c.SelfDelete) {
		return fmt.Errorf("self_delete %q: write allow or off", c.SelfDelete)
	}
	for _, d := range c.Registration.Domains {
		if a, err := email.Parse("x@" + d); err != nil || a.Domain() != d {
			return fmt.Errorf("registration domain %q: write a whole domain in small letters, such as example.com", d)
		}
	}
	for _, a := range c.Admins {
		if _, err := email.Parse(a); err != nil {
			return fmt.Errorf("admins %q: %w", a, err)
		}
	}
	seen := map[string]bool{}
	for _, cl := range c.Clients {
		if !ValidName(cl.ID) || seen[cl.ID] {
			return fmt.Errorf("client %q: the name has 1 to 64 of a-z 0-9 . _ - and stands once", cl.ID)
		}
		seen[cl.ID] = true
		for _, a := range c.Apps {
			if cl.Audience == a.Origin.String() { // JW-3: an app's assertions have it
				return fmt.Errorf("client %q: audience %s is the app's own, whose assertions have it; write another one", cl.ID, cl.Audience)
			}
		}
		for _, o := range cl.Origins {
			if parsed, err := redirect.ParseOrigin(o); err != nil || parsed.String() != o {
				return fmt.Errorf("client %q: %q is not an exact origin such as https://spa.example.com", cl.ID, o)
			}
		}
	}
	if err := c.checkClients(); err != nil {
		return err
	}
	return c.checkTimes()
}

func (c *Config) checkClients() error {
	if len(c.Clients) > 0 && c.Portal.Host == "" {
		return errors.New("client: the API needs a portal: add \"portal https://auth.example.com\" and serve it with passwordless_portal")
	}
	ids := map[string]bool{"": true}
	for _, client := range c.Clients {
		if ids[client.ID] {
			return fmt.Errorf("client %q: each client needs a name of its own", client.ID)
		}
		ids[client.ID] = true
	}
	return nil
}

// guessesPerDay is how many codes strangers can try on one account in any 24
// hours. Windows are fixed, so one more than fit may take part.
func (c *Config) guessesPerDay() float64 {
	windows := math.Floor(float64(24*time.Hour)/float64(c.MailsPer)) + 1
	return windows * float64(c.MailsPerAddress) * maxCodeTries
}

// requestsIn is how many requests one source may send in d.
func (c *Config) requestsIn(d time.Duration) int {
	return int(float64(c.Requests) * float64(d) / float64(c.RequestsPer))
}

func (c *Config) checkTimes() error {
	switch {
	case c.SessionIdle < time.Minute || c.SessionAbsolute < c.SessionIdle:
		return errors.New("session: idle must be at least 1m and absolute at least idle")
	case c.SessionsPerUser < 1 || c.SessionsPerUser > 1000:
		return errors.New("session: per_user must be between 1 and 1000")
	case c.AccessTTL < 10*time.Second || c.AccessTTL > 10*time.Minute:
		return errors.New("api: access_ttl must be between 10s and 10m: a JWT cannot be taken back")
	case c.RefreshTTL < c.AccessTTL || c.RefreshTTL > 365*24*time.Hour:
		return errors.New("api: refresh_ttl must be between access_ttl and 365d")
	case c.LinkTTL < time.Minute || c.LinkTTL > 10*time.Minute:
		return errors.New("links and codes must live between 1m and 10m")
	case c.MailsPer <= 0 || c.MailsPerAddress < 1 || c.guessesPerDay() > maxGuesses:
		return errors.New("limits: mails_per_address must be between 1 and 80 per 1h: more would let codes be guessed")
	case c.Requests < 1 || c.Burst < 1 || c.RequestsPer <= 0 || c.BurstPer <= 0:
		return errors.New("limits: requests and burst must be positive")
	}
	return nil
}
