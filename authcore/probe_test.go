package authcore

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func (f *fixture) probe(who, host string) *Probe {
	f.t.Helper()
	p, err := f.s.Probe(f.ctx(), "host", who, host)
	f.must(err)
	return p
}

// A probe opens the app it is for as its user, and is over after five minutes of
// use, whatever a reload says about sessions.
func TestProbe_OpensItsAppForFiveMinutes_SE3(t *testing.T) {
	f := newFixture(t)
	_, in := f.signIn(alice)
	p := f.probe(alice, appHost)
	d := f.check(appHost, "/", p.Session)
	if d.Verdict != Allow || d.Identity.UserID != in.User.ID || p.Cookie != "__Host-passwordless" {
		t.Fatalf("%+v", d)
	}
	if f.allowed(wikiHost, p.Session) {
		t.Error("FA-12: it opens another app")
	}
	if p.Token == "" || f.findsToken(p.Token) == nil {
		t.Errorf("no token: %s", p.NoToken)
	}
	if p.Identity["Remote-User"] != alice || p.Identity["Remote-Groups"] != "" || len(p.Identity) != numHeaders || p.Assertion != "" {
		t.Errorf("identity %v, assertion %q", p.Identity, p.Assertion)
	}
	for range 5 {
		f.clock.advance(probeTTL / 5)
		if !f.allowed(appHost, p.Session) {
			t.Fatal("over too early")
		}
		f.must(f.rt.flush(f.ctx()))
	}
	f.reload(portalConfig(t, func(c *Config) { c.SessionAbsolute = 1000 * time.Hour }))
	f.clock.advance(time.Second)
	if f.allowed(appHost, p.Session) {
		t.Error("it outlives its time")
	}
	if f.findsToken(p.Token) != nil {
		t.Error("its token outlives its time")
	}
}

// It is no sign-in: nobody at the portal, and not enough where an app asks for a
// proof, however old that may be.
func TestProbe_ProvesNothing_SE8(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Apps[0] = appAt(t, appOrigin, PolicySpec{Paths: []PathSpec{
			{Path: "/strong/*", Rules: PolicySpec{Require: []Line{{[]string{AMRPasskey}, "Caddyfile:5"}}}},
			{Path: "/fresh/*", Rules: PolicySpec{Reauth: 365 * 24 * time.Hour, ReauthAt: "Caddyfile:8"}},
		}})
	})
	f.signIn(alice)
	p := f.probe(alice, appHost)
	f.wants(f.decide(p.Session, "/"), Allow, "")
	f.wants(f.decide(p.Session, "/strong/x"), StepUp, "Caddyfile:5")
	f.wants(f.decide(p.Session, "/fresh/x"), StepUp, "Caddyfile:8")
	if l, _, err := f.s.Current(f.ctx(), f.cookies(f.s.Portal(), p.Session)); l != nil || err != nil {
		t.Errorf("at the portal it is %+v, %v", l, err)
	}
	if p.NoToken != "" {
		t.Error(p.NoToken)
	}
}

// In a sidecar the guard takes root sessions, and sign-in still takes this one
// for nobody.
func TestProbe_IsNobodyAtSignInOfASidecar(t *testing.T) {
	f := newSidecar(t)
	f.signIn(alice)
	p := f.probe(alice, "app.localhost")
	if p.Cookie != "passwordless" || !f.allowed("app.localhost", p.Session) {
		t.Error("the app does not take it")
	}
	if l, _, err := f.s.Current(f.ctx(), f.cookies(f.s.Portal(), p.Session)); l != nil || err != nil {
		t.Errorf("at sign-in it is %+v, %v", l, err)
	}
	if p.Token != "" || p.NoToken == "" {
		t.Error("a sidecar has a token")
	}
}

// No token of a root session leaves the process.
func TestProbe_KeepsNoRootToken(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	p := f.probe(alice, appHost)
	for _, s := range f.sessions(alice) {
		if len(s.AMR) != 1 || s.AMR[0] != AMRProbe {
			continue
		}
		if got := s.Hash == store.Hash(p.Session.Hash()); got != (s.Kind == store.AppSession) {
			t.Errorf("a %s session is the one handed out: %v", s.Kind, got)
		}
	}
	if text := fmt.Sprintf("%v %+v", p, *p); strings.Contains(text, p.Session.Reveal()) || strings.Contains(text, p.Token.Reveal()) {
		t.Error("it prints its secrets")
	}
}

