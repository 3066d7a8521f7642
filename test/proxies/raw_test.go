package proxies

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// answer is what came back; status 0 where the proxy hung up instead.
type answer struct {
	status int
	header http.Header
	body   string
}

// exchange sends bytes to the proxy as a client of the host, and reads one answer.
func (s *stage) exchange(t *testing.T, host, request string) answer {
	t.Helper()
	config := &tls.Config{RootCAs: harness.Roots(t, s.ca), ServerName: host, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", s.proxy(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		return answer{}
	}
	asked := &http.Request{Method: http.MethodGet}
	asked.Method, _, _ = strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), asked)
	if err != nil {
		return answer{}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body) // a body that is cut off shows as a short one
	return answer{res.StatusCode, res.Header, string(text)}
}

// crlf writes lines as HTTP/1 has them, with an empty one at the end.
func crlf(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// cookieLine is the client's session at the host as a header line.
func cookieLine(c *harness.Client, url string) string {
	return "Cookie: " + sessionCookie + "=" + c.Cookie(url+"/", sessionCookie)
}
