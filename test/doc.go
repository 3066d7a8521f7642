// Package test holds what can only be shown from outside: the import arrows
// between packages, and journeys through the real binary with real parts
// (Caddy with TLS, bbolt, SMTP over a socket, Chromium with a virtual
// authenticator). The parts themselves are in harness.
package test
