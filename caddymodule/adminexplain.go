package caddymodule

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// adminQuestion is a request that nobody sends.
type adminQuestion struct {
	URL     string   `json:"url"`
	Method  string   `json:"method"`
	User    string   `json:"user,omitempty"`
	From    string   `json:"from,omitempty"`
	With    []string `json:"with,omitempty"`
	Seconds int64    `json:"age_seconds,omitempty"`
}

// adminExplanation is what would become of it.
type adminExplanation struct {
	Verdict   string   `json:"verdict"`          // allow, deny, sign in, step up
	Why       string   `json:"why"`              // the kind of rule
	At        string   `json:"at,omitempty"`     // where it stands: Caddyfile:17
	Public    bool     `json:"public"`           // no sign-in needed
	App       string   `json:"app,omitempty"`    // its origin; empty: no app has this host
	Blocks    []string `json:"blocks,omitempty"` // where the blocks stand that must be satisfied
	Canonical bool     `json:"canonical"`        // false: the path can be read in more than one way
	Need      []string `json:"need,omitempty"`   // methods to step up with
	MaxAge    int64    `json:"max_age_seconds,omitempty"`
	User      string   `json:"user,omitempty"`
	Groups    []string `json:"groups,omitempty"`
}

func explain(svc *authcore.Service, r *http.Request) (any, error) {
	var ask adminQuestion
	if err := decodeAdmin(r, &ask); err != nil {
		return nil, err
	}
	host, path, ok := splitURL(ask.URL)
	client, err := netip.ParseAddr(ask.From)
	if !ok || ask.From != "" && err != nil || !authcore.ValidMethod(ask.Method) {
		return nil, errAsked
	}
	e, err := svc.Explain(r.Context(), authcore.Question{
		Host: host, Path: path, Method: ask.Method, Client: client.Unmap(), Who: ask.User, AMR: ask.With, Age: time.Duration(ask.Seconds) * time.Second,
	})
	if err != nil {
		return nil, err
	}
	v := adminExplanation{
		Verdict: e.Verdict.String(), Why: string(e.Why), At: e.At, Public: e.Public, Blocks: e.Blocks, Canonical: e.Canonical,
		Need: e.Need.Methods(), MaxAge: int64(e.Need.MaxAge / time.Second),
	}
	if e.App != nil {
		v.App = e.App.Origin.String()
	}
	if e.Identity != nil {
		v.User, v.Groups = e.Identity.Email, e.Identity.Groups
	}
	return v, nil
}

// splitURL cuts host and path out of an address as they stand, since a parser
// that mends a path would explain another one.
func splitURL(s string) (host, path string, ok bool) {
	scheme, rest, _ := strings.Cut(s, "://")
	if scheme != "https" && scheme != "http" {
		return "", "", false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		return rest, "/", rest != ""
	}
	host, path = rest[:end], rest[end:]
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if path == "" {
		path = "/"
	}
	return host, path, host != ""
}
