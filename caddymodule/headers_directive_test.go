package caddymodule

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// preset is what passwordless_headers gives without a word of configuration,
// over https.
var preset = map[string]string{
	"X-Content-Type-Options":    "nosniff",
	"Referrer-Policy":           "strict-origin-when-cross-origin",
	"X-Frame-Options":           "DENY",
	"Permissions-Policy":        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
	"Strict-Transport-Security": "max-age=31536000",
}

// but is the preset with other values; "" leaves a header out.
func but(changes ...string) map[string]string {
	want := maps.Clone(preset)
	for i := 0; i < len(changes); i += 2 {
		if want[changes[i]] = changes[i+1]; changes[i+1] == "" {
			delete(want, changes[i])
		}
	}
	return want
}

// protecting are the headers of the preset that an answer has; what stands
// twice is joined, and so equal to nothing.
func protecting(h http.Header) map[string]string {
	got := make(map[string]string)
	for name := range preset {
		if values := h.Values(name); len(values) > 0 {
			got[name] = strings.Join(values, " | ")
		}
	}
	return got
}

func wantHeaders(t *testing.T, what string, h http.Header, want map[string]string) {
	t.Helper()
	if got := protecting(h); !maps.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// https is a request as Caddy hands it to its handlers.
func https(peer string, vars map[string]any) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.example.test/", nil)
	r.RemoteAddr = peer
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
}

// answered has the handler answer a request by way of app.
func answered(t *testing.T, s *SecurityHeaders, r *http.Request, app http.HandlerFunc) http.Header {
	t.Helper()
	if err := s.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	err := s.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		app(w, r)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return w.Result().Header
}

func sayNothing(http.ResponseWriter, *http.Request) {}

func TestSecurityHeaders_EachWordSaysItsHeader(t *testing.T) {
	for name, tc := range map[string]struct {
		preset SecurityHeaders
		want   map[string]string
	}{
		"nothing":            {SecurityHeaders{}, preset},
		"nosniff on":         {SecurityHeaders{Nosniff: "on"}, preset},
		"nosniff off":        {SecurityHeaders{Nosniff: "off"}, but("X-Content-Type-Options", "")},
		"referrer policy":    {SecurityHeaders{ReferrerPolicy: "no-referrer"}, but("Referrer-Policy", "no-referrer")},
		"no referrer policy": {SecurityHeaders{ReferrerPolicy: "off"}, but("Referrer-Policy", "")},
		"frame":              {SecurityHeaders{Frame: "SAMEORIGIN"}, but("X-Frame-Options", "SAMEORIGIN")},
		"no frame":           {SecurityHeaders{Frame: "off"}, but("X-Frame-Options", "")},
		"permissions":        {SecurityHeaders{PermissionsPolicy: "camera=(self)"}, but("Permissions-Policy", "camera=(self)")},
		"no permissions":     {SecurityHeaders{PermissionsPolicy: "off"}, but("Permissions-Policy", "")},
		"no hsts":            {SecurityHeaders{HSTS: HSTS{Off: true}}, but("Strict-Transport-Security", "")},
		"short hsts":         {SecurityHeaders{HSTS: HSTS{MaxAge: caddy.Duration(5 * time.Minute)}}, but("Strict-Transport-Security", "max-age=300")},
		"preload": {
			SecurityHeaders{HSTS: HSTS{MaxAge: caddy.Duration(2 * defaultMaxAge), Subdomains: true, Preload: true}},
			but("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload"),
		},
	} {
		wantHeaders(t, name, answered(t, &tc.preset, https("192.0.2.1:1", map[string]any{}), sayNothing), tc.want)
	}
}

