package proxies

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// decisions: the endpoints that say who is who answer the proxy alone (FA-1).
func decisions(t *testing.T, s *stage, _ *proxy) {
	c := s.member(t, "asker@example.test")
	claims := []string{
		"X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: " + appHost, "X-Forwarded-Uri: /public/x", "X-Forwarded-For: 127.0.0.1",
		"X-Original-URL: https://" + appHost + "/public/x", "X-Original-Method: GET", cookieLine(c, s.appURL), "Connection: close",
	}
	for _, path := range []string{
		"/api/authz/forward-auth", "/api/authz/auth-request", "/api/authz/ext-authz/public/x", "/api/authz/", "/api/verify", "/api/verify?rd=/",
		"/api/authz/../authz/forward-auth", "/api//authz/forward-auth", "//api/authz/forward-auth", "/api/%61uthz/forward-auth", "/api%2fauthz/forward-auth",
		"/API/AUTHZ/forward-auth", "/x/../api/authz/forward-auth", "/api/authz;/forward-auth", "/api/./verify", "/api/verif%79", "/login/../api/verify",
	} {
		got := s.exchange(t, authHost, crlf(append([]string{"GET " + path + " HTTP/1.1", "Host: " + s.named(authHost)}, claims...)...))
		if got.status != http.StatusNotFound && got.status != http.StatusForbidden && got.status != http.StatusBadRequest {
			t.Errorf("%s: status %d\n%s", path, got.status, got.body)
		}
		// Nor is it found by another name, the server's own for example. (Caddy
		// answers a name that it does not know with 200 and nothing.)
		got = s.exchange(t, authHost, crlf(append([]string{"GET " + path + " HTTP/1.1", "Host: passwordless:9080"}, claims...)...))
		if _, decided := got.header["Remote-User"]; decided || got.body != "" && got.status == http.StatusOK {
			t.Errorf("%s by the server's own name: status %d, %v\n%s", path, got.status, got.header, got.body)
		}
	}
}

// plainHTTP: without TLS there is nothing but the way to it.
func plainHTTP(t *testing.T, s *stage, p *proxy) {
	if p.noHTTP {
		t.Skip("the example has no listener for it")
	}
	mark := s.raw.mark()
	for _, path := range []string{"/secret", "/public/x", "/.auth/start?rd=/"} {
		res := s.client(t).Request(http.MethodGet, "http://"+appHost+":"+strconv.Itoa(s.http)+path, "")
		if to := res.Header.Get("Location"); res.StatusCode < 301 || res.StatusCode > 308 || !strings.HasPrefix(to, "https://"+appHost) || !strings.HasSuffix(to, path) {
			t.Errorf("%s: %s to %q", path, res.Status, to)
		}
	}
	if sent := s.raw.since(mark); sent != "" {
		t.Errorf("the app was sent\n%s", sent)
	}
}

// oddLines: requests that two parsers could take for two things.
func oddLines(t *testing.T, s *stage, _ *proxy) {
	c := s.member(t, "odd@example.test") // may open the app, and not the wiki
	mark, wiki := s.raw.mark(), len(s.wiki.Seen())
	app, wikis := s.named(appHost), s.named(wikiHost)
	host, other := "Host: "+app, "Host: "+wikis
	for name, lines := range map[string][]string{
		"CONNECT":                         {"CONNECT " + app + ":443 HTTP/1.1", host},
		"CONNECT elsewhere":               {"CONNECT 127.0.0.1:22 HTTP/1.1", "Host: 127.0.0.1:22"},
		"absolute, a public path by name": {"GET https://" + app + "/secret HTTP/1.1", host},
		"absolute, elsewhere":             {"GET http://evil.example/public/x HTTP/1.1", "Host: evil.example"},
		"absolute with an account":        {"GET https://user@" + app + "/secret HTTP/1.1", host},
		"no host":                         {"GET /secret HTTP/1.1"},
		"two hosts":                       {"GET /secret HTTP/1.1", host, other},
		"a list of hosts":                 {"GET /secret HTTP/1.1", "Host: " + app + ", " + wikis},
		"a host with a path":              {"GET /secret HTTP/1.1", "Host: " + app + "/public/"},
		"an unknown host":                 {"GET /public/x HTTP/1.1", "Host: unknown.example.test"},
		"an asterisk":                     {"OPTIONS * HTTP/1.1", host},
		"a method in small letters":       {"get /secret HTTP/1.1", host},
		"an unknown method":               {"PROPFIND /secret HTTP/1.1", host},
		"TRACE":                           {"TRACE /secret HTTP/1.1", host},
		"an overridden method":            {"GET /secret HTTP/1.1", host, "X-HTTP-Method-Override: OPTIONS"},
		"a preflight":                     {"OPTIONS /secret HTTP/1.1", host, "Origin: https://evil.example", "Access-Control-Request-Method: GET"},
		"no slash":                        {"GET secret HTTP/1.1", host},
		"HTTP/1.0":                        {"GET /secret HTTP/1.0", host},
		"a space before the colon":        {"GET /secret HTTP/1.1", host, "Remote-User : forged"},
		"a folded line":                   {"GET /secret HTTP/1.1", host, "X-Folded: a", " Remote-User: forged"},
		"two lengths":                     {"POST /secret HTTP/1.1", host, "Content-Length: 0", "Content-Length: 5"},
		"a length and chunks":             {"POST /secret HTTP/1.1", host, "Content-Length: 5", "Transfer-Encoding: chunked", "", "0"},
	} {
		if got := s.exchange(t, appHost, crlf(append(lines[:len(lines):len(lines)], "Connection: close")...)); got.status >= 200 && got.status < 300 && got.body != "" {
			t.Errorf("a stranger's %s: status %d\n%s", name, got.status, got.body)
		}
	}
	if sent := s.raw.since(mark); sent != "" {
		t.Errorf("the app was sent\n%s", sent)
	}

	// Who may open one app cannot reach the other by naming both.
	for name, lines := range map[string][]string{
		"absolute of the other":     {"GET https://" + wikis + "/secret HTTP/1.1", host},
		"absolute of this":          {"GET https://" + app + "/secret HTTP/1.1", other},
		"the other's name inside":   {"GET /secret HTTP/1.1", other},
		"a list":                    {"GET /secret HTTP/1.1", "Host: " + app + "," + wikis},
		"both":                      {"GET /secret HTTP/1.1", host, other},
		"the other's, with a dot":   {"GET /secret HTTP/1.1", other + "."},
		"the other's, in capitals":  {"GET /secret HTTP/1.1", "Host: " + strings.ToUpper(wikis)},
		"the other's, with a port":  {"GET /secret HTTP/1.1", other + ":443"},
		"forwarded as for this one": {"GET /secret HTTP/1.1", other, "X-Forwarded-Host: " + app},
	} {
		got := s.exchange(t, appHost, crlf(append(lines[:len(lines):len(lines)], cookieLine(c, s.appURL), "Connection: close")...))
		if len(s.wiki.Seen()) != wiki {
			t.Fatalf("%s: the wiki was reached: status %d\n%s", name, got.status, got.body)
		}
	}
}
