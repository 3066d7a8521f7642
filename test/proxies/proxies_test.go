package proxies

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// proxy is a driver: how to start one, and what it cannot do.
type proxy struct {
	name  string
	start func(*testing.T, *stage)
	// inProcess: the proxy is passwordless-auth itself.
	inProcess bool
	// noHTTP: the example listens for HTTPS alone.
	noHTTP bool
	// downPage: when sign-in does not answer, a page says so.
	downPage bool
	// trailers: it hands on the trailers of a request's body, whatever their
	// names, and no line of its configuration could stop it. An app that takes
	// a trailer for a header would believe the client (docs/proxies.md).
	trailers bool
	// upgrades: it hands on an upgrade to any protocol but h2c, and no line of
	// its configuration could stop it (docs/proxies.md).
	upgrades bool
	// connect are the statuses by which it refuses CONNECT itself, before anybody
	// is asked; nil: we refuse it, as the check or as the guard.
	connect []int
}

var proxies = []proxy{
	{name: "nginx", start: startNginx, downPage: true, connect: []int{http.StatusBadRequest, http.StatusMethodNotAllowed}},
	{name: "haproxy", start: startHAProxy, downPage: true, trailers: true, connect: []int{http.StatusBadRequest}},
	{name: "traefik", start: startTraefik, upgrades: true},
	{name: "caddy-forward-auth", start: startForwardAuth, downPage: true, trailers: true, connect: []int{http.StatusMethodNotAllowed}},
	{name: "envoy-contract", start: startEnvoy, noHTTP: true, connect: []int{http.StatusNotFound}},
	{name: "caddy-portal", start: startPortal, inProcess: true},
}

// promise is what holds behind every proxy.
type promise struct {
	name string
	keep func(*testing.T, *stage, *proxy)
}

var promises = []promise{
	{"SignsInOnceForAllApps", signIn},
	{"SignsOutOfOneAppAndOfAll", signOut},
	{"RefusesWhoIsNotAllowed", refused},
	{"SendsPlainHTTPAway", plainHTTP},
	{"OpensPublicPathsToNobodyInParticular", public},
	{"KeepsLiveConnections", live},
	{"DeliversBodies", bodies},
	{"DeliversLargeRequests", large},
	{"AnswersProgramsWith401", programs},
	{"LosesNoForm", forms},
	{"TellsTheClientsAddress", addresses},
	{"LetsNoForgedIdentityThrough", forged},
	{"LetsNoneThroughOverHTTP2", forgedAgain},
	{"KnowsTrailers", trailers},
	{"KeepsSessionsToTheirApp", ours},
	{"KeepsAccessTokensFromApps", tokens},
	{"HidesDecisionEndpoints", decisions},
	{"WithstandsOddRequestLines", oddLines},
	{"WithstandsOddStreams", oddStreams},
	{"UpgradesToNothingButWebSocket", upgrades},
	{"OpensNoTunnelByCONNECT", connects},
	{"ServesThePathThatWasJudged", paths},
	{"MixesNobodyUp", crowd},
	{"FailsClosed", down},
}

func TestProxies(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			s := newStage(t)
			p.start(t, s)
			s.ready(t)
			for _, promise := range promises {
				t.Run(promise.name, func(t *testing.T) { promise.keep(t, s, &p) })
			}
		})
	}
}

// parts are the addresses in an example of what stands behind the proxy.
func (s *stage) parts(auth, app, wiki string) []swap {
	return []swap{{auth, s.auth.address()}, {app, s.raw.addr}, {wiki, s.wiki.Addr}}
}

func startNginx(t *testing.T, s *stage) {
	t.Helper()
	s.startAuth(t, "nginx", swap{"/var/lib/passwordless-auth/auth.db", "auth.db"})
	frontNginx(t, s)
}

func frontNginx(t *testing.T, s *stage) {
	t.Helper()
	dir := harness.TempDir(t)
	s.copyExample(t, "nginx", "nginx.conf", dir, and(names, s.parts("127.0.0.1:9080", "127.0.0.1:8081", "127.0.0.1:8082"), []swap{
		{"listen 443", "listen " + s.proxy()},
		{"listen 80", "listen " + local(s.http)},
		{"/run/nginx.pid", filepath.Join(dir, "nginx.pid")},
		{"/var/log/nginx/error.log", "stderr"},
		{"/var/log/nginx/access.log", filepath.Join(dir, "access.log")},
		{"/etc/ssl/example.com/fullchain.pem", s.site.Chain},
		{"/etc/ssl/example.com/privkey.pem", s.site.Key},
	})...)
	s.copyExample(t, "nginx", "passwordless-server.conf", dir)
	s.copyExample(t, "nginx", "passwordless-location.conf", dir)
	harness.StartNginx(t, dir, s.proxy())
}

