package forwardauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/canonpath"
)

// Bounds of what a proxy may ask about; a method's is authcore's.
const (
	maxURI  = 8 << 10 // what servers take in a request line
	maxHost = 253     // RFC 1035 section 2.3.4, in letters
)

// asked is one request that a proxy asks about. Each component was checked by
// its own grammar, and none is ever parsed out of a concatenation (FA-4).
type asked struct {
	method  string
	scheme  string // "https" or "http"
	host    string // lower case, without port and without trailing dot
	port    string // "" where none was said
	uri     string // path and query as the client sent them
	path    string // of uri, escaped
	decoded string // path, percent-decoded once
}

// hostPort is what a Host header says.
func (a *asked) hostPort() string {
	if a.port == "" {
		return a.host
	}
	return a.host + ":" + a.port
}

// at reports whether the port is one of the origin's: its own, or none, or the
// scheme's default where a proxy hides another one.
func (a *asked) at(o authcore.Origin) bool {
	return a.port == "" || a.port == o.Port || a.port == "443" && a.scheme == "https" || a.port == "80" && a.scheme == "http"
}

// reserved reports whether the path is ours on every app host, and whether
// everybody who reads it sees that.
func (a *asked) reserved() (ours, plain bool) {
	if !isBelow(a.path, authcore.ReservedPrefix) && !isBelow(a.decoded, authcore.ReservedPrefix) {
		return false, false
	}
	_, plain = canonpath.Parse(a.path)
	return true, plain
}

// url is the asked URL as a server would have it.
func (a *asked) url() *url.URL {
	_, query, has := strings.Cut(a.uri, "?")
	return &url.URL{Path: a.decoded, RawPath: a.path, RawQuery: query, ForceQuery: has && query == ""}
}

// fault is why a check request is not understood. It never repeats what stood
// there (LG-1, LG-2).
type fault struct{ name, wrong string }

func (f fault) Error() string { return f.name + " " + f.wrong }

// field is one component before it is checked.
type field struct {
	name, value string
	wrong       string // "" where there is exactly one value
}

// header is a field that must be sent exactly once (FA-3).
func header(r *http.Request, name string) field {
	if values := r.Header[name]; len(values) == 1 {
		return given(name, values[0])
	} else if len(values) > 1 {
		return field{name: name, wrong: "is there more than once"}
	}
	return given(name, "")
}

func given(name, value string) field {
	if value == "" {
		return field{name: name, wrong: "is missing"}
	}
	return field{name: name, value: value}
}

// part is a piece of a field, which is named by the whole.
func (f field) part(value string) field { return field{f.name, value, f.wrong} }

// reader collects components and keeps the first fault.
type reader struct {
	asked asked
	err   error
}

// takes says whether a component is good; wrong says what it is where not.
func (in *reader) takes(f field, good bool, wrong string) bool {
	switch {
	case in.err != nil:
	case f.wrong != "":
		in.err = fault{f.name, f.wrong}
	case !good:
		in.err = fault{f.name, wrong}
	}
	return in.err == nil
}

func (in *reader) method(f field) {
	if in.takes(f, authcore.ValidMethod(f.value), "is not one method") {
		in.asked.method = f.value
	}
}

// scheme takes a WebSocket's for what it is an upgrade of.
func (in *reader) scheme(f field) {
	scheme := f.value
	switch scheme {
	case "wss":
		scheme = "https"
	case "ws":
		scheme = "http"
	}
	if in.takes(f, scheme == "https" || scheme == "http", "does not begin with one scheme, http or https") {
		in.asked.scheme = scheme
	}
}

func (in *reader) host(f field) {
	host, port, ok := parseHost(f.value)
	if in.takes(f, ok, "does not name one host") {
		in.asked.host, in.asked.port = host, port
	}
}

func (in *reader) uri(f field) {
	path, _, _ := strings.Cut(f.value, "?")
	decoded, err := url.PathUnescape(path)
	if in.takes(f, err == nil && validURI(f.value), "has no path with query as a browser sends it") {
		in.asked.uri, in.asked.path, in.asked.decoded = f.value, path, decoded
	}
}

// validURI accepts origin-form (RFC 9112 section 3.2.1) in visible ASCII. A
// comma may stand in it, so a list is not told apart; what is behind the comma
// is then part of the path for whoever decides and whoever serves.
func validURI(s string) bool {
	if s == "" || s[0] != '/' || len(s) > maxURI {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '#' {
			return false
		}
	}
	return true
}

// parseHost accepts a name of letters, digits and hyphens, and a port.
func parseHost(s string) (host, port string, ok bool) {
	host, port, has := strings.Cut(s, ":")
	if has && !isPort(port) {
		return "", "", false
	}
	host = strings.TrimSuffix(host, ".")
	if len(host) > maxHost {
		return "", "", false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return "", "", false
		}
	}
	return strings.ToLower(host), port, true // ASCII alone is left
}

// isLabel is RFC 5890 section 2.3.1 in either case.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// isPort is a number from 1 to 65535 without leading zeros.
func isPort(s string) bool {
	if s == "" || s[0] == '0' || len(s) > 5 {
		return false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}
