package caddymodule

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// streamingApp answers what lives longer than a request: /ws speaks lines over
// an upgraded connection, /events sends one event and then nothing. left hears
// of each that ended.
func streamingApp(t *testing.T) (addr string, left chan string) {
	t.Helper()
	left = make(chan string, 100)
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		defer func() { left <- "/ws" }()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello\n")
		_, _ = io.Copy(conn, rw)
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		defer func() { left <- "/events" }()
		w.Header().Set("Content-Type", cmp.Or(r.URL.Query().Get("type"), "text/event-stream; charset=utf-8"))
		fmt.Fprint(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.CloseClientConnections)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), left
}

// newStreamingSite guards the streaming app. A reload leaves its streams alone,
// so that what ends them is ours.
func newStreamingSite(t *testing.T) (*site, chan string) {
	t.Helper()
	addr, left := streamingApp(t)
	return newSite(t, "public /pub/*", "handle_path /pub/* {\nreverse_proxy "+addr+" {\nstream_close_delay 1h\n}\n}\n@stream path /ws /events\nreverse_proxy @stream "+addr+" {\nstream_close_delay 1h\n}"), left
}

// opener opens a stream and returns what comes out of it.
type opener func(*testing.T, *site) io.Reader

func overWebSocket(t *testing.T, s *site) io.Reader {
	t.Helper()
	conn, err := tls.Dial("tcp", "127.0.0.1:"+s.port, s.tls(t, "http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: app.example.test\r\nCookie: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\nSec-WebSocket-Version: 13\r\n\r\n", s.cookie)
	in := bufio.NewReader(deadlined{conn})
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	return in
}

// deadlined bounds every read.
type deadlined struct{ net.Conn }

func (d deadlined) Read(b []byte) (int, error) {
	if err := d.SetReadDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	return d.Conn.Read(b)
}

func overEvents(protocol, accept string) opener {
	return func(t *testing.T, s *site) io.Reader {
		t.Helper()
		c := s.client(t, protocol)
		c.Timeout = 3 * within
		return openEvents(t, c, s, "/events", accept)
	}
}

func openEvents(t *testing.T, c *http.Client, s *site, path, accept string) io.Reader {
	t.Helper()
	req := s.request(t, http.MethodGet, path, nil)
	req.Header.Set("Accept", accept)
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	return res.Body
}

func overHTTP3(t *testing.T, s *site) io.Reader {
	t.Helper()
	tr := &http3.Transport{TLSClientConfig: s.tls(t)}
	t.Cleanup(func() { tr.Close() })
	req := s.request(t, http.MethodGet, "/events", nil)
	req.URL.Host = "127.0.0.1:" + s.port
	req.Host = "app.example.test"
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	return res.Body
}

// ends are the ways in which a session ends.
var ends = map[string]func(*testing.T, *site){
	"revoked": func(t *testing.T, s *site) {
		l := s.live(t)
		if err := s.service().RevokeSession(t.Context(), "test", l.Session.ID); err != nil {
			t.Fatal(err)
		}
	},
	"user disabled": func(t *testing.T, s *site) {
		if err := s.service().DisableUser(t.Context(), "test", "alice"); err != nil {
			t.Fatal(err)
		}
	},
	"user deleted": func(t *testing.T, s *site) {
		if err := s.service().DeleteUser(t.Context(), "test", "alice"); err != nil {
			t.Fatal(err)
		}
	},
	"signed out everywhere": func(t *testing.T, s *site) {
		if err := s.service().SignOutScope(t.Context(), s.live(t), "all", authcore.Client{}); err != nil {
			t.Fatal(err)
		}
	},
	"excluded by a new configuration": func(t *testing.T, s *site) {
		s.guard = "deny user:alice"
		s.reload(t)
	},
	"guard gone with a new configuration": func(t *testing.T, s *site) {
		s.unguarded = true
		s.reload(t)
	},
}

func (s *site) live(t *testing.T) *authcore.Live {
	t.Helper()
	l, _, err := s.service().Current(t.Context(), []string{s.cookie})
	if err != nil || l == nil {
		t.Fatalf("nobody is signed in: %v", err)
	}
	return l
}

// reload loads the site as it is described now.
func (s *site) reload(t *testing.T) {
	t.Helper()
	raw, err := adapt(t, s.caddyfile())
	if err != nil {
		t.Fatal(err)
	}
	load(t, raw)
	s.app = running(t)
}

func testEnds(t *testing.T, open opener) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s, left := newStreamingSite(t)
			stream := open(t, s)
			hello := make([]byte, 5)
			if _, err := io.ReadFull(stream, hello); err != nil {
				t.Fatalf("%q, %v", hello, err)
			}
			end(t, s)
			read := make(chan struct{})
			go func() {
				defer close(read)
				_, _ = io.Copy(io.Discard, stream)
			}()
			for what, over := range map[string]<-chan struct{}{"the browser": read, "the app": first(left)} {
				select {
				case <-over:
				case <-time.After(within):
					t.Errorf("for %s the stream goes on", what)
				}
			}
		})
	}
}

func first(c chan string) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		<-c
		close(over)
	}()
	return over
}

// DESIGN §5: what lives longer than its session is cut.
func TestStream_WebSocketEndsWithTheSession(t *testing.T) { testEnds(t, overWebSocket) }