// What the app says stays as it says it, also where it says that it wants none.
func TestSecurityHeaders_TheAppsWordCounts(t *testing.T) {
	h := answered(t, new(SecurityHeaders), https("192.0.2.1:1", map[string]any{}), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Frame-Options", "SAMEORIGIN")
		w.Header()["Permissions-Policy"] = nil // how a handler keeps a header out
		w.Header().Set("Strict-Transport-Security", "max-age=0")
		w.Header().Set("X-Powered-By", "app")
		fmt.Fprint(w, "hi")
	})
	wantHeaders(t, "with values of its own", h, but("X-Frame-Options", "SAMEORIGIN", "Permissions-Policy", "", "Strict-Transport-Security", "max-age=0"))
	if h.Get("X-Powered-By") != "app" {
		t.Error("something was taken away")
	}
}

// RFC 6797 section 7.2: never over http. A TLS proxy in front counts if Caddy
// trusts it, and a client that says it is one does not (FA-1).
func TestSecurityHeaders_HSTSOverHTTPSOnly_FA1(t *testing.T) {
	for name, tc := range map[string]struct {
		trusted bool
		proto   []string
		want    bool
	}{
		"plain":                  {false, nil, false},
		"a client that claims":   {false, []string{"https"}, false},
		"a trusted proxy":        {true, []string{"https"}, true},
		"a trusted plain proxy":  {true, []string{"http"}, false},
		"a trusted silent proxy": {true, nil, false},
		"two words":              {true, []string{"https", "http"}, false},
		"a list":                 {true, []string{"https, http"}, false},
	} {
		r := https("192.0.2.1:1", map[string]any{caddyhttp.TrustedProxyVarKey: tc.trusted})
		r.TLS = nil
		r.Header["X-Forwarded-Proto"] = tc.proto
		got := answered(t, new(SecurityHeaders), r, sayNothing)
		if _, ok := got["Strict-Transport-Security"]; ok != tc.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Of several that match, the first counts: with "frame off" for one path, the
// DENY of all others must not come back.
func TestSecurityHeaders_TheMostSpecificAloneCounts(t *testing.T) {
	s := newSite(t, "public /embed /other", "passwordless_headers\npasswordless_headers /embed* {\nframe off\nhsts off\n}")
	for path, want := range map[string]map[string]string{
		"/other": preset,
		"/embed": but("X-Frame-Options", "", "Strict-Transport-Security", ""),
	} {
		res, _ := do(t, s.client(t, "h2"), s.request(t, http.MethodGet, path, nil))
		wantHeaders(t, path, res.Header, want)
	}
}

// Whatever answers: the app, Caddy about an app that is gone, an error and its
// error route, a limit, a redirect.
func TestSecurityHeaders_OnEveryAnswer(t *testing.T) {
	s := newSite(t, "public /open/*", `passwordless_headers
	error /open/error 418
	error /open/caught 503
	handle_errors 503 {
		passwordless_headers {
			frame off
		}
		respond "sorry" 503
	}
	redir /open/old /open/new
	reverse_proxy /open/gone 127.0.0.1:1
	passwordless_limit /open/limited 1 per 1d
	respond /open/quiet 204`)
	for _, protocol := range []string{"h1", "h2"} {
		c := s.client(t, protocol)
		for _, ask := range []struct {
			path   string
			status int
		}{
			{"/open/app", 200},
			{"/open/error", 418},
			{"/open/caught", 503},
			{"/open/old", 302},
			{"/open/gone", 502},
			{"/open/limited", 0},
			{"/open/limited", 429},
			{"/open/quiet", 204},
		} {
			res, _ := do(t, c, s.request(t, http.MethodGet, ask.path, nil))
			if ask.status != 0 && res.StatusCode != ask.status {
				t.Errorf("%s %s: %s", protocol, ask.path, res.Status)
			}
			wantHeaders(t, protocol+" "+ask.path, res.Header, preset)
		}
	}
}

// WB-1: our own pages are stricter, and stay so, whatever the app's preset is.
// Only for HSTS may the site ask for more, and then all of its host must: a
// browser forgets subdomains with the first answer that does not name them.
func TestSecurityHeaders_OurPagesStayStrict_WB1(t *testing.T) {
	s := newSite(t, "", "")
	for hsts, want := range map[string]string{
		"":                             "max-age=31536000",
		"hsts off":                     "max-age=31536000",
		"hsts 300s subdomains":         "max-age=31536000",
		"hsts 365d subdomains":         "max-age=31536000; includeSubDomains",
		"hsts 730d subdomains preload": "max-age=63072000; includeSubDomains; preload",
		"frame SAMEORIGIN\nreferrer_policy unsafe-url\npermissions_policy \"camera=*\"": "max-age=31536000",
	} {
		s.rest = "passwordless_headers {\n" + hsts + "\n}"
		s.reload(t)
		c := s.client(t, "h1")
		for _, path := range []string{"/", "/.auth/login", "/.auth/nothing"} {
			req := s.request(t, http.MethodGet, path, nil)
			req.Header.Del("Cookie")
			res, _ := do(t, c, req)
			h := res.Header
			if h.Get("Strict-Transport-Security") != want || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "same-origin" ||
				len(h.Values("X-Frame-Options"))+len(h.Values("Referrer-Policy"))+len(h.Values("Strict-Transport-Security")) != 3 {
				t.Errorf("%q %s: %s %q", hsts, path, res.Status, h)
			}
			if policy := h.Get("Permissions-Policy"); path == "/.auth/login" && !strings.Contains(policy, "publickey-credentials-get=(self)") {
				t.Errorf("%q: passkeys are not allowed on the page that needs them: %q", hsts, policy)
			}
		}
		c.CloseIdleConnections()
	}
}

// JSON has no parser of ours in front: the same is refused when it is loaded.
func TestSecurityHeaders_RefusedInJSONToo(t *testing.T) {
	for _, s := range []SecurityHeaders{
		{Nosniff: "nosniff"},
		{Nosniff: "on\r\nX-Evil: 1"},
		{ReferrerPolicy: "always"},
		{ReferrerPolicy: "origin\r\nX-Evil: 1"},
		{Frame: "ALLOWALL"},
		{Frame: "DENY\n"},
		{PermissionsPolicy: "camera=()\r\nX-Evil: 1"},
		{PermissionsPolicy: "camera=()\n"},
		{PermissionsPolicy: "camera=(\x00)"},
		{HSTS: HSTS{Off: true, Subdomains: true}},
		{HSTS: HSTS{MaxAge: 1}},
		{HSTS: HSTS{MaxAge: -1}},
		{HSTS: HSTS{Preload: true}},
		{HSTS: HSTS{Preload: true, Subdomains: true, MaxAge: caddy.Duration(day)}},
	} {
		if err := s.Provision(caddy.Context{}); err == nil || !strings.HasPrefix(err.Error(), "passwordless_headers: ") {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestPermissionsPolicy_WhatBrowsersRead(t *testing.T) {
	for value, want := range map[string]bool{
		defaultPermissionsPolicy:                              true,
		`camera=(self "https://meet.example.com"), usb=*`:     true,
		`geolocation=self,midi=( self  "https://a.example" )`: true,
		`fullscreen=(self);report-to=main`:                    true,
		`picture-in-picture="https://a.example:8443"`:         true,
		`camera 'none'`:                      false,
		`camera='none'`:                      false,
		`camera=none`:                        false,
		`camera=()usb=()`:                    false,
		`camera=(), `:                        false,
		`camera=(self, "https://a.example")`: false,
		`camera=(https://a.example)`:         false,
		`Camera=()`:                          false,
		`camera=("a" `:                       false,
		"camera=(),\tusb=()":                 false,
		`camera=("é")`:                       false,
		``:                                   false,
	} {
		if permissionsPolicy.MatchString(value) != want {
			t.Errorf("%q is accepted: %v", value, !want)
		}
	}
}
