package forwardauth

import (
	"net/netip"
	"strings"
	"testing"
)

func twoProxies() *Handler {
	return &Handler{proxies: []Proxy{
		{Kind: Traefik, From: []netip.Prefix{netip.MustParsePrefix("172.18.0.5/32")}},
		{Kind: Nginx, From: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/29"), netip.MustParsePrefix("fd00::/64")}},
	}}
}

// FA-1: from the right, past what is ours, and never further.
func TestClient_IsTheFirstFromTheRightThatIsNotOurs(t *testing.T) {
	h := twoProxies()
	for _, c := range []struct {
		lines []string
		want  string // "" is unknown
	}{
		{[]string{"203.0.113.9"}, "203.0.113.9"},
		{[]string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"},
		{[]string{"6.6.6.6,203.0.113.9,10.9.0.1, 172.18.0.5"}, "203.0.113.9"},
		{[]string{"6.6.6.6", "203.0.113.9"}, "203.0.113.9"},
		{[]string{"203.0.113.9", "10.9.0.1"}, "203.0.113.9"},
		{[]string{"6.6.6.6, 203.0.113.9", "10.9.0.1, fd00::1"}, "203.0.113.9"},
		{[]string{"203.0.113.9:4711"}, "203.0.113.9"},
		{[]string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{[]string{"2001:DB8::1"}, "2001:db8::1"},
		{[]string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{[]string{"203.0.113.9, ::ffff:172.18.0.5"}, "203.0.113.9"},
		{[]string{"\t203.0.113.9 "}, "203.0.113.9"},
		{[]string{"garbage, 203.0.113.9"}, "203.0.113.9"}, // what a client says is not read
		{[]string{strings.Repeat("6.6.6.6,", 1000) + "203.0.113.9"}, "203.0.113.9"},
		{[]string{"203.0.113.9" + strings.Repeat(",10.9.0.1", maxHops-1)}, "203.0.113.9"},

		{nil, ""},
		{[]string{""}, ""},
		{[]string{"203.0.113.9", ""}, ""},
		{[]string{"203.0.113.9,"}, ""},
		{[]string{"203.0.113.9, unknown"}, ""},
		{[]string{"203.0.113.9, _hidden"}, ""},
		{[]string{"203.0.113.9, garbage, 10.9.0.1"}, ""},
		{[]string{"203.0.113.9, 10.9.0.1,, 10.9.0.2"}, ""},
		{[]string{"fe80::1%eth0"}, ""},
		{[]string{"[2001:db8::1]"}, ""},
		{[]string{"203.0.113.9:"}, ""},
		{[]string{"203.0.113.9:99999"}, ""},
		{[]string{"203.0.113.009"}, ""},
		{[]string{"203.0.113"}, ""},
		{[]string{"203.0.113.9;10.9.0.1"}, ""},
		{[]string{`"203.0.113.9"`}, ""},
		{[]string{"example.com"}, ""},
		{[]string{"10.9.0.1"}, ""}, // the proxy asks for itself, or says what a client said
		{[]string{"203.0.113.9" + strings.Repeat(",10.9.0.1", maxHops)}, ""},
	} {
		got := ""
		if addr := h.clientOf(c.lines); addr.IsValid() {
			got = addr.String()
		}
		if got != c.want {
			t.Errorf("%.100q is from %q, want %q", c.lines, got, c.want)
		}
	}
}

// What is read is one entry of what was sent, all behind it are ours, and
// nothing before it has a say.
func FuzzClient_NothingLeftOfItHasASay(f *testing.F) {
	f.Add("6.6.6.6, 203.0.113.9", "172.18.0.5")
	f.Add("", "[2001:db8::1]:80, 10.9.0.1")
	f.Add("x", "10.9.0.1")
	h := twoProxies()
	f.Fuzz(func(t *testing.T, left, right string) {
		got := h.clientOf([]string{left, right})
		if alone := h.clientOf([]string{right}); alone.IsValid() && alone != got {
			t.Fatalf("%q before %q makes %v of %v", left, right, got, alone)
		}
		if joined := h.clientOf([]string{left + "," + right}); joined != got {
			t.Fatalf("%q and %q in one line are %v, in two %v", left, right, joined, got)
		}
		if got.IsValid() && (got.Is4In6() || got.Zone() != "" || h.isProxy(got)) {
			t.Fatalf("%q, %q: %v", left, right, got)
		}
	})
}
