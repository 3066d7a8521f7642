package caddymodule

import (
	"bufio"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// reservedSpellings are names that some backend takes for one of ours.
var reservedSpellings = []string{
	"Remote-User", "remote-user", "REMOTE-USER", "Remote_User", "remote_user", "Remote.User", "remote-User", "Remote_Groups",
	"Remote-Sub", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Jwt", "remote_jwt", "X-App-User", "x_app_user", "X.App-User",
	"Remote~User", "remote!user", "Remote+User", "Remote*User", "Remote'User", "Remote`User", "Remote|User", "Remote^User", "Remote#User", "Remote$User", "Remote&User", "Remote%User", "X*App|User",
}

const renamed = "headers {\nuser X-App-User\nname off\n}\npublic /open /open/*"

// identityLines are the lines of a raw request whose name could be ours, in
// order of their names.
func identityLines(t *testing.T, raw string) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(raw) {
		name, _, ok := strings.Cut(line, ":")
		folded := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}, strings.ToLower(name))
		if ok && (strings.HasPrefix(folded, "remote-") || folded == "x-app-user") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	return lines
}

// HD-1, HD-2, HD-4, HD-7: the app hears of the user from us alone.
func TestHeaders_OnlyOurWordReachesTheApp(t *testing.T) {
	s := newSite(t, renamed, "")
	signedIn := []string{"Remote-Email: alice@example.com", "Remote-Groups: ops,staff", "Remote-Sub: " + s.user, "X-App-User: alice"}
	for _, protocol := range []string{"h1", "h2"} {
		for path, want := range map[string][]string{"/": signedIn, "/open": signedIn} {
			req := s.request(t, http.MethodGet, path, nil)
			for _, name := range reservedSpellings {
				req.Header[name] = []string{"root", "root"}
			}
			if res, _ := do(t, s.client(t, protocol), req); res.StatusCode != http.StatusOK {
				t.Fatalf("%s %s: %s", protocol, path, res.Status)
			}
			if got := identityLines(t, s.last(t)); !slices.Equal(got, want) {
				t.Errorf("%s %s: the app got %q, want %q", protocol, path, got, want)
			}
		}
	}
}

// A public page without a user has no identity, least of all the client's.
func TestHeaders_PublicPagesAreStrippedToo(t *testing.T) {
	s := newSite(t, renamed, "")
	for _, protocol := range []string{"h1", "h2"} {
		req := s.request(t, http.MethodGet, "/open/x", nil)
		req.Header.Del("Cookie")
		for _, name := range reservedSpellings {
			req.Header[name] = []string{"root"}
		}
		if res, _ := do(t, s.client(t, protocol), req); res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
		if got := identityLines(t, s.last(t)); len(got) > 0 {
			t.Errorf("%s: the app got %q", protocol, got)
		}
	}
}

// HD-3: what a client calls hop-by-hop, a proxy removes.
func TestHeaders_ConnectionCannotRemoveThem(t *testing.T) {
	s := newSite(t, renamed, "")
	for _, connection := range []string{
		"Connection: X-App-User, Remote-Sub, Remote-Email, Remote-Groups\n",
		"Connection: close,x-app-user\nConnection: ,remote-sub , REMOTE-EMAIL,\nConnection: remote-groups\n",
	} {
		if status := s.raw(t, "GET / HTTP/1.1\nHost: app.example.test\nCookie: "+s.cookie+"\n"+connection+"\n"); !strings.Contains(status, "200") {
			t.Fatal(status)
		}
		if got := identityLines(t, s.last(t)); len(got) != 4 {
			t.Errorf("%q: the app got %q", connection, got)
		}
	}
}

// HD-1: trailers, announced and not, come after every header was judged.
func TestHeaders_TrailersAreStripped(t *testing.T) {
	s := newSite(t, renamed, "")
	for _, announced := range []string{"", "Trailer: remote-user, Remote_Groups, x-app-user, X-Harmless\n", "Trailer: X-Harmless\n"} {
		status := s.raw(t, "POST /open HTTP/1.1\nHost: app.example.test\nTransfer-Encoding: chunked\n"+announced+
			"\n2\nhi\n0\nRemote-User: root\nRemote_Groups: admins\nX-App-User: root\nX-Harmless: yes\n\n")
		if !strings.Contains(status, "200") {
			t.Fatal(status)
		}
		if got := s.last(t); len(identityLines(t, got)) > 0 || strings.Contains(strings.ToLower(got), "remote") {
			t.Errorf("%q: the app got\n%s", announced, got)
		}
	}
	req := s.request(t, http.MethodPost, "/open", io.MultiReader(strings.NewReader("hi")))
	req.Header.Del("Cookie")
	req.Trailer = http.Header{"Remote-User": {"root"}, "Remote_groups": {"admins"}, "X-App-User": {"root"}}
	if res, _ := do(t, s.client(t, "h2"), req); res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	if got := identityLines(t, s.last(t)); len(got) > 0 {
		t.Errorf("h2: the app got %q", got)
	}
}

