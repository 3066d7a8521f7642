package caddymodule

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Headers are for the final answer. An upgraded connection is no page, and what
// comes before an answer is not one.
func TestSecurityHeaders_LeaveUpgradesAndEarlyHintsAlone(t *testing.T) {
	s := new(SecurityHeaders)
	if err := s.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
		err := s.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			if r.URL.Path == "/hints" {
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
				_, err := io.WriteString(w, "page")
				return err
			}
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = io.Copy(conn, rw)
			return err
		}))
		if err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()

	var early http.Header
	trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		early = http.Header(h)
		return nil
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, srv.URL+"/hints", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, body := do(t, srv.Client(), req)
	wantHeaders(t, "the answer", res.Header, preset)
	wantHeaders(t, "the hint", early, map[string]string{})
	if body != "page" || early.Get("Link") == "" {
		t.Errorf("%q after the hint %q", body, early)
	}

	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	if res, err = srv.Client().Do(req); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	wantHeaders(t, "the upgrade", res.Header, map[string]string{})
	echo := make([]byte, 5)
	conn, ok := res.Body.(io.ReadWriter)
	if !ok || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res.Status)
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, echo); err != nil || string(echo) != "hello" {
		t.Errorf("%q, %v", echo, err)
	}
}

// A WebSocket and an event stream live on behind headers, guard and proxy.
func TestSecurityHeaders_StreamsPass(t *testing.T) {
	addr, _ := streamingApp(t)
	s := newSite(t, "", "passwordless_headers\n@stream path /ws /events\nreverse_proxy @stream "+addr)
	for name, open := range map[string]opener{
		"WebSocket": overWebSocket, "events h1": overEvents("h1", "*/*"), "events h2": overEvents("h2", "*/*"), "events h3": overHTTP3,
	} {
		hello := make([]byte, 5)
		if _, err := io.ReadFull(open(t, s), hello); err != nil || !slices.Contains([]string{"hello", "data:"}, string(hello)) {
			t.Errorf("%s: %q, %v", name, hello, err)
		}
	}
}

// flushing notes how an answer was written to the server.
type flushing struct {
	*httptest.ResponseRecorder
	whole bool
}

func (f *flushing) ReadFrom(r io.Reader) (int64, error) {
	f.whole = true
	return io.Copy(f.ResponseRecorder, r)
}

// However a handler begins its answer, the headers are there by then, and the
// server's fast paths are still used.
func TestSecurityHeaders_InTimeHoweverTheAnswerBegins(t *testing.T) {
	for name, begin := range map[string]func(http.ResponseWriter) error{
		"WriteHeader": func(w http.ResponseWriter) error { w.WriteHeader(http.StatusTeapot); return nil },
		"Write":       func(w http.ResponseWriter) error { _, err := w.Write([]byte("a")); return err },
		"ReadFrom": func(w http.ResponseWriter) error {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("a"))
			return err
		},
		"Flush":        func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil },
		"a controller": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
	} {
		s := new(SecurityHeaders)
		if err := s.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		w := &flushing{ResponseRecorder: httptest.NewRecorder()}
		err := s.ServeHTTP(w, https("192.0.2.1:1", map[string]any{}), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			return begin(w)
		}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantHeaders(t, name, w.Result().Header, preset) // the recorder keeps those of the beginning
		if w.whole != (name == "ReadFrom") || w.Flushed != (name == "Flush" || name == "a controller") {
			t.Errorf("%s: whole %v, flushed %v", name, w.whole, w.Flushed)
		}
	}
}
