package portal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// What authenticators answer, and what becomes of it at the endpoints.

// signIn signs a new browser in with the passkey, or tries.
func (k *authenticator) signIn(s *site, change ...func(*authenticator)) *answer {
	s.t.Helper()
	used := *k
	for _, f := range change {
		f(&used)
	}
	b := s.browser()
	a := used.prove(b, b.load(portalURL+"/login"), "/login/passkey")
	if (a.StatusCode == http.StatusOK) != b.has(portalURL, "__Host-passwordless") {
		s.t.Errorf("%d, and a session: %v", a.StatusCode, b.has(portalURL, "__Host-passwordless"))
	}
	k.cred.Counter = used.cred.Counter
	return a
}

func TestAuthenticator_WhatDoesNotFitIsRefusedInOneWay(t *testing.T) {
	s := newSite(t)
	_, ofAda := s.withPasskey()
	his, ofBob := s.browser(), newAuthenticator()
	his.next(ofBob.add(his, his.signIn(bob, portalURL+"/")))
	for name, c := range map[string]struct {
		change func(k *authenticator)
		code   string
	}{
		"WA-7 an app's origin":          {func(k *authenticator) { k.rp.Origin = appURL }, "PASSKEY_REFUSED"},
		"WA-7 plain http":               {func(k *authenticator) { k.rp.Origin = "http://auth.example.com" }, "PASSKEY_REFUSED"},
		"WA-7 a port":                   {func(k *authenticator) { k.rp.Origin = portalURL + ":8443" }, "PASSKEY_REFUSED"},
		"WA-7 a look-alike":             {func(k *authenticator) { k.rp.Origin = portalURL + ".evil.example" }, "PASSKEY_REFUSED"},
		"the parent's rp_id":            {func(k *authenticator) { k.rp.ID = "example.com" }, "PASSKEY_REFUSED"},
		"no rp_id":                      {func(k *authenticator) { k.rp.ID = "" }, "PASSKEY_REFUSED"},
		"WA-3 nobody verified":          {func(k *authenticator) { k.auth.Options.UserNotVerified = true }, "PASSKEY_REFUSED"},
		"nobody present":                {func(k *authenticator) { k.auth.Options.UserNotPresent = true }, "PASSKEY_REFUSED"},
		"WA-6 not discoverable":         {func(k *authenticator) { k.auth.Options.UserHandle = nil }, "PASSKEY_REFUSED"},
		"WA-6 another's handle":         {func(k *authenticator) { k.auth.Options.UserHandle = ofBob.auth.Options.UserHandle }, "PASSKEY_REFUSED"},
		"WA-6 another's credential":     {func(k *authenticator) { k.cred.ID = ofBob.cred.ID }, "PASSKEY_REFUSED"},
		"another's key":                 {func(k *authenticator) { k.cred.Key = ofBob.cred.Key }, "PASSKEY_REFUSED"},
		"a credential of nobody":        {func(k *authenticator) { k.cred.ID = []byte("nobody's credential") }, "CREDENTIAL_UNKNOWN"},
		"an id of 1024 bytes":           {func(k *authenticator) { k.cred.ID = make([]byte, 1024) }, "CREDENTIAL_UNKNOWN"},
		"an id of 20,000 bytes":         {func(k *authenticator) { k.cred.ID = make([]byte, 20_000) }, "CREDENTIAL_UNKNOWN"},
		"an id of no bytes":             {func(k *authenticator) { k.cred.ID = nil }, "PASSKEY_REFUSED"},
		"it became eligible for backup": {func(k *authenticator) { k.auth.Options.BackupEligible = true }, "PASSKEY_REFUSED"},
		"backed up, and not eligible":   {func(k *authenticator) { k.auth.Options.BackupState = true }, "PASSKEY_REFUSED"},
	} {
		t.Run(name, func(t *testing.T) { ofAda.signIn(s, c.change).want(t, 400, c.code) })
	}
	if a := ofAda.signIn(s, func(k *authenticator) { k.cred.ID = make([]byte, 30_000) }); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("an answer that is too long: %d", a.StatusCode)
	}
	ofAda.signIn(s).want(t, 200, "next")
	ofBob.signIn(s).want(t, 200, "next")
}

