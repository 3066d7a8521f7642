package peers

import (
	"context"
	"fmt"
	"net/http"
)

// caddy-security is a module: the binary is a Caddy with it, and its site stands
// in front of the app, as our guard does.
func caddySecurity(at Place) *Peer {
	key := secret()
	return &Peer{
		Files: map[string]string{"Caddyfile": fmt.Sprintf(caddySecurityConfig, at.Dir, user, email, password, key, key, at.addr(), at.Upstream)},
		Args:  []string{"run", "--config", "Caddyfile", "--adapter", "caddyfile"},
		Ready: "/ready", App: "http://" + at.addr(), User: "X-Token-Subject",
		signIn: func(ctx context.Context, p *Peer, do Do) (string, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.addr()+"/auth/basic/login/local", nil)
			if err != nil {
				return "", err
			}
			req.SetBasicAuth(user, password)
			return cookieOf(do, req, "AUTHP_ACCESS_TOKEN")
		},
	}
}

const caddySecurityConfig = `{
	admin off
	auto_https off
	persist_config off
	default_bind 127.0.0.1
	storage file_system %[1]s/storage
	grace_period 1s
	security {
		local identity store localdb {
			realm local
			path %[1]s/users.json
			user %[2]s {
				name "Bench Person"
				email %[3]s
				password "%[4]s"
				roles authp/user
			}
		}
		authentication portal portal {
			crypto default token lifetime 43200
			crypto key sign-verify %[5]s
			enable identity store localdb
			cookie insecure on
		}
		authorization policy policy {
			set auth url /auth/
			crypto key verify %[6]s
			allow roles authp/user
			inject headers with claims
		}
	}
}
http://%[7]s {
	route /ready {
		respond 200
	}
	route /auth* {
		authenticate with portal
	}
	route {
		authorize with policy
		reverse_proxy %[8]s {
			transport http {
				keepalive_idle_conns_per_host 64
			}
		}
	}
}
`
