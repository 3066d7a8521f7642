package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

const (
	// connectWithin and answerWithin bound a command.
	connectWithin = 2 * time.Second
	answerWithin  = time.Minute
)

// target is where a command looks for the server, in this order.
type target struct {
	socket   string // a socket itself
	database string // the server's database; its socket is beside it
	config   string // a Caddyfile, or Caddy's JSON, that names the database
}

// adminClient speaks to a running server.
type adminClient struct {
	socket   string
	database string // "": whichever answers
	started  string // what may be mistaken where nobody answers
	http     *http.Client
}

// defaultCaddyfile is what Caddy itself reads where no file is named.
const defaultCaddyfile = "Caddyfile"

// connect finds the server's socket. Nothing is asked yet.
func (t target) connect() (*adminClient, error) {
	c := &adminClient{socket: t.socket, started: t.startHint(false)}
	if c.socket == "" {
		database, byDefault, err := t.findDatabase()
		if err != nil {
			return nil, err
		}
		if c.database, err = storeIdentity(database); err != nil {
			return nil, err
		}
		c.socket, c.started = socketPath(c.database), t.startHint(byDefault)
	}
	c.http = &http.Client{Timeout: answerWithin, Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return dialSocket(c.socket, connectWithin) },
	}}
	return c, nil
}

// startHint says what to do where nobody answers. The default database is in
// the home of whoever asks, and a service has a user and a home of its own.
func (t target) startHint(byDefault bool) string {
	hint := "Start it first. "
	if byDefault {
		user := "caddy" // of the packages' service
		if commandLine() == binaryName {
			user = "USER"
		}
		hint += fmt.Sprintf("If it runs as another user, run this as that user (sudo -u %s %s …). ", user, commandLine())
	}
	hint += "If it runs with another database, name that with --database"
	if t.config == "" {
		hint += ", or its Caddyfile with --config"
	}
	return hint + "."
}

// findDatabase is the path of the database that the command is about, and
// whether it is where a database is that nobody named.
func (t target) findDatabase() (path string, byDefault bool, err error) {
	file := t.findConfig()
	switch fromEnv := os.Getenv("DATABASE_PATH"); {
	case t.database != "":
		return t.database, false, nil
	case file == "" && fromEnv != "": // how "serve" is told
		return fromEnv, false, nil
	}
	app := new(App)
	if file != "" {
		if err := app.read(file); err != nil {
			return "", false, withHint(err, "Name the database itself with --database.")
		}
	}
	if path, err = app.databasePath(caddy.NewReplacer()); err != nil {
		return "", false, withHint(err, "Name the database itself with --database.")
	}
	return path, app.Database == "", nil
}

// findConfig is the configuration's file, "" where none is named or at hand. One
// that lies about is not taken for that of a database named otherwise.
func (t target) findConfig() string {
	if t.config != "" || t.database != "" || os.Getenv("DATABASE_PATH") != "" {
		return t.config
	}
	if _, err := os.Stat(defaultCaddyfile); err != nil {
		return ""
	}
	return defaultCaddyfile
}

// read reads our part of a configuration, JSON or Caddyfile.
func (a *App) read(file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	if !json.Valid(body) {
		adapter := caddyconfig.GetAdapter("caddyfile")
		if adapter == nil {
			return fmt.Errorf("%s is not JSON, and this program cannot read Caddyfiles", file)
		}
		if body, _, err = adapter.Adapt(body, map[string]any{"filename": file}); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
	}
	var config struct {
		Apps struct {
			Passwordless json.RawMessage `json:"passwordless"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(body, &config); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	if config.Apps.Passwordless == nil {
		return nil // the defaults
	}
	if err := json.Unmarshal(config.Apps.Passwordless, a); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

// everyPage reads a list to its end. It is never nil, so that JSON shows [].
func everyPage[T any](ctx context.Context, c *adminClient, segments ...string) ([]T, error) {
	all := []T{}
	for query := (url.Values{}); ; {
		var page adminPage[T]
		if err := c.call(ctx, http.MethodGet, segments, query, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("after", page.Next)
	}
}

// call sends a request and decodes its answer; body and into may be nil.
// Segments of the path are escaped one by one.
func (c *adminClient) call(ctx context.Context, method string, segments []string, query url.Values, body, into any) error {
	u := (&url.URL{Scheme: "http", Host: "passwordless", RawQuery: query.Encode()}).JoinPath(escaped(segments)...)
	var payload io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), payload)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	if c.database != "" {
		req.Header.Set(databaseHeader, c.database)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var problem adminProblem
		if err := json.NewDecoder(res.Body).Decode(&problem); err != nil || problem.Error == "" {
			return fmt.Errorf("the server answers %s", res.Status)
		}
		return errors.New(problem.Error)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

func escaped(segments []string) []string {
	out := make([]string, len(segments))
	for i, s := range segments {
		if out[i] = url.PathEscape(s); s == "." || s == ".." {
			out[i] = "%2E" + out[i][1:] // JoinPath would clean it away
		}
	}
	return out
}

// errNotRunning begins the sentence that tells so.
var errNotRunning = errors.New("no server is running")

// unreachable says why nobody answered.
func (c *adminClient) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return withHint(fmt.Errorf("%w that listens at %s", errNotRunning, c.socket), c.started)
	case errors.Is(err, fs.ErrPermission):
		return withHint(fmt.Errorf("%s belongs to another user", c.socket), "Run this as the user that runs the server, or as root.")
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return withHint(fmt.Errorf("the server hung up at %s", c.socket), "It may be stopping, or run as another user. Try again as the user that runs it.")
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // our made-up URL says nothing to people
	}
	return fmt.Errorf("asking the server: %w", err)
}
