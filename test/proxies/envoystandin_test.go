package proxies

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// envoyStandIn speaks Envoy's side of ext_authz over HTTP by the words of a
// decoded bootstrap file: what it sends to the check, what it takes from the
// answer, in which order. It shows that our server keeps the contract with what
// this file allows, and nothing about Envoy itself.
type envoyStandIn struct {
	t      *testing.T
	config envoyConfig
	client http.Client // for checks
}

func startEnvoy(t *testing.T, s *stage) {
	t.Helper()
	s.startAuth(t, "envoy", swap{"/var/lib/passwordless-auth/auth.db", "auth.db"})
	at := func(address string) string { return strings.Replace(address, ":", ", port_value: ", 1) }
	dir := harness.TempDir(t)
	s.copyExample(t, "envoy", "envoy.yaml", dir, and(names, []swap{
		{"0.0.0.0, port_value: 443", at(s.proxy())},
		{"127.0.0.1, port_value: 9080", at(s.auth.address())},
		{"127.0.0.1, port_value: 8081", at(s.raw.addr)},
		{"127.0.0.1, port_value: 8082", at(s.wiki.Addr)},
		{"/etc/envoy/certs/fullchain.pem", s.site.Chain},
		{"/etc/envoy/certs/privkey.pem", s.site.Key},
	})...)
	e := &envoyStandIn{t: t, config: decodeEnvoy(t, readFile(t, dir, "envoy.yaml"))}
	e.client.Timeout = e.config.authz.GetHttpService().ServerUri.Timeout.AsDuration()
	e.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	pair := e.config.tls.CommonTlsContext.TlsCertificates[0]
	cert, err := tls.LoadX509KeyPair(pair.CertificateChain.GetFilename(), pair.PrivateKey.GetFilename())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", s.proxy())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler: e, MaxHeaderBytes: int(e.config.manager.MaxRequestHeadersKb.GetValue()) << 10, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: e.config.tls.CommonTlsContext.AlpnProtocols, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = srv.ServeTLS(ln, "", "") }() // ends with ErrServerClosed
	t.Cleanup(func() { _ = srv.Close() })
}

func (e *envoyStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.Path, "/") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	host := e.virtualHost(strings.ToLower(strings.TrimSuffix(r.Host, ":443")))
	normal, ok := normalized(r.URL.EscapedPath())
	if host == nil || !ok {
		w.WriteHeader(map[bool]int{true: http.StatusNotFound, false: http.StatusBadRequest}[ok])
		return
	}
	r.URL.Path, r.URL.RawPath = normal, normal // from here on it is only written out
	if !e.mayUpgrade(r) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	e.tidy(r)
	to := match(host, normal)
	if d := to.GetDirectResponse(); d != nil {
		w.WriteHeader(int(d.Status))
		return
	}
	if !open(e.t, host, to) && !e.check(w, r, normal) {
		return
	}
	proxy := httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", e.config.clusters[to.GetRoute().GetCluster()], r.Host
		p.Out.URL.Opaque = normal // as it was matched, whatever net/url thinks of it
		p.Out.Header["X-Forwarded-For"], p.Out.Header["X-Forwarded-Proto"] = r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"]
		p.Out.Trailer = nil // http_protocol_options.enable_trailers is off unless asked for
	}}
	proxy.ServeHTTP(w, r)
}

// mayUpgrade is what becomes of Upgrade: the codec drops h2c, and the connection
// manager refuses what is not among its upgrade_configs.
func (e *envoyStandIn) mayUpgrade(r *http.Request) bool {
	asked := r.Header.Get("Upgrade")
	if asked == "" || strings.EqualFold(asked, "h2c") {
		r.Header.Del("Upgrade")
		r.Header.Del("HTTP2-Settings")
		return true
	}
	return slices.ContainsFunc(e.config.manager.UpgradeConfigs, func(u *hcm.HttpConnectionManager_UpgradeConfig) bool {
		return strings.EqualFold(u.UpgradeType, strings.Join(r.Header["Upgrade"], ","))
	})
}

