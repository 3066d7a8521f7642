package authcore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/redirect"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Service is one configuration over a Runtime. It is immutable and safe for
// concurrent use.
type Service struct {
	rt       *Runtime
	cfg      Config
	apps     map[string]*App // by host, lower case, without port
	below    map[string]*App // *.host, by host
	portal   Origin          // where sign-in is served; in a sidecar the app
	base     string          // "" or "/.auth" in a sidecar
	webauthn *webauthn.WebAuthn
}

// NewService checks the configuration. It does not touch the store.
func NewService(rt *Runtime, cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{rt: rt, cfg: cfg, apps: map[string]*App{}, below: map[string]*App{}, portal: cfg.Portal}
	for i := range cfg.Apps {
		app := &cfg.Apps[i]
		if parent, ok := strings.CutPrefix(app.Origin.Host, "*."); ok {
			s.below[parent] = app
			continue
		}
		app.id = rt.hosts.id(app.Origin.Host)
		s.apps[app.Origin.Host] = app
	}
	if s.Sidecar() {
		s.portal, s.base = cfg.Apps[0].Origin, ReservedPrefix
	}
	if s.webauthn, err = newWebAuthn(cfg, s.portal); err != nil {
		return nil, fmt.Errorf("configuring passkeys: %w", err)
	}
	return s, nil
}

// Check verifies a configuration without a Runtime, for validate.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

// Start makes this Service the one that live streams and housekeeping follow.
func (s *Service) Start() {
	s.rt.current.Store(s)
	s.rt.streams.recheckAll()
}

// metaRPID holds the rp_id of the last start.
const metaRPID = "rp_id"

// noteRPID warns, once, that passkeys of the rp_id before do not work any more.
// It is asked some seconds after a start, when a reload that failed is over.
func (s *Service) noteRPID(ctx context.Context) error {
	var before []byte
	var users int64
	err := s.rt.store.View(ctx, func(tx store.Tx) error {
		c, err := tx.Counts()
		if err != nil {
			return err
		}
		users = c.Users
		before, err = tx.MetaValue(metaRPID)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("reading the last rp_id: %w", err)
	}
	if string(before) == s.cfg.RPID {
		return nil
	}
	if len(before) > 0 && users > 0 {
		s.rt.log.Warn("rp_id has changed, and passkeys that were made for the one before do not work here; people sign in by mail or invitation and add new ones",
			"before", string(before), "now", s.cfg.RPID, "hint", "to keep them, write rp_id "+string(before)+" where the sign-in host is that name or below it")
	}
	return s.rt.store.Update(ctx, func(tx store.Tx) error { return tx.SetMeta(metaRPID, []byte(s.cfg.RPID)) })
}

// ReservedPrefix is ours on every app host (DESIGN §4.2).
const ReservedPrefix = "/.auth"

// Sidecar reports whether the one guarded host serves sign-in itself.
func (s *Service) Sidecar() bool { return s.cfg.Portal.Host == "" }

// Portal is the origin that serves sign-in.
func (s *Service) Portal() Origin { return s.portal }

// Base is the path prefix of the portal's pages: "" or "/.auth".
func (s *Service) Base() string { return s.base }

// Config is the configuration with its defaults filled in.
func (s *Service) Config() Config { return s.cfg }

// URL is an absolute URL of the portal; path begins with "/".
func (s *Service) URL(path string) string { return s.portal.String() + s.base + path }

// App finds the guarded host for a Host header, or nil.
func (s *Service) App(host string) *App {
	if app := s.apps[host]; app != nil {
		return app // the common spelling, without allocation
	}
	name := canonicalHost(host)
	if app := s.apps[name]; app != nil || len(s.below) == 0 {
		return app
	}
	return s.appBelow(name)
}

// appBelow finds the app of one label below a configured parent. Each such host
// is an app of its own: nothing but the rules is shared (FA-12).
func (s *Service) appBelow(name string) *App {
	_, parent, _ := strings.Cut(name, ".")
	any := s.below[parent]
	if any == nil || name == s.portal.Host {
		return nil
	}
	o := any.Origin
	o.Host = name
	if parsed, err := redirect.ParseOrigin(o.String()); err != nil || parsed != o {
		return nil // no name that a browser could have asked for
	}
	return &App{Origin: o, Policy: any.Policy, id: s.rt.hosts.find(name)}
}

// IsPortal reports whether a Host header names the portal.
func (s *Service) IsPortal(host string) bool {
	return host == s.portal.Host || canonicalHost(host) == s.portal.Host
}

// canonicalHost lowers ASCII and drops the port and one trailing dot (FA-6).
func canonicalHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return lowerASCII(strings.TrimSuffix(host, "."))
}

// Client is what is known about who sends a request.
type Client struct {
	IP        netip.Addr // invalid: unknown (FA-1)
	Peer      netip.Addr // who connected to us
	UserAgent string
	Lang      string // BCP 47 tag of the page's language; empty: unknown
}

// source is whom the throttles count: the client or, where it is unknown, the
// peer that speaks for it. Otherwise one peer could use up what all unknown
// clients have (RL-5).
func (c Client) source() netip.Addr {
	if c.IP.IsValid() {
		return c.IP
	}
	return c.Peer
}

func (c Client) ip() string {
	if !c.IP.IsValid() {
		return ""
	}
	return c.IP.Unmap().WithZone("").String()
}

func (c Client) agent() string { return capText(c.UserAgent, maxUserAgent) }

// capText bounds what strangers write into records and drops control
// characters (LG-2), and those by which a text looks like another.
func capText(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '\uFFFD' || r >= 0x80 && r < 0xa0 || unseen(r) {
			return -1
		}
		return r
	}, s)
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// unseen reports whether a character shows nothing and turns or hides what is
// beside it: marks and overrides of direction, separators of lines, spaces without
// width, tags. The joiners of Persian words and of emoji (U+200C, U+200D) stay.
func unseen(r rune) bool {
	switch {
	case r == '\u061c', r == '\u200b', r == '\u200e', r == '\u200f', r == '\ufeff':
	case '\u2028' <= r && r <= '\u202e', '\u2060' <= r && r <= '\u206f':
	case 0xe0000 <= r && r <= 0xe007f:
	default:
		return false
	}
	return true
}

func (s *Service) now() time.Time { return s.rt.now().UTC() }

// Log is where the service's callers log too.
func (s *Service) Log() *slog.Logger { return s.rt.log }

// StartedAt is when the process opened the store.
func (s *Service) StartedAt() time.Time { return s.rt.started }

// Now is the service's clock.
func (s *Service) Now() time.Time { return s.now() }

// ReadyCheck is one named part of readiness; Err is nil when it is well.
type ReadyCheck struct {
	Name string
	Err  error
}

// Ready probes what sign-in needs: a durable write, and a signing key.
func (s *Service) Ready(ctx context.Context) []ReadyCheck {
	write := s.rt.store.Update(ctx, func(tx store.Tx) error {
		return tx.SetMeta("ready_probe", []byte(s.now().Format(time.RFC3339)))
	})
	schema := s.rt.store.View(ctx, func(tx store.Tx) error {
		_, err := tx.MetaValue(store.MetaSchema)
		return err
	})
	return []ReadyCheck{{"store", write}, {"schema", schema}, {"keys", s.rt.ring.wrong()}}
}
