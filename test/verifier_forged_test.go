package test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// forge is an issuer that signs whatever a test likes, so that a service meets
// what our server would never sign. Its tokens are built by hand: no library
// would make most of them.
type forge struct {
	*httptest.Server
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	read    atomic.Int64 // how often its keys were read
}

const forgedKid = "k1"

func newForge(t *testing.T) *forge {
	t.Helper()
	f := &forge{}
	var err error
	if f.public, f.private, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "OKP", "crv": "Ed25519", "kid": forgedKid, "use": "sig", "alg": "EdDSA", "x": base64.RawURLEncoding.EncodeToString(f.public)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/jwks.json" {
			t.Errorf("asked for %s", r.URL) // a jku or x5u was followed
		}
		f.read.Add(1)
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(set)
	}))
	t.Cleanup(f.Close)
	return f
}

// members are the header or the claims of a token; a nil value removes one.
type members map[string]any

func (m members) with(change members) members {
	m = maps.Clone(m)
	for name, value := range change {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	return m
}

// unsigned is a token up to its signature.
func unsigned(t *testing.T, header, claims members) []byte {
	t.Helper()
	var parts [][]byte
	for _, m := range []members{header, claims} {
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.AppendEncode(nil, raw))
	}
	return bytes.Join(parts, []byte("."))
}

