package forwardauth_test

import (
	"fmt"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
)

// Doctor hears what each proxy asked, and why there was no decision.
func TestProbe_SeesWhatProxiesAsk(t *testing.T) {
	s := newSite(t)
	p, err := s.svc.Probe(t.Context(), "host", "", "app.example.com")
	s.must(err)
	uri := "/a%2fb?x=1&" + authcore.ProbeParam + "=" + p.Nonce
	last := func() authcore.Seen {
		t.Helper()
		list, ok := s.svc.Probed(p.Nonce)
		if !ok || len(list) == 0 {
			t.Fatal("nothing was seen")
		}
		return list[len(list)-1]
	}
	for _, kind := range forwardauth.Kinds() {
		s.ask(kind, question{uri: uri, method: "PUT"})
		got := last()
		if got.Kind != string(kind) || got.Peer != callers[kind] || got.Client.String() != someone || got.Place != authcore.SeenAsked ||
			got.Method != "PUT" || got.Scheme != "https" || got.Host != "app.example.com" || got.Path != "/a%2fb" || got.Verdict != "sign in" {
			t.Errorf("%s: %+v", kind, got)
		}
		r := question{uri: uri}.in(kind)
		r.RemoteAddr = "192.0.2.66:1234"
		send(t, s.h, r)
		if got = last(); got.Kind != "" || got.Peer != "192.0.2.66" || got.Verdict != "this peer is no configured proxy" {
			t.Errorf("%s, not trusted: %+v", kind, got)
		}
	}
	for _, tc := range []struct{ header, value, verdict string }{
		{"X-Forwarded-Method", "", "X-Forwarded-Method is missing"},
		{"X-Forwarded-Host", "other.example.com", "no app has this host"},
		{"X-Forwarded-Proto", "http", "the request came by another scheme than the app's"},
	} {
		r := question{uri: uri}.in(forwardauth.Traefik)
		if r.Header.Set(tc.header, tc.value); tc.value == "" {
			r.Header.Del(tc.header)
		}
		send(t, s.h, r)
		if got := last(); got.Verdict != tc.verdict || got.Kind != "traefik" {
			t.Errorf("%s %q: %+v", tc.header, tc.value, got)
		}
	}
	list, _ := s.svc.Probed(p.Nonce)
	s.ask(forwardauth.Traefik, question{uri: "/x"})
	s.must(s.svc.EndProbe(t.Context(), "host", p.Nonce))
	s.ask(forwardauth.Traefik, question{uri: uri})
	if _, ok := s.svc.Probed(p.Nonce); ok || len(list) != 2*len(forwardauth.Kinds())+3 {
		t.Error(fmt.Sprint(ok, len(list)))
	}
}
