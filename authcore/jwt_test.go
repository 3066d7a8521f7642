package authcore

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
)

// forge builds a token from raw header and claims, signed by the real key.
func (f *fixture) forge(header, claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(header)) + "." + b64([]byte(claims))
	return signed + "." + b64(ed25519.Sign(f.rt.signer().private, []byte(signed)))
}

// parts are the decoded header and claims of a good token.
func parts(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// without and with change one member of a copy.
func without(m map[string]any, name string) map[string]any { return with(m, name, nil) }

func with(m map[string]any, name string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	if out[name] = value; value == nil {
		delete(out, name)
	}
	return out
}

func TestAccessToken_SaysWhatTheDesignSays(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice, "staff")
	got := f.apiSignIn(alice, "cli")
	h, c := parts(t, got.Access)
	if h["typ"] != "at+jwt" || h["alg"] != "EdDSA" || h["kid"] != f.s.JWKS().Keys[0].KeyID || len(h) != 3 {
		t.Errorf("header is %v", h)
	}
	for name, want := range map[string]any{
		"iss": portalOrigin, "aud": "https://api.example.com", "sub": got.User.ID, "sid": got.Session.ID, "email": alice, "client_id": "cli",
	} {
		if c[name] != want {
			t.Errorf("%s is %v, want %v", name, c[name], want)
		}
	}
	if c["exp"].(float64)-c["iat"].(float64) != 600 || c["jti"] == "" || text(t, c["groups"]) != `["staff"]` || text(t, c["amr"]) != `["email"]` {
		t.Errorf("claims are %v", c)
	}
	_, c = parts(t, f.apiSignIn(alice, "spa").Access)
	if c["aud"] != portalOrigin {
		t.Errorf("the default audience is %v, want the issuer", c["aud"])
	}
}

// accepted lists the tokens that open something.
func (f *fixture) accepted(tokens map[string]string) (names []string) {
	f.t.Helper()
	for name, token := range tokens {
		_, err := f.s.verifyAccess(token)
		l, fault := f.s.AccessUser(f.ctx(), token, "")
		f.must(fault)
		if err == nil || l != nil {
			names = append(names, name)
		}
	}
	return names
}

// goodToken is an access token with its header and claims as objects and as
// the text that the forge signs.
func (f *fixture) goodToken() (good string, h, c map[string]any, ht, ct string) {
	f.t.Helper()
	f.addUser(alice)
	good = f.apiSignIn(alice, "spa").Access
	h, c = parts(f.t, good)
	ht, ct = text(f.t, h), text(f.t, c)
	if _, err := f.s.verifyAccess(f.forge(ht, ct)); err != nil {
		f.t.Fatalf("the forge does not even make a good token: %v", err)
	}
	return good, h, c, ht, ct
}

func TestAccessToken_AnotherHeaderIsRefused_JW1(t *testing.T) {
	f := newFixture(t)
	good, h, _, ht, ct := f.goodToken()
	claims := strings.Split(good, ".")[1]
	pub, _ := f.rt.ring.verifying(h["kid"].(string))
	mac := hmac.New(sha256.New, pub)
	hs := base64.RawURLEncoding.EncodeToString([]byte(text(t, with(h, "alg", "HS256")))) + "." + claims
	mac.Write([]byte(hs))
	none := base64.RawURLEncoding.EncodeToString([]byte(text(t, with(h, "alg", "none")))) + "." + claims + "."
	if names := f.accepted(map[string]string{
		"alg none":                    none,
		"alg none, signed":            f.forge(text(t, with(h, "alg", "none")), ct),
		"alg HS256 by the public key": hs + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
		"alg in another case":         f.forge(text(t, with(h, "alg", "eddsa")), ct),
		"no alg":                      f.forge(text(t, without(h, "alg")), ct),
		"typ JWT":                     f.forge(text(t, with(h, "typ", "JWT")), ct),
		"typ in another case":         f.forge(text(t, with(h, "typ", "AT+JWT")), ct),
		"typ application/at+jwt":      f.forge(text(t, with(h, "typ", "application/at+jwt")), ct),
		"no typ":                      f.forge(text(t, without(h, "typ")), ct),
		"unknown kid":                 f.forge(text(t, with(h, "kid", "nobody")), ct),
		"no kid":                      f.forge(text(t, without(h, "kid")), ct),
		"kid is a list":               f.forge(text(t, with(h, "kid", []string{h["kid"].(string)})), ct),
		"crit":                        f.forge(text(t, with(h, "crit", []string{"exp"})), ct),
		"jwk":                         f.forge(text(t, with(h, "jwk", map[string]string{"kty": "OKP"})), ct),
		"jku":                         f.forge(text(t, with(h, "jku", "https://evil.example")), ct),
		"x5c":                         f.forge(text(t, with(h, "x5c", []string{"A"})), ct),
		"x5u":                         f.forge(text(t, with(h, "x5u", "https://evil.example")), ct),
		"cty":                         f.forge(text(t, with(h, "cty", "JWT")), ct),
		"b64":                         f.forge(text(t, with(h, "b64", false)), ct),
		"doubled alg":                 f.forge(`{"alg":"none",`+ht[1:], ct),
		"header is a list":            f.forge("["+ht+"]", ct),
	}); names != nil {
		t.Errorf("accepted are %q", names)
	}
}

