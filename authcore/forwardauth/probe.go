package forwardauth

import (
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// show keeps a check request, with what became of it, for the probe that it
// belongs to. What was asked is what counts; where that was not understood, the
// nonce is looked for wherever some proxy puts the client's address.
func (c *call) show(verdict string) {
	if !c.svc.Probing() {
		return
	}
	uri := c.asked.uri
	for _, other := range []string{c.r.Header.Get("X-Forwarded-Uri"), c.r.Header.Get("X-Original-Url"), c.r.RequestURI} {
		if uri == "" && strings.Contains(other, authcore.ProbeParam+"=") {
			uri = other
		}
	}
	_, query, _ := strings.Cut(uri, "?")
	c.svc.NoteSeen(query, func() authcore.Seen {
		a := &c.asked
		return authcore.Seen{
			Place: authcore.SeenAsked, Kind: string(c.kind), Peer: c.from.String(), Client: c.client,
			Method: a.method, Scheme: a.scheme, Host: a.hostPort(), Path: a.path, Header: c.r.Header, Verdict: verdict,
		}
	})
}
