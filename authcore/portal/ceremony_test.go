package portal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
)

// A challenge is good once, for its purpose, in its browser (WA-1): at the
// endpoints, with a software authenticator.

// consumers are the endpoints that take a passkey's answer, by what their
// challenges are for. Each hands its challenges out at …/options.
func consumers() map[string]string {
	return map[string]string{"sign-in": "/login/passkey", "step-up": "/login/step-up/passkey", "registration": "/account/passkeys"}
}

// member is a browser that has just proved its passkey, and its account page.
func (s *site) member() (*browser, *authenticator, *answer) {
	s.t.Helper()
	b, k := s.withPasskey()
	page := b.next(k.prove(b, b.load(portalURL+"/login/step-up"), consumers()["step-up"]))
	return b, k, page
}

// begin asks for a challenge.
func (b *browser) begin(page *answer, path string) ceremony {
	b.s.t.Helper()
	return b.fetch(page, path+"/options", nothing{}).ceremony(b.s.t)
}

// fits is the answer that an endpoint wants: a new passkey's, or k's.
func (k *authenticator) fits(t *testing.T, purpose string, c ceremony) string {
	t.Helper()
	if purpose == "registration" {
		return newAuthenticator().create(t, c)
	}
	return k.get(t, c)
}

func TestCeremony_ChallengeOfOnePurposeIsWorthlessForAnother_WA1(t *testing.T) {
	s := newSite(t)
	b, k, page := s.member()
	for asked, from := range consumers() {
		for used, at := range consumers() {
			if asked == used {
				continue
			}
			before := s.records().counts
			answers := map[string]func(c ceremony) string{
				"as asked": func(c ceremony) string { return k.fits(t, asked, c) },
				"as used":  func(c ceremony) string { return k.fits(t, used, c) },
			}
			for _, answer := range answers {
				c := b.begin(page, from)
				b.fetch(page, at, answerTo(c, answer(c), "")).want(t, 400, "FLOW_EXPIRED")
				b.fetch(page, from, answerTo(c, k.fits(t, asked, c), "")).want(t, 400, "FLOW_EXPIRED") // spent by that
			}
			// The other way to mix them up: an open ceremony, another's challenge.
			c, other := b.begin(page, at), b.begin(page, from)
			other.Flow = c.Flow
			b.fetch(page, at, answerTo(other, k.fits(t, used, other), "")).want(t, 400, "PASSKEY_REFUSED")
			if now := s.records().counts; now.Sessions != before.Sessions {
				t.Errorf("%s at %s: %d sessions, before %d", asked, used, now.Sessions, before.Sessions)
			}
		}
	}
	if keys := s.passkeys(ada); len(keys) != 1 {
		t.Errorf("%d passkeys", len(keys))
	}
	for purpose, path := range consumers() {
		c := b.begin(page, path)
		page = b.next(b.fetch(page, path, answerTo(c, k.fits(t, purpose, c), "")))
	}
}

func (s *site) passkeys(address string) []*store.Passkey {
	s.t.Helper()
	u, err := s.svc.FindUser(context.Background(), address)
	s.must(err)
	keys, err := s.svc.Passkeys(context.Background(), u)
	s.must(err)
	return keys
}

func TestCeremony_ChallengeOfOneBrowserIsWorthlessInAnother_WA1(t *testing.T) {
	s := newSite(t)
	b, k, page := s.member()
	other := s.browser()
	otherPage := other.next(k.prove(other, other.load(portalURL+"/login"), consumers()["sign-in"])) // the same person
	for purpose, path := range consumers() {
		c := b.begin(page, path)
		other.fetch(otherPage, path, answerTo(c, k.fits(t, purpose, c), "")).want(t, 400, "FLOW_EXPIRED")
		b.fetch(page, path, answerTo(c, k.fits(t, purpose, c), "")).want(t, 400, "FLOW_EXPIRED")
	}
}

// One answer sent fifty times at once gets through once.
func TestCeremony_OneOf50PresentationsWins_WA1(t *testing.T) {
	s := newSite(t)
	b, k, page := s.member()
	for _, purpose := range []string{"sign-in", "registration", "step-up"} {
		path := consumers()[purpose]
		c := b.begin(page, path)
		body := answerTo(c, k.fits(t, purpose, c), "")
		answers := b.fiftyTimes(page, path, body)
		var won []*answer
		for _, a := range answers {
			switch {
			case a.StatusCode == http.StatusOK:
				won = append(won, a)
			case !strings.Contains(a.body, "FLOW_EXPIRED") && !strings.Contains(a.body, "UNAUTHENTICATED"): // the winner renewed the session
				t.Errorf("%s: a loser is told %d %s", purpose, a.StatusCode, a.body)
			}
		}
		if len(won) != 1 {
			t.Fatalf("%s: %d of %d presentations of one challenge succeeded", purpose, len(won), len(answers))
		}
		b.keep(won[0].url, won[0].Response)
		page = b.load(portalURL+"/account").want(t, 200, ada)
	}
	if keys := s.passkeys(ada); len(keys) != 2 {
		t.Errorf("%d passkeys, one was there and one was added", len(keys))
	}
}

