package authcore

import (
	"net/http"
	"testing"
)

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

var (
	page   = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none", "Accept", "text/html"}
	form   = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}
	across = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site", "Accept", "text/html"}
	fetch  = []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}
)

func TestNegotiate_OnlyPageLoadsAreRedirected_FA8(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		h      http.Header
		want   ClientKind
	}{
		"page load":                 {"GET", headers(page...), Navigation},
		"HEAD of a page":            {"HEAD", headers(page...), Navigation},
		"old browser":               {"GET", headers("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"), Navigation},
		"form of this origin":       {"POST", headers(form...), PostSame},
		"form of another":           {"POST", headers(across...), PostOther},
		"form of an old browser":    {"POST", headers("Accept", "text/html"), PostOther},
		"fetch":                     {"GET", headers(fetch...), Program},
		"fetch that posts":          {"POST", headers(fetch...), Program},
		"frame":                     {"GET", headers("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"), Program},
		"image":                     {"GET", headers("Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"), Program},
		"service worker":            {"GET", headers("Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "serviceworker"), Program},
		"manifest":                  {"GET", headers("Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "manifest"), Program},
		"service worker of old":     {"GET", headers("Service-Worker", "script", "Accept", "text/html"), Program},
		"CORS preflight":            {"OPTIONS", headers("Access-Control-Request-Method", "PUT", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"), Program},
		"preflight of old":          {"OPTIONS", headers("Access-Control-Request-Method", "PUT", "Accept", "text/html"), Program},
		"websocket":                 {"GET", headers("Sec-Websocket-Key", "x", "Accept", "text/html"), Program},
		"XHR of old":                {"GET", headers("X-Requested-With", "XMLHttpRequest", "Accept", "text/html"), Program},
		"event stream":              {"GET", headers("Accept", "text/event-stream"), Program},
		"JSON":                      {"GET", headers("Accept", "application/json"), Program},
		"gRPC":                      {"POST", headers("Content-Type", "application/grpc+proto", "Accept", "text/html"), Program},
		"curl":                      {"GET", headers("Accept", "*/*"), Program},
		"nothing":                   {"GET", headers(), Program},
		"a browser's name (FA-11)":  {"GET", headers("User-Agent", "Mozilla/5.0"), Program},
		"DELETE of a page":          {"DELETE", headers(page...), Program},
		"unknown method":            {"BREW", headers(page...), Program},
		"method in small letters":   {"get", headers(page...), Program},
		"prefetch":                  {"GET", headers(append([]string{"Sec-Purpose", "prefetch"}, page...)...), Prefetch},
		"prerender":                 {"GET", headers(append([]string{"Sec-Purpose", "prefetch;prerender"}, page...)...), Prefetch},
		"prefetch of an older kind": {"GET", headers(append([]string{"Purpose", "prefetch"}, page...)...), Prefetch},
		"prefetch of old Firefox":   {"GET", headers(append([]string{"X-Moz", "prefetch"}, page...)...), Prefetch},
		"preview of Safari":         {"GET", headers(append([]string{"X-Purpose", "preview"}, page...)...), Prefetch},
	} {
		if got := Negotiate(c.method, c.h); got != c.want {
			t.Errorf("%s is kind %d, want %d", name, got, c.want)
		}
	}
}

func TestMayAct_OnlyOnAPageLoad(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		h      http.Header
		want   bool
	}{
		"page load":       {"GET", headers(page...), true},
		"from elsewhere":  {"GET", headers(across...), true},
		"old browser":     {"GET", headers("Accept", "text/html"), true},
		"HEAD":            {"HEAD", headers(page...), false},
		"POST":            {"POST", headers(form...), false},
		"fetch":           {"GET", headers(fetch...), false},
		"frame":           {"GET", headers("Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), false},
		"mode alone":      {"GET", headers("Sec-Fetch-Mode", "navigate"), false},
		"site alone":      {"GET", headers("Sec-Fetch-Site", "cross-site"), false},
		"prefetch":        {"GET", headers(append([]string{"Sec-Purpose", "prefetch"}, page...)...), false},
		"older prefetch":  {"GET", headers("Purpose", "prefetch"), false},
		"preview":         {"GET", headers("X-Purpose", "preview", "Accept", "text/html"), false},
		"unknown purpose": {"GET", headers(append([]string{"Sec-Purpose", "x"}, page...)...), false},
	} {
		if got := MayAct(c.method, c.h); got != c.want {
			t.Errorf("%s may act: %v, want %v", name, got, c.want)
		}
	}
}

func TestSameOrigin_SecFetchSiteDecidesWhereItIs_CS1(t *testing.T) {
	o := originOf(t, portalOrigin)
	for name, c := range map[string]struct {
		h    http.Header
		want bool
	}{
		"same origin":               {headers("Sec-Fetch-Site", "same-origin"), true},
		"same origin, null Origin":  {headers("Sec-Fetch-Site", "same-origin", "Origin", "null"), true},
		"same site":                 {headers("Sec-Fetch-Site", "same-site", "Origin", portalOrigin), false},
		"cross site":                {headers("Sec-Fetch-Site", "cross-site", "Origin", portalOrigin), false},
		"none":                      {headers("Sec-Fetch-Site", "none"), false},
		"two":                       {headers("Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"), false},
		"old browser":               {headers("Origin", portalOrigin), true},
		"old browser, elsewhere":    {headers("Origin", "https://evil.example"), false},
		"old browser, port":         {headers("Origin", portalOrigin+":8443"), false},
		"old browser, http":         {headers("Origin", "http://"+portalHost), false},
		"old browser, begins alike": {headers("Origin", portalOrigin+".evil.example"), false},
		"old browser, null":         {headers("Origin", "null"), false},
		"old browser, two":          {headers("Origin", portalOrigin, "Origin", portalOrigin), false},
		"neither":                   {headers(), false},
	} {
		if got := SameOrigin(c.h, o); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
