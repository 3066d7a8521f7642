package demo

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func ask(t *testing.T, host string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	l := &Local{Hosts: []string{"app.localhost:8080", "mail.localhost:8080"}}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusTeapot)
		return nil
	})
	if err := l.ServeHTTP(w, r, next); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestLocal_ForwardedRequestIsRefused(t *testing.T) {
	for _, name := range []string{
		"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "x-forwarded-for",
		"X_Forwarded_For", "X-Real-IP", "X-Real-Ip", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Original-URL", "Fly-Client-IP",
	} {
		w := ask(t, "app.localhost:8080", name, "")
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "passed your request on") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := ask(t, "app.localhost:8080", "Accept", "*/*", "X-Requested-With", "x", "Cookie", "a=b"); w.Code != http.StatusTeapot {
		t.Errorf("a direct request: %d", w.Code)
	}
}

func TestLocal_ForeignHostIsRefused(t *testing.T) {
	for host, want := range map[string]int{
		"app.localhost:8080": http.StatusTeapot, "APP.localhost:8080": http.StatusTeapot, "mail.localhost:8080": http.StatusTeapot,
		"localhost:8080": http.StatusMisdirectedRequest, "app.localhost": http.StatusMisdirectedRequest,
		"app.localhost:8081": http.StatusMisdirectedRequest, "app.localhost.evil.example:8080": http.StatusMisdirectedRequest,
		"127.0.0.1:8080": http.StatusMisdirectedRequest, "": http.StatusMisdirectedRequest, "evil.example": http.StatusMisdirectedRequest,
	} {
		if w := ask(t, host); w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
}
