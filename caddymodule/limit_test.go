package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
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

// alone is a limit that needs no server.
func alone(requests Rate) *Limit {
	l := &Limit{Requests: requests, app: new(App)}
	l.app.limiting.Store(&limiting{store: ratelimit.NewStore(0, time.Now), names: map[*Limit]string{l: "srv0/0"}})
	return l
}

// from is a request of a client that Caddy resolved so.
func from(client, peer string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = peer
	r.Header.Set("X-Forwarded-For", client)
	vars := map[string]any{caddyhttp.ClientIPVarKey: client, caddyhttp.TrustedProxyVarKey: client != peer}
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
}

// ask sends a request through the limit and reports whether it got through.
func (l *Limit) ask(t *testing.T, r *http.Request) bool {
	t.Helper()
	passed := false
	w := httptest.NewRecorder()
	err := l.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		passed = true
		return errors.New("what the app answers makes no difference")
	}))
	if (err == nil) == passed || passed == (w.Code == http.StatusTooManyRequests) {
		t.Errorf("passed: %v, status %d, %v", passed, w.Code, err)
	}
	return passed
}

// RL-1: an IPv6 client has as many addresses as it likes, within one network.
// IPv4 written as IPv6 is IPv4.
func TestLimit_CountsNetworks_RL1(t *testing.T) {
	l := alone(Rate{2, caddy.Duration(day)})
	for _, step := range []struct {
		client string
		passes bool
	}{
		{"2001:db8:1:2::1", true}, {"2001:db8:1:2:ffff::1", true}, {"2001:db8:1:2::3", false}, // one /64
		{"2001:db8:1:3::1", true}, {"2001:db8:1:3::2", true}, // another one of the same /56
		{"2001:db8:1:4::1", false},                                                        // which has twice as much
		{"2001:db8:1:100::1", true}, {"2001:db8:1:100::2", true}, {"2001:db8:2::1", true}, // another /56, another /48
		{"192.0.2.1", true}, {"::ffff:192.0.2.1", true}, {"192.0.2.1", false}, {"192.0.2.2", true},
	} {
		if got := l.ask(t, from(step.client, "10.0.0.1:1")); got != step.passes {
			t.Errorf("%s passes: %v", step.client, got)
		}
	}
}

// FA-1: clients of a trusted proxy count each for itself; for what nobody
// trusted says, the peer counts, however it is varied.
func TestLimit_CountsTheClientThatIsKnown_FA1(t *testing.T) {
	l := alone(Rate{1, caddy.Duration(day)})
	for _, client := range []string{"203.0.113.1", "203.0.113.2"} {
		if !l.ask(t, from(client, "10.0.0.1:1")) || l.ask(t, from(client, "10.0.0.1:2")) {
			t.Errorf("%s behind the proxy is not counted for itself", client)
		}
	}
	for n, name := range forwarding {
		r := from("192.0.2.9", "192.0.2.9:1")
		r.Header = http.Header{}
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.9"}))
		r.Header.Set(name, fmt.Sprintf("203.0.113.%d", 10+n))
		if got := l.ask(t, r); got != (n == 0) {
			t.Errorf("with %s: passes %v", name, got)
		}
	}
}

// RL-3: of parallel requests not one too many passes, whatever comes of them.
func TestLimit_IsExactUnderConcurrency_RL3(t *testing.T) {
	l := alone(Rate{20, caddy.Duration(day)})
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if l.ask(t, from("192.0.2.1", "10.0.0.1:1")) {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 20 {
		t.Errorf("%d passed", passed.Load())
	}
}

// A limit that the app does not find among the routes would count nothing.
func TestLimit_IsRefusedWhereItCannotCount(t *testing.T) {
	caddyfile, _ := isolated(t, "http://localhost:"+freePort(t)+" {\nreverse_proxy 127.0.0.1:1 {\nhandle_response {\npasswordless_limit 1 per 1h\n}\n}\n}")
	if err := caddy.Validate(config(t, caddyfile)); err == nil || !strings.Contains(err.Error(), "passwordless_limit stands inside reverse_proxy, where it cannot work") {
		t.Errorf("error %v", err)
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