func TestAccessToken_OtherClaimsAreRefused_JW2(t *testing.T) {
	f := newFixture(t)
	_, _, c, ht, ct := f.goodToken()
	now := float64(f.s.Now().Unix())
	double := func(name, value string) string { return `{"` + name + `":` + value + "," + ct[1:] }
	if names := f.accepted(map[string]string{
		"doubled sub":           f.forge(ht, double("sub", `"somebody"`)),
		"sub in another case":   f.forge(ht, double("Sub", `"somebody"`)),
		"sub with a long s":     f.forge(ht, double("ſub", `"somebody"`)),
		"unknown member":        f.forge(ht, double("admin", "true")),
		"two values":            f.forge(ht, ct+ct),
		"no claims":             f.forge(ht, "{}"),
		"null":                  f.forge(ht, "null"),
		"no sub":                f.forge(ht, text(t, without(c, "sub"))),
		"sub null":              f.forge(ht, strings.Replace(ct, `"sub":"`+c["sub"].(string)+`"`, `"sub":null`, 1)),
		"no aud":                f.forge(ht, text(t, without(c, "aud"))),
		"unknown aud":           f.forge(ht, text(t, with(c, "aud", "https://evil.example"))),
		"aud of another client": f.forge(ht, text(t, with(c, "aud", "https://api.example.com"))),
		"aud is a list":         f.forge(ht, text(t, with(c, "aud", []string{portalOrigin}))),
		"two audiences":         f.forge(ht, text(t, with(c, "aud", []string{portalOrigin, "https://api.example.com"}))),
		"no iss":                f.forge(ht, text(t, without(c, "iss"))),
		"another iss":           f.forge(ht, text(t, with(c, "iss", portalOrigin+"/"))),
		"no exp":                f.forge(ht, text(t, without(c, "exp"))),
		"expired":               f.forge(ht, text(t, with(with(c, "iat", now-700), "exp", now-jwtLeeway))),
		"lives too long":        f.forge(ht, text(t, with(c, "exp", now+3600))),
		"exp is a text":         f.forge(ht, text(t, with(c, "exp", "1893456000"))),
		"exp is huge":           f.forge(ht, strings.Replace(ct, `"exp":`, `"exp":1e300,"x":`, 1)),
		"no iat":                f.forge(ht, text(t, without(c, "iat"))),
		"future iat":            f.forge(ht, text(t, with(with(c, "iat", now+jwtLeeway+1), "exp", now+600))),
		"no jti":                f.forge(ht, text(t, without(c, "jti"))),
		"no sid":                f.forge(ht, text(t, without(c, "sid"))),
		"no client_id":          f.forge(ht, text(t, without(c, "client_id"))),
		"unknown client":        f.forge(ht, text(t, with(c, "client_id", "nobody"))),
		"another client":        f.forge(ht, text(t, with(c, "client_id", "cli"))),
		"oversize":              f.forge(ht, ct[:len(ct)-1]+strings.Repeat(" ", 9000)+"}"),
	}); names != nil {
		t.Errorf("accepted are %q", names)
	}
}

