package authcore

import (
	"encoding/json"
	"testing"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/protocol"
)

// key is a passkey in the hands of a person.
type key struct {
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

func (f *fixture) newKey() *key {
	f.t.Helper()
	cred := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(cred.Key.AttestationData()) != 77 {
		// A coordinate begins with a zero byte, which the library leaves out
		// and COSE demands (RFC 9053 section 7.1.1).
		cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	c := f.s.Config()
	return &key{
		rp:   virtualwebauthn.RelyingParty{ID: c.RPID, Name: c.RPName, Origin: f.s.Portal().String()},
		auth: virtualwebauthn.NewAuthenticator(), cred: cred,
	}
}

func optionsJSON(t testing.TB, c *Ceremony) string {
	t.Helper()
	b, err := json.Marshal(c.Options)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func requestOptions(t testing.TB, c *Ceremony) protocol.PublicKeyCredentialRequestOptions {
	t.Helper()
	o, ok := c.Options.(protocol.PublicKeyCredentialRequestOptions)
	if !ok {
		t.Fatalf("options are %T", c.Options)
	}
	return o
}

// attest answers a registration.
func (f *fixture) attest(k *key, c *Ceremony) []byte {
	f.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(optionsJSON(f.t, c))
	f.must(err)
	k.auth.Options.UserHandle = []byte(o.UserID)
	return []byte(virtualwebauthn.CreateAttestationResponse(k.rp, k.auth, k.cred, *o))
}

// assert answers a sign-in or step-up.
func (f *fixture) assert(k *key, c *Ceremony) []byte {
	f.t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(optionsJSON(f.t, c))
	f.must(err)
	return []byte(virtualwebauthn.CreateAssertionResponse(k.rp, k.auth, k.cred, *o))
}

// addKey registers a new passkey for the browser's user.
func (f *fixture) addKey(b Browser) *key {
	f.t.Helper()
	k := f.newKey()
	c, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.must(err)
	_, err = f.s.FinishAddPasskey(f.ctx(), c.ID.Reveal(), f.attest(k, c), "My key", b)
	f.must(err)
	return k
}

// givePasskey signs a user in by mail and adds a passkey.
func (f *fixture) givePasskey(addr string) *key {
	f.t.Helper()
	b, _ := f.signIn(addr)
	return f.addKey(b)
}

// keySignIn signs a new browser in with a passkey.
func (f *fixture) keySignIn(k *key) Browser {
	f.t.Helper()
	b := f.newBrowser()
	c, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	got, err := f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
	f.must(err)
	f.keep(got.Token)
	b.Device, b.Session = got.Device, f.live(got.Token)
	if b.Session == nil {
		f.t.Fatal("the new session is not live")
	}
	return b
}
