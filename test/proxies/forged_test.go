package proxies

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// identityHeaders are what apps believe.
var identityHeaders = []string{"Remote-User", "Remote-Sub", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Jwt"}

// spellings are the ways to write a name that some app takes for it: header
// names have no case, and CGI turns what is no letter into an underscore.
func spellings(name string) []string {
	underscore, dot := strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "-", ".")
	return []string{name, strings.ToLower(name), strings.ToUpper(name), underscore, strings.ToUpper(underscore), dot}
}

// forged: no client is anybody else (HD-1..3). Raw bytes in, raw bytes out.
func forged(t *testing.T, s *stage, p *proxy) {
	c := s.member(t, "honest@example.test")
	var forgeries []string
	for _, name := range identityHeaders {
		for _, spelling := range spellings(name) {
			forgeries = append(forgeries, spelling+": forged")
		}
	}
	nominations := "Connection: close, X-Gone, " + strings.Join(identityHeaders, ", ")
	for name, try := range map[string]struct {
		path  string
		lines []string
	}{
		"a stranger on a public path": {"/public/forged", nil},
		"a member":                    {"/forged", []string{cookieLine(c, s.appURL)}},
		"a member, by both":           {"/both", []string{cookieLine(c, s.appURL), nominations}},
		"a stranger, by Connection":   {"/public/both", []string{nominations}},
		"forwarded by the client": {"/public/forwarded", []string{
			"X-Forwarded-User: forged", "X-Forwarded-Host: forged.example", "X-Original-URL: https://" + appHost + "/forged", "X-Forwarded-For: 10.9.9.9",
		}},
	} {
		mark := s.raw.mark()
		lines := append([]string{"GET " + try.path + " HTTP/1.1", "Host: " + s.named(appHost), "X-Kept: kept"}, try.lines...)
		if !strings.Contains(name, "forwarded") {
			lines = append(lines, forgeries...)
		}
		got := s.exchange(t, appHost, crlf(lines...))
		sent := s.raw.since(mark)
		if got.status != http.StatusOK || !strings.Contains(sent, "kept") {
			t.Errorf("%s: status %d, the app was sent\n%s", name, got.status, sent)
			continue
		}
		received, err := http.ReadRequest(bufio.NewReader(strings.NewReader(sent)))
		if err != nil {
			t.Fatalf("%s: the app was sent\n%s: %v", name, sent, err)
		}
		for header, values := range received.Header {
			if folded := strings.NewReplacer("_", "-", ".", "-").Replace(http.CanonicalHeaderKey(header)); strings.HasPrefix(strings.ToLower(folded), "remote-") &&
				(slices.Contains(values, "forged") || len(values) != 1) {
				t.Errorf("%s: the app was sent %s: %q", name, header, values)
			}
		}
		if user := received.Header.Get("Remote-User"); strings.HasPrefix(try.path, "/public/") != (user == "") || user != "" && user != "honest@example.test" {
			t.Errorf("%s: Remote-User is %q", name, user)
		}
	}
}

// forgedAgain: over HTTP/2, where names have one case, and one request holds
// them all.
func forgedAgain(t *testing.T, s *stage, _ *proxy) {
	const who = "honest-too@example.test"
	c := s.member(t, who)
	var header []string
	for _, name := range identityHeaders {
		for _, spelling := range spellings(name) {
			header = append(header, spelling, "forged")
		}
	}
	for path, user := range map[string]string{"/h2": who, "/public/h2": who} {
		mark := s.raw.mark()
		res := c.Request(http.MethodGet, s.appURL+path, "", header...)
		sent := s.raw.since(mark)
		if res.ProtoMajor != 2 || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s\n%s", path, res.Proto, res.Status, res.Body)
		}
		if strings.Contains(sent, "forged") || !strings.Contains(sent, "Remote-User: "+user) && !strings.Contains(sent, "remote-user: "+user) {
			t.Errorf("%s: the app was sent\n%s", path, sent)
		}
	}
}

