package authcore

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/canonpath"
)

// Grant is what an access token may reach: one app, and there as much as its
// user may and the grant does not take away.
type Grant struct {
	App      string   // host, lower case; while it is only asked for, a port may follow
	Path     string   // "/x", or "/x/*" for /x and all below it; empty: all
	Methods  []string // none: all; GET is HEAD too
	Networks []string // prefixes; none: anywhere
}

// ErrGrantApp is a grant whose app is no host.
var ErrGrantApp = errors.New("app is the app's host, without scheme, port or path, such as wiki.example.com")

// ParseGrant reads "app=HOST,path=/dav/*,methods=GET+PUT,networks=10.0.0.0/8".
// Its errors say what to write.
func ParseGrant(s string) (Grant, error) {
	var g Grant
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(part, "=")
		if seen[key] {
			return Grant{}, fmt.Errorf("%s stands twice in the grant; write each word once", key)
		}
		seen[key] = true
		switch key {
		case "app":
			g.App = value
		case "path":
			g.Path = value
		case "methods":
			g.Methods = strings.Split(value, "+")
		case "networks":
			g.Networks = strings.Split(value, "+")
		case "admin:users", "admin:read":
			return Grant{}, errors.New("admin tokens come with a later version; write app=HOST")
		default:
			return Grant{}, fmt.Errorf("%q is no word of a grant; write app=HOST,path=/x/*,methods=GET+PUT,networks=10.0.0.0/8, of which only app is required", part)
		}
		if value == "" {
			return Grant{}, fmt.Errorf("%s is empty in the grant; write %s=…", key, key)
		}
	}
	return g.checked()
}

// String spells g as ParseGrant reads it.
func (g Grant) String() string {
	var b strings.Builder
	b.WriteString("app=" + g.App)
	for _, w := range []struct{ key, value string }{
		{"path", g.Path}, {"methods", strings.Join(g.Methods, "+")}, {"networks", strings.Join(g.Networks, "+")},
	} {
		if w.value != "" {
			b.WriteString("," + w.key + "=" + w.value)
		}
	}
	return b.String()
}

// Check says what is wrong with g, if anything.
func (g Grant) Check() error {
	_, err := g.checked()
	return err
}

// checked answers g in the one form that is stored, or what is wrong with it.
func (g Grant) checked() (Grant, error) {
	if g.App == "" {
		return Grant{}, errors.New("the grant names no app; write app=HOST")
	}
	host, port, ported := strings.Cut(g.App, ":")
	g.App = lowerASCII(strings.TrimSuffix(host, "."))
	if !plainHost(g.App) || ported && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return Grant{}, ErrGrantApp
	}
	if ported {
		g.App += ":" + port
	}
	if g.Path != "" {
		if _, err := compileTokenPath(g.Path); err != nil {
			return Grant{}, fmt.Errorf("path of the grant: %w", err)
		}
		if strings.Contains(g.Path, ",") || len(g.Path) > maxReturnPath {
			return Grant{}, fmt.Errorf("path of the grant: it holds no comma and at most %d bytes; name a path above it", maxReturnPath)
		}
	}
	if len(g.Methods) > maxGrantList || len(g.Networks) > maxGrantList {
		return Grant{}, fmt.Errorf("the grant has more than %d methods or networks; leave them out to allow all", maxGrantList)
	}
	for _, m := range g.Methods {
		if !validMethod(m) {
			return Grant{}, errors.New("methods are upper-case words joined by +; write methods=GET+PUT")
		}
	}
	g.Networks = slices.Clone(g.Networks)
	for i, n := range g.Networks {
		p, err := parseNetwork(n)
		if err != nil {
			return Grant{}, err
		}
		g.Networks[i] = p.String()
	}
	return g, nil
}

// plainHost is a name of letters, digits, hyphens and single dots; whether
// anything is there is for the configuration to say.
func plainHost(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && !slices.Contains(strings.Split(s, "."), "")
}

// validMethod is a token (RFC 9110 section 5.6.2) without lower case: methods
// are case-sensitive, and none that is in use has any. "+" joins them here.
func validMethod(m string) bool {
	if m == "" || len(m) > maxName {
		return false
	}
	for i := range len(m) {
		c := m[i]
		if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*-.^_`|~", c) >= 0) {
			return false
		}
	}
	return true
}

// parseNetwork reads an address or a prefix, whose host bits do not count. An
// IPv4 network has one form, also where it comes in IPv6's (RL-1).
func parseNetwork(s string) (netip.Prefix, error) {
	wrong := errors.New("networks are addresses or prefixes joined by +; write networks=10.0.0.0/8+2001:db8::/32")
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, wrong
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, wrong
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// tokenPath is a compiled Grant.Path. "/x/*" covers "/x" too: whoever may reach
// a collection may list it.
type tokenPath struct {
	below, itself canonpath.Pattern // the zero Pattern matches nothing
}

func compileTokenPath(s string) (p tokenPath, err error) {
	if p.below, err = canonpath.ParsePattern(s); err != nil {
		return tokenPath{}, err
	}
	if base, ok := strings.CutSuffix(s, "/*"); ok && base != "" {
		p.itself, err = canonpath.ParsePattern(base)
	}
	return p, err
}

// covers judges an escaped path; one that two parsers may read differently is
// not covered (FA-5).
func (p *tokenPath) covers(escaped string) bool {
	path, ok := canonpath.Parse(escaped)
	return ok && (p.below.Match(path) || p.itself.Match(path))
}
