package authcore

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestGrant_ReadsAndSpellsItself(t *testing.T) {
	for s, want := range map[string]struct {
		grant    Grant
		spelling string
	}{
		"app=app.example.test": {Grant{App: "app.example.test"}, "app=app.example.test"},
		"app=App.Example.TEST.,path=/dav/*,methods=GET+PUT,networks=10.0.0.0/8+192.168.1.5": {
			Grant{"app.example.test", "/dav/*", []string{"GET", "PUT"}, []string{"10.0.0.0/8", "192.168.1.5/32"}},
			"app=app.example.test,path=/dav/*,methods=GET+PUT,networks=10.0.0.0/8+192.168.1.5/32",
		},
		"networks=10.1.2.3/8+2001:db8::1+2001:db8::ff/64+::ffff:192.0.2.1+::ffff:10.0.0.0/104,methods=VERSION-CONTROL,app=a": {
			Grant{App: "a", Methods: []string{"VERSION-CONTROL"}, Networks: []string{"10.0.0.0/8", "2001:db8::1/128", "2001:db8::/64", "192.0.2.1/32", "10.0.0.0/8"}},
			"app=a,methods=VERSION-CONTROL,networks=10.0.0.0/8+2001:db8::1/128+2001:db8::/64+192.0.2.1/32+10.0.0.0/8",
		},
		"app=a,path=/a=b+é": {Grant{App: "a", Path: "/a=b+é"}, "app=a,path=/a=b+é"},
		"app=A.:8443":       {Grant{App: "a:8443"}, "app=a:8443"},
	} {
		g, err := ParseGrant(s)
		if err != nil || !reflect.DeepEqual(g, want.grant) || g.String() != want.spelling {
			t.Errorf("%s: %+v %s, %v", s, g, g, err)
		}
	}
}

func TestGrant_RefusesAndSaysWhatToWrite(t *testing.T) {
	for s, want := range map[string]string{
		"":                                "write app=HOST",
		"app.example.test":                "write app=HOST",
		"path=/x":                         "names no app; write app=HOST",
		"app=":                            "app is empty",
		"app=a,":                          "is no word of a grant",
		"app=a,app=b":                     "app stands twice",
		"app=a,methods=GET,methods=PUT":   "methods stands twice",
		"app=a,paths=/x":                  `"paths=/x" is no word`,
		"app=a,PATH=/x":                   "is no word",
		"app=a, path=/x":                  "is no word",
		"app=https://a":                   "without scheme",
		"app=a:":                          "without scheme, port",
		"app=:443":                        "such as wiki.example.com",
		"app=a:443:443":                   "without scheme, port",
		"app=a:+443":                      "without scheme, port",
		"app=a:123456":                    "without scheme, port",
		"app=a/b":                         "without scheme",
		"app=*.example.com":               "is the app's host",
		"app=é.example.com":               "is the app's host",
		"app=.":                           "is the app's host",
		"app=a..":                         "is the app's host",
		"app=.a":                          "is the app's host",
		"app=a b":                         "is the app's host",
		"app=a,path=":                     "path is empty",
		"app=a,path=dav/*":                "begins with a slash",
		"app=a,path=/dav*":                "only at the end",
		"app=a,path=/dav/../x":            "segment of dots",
		"app=a,path=/%64av":               "matched decoded",
		"app=a,path=/a?b":                 "never matched",
		"app=a,path=//x":                  "no //",
		"app=a,path=/" + longPath:         "at most 2048 bytes",
		"app=a,methods=":                  "methods is empty",
		"app=a,methods=get":               "upper-case",
		"app=a,methods=GET+":              "upper-case",
		"app=a,methods=GET PUT":           "upper-case",
		"app=a,methods=" + longMethods:    "more than 32",
		"app=a,networks=10.0.0.0/33":      "addresses or prefixes",
		"app=a,networks=10.0.0":           "addresses or prefixes",
		"app=a,networks=fe80::1%eth0":     "addresses or prefixes",
		"app=a,networks=fe80::%eth0/64":   "addresses or prefixes",
		"app=a,networks=::ffff:0.0.0.0/8": "addresses or prefixes",
		"app=a,networks=10.0.0.0/8+":      "addresses or prefixes",
		"admin:users":                     "admin tokens come with a later version",
		"admin:read,app=a":                "admin tokens come with a later version",
	} {
		if g, err := ParseGrant(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %+v, %v; want %q", s, g, err, want)
		}
	}
}

var (
	longPath    = strings.Repeat("x", maxReturnPath)
	longMethods = strings.Repeat("GET+", maxGrantList) + "PUT"
)

// Who fills in a Grant by hand gets no further than who writes one.
func TestGrant_FieldsAreCheckedToo(t *testing.T) {
	for _, g := range []Grant{
		{},
		{App: "a,path=/x"},
		{App: "a", Path: "x"},
		{App: "a", Path: "/a,b"},
		{App: "a", Methods: []string{"GET+PUT"}},
		{App: "a", Methods: []string{""}},
		{App: "a", Networks: []string{""}},
	} {
		if got, err := g.checked(); err == nil {
			t.Errorf("%+v is accepted as %s", g, got)
		}
	}
}

