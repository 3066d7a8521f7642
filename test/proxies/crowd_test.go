package proxies

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

const (
	people       = 200
	workers      = 16
	perWorker    = 150
	crowdAddress = "crowd-%d@example.test"
)

// crowd: two hundred people share connections, and nobody is ever somebody
// else (FA-14). Over HTTP/2 they share one connection, over HTTP/1 a few.
func crowd(t *testing.T, s *stage, _ *proxy) {
	sessions := make([]string, people)
	for i := range sessions {
		c := s.member(t, fmt.Sprintf(crowdAddress, i))
		sessions[i] = c.Cookie(s.appURL+"/", sessionCookie)
		c.CloseIdleConnections()
	}
	dial := (&net.Dialer{}).DialContext
	config := &tls.Config{RootCAs: harness.Roots(t, s.ca), ServerName: appHost, MinVersion: tls.VersionTLS12}
	shared := &http.Transport{DialContext: dial, TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true}
	few := &http.Transport{DialContext: dial, TLSClientConfig: config.Clone(), MaxConnsPerHost: workers / 2}
	few.TLSClientConfig.NextProtos = []string{"http/1.1"}
	defer shared.CloseIdleConnections()
	defer few.CloseIdleConnections()

	var mixed sync.WaitGroup
	for w := range workers {
		mixed.Go(func() {
			for n := range perWorker {
				who := (w*perWorker + n*7) % (people + people/10) // one in eleven is nobody
				transport := shared
				if (w+n)%2 == 0 {
					transport = few
				}
				if fault := s.ask(transport, sessions, who, fmt.Sprintf("/crowd/%d/%d", w, n)); fault != "" {
					t.Error(fault)
					return
				}
			}
		})
	}
	mixed.Wait()
}

// ask is one request of one of the people, or of nobody; it says what is wrong
// with the answer.
func (s *stage) ask(transport *http.Transport, sessions []string, who int, path string) string {
	body := strings.Repeat(path, 20)
	req, err := http.NewRequest(http.MethodPost, "https://"+s.proxy()+path, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Host = s.named(appHost)
	if who < people {
		req.Header.Set("Cookie", sessionCookie+"="+sessions[who])
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	if who >= people {
		if res.StatusCode != http.StatusUnauthorized || bytes.Contains(text, []byte("crowd-")) {
			return fmt.Sprintf("nobody got %s\n%s", res.Status, text)
		}
		return ""
	}
	var e harness.Echo
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Sprintf("%s: %v\n%s", res.Status, err, text)
	}
	want := fmt.Sprintf(crowdAddress, who)
	if e.URI != path || e.Body != body || strings.Join(e.Headers["Remote-User"], ",") != want || strings.Join(e.Headers["Remote-Email"], ",") != want {
		return fmt.Sprintf("%s asked %s and was answered as %v for %s", want, path, e.Headers["Remote-User"], e.URI)
	}
	return ""
}
