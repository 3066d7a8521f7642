// Package host runs Caddy inside this process, for the commands that make its
// configuration themselves.
package host

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"syscall"

	"github.com/caddyserver/caddy/v2"
)

// Load starts Caddy with a configuration in JSON. What Caddy logs before the
// configuration says how to log waits for it, and is dropped if it fails: the
// error says what is needed.
func Load(cfg []byte) error {
	_, original, _ := caddy.BufferedLog()
	if err := caddy.Load(cfg, true); err != nil {
		return &startError{err}
	}
	caddy.UnbufferDefaultLogger(original)
	return nil
}

// startError shows the end of Caddy's chain of modules, which is what somebody
// without a Caddyfile can do something about.
type startError struct{ err error }

var chain = regexp.MustCompile(`(?s)^.*(provision [a-z0-9_.]+: |app module: start: )`)

func (e *startError) Error() string { return "starting: " + chain.ReplaceAllString(e.err.Error(), "") }
func (e *startError) Unwrap() error { return e.err }

// ErrTaken is the error for a port that another process listens on.
var ErrTaken = errors.New("port is taken")

// Free makes sure that nobody listens on a port of an address. Caddy would
// share it with another process of the same user, and each would get some of
// the requests.
func Free(address string, port int) error {
	ln, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: %d", ErrTaken, port)
	}
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	return ln.Close()
}
