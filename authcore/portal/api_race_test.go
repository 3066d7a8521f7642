package portal

import (
	"sync"
	"testing"
	"time"
)

// together sends n requests at once and answers how often each status came, and
// the bodies of those that succeeded.
func (s *site) together(n int, send func(i int, p program) *answer) (statuses map[int]int, good []string) {
	answers := make([]*answer, n)
	var ready, all sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		ready.Add(1)
		all.Go(func() {
			p := s.program()
			ready.Done()
			<-gate
			answers[i] = send(i, p)
		})
	}
	ready.Wait()
	close(gate)
	all.Wait()
	statuses = map[int]int{}
	for _, a := range answers {
		if statuses[a.StatusCode]++; a.StatusCode < 300 {
			good = append(good, a.body)
		}
	}
	return statuses, good
}

// ML-2, EC-2, TO-2, TO-4, WA-1: of 50 that come at once, one is let in.
func TestAPI_OneOfFiftyGetsIn(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	k := p.authenticator()
	f, bearer := p.addPhone(t, p.signIn(t, ada, "spa").SessionToken)
	codes := p.makeCodes(t, bearer)
	p.addKey(t, k, p.signIn(t, bob, "spa").SessionToken).want(t, 201, "")

	mailed := doc("flow", p.start(bob, "spa"), "code", s.codes()[0])
	second := p.second(t, ada, "spa")
	others := []string{p.second(t, ada, "spa"), p.second(t, ada, "spa")}
	s.wait(time.Minute)
	c, code := p.keyOptions(t, "spa"), f.code(t, s.clock())
	made := credential(c, k.get(t, c))
	for what, r := range map[string]struct{ path, body string }{
		"a mailed code":   {"/api/login/email/verify", mailed},
		"a passkey":       {"/api/login/passkey", made},
		"a recovery code": {"/api/login/recovery", doc("flow", second, "code", codes[0])},
		"an app's code":   {"/api/login/totp", doc("flow", others[0], "code", code)},
	} {
		if statuses, good := s.together(50, func(_ int, p program) *answer { return p.call("POST", r.path, r.body, "") }); len(good) != 1 || statuses[400] != 49 {
			t.Errorf("%s: %v", what, statuses)
		}
	}
	p.call("POST", "/api/login/totp", doc("flow", others[1], "code", code), "").want(t, 400, "TOTP_INVALID")
	p.call("POST", "/api/login/recovery", doc("flow", others[1], "code", codes[0]), "").want(t, 400, "RECOVERY_INVALID")
}

// TO-2: a code is good for one sign-in, however many wait for it.
func TestAPI_OneCodeOfAnAppEndsOneOfManySignIns_TO2(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	f, _ := p.addPhone(t, p.signIn(t, ada, "spa").SessionToken)
	flows := []string{}
	for range 5 {
		flows = append(flows, p.second(t, ada, "spa"))
	}
	code := s.next(f)
	statuses, good := s.together(len(flows), func(i int, p program) *answer {
		return p.call("POST", "/api/login/totp", doc("flow", flows[i], "code", code), "")
	})
	if len(good) != 1 || statuses[400] != 4 {
		t.Errorf("%v", statuses)
	}
}

// RT-2: a family has one line of descent, whoever asks when.
func TestAPI_FiftyRefreshesHaveOneSuccessor_RT2(t *testing.T) {
	s := newSite(t, twoClients)
	got := s.program().signIn(t, ada, "spa")
	statuses, good := s.together(50, func(_ int, p program) *answer {
		return p.call("POST", "/api/token/refresh", doc("refresh_token", got.RefreshToken), "")
	})
	successors := map[string]bool{}
	var next tokensDoc
	for _, body := range good {
		(&answer{body: body}).into(t, &next)
		successors[next.RefreshToken+" "+next.SessionToken] = true
	}
	if statuses[200] != 50 || len(successors) != 1 {
		t.Errorf("%v with %d successors", statuses, len(successors))
	}
	s.program().call("GET", "/api/me", "", next.SessionToken).want(t, 200, ada)
}
