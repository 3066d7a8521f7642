package authcore

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// asserted is both apps with an assertion.
func asserted(t testing.TB) func(*Config) {
	return func(c *Config) {
		for i := range c.Apps {
			c.Apps[i] = appAt(t, c.Apps[i].Origin.String(), PolicySpec{Assertion: true})
		}
	}
}

func (f *fixture) assertion(host string, token Token) string {
	f.t.Helper()
	d := f.check(host, "/", token)
	signed, err := f.s.Assertion(&d)
	f.must(err)
	return signed
}

// statement is what an app reads, by a library that is not ours (HD-6).
type statement struct {
	josejwt.Claims
	Username string   `json:"preferred_username"`
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
	AMR      []string `json:"amr"`
	AuthTime int64    `json:"auth_time"`
}

func (f *fixture) verify(signed, audience string) statement {
	f.t.Helper()
	raw, err := json.Marshal(f.s.JWKS())
	f.must(err)
	var keys jose.JSONWebKeySet
	f.must(json.Unmarshal(raw, &keys))
	parsed, err := josejwt.ParseSigned(signed, []jose.SignatureAlgorithm{jose.EdDSA})
	f.must(err)
	if typ := parsed.Headers[0].ExtraHeaders["typ"]; typ != assertionType {
		f.t.Errorf("typ is %v", typ)
	}
	var s statement
	f.must(parsed.Claims(keys, &s))
	f.must(s.ValidateWithLeeway(josejwt.Expected{Issuer: portalOrigin, AnyAudience: josejwt.Audience{audience}, Time: f.clock.now()}, 0))
	return s
}

func TestAssertion_VerifiesByTheJWKS(t *testing.T) {
	f := newFixture(t, asserted(t))
	u := f.addUser(alice, "staff")
	b, _ := f.signIn(alice)
	token := f.handOver(b.Session, appHost)
	s := f.verify(f.assertion(appHost, token), appOrigin)
	if s.Subject != u.ID || s.Email != alice || s.Username != alice || fmt.Sprint(s.Groups) != "[staff]" || fmt.Sprint(s.AMR) != "[email]" ||
		s.AuthTime != b.Session.Session.AuthTime.Unix() || s.Expiry.Time().Sub(s.IssuedAt.Time()) != 5*time.Minute || s.ID == "" {
		t.Errorf("%+v", s)
	}
	f.verify(f.assertion(wikiHost, f.handOver(b.Session, wikiHost)), wikiOrigin) // another app, another audience
	if got := newFixture(t).assertionOf(alice); got != "" {
		t.Errorf("an app that asked for none gets %s", got)
	}
}

func (f *fixture) assertionOf(addr string) string {
	b, _ := f.signIn(addr)
	return f.assertion(appHost, f.handOver(b.Session, appHost))
}

// Nobody signed in for a program, so nothing says when.
func TestAssertion_OfAnAccessTokenHasNoSignIn(t *testing.T) {
	f := newFixture(t, asserted(t))
	f.signIn(alice)
	d := f.s.Check(f.ctx(), bearing(f.mint(alice, Grant{App: appHost}), "GET", "/"))
	first, err := f.s.Assertion(&d)
	f.must(err)
	if s := f.verify(first, appOrigin); fmt.Sprint(s.AMR) != "[token]" || s.AuthTime != 0 || s.Email != alice {
		t.Errorf("%+v", s)
	}
	f.clock.advance(time.Minute)
	if again, err := f.s.Assertion(&d); err != nil || again != first {
		t.Errorf("signed anew, %v", err)
	}
}

// JW-3: it is no access token, and no session.
func TestAssertion_OpensNothing(t *testing.T) {
	f := newFixture(t, asserted(t))
	signed := f.assertionOf(alice)
	if l, err := f.s.AccessUser(f.ctx(), signed, ""); err != nil || l != nil {
		t.Errorf("an assertion is an access token: %v, %v", l, err)
	}
	if f.allowed(appHost, Token(signed)) {
		t.Error("an assertion is a session")
	}
}

func TestAssertion_IsSignedAnewWhenWhatItSaysChanges(t *testing.T) {
	f := newFixture(t, asserted(t))
	key := f.givePasskey(alice)
	b, _ := f.signIn(alice)
	token := f.handOver(b.Session, appHost)
	other := f.handOver(b.Session, wikiHost)
	first := f.assertion(appHost, token)
	if f.assertion(appHost, token) != first {
		t.Error("signed twice in one moment")
	}
	if f.assertion(wikiHost, other) == first {
		t.Error("two apps share one")
	}
	last := first
	for what, change := range map[string]func(){
		"half of its life": func() { f.clock.advance(assertionTTL / 2) },
		"another group":    func() { f.must(f.s.SetGroups(f.ctx(), "cli", alice, []string{"x"})) },
		"a passkey":        func() { f.stepUp(&b, key) },
	} {
		change()
		now := f.assertion(appHost, token)
		if now == last {
			t.Errorf("%s changes nothing", what)
		}
		last = now
	}
	if s := f.verify(last, appOrigin); fmt.Sprint(s.AMR) != "[passkey email]" || fmt.Sprint(s.Groups) != "[x]" {
		t.Errorf("%+v", s)
	}
}

// DS-1: bounded, and what is used stays.
func TestAssertion_TheOneUnusedLongestGivesWay(t *testing.T) {
	var c assertions
	var keys []assertionKey
	for i := range 3 * assertionsPerShard {
		k := assertionKey{session: store.Hash{0, byte(i), byte(i >> 8)}}
		keys = append(keys, k)
		c.shard(k).put(&assertion{key: k})
		c.shard(k).get(keys[0])
	}
	s := c.shard(keys[0])
	if n := len(s.entries); n != assertionsPerShard || s.order.Len() != n {
		t.Errorf("%d are kept", n)
	}
	if s.get(keys[0]) == nil || s.get(keys[1]) != nil || s.get(keys[len(keys)-1]) == nil {
		t.Error("the wrong one gave way")
	}
}
