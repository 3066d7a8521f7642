package redirect

import (
	"net/url"
	"strings"
	"testing"
)

func TestParseOrigin_Canonical(t *testing.T) {
	for in, want := range map[string]Origin{
		"https://auth.example.com":      {"https", "auth.example.com", ""},
		"https://AUTH.Example.COM":      {"https", "auth.example.com", ""},
		"https://auth.example.com:443":  {"https", "auth.example.com", ""},
		"https://auth.example.com:8443": {"https", "auth.example.com", "8443"},
		"https://auth.example.com:80":   {"https", "auth.example.com", "80"},
		"https://intranet":              {"https", "intranet", ""},
		"https://xn--bcher-kva.example": {"https", "xn--bcher-kva.example", ""},
		"https://localhost:65535":       {"https", "localhost", "65535"},
		"http://localhost":              {"http", "localhost", ""},
		"http://localhost:80":           {"http", "localhost", ""},
		"http://app.localhost:8080":     {"http", "app.localhost", "8080"},
		"http://a.b.LOCALHOST":          {"http", "a.b.localhost", ""},
	} {
		got, err := ParseOrigin(in)
		if err != nil || got != want {
			t.Errorf("ParseOrigin(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	o := Origin{"https", "a.example", "8443"}
	if o.String() != "https://a.example:8443" || o.HostPort() != "a.example:8443" {
		t.Errorf("origin prints as %q, %q", o.String(), o.HostPort())
	}
	if o.Port = ""; o.String() != "https://a.example" || o.HostPort() != "a.example" {
		t.Errorf("origin prints as %q, %q", o.String(), o.HostPort())
	}
}

func TestParseOrigin_SaysWhatToWrite(t *testing.T) {
	for in, want := range map[string]string{
		"": "begins with its scheme", "auth.example.com": "begins with its scheme", "//auth.example.com": "begins with its scheme", "ftp://a.example": "begins with its scheme", "HTTPS://a.example": "begins with its scheme", " https://a.example": "begins with its scheme", "https:a.example": "begins with its scheme", "*": "begins with its scheme", "null": "begins with its scheme",
		"https://user:hunter2@a.example": "no user name", "https://hunter2@a.example": "no user name",
		"https://a.example/": "ends after the host", "https://a.example/x": "ends after the host", "https://a.example?x": "ends after the host", "https://a.example#x": "ends after the host", `https://a.example\x`: "ends after the host", "https:///a.example": "ends after the host",
		"https://": "names a host", "https://:443": "names a host", "https://[::1]": "not an address", "https://127.0.0.1": "not an address", "https://127.1": "not an address", "https://0x7f.0x1": "not an address", "https://2130706433": "not an address", "https://a.0x": "not an address",
		"https://a.example.": "no dot", "https://*.example.com": "exactly one host", "https://a..example": "holds letters", "https://.example": "holds letters", "https://-a.example": "holds letters", "https://a_b.example": "holds letters", "https://bücher.example": "xn--", "https://a%2eexample": "holds letters", "https://a example": "holds letters", "https://a.example\n": "holds letters", "https://a.example,b.example": "holds letters", "https://{env.HUNTER2}": "holds letters", "https://a\uff0eexample": "xn--",
		"https://" + strings.Repeat("a", 64) + ".example": "holds letters", "https://" + strings.Repeat("a.", 127) + "example": "at most 253",
		"https://a.example:": "a port is", "https://a.example:0": "a port is", "https://a.example:065": "a port is", "https://a.example:65536": "a port is", "https://a.example:-1": "a port is", "https://a.example:+1": "a port is", "https://a.example:1:2": "a port is", "https://a.example:https": "a port is", "https://a.example:443 ": "a port is",
		"http://a.example": "plain http", "http://localhost.example": "plain http", "http://notlocalhost": "plain http", "http://localhost:8080@evil.example": "no user name",
	} {
		got, err := ParseOrigin(in)
		if err == nil || !strings.Contains(err.Error(), want) || got != (Origin{}) {
			t.Errorf("ParseOrigin(%q) = %v, %v, want an error with %q", in, got, err, want)
		}
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "hunter2") {
			t.Errorf("ParseOrigin(%q) repeats what was written: %v", in, err)
		}
	}
}

// An accepted origin is a fixed point and read by net/url as the same host.
func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{"https://a.example", "http://app.localhost:8080", "https://A.example:443", "https://1.2.3.4", "https://a.example.:1", "https://a@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := ParseOrigin(s)
		if err != nil {
			return
		}
		if again, err := ParseOrigin(o.String()); err != nil || again != o {
			t.Errorf("ParseOrigin(%q) = %v, and again %v, %v", s, o, again, err)
		}
		u, err := url.Parse(o.String())
		if err != nil || u.Scheme != o.Scheme || u.Host != o.HostPort() || u.Hostname() != o.Host || u.Port() != o.Port || u.User != nil || u.Path != "" {
			t.Errorf("ParseOrigin(%q) = %v, read by net/url as %v, %v", s, o, u, err)
		}
		if strings.ToLower(o.Host) != o.Host || o.Scheme == "http" && o.Host != "localhost" && !strings.HasSuffix(o.Host, ".localhost") {
			t.Errorf("ParseOrigin(%q) = %v", s, o)
		}
	})
}
