// Package peers knows other auth servers well enough to measure them: how each
// runs on loopback for one user, how that user signs in, and how a proxy asks
// whether a request may pass. It builds, fetches and starts nothing; the
// binaries are the reader's.
//
// Each runs as it comes: it is told where to listen, who the user is and what
// its app is called, and keeps its defaults in everything else, its log of
// requests included.
package peers

import (
	"context"
	"crypto/rand"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Place is where a peer runs.
type Place struct {
	Dir      string // its home
	Port     int    // it listens there on 127.0.0.1
	Upstream string // the app, for a peer that is part of Caddy
}

func (p Place) addr() string { return "127.0.0.1:" + strconv.Itoa(p.Port) }

// Peer is one of them, ready to be run.
type Peer struct {
	Name  string
	Files map[string]string // to be written to its home
	Args  []string
	Env   []string
	Ready string // path that answers 200 once it runs

	// Ask is the path of its decision endpoint, if it has one.
	Ask string
	// App is the origin that it is asked about. Nothing of that name is ever
	// looked up: everything is on loopback.
	App string
	// User is the header that names the user: in an answer of the endpoint, or
	// to the app.
	User string

	place  Place
	signIn func(context.Context, *Peer, Do) (string, error)
}

// Do sends a request.
type Do func(*http.Request) (*http.Response, error)

// SignIn gets the cookie of a signed-in user from a running peer.
func (p *Peer) SignIn(ctx context.Context, do Do) (string, error) {
	cookie, err := p.signIn(ctx, p, do)
	if err != nil {
		return "", fmt.Errorf("signing in to %s: %w", p.Name, err)
	}
	return cookie, nil
}

// kinds are the peers that are known, in the order of the table.
var kinds = []struct {
	name   string
	module string // of its code
	inside bool
	at     func(Place) *Peer
}{
	{"authelia", "github.com/authelia/authelia/v4", false, authelia},
	{"oauth2-proxy", "github.com/oauth2-proxy/oauth2-proxy/v7", false, oauth2Proxy},
	{"tinyauth", "github.com/tinyauthapp/tinyauth", false, tinyauth},
	{"caddy-security", "github.com/greenpau/caddy-security", true, caddySecurity},
}

// Inside says whether a peer is a module of Caddy and decides in process: its
// site stands in front of the app, and nobody asks it.
func Inside(name string) bool {
	for _, k := range kinds {
		if k.name == name {
			return k.inside
		}
	}
	return false
}

// Version is the version of a peer that its binary was built from, or "" when
// the binary does not say.
func Version(name, binary string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return ""
	}
	for _, k := range kinds {
		for _, m := range append(info.Deps, &info.Main) {
			if k.name == name && m.Path == k.module && strings.HasPrefix(m.Version, "v") {
				return m.Version
			}
		}
	}
	return ""
}

// Names are those of all peers that are known.
func Names() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// New prepares a peer to run in a place.
func New(name string, place Place) (*Peer, error) {
	for _, k := range kinds {
		if k.name == name {
			p := k.at(place)
			p.Name, p.place = name, place
			return p, nil
		}
	}
	return nil, fmt.Errorf("%q is none of the peers that are known: %s", name, strings.Join(Names(), ", "))
}

// Parse reads a comma list of "name=path of its binary".
func Parse(list string) (map[string]string, error) {
	binaries := make(map[string]string)
	for item := range strings.SplitSeq(list, ",") {
		name, path, _ := strings.Cut(item, "=")
		switch {
		case !slices.Contains(Names(), name):
			return nil, fmt.Errorf("%q is none of the peers that are known: %s", name, strings.Join(Names(), ", "))
		case path == "":
			return nil, fmt.Errorf("%s needs the path of its binary: %s=PATH", name, name)
		case binaries[name] != "":
			return nil, fmt.Errorf("%s is named twice", name)
		}
		binaries[name] = path
	}
	return binaries, nil
}

// The one user of each peer. The hash is bcrypt of the password, cost 10, which
// all of them can read.
const (
	user         = "bench"
	email        = "bench@example.com"
	password     = "on loopback only"
	passwordHash = "$2a$10$vw9J50Zq68uUcPekkSvFm.H.op3gdZFmiVdr921IRaeibhNReGx7y"
)

// post makes a request for a path of the peer. Its Host is only a name: the
// connection goes to loopback.
func (p *Peer) post(ctx context.Context, host, path, contentType, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.place.addr()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if host != "" {
		req.Host = host
	}
	req.Header.Set("Content-Type", contentType)
	return req, nil
}

// cookieOf sends the request that signs in, and is the cookie it sets whose name
// begins so. Cookies are read from the answer, not from a jar, since a jar keeps
// none of another domain or scheme.
func cookieOf(do Do, req *http.Request, prefix string) (string, error) {
	res, err := do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if strings.HasPrefix(c.Name, prefix) && c.Value != "" {
			return c.Name + "=" + c.Value, nil
		}
	}
	return "", fmt.Errorf("no cookie came with %s", res.Status)
}

// credentials are the user's as JSON.
func credentials() string {
	text, _ := json.Marshal(map[string]string{"username": user, "password": password}) // strings always can
	return string(text)
}

// secret is a new one of 32 characters.
func secret() string {
	return (rand.Text() + rand.Text())[:32]
}
