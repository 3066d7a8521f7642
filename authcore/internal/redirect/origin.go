package redirect

import (
	"errors"
	"strconv"
	"strings"
)

// Origin is where a site answers, as RFC 6454 defines it. It comes from
// configuration only, and every absolute URL we write begins with one.
type Origin struct {
	Scheme string // "https", or "http" under localhost
	Host   string // lower-case, without port and without trailing dot
	Port   string // "" for the scheme's default
}

// ParseOrigin reads a configured origin: https://host, https://host:port, or
// http:// for localhost and names under it. The error says what to write
// instead; it never repeats s, which may hold a password by mistake.
func ParseOrigin(s string) (Origin, error) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found || scheme != "https" && scheme != "http" {
		return Origin{}, errors.New("an origin begins with its scheme: write https://auth.example.com")
	}
	if strings.Contains(rest, "@") {
		return Origin{}, errors.New("an origin holds no user name or password: write https://auth.example.com")
	}
	if strings.ContainsAny(rest, `/\?#`) {
		return Origin{}, errors.New("an origin ends after the host or port: write https://auth.example.com, without slash, path, query or fragment")
	}
	host, port, hasPort := strings.Cut(rest, ":")
	host = lower(host)
	if err := checkHost(host); err != nil {
		return Origin{}, err
	}
	if hasPort && !isPort(port) {
		return Origin{}, errors.New("a port is a number from 1 to 65535 without leading zeros: write https://auth.example.com:8443")
	}
	if scheme == "http" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		// CK-3: session cookies over plain HTTP would be anybody's to read.
		return Origin{}, errors.New("plain http is for http://localhost and http://*.localhost only: write https:// for other hosts")
	}
	if scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		port = ""
	}
	return Origin{Scheme: scheme, Host: host, Port: port}, nil
}

// String returns the origin as browsers write it: https://host or
// https://host:port.
func (o Origin) String() string { return o.Scheme + "://" + o.HostPort() }

// HostPort returns the host, followed by the port where it is not the
// scheme's default: what a Host header says.
func (o Origin) HostPort() string {
	if o.Port == "" {
		return o.Host
	}
	return o.Host + ":" + o.Port
}

func checkHost(host string) error {
	switch {
	case host == "":
		return errors.New("an origin names a host: write https://auth.example.com")
	case strings.HasPrefix(host, "["):
		return errors.New("an origin names a host, not an address: passkeys are bound to a name, write https://auth.example.com")
	case strings.HasSuffix(host, "."):
		return errors.New("a host has no dot at its end: write https://auth.example.com")
	case strings.Contains(host, "*"):
		return errors.New("an origin is exactly one host: write its whole name in place of the *")
	case len(host) > 253:
		return errors.New("a host name has at most 253 characters: write https://auth.example.com")
	}
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return errors.New("a host name holds letters, digits, hyphens inside and single dots: write https://auth.example.com, other scripts in their xn-- form")
		}
		last = label
	}
	// Browsers read a host as an IPv4 address if its last label is a number,
	// decimal or hexadecimal (URL Standard, "ends in a number").
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return errors.New("an origin names a host, not an address: passkeys are bound to a name, write https://auth.example.com")
	}
	return nil
}

// isLabel accepts a lower-case LDH label (RFC 5890 section 2.3.1).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

func isPort(s string) bool {
	if s == "" || s[0] == '0' || len(s) > 5 || strings.Trim(s, "0123456789") != "" {
		return false
	}
	n, err := strconv.Atoi(s)
	return err == nil && n <= 65535
}

// lower folds A to Z alone: host names are compared as ASCII (FA-6).
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
