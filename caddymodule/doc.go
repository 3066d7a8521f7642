// Package caddymodule is passwordless-auth as Caddy modules: the app
// "passwordless" and the handlers passwordless_guard, passwordless_portal and
// passwordless_limit. It translates configuration, finds out which hosts each
// guard protects, and shares one open store between configurations. Who may
// sign in and how is decided in authcore; nothing here knows.
//
// The life of a configuration:
//
//  1. The Caddyfile adapter (caddyfile*.go) turns directives into the JSON
//     types of app.go, config.go and guard.go. What one line can get wrong is
//     refused here, with file and line.
//  2. Provision checks the same types again (they may come as JSON), resolves
//     the secrets and binds guards to hosts (hosts.go). "caddy validate" ends
//     here: no store is opened, nothing is written.
//  3. Start takes a lease on the store's runtime (lease.go).
//  4. The next configuration starts before this one stops; the lease goes back
//     in Cleanup, when the last request of this configuration has been answered.
package caddymodule