// The guard's own stripping, without the proxy behind it, which drops some
// trailers itself.
func TestTrailerBody_StripsWhatComesAtTheEnd(t *testing.T) {
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Remote-User, X-Harmless\r\n\r\n" +
		"0\r\nRemote-User: root\r\nRemote-Groups: admins\r\nX-Harmless: yes\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	new(Guard).strip(req)
	if _, ok := req.Trailer["Remote-User"]; ok {
		t.Error("the announcement was left")
	}
	if _, err := io.ReadAll(req.Body); err != nil {
		t.Fatal(err)
	}
	if len(req.Trailer) != 1 || req.Trailer.Get("X-Harmless") != "yes" {
		t.Errorf("trailers %v", req.Trailer)
	}
}

// HD-5: our cookies stay with us, all others arrive byte for byte.
func TestCookies_OursNeverReachTheApp(t *testing.T) {
	s := newSite(t, "", "")
	flow, device := "__Host-passwordless-flow="+strings.Repeat("f", 43), "__Host-passwordless-device="+strings.Repeat("d", 43)
	for cookie, want := range map[string]string{
		s.cookie:                               "",
		"a=1; " + s.cookie + "; b=\"2 3\";c=4": "a=1; b=\"2 3\";c=4",
		s.cookie + "; " + flow + "; " + device + "; theme=d": "theme=d",
		s.cookie + "; lang=de; __Host-passwordless-lang=de":  "lang=de",
		"passwordless=theirs; " + s.cookie:                   "passwordless=theirs",
	} {
		req := s.request(t, http.MethodGet, "/", nil)
		req.Header["Cookie"] = []string{cookie}
		if res, _ := do(t, s.client(t, "h1"), req); res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", cookie, res.Status)
		}
		got := s.last(t)
		header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(got[strings.Index(got, "\n")+1:]))).ReadMIMEHeader()
		if err != nil {
			t.Fatal(err)
		}
		if header.Get("Cookie") != want {
			t.Errorf("%s: the app got %q, want %q", cookie, header.Get("Cookie"), want)
		}
	}
}

// No app sets our cookies for its host; all else of its answer arrives.
func TestSetCookie_OursAreDroppedFromAnswers(t *testing.T) {
	s := newSite(t, "", "")
	s.answerWith("Set-Cookie: a=1; Path=/", "Set-Cookie: __Host-passwordless=evil; Secure; Path=/", "Set-Cookie: __HOST-passwordless-flow=evil",
		"Set-Cookie: =__Host-passwordless=evil", "Set-Cookie: __Host-passwordless-lang=de; Secure; Path=/", "Set-Cookie: b=2", "X-Else: kept")
	for _, protocol := range []string{"h1", "h2"} {
		res, body := do(t, s.client(t, protocol), s.request(t, http.MethodGet, "/", nil))
		if got := res.Header["Set-Cookie"]; !slices.Equal(got, []string{"a=1; Path=/", "b=2"}) || res.Header.Get("X-Else") != "kept" || body != "hi" {
			t.Errorf("%s: %q, %q", protocol, res.Header, body)
		}
	}
	s.answerWith("Set-Cookie: __Host-passwordless=evil")
	if res, _ := do(t, s.client(t, "h1"), s.request(t, http.MethodGet, "/", nil)); res.Header["Set-Cookie"] != nil {
		t.Errorf("%q", res.Header["Set-Cookie"])
	}
}

// An error behind the guard leads through the site's error routes, which may
// lead to an app as well.
func TestErrorRoutes_SeeWhatTheGuardLeft(t *testing.T) {
	fallback := newUpstream(t)
	s := newSite(t, "public /open", "error /fails* 500\nhandle_errors {\nreverse_proxy "+fallback.addr+"\n}")
	req := s.request(t, http.MethodGet, "/fails", nil)
	req.Header["Remote_user"] = []string{"root"}
	req.Header.Set("Remote-Groups", "root")
	do(t, s.client(t, "h1"), req)
	got := fallback.last(t)
	if lines := identityLines(t, got); len(lines) != 5 || strings.Contains(got, "root") || strings.Contains(got, "__Host-passwordless") {
		t.Errorf("the error route got %q", lines)
	}
	// So does a tunnel that is refused, on a public path and by nobody.
	status := s.raw(t, "CONNECT /open HTTP/1.1\nHost: app.example.test\nRemote-User: root\nCookie: "+s.cookie+"x\n\n")
	if got := fallback.last(t); !strings.Contains(status, "405") && !strings.Contains(status, "200") || len(identityLines(t, got)) != 0 || strings.Contains(got, "__Host-passwordless") {
		t.Errorf("%s: the error route got\n%s", status, got)
	}
	req = s.request(t, http.MethodGet, "/fails", nil)
	req.Header.Del("Cookie")
	if res, _ := do(t, s.client(t, "h1"), req); res.StatusCode != http.StatusUnauthorized || fallback.reached() {
		t.Errorf("without a session: %s", res.Status)
	}
}

