package harness

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

func TestUpstream_EchoesWhatItGot(t *testing.T) {
	u, c := StartUpstream(t), NewClient(t, "")
	res := c.Request(http.MethodPost, "http://app.example.test:"+portOfAddr(t, u.Addr)+"/echo?a=b", "hello", "Remote-User", "x", "Remote-User", "y")
	var e Echo
	if err := json.Unmarshal([]byte(res.Body), &e); err != nil {
		t.Fatal(err)
	}
	if e.Method != "POST" || e.URI != "/echo?a=b" || !strings.HasPrefix(e.Host, "app.example.test:") || e.Body != "hello" {
		t.Errorf("%+v", e)
	}
	if got := e.Headers["Remote-User"]; len(got) != 2 || got[0] != "x" || got[1] != "y" {
		t.Errorf("Remote-User %q", got)
	}
	if len(u.Seen()) != 1 {
		t.Errorf("%d requests seen", len(u.Seen()))
	}
}

func TestUpstream_LiveConnectionsAreCounted(t *testing.T) {
	u, c := StartUpstream(t), NewClient(t, "")
	ws, status := c.OpenWebSocket("http://" + u.Addr + "/ws")
	if ws == nil {
		t.Fatalf("status %d", status)
	}
	long := strings.Repeat("x", 300)
	for _, text := range []string{"hello", long} {
		if err := ws.Send(text); err != nil {
			t.Fatal(err)
		}
		if got, err := ws.Receive(); err != nil || got != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	events, status := c.OpenEvents("http://" + u.Addr + "/events")
	if events == nil {
		t.Fatalf("status %d", status)
	}
	for _, want := range []string{"1", "2"} {
		if got, err := events.Next(); err != nil || got != want {
			t.Fatalf("event %q, %v", got, err)
		}
	}
	if u.Live() != 2 {
		t.Errorf("%d live, want 2", u.Live())
	}
	if err := ws.Close(); err != nil {
		t.Error(err)
	}
	if err := events.Close(); err != nil {
		t.Error(err)
	}
	Eventually(t, "waiting for both to end", func() string {
		if u.Live() != 0 {
			return "still open"
		}
		return ""
	})
	if _, err := ws.Receive(); err == nil {
		t.Error("a closed WebSocket still speaks")
	}
}

func TestUpstream_NoWebSocketWithoutAHandshake(t *testing.T) {
	u, c := StartUpstream(t), NewClient(t, "")
	if ws, status := c.OpenWebSocket("http://" + u.Addr + "/echo"); ws != nil || status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if res := c.Request(http.MethodGet, "http://"+u.Addr+"/ws", ""); res.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestRawUpstream_KeepsTheBytes(t *testing.T) {
	raw := StartRawUpstream(t)
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: raw.Addr}))
	defer proxy.Close()
	c := NewClient(t, "")
	res := c.Request(http.MethodPost, proxy.URL+"/p?q=%2F", "body", "Cookie", `a="1"; b=2; odd`)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
	seen := raw.Seen()
	if len(seen) != 1 || !strings.HasPrefix(seen[0], "POST /p?q=%2F HTTP/1.1\r\n") ||
		!strings.Contains(seen[0], "\r\nCookie: a=\"1\"; b=2; odd\r\n") || !strings.HasSuffix(seen[0], "body") {
		t.Errorf("%q", seen)
	}
}

func TestClient_FollowsRedirectsOnlyWhenItNavigates(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "flow", Value: "1", Path: "/", HttpOnly: true})
		http.Redirect(w, r, "/end", http.StatusSeeOther)
	})
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Header.Get("Sec-Fetch-Mode") + " " + r.Header.Get("Cookie")))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	base := "http://app.example.org:" + portOfAddr(t, srv.Listener.Addr().String())
	c := NewClient(t, "")
	if res := c.Request(http.MethodGet, base+"/", ""); res.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", res.StatusCode)
	}
	if res := c.Navigate(base + "/"); res.Body != "navigate flow=1" {
		t.Errorf("%q", res.Body)
	}
	if c.Cookie(base, "flow") != "1" {
		t.Error("the cookie was not kept")
	}
	if res := c.Submit(base+"/", url.Values{"a": {"b"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", res.StatusCode)
	}
}

func portOfAddr(t *testing.T, addr string) string {
	t.Helper()
	u, err := url.Parse("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}
