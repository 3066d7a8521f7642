package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// mailboxFor is a mailbox for the time of a test.
func mailboxFor(t *testing.T, take func(string, []byte) error) *mailbox {
	t.Helper()
	m, err := openMailbox(take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// sendMail delivers a mail to a mailbox.
func sendMail(m *mailbox, to, text string) error {
	return smtp.SendMail(m.addr, nil, "bench@localhost", []string{to}, []byte("Subject: x\r\n\r\n"+text+"\r\n"))
}

func TestDesk_ACodeReachesWhomItIsFor(t *testing.T) {
	one, two := &account{letters: make(chan letter, 1)}, &account{letters: make(chan letter, 1)}
	d := &desk{people: map[string]*account{"one@example.com": one, "two@example.com": two}}
	m := mailboxFor(t, d.take)
	before := time.Now()
	for _, mail := range []struct{ to, text string }{
		{"one@example.com", "Somebody added a passkey."}, {"two@example.com", "Your code is 1234 5678."}, {"none@example.com", "Your code is 1111 1111."},
	} {
		if err := sendMail(m, mail.to, mail.text); err != nil {
			t.Errorf("%s: %v", mail.to, err)
		}
	}
	if len(one.letters) != 0 || len(two.letters) != 1 {
		t.Fatalf("%d codes for one, %d for two", len(one.letters), len(two.letters))
	}
	if got := <-two.letters; got.code != "12345678" || got.at.Before(before) || got.at.After(time.Now()) {
		t.Errorf("got %v", got)
	}
	if at := time.Unix(0, d.arrived.Load()); at.Before(before) {
		t.Errorf("the last mail came at %v", at)
	}
}

func TestDesk_RestsWhenNoMailComesAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, begin := new(desk), time.Now()
		go func() {
			for range 3 {
				time.Sleep(silence * 9 / 10)
				_ = d.take("a@example.com", nil)
			}
		}()
		if err := d.rest(t.Context()); err != nil || time.Since(begin) != silence*27/10+silence {
			t.Errorf("rested after %v, %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.rest(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestMailbox_RefusesWhatIsNotTaken(t *testing.T) {
	codes := make(chan string, 1)
	m := mailboxFor(t, passOn(codes))
	if err := sendMail(m, "a@example.com", "No code."); err == nil || !strings.Contains(err.Error(), "554") {
		t.Errorf("got %v", err)
	}
	for range 2 { // nobody waits for the second
		if err := sendMail(m, "a@example.com", "1234 5678"); err != nil {
			t.Error(err)
		}
	}
	if code := <-codes; code != "12345678" || len(codes) != 0 {
		t.Errorf("got %s and %d more", code, len(codes))
	}
}

func TestMailboxRole_IsAServer(t *testing.T) {
	var addr string
	if err := inProcess(t, "mailbox").ask(struct{}{}, &addr); err != nil {
		t.Fatal(err)
	}
	if err := sendMail(&mailbox{addr: addr}, "a@example.com", "No code."); err != nil {
		t.Error(err)
	}
}

func TestDesk_OnlyAnAnswerIsAnAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v: %v", r.Method, r.Header, err)
		}
		if r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(`{"refresh_token":"` + in["code"] + `"}`))
	}))
	defer srv.Close()
	d := &desk{portal: srv.URL}
	var got tokens
	before := time.Now()
	at, err := d.call(t.Context(), "/x", "key", map[string]string{"code": "1"}, &got)
	if err != nil || got.Refresh != "1" || at.Before(before) || at.After(time.Now()) {
		t.Errorf("got %v at %v, %v", got, at, err)
	}
	if _, err := d.call(t.Context(), "/x", "", map[string]string{"code": "1"}, &got); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a refusal: %v", err)
	}
}

// Nobody may run into a bound that no configuration lifts: what is refused costs
// nothing, and the figures would say so.
func TestSignInPlan_KeepsWithinEveryBound(t *testing.T) {
	for _, quick := range []bool{false, true} {
		p := options{quick: quick}.signIn()
		codes := p.people + p.steady + len(crowds)*p.crowded
		visits := p.samples + warmUp // of a group
		for what, c := range map[string]struct{ is, most int }{
			"mails of an hour, codes":              {codes, 5000},
			"mails of an hour, a batch of timings": {visits * groups, 5000},
			"mails to an address, codes":           {codes/p.people + 1, 80},
			"mails to an address, timings":         {visits/addressesEach + 1, 80},
			"wrong codes of an account":            {visits/addressesEach + 1, 99},
			"sessions of an account":               {codes/p.people + 1, 20},
		} {
			if c.is > c.most {
				t.Errorf("quick %t: %d %s, and %d are possible", quick, c.is, what, c.most)
			}
		}
		if p.people < refreshers || !quick && (p.people < slices.Max(crowds) || p.samples*p.batches < 2000) {
			t.Errorf("quick %t: too few: %+v", quick, p)
		}
	}
}

func TestPasskey_AnswersWhatItIsAsked(t *testing.T) {
	k := newPasskey("http://auth.localhost:1")
	made, err := k.create(ceremony{"one", json.RawMessage(`{"publicKey":{"challenge":"AAAA","rp":{"id":"auth.localhost","name":"x"},"user":{"id":"BBBB","name":"x","displayName":"x"},"pubKeyCredParams":[{"type":"public-key","alg":-7}]}}`)})
	if err != nil || made.Flow != "one" || !json.Valid(made.Credential) {
		t.Fatalf("made %+v, %v", made, err)
	}
	options := json.RawMessage(`{"publicKey":{"challenge":"AAAA","rpId":"auth.localhost"}}`)
	for _, want := range []uint32{1, 2} { // a counter that stood still would be a copied key's
		signed, err := k.sign(ceremony{"two", options})
		if err != nil || signed.Flow != "two" || !json.Valid(signed.Credential) || k.key.Counter != want {
			t.Errorf("signed %+v with counter %d, %v", signed, k.key.Counter, err)
		}
	}
	if _, err := k.sign(ceremony{"two", json.RawMessage(`{}`)}); err == nil {
		t.Error("signed without a challenge")
	}
	if _, err := k.create(ceremony{"two", json.RawMessage(`{}`)}); err == nil {
		t.Error("made a credential without a challenge")
	}
}
