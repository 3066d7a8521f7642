package portal

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

const uuid = "3b241101-e2bb-4255-8caf-4136c566a962"

// ask is a request for a mail under a key.
func (p program) ask(address, client, key string) *answer {
	p.s.t.Helper()
	return p.callWith("POST", "/api/login/email", doc("email", address, "client_id", client), "", map[string]string{"Idempotency-Key": key})
}

func TestRepeat_GetsTheSameFlowAndNoSecondMail(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	var first, second, third flowDoc
	p.ask(ada, "spa", uuid).want(t, 202, "").into(t, &first)
	before := s.records()
	s.wait(20 * time.Second)
	p.ask(" ADA@Example.COM"[1:], "spa", uuid).want(t, 202, "").into(t, &second) // the same address
	if second.Flow != first.Flow || first.ResendAfter != 30 || second.ResendAfter > 10 || first.ExpiresIn != 600 || second.ExpiresIn > 580 {
		t.Errorf("first %+v, then %+v", first, second)
	}
	s.unchanged(t, before, "a repeat")
	old := s.codes()
	s.wait(11 * time.Second)
	p.ask(ada, "spa", uuid).want(t, 202, "").into(t, &third)
	if all := s.codes(); third.Flow != first.Flow || third.ResendAfter != 30 || len(all) != 2 || len(old) != 1 {
		t.Errorf("then %+v and %d mails", third, len(all))
	}
	p.call("POST", "/api/login/email/verify", doc("flow", first.Flow, "code", old[0]), "").want(t, 400, "CODE_INVALID") // ML-2
	p.verify(first.Flow).want(t, 200, ada)
	p.verify(first.Flow).want(t, 400, "FLOW_EXPIRED")
	p.ask(ada, "spa", uuid).want(t, 202, first.Flow) // it is over, so this begins anew
	if n := len(s.codes()); n != 3 {
		t.Errorf("%d mails", n)
	}
	p.verify(first.Flow).want(t, 200, ada)
}

// The flow is as hard to guess as without a key: client, address and key all
// count, and without a key nothing is a repeat.
func TestRepeat_IsOfOneClientAddressAndKey(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	flows := map[string]string{}
	for what, a := range map[string]*answer{
		"it": p.ask(ada, "spa", uuid), "another client": p.ask(ada, "bank", uuid), "another address": p.ask(bob, "spa", uuid), "another key": p.ask(ada, "spa", uuid[1:]),
		"no key": p.ask(ada, "spa", ""), "no key again": p.ask(ada, "spa", ""), "the key in another case": p.ask(ada, "spa", strings.ToUpper(uuid)),
	} {
		flow := a.want(t, 202, "").text(t, "flow")
		if other := flows[flow]; other != "" {
			t.Errorf("%s has the flow of %s", what, other)
		}
		flows[flow] = what
	}
	if n := len(s.codes()); n != 7 {
		t.Errorf("%d mails", n)
	}
}

func TestRepeat_TakesKeysThatCannotBeGuessed(t *testing.T) {
	s := newSite(t, twoClients)
	p := s.program()
	before := s.records()
	for what, key := range map[string]string{
		"short": "123456789012345", "long": strings.Repeat("x", 65), "a space": "12345678 12345678", "a tab": "12345678\t12345678", "a letter that is no ASCII": "1234567890123456é", "DEL": "1234567890123456\x7f",
	} {
		if a := p.ask(ada, "spa", key); a.StatusCode != 400 || !strings.Contains(a.body, keyHeader) {
			t.Errorf("%s: %d %s", what, a.StatusCode, a.body)
		}
	}
	s.unchanged(t, before, "a bad key")
	for _, key := range []string{strings.Repeat("x", 16), strings.Repeat("~", 64), `"` + uuid + `"`} {
		p.ask(ada, "spa", key).want(t, 202, "flow")
	}
}

func TestRepeat_OfFiftyAtOnceSendsOneMail(t *testing.T) {
	s := newSite(t, twoClients)
	statuses, good := s.together(50, func(_ int, p program) *answer { return p.ask(ada, "spa", uuid) })
	flows := map[string]bool{}
	for _, body := range good {
		var f flowDoc
		(&answer{body: body}).into(t, &f)
		flows[f.Flow] = true
	}
	if statuses[202] != 50 || len(flows) != 1 || len(s.codes()) != 1 {
		t.Errorf("%v, %d flows, %d mails", statuses, len(flows), len(s.codes()))
	}
}

// EN: repeats tell no more of an address than first requests do, and neither does
// what comes after.
func TestRepeat_TellsNothingOfTheAddress_EN(t *testing.T) {
	s := newSite(t, twoClients)
	s.addUser("full@example.com")
	for range 12 { // throttled
		s.program().start("full@example.com", "spa")
	}
	p := s.program()
	p.addKey(t, p.authenticator(), p.signIn(t, bob, "spa").SessionToken).want(t, 201, "")
	s.reload(func(c *authcore.Config) { c.EmailAfterPasskey = "off" }) // bob gets none, either
	transcript := func(address string) (list []string) {
		p := s.program()
		note := func(a *answer) {
			var h strings.Builder
			s.must(a.Header.Write(&h))
			list = append(list, a.Status+secretLike.ReplaceAllString(strings.ReplaceAll(h.String()+a.body, address, "ADDRESS"), "SECRET"))
		}
		// Counted by the source: one of their own for each.
		p.ip = map[string]string{ada: "198.51.100.1", bob: "198.51.100.2", gone: "198.51.100.3", nobody: "198.51.100.4", "full@example.com": "198.51.100.5"}[address]
		start := s.clock()
		at := func(d time.Duration) { s.wait(start.Add(d).Sub(s.clock())) }
		for _, key := range []string{"", uuid, uuid} {
			a := p.ask(address, "spa", key)
			note(a)
			flow := a.text(t, "flow")
			for _, code := range []string{"1", "00000000", "00000000"} {
				at(time.Duration(len(list)) * time.Second)
				note(p.call("POST", "/api/login/email/verify", doc("flow", flow, "code", code), ""))
			}
		}
		at(40 * time.Second)
		a := p.ask(address, "spa", uuid)
		note(a)
		for range 5 {
			note(p.call("POST", "/api/login/email/verify", doc("flow", a.text(t, "flow"), "code", "00000000"), ""))
		}
		at(50 * time.Second)
		note(p.ask(address, "spa", uuid))
		at(2 * time.Minute)
		return list
	}
	want := transcript(ada)
	for _, address := range []string{bob, gone, nobody, "full@example.com"} {
		got := transcript(address)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s, step %d:\n%s\nwant\n%s", address, i, got[i], want[i])
			}
		}
	}
	to := map[string]int{}
	for _, m := range s.mails() {
		to[m.to]++
	}
	if delete(to, "full@example.com"); !maps.Equal(to, map[string]int{ada: 4, bob: 2}) { // bob's are of before: his code, and the notice of the passkey
		t.Errorf("mails went to %v", to)
	}
}
