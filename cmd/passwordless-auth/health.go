package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/settings"
)

// health is what GET /health answers.
type health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
	Uptime  int64  `json:"uptime_seconds"`
}

func healthCommand() *cobra.Command {
	var address, config string
	var timeout time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running server how it is",
		Long: `Asks GET /health, by default of the server that serve would start here, on
SERVER_HOST and SERVER_PORT. Exits with 0 if the answer is "healthy", with 1 if
it is not or if nothing answers.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, err := healthURL(address, config)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			h, body, err := askHealth(ctx, target)
			if err != nil {
				return failed(err, "Is it running there? --url names another address.")
			}
			if asJSON {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", body)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, version %s, up %v\n", target, h.Status, h.Version, time.Duration(h.Uptime)*time.Second)
			}
			return failed(err, "")
		},
	}
	cmd.Flags().StringVar(&address, "url", "", "where to ask, such as https://auth.example.com/health")
	cmd.Flags().StringVar(&config, "config", "", "TOML file of the server (default "+settings.DefaultConfigFile+", if it exists)")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as it came")
	return cmd
}

// healthURL is where to ask.
func healthURL(address, config string) (string, error) {
	if address != "" {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return "", &commandError{err: fmt.Errorf("--url %q is no web address", address), hint: "Write one such as http://127.0.0.1:3000/health", code: exitUsage}
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = "/health"
		}
		return u.String(), nil
	}
	o, err := options(config)
	if err != nil {
		return "", err
	}
	host, port, err := settings.Address(o)
	if err != nil {
		return "", failed(err, "--url asks another address.")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens everywhere, so here too
		if ip.Is6() {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/health", nil
}

// maxHealth bounds the answer that is read.
const maxHealth = 64 << 10

// askHealth asks directly: no proxy, and no redirect, which would be another
// server's answer.
func askHealth(ctx context.Context, target string) (health, []byte, error) {
	var h health
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return h, nil, fmt.Errorf("asking %s: %w", target, err)
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // the address is said already
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			return h, nil, fmt.Errorf("%s does not answer in time", target)
		}
		return h, nil, fmt.Errorf("nothing answers at %s: %w", target, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxHealth))
	if err != nil {
		return h, nil, fmt.Errorf("reading the answer of %s: %w", target, err)
	}
	if res.StatusCode != http.StatusOK {
		return h, nil, fmt.Errorf("%s answers %s", target, res.Status)
	}
	if err := json.Unmarshal(body, &h); err != nil || h.Status != "healthy" {
		return h, nil, fmt.Errorf("%s does not say that it is healthy", target)
	}
	return h, body, nil
}
