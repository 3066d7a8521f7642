// Command passwordless-auth is a Caddy with the module in it, and with commands
// that need no Caddyfile: demo shows the whole product on one machine, serve
// runs the sign-in server from environment variables, config prints what serve
// would run. Everything that speaks to a running process is the module's, so
// that a custom Caddy has it too.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/passwordless-auth/passwordless-auth/caddymodule"
)

const name = "passwordless-auth"

// Exit codes. Caddy's own commands have more; see caddy.ExitCodeSuccess and on.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	caddy.CustomBinaryName = name
	caddymodule.SetVersion(version)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code.
func run(args []string, out, errOut io.Writer) int {
	root := newRoot(out)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	var said *commandError
	if errors.As(err, &said) {
		fmt.Fprintf(errOut, "%s: %v\n", name, said.err)
		if said.hint != "" {
			fmt.Fprintln(errOut, said.hint)
		}
		return said.code
	}
	if !cmd.SilenceErrors { // Caddy's commands log their errors, and say so by this
		fmt.Fprintf(errOut, "%s: %v\n", name, err)
	}
	return codeOf(err)
}

// commandError is an error of one of our commands: a sentence, and what to do.
type commandError struct {
	err  error
	hint string
	code int
}

func (e *commandError) Error() string { return e.err.Error() }
func (e *commandError) Unwrap() error { return e.err }

func failed(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &commandError{err: err, hint: hint, code: exitFailed}
}

// codeOf is the exit code that the module's commands give an error.
func codeOf(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return exitFailed
}
