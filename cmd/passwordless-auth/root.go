package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/caddymodule"
	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/settings"
)

// adopted are Caddy's commands that stay. Commands of a later Caddy are added
// by hand, after a look at them. Left out: "version", which is ours, and those
// that replace the running binary by one without this module (upgrade,
// add-package, remove-package).
var adopted = []string{
	"run", "start", "stop", "reload", "validate", "fmt", "adapt", "environ", "list-modules", "build-info",
	"hash-password", "trust", "untrust", "storage", "respond", "file-server", "reverse-proxy",
}

// newRoot assembles the command line: ours, the module's and Caddy's.
func newRoot(out io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           name,
		Short:         "Sign people in without passwords, in front of any web app",
		Version:       caddymodule.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &commandError{err: err, hint: fmt.Sprintf("See: %s --help", cmd.CommandPath()), code: exitUsage}
	})
	root.SetHelpCommand(helpCommand(root))
	root.AddCommand(demoCommand(), serveCommand(), configCommand(), healthCommand(), versionCommand())
	addModuleCommands(root)
	addCaddyCommands(root)

	usual := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd == root {
			fmt.Fprint(out, help(root))
			return
		}
		usual(cmd, args)
	})
	return root
}

// addModuleCommands puts what a custom Caddy has below "passwordless" at the top.
func addModuleCommands(root *cobra.Command) {
	registered, ok := caddycmd.Commands()["passwordless"]
	if !ok || registered.CobraFunc == nil {
		return
	}
	parent := new(cobra.Command)
	registered.CobraFunc(parent)
	for _, cmd := range parent.Commands() {
		parent.RemoveCommand(cmd)
		if !slices.ContainsFunc(root.Commands(), func(ours *cobra.Command) bool { return ours.Name() == cmd.Name() }) {
			cmd.GroupID = ""
			cmd.PersistentPreRunE = findServe
			root.AddCommand(cmd)
		}
	}
}

// findServe lets the module's commands find the server that serve would start
// here: they know the environment, and it may be told by .env or a TOML file.
func findServe(*cobra.Command, []string) error {
	if _, err := os.Stat("Caddyfile"); err == nil {
		return nil // it says more than a .env, which may be of another program
	}
	o, err := options("")
	if err != nil {
		return err
	}
	path, err := settings.DatabasePath(o)
	if err != nil || path == "" {
		return nil //nolint:nilerr // a .env may be somebody else's; the command says where it looked
	}
	return failed(os.Setenv("DATABASE_PATH", path), "")
}

// addCaddyCommands adopts Caddy's commands as Caddy makes them.
func addCaddyCommands(root *cobra.Command) {
	registered := caddycmd.Commands()
	for _, name := range adopted {
		c, ok := registered[name]
		if !ok {
			continue
		}
		cmd := &cobra.Command{Use: c.Name + " " + c.Usage, Short: c.Short, Long: c.Long}
		if c.CobraFunc != nil {
			c.CobraFunc(cmd)
		} else {
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(c.Func)
			cmd.Flags().AddGoFlagSet(c.Flags)
		}
		cmd.Annotations = map[string]string{"from": "caddy"}
		root.AddCommand(cmd)
	}
}

// helpCommand is Cobra's, but that asking for what does not exist is an error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say more about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			switch {
			case err != nil || found == root:
				if err := knownCommand(root, args); err != nil {
					return err
				}
				found = root
			case len(rest) > 0:
				return &commandError{
					err:  fmt.Errorf("there is no command %q below %s", rest[0], found.Name()),
					hint: fmt.Sprintf("See: %s --help", found.CommandPath()), code: exitUsage,
				}
			}
			return found.Help()
		},
	}
}

// knownCommand refuses words that are no command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("there is no command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, near[0])
	}
	return &commandError{err: err, hint: "See: " + name + " --help", code: exitUsage}
}

// noArgs refuses arguments, as a mistake in usage.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &commandError{
		err:  fmt.Errorf("%s takes no arguments, and there is %q", cmd.Name(), args[0]),
		hint: fmt.Sprintf("See: %s --help", cmd.CommandPath()), code: exitUsage,
	}
}

// help is the first thing that people read.
func help(root *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, `passwordless-auth signs people in without passwords, in front of any web app.

Start here:
  demo       See it work: two guarded apps, sign-in and a mailbox, on this machine
  serve      Run the sign-in server from environment variables
  run        Run it with a Caddyfile, where passwordless_guard guards an app

`)
	var more, caddys []string
	for _, cmd := range root.Commands() {
		switch {
		case cmd.Hidden || slices.Contains([]string{"demo", "serve", "help"}, cmd.Name()):
		case cmd.Annotations["from"] == "caddy":
			caddys = append(caddys, cmd.Name())
		default:
			more = append(more, fmt.Sprintf("  %-10s %s\n", cmd.Name(), cmd.Short))
		}
	}
	half := (len(caddys) + 1) / 2 // two lines fit a terminal
	fmt.Fprintf(&b, "More:\n%s\nCaddy's own:\n  %s\n  %s\n\n", strings.Join(more, ""), strings.Join(caddys[:half], " "), strings.Join(caddys[half:], " "))
	fmt.Fprintf(&b, "%s help COMMAND says more about one. Try: %s demo\n", name, name)
	return b.String()
}
