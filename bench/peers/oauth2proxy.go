package peers

import (
	"context"
	"net/url"
)

// oauth2-proxy signs people in elsewhere, but takes a password file beside that,
// which needs no other server. The provider must be named; nobody asks it.
func oauth2Proxy(at Place) *Peer {
	return &Peer{
		Files: map[string]string{"htpasswd": user + ":" + passwordHash + "\n"},
		Args: []string{
			"--http-address=" + at.addr(), "--reverse-proxy=true", "--trusted-proxy-ip=127.0.0.1",
			"--provider=github", "--client-id=none", "--client-secret=none", "--email-domain=*",
			"--htpasswd-file=htpasswd", "--upstream=static://202", "--set-xauthrequest=true",
			"--cookie-secret=" + secret(), "--cookie-secure=false",
		},
		Ready: "/ping", Ask: "/oauth2/auth", App: "http://app.example.com", User: "X-Auth-Request-User",
		signIn: func(ctx context.Context, p *Peer, do Do) (string, error) {
			form := url.Values{"username": {user}, "password": {password}, "rd": {"/"}}
			req, err := p.post(ctx, "app.example.com", "/oauth2/sign_in", "application/x-www-form-urlencoded", form.Encode())
			if err != nil {
				return "", err
			}
			return cookieOf(do, req, "_oauth2_proxy")
		},
	}
}
