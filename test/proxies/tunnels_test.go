package proxies

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Through a tunnel a client sends whole requests that no check sees, under any
// Remote-User that it likes (FA-13).

// inside is a request that would be read out of a tunnel.
var inside = crlf("GET /inside HTTP/1.1", "Host: x", "Remote-User: forged")

// tunnelled says what of a tunnel is in the bytes that the app was sent; "":
// nothing.
func tunnelled(sent string) string {
	for line := range strings.Lines(sent) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); {
		case strings.EqualFold(name, "Upgrade") && !strings.EqualFold(value, "websocket"), strings.EqualFold(name, "HTTP2-Settings"),
			strings.HasPrefix(line, "CONNECT "), strings.Contains(line, "forged"):
			return line
		}
	}
	return ""
}

// upgrades: whoever asks for another protocol is answered in this one, or not
// at all. An app that is asked could say 101, and a proxy would step aside.
func upgrades(t *testing.T, s *stage, p *proxy) {
	c := s.member(t, "upgrader@example.test")
	settings := []string{"Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"}
	for name, lines := range map[string][]string{
		"h2c":                        append([]string{"Upgrade: h2c"}, settings...),
		"h2c, settings end to end":   {"Upgrade: h2c", "Connection: Upgrade", settings[1]},
		"h2c, in capitals":           {"UPGRADE: H2C", "CONNECTION: UPGRADE"},
		"anything":                   {"Upgrade: anything", "Connection: Upgrade"},
		"a list":                     append([]string{"Upgrade: websocket, h2c"}, settings...),
		"two lines":                  append([]string{"Upgrade: h2c", "Upgrade: websocket"}, settings...),
		"two lines, the other first": append([]string{"Upgrade: websocket", "Upgrade: h2c"}, settings...),
		"websocket and a half":       {"Upgrade: websocket/13", "Connection: Upgrade"},
	} {
		for _, path := range []string{"/public/upgrade", "/upgrade"} {
			mark := s.raw.mark()
			head := []string{"GET " + path + " HTTP/1.1", "Host: " + s.named(appHost), cookieLine(c, s.appURL)}
			got := s.exchange(t, appHost, crlf(append(head, lines...)...))
			if got.status == http.StatusSwitchingProtocols || got.status == 0 {
				t.Errorf("%s at %s: status %d", name, path, got.status)
			}
			line, passes := tunnelled(s.raw.since(mark)), p.upgrades && (name == "anything" || name == "websocket and a half")
			if (line != "") != passes {
				t.Errorf("%s at %s: status %d, the app was sent %q, passes is %v", name, path, got.status, line, passes)
			}
		}
	}
	session := field{"cookie", sessionCookie + "=" + c.Cookie(s.appURL+"/", sessionCookie)}
	mark := s.raw.mark()
	s.exchange2(t, request2("GET", s.named(appHost), "/upgrade", session, field{"upgrade", "h2c"}, field{"http2-settings", "AAMAAABk"})...) // refused or not
	s.exchange2(t, request2("GET", s.named(appHost), "/upgrade", session, field{"connection", "upgrade, http2-settings"}, field{"upgrade", "h2c"}, field{"http2-settings", "AAMAAABk"})...)
	if line := tunnelled(s.raw.since(mark)); line != "" {
		t.Errorf("over HTTP/2: the app was sent %q", line)
	}

	for _, spelling := range []string{"websocket", "WebSocket"} { // RFC 9110 section 7.8: its case says nothing
		got := s.exchange(t, appHost, crlf("GET /ws HTTP/1.1", "Host: "+s.named(appHost), cookieLine(c, s.appURL), "Origin: "+s.appURL, "Connection: keep-alive, Upgrade",
			"Upgrade: "+spelling, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="))
		if got.status != http.StatusSwitchingProtocols {
			t.Errorf("Upgrade: %s: status %d", spelling, got.status)
		}
	}
}

// connects: CONNECT is refused, also to who may open the app. A proxy that
// hands it on writes what follows as it stands, and the app reads that as the
// next request.
func connects(t *testing.T, s *stage, p *proxy) {
	c := s.member(t, "tunneller@example.test")
	app := s.named(appHost)
	body := []string{"Transfer-Encoding: chunked", "", strconv.FormatInt(int64(len(inside)), 16), inside, "0"}
	mark := s.raw.mark()
	for _, host := range []string{appHost, authHost} {
		for _, target := range []string{app, app + ":443", "/", "/public/x", "127.0.0.1:22", "https://" + app + "/public/x"} {
			for _, cookie := range []string{"X-Nobody: here", cookieLine(c, s.appURL)} {
				got := s.exchange(t, host, crlf(append([]string{"CONNECT " + target + " HTTP/1.1", "Host: " + s.named(host), cookie}, body...)...))
				if !strings.HasPrefix(target, app) && !strings.HasPrefix(target, "/") {
					continue // Caddy answers a host that it does not know with 200 and nothing
				}
				asked := strings.Contains(got.header.Get("Cache-Control"), "no-store") // as all our answers say
				if got.status < 400 || p.connect != nil && (asked || !slices.Contains(p.connect, got.status)) {
					t.Errorf("CONNECT %s of %s, %.9s: status %d, we were asked: %v", target, host, cookie, got.status, asked)
				}
			}
		}
	}
	if sent := s.raw.since(mark); sent != "" {
		t.Errorf("the app was sent\n%s", sent)
	}

	session := field{"cookie", sessionCookie + "=" + c.Cookie(s.appURL+"/", sessionCookie)}
	for name, fields := range map[string][]field{
		"CONNECT":                  {{":method", "CONNECT"}, {":authority", app}, session},
		"CONNECT with a path":      request2("CONNECT", app, "/public/x", session),
		"a stranger's":             request2("CONNECT", app, "/public/x"),
		"extended, of a WebSocket": append(request2("CONNECT", app, "/public/upgrade"), field{":protocol", "websocket"}, session, field{"sec-websocket-version", "13"}), // HAProxy makes an upgrade of it, which the app declines
		"extended, of UDP":         append(request2("CONNECT", app, "/upgrade"), field{":protocol", "connect-udp"}, session),
		"extended, of HTTP":        append(request2("CONNECT", app, "/public/upgrade"), field{":protocol", "h2c"}),
	} {
		mark := s.raw.mark()
		got := s.send2(t, inside, fields...)
		if sent := s.raw.since(mark); tunnelled(sent) != "" {
			t.Errorf("over HTTP/2, %s: status %d, the app was sent\n%s", name, got.status, sent)
		}
	}
}
