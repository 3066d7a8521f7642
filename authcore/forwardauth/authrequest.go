package forwardauth

import (
	"net/http"
	"strings"
)

// nginx's auth_request and HAProxy's Lua send no word about the request on
// their own; their configuration says it in two headers. They take a status and
// hand on nothing else, unless told to.
var authRequest = vocabulary{
	endpoint: "/api/authz/auth-request",
	kinds:    []Kind{Nginx, HAProxy},
	read:     readAuthRequest,
	bare:     true,
}

func readAuthRequest(r *http.Request, _ string) (asked, error) {
	var in reader
	in.method(header(r, "X-Original-Method"))
	whole := header(r, "X-Original-Url")
	scheme, rest, _ := strings.Cut(whole.value, "://")
	// Cut by hand at the first slash (FA-4): what a URL parser would take for
	// user name, port or fragment stays in the host, whose grammar refuses it.
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	in.scheme(whole.part(scheme))
	in.host(whole.part(rest[:end]))
	in.uri(whole.part(rest[end:]))
	return in.asked, in.err
}
