// Package settings reads what serve is told: the environment, a .env file and a
// flat TOML file become one Settings, which writes the Caddyfile that runs.
//
// A variable is taken from the first of the three that has it. Only what the
// Caddyfile's own grammar cannot check is checked here (secrets, numbers of
// seconds, the listener); the rest is refused by the adapter, and the package
// caddyfile leads its words back to the variable.
package settings

import "time"

// Settings are checked values; the zero value of a field means "the default".
type Settings struct {
	JWTSecret    Secret // JWT_SECRET: the root key
	DatabasePath string // DATABASE_PATH

	SMTPHost     string // SMTP_HOST; "" is no mail at all
	SMTPPort     int    // SMTP_PORT; 0 is the usual one of SMTPTLS
	SMTPUsername string
	SMTPPassword Secret
	SMTPTLS      string // SMTP_TLS
	EmailFrom    string // EMAIL_FROM

	Origin string // WEBAUTHN_ORIGIN: the portal, always set
	RPID   string // WEBAUTHN_RP_ID
	RPName string // WEBAUTHN_RP_NAME

	CORSOrigins []string // CORS_ALLOWED_ORIGINS: origins of the API client "default"
	Clients     []Client // API_CLIENTS

	LogLevel  string // LOG_LEVEL: DEBUG, INFO, WARN or ERROR
	LogFormat string // LOG_FORMAT: console or json
	Host      string // SERVER_HOST: the address to listen on
	Port      int    // SERVER_PORT

	AdminEmails    []string // ADMIN_EMAIL
	Registration   []string // REGISTRATION: the mode, then domains
	ProtectedHosts []string // PROTECTED_HOSTS: apps behind other proxies
	Proxies        []string // PROXY: kinds of the proxies that ask about them
	TrustedProxies []string // TRUSTED_PROXIES: whose X-Forwarded-For is believed, and who is a proxy of PROXY

	RequestsPerMinute int           // RATE_LIMIT_PER_MINUTE
	MailsPerHour      int           // EMAIL_RATE_LIMIT_PER_HOUR
	AccessTTL         time.Duration // ACCESS_TOKEN_EXPIRY_SECONDS
	RefreshTTL        time.Duration // REFRESH_TOKEN_EXPIRY_SECONDS
	LinkTTL           time.Duration // MAGIC_LINK_EXPIRY_SECONDS

	MetricsAllow []string // METRICS_ALLOW
	BrandName    string   // BRAND_NAME
	BrandAccent  string   // BRAND_ACCENT

	// Colour shows the levels of console logs in colour: for terminals, and no
	// variable.
	Colour bool

	// Environment is what must be in the environment of the process for the
	// Caddyfile to work: secrets that a .env or TOML file held.
	Environment map[string]string

	labels map[string]string // how people find a variable, by its name
}

// Secret is the place of a secret, as a Caddyfile writes it: {env.NAME} or
// {file.PATH}. It never holds the secret itself.
type Secret string

// Client is one program of API_CLIENTS.
type Client struct {
	Name    string
	Title   string
	Origins []string
}

// label names a variable to people: where it was set, if it was.
func (s *Settings) label(name string) string {
	if l := s.labels[name]; l != "" {
		return l
	}
	return name
}
