package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// onward are the headers that reach the app.
func (f *fake) onward(r *http.Request, in bool) http.Header {
	h := r.Header.Clone()
	for name := range h {
		for _, ours := range identityNames {
			exact := name == http.CanonicalHeaderKey(ours)
			keep := f.flaw == "spellings" && !exact || f.flaw == "keeps Remote-Groups" && ours == "Remote-Groups" || f.flaw == "public identity" && !in
			if fold(name) == fold(ours) && !keep {
				delete(h, name)
			}
		}
	}
	if in {
		for name, value := range f.probe.Identity {
			if value != "" && (f.flaw != "no Remote-Sub" || name != "Remote-Sub") {
				h.Set(name, value)
			}
		}
		if f.flaw != "no assertion" {
			h.Set("Remote-Jwt", "a.b.c")
		}
	}
	if f.flaw != "token to the app" && (strings.Contains(h.Get("Authorization"), "pwl_") || strings.HasPrefix(h.Get("Authorization"), "Basic ZG9jdG9yOn")) || f.flaw == "no Authorization" {
		h.Del("Authorization")
	}
	if f.kind() == "" && f.flaw != "cookie to the app" || f.flaw == "no cookies" {
		var kept []string
		for part := range strings.SplitSeq(h.Get("Cookie"), "; ") {
			if !strings.Contains(part, session) && f.flaw != "no cookies" {
				kept = append(kept, part)
			}
		}
		h.Set("Cookie", strings.Join(kept, "; "))
	}
	anyUpgrade := f.flaw == "any upgrade" || f.flaw == "switches to h2c"
	if f.flaw == "no upgrade" || h.Get("Upgrade") != "websocket" && !anyUpgrade {
		h.Del("Upgrade")
	}
	return h
}

// app is the app behind it all, which says what it gets.
func (f *fake) app(w http.ResponseWriter, r *http.Request, in bool) {
	h := f.onward(r, in)
	f.note(Seen{Place: handed, Header: h, Query: r.URL.RawQuery})
	if f.flaw == "switches to h2c" && h.Get("Upgrade") == "h2c" {
		w.WriteHeader(http.StatusSwitchingProtocols)
		return
	}
	switch r.URL.Path {
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		if f.flaw != "buffered" {
			fmt.Fprint(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-time.After(3 * time.Second):
		}
		return
	case "/ws":
		if f.flaw != "no upgrade" && f.flaw != "only an echo" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
				conn.Close()
			}
			return
		}
	}
	f.echo(w, r, h)
}

func (f *fake) echo(w http.ResponseWriter, r *http.Request, h http.Header) {
	body, _ := io.ReadAll(r.Body)
	if f.flaw == "no body" {
		body, h = nil, h.Clone()
		h.Del("Content-Length")
	}
	method := r.Method
	switch {
	case f.flaw == "POST as GET":
		method = http.MethodGet
	case f.flaw == "no HEAD" && method == http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case f.flaw == "small headers" && len(h.Get("Cookie")) > 8<<10:
		w.WriteHeader(http.StatusBadGateway)
		return
	case f.flaw == "clean refusal" && len(h.Get("Cookie")) > 8<<10:
		w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	if f.flaw != "bare pages" {
		for _, name := range []string{"Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"} {
			w.Header().Set(name, "x")
		}
	}
	if f.flaw == "no echo" {
		fmt.Fprint(w, "hello")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(echoed{method, r.RequestURI, r.Host, h, string(body)})
}