func signedWith(signature, token []byte) string {
	return string(token) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (f *forge) sign(t *testing.T, header, claims members) string {
	t.Helper()
	token := unsigned(t, header, claims)
	return signedWith(ed25519.Sign(f.private, token), token)
}

// Each example accepts its own kind of token and nothing that differs from it in
// one thing (JW-1, JW-2, JW-3).
func TestVerifiers_RefuseWhatIsForged(t *testing.T) {
	const origin = "https://app.example.test"
	for _, example := range verifiers {
		t.Run(example.name, func(t *testing.T) {
			t.Parallel()
			program, args := example.command(t)
			f := newForge(t)
			v := startVerifier(t, program, args, loopback(harness.FreePort(t)), f.URL, origin, "")
			now := time.Now().Unix()
			header := members{"alg": "EdDSA", "typ": "at+jwt", "kid": forgedKid}
			access := members{
				"iss": f.URL, "aud": verifiedAudience, "sub": "u1", "iat": now, "exp": now + 600, "jti": "j", "sid": "s",
				"client_id": verifiedClient, "amr": []string{"email"}, "auth_time": now, "email": "alice@example.test", "groups": []string{},
			}
			assertion := members{"iss": f.URL, "aud": origin, "sub": "u1", "iat": now, "exp": now + 300, "jti": "j"}
			asserted := header.with(members{"typ": "remote+jwt"})

			if status, sub := v.says(t, f.sign(t, header, access)); status != http.StatusOK || sub != "u1" {
				t.Fatalf("a good access token: %d %q", status, sub)
			}
			if status, sub := v.asserts(t, f.sign(t, asserted, assertion)); status != http.StatusOK || sub != "u1" {
				t.Fatalf("a good assertion: %d %q", status, sub)
			}
			late := members{"iat": now - 700, "exp": now - 100}
			for name, token := range f.forgedAccess(t, header, access) {
				if status, _ := v.says(t, token); status != http.StatusUnauthorized {
					t.Errorf("access token, %s: %d", name, status)
				}
			}
			for name, token := range map[string]string{
				"nothing":                       "",
				"expired":                       f.sign(t, asserted, assertion.with(late)),
				"another app's":                 f.sign(t, asserted, assertion.with(members{"aud": "https://wiki.example.test"})),
				"the app's host alone":          f.sign(t, asserted, assertion.with(members{"aud": "app.example.test"})),
				"the app's and another's":       f.sign(t, asserted, assertion.with(members{"aud": []string{origin, "https://wiki.example.test"}})),
				"another issuer":                f.sign(t, asserted, assertion.with(members{"iss": f.URL + "/"})),
				"an access token":               f.sign(t, header, access),
				"an access token for this app":  f.sign(t, header, access.with(members{"aud": origin})),
				"typ JWT":                       f.sign(t, asserted.with(members{"typ": "JWT"}), assertion),
				"alg none":                      signedWith(nil, unsigned(t, asserted.with(members{"alg": "none"}), assertion)),
				"signed, but by somebody else":  f.byStranger(t, asserted, assertion, ""),
				"a session cookie's value":      "k9Jt0fUQm3e5v1bD2cS7aX4wZ6yR8pLnHgTiOoKjMhE",
				"the access token beside it, …": "Bearer " + f.sign(t, asserted, assertion),
			} {
				if status, _ := v.asserts(t, token); status != http.StatusUnauthorized {
					t.Errorf("assertion, %s: %d", name, status)
				}
			}
			v.readsKeysSparingly(t, f, header, access)
		})
	}
}

// forgedAccess are tokens that differ from a good one in one thing.
func (f *forge) forgedAccess(t *testing.T, header, access members) map[string]string {
	good := []byte(f.sign(t, header, access))
	dot := bytes.LastIndexByte(good, '.')
	now := access["iat"].(int64)
	hs := unsigned(t, header.with(members{"alg": "HS256"}), access)
	mac := hmac.New(sha256.New, f.public)
	mac.Write(hs)
	changed := bytes.Clone(good)
	changed[dot+1] ^= 1 // the first byte of the signature
	other := unsigned(t, header, access.with(members{"sub": "u2"}))
	head := func(change members) string { return f.sign(t, header.with(change), access) }
	body := func(change members) string { return f.sign(t, header, access.with(change)) }
	return map[string]string{
		"nothing":                          "",
		"no token":                         "a.b.c",
		"alg none":                         signedWith(nil, unsigned(t, header.with(members{"alg": "none"}), access)),
		"alg none, but signed":             head(members{"alg": "none"}),
		"alg HS256 with the public key":    signedWith(mac.Sum(nil), hs),
		"alg RS256":                        head(members{"alg": "RS256"}),
		"a changed signature":              string(changed),
		"no signature":                     string(good[:dot+1]),
		"another subject's claims":         string(other) + string(good[dot:]),
		"signed, but by somebody else":     f.byStranger(t, header, access, ""),
		"… and brings the key":             f.byStranger(t, header, access, "jwk"),
		"… and says where the keys are":    f.byStranger(t, header.with(members{"jku": f.URL + "/evil.json", "x5u": f.URL + "/evil.pem"}), access, ""),
		"typ JWT":                          head(members{"typ": "JWT"}),
		"no typ":                           head(members{"typ": nil}),
		"an assertion":                     f.sign(t, header.with(members{"typ": "remote+jwt"}), access.with(members{"client_id": nil})),
		"an assertion's typ, for this API": head(members{"typ": "remote+jwt"}),
		"a list of key ids":                head(members{"kid": []string{forgedKid}}),
		"expired":                          body(members{"iat": now - 700, "exp": now - 100}),
		"no exp":                           body(members{"exp": nil}),
		"made in the future":               body(members{"iat": now + 300, "exp": now + 600}),
		"another audience":                 body(members{"aud": "https://other.example.test"}),
		"two audiences":                    body(members{"aud": []string{verifiedAudience, "https://other.example.test"}}),
		"no audience":                      body(members{"aud": nil}),
		"another issuer":                   body(members{"iss": "https://evil.example.test"}),
		"no issuer":                        body(members{"iss": nil}),
		"no subject":                       body(members{"sub": nil}),
		"another client":                   body(members{"client_id": "other"}),
		"no client":                        body(members{"client_id": nil}),
	}
}

// byStranger signs with another key under our key's name; as a JWK, the token
// may bring that key in the header member that is named.
func (f *forge) byStranger(t *testing.T, header, claims members, brings string) string {
	t.Helper()
	public, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if brings != "" {
		header = header.with(members{brings: map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)}})
	}
	token := unsigned(t, header, claims)
	return signedWith(ed25519.Sign(stranger, token), token)
}

// readsKeysSparingly: the keys are not read for each token, and made-up key ids
// do not have the service flood the issuer.
func (v *verifier) readsKeysSparingly(t *testing.T, f *forge, header, access members) {
	t.Helper()
	if n := f.read.Load(); n < 1 || n > 3 {
		t.Errorf("the keys were read %d times for one key id", n)
	}
	before, began := f.read.Load(), time.Now()
	for range 100 {
		if status, _ := v.says(t, f.sign(t, header.with(members{"kid": rand.Text()}), access)); status != http.StatusUnauthorized {
			t.Errorf("an unknown key id: %d", status)
		}
	}
	if n := f.read.Load() - before; n > 2+int64(time.Since(began)/(5*time.Second)) {
		t.Errorf("100 unknown key ids had the keys read %d times", n)
	}
	if status, _ := v.says(t, f.sign(t, header, access)); status != http.StatusOK {
		t.Errorf("after those a good token: %d", status)
	}
}