// What is accepted is spelled in one way, which is read as the same grant.
func FuzzParseGrant(f *testing.F) {
	for _, s := range []string{"app=a", "app=a,path=/dav/*,methods=GET+PUT,networks=10.0.0.0/8+::1", "app=a,path=/é,networks=::ffff:1.2.3.4", "admin:users", "app=a:8443"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g, err := ParseGrant(s)
		if err != nil {
			return
		}
		again, err := ParseGrant(g.String())
		if err != nil || !reflect.DeepEqual(again, g) {
			t.Errorf("%q is read as %+v, and its spelling %q as %+v, %v", s, g, g.String(), again, err)
		}
	})
}

func entryOf(t *testing.T, grant string) *tokenEntry {
	t.Helper()
	g, err := ParseGrant(grant)
	if err != nil {
		t.Fatal(err)
	}
	return entryOfGrant(t, g)
}

func TestToken_AdmitsWhatItsGrantCovers(t *testing.T) {
	ip := netip.MustParseAddr
	here, nowhere := ip("10.1.2.3"), netip.Addr{}
	for _, tc := range []struct {
		grant, original, here, method string
		client                        netip.Addr
		want                          bool
	}{
		{"app=a", "/anything", "/else", "DELETE", nowhere, true},
		{"app=a", "/a/../b", "//", "GET", nowhere, true}, // without a path there is none to get around

		{"app=a,path=/dav/*", "/dav/x/y", "/dav/x/y", "PUT", nowhere, true},
		{"app=a,path=/dav/*", "/dav/", "/dav/", "PUT", nowhere, true},
		{"app=a,path=/dav/*", "/dav", "/dav", "PROPFIND", nowhere, true},
		{"app=a,path=/dav/*", "/dav/%C3%A9", "/dav/%C3%A9", "PUT", nowhere, true},
		{"app=a,path=/dav/*", "/davx", "/davx", "PUT", nowhere, false},
		{"app=a,path=/dav/*", "/", "/", "PUT", nowhere, false},
		{"app=a,path=/dav/*", "", "", "PUT", nowhere, false},
		{"app=a,path=/dav/*", "/DAV/x", "/DAV/x", "PUT", nowhere, false},
		{"app=a,path=/dav/*", "/dav/../admin", "/dav/../admin", "GET", nowhere, false},
		{"app=a,path=/dav/*", "/dav/%2e%2e/admin", "/dav/%2e%2e/admin", "GET", nowhere, false},
		{"app=a,path=/dav/*", "/dav//x", "/dav//x", "GET", nowhere, false},
		{"app=a,path=/dav/*", "/dav/x;y", "/dav/x;y", "GET", nowhere, false},
		{"app=a,path=/dav/*", "/dav/x", "/admin", "GET", nowhere, false}, // FA-13
		{"app=a,path=/dav/*", "/admin", "/dav/x", "GET", nowhere, false},
		{"app=a,path=/x", "/x", "/x", "GET", nowhere, true},
		{"app=a,path=/x", "/x/", "/x/", "GET", nowhere, false},
		{"app=a,path=/x", "/x/y", "/x/y", "GET", nowhere, false},
		{"app=a,path=/*", "/", "/", "GET", nowhere, true},
		{"app=a,path=/*", "//", "//", "GET", nowhere, false},

		{"app=a,methods=GET+PUT", "/", "/", "PUT", nowhere, true},
		{"app=a,methods=GET+PUT", "/", "/", "HEAD", nowhere, true},
		{"app=a,methods=GET+PUT", "/", "/", "POST", nowhere, false},
		{"app=a,methods=GET+PUT", "/", "/", "get", nowhere, false},
		{"app=a,methods=GET+PUT", "/", "/", "", nowhere, false},
		{"app=a,methods=HEAD", "/", "/", "GET", nowhere, false},
		{"app=a,methods=HEAD", "/", "/", "HEAD", nowhere, true},
		{"app=a,methods=PUT", "/", "/", "HEAD", nowhere, false},

		{"app=a,networks=10.0.0.0/8", "/", "/", "GET", here, true},
		{"app=a,networks=10.0.0.0/8", "/", "/", "GET", ip("::ffff:10.1.2.3"), true},
		{"app=a,networks=10.0.0.0/8", "/", "/", "GET", ip("11.0.0.1"), false},
		{"app=a,networks=10.0.0.0/8", "/", "/", "GET", nowhere, false}, // FA-1
		{"app=a,networks=0.0.0.0/0+::/0", "/", "/", "GET", nowhere, false},
		{"app=a,networks=192.0.2.1+fe80::/10", "/", "/", "GET", ip("fe80::1%eth0"), true},
		{"app=a,networks=192.0.2.1+fe80::/10", "/", "/", "GET", ip("192.0.2.2"), false},

		{"app=a,path=/x,methods=GET,networks=10.0.0.0/8", "/x", "/x", "GET", here, true},
		{"app=a,path=/x,methods=GET,networks=10.0.0.0/8", "/y", "/y", "GET", here, false},
		{"app=a,path=/x,methods=GET,networks=10.0.0.0/8", "/x", "/x", "PUT", here, false},
	} {
		if got := entryOf(t, tc.grant).admits(tc.original, tc.here, tc.method, tc.client); got != tc.want {
			t.Errorf("%s: %s %s (%s) from %v: %v", tc.grant, tc.method, tc.original, tc.here, tc.client, got)
		}
	}
}