// trailers: the end of a body is no place for an identity either.
func trailers(t *testing.T, s *stage, p *proxy) {
	mark := s.raw.mark()
	head := crlf("POST /public/trailers HTTP/1.1", "Host: "+s.named(appHost), "Transfer-Encoding: chunked", "Trailer: Remote-User, X-Kept", "Connection: close")
	got := s.exchange(t, appHost, head+"5\r\nhello\r\n0\r\nRemote-User: forged\r\nRemote-Groups: forged\r\nX-Kept: kept\r\n\r\n")
	sent := s.raw.since(mark)
	if !strings.Contains(sent, "hello") {
		t.Fatalf("status %d, the app was sent\n%s", got.status, sent)
	}
	if passed := strings.Contains(sent, "forged"); passed != p.trailers {
		t.Errorf("identity in trailers: passed is %v, want %v:\n%s", passed, p.trailers, sent)
	}
}

// ours: what opens the app opens nothing else, and where we see the request
// last it does not even reach the app (HD-5).
func ours(t *testing.T, s *stage, p *proxy) {
	const who = "cookie@example.test"
	s.add(t, who, "staff")
	c := s.member(t, who)
	session := c.Cookie(s.appURL+"/", sessionCookie)
	sent := echoOf(t, c.Request(http.MethodGet, s.appURL+"/cookies", "", "Cookie", "theirs=1")).Headers["Cookie"]
	if !strings.Contains(strings.Join(sent, "; "), "theirs=1") {
		t.Errorf("the app's own cookie is lost: %q", sent)
	}
	if reached := strings.Contains(strings.Join(sent, "; "), session); reached == p.inProcess {
		t.Errorf("our cookie at the app: %v, in process %v: %q", reached, p.inProcess, sent)
	}
	for url, want := range map[string]int{s.appURL + "/": http.StatusOK, s.wikiURL + "/": http.StatusUnauthorized, s.authURL + "/api/me": http.StatusUnauthorized} {
		if res := s.client(t).Request(http.MethodGet, url, "", "Cookie", sessionCookie+"="+session); res.StatusCode != want {
			t.Errorf("the app's session at %s: %s, want %d", url, res.Status, want)
		}
	}
	for name, cookie := range map[string]string{
		"doubled": fmt.Sprintf("%s=%s; %[1]s=%[2]s", sessionCookie, session), "cut": sessionCookie + "=" + session[:len(session)-1],
		"in quotes": fmt.Sprintf("%s=%q", sessionCookie, session), "named otherwise": "passwordless=" + session,
	} {
		if res := s.client(t).Request(http.MethodGet, s.appURL+"/", "", "Cookie", cookie); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("a session cookie %s: %s", name, res.Status)
		}
	}
}

// tokens: an access token opens what it was made for, and does not reach the
// app, which could use it elsewhere (HD-5).
func tokens(t *testing.T, s *stage, _ *proxy) {
	const who = "script@example.test"
	s.member(t, who)
	token := strings.TrimSpace(s.command(t, "token", "create", who, "--grant", "app="+appHost+",path=/dav/*,methods=GET+PUT"))
	bearer, basic := "Bearer "+token, "Basic "+base64.StdEncoding.EncodeToString([]byte("anybody:"+token))
	mark := s.raw.mark()
	for _, authorization := range []string{bearer, basic} {
		e := echoOf(t, s.client(t).Request(http.MethodPut, s.appURL+"/dav/file", "content", "Authorization", authorization))
		if user := strings.Join(e.Headers["Remote-User"], ","); user != who || strings.Join(e.Headers["Authorization"], "") != "" {
			t.Errorf("%.8s…: Remote-User %q, Authorization %q", authorization, user, e.Headers["Authorization"])
		}
	}
	if sent := s.raw.since(mark); strings.Contains(sent, "pwl_") || strings.Contains(sent, basic) {
		t.Errorf("the app was sent our token:\n%s", sent)
	}
	mark = s.raw.mark()
	for name, try := range map[string]struct{ method, path, authorization string }{
		"another path":   {http.MethodGet, "/other", bearer},
		"another method": {http.MethodDelete, "/dav/file", bearer},
		"cut by a byte":  {http.MethodGet, "/dav/file", bearer[:len(bearer)-1]},
		"a byte more":    {http.MethodGet, "/dav/file", bearer + "x"},
	} {
		res := s.client(t).Request(try.method, s.appURL+try.path, "", "Authorization", try.authorization)
		if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s\n%s", name, res.Status, res.Body)
		}
	}
	if res := s.client(t).Request(http.MethodGet, s.appURL+"/dav/file", ""); res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("a program without one: %s, WWW-Authenticate %q", res.Status, res.Header.Get("WWW-Authenticate"))
	}
	if sent := s.raw.since(mark); sent != "" {
		t.Errorf("the app was sent\n%s", sent)
	}
}
