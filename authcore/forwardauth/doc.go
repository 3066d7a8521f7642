// Package forwardauth answers other people's proxies: Traefik, Caddy, nginx,
// HAProxy and Envoy ask whether a request may pass, each in its own words
// (DESIGN §9).
//
//	endpoint, peer    handler.go      which vocabulary, and who may speak it (FA-1)
//	headers → asked   forwardauth.go  X-Forwarded-*       traefik, caddy
//	                  authrequest.go  X-Original-*        nginx, haproxy
//	                  extauthz.go     the request itself  envoy
//	asked             asked.go        one grammar for each component (FA-3, FA-4)
//	client address    client.go       X-Forwarded-For, from the right (FA-1)
//	asked → decision  authcore.Check  the same for the guard
//	decision → answer answer.go       the one place that writes
//
// A proxy reads any 2xx as "allow". So exactly one line in this package answers
// 200, and whatever our own pages answer passes a writer that lets no 2xx out.
package forwardauth