func TestStream_EventsEndWithTheSession(t *testing.T) {
	t.Run("h1", func(t *testing.T) { testEnds(t, overEvents("h1", "text/event-stream")) })
	t.Run("h2", func(t *testing.T) { testEnds(t, overEvents("h2", "text/event-stream")) })
}

// An event stream that nobody announced: fetch sends Accept: */*.
func TestStream_UnannouncedEventsEndWithTheSession(t *testing.T) {
	t.Run("h1", func(t *testing.T) { testEnds(t, overEvents("h1", "*/*")) })
	t.Run("h2", func(t *testing.T) { testEnds(t, overEvents("h2", "*/*")) })
	t.Run("h3", func(t *testing.T) { testEnds(t, overHTTP3) })
}

// RFC 9110 section 8.3.1: the case of a media type says nothing.
func TestStream_EventsInAnyCaseEndWithTheSession(t *testing.T) {
	for _, kind := range []string{"Text/Event-Stream", " TEXT/EVENT-STREAM;charset=utf-8"} {
		t.Run(kind, func(t *testing.T) {
			testEnds(t, func(t *testing.T, s *site) io.Reader {
				c := s.client(t, "h2")
				c.Timeout = 3 * within // it must not be the client that ends it
				return openEvents(t, c, s, "/events?type="+url.QueryEscape(kind), "*/*")
			})
		})
	}
}

// SE-5: on a public path the app was told who is here, too. When that is no
// longer so, it has to ask again.
func TestStream_OnAPublicPathEndsWithItsSession_SE5(t *testing.T) {
	s, left := newStreamingSite(t)
	open := func() io.Reader {
		c := s.client(t, "h1")
		c.Timeout = 3 * within // it must not be the client that ends it
		return openEvents(t, c, s, "/pub/events", "text/event-stream")
	}
	own := open()
	cookie := s.cookie
	s.cookie = "other=1"
	nobodys := open()
	s.cookie = cookie
	for _, stream := range []io.Reader{own, nobodys} {
		if _, err := io.ReadFull(stream, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.service().DisableUser(t.Context(), "test", "alice"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-left:
	case <-time.After(within):
		t.Error("the stream of a disabled user goes on")
	}
	if len(left) > 0 {
		t.Error("the stream of nobody was cut as well")
	}
}

// RFC 8441. Go's server offers it under this setting only, which is read when
// the program starts.
func TestStream_ExtendedConnectEndsWithTheSession(t *testing.T) {
	const setting = "http2xconnect=1"
	if !strings.Contains(os.Getenv("GODEBUG"), setting) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG="+setting)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	testEnds(t, func(t *testing.T, s *site) io.Reader {
		t.Helper()
		up, feed := io.Pipe()
		t.Cleanup(func() { feed.Close() })
		req := s.request(t, http.MethodConnect, "/ws", up)
		req.Header.Set(":protocol", "websocket")
		req.Header.Set("Sec-WebSocket-Version", "13")
		tr := &http2.Transport{DialTLSContext: func(ctx context.Context, network, _ string, _ *tls.Config) (net.Conn, error) {
			d := tls.Dialer{Config: s.tls(t, "h2")}
			return d.DialContext(ctx, network, "127.0.0.1:"+s.port)
		}}
		t.Cleanup(tr.CloseIdleConnections)
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
		return res.Body
	})
}

// A stream that has ended is nobody's: its connection goes on with others.
func TestStream_CutAfterItsEndTouchesNothing(t *testing.T) {
	s := newSite(t, "", "")
	s.answerWith("Content-Type: text/event-stream")
	c := s.client(t, "h1")
	for range 3 {
		if res, _ := do(t, c, s.request(t, http.MethodGet, "/", nil)); res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	}
	p := passing{serving: s.app.current.Load(), over: true} // would panic if it reached for the connection
	p.cut()
}

// After a failed reload live streams follow the configuration that goes on, not
// the one that would have excluded them.
func TestStream_FollowsTheRunningOneAfterAFailedReload(t *testing.T) {
	s := newSite(t, "", "")
	p := s.app.lease.value
	config := s.service().Config()
	policy, err := authcore.CompilePolicy(authcore.PolicySpec{Deny: []authcore.Line{{Words: []string{"user:alice"}}}})
	if err != nil {
		t.Fatal(err)
	}
	config.Apps = []authcore.App{{Origin: config.Apps[0].Origin, Policy: policy}}
	svc, err := authcore.NewService(p.rt, config)
	if err != nil {
		t.Fatal(err)
	}
	failed := &serving{svc: svc}
	p.enter(failed) // started, and then another app of its configuration was not
	p.leave(failed)
	request := authcore.Request{Host: "app.example.test", Path: "/", Here: "/", Cookies: []string{s.cookie}}
	decision := s.service().Check(t.Context(), &request)
	var cut atomic.Bool
	release, ok := s.service().Watch(t.Context(), request, &decision, func() { cut.Store(true) })
	if !ok {
		t.Fatal("nobody is signed in")
	}
	defer release()
	// Has the user's streams judged again, before it returns.
	if err := s.service().SetGroups(t.Context(), "test", "alice", []string{"staff"}); err != nil {
		t.Fatal(err)
	}
	if cut.Load() {
		t.Error("the stream was cut")
	}
	p.enter(failed) // so it would have been cut
	if !cut.Load() {
		t.Error("this shows nothing")
	}
	p.leave(failed)
}
