package caddymodule

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App is the app module "passwordless": everything that is true for the whole
// process. Every field may be left out; with none of them, one guarded host
// serves its own sign-in under /.auth/ (the sidecar).
type App struct {
	// Database is the path of the database file. It is made (0600) when it
	// does not exist, together with the root key beside it. Caddy placeholders
	// such as {env.HOME} are replaced. Two processes cannot share one file.
	// Default: passwordless/auth.db in Caddy's data directory.
	Database string `json:"database,omitempty"`

	// RootKey is the secret that wraps every key in the database: {env.NAME}
	// or {file.PATH}, at least 32 bytes. Losing it makes issued access tokens
	// worthless; sessions and passkeys survive. Default: the file auth.key
	// beside the database, made at the first start.
	RootKey string `json:"root_key,omitempty"`

	// Portal is the origin that serves sign-in and accounts for all guarded
	// hosts, such as https://auth.example.com; a site with passwordless_portal
	// must answer there. Default: none, and the one guarded host serves them
	// itself. A second guarded host, clients and the API need a portal.
	Portal string `json:"portal,omitempty"`

	// RPID is the WebAuthn relying party id, the name that passkeys are bound
	// to. Changing it later makes every passkey useless. A parent domain of
	// guarded hosts lets each of those apps ask for these passkeys, which is
	// warned about. Default: the host name that serves sign-in.
	RPID string `json:"rp_id,omitempty"`

	// RPName is the name that a browser shows when it makes a passkey.
	// Default: the brand's name.
	RPName string `json:"rp_name,omitempty"`

	// SMTP is the mail server. Default: none; then no codes and links can be
	// mailed, only passkeys and invitations open the door, and the sign-in page
	// says so.
	SMTP SMTP `json:"smtp,omitzero"`

	// Registration says who may make an account by signing in.
	Registration Registration `json:"registration,omitzero"`

	// Admins are the e-mail addresses that may hold the admin role. Being
	// listed gives nobody the role: that takes an invitation made on the host.
	Admins []string `json:"admins,omitempty"`

	// Methods are what may start a sign-in: "passkey", "email" or both.
	// Default: both.
	Methods []string `json:"methods,omitempty"`

	// EmailAfterPasskey says what e-mail may still do for an account that has
	// a passkey: "allow" signs in (such a session manages nothing), "second"
	// begins a sign-in that a code of the authenticator app or a recovery code
	// must finish, "off" does not sign in at all. An account that has an
	// authenticator app needs its code in each case. Default: allow.
	EmailAfterPasskey string `json:"email_after_passkey,omitempty"`

	// SelfDelete says whether people may delete their own accounts: "allow" or
	// "off". Default: allow where registration is open, else off.
	SelfDelete string `json:"self_delete,omitempty"`

	// LinkTTL is how long a mailed link and its code are good, 1m to 10m.
	// Default: 10m.
	LinkTTL caddy.Duration `json:"link_ttl,omitempty"`

	// Session holds the limits of sessions.
	Session Session `json:"session,omitzero"`

	// Proxies are the proxies that may ask for decisions about the apps behind
	// them. Default: none, and nobody may.
	Proxies []Proxy `json:"proxy,omitempty"`

	// Apps are the apps behind those proxies. They need a portal. Default: none.
	Apps []AppHost `json:"app,omitempty"`

	// Clients are the programs that may use the JSON API to sign people in.
	// Default: none, and /api/login is off.
	Clients []Client `json:"client,omitempty"`

	// API holds the lifetimes of the API's tokens.
	API API `json:"api,omitzero"`

	// Limits holds the rates allowed to one client and to one mailbox.
	Limits Limits `json:"limits,omitzero"`

	// Brand is what the pages look like.
	Brand Brand `json:"brand,omitzero"`

	// MetricsAllow are the addresses (10.1.2.3) and networks (10.0.0.0/8) that
	// may read /health and /readiness. Default: loopback and private networks.
	MetricsAllow []string `json:"metrics_allow,omitempty"`

	// Demo says that this is the demo of the passwordless-auth command, which
	// anybody may register with. It marks the database that it makes, and opens
	// no other; without it, a marked database is refused. The Caddyfile has no
	// word for it. Default: false.
	Demo bool `json:"demo,omitempty"`

	log      *slog.Logger
	secrets  secrets
	database string         // Database, absolute
	http     *caddyhttp.App // set when the first of our handlers was provisioned
	bound    []boundHost    // what Start found; complete and final

	counters *lease[*ratelimit.Store] // of passwordless_limit, taken by Start
	limiting atomic.Pointer[limiting] // set by Start

	ready   chan struct{}           // closed when Start is through, or will not be
	settle  func()                  // closes ready, once
	current atomic.Pointer[serving] // set by Start, unless there is nothing to serve
	lease   *lease[*process]        // taken by Start
	quiet   chan struct{}           // made by Stop, closed when nothing works any more
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "passwordless",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision checks the configuration, resolves its secrets and sees to it that
// hosts are bound, in whatever order Caddy provisions apps (hosts.go). It opens
// no store and writes nothing, because "caddy validate" ends after it.
func (a *App) Provision(ctx caddy.Context) error {
	a.log, a.ready = ctx.Slogger(), make(chan struct{})
	a.settle = sync.OnceFunc(func() { close(a.ready) })
	if err := a.check(); err != nil {
		return err
	}
	if err := a.Brand.look().Check(); err != nil {
		return fmt.Errorf("brand: %w", err)
	}
	var err error
	if a.secrets, err = a.resolveSecrets(caddy.NewReplacer()); err != nil {
		return err
	}
	if a.database, err = a.databasePath(caddy.NewReplacer()); err != nil {
		return err
	}
	if _, err := a.mailWorker(nil); err != nil { // it reads the templates, and is not started
		return err
	}
	if a.SMTP == (SMTP{}) {
		a.log.Warn("no mail server is configured, so codes and links cannot be mailed; add smtp to the passwordless option")
	}
	return a.provisionHTTP(ctx)
}

// provisionHTTP leaves the binding to the first of our handlers, and looks only
// for the case that there is none.
func (a *App) provisionHTTP(ctx caddy.Context) error {
	if httpAncestor(ctx) != nil {
		return nil // one of our handlers is asking for us right now, and binds next
	}
	// Provisions the HTTP app, and so our handlers, unless that has happened.
	if _, err := ctx.AppIfConfigured("http"); err != nil && !errors.Is(err, caddy.ErrNotConfigured) {
		return err
	}
	if a.http == nil && a.Portal != "" {
		return a.portalUnserved()
	}
	return nil
}

// databasePath is the absolute path of the database. Nothing is opened.
func (a *App) databasePath(repl *caddy.Replacer) (string, error) {
	path, err := repl.ReplaceOrErr(a.Database, true, true)
	if err != nil {
		return "", fmt.Errorf("database: %w", err)
	}
	if path == "" {
		path = filepath.Join(caddy.AppDataDir(), "passwordless", "auth.db")
	}
	if err := checkDatabase(path); err != nil { // a placeholder may have held it
		return "", err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("database: making %q absolute: %w", path, err)
	}
	return path, nil
}

func checkDatabase(path string) error {
	switch {
	case strings.HasPrefix(path, "postgres://"), strings.HasPrefix(path, "postgresql://"):
		return errors.New("database: PostgreSQL storage comes with a later version; write the path of a file")
	case strings.Contains(path, "://"):
		return errors.New("database: write the path of a file")
	case strings.HasSuffix(path, "/"):
		return fmt.Errorf("database: %q is a directory; write the path of a file in it, such as %sauth.db", path, path)
	}
	return nil
}

// Start learns which guard serves which host, now from the loaded handlers, and
// opens the store if there is one to serve.
func (a *App) Start() error {
	defer a.settle()
	if a.http == nil { // no handler of ours anywhere
		if a.Portal != "" {
			return a.portalUnserved()
		}
		return nil
	}
	b, err := a.bindHosts()
	if err != nil {
		return err
	}
	a.bound = b.hosts
	if err := a.startLimits(b.limits); err != nil {
		return err
	}
	if len(a.bound) == 0 && a.Portal == "" {
		return nil // nobody to sign in, and no store to open
	}
	return a.startServing(a.bound)
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
