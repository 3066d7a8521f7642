package proxies

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// The hosts of every test.
const (
	authHost = "auth.example.test"
	appHost  = "app.example.test"
	wikiHost = "wiki.example.org"
)

// stage is one proxy with all its parts: the server behind it, two apps, a
// mail server.
type stage struct {
	mail *harness.Sink
	app  *harness.Upstream // app.example.test
	wiki *harness.Upstream // wiki.example.org
	raw  *tap              // before app: the bytes that reach it
	site harness.SiteCertificate

	// The origins. They have no port: clients and browsers here are told where
	// 443 is. Only our own Caddy counts the port that it listens on.
	authURL, appURL, wikiURL string

	http, https int    // the proxy's ports
	ca          string // what browsers have to trust
	auth        *authServer

	mistakes []mistake // what is wrong in the copies of the example's files

	devices atomic.Uint32 // clients so far; each has an address of its own
}

// newStage starts what every proxy has around it.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{
		mail: harness.StartSink(t, harness.SinkOptions{Username: "login@example.com", Password: "secret"}),
		app:  harness.StartUpstream(t), wiki: harness.StartUpstream(t),
		site:    harness.NewSiteCertificate(t, authHost, appHost, wikiHost),
		authURL: "https://" + authHost, appURL: "https://" + appHost, wikiURL: "https://" + wikiHost,
		http: harness.FreePort(t), https: harness.FreePort(t),
	}
	s.raw, s.ca = startTap(t, s.app.Addr), s.site.CA
	return s
}

// proxy is where the proxy ends TLS.
func (s *stage) proxy() string { return local(s.https) }

// named is what a Host header says: the host, and the port of its origin.
func (s *stage) named(host string) string {
	return host + strings.TrimPrefix(s.appURL, "https://"+appHost)
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// browser is a new device.
func (s *stage) browser(t *testing.T) *harness.Browser {
	t.Helper()
	return harness.StartBrowserOn(t, s.https, s.ca)
}

// client is a new device without JavaScript, at an address of its own.
func (s *stage) client(t *testing.T) *harness.Client {
	t.Helper()
	c := harness.NewClient(t, s.ca)
	c.HTTPS = s.https
	n := s.devices.Add(1)
	c.From = net.IPv4(127, 1, byte(n>>8), byte(n))
	return c
}

// authServer is passwordless-auth, started from an example's Caddyfile.
type authServer struct {
	*harness.Process
	dir  string
	port int
	env  []string
	args []string
}

// roomy lifts the limits of one address, which all browsers here share.
const roomy = `limits {
		requests 60000 per 1m
		burst 30000 per 10s
		mails_per_address 80 per 1h
	}
	registration open example.test`

// mailSwaps are the replacements that every Caddyfile needs.
func (s *stage) mailSwaps() []swap {
	return []swap{
		{"registration open example.com", roomy},
		{"smtp.example.com:587", s.mail.Host + ":" + strconv.Itoa(s.mail.Port)},
	}
}

// startAuth starts the server of an example, from its Caddyfile.
func (s *stage) startAuth(t *testing.T, folder string, swaps ...swap) {
	t.Helper()
	a := &authServer{dir: harness.TempDir(t), port: harness.FreePort(t)}
	file := s.copyExample(t, folder, "Caddyfile", a.dir, and(names, s.mailSwaps(), swaps, []swap{
		{"http://:9080", "http://:" + strconv.Itoa(a.port)},
	})...)
	a.args = []string{"run", "--config", file}
	a.env = []string{"SMTP_PASSWORD=secret", "SSL_CERT_FILE=" + s.mail.CA, "CADDY_ADMIN=unix/" + a.dir + "/caddy.sock"}
	s.auth = a
	a.start(t)
}

func (a *authServer) start(t *testing.T) {
	t.Helper()
	a.Process = harness.Start(t, a.dir, a.env, harness.Binary(t), a.args...)
	a.WaitListening(a.address())
}

func (a *authServer) address() string { return local(a.port) }

// command runs one of our commands on the server's host.
func (s *stage) command(t *testing.T, args ...string) string {
	t.Helper()
	exit := harness.Exec(t, s.auth.dir, s.auth.env, harness.Binary(t), args...)
	if exit.Code != 0 {
		t.Fatalf("%v: code %d\n%s%s", args, exit.Code, exit.Stdout, exit.Stderr)
	}
	return exit.Stdout
}

// add makes a user who is in the groups.
func (s *stage) add(t *testing.T, address string, groups ...string) {
	t.Helper()
	args := []string{"user", "add", address}
	for _, g := range groups {
		args = append(args, "--group", g)
	}
	s.command(t, args...)
}

// ready waits until the proxy has its certificates and routes: some listen
// before they have read them.
func (s *stage) ready(t *testing.T) {
	t.Helper()
	s.waitFor(t, s.authURL+"/login", http.StatusOK)
	s.waitFor(t, s.appURL+"/", http.StatusUnauthorized)
	s.waitFor(t, s.wikiURL+"/", http.StatusUnauthorized)
}

// waitFor waits until the address answers with the status.
func (s *stage) waitFor(t *testing.T, target string, status int) {
	t.Helper()
	c := s.client(t)
	harness.Eventually(t, "waiting for "+target, func() string {
		res, err := c.Get(target)
		if err != nil {
			return err.Error()
		}
		_ = res.Body.Close()
		if res.StatusCode != status {
			return res.Status
		}
		return ""
	})
}