func startHAProxy(t *testing.T, s *stage) {
	t.Helper()
	s.startAuth(t, "haproxy", swap{"/var/lib/passwordless-auth/auth.db", "auth.db"})
	dir := harness.TempDir(t)
	s.copyExample(t, "haproxy", "haproxy.cfg", dir, and(names, s.parts("127.0.0.1:9080", "127.0.0.1:8081", "127.0.0.1:8082"), []swap{
		{"bind :80\n", "bind " + local(s.http) + "\n"},
		{"bind :443 ", "bind " + s.proxy() + " "},
		{"/etc/haproxy/certs/", s.site.Both},
		{"/etc/haproxy/passwordless.lua", filepath.Join(dir, "passwordless.lua")},
		{"\tchroot /var/lib/haproxy\n\tuser haproxy\n\tgroup haproxy\n", ""}, // whoever runs the test
	})...)
	s.copyExample(t, "haproxy", "passwordless.lua", dir)
	harness.StartHAProxy(t, dir, s.proxy())
}

func startTraefik(t *testing.T, s *stage) {
	t.Helper()
	s.startAuth(t, "traefik", swap{"/data/auth.db", "auth.db"}, swap{"172.30.0.2", "127.0.0.1"})
	frontTraefik(t, s)
}

func frontTraefik(t *testing.T, s *stage) {
	t.Helper()
	dir := harness.TempDir(t)
	s.copyExample(t, "traefik", "traefik.yml", dir,
		swap{`":80"`, strconv.Quote(local(s.http))},
		swap{`":443"`, strconv.Quote(s.proxy())},
		swap{"/etc/traefik/dynamic.yml", filepath.Join(dir, "dynamic.yml")})
	s.copyExample(t, "traefik", "dynamic.yml", dir, and(names, s.parts("passwordless:9080", "app:8081", "wiki:8082"), []swap{
		{"/etc/traefik/certs/fullchain.pem", s.site.Chain},
		{"/etc/traefik/certs/privkey.pem", s.site.Key},
	})...)
	harness.StartTraefik(t, dir, s.proxy())
}

func startForwardAuth(t *testing.T, s *stage) {
	t.Helper()
	s.startAuth(t, "caddy-forward-auth", swap{"/var/lib/passwordless-auth/auth.db", "auth.db"}, swap{"\tadmin localhost:2020\n", ""})
	front := s.newCaddy(t, "caddy-forward-auth", "proxy.Caddyfile", s.parts("localhost:9080", "localhost:8081", "localhost:8082")...)
	front.start(t)
	s.trustOwnCA(t, front)
}

func startPortal(t *testing.T, s *stage) {
	t.Helper()
	port := ":" + strconv.Itoa(s.https)
	s.authURL, s.appURL, s.wikiURL = s.authURL+port, s.appURL+port, s.wikiURL+port
	s.auth = s.newCaddy(t, "caddy-portal", "Caddyfile", append(s.mailSwaps(), swap{"portal https://auth.example.com", "portal " + s.authURL}, swap{"localhost:8081", s.raw.addr}, swap{"localhost:8082", s.wiki.Addr})...)
	s.auth.start(t)
	s.trustOwnCA(t, s.auth)
}

// newCaddy prepares a Caddy that ends TLS. Its own CA stands in for a public one.
func (s *stage) newCaddy(t *testing.T, folder, file string, swaps ...swap) *authServer {
	t.Helper()
	dir := harness.TempDir(t)
	a := &authServer{dir: dir, port: s.https, env: []string{"SMTP_PASSWORD=secret", "SSL_CERT_FILE=" + s.mail.CA}}
	here := strings.Join([]string{
		"local_certs", "skip_install_trust", "default_bind 127.0.0.1", "storage file_system " + dir, "admin unix/" + dir + "/caddy.sock",
		"grace_period 2s", "http_port " + strconv.Itoa(s.http), "https_port " + strconv.Itoa(s.https),
	}, "\n\t")
	config := s.copyExample(t, folder, file, dir, and(swaps, namesIn(readExample(t, folder, file)), []swap{
		{"email you@example.com", here},
	})...)
	a.args = []string{"run", "--config", config, "--adapter", "caddyfile"}
	return a
}

// trustOwnCA has browsers and clients trust the CA that the Caddy has made.
func (s *stage) trustOwnCA(t *testing.T, a *authServer) {
	t.Helper()
	s.ca = filepath.Join(a.dir, "pki/authorities/local/root.crt")
	harness.Eventually(t, "waiting for the certificate to trust", func() string {
		if _, err := os.Stat(s.ca); err != nil {
			return err.Error()
		}
		return ""
	})
}