// fiftyTimes sends the same at once from fifty tabs with the same cookies.
func (b *browser) fiftyTimes(page *answer, path string, body any) []*answer {
	answers := make([]*answer, 50)
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	for i := range answers {
		tab := &browser{s: b.s, jar: map[string]map[string]string{}, ip: b.ip, agent: b.agent}
		for host, cookies := range b.jar {
			tab.jar[host] = maps.Clone(cookies)
		}
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-gate
			answers[i] = tab.fetch(page, path, body)
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
	return answers
}

// restart closes everything and opens the same file again.
func (s *site) restart() {
	s.t.Helper()
	path := s.db.(*bolt.DB).Path()
	s.must(s.rt.Close())
	db := bolttest.OpenAt(s.t, path)
	rt, err := authcore.NewRuntime(s.t.Context(), authcore.RuntimeOptions{
		Store: db, RootKey: authcore.RootKey{1}, Now: s.clock, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	s.must(err)
	s.t.Cleanup(func() { s.must(rt.Close()) })
	s.db, s.rt = db, rt
	s.reload(func(*authcore.Config) {})
}

func TestCeremony_SpentOneStaysSpentAfterARestartAndAnOpenOneStaysOpen_WA1(t *testing.T) {
	s := newSite(t)
	b, k, page := s.member()
	spent, bodies := map[string]ceremony{}, map[string]answerDoc{}
	for _, purpose := range []string{"registration", "sign-in", "step-up"} {
		path := consumers()[purpose]
		spent[purpose] = b.begin(page, path)
		bodies[purpose] = answerTo(spent[purpose], k.fits(t, purpose, spent[purpose]), "")
		page = b.next(b.fetch(page, path, bodies[purpose]))
	}
	open := map[string]ceremony{}
	for purpose, path := range consumers() {
		open[purpose] = b.begin(page, path)
	}
	s.restart()
	for purpose, body := range bodies {
		b.fetch(page, consumers()[purpose], body).want(t, 400, "FLOW_EXPIRED")
	}
	for _, purpose := range []string{"registration", "step-up", "sign-in"} {
		page = b.next(b.fetch(page, consumers()[purpose], answerTo(open[purpose], k.fits(t, purpose, open[purpose]), "")))
	}
}

// A member of the body, or of the credential in it, that can be read in two ways
// is refused; so is what is no credential at all (AD-5).
func TestCeremony_BodyHasOneReading_AD5(t *testing.T) {
	s := newSite(t)
	b, k, page := s.member()
	for purpose, path := range consumers() {
		for name, change := range map[string]func(body string) string{
			"flow twice":              func(s string) string { return strings.Replace(s, `"flow":`, `"flow":"x","flow":`, 1) },
			"flow in another case":    func(s string) string { return strings.Replace(s, `"flow":`, `"Flow":`, 1) },
			"credential in two cases": func(s string) string { return s[:len(s)-1] + `,"Credential":{}}` },
			"a member more":           func(s string) string { return s[:len(s)-1] + `,"user":"` + bob + `"}` },
			"id twice":                func(s string) string { return strings.Replace(s, `"id":`, `"id":"AAAA","id":`, 1) },
			"rawId in another case":   func(s string) string { return strings.Replace(s, `"rawId":`, `"rawid":`, 1) },
			"type in two cases":       func(s string) string { return strings.Replace(s, `"type":`, `"TYPE":"x","type":`, 1) },
			"client data twice": func(s string) string {
				return strings.Replace(s, `"clientDataJSON":`, `"clientDataJSON":"","clientDataJSON":`, 1)
			},
			"client data in another case": func(s string) string {
				return strings.Replace(s, `"clientDataJSON":`, `"clientdatajson":`, 1)
			},
			"id is a list":          func(s string) string { return strings.Replace(s, `"id":"`, `"id":["`, 1) },
			"response is a text":    func(s string) string { return strings.Replace(s, `"response":{`, `"response":"x","x":{`, 1) },
			"everything in a list":  func(s string) string { return "[" + s + "]" },
			"two bodies":            func(s string) string { return s + s },
			"credential is nothing": func(s string) string { return strings.Replace(s, `"credential":{`, `"credential":null,"x":{`, 1) },
		} {
			c := b.begin(page, path)
			body, err := json.Marshal(answerTo(c, k.fits(t, purpose, c), ""))
			s.must(err)
			a := b.fetchRaw(page, path, change(string(body)), "application/json")
			if a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s, %s: %d %s", purpose, name, a.StatusCode, a.body)
			}
		}
	}
	if keys := s.passkeys(ada); len(keys) != 1 {
		t.Errorf("%d passkeys", len(keys))
	}
}

// audited are the newest audit records of a type, newest first.
func (s *site) audited(typ string) (list []*store.AuditRecord) {
	s.t.Helper()
	s.must(s.db.View(context.Background(), func(tx store.Tx) error {
		all, err := tx.ListAudit("", 1000)
		list = slices.DeleteFunc(all, func(r *store.AuditRecord) bool { return r.Type != typ })
		return err
	}))
	return list
}
