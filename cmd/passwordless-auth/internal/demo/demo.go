// Package demo is the whole product on one machine: two guarded apps, the
// portal, and a mailbox that real mail arrives in. It is for trying things out,
// so it answers browsers on this machine only, and anybody may register.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/caddyfile"
	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/host"
)

// Options of the demo.
type Options struct {
	Port int       // of all four hosts
	Data string    // directory for the database; made when absent
	Out  io.Writer // where the banner goes
	Now  func() time.Time
	Log  *slog.Logger

	Colour bool // in Caddy's log: Out is a terminal
}

// Run serves the demo. It returns errors only: when ctx ends, Caddy ends the
// process with code 0, after everything was closed.
func Run(ctx context.Context, o Options) error {
	s := sites{port: o.Port}
	addresses, err := claim(o.Port)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	up, err := startUpstreams(s, o)
	if err != nil {
		return err
	}
	defer up.close()
	caddy.OnExit(func(context.Context) { up.close() })
	caddy.TrapSignals()
	env := environment{addresses: addresses, data: o.Data, upstream: up.socket, mail: up.mail, colour: o.Colour}
	if err := start(s, env); err != nil {
		return err
	}
	if err := s.ready(ctx, addresses[0]); err != nil {
		return errors.Join(err, caddy.Stop())
	}
	if ctx.Err() == nil {
		s.banner(o)
	}
	<-ctx.Done()
	// The streams end first: Caddy would wait for them. It may know of the
	// signal already, and ends once, however often it is told.
	up.close()
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Signal(syscall.SIGTERM) // where there is no such signal, it knew
	}
	select {}
}

// claim finds the loopback addresses to listen on. The port must be free there.
func claim(port int) ([]string, error) {
	if err := host.Free("127.0.0.1", port); err != nil {
		return nil, err
	}
	switch err := host.Free("::1", port); {
	case errors.Is(err, host.ErrTaken):
		return nil, err
	case err != nil: // a machine without IPv6
		return []string{"127.0.0.1"}, nil
	}
	return []string{"127.0.0.1", "::1"}, nil
}

// start runs Caddy with the demo's configuration. That the database is a demo's
// is said in JSON only: the Caddyfile has no word for it.
func start(s sites, env environment) error {
	for _, value := range []string{env.data, env.upstream} {
		if err := caddyfile.CheckValue(value); err != nil {
			return fmt.Errorf("the path %s: %w", value, err)
		}
	}
	cfg, err := s.caddyfile(env).Adapt()
	if err != nil {
		return err
	}
	if cfg, err = marked(cfg); err != nil {
		return err
	}
	return host.Load(cfg)
}

func marked(cfg []byte) ([]byte, error) {
	var tree map[string]any
	if err := json.Unmarshal(cfg, &tree); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	apps, _ := tree["apps"].(map[string]any)
	app, ok := apps["passwordless"].(map[string]any)
	if !ok {
		return nil, errors.New("the configuration has no passwordless app")
	}
	app["demo"] = true
	return json.Marshal(tree)
}

// upstreams are the servers behind Caddy, in this process.
type upstreams struct {
	dir    string // holds the socket; nobody else may look in
	socket string
	mail   string
	server *http.Server
	sink   *Sink
}

func startUpstreams(s sites, o Options) (*upstreams, error) {
	sink := NewSink(o.Now, o.Log)
	pages, err := newWeb(s, sink)
	if err != nil {
		return nil, err
	}
	// The path of a socket has at most 104 bytes on some systems, so it is not
	// made in the data directory.
	dir, err := os.MkdirTemp("", "pa-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for a socket: %w", err)
	}
	up := &upstreams{dir: dir, socket: filepath.Join(dir, "web"), sink: sink}
	up.server = &http.Server{Handler: pages.handler(), ReadHeaderTimeout: 10 * time.Second}
	web, err := net.Listen("unix", up.socket)
	if err != nil {
		up.close()
		return nil, fmt.Errorf("starting the apps: %w", err)
	}
	mail, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		_ = web.Close() // what failed is said below
		up.close()
		return nil, fmt.Errorf("starting the mail server: %w", err)
	}
	up.mail = mail.Addr().String()
	go up.serve(o.Log, "apps", func() error { return up.server.Serve(web) })
	go up.serve(o.Log, "mail server", func() error { return sink.Serve(mail) })
	return up, nil
}

func (up *upstreams) serve(log *slog.Logger, what string, serve func() error) {
	if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Error("the demo's "+what+" ended", "error", err)
	}
}

// close ends the servers and every stream they serve. More calls do nothing more.
func (up *upstreams) close() {
	_ = up.server.Close() // the process ends, or the error is another one
	_ = up.sink.Close()
	_ = os.RemoveAll(up.dir)
}

// ready waits until the portal says that it is healthy.
func (s sites) ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("the demo started and does not answer"))
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(address, strconv.Itoa(s.port))+"/health", nil)
		if err != nil {
			return fmt.Errorf("asking for the demo's health: %w", err)
		}
		req.Host = s.host("auth")
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close() // only the status counts
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return context.Cause(ctx)
			}
			return nil // Ctrl-C
		case <-time.After(wait):
		}
	}
}

// database is the file in the demo's directory.
func database(dir string) string { return filepath.Join(dir, "auth.db") }

func (s sites) banner(o Options) {
	fmt.Fprintf(o.Out, `
  The demo is ready. Ctrl-C ends it.

    %-28s a guarded app: start here
    %-28s a second one
    %-28s sign-in and your account
    %-28s the mailbox: every mail arrives here

  1. Open the app and enter any e-mail address.
  2. Take the code from the mailbox.
  3. Add a passkey, sign out of all apps, come back with one touch; then open
     the wiki.

  Your account is kept in %s. Commands find it by
     %s user list --database %q

`, s.url("app"), s.url("wiki"), s.url("auth"), s.url("mail"), o.Data, os.Args[0], database(o.Data))
}
