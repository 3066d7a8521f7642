package authcore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// below is an app for every host one label below example.net.
func below(t testing.TB) func(*Config) {
	return func(c *Config) {
		p, err := CompilePolicy(PolicySpec{At: "Caddyfile:20"})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"https://*.example.net", "https://*.example.test"} {
			o, err := ParseAppOrigin(s)
			if err != nil {
				t.Fatal(err)
			}
			c.Apps = append(c.Apps, App{Origin: o, Policy: p})
		}
	}
}

// FA-12: a * shares rules and nothing else.
func TestWildcard_EachHostIsAnAppOfItsOwn(t *testing.T) {
	f := newFixture(t, below(t))
	b, _ := f.signIn(alice)
	one := f.handOver(b.Session, "one.example.net")
	if !f.allowed("one.example.net", one) || f.allowed("two.example.net", one) || f.allowed(appHost, one) {
		t.Error("a session of one host is not valid there, or is elsewhere")
	}
	two := f.handOver(b.Session, "two.example.net")
	if !f.allowed("two.example.net", two) || !f.allowed("ONE.example.net:443", one) {
		t.Error("a second host took the first one's session")
	}
	f.reload(portalConfig(t, below(t)))
	f.rt.cache.Flush()
	f.rt.hosts = hostIDs{} // as after a restart: nobody has a number yet
	if !f.allowed("one.example.net", one) {
		t.Error("signed out by a restart")
	}
}

func TestWildcard_CoversOneLabelAndNeverThePortal(t *testing.T) {
	f := newFixture(t, below(t))
	for _, host := range []string{
		"example.net", "a.b.example.net", ".example.net", "*.example.net", "a_b.example.net", "a b.example.net", "a.example.net.evil.test",
		"%61.example.net", "a..example.net", "-a.example.net", "ä.example.net", "a/b.example.net", "1.2.3.4", portalHost, strings.ToUpper(portalHost), portalHost + ".",
		strings.Repeat("a", 64) + ".example.net",
	} {
		if app := f.app(host); app != nil {
			t.Errorf("%q is the app %s", host, app.Origin)
		}
	}
	for host, origin := range map[string]string{
		"A.Example.Net.:443": "https://a.example.net", "x-1.example.net": "https://x-1.example.net", appHost: appOrigin, "xn--bcher-kva.example.net": "https://xn--bcher-kva.example.net",
	} {
		if app := f.app(host); app == nil || app.Origin.String() != origin {
			t.Errorf("%q is %+v", host, app)
		}
	}
}

// A * has any number of hosts, and one browser not any number of sessions there.
func TestWildcard_AppSessionsOfOneBrowserAreBounded_DS1(t *testing.T) {
	f := newFixture(t, below(t))
	host := func(i int) string { return fmt.Sprintf("h%d.example.net", i) }
	b, _ := f.signIn(alice)
	elsewhere, _ := f.signIn(alice)
	others, _ := f.signIn(bob)
	mine, bobs := f.handOver(elsewhere.Session, host(1)), f.handOver(others.Session, host(1))
	tokens := make([]Token, maxChildren)
	for i := range tokens {
		f.clock.advance(time.Millisecond)
		tokens[i] = f.handOver(b.Session, host(i))
	}
	if !f.allowed(host(1), tokens[1]) { // in the cache now
		t.Fatal("a session within the bound is not good")
	}
	f.clock.advance(time.Minute)
	if !f.allowed(host(0), tokens[0]) {
		t.Fatal("the first session is not good")
	}
	f.must(f.rt.flush(f.ctx())) // now the second is the one seen longest ago
	tokens = append(tokens, f.handOver(b.Session, host(maxChildren)))
	for i, token := range tokens {
		if good := f.allowed(host(i), token); good != (i != 1) {
			t.Errorf("%s: good is %v", host(i), good)
		}
	}
	if !f.allowed(host(1), mine) || !f.allowed(host(1), bobs) {
		t.Error("another browser's session was ended")
	}
	ended := f.audit(evSessionRevoked)
	if len(ended) != 1 || ended[0].Details["why"] != "too many apps" || ended[0].Actor != b.Session.User.ID {
		t.Errorf("the audit log has %v", ended)
	}
	// The app that was missed comes back by itself, and takes one place.
	if again := f.handOver(b.Session, host(1)); !f.allowed(host(1), again) {
		t.Error("no new session on the host that lost its own")
	}
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		children, err := tx.ChildrenOf(b.Session.Session.ID)
		if len(children) != maxChildren {
			t.Errorf("%d app sessions, want %d", len(children), maxChildren)
		}
		return err
	}))
}

// DS-1: hosts that only strangers name take no memory.
func TestWildcard_StrangersNumberNoHosts(t *testing.T) {
	f := newFixture(t, below(t))
	before := len(f.rt.hosts.ids)
	for i := range 100 {
		f.check(fmt.Sprintf("h%d.example.net", i), "/", "")
	}
	if n := len(f.rt.hosts.ids); n != before {
		t.Errorf("%d hosts have numbers, before it were %d", n, before)
	}
}

func TestParseAppOrigin_NeverBelowAPublicSuffix_RD1(t *testing.T) {
	for _, s := range []string{"https://*.com", "https://*.co.uk", "https://*.github.io", "https://*.*.example.com", "https://a.*.example.com", "https://*", "*.example.com", "http://*.example.com"} {
		if o, err := ParseAppOrigin(s); err == nil {
			t.Errorf("%s is %v", s, o)
		}
	}
	for _, s := range []string{"https://*.example.com", "https://*.example.com:8443", "http://*.localhost:8080", "https://app.example.com"} {
		if o, err := ParseAppOrigin(s); err != nil || o.String() != s {
			t.Errorf("%s is %v, %v", s, o, err)
		}
	}
}
