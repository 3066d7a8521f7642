package forwardauth

import (
	"net/http"
	"net/netip"
	"slices"
)

// Kind is a proxy that asks us, by the name it has in the configuration.
type Kind string

// Kinds of proxies.
const (
	Traefik Kind = "traefik"
	Caddy   Kind = "caddy"
	Nginx   Kind = "nginx"
	HAProxy Kind = "haproxy"
	Envoy   Kind = "envoy"
)

// Kinds lists every kind that a configuration may name.
func Kinds() []Kind { return []Kind{Traefik, Caddy, Nginx, HAProxy, Envoy} }

// Endpoint is the path at which proxies of this kind ask, or "" for a kind that
// there is not.
func (k Kind) Endpoint() string {
	if v := k.vocabulary(); v != nil {
		return v.endpoint
	}
	return ""
}

func (k Kind) vocabulary() *vocabulary {
	for _, v := range vocabularies {
		if slices.Contains(v.kinds, k) {
			return v
		}
	}
	return nil
}

// Proxy says who may ask in the words of one kind.
type Proxy struct {
	Kind Kind
	From []netip.Prefix
	Unix bool // whoever may connect to our unix socket
}

// vocabulary is how the proxies of some kinds ask, and what they can do with an
// answer.
type vocabulary struct {
	endpoint string
	kinds    []Kind
	// read takes only this vocabulary's headers (FA-2). prefix is the path
	// that was asked, as far as it is ours.
	read func(r *http.Request, prefix string) (asked, error)
	// below: the asked path stands behind the endpoint's.
	below bool
	// bare: the proxy passes on a status and at most a Location. nginx makes a
	// 500 of every status but 200, 401 and 403 (FA-8).
	bare bool
	// removes: the proxy leaves a client's header alone where ours is empty,
	// unless it is told to remove it (HD-2).
	removes bool
}

var vocabularies = [...]*vocabulary{&forwardAuth, &authRequest, &extAuthz}
