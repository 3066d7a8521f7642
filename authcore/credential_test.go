package authcore

import (
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
)

// WA-11, DS-4: a parser that panics refuses, spends the challenge, and leaves
// word in the log; the process lives on.
func TestPasskey_PanicInAParserIsARefusal_WA11(t *testing.T) {
	protocol.RegisterAttestationFormat("panics", func(protocol.AttestationObject, []byte, metadata.Provider, protocol.AttestationPolicy, protocol.SignaturePolicy) (string, []any, error) {
		panic("an index is out of range")
	})
	r := newReplay(t)
	c := verifiedCreate(t)
	attested("panics", map[string]any{})(t, &c)
	_, err := r.register(c, nil)
	r.refused(err, PasskeyRefused)

	v := vectorNamed(t, "packed-es256")
	r.keep(v)
	b := r.newBrowser()
	begun, err := r.s.BeginPasskey(r.ctx(), b)
	r.must(err)
	id := r.asked(begun, v.get.challenge, nil)
	panics := func() error { panic("another index") }
	r.view.Store(&panics)
	_, err = r.s.FinishPasskey(r.ctx(), id, r.handled(v).body(t), b)
	r.refused(err, PasskeyRefused)
	r.breakViews(nil)
	_, err = r.s.FinishPasskey(r.ctx(), id, r.handled(v).body(t), b)
	r.refused(err, FlowExpired)
	for _, said := range []string{"an index is out of range", "another index", "credential_test.go"} {
		if !strings.Contains(r.log.String(), said) {
			t.Errorf("the log does not say %q", said)
		}
	}
	if strings.Contains(r.log.String(), b64(v.get.challenge)) || len(r.audit(evLoginFailed)) != 1 || len(r.audit(evRegisterFailed)) != 1 {
		t.Error("the challenge is in the log, or the refusals are not in the audit log")
	}
}

// AD-5: a credential has one reading, whoever reads it.
func TestPasskey_CredentialHasOneReading_AD5(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b, _ := f.signIn(bob)
	for name, change := range map[string]func(string) string{
		"id twice":                    func(s string) string { return `{"id":"AAAA",` + s[1:] },
		"rawId in two cases":          func(s string) string { return s[:len(s)-1] + `,"RAWID":"AAAA"}` },
		"rawId in another case":       func(s string) string { return strings.Replace(s, `"rawId"`, `"rawID"`, 1) },
		"response twice":              func(s string) string { return s[:len(s)-1] + `,"response":{}}` },
		"client data in another case": func(s string) string { return strings.Replace(s, `"clientDataJSON"`, `"clientDataJson"`, 1) },
		"client data twice": func(s string) string {
			return strings.Replace(s, `"clientDataJSON"`, `"clientDataJSON":"AA","clientDataJSON"`, 1)
		},
		"a member that is none of ours, twice": func(s string) string { return `{"new":1,"new":2,` + s[1:] },
		"a member deep inside, twice":          func(s string) string { return `{"new":[{"x":1,"X":2}],` + s[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			browser := f.newBrowser()
			c, err := f.s.BeginPasskey(f.ctx(), browser)
			f.must(err)
			_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), []byte(change(string(f.assert(k, c)))), browser)
			f.refused(err, PasskeyRefused)
			c, err = f.s.BeginAddPasskey(f.ctx(), b)
			f.must(err)
			_, err = f.s.FinishAddPasskey(f.ctx(), c.ID.Reveal(), []byte(change(string(f.attest(f.newKey(), c)))), "", b)
			f.refused(err, PasskeyRefused)
		})
	}
	// What browsers add in years to come is none of our business.
	browser := f.newBrowser()
	c, err := f.s.BeginPasskey(f.ctx(), browser)
	f.must(err)
	newer := `{"new":{"ID":1,"more":["x"]},` + string(f.assert(k, c))[1:]
	_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), []byte(newer), browser)
	f.must(err)
}