// What is refused at a registration, where nobody can have answered for the
// credential before.
func TestAuthenticator_RegistrationThatDoesNotFitIsRefused(t *testing.T) {
	s := newSite(t)
	_, known := s.withPasskey()
	b := s.browser()
	page := b.signIn(bob, portalURL+"/")
	for name, c := range map[string]struct {
		change func(k *authenticator)
		status int
		code   string
	}{
		"WA-7 an app's origin":        {func(k *authenticator) { k.rp.Origin = appURL }, 400, "PASSKEY_REFUSED"},
		"another rp_id":               {func(k *authenticator) { k.rp.ID = "example.com" }, 400, "PASSKEY_REFUSED"},
		"WA-3 nobody verified":        {func(k *authenticator) { k.auth.Options.UserNotVerified = true }, 400, "PASSKEY_REFUSED"},
		"nobody present":              {func(k *authenticator) { k.auth.Options.UserNotPresent = true }, 400, "PASSKEY_REFUSED"},
		"backed up, and not eligible": {func(k *authenticator) { k.auth.Options.BackupState = true }, 400, "PASSKEY_REFUSED"},
		"an id of 1024 bytes":         {func(k *authenticator) { k.cred.ID = make([]byte, 1024) }, 400, "PASSKEY_REFUSED"},
		"an id of no bytes":           {func(k *authenticator) { k.cred.ID = nil }, 400, "PASSKEY_REFUSED"},
		"WA-4 another's credential":   {func(k *authenticator) { k.cred.ID = known.cred.ID }, 409, "CREDENTIAL_TAKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newAuthenticator()
			c.change(k)
			k.add(b, page).want(t, c.status, c.code)
		})
	}
	if keys := s.passkeys(bob); len(keys) != 0 {
		t.Fatalf("%d passkeys were stored", len(keys))
	}
	longest := newAuthenticator()
	longest.cred.ID = make([]byte, 1023)
	if _, err := rand.Read(longest.cred.ID); err != nil {
		t.Fatal(err)
	}
	b.next(longest.add(b, page))
	longest.signIn(s).want(t, 200, "next")
	known.signIn(s).want(t, 200, "next")
}

