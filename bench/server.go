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

// server is a running Caddy with our module.
type server struct {
	cmd    *exec.Cmd
	exited chan struct{}
	log    string // file of its output
}

// startServer runs the binary on a Caddyfile; dir is its home, and everything
// it writes stays there.
func startServer(binary, dir, caddyfile string) (*server, error) {
	config, log := filepath.Join(dir, "Caddyfile"), filepath.Join(dir, "log")
	if err := os.WriteFile(config, []byte(caddyfile), 0o600); err != nil {
		return nil, fmt.Errorf("writing the Caddyfile: %w", err)
	}
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer out.Close() // the server has its own
	s := &server{cmd: exec.Command(binary, "run", "--config", config, "--adapter", "caddyfile"), exited: make(chan struct{}), log: log}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, out, out
	s.cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	dieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	go func() {
		_ = s.cmd.Wait() // what it says is in the log
		close(s.exited)
	}()
	return s, nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// ready waits until the readiness endpoint answers 200.
func (s *server) ready(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin(portalHost, port)+"/readiness", nil)
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
			err = errors.New("readiness answers " + res.Status)
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the server ended:\n%s", s.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("waiting for the server: %w\n%s", err, s.lastWords())
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
		return errors.Join(err, errors.New("the server did not end when it was asked to"))
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