// tidy is what the connection manager and the first filter do to headers.
func (e *envoyStandIn) tidy(r *http.Request) {
	for name := range r.Header {
		if strings.Contains(name, "_") { // headers_with_underscores_action
			delete(r.Header, name)
		}
	}
	if r.Header.Get("Upgrade") == "" { // the codec's part: what Connection names goes before any filter runs
		for name := range strings.SplitSeq(strings.Join(r.Header["Connection"], ","), ",") {
			r.Header.Del(strings.TrimSpace(name))
		}
		r.Header.Del("Connection")
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	r.Header.Add("X-Forwarded-For", client) // use_remote_address appends to what the client sent
	r.Header["X-Forwarded-For"] = []string{strings.Join(r.Header["X-Forwarded-For"], ",")}
	r.Header.Set("X-Forwarded-Proto", "https")
	for name := range r.Header {
		if e.config.strips(name) {
			delete(r.Header, name)
		}
	}
}

// check asks whether the request may pass; where it may not, it has answered.
func (e *envoyStandIn) check(w http.ResponseWriter, r *http.Request, normal string) bool {
	service := e.config.authz.GetHttpService()
	target := service.PathPrefix + normal
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	asked, err := http.NewRequest(r.Method, "http://"+e.config.clusters[service.ServerUri.GetCluster()], nil)
	if err != nil {
		e.t.Error(err)
		return false
	}
	asked.URL.Opaque, asked.Host = target, r.Host
	for name, values := range r.Header {
		if name == "Authorization" || listed(e.config.authz.AllowedHeaders, name) {
			asked.Header[name] = values
		}
	}
	res, err := e.client.Do(asked)
	if err != nil {
		w.WriteHeader(int(e.config.authz.StatusOnError.Code))
		return false
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK { // no other status means yes
		for name, values := range res.Header {
			if listed(service.AuthorizationResponse.AllowedClientHeaders, name) {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body) // a client that went away
		return false
	}
	for name, values := range res.Header {
		if listed(service.AuthorizationResponse.AllowedUpstreamHeaders, name) {
			r.Header[name] = values
		}
	}
	for name := range strings.SplitSeq(res.Header.Get("X-Envoy-Auth-Headers-To-Remove"), ",") {
		r.Header.Del(strings.TrimSpace(name))
	}
	return true
}

func listed(list *matcher.ListStringMatcher, name string) bool {
	return slices.ContainsFunc(list.Patterns, func(m *matcher.StringMatcher) bool {
		return m.GetExact() != "" && strings.EqualFold(m.GetExact(), name) || m.GetPrefix() != "" && strings.HasPrefix(lower(name), m.GetPrefix())
	})
}

func (e *envoyStandIn) virtualHost(name string) *route.VirtualHost {
	for _, h := range e.config.manager.GetRouteConfig().VirtualHosts {
		if slices.Contains(h.Domains, name) {
			return h
		}
	}
	return nil
}

func match(host *route.VirtualHost, normal string) *route.Route {
	for _, r := range host.Routes {
		if m := r.Match; m.GetPath() == normal || m.GetPath() == "" && strings.HasPrefix(normal, m.GetPrefix()) {
			return r
		}
	}
	return nil
}

var (
	escapedSlash = regexp.MustCompile(`(?i)%2f|%5c`)
	escapedDot   = regexp.MustCompile(`(?i)%2e`)
	slashes      = regexp.MustCompile(`/{2,}`)
)

// normalized is normalize_path, merge_slashes and REJECT_REQUEST of escaped ones.
func normalized(p string) (string, bool) {
	if escapedSlash.MatchString(p) {
		return "", false
	}
	p = slashes.ReplaceAllString(escapedDot.ReplaceAllString(strings.ReplaceAll(p, `\`, "/"), "."), "/")
	clean := path.Clean(p)
	if clean != "/" && (strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")) {
		clean += "/"
	}
	return clean, true
}

func lower(s string) string { return strings.ToLower(s) }

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
