package caddymodule

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// socketName is the file beside the database through which the command line
// speaks to the process. Its owner, and root, may connect (0600); nothing of
// ours stands on Caddy's own admin endpoint.
const socketName = "admin.sock"

// socketPath is the socket of a database.
func socketPath(database string) string { return filepath.Join(filepath.Dir(database), socketName) }

// maxSocketPath is what fits into sun_path on every system that we run on,
// with its final NUL.
const maxSocketPath = 103

// probeWithin bounds the look at a socket that was there before.
const probeWithin = time.Second

// listenSocket makes the socket. It is bound under a name that nobody knows,
// closed to others, and only then moved into its place, where it replaces what
// a dead process left, or what this process serves an earlier database with.
func listenSocket(path string) (net.Listener, error) {
	if err := checkPlace(path); err != nil {
		return nil, err
	}
	hidden := filepath.Join(filepath.Dir(path), "."+socketName+"-"+strings.ToLower(rand.Text()[:8]))
	short, done, err := shortPath(hidden)
	if err != nil {
		return nil, err
	}
	defer done()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", path, err)
	}
	ln.SetUnlinkOnClose(false) // it would remove the hidden name
	s := &socket{UnixListener: ln, path: path}
	if err = os.Chmod(hidden, 0o600); err == nil {
		if err = os.Rename(hidden, path); err == nil {
			s.made, err = os.Lstat(path)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making %s: %w", path, err), ln.Close(), removeIfThere(hidden))
	}
	return s, nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// checkPlace refuses to replace what is not a socket, such as somebody's
// symbolic link, and a socket that another process listens on.
func checkPlace(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("looking at %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and no socket; move it away", path)
	}
	conn, err := dialSocket(path, probeWithin)
	if err != nil {
		return nil //nolint:nilerr // nobody listens: a dead process left it
	}
	defer func() { _ = conn.Close() }()
	if p, err := peerOf(conn); err == nil && p.pid == os.Getpid() {
		return nil
	}
	return fmt.Errorf("%s belongs to another process; give each database a directory of its own", path)
}

// dialSocket connects to a socket.
func dialSocket(path string, within time.Duration) (*net.UnixConn, error) {
	short, done, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := net.DialTimeout("unix", short, within)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// socket is a listener for its owner and root.
type socket struct {
	*net.UnixListener
	path string
	made fs.FileInfo
}

// Accept returns the next connection of somebody who may connect. The mode of
// the file says so already; this holds where a file system has no modes.
func (s *socket) Accept() (net.Conn, error) {
	for {
		conn, err := s.AcceptUnix()
		if err != nil {
			return nil, err
		}
		p, err := peerOf(conn)
		if errors.Is(err, errors.ErrUnsupported) || err == nil && (p.uid == os.Geteuid() || p.uid == 0) {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// Close ends the socket and removes it, unless another has taken its place.
func (s *socket) Close() error {
	err := s.UnixListener.Close()
	if now, lerr := os.Lstat(s.path); lerr == nil && os.SameFile(now, s.made) {
		err = errors.Join(err, removeIfThere(s.path))
	}
	return err
}

// peer is who is at the other end of a socket.
type peer struct{ pid, uid int }
