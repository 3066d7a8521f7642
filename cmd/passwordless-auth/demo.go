package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/demo"
	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/host"
)

func demoCommand() *cobra.Command {
	var port int
	var data string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: two guarded apps, sign-in and a mailbox, on this machine",
		Long: `Serves two guarded apps, the sign-in pages and a mailbox on names below
localhost, for browsers on this machine only. Nothing else is needed, and
nothing leaves the machine. Ctrl-C ends it; the next run knows you again.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port < 1 || port > 65535 {
				return &commandError{err: fmt.Errorf("--port %d is no port", port), hint: "Write 1 to 65535.", code: exitUsage}
			}
			dir, err := dataDir(data)
			if err != nil {
				return failed(err, "Name a directory with --data.")
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
			err = demo.Run(ctx, demo.Options{
				Port: port, Data: dir, Out: cmd.OutOrStdout(), Now: time.Now,
				Colour: inColour(),
				Log:    slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
			if errors.Is(err, host.ErrTaken) {
				return failed(fmt.Errorf("port %d is taken", port), "A demo, or another server, runs there already. "+besideIt(port))
			}
			return failed(err, fmt.Sprintf("The demo keeps its data in %s; --data DIR names another directory.", dir))
		},
	}
	cmd.Flags().IntVar(&port, "port", 8080, "port of all four hosts")
	cmd.Flags().StringVar(&data, "data", "", "directory for the demo's database (default: in your data directory)")
	return cmd
}

// besideIt is how to start a demo beside another one: each has a port and a
// database of its own. Most people come by make.
func besideIt(port int) string {
	flags := fmt.Sprintf("--port %d --data DIR", min(port+1, 65535))
	return fmt.Sprintf("Another demo beside it needs both: %s demo %s (make run ARGS=%q)", name, flags, flags)
}

// dataDir is the absolute path of the demo's directory: what --data says, else
// where the system keeps data of programs.
func dataDir(data string) (string, error) {
	if data == "" {
		base, err := userDataDir()
		if err != nil {
			return "", err
		}
		data = filepath.Join(base, name, "demo")
	}
	abs, err := filepath.Abs(data)
	if err != nil {
		return "", fmt.Errorf("finding the data directory: %w", err)
	}
	return abs, nil
}

// userDataDir follows the XDG base directory specification, and the other
// systems' habits.
func userDataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	if runtime.GOOS != "linux" {
		return os.UserConfigDir() // which holds data, too, there
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding your home directory: %w", err)
	}
	return filepath.Join(home, ".local", "share"), nil
}
