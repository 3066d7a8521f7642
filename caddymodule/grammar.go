package caddymodule

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// origin is a web origin (RFC 6454) whose host is a name: cookies and passkeys
// need one. An empty port is the scheme's default.
type origin struct{ scheme, host, port string }

func (o origin) String() string {
	if o.port == "" {
		return o.scheme + "://" + o.host
	}
	return o.scheme + "://" + o.host + ":" + o.port
}

// number is the port, also where it need not be written.
func (o origin) number() string {
	switch {
	case o.port != "":
		return o.port
	case o.scheme == "http":
		return strconv.Itoa(caddyhttp.DefaultHTTPPort)
	}
	return strconv.Itoa(caddyhttp.DefaultHTTPSPort)
}

// parseOrigin accepts the canonical spelling only, so that two spellings of
// one origin can never be two.
func parseOrigin(s string) (origin, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	o := origin{scheme: scheme}
	if !ok || scheme != "https" && scheme != "http" {
		return o, fmt.Errorf("%q; write https://HOST or https://HOST:PORT", s)
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return o, fmt.Errorf("%q; write the origin without a path: %s://%s", s, scheme, rest[:i])
	}
	o.host, o.port, ok = strings.Cut(rest, ":")
	if ok && !validPort(o.port) {
		return o, fmt.Errorf("%q; %q is no port", s, o.port)
	}
	if err := checkHost(o.host); err != nil {
		return o, err
	}
	if ok && o.port == defaultPort(scheme) {
		return o, fmt.Errorf("%q; %s is the default port, so write %s://%s", s, o.port, scheme, o.host)
	}
	// CK-3: over plain HTTP there are no sessions, except on this machine.
	if scheme == "http" && !isLocalName(o.host) {
		return o, fmt.Errorf("%q; only localhost and *.localhost may be http, so write https://%s", s, rest)
	}
	return o, nil
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// checkHost accepts a lower-case host name in ASCII: letters, digits and
// hyphens (RFC 1123 section 2.1), no address, no wildcard.
func checkHost(s string) error {
	switch {
	case s == "":
		return errors.New("the host name is missing")
	case strings.Contains(s, "*"):
		return fmt.Errorf("%q; write one host, without a wildcard", s)
	case strings.ToLower(s) != s:
		return fmt.Errorf("%q; write host names in lower case", s)
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return fmt.Errorf("%q is an address; cookies and passkeys need a host name", s)
	}
	if len(s) > 253 {
		return errors.New("a host name has at most 253 bytes")
	}
	for label := range strings.SplitSeq(s, ".") {
		if !validLabel(label) {
			return fmt.Errorf("%q is no host name; write letters, digits, hyphens and dots (xn--… for other scripts)", s)
		}
	}
	return nil
}

func validLabel(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-'
}

// checkDomain accepts what may stand after the "@" of an address: a host name
// of two labels or more.
func checkDomain(s string) error {
	if rest, ok := strings.CutPrefix(s, "@"); ok {
		return fmt.Errorf("%q; write the domain alone: %s", s, rest)
	}
	if err := checkHost(s); err != nil {
		return err
	}
	if !strings.Contains(s, ".") {
		return fmt.Errorf("%q; a domain has two parts or more, such as example.com", s)
	}
	return nil
}

// checkEmail holds EM-1: one "@", a dot-atom, a domain.
func checkEmail(s string) error {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) > 64 || len(s) > 254 || checkDomain(strings.ToLower(domain)) != nil {
		return fmt.Errorf("%q is no e-mail address", s)
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.Trim(atom, atomChars) != "" {
			return fmt.Errorf("%q is no e-mail address", s)
		}
	}
	return nil
}

// atomChars is atext of RFC 5322 section 3.2.3.
const atomChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~"

// validName is the grammar of user names, groups and clients.
func validName(s string) bool {
	return len(s) >= 1 && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

func validAccent(s string) bool {
	return len(s) == 7 && s[0] == '#' && strings.Trim(s[1:], "0123456789abcdefABCDEF") == ""
}

func checkNetwork(s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("%q; write an address or a network, such as 10.0.0.0/8", s)
	}
	if p != p.Masked() {
		return fmt.Errorf("%q has bits beyond its length; write %v", s, p.Masked())
	}
	return nil
}

// isLocalName reports the names that browsers keep on this machine (RFC 6761
// section 6.3).
func isLocalName(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || isLocalName(host)
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
