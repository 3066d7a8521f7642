package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// FA-1: a client has the address that a trusted proxy said last, and none where
// that is none: never the proxy's own, and never what the client wrote beside.
func TestClientIP_IsWhatTheProxySaidAndNothingElse_FA1(t *testing.T) {
	for _, c := range []struct {
		said     string // X-Forwarded-For; "" is none
		resolved string // by Caddy
		headers  []string
		want     string
	}{
		{"192.0.2.7", "192.0.2.7", nil, "192.0.2.7"},
		{"10.9.9.9, 192.0.2.7", "192.0.2.7", nil, "192.0.2.7"},
		{"10.9.9.9, 192.0.2.7, 10.0.0.2", "192.0.2.7", nil, "192.0.2.7"}, // the last is a proxy of ours
		{"192.0.2.7:1234", "192.0.2.7", nil, "192.0.2.7"},
		{"[2001:db8::1]:1234", "2001:db8::1", nil, "2001:db8::1"},
		{"", "10.0.0.1", nil, ""},
		{" ", "10.0.0.1", nil, ""},
		{"unknown", "10.0.0.1", nil, ""},
		{"10.9.9.9, unknown", "10.9.9.9", nil, ""},
		{"10.9.9.9, _hidden", "10.9.9.9", nil, ""},
		{"10.9.9.9,", "10.9.9.9", nil, ""},
		{"10.9.9.9, [2001:db8::1]", "10.9.9.9", nil, ""},
		{"10.0.0.2", "10.0.0.1", nil, ""}, // nobody but proxies
		{"10.0.0.1", "10.0.0.1", nil, ""}, // as the endpoints read it
		{"10.9.9.9", "192.0.2.7", []string{"Cf-Connecting-Ip"}, "192.0.2.7"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		if c.said != "" {
			r.Header.Set("X-Forwarded-For", c.said)
		}
		r.Header.Set("Cf-Connecting-Ip", "192.0.2.7")
		ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: c.resolved, caddyhttp.TrustedProxyVarKey: true})
		ctx = context.WithValue(ctx, caddyhttp.ServerCtxKey, &caddyhttp.Server{ClientIPHeaders: c.headers})
		want, _ := netip.ParseAddr(c.want)
		if got := clientIP(r.WithContext(ctx)); got != want {
			t.Errorf("%q, resolved as %s: %v, want %q", c.said, c.resolved, got, c.want)
		}
	}
}