// A key that its authenticator cannot find by itself confirms a known person,
// and signs nobody in.
func TestAuthenticator_OneThatIsNotDiscoverableConfirmsOnly(t *testing.T) {
	s := newSite(t)
	b, k := s.withPasskey()
	handle := k.auth.Options.UserHandle
	k.auth.Options.UserHandle = nil
	k.signIn(s).want(t, 400, "PASSKEY_REFUSED")
	b.next(k.prove(b, b.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	k.auth.Options.UserHandle = handle
	k.signIn(s).want(t, 200, "next")
}

func TestAuthenticator_StepUpIsByOnesOwnPasskey_SE8(t *testing.T) {
	s := newSite(t)
	b, _ := s.withPasskey()
	his, ofBob := s.browser(), newAuthenticator()
	his.next(ofBob.add(his, his.signIn(bob, portalURL+"/")))
	page := b.load(portalURL + "/login/step-up")
	for name, change := range map[string]func(k *authenticator){
		"another person's":            func(*authenticator) {},
		"another's, without a handle": func(k *authenticator) { k.auth.Options.UserHandle = nil },
	} {
		k := *ofBob
		change(&k)
		if a := k.prove(b, page, "/login/step-up/passkey"); a.StatusCode != 400 || !strings.Contains(a.body, "PASSKEY_REFUSED") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	newAuthenticator().prove(b, page, "/login/step-up/passkey").want(t, 400, "CREDENTIAL_UNKNOWN")
}

func TestAuthenticator_CounterThatGoesBackIsRefusedAndTold_WA5(t *testing.T) {
	s := newSite(t)
	b, k := s.withPasskey()
	k.cred.Counter = 9
	k.signIn(s).want(t, 200, "next") // ten
	for _, n := range []uint32{9, 8, 0, math.MaxUint32} {
		back := func(k *authenticator) { k.cred.Counter = n } // one more is sent, 0 in the end
		copied := *k
		copied.signIn(s, back).want(t, 400, "PASSKEY_REFUSED")
	}
	page := b.load(portalURL + "/login/step-up")
	c := b.begin(page, "/login/step-up/passkey")
	copied := *k
	copied.cred.Counter = 3
	credential := copied.get(t, c)
	b.fetch(page, "/login/step-up/passkey", answerTo(c, credential, "")).want(t, 400, "PASSKEY_REFUSED")

	failed := s.audited("webauthn_login_failed")
	if len(failed) != 5 {
		t.Fatalf("%d refusals are in the audit log", len(failed))
	}
	owner, err := s.svc.FindUser(t.Context(), ada)
	s.must(err)
	for _, r := range failed {
		if r.Success || r.Subject != owner.ID || r.Details["why"] != "the counter went back" || r.IP != "192.0.2.7" {
			t.Errorf("the audit log has %+v", r)
		}
	}
	if n := strings.Count(s.log.String(), "may have been copied"); n != 5 {
		t.Errorf("%d lines in the log:\n%s", n, s.log)
	}
	var sent struct {
		ID       string
		Response struct{ ClientDataJSON, Signature, UserHandle string }
	}
	s.must(json.Unmarshal([]byte(credential), &sent))
	var said struct{ Challenge string }
	clientData, err := base64.RawURLEncoding.DecodeString(sent.Response.ClientDataJSON)
	s.must(err)
	s.must(json.Unmarshal(clientData, &said))
	for _, secret := range []string{c.Flow, said.Challenge, sent.Response.Signature, sent.ID, sent.Response.UserHandle, ada, b.jar["auth.example.com"]["__Host-passwordless"]} {
		s.noSecretsIn(t, secret) // LG-1
	}
	k.cred.Counter = 10
	k.signIn(s).want(t, 200, "next") // the owner's own goes on
}

func TestAuthenticator_OneThatNeverCountsSignsInForEver(t *testing.T) {
	s := newSite(t)
	b, k := s.withPasskey()
	never := func(k *authenticator) { k.cred.Counter = math.MaxUint32 } // prove adds one, which makes it 0
	for range 3 {
		k.signIn(s, never).want(t, 200, "next")
		again := *k
		never(&again)
		b.next(again.prove(b, b.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	}
}

// Whether a passkey is synced is told at each use; whether it may be is settled
// when it is made.
func TestAuthenticator_BackupStateIsKeptAndEligibilityStays(t *testing.T) {
	s := newSite(t)
	b, k := s.browser(), newAuthenticator()
	k.auth.Options.BackupEligible = true
	b.next(k.add(b, b.signIn(ada, portalURL+"/")))
	synced := func(want bool) {
		t.Helper()
		if got := s.passkeys(ada)[0].Synced; got != want {
			t.Errorf("synced is %v", got)
		}
		if shown := strings.Contains(b.load(portalURL+"/account").body, `class="tag"`); shown != want {
			t.Errorf("the account page shows it as synced: %v", shown)
		}
	}
	synced(false)
	for _, state := range []bool{true, true, false, true} {
		k.auth.Options.BackupState = state
		k.signIn(s).want(t, 200, "next")
		synced(state)
	}
	k.signIn(s, func(k *authenticator) { k.auth.Options.BackupEligible, k.auth.Options.BackupState = false, false }).want(t, 400, "PASSKEY_REFUSED")
	synced(true) // a refused answer changes nothing
	k.auth.Options.BackupState = false
	b.next(k.prove(b, b.load(portalURL+"/login/step-up"), "/login/step-up/passkey"))
	synced(false) // a step-up tells it as well
}

func TestAuthenticator_RSAKeySignsIn(t *testing.T) {
	s := newSite(t)
	b, k := s.browser(), newAuthenticator()
	k.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)
	b.next(k.add(b, b.signIn(ada, portalURL+"/")))
	k.signIn(s).want(t, 200, "next")
}

// WA-11, DS-4: a parser that panics on somebody's answer refuses that answer and
// nothing else.
func TestAuthenticator_AnswerThatMakesAParserPanicIsRefused_WA11(t *testing.T) {
	const format = "panics-in-portal"
	protocol.RegisterAttestationFormat(format, func(protocol.AttestationObject, []byte, metadata.Provider, protocol.AttestationPolicy, protocol.SignaturePolicy) (string, []any, error) {
		panic("an index is out of range")
	})
	s := newSite(t)
	b := s.browser()
	page := b.signIn(ada, portalURL+"/")
	c := b.begin(page, "/account/passkeys")
	var credential map[string]any
	s.must(json.Unmarshal([]byte(newAuthenticator().create(t, c)), &credential))
	response := credential["response"].(map[string]any)
	raw, err := base64.RawURLEncoding.DecodeString(response["attestationObject"].(string))
	s.must(err)
	var object map[string]any
	s.must(webauthncbor.Unmarshal(raw, &object))
	object["fmt"] = format
	raw, err = webauthncbor.Marshal(object)
	s.must(err)
	response["attestationObject"] = base64.RawURLEncoding.EncodeToString(raw)
	body, err := json.Marshal(credential)
	s.must(err)
	b.fetch(page, "/account/passkeys", answerTo(c, string(body), "")).want(t, 400, "PASSKEY_REFUSED")
	if !strings.Contains(s.log.String(), "an index is out of range") {
		t.Error("nobody hears of it")
	}
	b.next(newAuthenticator().add(b, page))
}

// What is stored stays as it was, and every challenge is spent.
func TestAuthenticator_RefusedAnswersChangeNothing(t *testing.T) {
	s := newSite(t)
	_, k := s.withPasskey()
	k.signIn(s).want(t, 200, "next")
	before := s.passkeys(ada)
	for _, change := range []func(*authenticator){
		func(k *authenticator) { k.rp.Origin = appURL },
		func(k *authenticator) { k.auth.Options.UserNotVerified = true },
		func(k *authenticator) { k.cred.Counter = 0 },
		func(k *authenticator) { k.cred.Key = newCredential().Key },
	} {
		used := *k
		used.signIn(s, change).want(t, 400, "PASSKEY_REFUSED")
	}
	after := s.passkeys(ada)
	if len(after) != 1 || !bytes.Equal(after[0].Credential, before[0].Credential) || !after[0].LastUsed.Equal(before[0].LastUsed) {
		t.Errorf("it was %+v and is %+v", before[0], after[0])
	}
	if open := s.records().takes[store.KindCeremony]; open != 0 {
		t.Errorf("%d ceremonies are still open", open)
	}
}
