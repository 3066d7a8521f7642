//go:build !linux

package caddymodule

import (
	"errors"
	"fmt"
	"net"
)

// shortPath refuses what a socket address cannot hold.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) > maxSocketPath {
		return "", nil, fmt.Errorf("%s is too long for a socket; put the database where its path is shorter", path)
	}
	return path, func() {}, nil
}

// peerOf does not know; the mode of the file alone decides.
func peerOf(*net.UnixConn) (peer, error) { return peer{}, errors.ErrUnsupported }
