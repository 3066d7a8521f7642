// Package proxies tests the examples: each proxy is started from the files
// that a user copies, with the real server behind it, and is held to one table
// of promises. `make test-proxies` runs it; it is apart from `make test`
// because it needs nginx, HAProxy and a Traefik built from its module.
package proxies
