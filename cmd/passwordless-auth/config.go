package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/settings"
)

// options look in this process's environment and working directory.
func options(config string) (settings.Options, error) {
	dir, err := os.Getwd()
	if err != nil {
		return settings.Options{}, failed(fmt.Errorf("finding the working directory: %w", err), "")
	}
	return settings.Options{Environ: os.Environ(), Dir: dir, ConfigFile: config}, nil
}

// loadSettings reads what serve is told.
func loadSettings(config string) (*settings.Settings, error) {
	o, err := options(config)
	if err != nil {
		return nil, err
	}
	s, err := settings.Load(o)
	return s, failed(err, configHint)
}

const configHint = "Variables come from the environment, from .env here, or from " + settings.DefaultConfigFile + "; config --help lists them."

func configCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the Caddyfile that serve runs",
		Long: `Prints the Caddyfile that serve builds, with the places of secrets instead of
secrets. It is a start for a Caddyfile of your own: run --config FILE.

` + variables,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadSettings(config)
			if err != nil {
				return err
			}
			file := s.Caddyfile()
			if _, err := file.Adapt(); err != nil {
				return failed(err, configHint)
			}
			for _, w := range s.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+w)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), file)
			return failed(err, "")
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "TOML file (default "+settings.DefaultConfigFile+", if it exists)")
	return cmd
}

// variables is the manual page of the settings.
const variables = `Variables come from the environment, else from .env in the working directory,
else from a flat TOML file with the same names in lower case.

  WEBAUTHN_ORIGIN                the origin that browsers open: https://auth.example.com (required)
  WEBAUTHN_RP_ID                 what passkeys are bound to (its host name)
  WEBAUTHN_RP_NAME               what browsers call it when they make a passkey
  JWT_SECRET                     32 bytes or more; without it, auth.key is made beside the database
  DATABASE_PATH                  the database file
  SMTP_HOST, SMTP_PORT           the mail server
  SMTP_USERNAME, SMTP_PASSWORD   how to sign in there
  SMTP_TLS                       starttls (default), implicit (default for port 465) or none
  EMAIL_FROM                     the sender: Example <login@example.com>
  REGISTRATION                   closed (default), invite (people ask, an admin decides) or open;
                                 the last two may name domains: open example.com
  ADMIN_EMAIL                    who may become admin, by an invitation made on this host
  CORS_ALLOWED_ORIGINS           origins whose scripts may use the API
  API_CLIENTS                    programs that may: NAME=Title https://origin, separated by commas
  PROTECTED_HOSTS                apps behind a proxy that asks us: wiki.example.com, *.example.org:8443
  PROXY                          what that proxy is: traefik, caddy, nginx, haproxy or envoy
  TRUSTED_PROXIES                the proxies in front, whose X-Forwarded-For is believed; PROXY needs it
  SERVER_HOST, SERVER_PORT       where to listen (0.0.0.0, 3000)
  LOG_LEVEL, LOG_FORMAT          debug, info, warn or error; console or json (info, console)
  METRICS_ALLOW                  who may read /health and /readiness (this machine, private networks)
  BRAND_NAME, BRAND_ACCENT       the name on pages and in mails; a colour such as #3355ff
  RATE_LIMIT_PER_MINUTE          sign-in requests of one address (60)
  EMAIL_RATE_LIMIT_PER_HOUR      mails to one mailbox (10, at most 80)
  ACCESS_TOKEN_EXPIRY_SECONDS    600, at most that
  REFRESH_TOKEN_EXPIRY_SECONDS   2592000
  MAGIC_LINK_EXPIRY_SECONDS      600, at most that

JWT_SECRET_FILE and SMTP_PASSWORD_FILE name files that hold the secrets.`
