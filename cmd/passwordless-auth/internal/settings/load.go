package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/caddymodule"
	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/caddyfile"
)

// Load reads and checks. Its error joins one sentence for each thing that is
// wrong; each names the variable and says what to write.
func Load(o Options) (*Settings, error) {
	list, err := o.sources()
	if err != nil {
		return nil, err
	}
	set, problems := merge(list)
	r := &reader{dir: o.Dir, set: set, problems: problems}
	s := &Settings{Environment: make(map[string]string), labels: make(map[string]string)}
	for name, v := range set {
		s.labels[name] = v.label
	}
	r.read(s)
	if err := errors.Join(r.problems...); err != nil {
		return nil, err
	}
	return s, nil
}

// Address is where a server started with these options listens, as HOST and
// PORT. It looks at nothing else, so that asking a running server how it is
// does not need its whole configuration.
func Address(o Options) (host string, port int, err error) {
	list, err := o.sources()
	if err != nil {
		return "", 0, err
	}
	set, _ := merge(list) // what else may be wrong is not asked
	r := &reader{dir: o.Dir, set: set}
	s := new(Settings)
	r.listener(s)
	return s.Host, s.Port, errors.Join(r.problems...)
}

// DatabasePath is the database of a server started with these options, "" if
// they name none. Like Address it looks at nothing else.
func DatabasePath(o Options) (string, error) {
	list, err := o.sources()
	if err != nil {
		return "", err
	}
	set, _ := merge(list)
	return set["DATABASE_PATH"].value, nil
}

// reader turns texts into values and collects what is wrong with them.
type reader struct {
	dir      string
	set      map[string]variable
	problems []error
}

func (r *reader) read(s *Settings) {
	s.JWTSecret = r.secret(s, "JWT_SECRET", caddymodule.CheckRootKey)
	s.DatabasePath = r.text("DATABASE_PATH")
	r.mail(s)

	s.Origin = r.text("WEBAUTHN_ORIGIN")
	if s.Origin == "" {
		r.problem("WEBAUTHN_ORIGIN", "is missing; write the origin that browsers open, such as https://auth.example.com")
	}
	s.RPID, s.RPName = r.text("WEBAUTHN_RP_ID"), r.text("WEBAUTHN_RP_NAME")
	s.CORSOrigins = r.list("CORS_ALLOWED_ORIGINS")
	for _, entry := range r.list("API_CLIENTS") {
		s.Clients = append(s.Clients, r.client(entry))
	}

	s.LogLevel = strings.ToUpper(r.choice("LOG_LEVEL", "info", "debug", "warn", "error"))
	s.LogFormat = r.choice("LOG_FORMAT", "console", "json")
	r.listener(s)

	s.AdminEmails = r.list("ADMIN_EMAIL")
	s.Registration = strings.FieldsFunc(r.text("REGISTRATION"), func(c rune) bool { return c == ' ' || c == ',' })
	s.TrustedProxies = r.list("TRUSTED_PROXIES")
	for _, p := range s.TrustedProxies {
		r.network("TRUSTED_PROXIES", p)
		if n, err := netip.ParsePrefix(p); err == nil && caddymodule.CatchAll(n) { // FA-1
			r.problem("TRUSTED_PROXIES", fmt.Sprintf("%q is everybody, or far more than one proxy, and whoever is named here can claim any address; write the address of the proxy, such as 172.18.0.2", p))
		}
	}
	r.apps(s)

	s.RequestsPerMinute = r.number("RATE_LIMIT_PER_MINUTE", 60, 1, 1_000_000, "requests")
	// EC-3: each mail gives a guesser five tries.
	s.MailsPerHour = r.number("EMAIL_RATE_LIMIT_PER_HOUR", 10, 1, 80, "mails")
	s.AccessTTL = r.seconds("ACCESS_TOKEN_EXPIRY_SECONDS", 600, 10, 600) // JW-4
	s.RefreshTTL = r.seconds("REFRESH_TOKEN_EXPIRY_SECONDS", 30*86400, 600, 365*86400)
	s.LinkTTL = r.seconds("MAGIC_LINK_EXPIRY_SECONDS", 600, 60, 600) // ML-1
	s.MetricsAllow = r.list("METRICS_ALLOW")
	s.BrandName, s.BrandAccent = r.text("BRAND_NAME"), r.text("BRAND_ACCENT")
	if s.BrandAccent != "" && !colour.MatchString(s.BrandAccent) {
		r.problem("BRAND_ACCENT", fmt.Sprintf("%q; write a colour as #rrggbb, such as #3355ff", s.BrandAccent))
	}
}

var colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func (r *reader) mail(s *Settings) {
	s.SMTPHost, s.SMTPUsername, s.EmailFrom = r.text("SMTP_HOST"), r.text("SMTP_USERNAME"), r.text("EMAIL_FROM")
	s.SMTPPort = r.number("SMTP_PORT", 0, 1, 65535, "the port number")
	// Port 465 speaks TLS from the first byte (RFC 8314 section 3.3); STARTTLS
	// there would only hang.
	usual := "starttls"
	if s.SMTPPort == 465 {
		usual = "implicit"
	}
	s.SMTPTLS = r.choice("SMTP_TLS", usual, "starttls", "implicit", "none")
	s.SMTPPassword = r.secret(s, "SMTP_PASSWORD", checkPassword)
	if s.SMTPHost == "" {
		for _, name := range []string{"SMTP_PORT", "SMTP_USERNAME", "SMTP_PASSWORD", "SMTP_TLS", "EMAIL_FROM"} {
			if _, ok := r.set[name]; ok {
				r.problem(name, "is set, but SMTP_HOST is not; write the mail server's name, such as smtp.example.com")
				return
			}
		}
		return
	}
	if strings.Contains(s.SMTPHost, ":") && net.ParseIP(s.SMTPHost) == nil {
		r.problem("SMTP_HOST", "write the name alone, and the port in SMTP_PORT")
	}
	if s.EmailFrom == "" {
		r.problem("EMAIL_FROM", `is missing; write the sender of mails, such as Example <login@example.com>`)
	}
	_, user := r.set["SMTP_USERNAME"] // what is set and refused was said already
	if _, password := r.set["SMTP_PASSWORD"]; user != password {
		r.problem("SMTP_USERNAME", "and SMTP_PASSWORD belong together; set both or neither")
	}
}

// apps reads which hosts other proxies ask about, and what those proxies are.
// Whoever may ask is believed, so they are named, and never everybody (FA-1).
func (r *reader) apps(s *Settings) {
	s.ProtectedHosts = r.list("PROTECTED_HOSTS")
	for _, kind := range r.list("PROXY") {
		s.Proxies = append(s.Proxies, strings.ToLower(kind))
	}
	switch hosts, proxies := len(s.ProtectedHosts) > 0, len(s.Proxies) > 0; {
	case hosts && !proxies:
		r.problem("PROTECTED_HOSTS", "is set, but PROXY is not; write what stands in front of these hosts: traefik, caddy, nginx, haproxy or envoy")
	case proxies && !hosts:
		r.problem("PROXY", "is set, but PROTECTED_HOSTS is not; write the hosts of the apps behind it, such as wiki.example.com")
	case proxies && len(s.TrustedProxies) == 0:
		r.problem("PROXY", "is set, but TRUSTED_PROXIES is not; write the address that the proxy connects from there, such as 172.18.0.2")
	}
}

// listener reads where to listen. A plain http origin is for this machine only,
// so nobody else may connect (CK-3).
func (r *reader) listener(s *Settings) {
	s.Host = r.text("SERVER_HOST")
	if s.Host == "" {
		s.Host = "0.0.0.0"
	}
	s.Port = r.number("SERVER_PORT", 3000, 1, 65535, "the port number")
	addr, err := netip.ParseAddr(s.Host)
	if err != nil && s.Host != "localhost" {
		r.problem("SERVER_HOST", fmt.Sprintf("%q; write the address to listen on, such as 0.0.0.0 or 127.0.0.1", s.Host))
		return
	}
	if strings.HasPrefix(s.Origin, "http://") && s.Host != "localhost" && !addr.IsLoopback() {
		r.problem("SERVER_HOST", fmt.Sprintf("%s is open to other machines, and %s is plain HTTP; write 127.0.0.1, or an https origin in WEBAUTHN_ORIGIN", s.Host, s.Origin))
	}
}

