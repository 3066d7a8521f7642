package forwardauth

import (
	"net/http"
	"strings"
)

// Envoy's ext_authz over HTTP sends the request itself, without body: its own
// method and Host, and its target behind a prefix. It passes our answer on as
// it is.
var extAuthz = vocabulary{
	endpoint: "/api/authz/ext-authz",
	kinds:    []Kind{Envoy},
	read:     readExtAuthz,
	below:    true,
	removes:  true,
}

func readExtAuthz(r *http.Request, prefix string) (asked, error) {
	// The target as it came (FA-13): r.URL is decoded, and may be cleaned.
	target, ok := strings.CutPrefix(r.RequestURI, prefix)
	if !ok {
		target = ""
	}
	var in reader
	in.method(given("the method", r.Method))
	in.scheme(header(r, "X-Forwarded-Proto"))
	in.host(given("Host", r.Host))
	in.uri(given("the path behind the prefix", target))
	return in.asked, in.err
}