// FA-13: in another protocol a client would send whole requests through the
// tunnel, with whatever headers it likes. WebSocket is the one that passes.
func TestUpgrade_WebSocketAndNothingElse_FA13(t *testing.T) {
	s := newSite(t, "public /open", "")
	for asked, passes := range map[string]bool{
		"Connection: Upgrade\nUpgrade: websocket\n":                                         true,
		"Connection: keep-alive, Upgrade\nUpgrade: WebSocket\n":                             true,
		"Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\n":     false,
		"Connection: upgrade\nUpgrade: H2C\nhttp2-settings: AAMAAABk\n":                     false,
		"Connection: Upgrade\nUpgrade: websocket, h2c\n":                                    false,
		"Connection: Upgrade\nUpgrade: h2c\nUpgrade: websocket\n":                           false,
		"Connection: Upgrade\nUpgrade: websocket/13\n":                                      false,
		"Connection: Upgrade\nUpgrade: foo\n":                                               false,
		"Connection: Upgrade\nUpgrade: \n":                                                  false,
		"Connection: close, Upgrade,\nConnection: UPGRADE\nUpgrade: TLS/1.0\nX-Kept: yes\n": false,
	} {
		for _, path := range []string{"/", "/open"} {
			request := "GET " + path + " HTTP/1.1\nHost: app.example.test\n" + asked + "Sec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\nSec-WebSocket-Version: 13\n"
			if path == "/" {
				request += "Cookie: " + s.cookie + "\n"
			}
			if status := s.raw(t, request+"\n"); !strings.Contains(status, "200") { // this app never upgrades
				t.Fatalf("%q: %s", asked, status)
			}
			got := strings.ToLower(s.last(t))
			if strings.Contains(got, "upgrade: websocket") != passes || !passes && strings.Contains(got, "upgrade") || strings.Contains(got, "http2-settings") {
				t.Errorf("%s, %q: the app got\n%s", path, asked, got)
			}
		}
	}
}

// A tunnel of another kind is refused, whoever asks.
func TestConnect_IsForWebSocketOnly_FA13(t *testing.T) {
	s := newSite(t, "", "")
	// A proxy that lets CONNECT through may send what follows unread: here it is
	// no second request.
	for _, cookie := range []string{s.cookie, "a=b"} {
		answers := s.conversation(t, "CONNECT /x HTTP/1.1\nHost: app.example.test\nCookie: "+cookie+"\n\nGET /smuggled HTTP/1.1\nHost: app.example.test\nCookie: "+s.cookie+"\n\n")
		if n := strings.Count(answers, "HTTP/1.1 "); n != 1 || s.reached() {
			t.Errorf("%d answers, reached: %v\n%s", n, s.reached(), answers)
		}
	}
	status := s.raw(t, "CONNECT app.example.test HTTP/1.1\nHost: app.example.test\nCookie: "+s.cookie+"\n\n")
	if !strings.Contains(status, "405") && !strings.Contains(status, "400") || s.reached() {
		t.Errorf("%s, reached: %v", status, s.reached())
	}
	for proto, want := range map[string]bool{"": true, "websocket": false, "connect-udp": true} {
		for major, version := range map[int]string{2: "HTTP/2.0", 3: proto} {
			r := &http.Request{Method: http.MethodConnect, ProtoMajor: major, Proto: version, Header: http.Header{}}
			if proto != "" && major == 2 {
				r.Header[":protocol"] = []string{proto}
			}
			if got := tunnels(r); got != want {
				t.Errorf("HTTP/%d with %q is a tunnel: %v", major, proto, got)
			}
			// What the app will see is what is judged: a WebSocket is a GET there.
			if method := methodOf(r); (method == http.MethodGet) == want {
				t.Errorf("HTTP/%d with %q is judged as %s", major, proto, method)
			}
		}
	}
}
