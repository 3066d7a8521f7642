package settings

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/caddyfile"
)

// Caddyfile writes what serve runs. Secrets are places; a text that nobody set
// is left to the module's default.
func (s *Settings) Caddyfile() *caddyfile.File {
	f := new(caddyfile.File)
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		_, where, _ := strings.Cut(s.label(name), " in ")
		f.Comment(fmt.Sprintf("{env.%s} comes from %s; to run this file, set it in the environment.", name, where))
	}
	f.Open("")
	f.Line("", "admin", "off")
	f.Line("", "persist_config", "off")
	f.Line("", "auto_https", "off")
	f.Line("", "shutdown_delay", "5s")
	f.Line("", "grace_period", "30s")
	f.Open("", "log")
	caddyfile.LogFormat(f, "LOG_FORMAT", s.LogFormat, s.Colour)
	f.Line("LOG_LEVEL", "level", s.LogLevel)
	f.Line("", "exclude", "admin") // it warns at each start that it is off
	f.Close()
	s.writeServers(f)
	s.writeApp(f)
	f.Close()
	f.Blank()
	f.Open(s.label("SERVER_PORT"), "http://:"+strconv.Itoa(s.Port))
	f.Line(s.label("SERVER_HOST"), "bind", s.Host)
	f.Line("", "passwordless_portal")
	f.Close()
	return f
}

// writeServers sets what the listener does: HTTP/1 for the proxy in front,
// limits against slow clients (DS-1), and whose word about addresses counts.
func (s *Settings) writeServers(f *caddyfile.File) {
	f.Open("", "servers")
	f.Line("", "protocols", "h1")
	f.Open("", "timeouts")
	f.Line("", "read_body", "30s")
	f.Line("", "read_header", "10s")
	f.Line("", "idle", "2m")
	f.Close()
	f.Line("", "max_header_size", "32KB")
	if len(s.TrustedProxies) > 0 {
		f.Line(s.label("TRUSTED_PROXIES"), append([]string{"trusted_proxies", "static"}, s.TrustedProxies...)...)
	}
	f.Line("", "trusted_proxies_strict")
	f.Close()
}

func (s *Settings) writeApp(f *caddyfile.File) {
	line := func(name string, words ...string) {
		if last := words[len(words)-1]; last != "" {
			f.Line(s.label(name), words...)
		}
	}
	list := func(name, word string, values []string) {
		if len(values) > 0 {
			f.Line(s.label(name), append([]string{word}, values...)...)
		}
	}
	f.Open("", "passwordless")
	line("DATABASE_PATH", "database", s.DatabasePath)
	line("JWT_SECRET", "root_key", string(s.JWTSecret))
	line("WEBAUTHN_ORIGIN", "portal", s.Origin)
	line("WEBAUTHN_RP_ID", "rp_id", s.RPID)
	line("WEBAUTHN_RP_NAME", "rp_name", s.RPName)
	if s.SMTPHost != "" {
		f.Open(s.label("SMTP_HOST"), "smtp", s.mailServer())
		line("SMTP_USERNAME", "username", s.SMTPUsername)
		line("SMTP_PASSWORD", "password", string(s.SMTPPassword))
		line("EMAIL_FROM", "from", s.EmailFrom)
		line("SMTP_TLS", "tls", s.SMTPTLS)
		f.Close()
	}
	list("REGISTRATION", "registration", s.Registration)
	list("ADMIN_EMAIL", "admins", s.AdminEmails)
	f.Line(s.label("MAGIC_LINK_EXPIRY_SECONDS"), "link_ttl", inSeconds(s.LinkTTL))
	for _, kind := range s.Proxies {
		list("PROXY", "proxy", append([]string{kind}, s.TrustedProxies...))
	}
	for _, host := range s.ProtectedHosts {
		line("PROTECTED_HOSTS", "app", host)
	}
	s.writeAPI(f)
	f.Open("", "limits")
	f.Line(s.label("RATE_LIMIT_PER_MINUTE"), "requests", strconv.Itoa(s.RequestsPerMinute), "per", "1m")
	f.Line(s.label("EMAIL_RATE_LIMIT_PER_HOUR"), "mails_per_address", strconv.Itoa(s.MailsPerHour), "per", "1h")
	f.Close()
	if s.BrandName+s.BrandAccent != "" {
		f.Open("", "brand")
		line("BRAND_NAME", "name", s.BrandName)
		line("BRAND_ACCENT", "accent", s.BrandAccent)
		f.Close()
	}
	list("METRICS_ALLOW", "metrics_allow", s.MetricsAllow)
	f.Close()
}

// writeAPI writes the clients of the JSON API and the lifetimes of its tokens.
func (s *Settings) writeAPI(f *caddyfile.File) {
	if len(s.CORSOrigins) > 0 { // mails call this client by its title
		f.Line(s.label("CORS_ALLOWED_ORIGINS"), append([]string{"client", "default", cmp.Or(s.BrandName, s.RPName, host(s.CORSOrigins[0]), "default")}, s.CORSOrigins...)...)
	}
	for _, c := range s.Clients {
		f.Line(s.label("API_CLIENTS"), append([]string{"client", c.Name, c.Title}, c.Origins...)...)
	}
	f.Open("", "api")
	f.Line(s.label("ACCESS_TOKEN_EXPIRY_SECONDS"), "access_ttl", inSeconds(s.AccessTTL))
	f.Line(s.label("REFRESH_TOKEN_EXPIRY_SECONDS"), "refresh_ttl", inSeconds(s.RefreshTTL))
	f.Close()
}

func (s *Settings) mailServer() string {
	if s.SMTPPort == 0 {
		return s.SMTPHost
	}
	return net.JoinHostPort(s.SMTPHost, strconv.Itoa(s.SMTPPort))
}

func inSeconds(d time.Duration) string {
	return strconv.Itoa(int(d/time.Second)) + "s"
}

// Warnings are about what works, but not as one would think.
func (s *Settings) Warnings() []string {
	var list []string
	if len(s.TrustedProxies) == 0 && strings.HasPrefix(s.Origin, "https://") {
		list = append(list, "TRUSTED_PROXIES is not set, so every client seems to have the address of the TLS proxy and all share one rate limit; write the proxy's address")
	}
	for _, entry := range s.TrustedProxies {
		if p, err := netip.ParsePrefix(entry); err == nil && p.Addr().BitLen()-p.Bits() > widest(p) {
			list = append(list, fmt.Sprintf("TRUSTED_PROXIES: everybody in %v can claim any address; name the proxy alone", p))
		}
	}
	if len(s.CORSOrigins)+len(s.Clients)+len(s.ProtectedHosts) == 0 {
		list = append(list, "neither CORS_ALLOWED_ORIGINS nor API_CLIENTS is set, so signing in through the API (/api/login) is off")
	}
	return list
}

// widest is how many bits of a range may be open without a warning: a /29 of
// IPv4, a /64 of IPv6.
func widest(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 3
	}
	return 64
}