func TestProbe_EndsAtOnceAndIsAudited_AD6(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SessionsPerUser = 1 })
	b, _ := f.signIn(alice)
	p := f.probe(alice, appHost)
	if f.live(f.tokenOf(b)) == nil {
		t.Error("the probe cost its user a session")
	}
	again, _ := f.signIn(alice)
	f.probe(alice, appHost)
	if f.signIn(alice); f.live(f.tokenOf(again)) != nil || !f.allowed(appHost, p.Session) {
		t.Error("probes and sessions count for each other")
	}
	if !f.allowed(appHost, p.Session) {
		t.Fatal("no session")
	}
	f.must(f.s.EndProbe(f.ctx(), "host", p.Nonce))
	f.must(f.s.EndProbe(f.ctx(), "host", p.Nonce))
	if f.allowed(appHost, p.Session) || f.findsToken(p.Token) != nil {
		t.Error("what came with it still works")
	}
	if _, ok := f.s.Probed(p.Nonce); ok {
		t.Error("what was seen can still be read")
	}
	f.must(endOfProbe(f, f.probe("", appHost)))
	_, err := f.s.Probe(f.ctx(), "host", "nobody@example.com", appHost)
	f.refused(err, NotFound)
	_, err = f.s.Probe(f.ctx(), "host", alice, "other.example.test")
	f.refused(err, NotFound)
	f.must(f.s.DisableUser(f.ctx(), "host", alice))
	_, err = f.s.Probe(f.ctx(), "host", alice, appHost)
	f.refused(err, Forbidden)
	var ok []bool
	for _, r := range f.audit(evProbed) {
		ok = append(ok, r.Success)
		if r.Actor != "host" || r.Success && r.Details["app"] != appHost {
			t.Errorf("%+v", r)
		}
	}
	slices.SortFunc(ok, func(a, b bool) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) // some have one time
	if fmt.Sprint(ok) != "[false false true true true]" {
		t.Errorf("audited %v", ok)
	}
}

func endOfProbe(f *fixture, p *Probe) error { return f.s.EndProbe(f.ctx(), "host", p.Nonce) }

// What arrives is kept for the probe that its query names, without what is
// secret in it.
func TestProbe_SeesWhatArrives_LG1(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	f.s.NoteSeen("passwordless-probe=x", func() Seen { t.Error("asked while nobody probes"); return Seen{} })
	p := f.probe(alice, appHost)
	note := func(query string, h http.Header) {
		f.s.NoteSeen(query, func() Seen { return Seen{Place: SeenAsked, Path: "/x\ny", Header: h} })
	}
	const basic, underscored = "Basic dXNlcjpwYXNz", "Proxy_Authorization"
	note("a=b&passwordless-probe="+p.Nonce+"&n=7", http.Header{
		"Cookie": {p.Cookie + "=" + p.Session.Reveal() + "; sid=secret-sid"}, "Authorization": {"Bearer " + p.Token.Reveal()},
		underscored: {basic}, "Remote-User": {"mallory", strings.Repeat("x", 1000)}, "Remote-Jwt": {"eyJh.eyJi.sig"},
	})
	note("passwordless-probe="+p.Nonce+"2", http.Header{"X": {"another probe"}})
	note("xpasswordless-probe="+p.Nonce, http.Header{"X": {"another parameter"}})
	list, ok := f.s.Probed(p.Nonce)
	if !ok || len(list) != 1 || list[0].Path != "/xy" || list[0].Query != "a=b&passwordless-probe="+p.Nonce+"&n=7" || !list[0].At.Equal(f.s.now()) {
		t.Fatalf("%v, %+v", ok, list)
	}
	h := list[0].Header
	if h.Get("Cookie") != Both || h.Get("Authorization") != Ours || fmt.Sprint(map[string][]string(h)[underscored]) != "["+Theirs+"]" || h["Remote-User"][0] != "mallory" || len(h["Remote-User"][1]) != maxSeenValue {
		t.Errorf("%v", h)
	}
	text, err := json.Marshal(list)
	f.must(err)
	for _, secret := range []string{p.Session.Reveal(), p.Token.Reveal(), "secret-sid", basic, "eyJi"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is kept", secret)
		}
	}
	if h = reduced(http.Header{"Cookie": {"sid=1"}, "Authorization": {""}}); h.Get("Cookie") != Theirs || h.Get("Authorization") != "" {
		t.Errorf("%v", h)
	}
}

// Probes and what they keep are bounded, and are gone after a while.
func TestProbe_IsBounded_DS1(t *testing.T) {
	f := newFixture(t)
	var first *Probe
	for range maxProbes {
		if p := f.probe("", appHost); first == nil {
			first = p
		}
	}
	f.signIn(alice)
	_, err := f.s.Probe(f.ctx(), "host", alice, appHost)
	f.refused(err, TooMany)
	for _, s := range f.sessions(alice) {
		if isProbe(s) {
			t.Error("the probe that was refused left a session")
		}
	}
	query := ProbeParam + "=" + first.Nonce
	huge := http.Header{}
	for i := range 3 * maxSeenHeaders {
		huge[fmt.Sprintf("X-%d", i)] = []string{"v"}
	}
	for i := range 2 * maxSeen {
		f.s.NoteSeen(query, func() Seen { return Seen{Path: fmt.Sprint(i), Header: huge} })
	}
	list, _ := f.s.Probed(first.Nonce)
	if len(list) != maxSeen || len(list[0].Header) != maxSeenHeaders || list[maxSeen-1].Path != fmt.Sprint(2*maxSeen-1) {
		t.Errorf("%d requests of %d headers", len(list), len(list[0].Header))
	}
	f.clock.advance(probeKept)
	if _, ok := f.s.Probed(first.Nonce); ok {
		t.Error("kept for too long")
	}
	f.s.NoteSeen(query, func() Seen { t.Error("a probe that is over is noted"); return Seen{} })
	if f.rt.probes.open.Load() != nil {
		t.Error("every request still pays for it")
	}
	f.probe("", appHost)
}
