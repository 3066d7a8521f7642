package peers

import (
	"context"
	"strconv"
)

// tinyauth is configured by its environment. Its cookie is for the domain of its
// own address, so the app is beside it.
func tinyauth(at Place) *Peer {
	return &Peer{
		Env: []string{
			"TINYAUTH_APPURL=http://auth.example.com", "TINYAUTH_AUTH_USERS=" + user + ":" + passwordHash,
			"TINYAUTH_SERVER_ADDRESS=127.0.0.1", "TINYAUTH_SERVER_PORT=" + strconv.Itoa(at.Port),
			"TINYAUTH_AUTH_TRUSTEDPROXIES=127.0.0.1", "TINYAUTH_ANALYTICS_ENABLED=false", "TINYAUTH_RESOURCES_ENABLED=false",
		},
		Ready: "/api/healthz", Ask: "/api/auth/caddy", App: "http://app.example.com", User: "Remote-User",
		signIn: func(ctx context.Context, p *Peer, do Do) (string, error) {
			req, err := p.post(ctx, "auth.example.com", "/api/user/login", "application/json", credentials())
			if err != nil {
				return "", err
			}
			return cookieOf(do, req, "tinyauth-session")
		},
	}
}
