package main

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func anAuthServer(t *testing.T, h http.HandlerFunc) *decider {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &decider{
		name: us, addr: srv.Listener.Addr().String(), path: "/api/authz/forward-auth",
		app: "http://app.localhost:8080", copies: []string{"Remote-User"}, cookies: "passwordless=token",
	}
}

func TestAsking_EachEndpointInItsOwnWords(t *testing.T) {
	d := &decider{path: "/api/authz/forward-auth", app: "http://app.localhost:8080"}
	for endpoint, want := range map[string]struct {
		path  string
		words map[string]string
	}{
		forwardAuth: {"/api/authz/forward-auth", map[string]string{
			"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "app.localhost:8080", "X-Forwarded-Uri": "/",
		}},
		authRequest: {"/api/authz/auth-request", map[string]string{"X-Original-Method": "GET", "X-Original-Url": "http://app.localhost:8080/"}},
		extAuthz:    {"/api/authz/ext-authz/", map[string]string{"X-Forwarded-Proto": "http"}},
	} {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(d.asking(endpoint, "passwordless=token"))))
		if err != nil {
			t.Fatalf("%s: %v", endpoint, err)
		}
		if r.URL.Path != want.path || r.Host != "app.localhost:8080" || r.Header.Get("Cookie") != "theme=dark; passwordless=token" || r.Header.Get("X-Forwarded-For") != client {
			t.Errorf("%s asks %s of %s with %v", endpoint, r.URL, r.Host, r.Header)
		}
		for name := range r.Header {
			if about := strings.HasPrefix(name, "X-") && name != "X-Forwarded-For"; about && r.Header.Get(name) != want.words[name] {
				t.Errorf("%s says %s: %q, want %q", endpoint, name, r.Header.Get(name), want.words[name])
			}
		}
		for name := range want.words {
			if r.Header.Get(name) == "" {
				t.Errorf("%s says no %s", endpoint, name)
			}
		}
	}
}

func TestVerify_BelievesOnlyWhoKnowsTheUser(t *testing.T) {
	knows := func(r *http.Request) bool { return strings.Contains(r.Header.Get("Cookie"), "passwordless=token") }
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // part of the error
	}{
		{"as it should be", func(w http.ResponseWriter, r *http.Request) {
			if !knows(r) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Remote-User", person)
		}, ""},
		{"lets anybody in", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Remote-User", person) }, "for nobody"},
		{"names no user", func(w http.ResponseWriter, r *http.Request) {
			if !knows(r) {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}, "for a signed-in user"},
		{"lets nobody in", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "403 for a signed-in user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := anAuthServer(t, c.answer).verify(context.Background(), forwardAuth)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestVerifySite_RefusesOneThatIsOpenOrSaysNoName(t *testing.T) {
	named := func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Remote-User", person)
		app(w, r)
	}
	for name, c := range map[string]struct {
		site http.HandlerFunc
		want string
	}{
		"open":      {named, "for nobody"},
		"nameless":  {app, "no Remote-User"},
		"shut":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "403"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "302"},
	} {
		srv := httptest.NewServer(c.site)
		d := &decider{name: us, app: "http://app.localhost", copies: []string{"Remote-User"}, cookies: "passwordless=token"}
		err := d.verifySite(context.Background(), srv.Listener.Addr().String())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		srv.Close()
	}
}

func TestList_EveryVariantHasItsRowAndItsServers(t *testing.T) {
	own, edge, other, module := new(server), new(server), new(server), new(server)
	f := &farm{
		scenario: new(scenario), own: own, edge: edge,
		constant: &decider{name: always, app: "http://app.localhost:1", server: own},
		ours:     &decider{name: us, app: "http://app.localhost:1", server: own},
		guard:    &decider{name: inside, app: "http://guard.localhost:1", server: own},
		peers:    []*decider{{name: "tinyauth", app: "http://app.example.com", server: other}},
		modules:  []*decider{{name: "caddy-security", app: "http://127.0.0.1:1", server: module}},
	}
	f.list()
	work := map[string][]*server{
		always: {own}, alwaysAgain: {own}, sameHeaders: {own}, forwardAuth: {own}, authRequest: {own}, extAuthz: {own}, "tinyauth": {other},
		through(always): {edge, own}, through(us): {edge, own}, through("tinyauth"): {edge, other}, inside: {own}, "caddy-security": {module},
	}
	rows := append(askedRows(), siteRows()...)
	for _, v := range f.variants {
		if !slices.Equal(v.work, work[v.name]) {
			t.Errorf("%s is the work of %v", v.name, v.work)
		}
		if !slices.Contains(rows, v.name) {
			t.Errorf("%s has no row", v.name)
		}
		if want := v.name == through(always) || v.name == through(us) || v.name == "caddy-security"; v.seldom != want {
			t.Errorf("%s is seldom measured: %t", v.name, v.seldom)
		}
		delete(work, v.name)
	}
	if len(work) > 0 {
		t.Errorf("not compared: %v", work)
	}
	if f.peers = nil; !f.seldom(inside) {
		t.Error("without peers, no target depends on the guard here")
	}
}
