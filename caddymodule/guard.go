package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func init() {
	caddy.RegisterModule(new(Guard))
}

// Guard is the handler "passwordless_guard": only signed-in people that its
// rules let in reach the handlers behind it. It also answers /.auth/ itself.
// Without any rule, every signed-in user may pass.
type Guard struct {
	// Origin is what people's browsers call this site, such as
	// https://app.example.com. It is needed where the site does not say so
	// itself: a site without an exact host name, or a plain http:// site
	// behind a proxy that ends TLS. Default: scheme, host and port of the site.
	Origin string `json:"origin,omitempty"`

	// Public are paths that need no sign-in: "/healthz" is this path only,
	// "/assets/*" all paths below. Compared with regard to case, and only with
	// paths that are already in canonical form; anything else is protected.
	// Default: none.
	Public []string `json:"public,omitempty"`

	// Allow lists who may pass: user:NAME, group:NAME, email:ADDRESS,
	// email:*@DOMAIN. One that fits is enough. Default: any signed-in user.
	Allow []string `json:"allow,omitempty"`

	// Deny lists who may not, in the same words. It outweighs Allow.
	Deny []string `json:"deny,omitempty"`

	// Headers renames or drops identity headers.
	Headers Headers `json:"headers,omitzero"`

	// At tells where rules stand, for decisions, logs and the denied page: the
	// rule in the words of the Caddyfile ("allow group:staff", and
	// "passwordless_guard" for the block) and its place ("Caddyfile:17"). The
	// Caddyfile adapter fills it in. Default: rules name themselves.
	At map[string]string `json:"at,omitempty"`

	app    *App
	policy authcore.Policy
	host   string // of Origin, as a Host header has it; "" where the request says it
}

// Headers names the headers that tell an app who is here. A field holds
// another name for its header, or "off" to leave it out.
type Headers struct {
	// User renames Remote-User, the user name.
	User string `json:"user,omitempty"`
	// Sub renames Remote-Sub, the id that never changes.
	Sub string `json:"sub,omitempty"`
	// Email renames Remote-Email.
	Email string `json:"email,omitempty"`
	// Name renames Remote-Name, the display name.
	Name string `json:"name,omitempty"`
	// Groups renames Remote-Groups, a comma list.
	Groups string `json:"groups,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Guard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.passwordless_guard",
		New: func() caddy.Module { return new(Guard) },
	}
}

// Provision checks the rules and has the app bind all guards, if this is the
// first of our handlers.
func (g *Guard) Provision(ctx caddy.Context) error {
	if err := g.check(); err != nil {
		return fmt.Errorf("%s: %w", g.where(), err)
	}
	var err error
	if g.policy, err = authcore.CompilePolicy(g.spec()); err != nil {
		return fmt.Errorf("%s: %w", g.where(), err)
	}
	if g.Origin != "" {
		o, err := authcore.ParseOrigin(g.Origin)
		if err != nil {
			return fmt.Errorf("%s: origin: %w", g.where(), err)
		}
		g.host = o.HostPort()
	}
	g.app, err = bindApp(ctx)
	return err
}

// where names the guard to people.
func (g *Guard) where() string {
	if at := g.At["passwordless_guard"]; at != "" {
		return "passwordless_guard at " + at
	}
	return "passwordless_guard"
}

// check refuses rules that cannot be meant.
func (g *Guard) check() error {
	if g.Origin != "" {
		if _, err := parseOrigin(g.Origin); err != nil {
			return fmt.Errorf("origin: %w", err)
		}
	}
	for i, path := range g.Public {
		if err := checkPublic(path); err != nil {
			return fmt.Errorf("public: %w", err)
		}
		if slices.Contains(g.Public[:i], path) {
			return fmt.Errorf("public: %q stands twice", path)
		}
	}
	for _, list := range []struct {
		word    string
		entries []string
	}{{"allow", g.Allow}, {"deny", g.Deny}} {
		for i, entry := range list.entries {
			if err := checkWho(entry); err != nil {
				return fmt.Errorf("%s: %w", list.word, err)
			}
			if slices.Contains(list.entries[:i], entry) {
				return fmt.Errorf("%s: %q stands twice", list.word, entry)
			}
		}
	}
	for _, entry := range g.Deny {
		if slices.Contains(g.Allow, entry) {
			return fmt.Errorf("deny: %q is allowed as well; deny outweighs allow, so remove one", entry)
		}
	}
	return g.Headers.check()
}

// checkPublic accepts canonical paths only (FA-5): what two parsers could read
// in two ways must never open a door.
func checkPublic(path string) error {
	exact, wild := strings.CutSuffix(path, "/*")
	switch {
	case wild && exact == "":
		return errors.New("\"/*\" makes every page public; remove the guard instead")
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("%q; a path begins with /", path)
	case strings.Contains(exact, "*"):
		return fmt.Errorf("%q; a * stands only at the end, after a slash, as in /assets/*", path)
	case strings.ContainsAny(path, `%?#;\`) || hasControl(path):
		return fmt.Errorf("%q; write the path decoded, without %% ? # ; or backslash", path)
	case path == "/.auth" || strings.HasPrefix(path, "/.auth/"):
		return fmt.Errorf("%q; /.auth/ is ours", path)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return fmt.Errorf("%q; write the path without dot segments", path)
		}
	}
	if strings.Contains(path, "//") {
		return fmt.Errorf("%q; write the path without //", path)
	}
	return nil
}

