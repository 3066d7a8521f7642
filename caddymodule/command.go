package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// Our commands stand under commandName in a custom Caddy, and at the top of the
// program that is called binaryName.
const (
	commandName = "passwordless"
	binaryName  = "passwordless-auth"
)

// commandLine is what people type before one of our commands in this program.
func commandLine() string {
	if caddy.CustomBinaryName == binaryName {
		return binaryName
	}
	return filepath.Base(os.Args[0]) + " " + commandName
}

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  commandName,
		Usage: "<command>",
		Short: "Manages users, sessions, access tokens, invitations and keys of passwordless-auth",
		Long: `Speaks to the running server through admin.sock beside its database. The
server is found by --socket, --database, --config, the environment variable
DATABASE_PATH, a Caddyfile in the current directory, or the default data
directory, in this order.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.RunE = helpOrRefuse
			tellErrors(cmd)
			cmd.AddCommand(Commands()...)
		},
	})
}

// Commands returns the commands that speak to a running server. They have no
// parent yet: a custom Caddy has them under "passwordless", the binary at its
// top. They print their errors themselves; an error that they return has a
// method ExitCode.
func Commands() []*cobra.Command {
	var at target
	cmds := []*cobra.Command{
		userCommand(&at), sessionCommand(&at), tokenCommand(&at), inviteCommand(&at), keysCommand(&at),
		explainCommand(&at), doctorCommand(&at), healthCommand(&at),
	}
	for _, cmd := range cmds {
		flags := cmd.PersistentFlags()
		flags.StringVar(&at.config, "config", "", "Caddyfile or Caddy JSON of the server")
		flags.StringVar(&at.database, "database", "", "path of the server's database")
		flags.StringVar(&at.socket, "socket", "", "path of the server's admin.sock")
		flags.Bool("json", false, "print JSON")
		finish(cmd)
	}
	return cmds
}

// Exit codes (DESIGN §11).
const (
	exitFailed = 1
	exitUsage  = 2
)

// commandError is an error of a command: a sentence, and what to do.
type commandError struct {
	err  error
	hint string
	code int
}

// Error is the sentence.
func (e *commandError) Error() string { return e.err.Error() }

// Unwrap is what went wrong.
func (e *commandError) Unwrap() error { return e.err }

// ExitCode is what the process ends with.
func (e *commandError) ExitCode() int { return e.code }

func withHint(err error, hint string) error { return &commandError{err, hint, exitFailed} }

func usageError(cmd *cobra.Command, format string, args ...any) error {
	return &commandError{fmt.Errorf(format, args...), fmt.Sprintf("See: %s --help", cmd.CommandPath()), exitUsage}
}

// finish has a command and those below it tell their errors alike, in both
// shapes.
func finish(cmd *cobra.Command) {
	tellErrors(cmd)
	for _, sub := range cmd.Commands() {
		finish(sub)
	}
}

func tellErrors(cmd *cobra.Command) {
	cmd.SilenceUsage = true
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return told(cmd, usageError(cmd, "%w", err))
	})
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return told(cmd, usageError(cmd, "%w", err))
			}
			return nil
		}
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return told(cmd, run(cmd, args)) }
	}
}

// told prints an error and returns it for the exit code. Caddy's main knows
// codes above 1 only from an error type of its own.
func told(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	said, ok := errors.AsType[*commandError](err)
	if !ok {
		said = &commandError{err: err, code: exitFailed}
	}
	cmd.SilenceErrors = true
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", cmd.Root().Name(), said)
	if said.hint != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), said.hint)
	}
	for above := cmd; said.code != exitFailed && above != nil; above = above.Parent() {
		if above.Name() == commandName {
			return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return said.code, nil })(cmd, nil)
		}
	}
	return said
}

// group is a command that only has others below it.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, RunE: refuse}
	cmd.AddCommand(below...)
	return cmd
}

// refuse names the commands below one that does nothing by itself.
func refuse(cmd *cobra.Command, args []string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	if len(args) > 0 {
		return usageError(cmd, "%s %s is no command; write one of: %s", cmd.Name(), args[0], strings.Join(names, ", "))
	}
	return usageError(cmd, "write what to do: %s", strings.Join(names, ", "))
}

// helpOrRefuse is for the command above all of ours: alone, it introduces them.
func helpOrRefuse(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return refuse(cmd, args)
}

// arguments wants each of those that are named, in words that complete "name …",
// and no more.
func arguments(named ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(named) {
			return errors.New("name " + named[len(args)])
		}
		return atMost(len(named))(cmd, args)
	}
}

// atMost refuses more than n arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("%q is too much; write %s %s", args[n], cmd.Parent().CommandPath(), cmd.Use)
		}
		return nil
	}
}

// output prints what a command found: JSON if asked for, else in words.
func output(cmd *cobra.Command, v any, words func(w io.Writer)) error {
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	words(w)
	return w.Flush()
}

// done says that a change was made; JSON is an empty object.
func done(cmd *cobra.Command, format string, args ...any) error {
	return output(cmd, struct{}{}, func(w io.Writer) { fmt.Fprintf(w, format+"\n", args...) })
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
