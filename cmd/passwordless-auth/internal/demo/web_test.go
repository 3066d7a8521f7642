package demo

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/websocket"
)

// startWeb serves the apps and the mailbox, without Caddy in front.
func startWeb(t *testing.T) (*httptest.Server, string) {
	t.Helper()
	sink, mail := startSink(t)
	wb, err := newWeb(sites{port: 8080}, sink)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(wb.handler())
	t.Cleanup(srv.Close)
	return srv, mail
}

func get(t *testing.T, srv *httptest.Server, host, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestApp_ShowsWhoIsHere(t *testing.T) {
	srv, _ := startWeb(t)
	for host, other := range map[string]string{"app.localhost": "http://wiki.localhost:8080/", "wiki.localhost:8080": "http://app.localhost:8080/"} {
		res, body := get(t, srv, host, "/", "Remote-User", "alice", "Remote-Email", "alice@example.com", "Remote-Name", "Al%C3%AFce %3Cb%3E")
		for _, part := range []string{
			"Hello, Alïce &lt;b&gt;", "alice@example.com", "Remote-User", `href="` + other + `"`,
			`href="http://auth.localhost:8080/account"`, `href="http://mail.localhost:8080/"`, `<form method="post" action="/.auth/logout">`,
		} {
			if !strings.Contains(body, part) {
				t.Errorf("%s: no %s in\n%s", host, part, body)
			}
		}
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "form-action 'self' http://auth.localhost:8080") {
			t.Errorf("CSP %s", csp)
		}
	}
}

func TestApp_NobodyIsHereWithoutTheGuard(t *testing.T) {
	srv, _ := startWeb(t)
	if _, body := get(t, srv, "app.localhost", "/"); !strings.Contains(body, "Nobody is signed in") || strings.Contains(body, "Sign out") {
		t.Errorf("got\n%s", body)
	}
}

func TestApp_EchoesTheRequest(t *testing.T) {
	srv, _ := startWeb(t)
	_, body := get(t, srv, "app.localhost:8080", "/echo?a=%2F", "X-Test", "1")
	var e struct {
		Method, URI, Host string
		Headers           map[string][]string
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	if e.Method != "GET" || e.URI != "/echo?a=%2F" || e.Host != "app.localhost:8080" || len(e.Headers["X-Test"]) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestApp_RepeatsMessagesWhateverTheOrigin(t *testing.T) {
	srv, _ := startWeb(t)
	cfg, err := websocket.NewConfig("ws"+strings.TrimPrefix(srv.URL, "http")+"/ws", "http://elsewhere.example")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Location.Host = "app.localhost:8080"
	raw, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := websocket.NewClient(cfg, raw)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for _, want := range []string{"hello", "ünïcode"} {
		var got string
		if err := websocket.Message.Send(conn, want); err != nil {
			t.Fatal(err)
		}
		if err := websocket.Message.Receive(conn, &got); err != nil || got != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestApp_TicksUntilTheClientLeaves(t *testing.T) {
	srv, _ := startWeb(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "wiki.localhost"
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if ct := res.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("type %s", ct)
	}
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || line != "data: 1\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestMailbox_ShowsCodeAndLinkNewestFirst(t *testing.T) {
	srv, mail := startWeb(t)
	_, empty := get(t, srv, "mail.localhost", "/messages.json")
	if strings.TrimSpace(empty) != "[]" {
		t.Errorf("empty: %s", empty)
	}
	if _, body := get(t, srv, "mail.localhost", "/"); !strings.Contains(body, "No mail yet") || !strings.Contains(body, `data-version="0"`) {
		t.Errorf("empty page:\n%s", body)
	}
	for _, m := range []string{signInMail, "Subject: <b>second</b>\n\nno code\n"} {
		if err := send(t, mail, "alice@example.com", m); err != nil {
			t.Fatal(err)
		}
	}
	_, body := get(t, srv, "mail.localhost", "/messages.json")
	var list []map[string]string
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0]["subject"] != "<b>second</b>" || list[1]["to"] != "alice@example.com" || list[1]["html"] != "<p>Hello</p>" || list[1]["date"] == "" {
		t.Errorf("%v", list)
	}
	_, page := get(t, srv, "mail.localhost", "/")
	for _, part := range []string{
		"2 mails", `data-version="2"`, `aria-label="Code">1234 5678<`, `href="http://auth.localhost:8080/login/link#abcDEF"`, "&lt;b&gt;second&lt;/b&gt;",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("no %s in\n%s", part, page)
		}
	}
	if strings.Index(page, "second") > strings.Index(page, "1234 5678") {
		t.Error("the newest mail is not first")
	}
}

func TestWeb_EachHostHasItsOwnPaths(t *testing.T) {
	srv, _ := startWeb(t)
	for target, want := range map[string]int{
		"app.localhost/assets/demo.css": 200, "mail.localhost/assets/mailbox.js": 200, "wiki.localhost/assets/live.js": 200,
		"app.localhost/messages.json": 404, "mail.localhost/echo": 404, "auth.localhost/": 404, "evil.example/echo": 404, "app.localhost/nothing": 404,
	} {
		host, path, _ := strings.Cut(target, "/")
		if res, _ := get(t, srv, host, "/"+path); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", target, res.StatusCode, want)
		}
	}
}

func TestPieces_LoseNothing(t *testing.T) {
	for _, text := range []string{"", "plain", "http://a.example/b", "see http://a.example/#x and https://b.example.", "javascript:alert(1)"} {
		var all strings.Builder
		for _, p := range pieces(text) {
			all.WriteString(p.Text)
			if p.Link != "" && !strings.HasPrefix(p.Link, "http") {
				t.Errorf("%q is a link", p.Link)
			}
		}
		if all.String() != text {
			t.Errorf("%q became %q", text, all.String())
		}
	}
}
