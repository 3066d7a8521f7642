package peers

import (
	"context"
	"fmt"
)

// Authelia sets no cookie for an origin without TLS, and denies such targets. It
// does not look how it is reached itself, so it is told that a proxy in front of
// it has TLS, as one would have.
func authelia(at Place) *Peer {
	return &Peer{
		Files: map[string]string{
			"configuration.yml": fmt.Sprintf(autheliaConfig, at.addr(), secret(), secret()),
			"users.yml":         fmt.Sprintf(autheliaUsers, user, passwordHash, email),
		},
		Args:  []string{"--config", "configuration.yml"},
		Ready: "/api/health", Ask: "/api/authz/forward-auth", App: "https://app.example.com", User: "Remote-User",
		signIn: func(ctx context.Context, p *Peer, do Do) (string, error) {
			req, err := p.post(ctx, "auth.example.com", "/api/firstfactor", "application/json", credentials())
			if err != nil {
				return "", err
			}
			req.Header.Set("X-Forwarded-Proto", "https")
			req.Header.Set("X-Forwarded-Host", "auth.example.com")
			return cookieOf(do, req, "authelia_session")
		},
	}
}

// The idle timeout is longer than a round of the bench, in which a connection is
// used once.
const autheliaConfig = `server:
  address: 'tcp://%s/'
  timeouts:
    idle: '10 minutes'
ntp:
  disable_startup_check: true
authentication_backend:
  password_reset:
    disable: true
  file:
    path: 'users.yml'
access_control:
  default_policy: 'deny'
  rules:
    - domain: 'app.example.com'
      policy: 'one_factor'
session:
  secret: '%s'
  cookies:
    - domain: 'example.com'
      authelia_url: 'https://auth.example.com'
      inactivity: '6 hours'
      expiration: '12 hours'
storage:
  encryption_key: '%s'
  local:
    path: 'db.sqlite3'
notifier:
  filesystem:
    filename: 'mails.txt'
`

const autheliaUsers = `users:
  %s:
    disabled: false
    displayname: 'Bench Person'
    password: '%s'
    email: '%s'
    groups:
      - 'admins'
      - 'staff'
`
