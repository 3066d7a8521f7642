package forwardauth

import "net/http"

// Traefik's ForwardAuth and Caddy's forward_auth send GET to one address, and
// say in X-Forwarded-* what they ask about. Both overwrite what a client sent
// under these names. They pass our answer on as it is.
var forwardAuth = vocabulary{
	endpoint: "/api/authz/forward-auth",
	kinds:    []Kind{Traefik, Caddy},
	read:     readForwardAuth,
}

func readForwardAuth(r *http.Request, _ string) (asked, error) {
	var in reader
	in.method(header(r, "X-Forwarded-Method"))
	in.scheme(header(r, "X-Forwarded-Proto")) // Traefik says wss for a WebSocket
	in.host(header(r, "X-Forwarded-Host"))
	in.uri(header(r, "X-Forwarded-Uri")) // also what came as X-Forwarded-URI
	return in.asked, in.err
}
