package settings

// The variables of serve, in the order of the documentation. A TOML file has
// the same names in lower case.
var known = []string{
	"JWT_SECRET", "DATABASE_PATH",
	"SMTP_HOST", "SMTP_PORT", "SMTP_USERNAME", "SMTP_PASSWORD", "SMTP_TLS", "EMAIL_FROM",
	"WEBAUTHN_RP_ID", "WEBAUTHN_RP_NAME", "WEBAUTHN_ORIGIN",
	"CORS_ALLOWED_ORIGINS", "API_CLIENTS",
	"LOG_LEVEL", "LOG_FORMAT", "SERVER_HOST", "SERVER_PORT",
	"ADMIN_EMAIL", "REGISTRATION", "PROTECTED_HOSTS", "PROXY", "TRUSTED_PROXIES",
	"RATE_LIMIT_PER_MINUTE", "EMAIL_RATE_LIMIT_PER_HOUR",
	"ACCESS_TOKEN_EXPIRY_SECONDS", "REFRESH_TOKEN_EXPIRY_SECONDS", "MAGIC_LINK_EXPIRY_SECONDS",
	"METRICS_ALLOW", "BRAND_NAME", "BRAND_ACCENT",
}

// secrets may be given as a file as well: NAME_FILE holds its path.
var secrets = []string{"JWT_SECRET", "SMTP_PASSWORD"}

// later are documented variables of parts that this version does not have.
// They are refused, because ignoring one could leave something open that its
// writer believes shut. Each comes with what the server does without it.
var later = map[string]string{
	"DATABASE_URL":   "PostgreSQL storage; remove it and name a file with DATABASE_PATH",
	"REDIS_URL":      "rate limits shared between replicas; remove it, limits are kept in memory",
	"WEBHOOK_URL":    "webhooks; remove it",
	"WEBHOOK_SECRET": "webhooks; remove it",
	"BACKUP_DIR":     "scheduled backups; remove it",
	"ADMIN_ALLOW":    "admin pages; remove it, there are none to reach",
}

// never are keys that people look for and that do not exist on purpose.
var never = map[string]string{
	"cors_allow_all": "every origin is never allowed; list the exact ones in cors_allowed_origins",
	"rust_log":       "write log_level",
}