func TestAccessToken_HasOneSpelling_JW2(t *testing.T) {
	f := newFixture(t)
	good, _, _, _, _ := f.goodToken()
	segments := strings.Split(good, ".")
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	if names := f.accepted(map[string]string{
		"two segments":         segments[0] + "." + segments[1],
		"four segments":        good + ".AA",
		"no signature":         segments[0] + "." + segments[1] + ".",
		"short signature":      good[:len(good)-4],
		"padding":              good + "=",
		"newline":              good + "\n",
		"newline inside":       segments[0] + "." + segments[1][:8] + "\n" + segments[1][8:] + "." + segments[2],
		"space":                " " + good,
		"other alphabet":       segments[0] + "." + segments[1] + "." + strings.NewReplacer("-", "+", "_", "/").Replace(segments[2]) + "+",
		"non-canonical base64": good[:len(good)-1] + sibling(good[len(good)-1]),
		"empty":                "",
		"dots":                 "..",
		"swapped":              segments[1] + "." + segments[0] + "." + segments[2],
		"signed by a stranger": segments[0] + "." + segments[1] + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(stranger, []byte(segments[0]+"."+segments[1]))),
	}); names != nil {
		t.Errorf("accepted are %q", names)
	}
}

// sibling is another last character that decodes to the same bytes in a
// decoder that is not strict: a signature's has four stray bits.
func sibling(last byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, last)^1])
}

func TestAccessToken_AnyChangedByteIsRefused(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	good := f.apiSignIn(alice, "spa").Access
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 1
		if _, err := f.s.verifyAccess(string(changed)); err == nil {
			t.Fatalf("byte %d may be changed", i)
		}
	}
}

func TestAccessToken_LivesTenMinutesAtMost_JW4(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	got := f.apiSignIn(alice, "spa")
	f.clock.advance(10*time.Minute + jwtLeeway*time.Second - time.Second)
	if l, _ := f.s.AccessUser(f.ctx(), got.Access, ""); l == nil {
		t.Error("within the leeway the token is refused")
	}
	f.clock.advance(2 * time.Second)
	if l, _ := f.s.AccessUser(f.ctx(), got.Access, ""); l != nil {
		t.Error("an expired token is accepted")
	}
}

func TestAccessToken_OfAnotherPersonsSessionIsNobody(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.addUser(bob)
	a, b := f.apiSignIn(alice, "spa"), f.apiSignIn(bob, "spa")
	h, c := parts(t, a.Access)
	_, other := parts(t, b.Access)
	token := f.forge(text(t, h), text(t, with(c, "sid", other["sid"])))
	if l, err := f.s.AccessUser(f.ctx(), token, ""); l != nil || err != nil {
		t.Errorf("got %v, %v", l, err)
	}
}

func TestJWKS_HoldsPublicMembersOnly_JW5(t *testing.T) {
	f := newFixture(t)
	encoded := text(t, f.s.JWKS())
	var set struct{ Keys []map[string]string }
	f.must(json.Unmarshal([]byte(encoded), &set))
	if len(set.Keys) != 1 {
		t.Fatalf("key set is %s", encoded)
	}
	k := set.Keys[0]
	if len(k) != 6 || k["kty"] != "OKP" || k["crv"] != "Ed25519" || k["alg"] != "EdDSA" || k["use"] != "sig" || len(k["x"]) != 43 {
		t.Errorf("key is %v", k)
	}
	if contains(encoded, base64.RawURLEncoding.EncodeToString(f.rt.signer().private.Seed())) {
		t.Error("the private key is public")
	}
}

func TestKeys_AnotherRootKeyKeepsTheOldOnesAndWarns(t *testing.T) {
	db := bolttest.Open(t)
	f := fixtureAt(t, db, [32]byte{1}, portalConfig(t))
	f.addUser(alice)
	_, root := f.signIn(alice)
	got := f.apiSignIn(alice, "spa")
	if f.log.String() != "" {
		t.Errorf("a first start logs %s", f.log)
	}
	g := fixtureAt(t, db, [32]byte{2}, portalConfig(t))
	if !contains(g.log.String(), "another root key") {
		t.Errorf("a start with another root key logs %q", g.log)
	}
	if _, err := g.s.verifyAccess(got.Access); err == nil {
		t.Error("a token under the other root key verifies")
	}
	if len(g.s.JWKS().Keys) != 1 || g.s.JWKS().Keys[0] == f.s.JWKS().Keys[0] {
		t.Error("the key set names the other root key's key")
	}
	if g.live(root.Token) == nil {
		t.Error("losing the root key costs sessions")
	}
	h := fixtureAt(t, db, [32]byte{1}, portalConfig(t))
	if _, err := h.s.verifyAccess(got.Access); err != nil {
		t.Error("back under the old root key the old key is gone")
	}
}
