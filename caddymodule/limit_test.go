package caddymodule

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestLimit_NeedsARate(t *testing.T) {
	for _, l := range []Limit{{}, {Requests: Rate{Count: 1}}, {Requests: Rate{1, caddy.Duration(1)}}, {Requests: Rate{1, caddy.Duration(day)}, Burst: Rate{Count: 1}}} {
		if l.check() == nil {
			t.Errorf("accepted %+v", l)
		}
	}
	if err := (&Limit{Requests: Rate{1, caddy.Duration(day)}}).check(); err != nil {
		t.Error(err)
	}
}

// RL-4: no address is exempt, this machine's neither. A reload goes on counting,
// and two limits count apart.
func TestLimit_CountsOnOverReloads(t *testing.T) {
	s := newSite(t, "public /a /b", "handle /a {\npasswordless_limit 3 per 1d\n}\nhandle /b {\npasswordless_limit 3 per 1d\n}")
	c := s.client(t, "h1")
	ask := func(path, accept string) (*http.Response, string) {
		req := s.request(t, http.MethodGet, path, nil)
		req.Header.Set("Accept", accept)
		return do(t, c, req)
	}
	for n := range 3 {
		if res, body := ask("/a", "*/*"); res.StatusCode != http.StatusOK {
			t.Fatalf("request %d: %s %s", n, res.Status, body)
		}
		s.guard = "public /a /b\ndeny user:nobody" + strconv.Itoa(n)
		s.reload(t)
		c.CloseIdleConnections()
	}
	res, body := ask("/a", "*/*")
	var problem struct {
		Status int
		Code   string
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != 429 || problem.Code != "RATE_LIMITED" || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%s %s, %v", res.Status, body, err)
	}
	if after, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || after < 86000 || after > 86401 {
		t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
	}
	if res, body := ask("/a", "text/html"); !strings.HasPrefix(body, "Too many requests. Try again in ") || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("for a person: %s %s", res.Status, body)
	}
	if res, _ := ask("/b", "*/*"); res.StatusCode != http.StatusOK {
		t.Errorf("the other limit: %s", res.Status)
	}
}

// Without a guard there is nothing to sign in to: no store is opened.
func TestLimit_AloneNeedsNoStore(t *testing.T) {
	port := freePort(t)
	caddyfile, _ := isolated(t, "http://localhost:"+port+" {\nroute {\npasswordless_limit 1 per 1h burst 1 per 1m\nrespond hi\n}\n}")
	app := run(t, caddyfile)
	if app.lease != nil || app.current.Load() != nil {
		t.Error("the store was opened")
	}
	for _, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "localhost:" + port
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s, want %d", res.Status, want)
		}
	}
}

// RL-5: behind a peer that is not trusted a client is unknown, and the peer is
// counted. It must not be able to use up what others have.
func TestSource_UnknownClientsAreCountedByTheirPeer_RL5(t *testing.T) {
	ask := func(peer, forwarded string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = peer
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		host, _, _ := net.SplitHostPort(peer)
		vars := map[string]any{caddyhttp.ClientIPVarKey: host}
		return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
	}
	for request, want := range map[*http.Request]string{
		ask("192.0.2.1:1", ""):                     "192.0.2.1",
		ask("192.0.2.1:1", "203.0.113.9"):          "192.0.2.1",
		ask("192.0.2.2:1", "203.0.113.9"):          "192.0.2.2",
		ask("[::ffff:192.0.2.3]:1", "203.0.113.9"): "192.0.2.3",
	} {
		if got := source(request); got.String() != want {
			t.Errorf("%s is counted as %s", request.RemoteAddr, got)
		}
		if client := clientIP(request); client.IsValid() == (request.Header["X-Forwarded-For"] != nil) {
			t.Errorf("%s is known as %s", request.RemoteAddr, client)
		}
	}
}
