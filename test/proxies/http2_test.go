package proxies

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// field is a header field as it stands in a HEADERS frame; the pseudo-header
// fields are among them (RFC 9113 section 8.3).
type field struct{ name, value string }

// exchange2 sends one request over HTTP/2 with exactly these fields, whatever
// they are, and reads its answer. Status 0: the stream or the connection ended.
func (s *stage) exchange2(t *testing.T, fields ...field) answer {
	t.Helper()
	return s.send2(t, "", fields...)
}

// send2 is the same with a body, where it is not empty.
func (s *stage) send2(t *testing.T, body string, fields ...field) answer {
	t.Helper()
	config := &tls.Config{RootCAs: harness.Roots(t, s.ca), ServerName: appHost, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", s.proxy(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value}); err != nil {
			t.Fatal(err)
		}
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: body == "", EndHeaders: true}); err != nil {
		return answer{}
	}
	if body != "" {
		if err := framer.WriteData(1, true, []byte(body)); err != nil {
			return answer{}
		}
	}
	return readAnswer2(framer)
}

func readAnswer2(framer *http2.Framer) answer {
	got := answer{header: http.Header{}}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return answer{} // cut off
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = framer.WriteSettingsAck() // a dead connection shows at the next read
			}
		case *http2.MetaHeadersFrame:
			got.status, _ = strconv.Atoi(f.PseudoValue("status"))
			for _, h := range f.RegularFields() {
				got.header.Add(h.Name, h.Value)
			}
			if f.StreamEnded() {
				return got
			}
		case *http2.DataFrame:
			got.body += string(f.Data())
			if f.StreamEnded() {
				return got
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return got
		}
	}
}

// request2 are the fields of an ordinary request, with more behind them.
func request2(method, authority, target string, more ...field) []field {
	return append([]field{{":method", method}, {":scheme", "https"}, {":authority", authority}, {":path", target}}, more...)
}

// oddStreams: what HTTP/2 can say that HTTP/1 cannot, and a proxy has to
// translate.
func oddStreams(t *testing.T, s *stage, _ *proxy) {
	const who = "streams@example.test"
	c := s.member(t, who) // may open the app, and not the wiki
	session := field{"cookie", sessionCookie + "=" + c.Cookie(s.appURL+"/", sessionCookie)}
	app, wiki := s.named(appHost), s.named(wikiHost)

	mark := s.raw.mark()
	if got := s.exchange2(t, request2("GET", app, "/plain", session)...); got.status != http.StatusOK || !strings.Contains(s.raw.since(mark), "GET /plain HTTP/1.1\r\n") {
		t.Fatalf("an ordinary request: status %d, the app was sent\n%s", got.status, s.raw.since(mark))
	}

	mark = s.raw.mark()
	for name, fields := range map[string][]field{
		"no slash":                  request2("GET", app, "secret"),
		"an asterisk":               request2("OPTIONS", app, "*"),
		"an address as the path":    request2("GET", app, "https://"+app+"/public/x"),
		"a space in the path":       request2("GET", app, "/public/x HTTP/1.1\r\nX: y"),
		"a line break in the path":  request2("GET", app, "/public/x\r\nHost: "+wiki),
		"a line break in a value":   request2("GET", app, "/public/x", field{"x-split", "a\r\nRemote-User: forged"}),
		"a line break in the name":  request2("GET", app, "/public/x", field{"x-split: a\r\nremote-user", "forged"}),
		"a name in capitals":        request2("GET", app, "/public/x", field{"Remote-User", "forged"}),
		"a method with a space":     request2("GET /public/x HTTP/1.1\r\nX: y", app, "/secret"),
		"a fragment":                request2("GET", app, "/secret#/public/x"),
		"two paths":                 append(request2("GET", app, "/public/x"), field{":path", "/secret"}),
		"a path behind the headers": {{":method", "GET"}, {":scheme", "https"}, {":authority", app}, {"x-a", "b"}, {":path", "/secret"}},
		"no path":                   {{":method", "GET"}, {":scheme", "https"}, {":authority", app}},
		"CONNECT":                   {{":method", "CONNECT"}, {":authority", "127.0.0.1:22"}},
		"extended CONNECT":          append(request2("CONNECT", app, "/ws"), field{":protocol", "websocket"}, field{"sec-websocket-version", "13"}),
	} {
		s.exchange2(t, fields...) // refused or not: what counts is what arrives
		for line := range strings.Lines(s.raw.since(mark)) {
			if strings.Contains(line, "forged") || strings.Contains(line, " HTTP/1.1") && !strings.HasPrefix(line, "GET /public/x") {
				t.Errorf("a stranger's %s: the app was sent %q", name, line)
			}
		}
		mark = s.raw.mark()
	}

	before := len(s.wiki.Seen())
	for name, fields := range map[string][]field{
		"the other's Host":          request2("GET", app, "/secret", session, field{"host", wiki}),
		"this one's Host":           request2("GET", wiki, "/secret", session, field{"host", app}),
		"no authority":              {{":method", "GET"}, {":scheme", "https"}, {":path", "/secret"}, session, {"host", app}, {"host", wiki}},
		"two authorities":           append(request2("GET", app, "/secret", session), field{":authority", wiki}),
		"the other's as an address": request2("GET", app, "https://"+wiki+"/secret", session),
		"an account before it":      request2("GET", app+"@"+wiki, "/secret", session),
	} {
		got := s.exchange2(t, fields...)
		if len(s.wiki.Seen()) != before {
			t.Fatalf("%s: the wiki was reached: status %d\n%s", name, got.status, got.body)
		}
	}
}