// client reads "name", "name=Title" and either with origins behind it.
func (r *reader) client(entry string) Client {
	words := strings.Fields(entry)
	isOrigin := func(w string) bool { return strings.Contains(w, "://") }
	n := len(words)
	if i := slices.IndexFunc(words, isOrigin); i >= 0 {
		n = i
	}
	name, title, ok := strings.Cut(strings.Join(words[:n], " "), "=")
	c := Client{Name: strings.TrimSpace(name), Title: strings.TrimSpace(title), Origins: words[n:]}
	if !ok {
		c.Title = c.Name
	}
	if c.Name == "" || c.Title == "" || strings.Contains(c.Name, " ") || slices.ContainsFunc(c.Origins, func(w string) bool { return !isOrigin(w) }) {
		r.problem("API_CLIENTS", fmt.Sprintf("%q; write NAME, NAME=Title or NAME=Title https://origin, separated by commas", entry))
	}
	return c
}

func (r *reader) problem(name, what string) {
	label := name
	if v, ok := r.set[name]; ok {
		label = v.label
	}
	separator := ": "
	if strings.HasPrefix(what, "is ") || strings.HasPrefix(what, "and ") {
		separator = " "
	}
	r.problems = append(r.problems, errors.New(label+separator+what))
}

func (r *reader) text(name string) string {
	value := strings.TrimSpace(r.set[name].value)
	if err := caddyfile.CheckValue(value); err != nil {
		r.problem(name, err.Error())
		return ""
	}
	return value
}

func (r *reader) list(name string) []string {
	var entries []string
	for entry := range strings.SplitSeq(r.text(name), ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

func (r *reader) choice(name, usual string, others ...string) string {
	value := strings.ToLower(r.text(name))
	if value == "" || value == usual {
		return usual
	}
	if !slices.Contains(others, value) {
		all := slices.Compact(append([]string{usual}, others...))
		r.problem(name, fmt.Sprintf("%q; write %s or %s", value, strings.Join(all[:len(all)-1], ", "), all[len(all)-1]))
		return usual
	}
	return value
}

func (r *reader) number(name string, usual, low, high int, of string) int {
	value := r.text(name)
	if value == "" {
		return usual
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		r.problem(name, fmt.Sprintf("%q; write %s, %d to %d", value, of, low, high))
		return usual
	}
	return n
}

func (r *reader) seconds(name string, usual, low, high int) time.Duration {
	return time.Duration(r.number(name, usual, low, high, "seconds")) * time.Second
}

func (r *reader) network(name, s string) {
	if _, err := netip.ParseAddr(s); err == nil {
		return
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		r.problem(name, fmt.Sprintf("%q; write addresses or networks, such as 172.18.0.2 or 172.18.0.0/29", s))
	} else if p != p.Masked() {
		r.problem(name, fmt.Sprintf("%q has bits beyond its length; write %v", s, p.Masked()))
	}
}

// secret checks a secret and returns its place.
func (r *reader) secret(s *Settings, name string, check func(string) error) Secret {
	v, ok := r.set[name]
	if !ok {
		return ""
	}
	value, place := v.value, Secret("{env."+name+"}")
	if v.isFile {
		path := v.value
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.dir, path)
		}
		text, err := read(path)
		if err != nil {
			r.problem(name, err.Error())
			return ""
		}
		if err := caddyfile.CheckValue(path); err != nil || strings.ContainsAny(path, " \"\\") {
			r.problem(name, fmt.Sprintf("%s: write a path of plain characters, without spaces", path))
			return ""
		}
		value, place = strings.TrimRight(text, "\r\n"), Secret("{file."+path+"}")
	} else if !v.lives {
		s.Environment[name] = value
	}
	if err := check(value); err != nil {
		r.problem(name, err.Error())
	}
	return place
}

// host is the host name of an origin, without its port.
func host(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
