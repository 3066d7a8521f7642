package forwardauth

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// words is a check request in one vocabulary, header by header.
type words map[string][]string

func (w words) but(name string, values ...string) words {
	other := words{}
	for k, v := range w {
		other[k] = v
	}
	if other[name] = values; values == nil {
		delete(other, name)
	}
	return other
}

// request makes the check request; "host" and "uri" are Envoy's.
func (w words) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.RequestURI, r.Header = "decider.internal", "/elsewhere", http.Header{}
	for name, values := range w {
		switch name {
		case "method":
			r.Method = values[0]
		case "host":
			r.Host = values[0]
		case "uri":
			r.RequestURI = values[0]
		default:
			r.Header[name] = values
		}
	}
	return r
}

// Each says: POST https://app.example.com:8443/a%20b?c=d
var (
	sayForward = words{"X-Forwarded-Method": {"POST"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.example.com:8443"}, "X-Forwarded-Uri": {"/a%20b?c=d"}}
	sayRequest = words{"X-Original-Method": {"POST"}, "X-Original-Url": {"https://app.example.com:8443/a%20b?c=d"}}
	sayExt     = words{"method": {"POST"}, "host": {"app.example.com:8443"}, "X-Forwarded-Proto": {"https"}, "uri": {"/api/authz/ext-authz/a%20b?c=d"}}
	said       = asked{"POST", "https", "app.example.com", "8443", "/a%20b?c=d", "/a%20b", "/a b"}
)

type spoken struct {
	name string
	v    *vocabulary
	say  words
}

var spokens = []spoken{{"forward-auth", &forwardAuth, sayForward}, {"auth-request", &authRequest, sayRequest}, {"ext-authz", &extAuthz, sayExt}}

func (s spoken) read(w words) (asked, error) { return s.v.read(w.request(), s.v.endpoint) }

// FA-2: what another vocabulary would say changes nothing.
func TestVocabulary_ReadsItsOwnHeadersAlone(t *testing.T) {
	lies := words{
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Uri": {"/healthz"},
		"X-Original-Method": {"GET"}, "X-Original-Url": {"http://evil.example/healthz"}, "X-Original-Uri": {"/healthz"}, "X-Original-Host": {"evil.example"},
		"X-Forwarded-Server": {"evil.example"}, "X-Forwarded-Port": {"80"}, "X-Forwarded-Prefix": {"/x"}, "X-Forwarded-Ssl": {"off"}, "X-Forwarded-Scheme": {"http"},
		"X-Rewrite-Url": {"/healthz"}, "X-Http-Method-Override": {"GET"}, "X-Auth-Request-Redirect": {"/healthz"}, "Forwarded": {"host=evil.example;proto=http"},
		"X-Real-Ip": {"10.0.0.1"}, "X_forwarded_host": {"evil.example"}, "X-Envoy-Original-Path": {"/healthz"},
	}
	for _, s := range spokens {
		all := words{}
		for _, w := range []words{lies, s.say} {
			for name, values := range w {
				all[name] = values
			}
		}
		got, err := s.read(all)
		if err != nil || got != said {
			t.Errorf("%s reads %+v, %v", s.name, got, err)
		}
	}
}

// FA-3: each component exactly once, and never the check request's own.
func TestVocabulary_EachComponentExactlyOnce(t *testing.T) {
	for _, s := range spokens {
		for name, values := range s.say {
			if name == strings.ToLower(name) { // the request line has it once, or is none
				continue
			}
			for what, bad := range map[string][]string{
				"missing": nil, "empty": {""}, "doubled": {values[0], values[0]}, "doubled by nothing": {values[0], ""}, "no value": {},
				"a list": {values[0] + ", " + values[0]}, "blank": {" "},
			} {
				if got, err := s.read(s.say.but(name, bad...)); err == nil {
					t.Errorf("%s: %s %s reads %+v", s.name, name, what, got)
				} else if !strings.Contains(err.Error(), name) {
					t.Errorf("%s: %s %s says %q", s.name, name, what, err)
				}
			}
		}
	}
	for _, w := range []words{
		sayExt.but("uri", "/api/authz/ext-authz"), sayExt.but("uri", "/api/authz/ext-authz?x"), sayExt.but("uri", "/other/x"), sayExt.but("uri", "http://h/api/authz/ext-authz/x"),
		sayExt.but("uri", "/api/authz/ext-authzx"), sayExt.but("uri", ""), sayExt.but("host", ""), sayExt.but("method", ""),
	} {
		if got, err := spokens[2].read(w); err == nil {
			t.Errorf("ext-authz: %v reads %+v", w, got)
		}
	}
}

// in puts one component into each vocabulary.
func (s spoken) in(component, value string) words {
	switch s.name {
	case "forward-auth":
		return s.say.but(map[string]string{"method": "X-Forwarded-Method", "scheme": "X-Forwarded-Proto", "host": "X-Forwarded-Host", "uri": "X-Forwarded-Uri"}[component], value)
	case "auth-request":
		whole := map[string]string{"scheme": "https", "host": "app.example.com:8443", "uri": "/a%20b?c=d"}
		if component == "method" {
			return s.say.but("X-Original-Method", value)
		}
		whole[component] = value
		return s.say.but("X-Original-Url", whole["scheme"]+"://"+whole["host"]+whole["uri"])
	}
	switch component {
	case "scheme":
		return s.say.but("X-Forwarded-Proto", value)
	case "uri":
		return s.say.but("uri", s.v.endpoint+value)
	}
	return s.say.but(component, value)
}

func (a *asked) component(name string) string {
	return map[string]string{"method": a.method, "scheme": a.scheme, "host": a.hostPort(), "uri": a.uri}[name]
}

func TestVocabulary_ComponentsHaveAGrammar(t *testing.T) {
	long := strings.Repeat("a", 63)
	for component, cases := range map[string]map[string]string{ // sent → read; "" is refused
		"method": {
			"GET": "GET", "get": "get", "M-SEARCH": "M-SEARCH", strings.Repeat("M", 32): strings.Repeat("M", 32), "CONNECT": "CONNECT",
			strings.Repeat("M", 33): "", "GET,POST": "", "GET POST": "", "G\x00": "", "G\xc3": "", "G/": "",
		},
		"scheme": {
			"https": "https", "http": "http", "wss": "https", "ws": "http",
			"HTTPS": "", "https ": "", "https,http": "", "ftp": "", "javascript": "", "https:": "", "httpss": "",
		},
		"host": {
			"app.example.com": "app.example.com", "APP.Example.Com": "app.example.com", "app.example.com.": "app.example.com", "app.example.com.:80": "app.example.com:80",
			"app.example.com:65535": "app.example.com:65535", "localhost": "localhost", "192.0.2.1": "192.0.2.1", long + ".example": long + ".example",
			"a" + long + ".example": "", strings.Repeat("a.", 127): strings.Repeat("a.", 126) + "a", strings.Repeat("a.", 128): "", "app..example": "", ".example": "", "app.example..": "", ".": "",
			"app.example:": "", "app.example:0": "", "app.example:080": "", "app.example:65536": "", "app.example:http": "", "app.example:1:2": "", "app.example:-1": "", "app.example:+80": "",
			"[::1]": "", "[::1]:80": "", "user@app.example": "", "user:pw@app.example": "", "app.example,evil": "", "app.example evil": "", "app_x.example": "", "-app.example": "",
			"app-.example": "", "äpp.example": "", "app%2eexample": "", "app.example?": "", "app.example#": "", `app.example\`: "", "app.example\t": "", "*.example": "", "app.example\x00": "",
			"app\u3002example": "", "\u212a.example": "", // an ideographic full stop, and a Kelvin sign, which lowers to k
		},
		"uri": {
			"/": "/", "/?": "/?", "/a,b": "/a,b", "/?u=http://x/": "/?u=http://x/", "//a": "//a", "/a?b?c": "/a?b?c", `/a"<>{}|^` + "`" + `\`: `/a"<>{}|^` + "`" + `\`, "/%2f": "/%2f",
			"/?%": "/?%", "/" + strings.Repeat("a", maxURI-1): "/" + strings.Repeat("a", maxURI-1),
			"*": "", "": "", "/" + strings.Repeat("a", maxURI): "", "/#": "", "/?#": "", "/a b": "", "/?a b": "", "/\t": "", "/\x7f": "", "/é": "", "/?\xff": "", "/\r\nX: y": "", "/\x00": "", "/%": "", "/%zz": "", "/%4": "",
		},
	} {
		for sent, want := range cases {
			for _, s := range spokens {
				got, err := s.read(s.in(component, sent))
				if err != nil != (want == "") || err == nil && got.component(component) != want {
					t.Errorf("%s: %s %.80q reads %.80q, %v; want %.80q", s.name, component, sent, got.component(component), err, want)
				}
				if err != nil && len(sent) > 8 && strings.Contains(err.Error(), sent) {
					t.Errorf("%s: the error repeats what was sent: %q", s.name, err)
				}
			}
		}
	}
}

// What is no path with a slash in front is one nowhere; for auth-request that is
// where the host ends.
func TestVocabulary_TargetsInOtherForms(t *testing.T) {
	for _, uri := range []string{"a", "?a", "http://app.example.com/", "app.example.com:443", `\a`, "%2fa"} {
		for _, s := range spokens {
			if got, err := s.read(s.in("uri", uri)); err == nil {
				t.Errorf("%s: %q reads %+v", s.name, uri, got)
			}
		}
	}
	for _, u := range []string{
		"https://app.example.com", "https://app.example.com?x", "https://app.example.com?/x", "https://app.example.com#/x", "https:///x", "https:/app.example.com/x", "//app.example.com/x", "/x",
		"app.example.com/x", "https://user@app.example.com/x", "https://user:pw@app.example.com/x", `https://app.example.com\@evil.example/x`, "https://https://app.example.com/x", "https:app.example.com/x",
		" https://app.example.com/x", "https://app.example.com /x", "data:https://app.example.com/x",
	} {
		if got, err := spokens[1].read(sayRequest.but("X-Original-Url", u)); err == nil {
			t.Errorf("%q reads %+v", u, got)
		}
	}
}

// Every byte in every place: what is read is what was sent.
func TestVocabulary_OddBytes(t *testing.T) {
	for b := range 256 {
		for _, s := range spokens {
			for component, sent := range map[string]string{"method": "GE" + string([]byte{byte(b)}), "host": "a" + string([]byte{byte(b)}) + "b.example", "uri": "/a" + string([]byte{byte(b)}) + "b?c"} {
				got, err := s.read(s.in(component, sent))
				if err == nil && !strings.EqualFold(got.component(component), sent) {
					// A slash in the host is where auth-request's host ends, and its path begins.
					if s.name == "auth-request" && b == '/' && got.host+got.uri == "a/b.example/a%20b?c=d" {
						continue
					}
					t.Errorf("%s: %s %q reads %q", s.name, component, sent, got.component(component))
				}
				if err == nil && (b <= ' ' || b >= 0x7f) {
					t.Errorf("%s: %s %q is read", s.name, component, sent)
				}
			}
		}
	}
}

// again says what was read in the vocabulary's words.
func (a *asked) again(s spoken) words {
	switch s.name {
	case "forward-auth":
		return words{"X-Forwarded-Method": {a.method}, "X-Forwarded-Proto": {a.scheme}, "X-Forwarded-Host": {a.hostPort()}, "X-Forwarded-Uri": {a.uri}}
	case "auth-request":
		return words{"X-Original-Method": {a.method}, "X-Original-Url": {a.scheme + "://" + a.hostPort() + a.uri}}
	}
	return words{"method": {a.method}, "host": {a.hostPort()}, "X-Forwarded-Proto": {a.scheme}, "uri": {s.v.endpoint + a.uri}}
}

// normal is the one freedom of spelling that there is: a host's letters and its
// last dot, and a WebSocket's scheme.
func normal(host, scheme string) (string, string) {
	name, port, has := strings.Cut(strings.ToLower(host), ":")
	if name = strings.TrimSuffix(name, "."); has {
		name += ":" + port
	}
	return name, map[string]string{"https": "https", "http": "http", "wss": "https", "ws": "http"}[scheme]
}

// roundTrips holds a reading to the bytes that were sent, and to being its own
// reading.
func roundTrips(t *testing.T, s spoken, sent words) {
	t.Helper()
	got, err := s.read(sent)
	if err != nil {
		return
	}
	written := got.again(s)
	for name, values := range written {
		if !slices.Equal(values, sent[name]) {
			t.Fatalf("%s: %s %q is read as %q", s.name, name, sent[name], values)
		}
	}
	if again, err := s.read(written); err != nil || again != got {
		t.Fatalf("%s: %+v is read as %+v, %v", s.name, got, again, err)
	}
}

func FuzzForwardAuth_RoundTrips(f *testing.F) {
	f.Add("GET", "https", "app.example.com", "/a?b")
	f.Add("POST", "wss", "APP.example.com.:443", "//x/%2e%2e/?%")
	f.Fuzz(func(t *testing.T, method, scheme, host, uri string) {
		host, scheme = normal(host, scheme)
		roundTrips(t, spokens[0], words{"X-Forwarded-Method": {method}, "X-Forwarded-Proto": {scheme}, "X-Forwarded-Host": {host}, "X-Forwarded-Uri": {uri}})
	})
}

func FuzzAuthRequest_RoundTrips(f *testing.F) {
	f.Add("GET", "https://app.example.com/a?b")
	f.Add("GET", "https://user@app.example.com:443/a://b")
	f.Add("GET", "https://app.example.com?/a")
	f.Fuzz(func(t *testing.T, method, whole string) {
		if scheme, rest, ok := strings.Cut(whole, "://"); ok {
			end := strings.IndexByte(rest+"/", '/')
			var host string
			host, scheme = normal(rest[:end], scheme)
			whole = scheme + "://" + host + rest[end:]
		}
		roundTrips(t, spokens[1], words{"X-Original-Method": {method}, "X-Original-Url": {whole}})
	})
}

func FuzzExtAuthz_RoundTrips(f *testing.F) {
	f.Add("GET", "https", "app.example.com", "/api/authz/ext-authz/a?b")
	f.Add("GET", "https", "app.example.com", "/api/authz/ext-authz//a/../b")
	f.Fuzz(func(t *testing.T, method, scheme, host, target string) {
		host, scheme = normal(host, scheme)
		roundTrips(t, spokens[2], words{"method": {method}, "host": {host}, "X-Forwarded-Proto": {scheme}, "uri": {target}})
	})
}