func checkWho(entry string) error {
	kind, value, _ := strings.Cut(entry, ":")
	switch kind {
	case "user":
		if !validName(value) && checkEmail(value) != nil {
			return fmt.Errorf("%q; a user name has 1 to 64 of a-z 0-9 . _ - or is an e-mail address", entry)
		}
	case "group":
		if !validName(value) {
			return fmt.Errorf("%q; a group's name has 1 to 64 of a-z 0-9 . _ -", entry)
		}
	case "email":
		domain, ok := strings.CutPrefix(value, "*@")
		if ok && checkDomain(domain) != nil || !ok && checkEmail(value) != nil { // EM-5: the whole domain
			return fmt.Errorf("%q; write email:ADDRESS or email:*@DOMAIN", entry)
		}
	default:
		return fmt.Errorf("%q; write user:NAME, group:NAME, email:ADDRESS or email:*@DOMAIN", entry)
	}
	return nil
}

// check refuses names that mean something else to HTTP or to a proxy.
func (h Headers) check() error {
	taken := make(map[string]string)
	for _, f := range []struct{ word, name, def string }{
		{"user", h.User, "Remote-User"},
		{"sub", h.Sub, "Remote-Sub"},
		{"email", h.Email, "Remote-Email"},
		{"name", h.Name, "Remote-Name"},
		{"groups", h.Groups, "Remote-Groups"},
	} {
		name := f.name
		switch {
		case name == "off":
			continue
		case name == "":
			name = f.def
		case !validHeader(name):
			return fmt.Errorf("headers: %s %q; a header's name has 1 to 64 letters, digits and hyphens", f.word, name)
		case meansSomethingElse(name):
			return fmt.Errorf("headers: %s %q; that header means something else to HTTP", f.word, name)
		}
		key := strings.ToLower(name)
		if other, ok := taken[key]; ok {
			return fmt.Errorf("headers: %s and %s would both be %s", other, f.word, name)
		}
		taken[key] = f.word
	}
	return nil
}

func validHeader(s string) bool {
	return len(s) >= 1 && len(s) <= 64 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func meansSomethingElse(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"content-", "proxy-", "sec-", "x-forwarded-", "access-control-", "if-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"accept", "authorization", "connection", "cookie", "expect", "forwarded", "host", "keep-alive", "origin", "range",
		"referer", "te", "trailer", "transfer-encoding", "upgrade", "via",
	}, name)
}

// sameRules reports whether two guards decide alike, wherever they stand.
func (g *Guard) sameRules(other *Guard) bool {
	return slices.Equal(g.Public, other.Public) && slices.Equal(g.Allow, other.Allow) &&
		slices.Equal(g.Deny, other.Deny) && g.Headers == other.Headers
}

var (
	_ caddy.Provisioner           = (*Guard)(nil)
	_ caddyhttp.MiddlewareHandler = (*Guard)(nil)
)
