package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/passwordless-auth/passwordless-auth/caddymodule"
	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/host"
	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/settings"
)

func serveCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the sign-in server from environment variables",
		Long: `Runs sign-in, accounts and the JSON API on plain HTTP, for the TLS proxy in
front. Ends at SIGTERM or Ctrl-C, after open requests were answered.

` + variables,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := loadSettings(config)
			if err != nil {
				return err
			}
			s.Colour = inColour()
			return serve(s)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "TOML file (default "+settings.DefaultConfigFile+", if it exists)")
	return cmd
}

// inColour reports whether logs are read on a terminal, by somebody who has not
// asked for no colours (https://no-color.org).
func inColour() bool {
	info, err := os.Stderr.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

// serve runs until a signal ends the process.
func serve(s *settings.Settings) error {
	cfg, err := s.Caddyfile().Adapt()
	if err != nil {
		return failed(err, configHint)
	}
	for name, value := range s.Environment {
		if err := os.Setenv(name, value); err != nil {
			return failed(fmt.Errorf("setting %s: %w", name, err), "")
		}
	}
	if err := host.Free(s.Host, s.Port); errors.Is(err, host.ErrTaken) {
		return failed(fmt.Errorf("port %d is taken", s.Port), "Another server listens there; end it, or set SERVER_PORT.")
	} else if err != nil {
		return failed(err, "Set SERVER_HOST and SERVER_PORT to an address of this machine.")
	}
	caddy.TrapSignals()
	// As "run" does: leave room below the container's memory limit.
	_, _ = memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup)) // no limit, no room to leave
	if err := host.Load(cfg); err != nil {
		return failed(err, "")
	}
	log := caddy.Log()
	for _, w := range s.Warnings() {
		log.Warn(w)
	}
	log.Info("serving sign-in", zap.String("origin", s.Origin), zap.String("listen", net.JoinHostPort(s.Host, strconv.Itoa(s.Port))), zap.String("version", caddymodule.Version()))
	select {} // the signal handler ends the process
}
