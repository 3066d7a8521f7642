package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// program is what can be started.
type program struct {
	name   string
	binary string
	dir    string // its home; everything it writes stays there
	args   []string
	env    []string
	files  map[string]string // to be written to dir first
}

// caddyProgram is a Caddy with a Caddyfile.
func caddyProgram(name, binary, dir, caddyfile string) program {
	return program{
		name: name, binary: binary, dir: dir, files: map[string]string{"Caddyfile": caddyfile},
		args: []string{"run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile"},
	}
}

// server is a running one.
type server struct {
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
	log    string // file of its output
}

func (p program) start() (*server, error) {
	for name, text := range p.files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("writing the configuration of %s: %w", p.name, err)
		}
	}
	log := filepath.Join(p.dir, "log")
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer out.Close() // the server has its own
	s := &server{name: p.name, cmd: exec.Command(p.binary, p.args...), exited: make(chan struct{}), log: log}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = p.dir, out, out
	s.cmd.Env = append([]string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}, p.env...)
	dieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	go func() {
		_ = s.cmd.Wait() // what it says is in the log
		close(s.exited)
	}()
	return s, nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// ready waits until a URL of the server answers 200.
func (s *server) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DialContext: dialLoopback}
	defer transport.CloseIdleConnections()
	for {
		res, err := transport.RoundTrip(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s answers %s", url, res.Status)
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s ended:\n%s", s.name, s.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w\n%s", s.name, err, s.lastWords())
		case <-time.After(time.Millisecond):
		}
	}
}

// lastWords are the last lines of the server's log.
func (s *server) lastWords() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// stop asks the server to end and waits; one that does not is killed.
func (s *server) stop() error {
	err := s.cmd.Process.Signal(os.Interrupt)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-s.exited:
		return err
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		<-s.exited
		return errors.Join(err, fmt.Errorf("%s did not end when it was asked to", s.name))
	}
}

// freePorts are n ports that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a port: %w", err)
		}
		defer ln.Close() // after the last, so that all differ
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func origin(host string, port int) string { return "http://" + host + ":" + strconv.Itoa(port) }
