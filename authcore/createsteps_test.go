package authcore

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// badCreate is a registration that breaks one step of WebAuthn Level 3, section
// 7.1 (numbers of the draft of 30 July 2026).
type badCreate struct {
	step   string
	change func(t testing.TB, c *createAnswer)
}

// verifiedCreate is the specification's first registration, by a verified person.
// It has no attestation, so that nothing in it is signed.
func verifiedCreate(t testing.TB) createAnswer {
	t.Helper()
	c := vectorNamed(t, "none-es256").create
	c.redata(t, func(d []byte) []byte { d[atFlags] |= flagUV; return d })
	return c
}

// client changes one member of the client data; nil takes it out.
func client(name string, value any) func(testing.TB, *createAnswer) {
	return func(t testing.TB, c *createAnswer) {
		c.clientData = remade(t, c.clientData, func(m map[string]any) { setOrDrop(m, name, value) })
	}
}

func setOrDrop(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

// otherwiseSpelt is a challenge that base64 and base64url spell differently.
func otherwiseSpelt() []byte { return bytes.Repeat([]byte{0xfb}, 32) }

// flags changes the flags of the authenticator data.
func flags(change func(byte) byte) func(testing.TB, *createAnswer) {
	return func(t testing.TB, c *createAnswer) {
		c.redata(t, func(d []byte) []byte { d[atFlags] = change(d[atFlags]); return d })
	}
}

// data changes the authenticator data.
func data(change func([]byte) []byte) func(testing.TB, *createAnswer) {
	return func(t testing.TB, c *createAnswer) { c.redata(t, change) }
}

// object changes the encoded attestation object.
func object(change func([]byte) []byte) func(testing.TB, *createAnswer) {
	return func(_ testing.TB, c *createAnswer) { c.object = change(bytes.Clone(c.object)) }
}

// attested replaces the attestation statement.
func attested(format string, stmt map[string]any) func(testing.TB, *createAnswer) {
	return func(t testing.TB, c *createAnswer) {
		c.reobject(t, func(o *attObject) { o.Fmt, o.AttStmt = format, stmt })
	}
}

// coseKey changes the public key (RFC 9052 section 7): 1 is its type, 3 the
// algorithm, -1 the curve.
func coseKey(change map[int]any) func(testing.TB, *createAnswer) {
	return func(t testing.TB, c *createAnswer) {
		c.redata(t, func(d []byte) []byte {
			var key map[int]any
			from := atID + len(c.id)
			if err := webauthncbor.Unmarshal(d[from:], &key); err != nil {
				t.Fatal(err)
			}
			for label, value := range change {
				key[label] = value
				if value == nil {
					delete(key, label)
				}
			}
			return append(d[:from:from], encoded(t, key)...)
		})
	}
}

// rsaKey is of so many bits, all set.
func rsaKey(bits uint, exponent uint32) func(testing.TB, *createAnswer) {
	n := new(big.Int).Lsh(big.NewInt(1), bits)
	n.Sub(n, big.NewInt(1))
	return coseKey(map[int]any{1: 3, 3: -257, -1: n.Bytes(), -2: binary.BigEndian.AppendUint32(nil, exponent), -3: nil})
}

func badCreates() []badCreate {
	return append(badCreateClients(), badCreateData()...)
}

func badCreateClients() []badCreate {
	challenge := func(change func([]byte) string) func(testing.TB, *createAnswer) {
		return func(t testing.TB, c *createAnswer) { client("challenge", change(c.challenge))(t, c) }
	}
	raw := func(change func(string) string) func(testing.TB, *createAnswer) {
		return func(_ testing.TB, c *createAnswer) { c.clientData = []byte(change(string(c.clientData))) }
	}
	return []badCreate{
		{"step 5 client data with a byte order mark", raw(func(s string) string { return "\ufeff" + s })},
		{"step 6 client data is nothing", raw(func(string) string { return "" })},
		{"step 6 client data is null", raw(func(string) string { return "null" })},
		{"step 6 client data is an array", raw(func(s string) string { return "[" + s + "]" })},
		{"step 6 client data and more", raw(func(s string) string { return s + s })},
		{"step 6 client data cut short", raw(func(s string) string { return s[:len(s)-1] })},
		{"step 6 client data with a member twice", raw(func(s string) string { return s[:len(s)-1] + `,"type":"webauthn.create"}` })},
		{"step 6 client data with a member in two cases", raw(func(s string) string { return s[:len(s)-1] + `,"crossorigin":false}` })},
		{"step 6 client data with a member in another case", raw(func(s string) string { return strings.Replace(s, `"origin"`, `"Origin"`, 1) })},
		{"step 7 type is of a sign-in", client("type", "webauthn.get")},
		{"step 7 type in another case", client("type", "WebAuthn.create")},
		{"step 7 type is a payment", client("type", "payment.create")},
		{"step 7 no type", client("type", nil)},
		{"step 8 challenge of another", challenge(func([]byte) string { return b64(bytes.Repeat([]byte{7}, 32)) })},
		{"step 8 challenge cut short", challenge(func(c []byte) string { return b64(c[:31]) })},
		{"step 8 challenge with a tail", challenge(func(c []byte) string { return b64(append(bytes.Clone(c), 0)) })},
		{"step 8 challenge padded", challenge(func(c []byte) string { return b64(c) + "=" })},
		{"step 8 challenge in the other alphabet", func(t testing.TB, c *createAnswer) {
			c.challenge = otherwiseSpelt()
			client("challenge", base64.RawStdEncoding.EncodeToString(c.challenge))(t, c)
		}},
		{"step 8 challenge empty", client("challenge", "")},
		{"step 8 no challenge", client("challenge", nil)},
		{"step 8 challenge is no text", client("challenge", 1)},
		{"step 9 origin of another site", client("origin", "https://example.com")},
		{"step 9 origin below ours", client("origin", "https://www.example.org")},
		{"step 9 origin that begins with ours", client("origin", "https://example.org.evil.example")},
		{"step 9 origin with a port", client("origin", "https://example.org:8443")},
		{"step 9 origin by plain http", client("origin", "http://example.org")},
		{"step 9 origin of an Android app", client("origin", "android:apk-key-hash:AAAA")},
		{"step 9 origin null", client("origin", "null")},
		{"step 9 no origin", client("origin", nil)},
		{"step 10 crossOrigin", client("crossOrigin", true)},
		{"step 10 crossOrigin is no truth value", client("crossOrigin", "false")},
		{"step 11 topOrigin of another site", client("topOrigin", "https://example.com")},
		{"step 11 topOrigin is ours", client("topOrigin", vectorOrigin)},
		{"step 11 topOrigin and crossOrigin", func(t testing.TB, c *createAnswer) {
			client("topOrigin", "https://example.com")(t, c)
			client("crossOrigin", true)(t, c)
		}},
	}
}

func badCreateData() []badCreate {
	self := func(sig []byte, alg int) map[string]any { return map[string]any{"alg": alg, "sig": sig} }
	return []badCreate{
		{"step 13 object empty", object(func([]byte) []byte { return nil })},
		{"step 13 object cut short", object(func(b []byte) []byte { return b[:len(b)-1] })},
		{"step 13 object with a tail", object(func(b []byte) []byte { return append(b, 0) })},
		{"step 13 object twice", object(func(b []byte) []byte { return append(b, b...) })},
		{"step 13 object tagged", object(func(b []byte) []byte { return append([]byte{0xc1}, b...) })},
		{"step 13 object of indefinite length", object(func(b []byte) []byte { return append(append([]byte{0xbf}, b[1:]...), 0xff) })},
		{"step 13 object with a member twice", object(func(b []byte) []byte {
			return append(append([]byte{0xa4}, b[1:]...), "\x63fmt\x64none"...)
		})},
		{"step 13 object without data", func(t testing.TB, c *createAnswer) {
			c.object = encoded(t, map[string]any{"fmt": "none", "attStmt": map[string]any{}})
		}},
		{"step 13 data of 36 bytes", data(func(d []byte) []byte { return d[:36] })},
		{"step 13 data cut inside the id", data(func(d []byte) []byte { return d[:atID+16] })},
		{"step 13 data cut inside the key", data(func(d []byte) []byte { return d[:len(d)-1] })},
		{"step 13 data with a tail", data(func(d []byte) []byte { return append(d, 0) })},
		{"step 13 data without the AT flag", flags(func(f byte) byte { return f &^ flagAT })},
		{"step 13 data of a sign-in", data(func(d []byte) []byte { return append(d[:atFlags:atFlags], d[atFlags]&^flagAT, 0, 0, 0, 0) })},
		{"step 13 data with the ED flag and nothing there", flags(func(f byte) byte { return f | flagED })},
		{"step 14 rpIdHash of another site", data(func(d []byte) []byte { d[0] ^= 1; return d })},
		{"step 15 UP is not set", flags(func(f byte) byte { return f &^ flagUP })},
		{"step 16 UV is not set", flags(func(f byte) byte { return f &^ flagUV })},
		{"step 17 BS without BE", flags(func(f byte) byte { return f&^flagBE | flagBS })},
		{"step 20 alg that we do not ask for: ES256K", coseKey(map[int]any{3: -47})},
		{"step 20 alg that we do not ask for: RS1", coseKey(map[int]any{3: -65535})},
		{"step 20 alg that we do not ask for: Ed448", coseKey(map[int]any{3: algEd448})},
		{"step 20 alg that nobody knows", coseKey(map[int]any{3: 12345})},
		{"step 20 alg is 0", coseKey(map[int]any{3: 0})},
		{"step 20 no alg", coseKey(map[int]any{3: nil})},
		{"step 20 alg of another type of key", coseKey(map[int]any{3: -8})},
		{"step 20 alg of another curve", coseKey(map[int]any{3: -35})},
		{"step 20 curve of another alg", coseKey(map[int]any{-1: 2})},
		{"step 20 type of another alg", coseKey(map[int]any{1: 1})},
		{"step 20 EdDSA on Ed448", coseKey(map[int]any{1: 1, 3: -8, -1: 7, -2: make([]byte, 57), -3: nil})},
		{"step 20 Ed25519 of 31 bytes", coseKey(map[int]any{1: 1, 3: -8, -1: 6, -2: make([]byte, 31), -3: nil})},
		{"step 20 half a point", coseKey(map[int]any{-3: nil})},
		{"step 20 point in compressed form", coseKey(map[int]any{-3: true})},
		{"step 20 point that is not on the curve", coseKey(map[int]any{-2: bytes.Repeat([]byte{1}, 32)})},
		{"step 20 RSA of 1024 bits", rsaKey(1024, 65537)},
		{"step 20 RSA of 2047 bits", rsaKey(2047, 65537)},
		{"step 20 RSA of 8193 bits", rsaKey(8193, 65537)},
		{"step 20 RSA with exponent 1", rsaKey(2048, 1)},
		{"step 20 RSA with an even exponent", rsaKey(2048, 65536)},
		{"step 21 fmt in another case", attested("None", map[string]any{})},
		{"step 21 fmt that nobody knows", attested("none2", map[string]any{})},
		{"step 21 fmt empty", attested("", map[string]any{})},
		{"step 22 none with a statement", attested("none", self([]byte{1}, -7))},
		{"step 22 packed, empty", attested("packed", map[string]any{})},
		{"step 22 packed, signed by nobody", attested("packed", self(bytes.Repeat([]byte{1}, 70), -7))},
		{"step 22 packed, without chain in its chain", attested("packed", map[string]any{"alg": -7, "sig": []byte{1}, "x5c": []any{}})},
		{"step 22 packed, chain of garbage", attested("packed", map[string]any{"alg": -7, "sig": []byte{1}, "x5c": []any{[]byte("garbage")}})},
		{"step 22 u2f, empty", attested("fido-u2f", map[string]any{})},
		{"step 22 tpm, empty", attested("tpm", map[string]any{})},
		{"step 22 android-key, empty", attested("android-key", map[string]any{})},
		{"step 22 safetynet, empty", attested("android-safetynet", map[string]any{})},
		{"step 22 apple, empty", attested("apple", map[string]any{})},
		{"step 25 id of 1024 bytes", func(t testing.TB, c *createAnswer) { c.rename(t, bytes.Repeat([]byte{7}, 1024)) }},
		{"step 25 id of 65535 bytes", func(t testing.TB, c *createAnswer) { c.rename(t, bytes.Repeat([]byte{7}, 65535)) }},
		{"step 25 id of no bytes", func(t testing.TB, c *createAnswer) { c.rename(t, nil) }},
		{"step 25 id said to be longer than it is", data(func(d []byte) []byte { d[atIDLen+1]++; return d })},
		{"step 27 id is not the one in the data", func(_ testing.TB, c *createAnswer) { c.id = append(bytes.Clone(c.id), 0) }},
	}
}

func TestCreateSteps_EachIsChecked_WA(t *testing.T) {
	r := newReplay(t)
	for _, bad := range badCreates() {
		t.Run(bad.step, func(t *testing.T) {
			r.t = t
			c := verifiedCreate(t)
			bad.change(t, &c)
			_, err := r.register(c, nil)
			r.refused(err, PasskeyRefused)
		})
	}
	r.t = t
	for _, key := range []func(testing.TB, *createAnswer){
		rsaKey(2048, 3), rsaKey(8192, 65537), coseKey(map[int]any{1: 1, 3: -8, -1: 6, -2: make([]byte, 32), -3: nil}),
	} {
		c := verifiedCreate(t)
		key(t, &c)
		_, err := r.register(c, nil)
		r.must(err)
	}
	key, err := r.register(verifiedCreate(t), nil)
	r.must(err) // all of it was refused for what was changed
	if keys, _ := r.s.Passkeys(r.ctx(), r.member.Session.User); len(keys) != 0 || key.UserID != r.member.Session.User.ID {
		t.Errorf("left are %d passkeys", len(keys))
	}
}

// Step 20: the record of the ceremony says what was asked for, not the
// configuration of now.
func TestCreateSteps_Step20AlgMustBeOneThatThisCeremonyAskedFor(t *testing.T) {
	r := newReplay(t)
	for name, params := range map[string][]protocol.CredentialParameter{
		"only another": {{Type: protocol.PublicKeyCredentialType, Algorithm: -257}}, "nothing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			_, err := r.register(verifiedCreate(t), func(d *webauthn.SessionData) { d.CredParams = params })
			r.refused(err, PasskeyRefused)
		})
	}
}

// Step 22: a self-attestation must be by the key that it is for.
func TestCreateSteps_Step22SelfAttestationIsVerified(t *testing.T) {
	r := newReplay(t)
	v := vectorNamed(t, "packed-self-es256")
	sign := func(c *createAnswer, by *vector, alg int) {
		o := c.open(t)
		attested("packed", map[string]any{"alg": alg, "sig": by.sign(t, o.AuthData, c.clientData)})(t, c)
	}
	other := vectorNamed(t, "none-es256")
	for name, try := range map[string]func(c *createAnswer){
		"by another key":             func(c *createAnswer) { sign(c, &other, -7) },
		"under another algorithm":    func(c *createAnswer) { sign(c, &v, -35) },
		"over another client's data": func(c *createAnswer) { sign(c, &v, -7); client("extraData", "x")(t, c) },
		"over other flags":           func(c *createAnswer) { sign(c, &v, -7); flags(func(f byte) byte { return f &^ flagBS })(t, c) },
		"over another id":            func(c *createAnswer) { sign(c, &v, -7); c.rename(t, bytes.Repeat([]byte{7}, 32)) },
	} {
		c := v.create
		try(&c)
		if _, err := r.register(c, nil); err == nil {
			t.Errorf("taken: signed %s", name)
		} else {
			r.refused(err, PasskeyRefused)
		}
	}
	c := v.create
	sign(&c, &v, -7)
	_, err := r.register(c, nil)
	r.must(err)
}

// Step 25 and 26: ids of 1 to 1023 bytes, each once over all users.
func TestCreateSteps_Step25And26IDs(t *testing.T) {
	r := newReplay(t)
	for _, n := range []int{1, 16, 64, 255, 256, 1023} {
		id := make([]byte, n)
		if _, err := rand.Read(id); err != nil {
			t.Fatal(err)
		}
		c := verifiedCreate(t)
		c.rename(t, id)
		key, err := r.register(c, nil)
		r.must(err)
		if !bytes.Equal(key.ID, id) {
			t.Errorf("an id of %d bytes is stored as one of %d", n, len(key.ID))
		}
	}
	r.addUser(bob)
	for _, owner := range []*store.User{r.user(bob), r.member.Session.User} {
		c := verifiedCreate(t)
		// Of another rp_id, so that the member needs no step-up by it.
		kept := &store.Passkey{ID: c.id, UserID: owner.ID, Credential: []byte("{}"), RPID: "elsewhere.example"}
		r.must(r.store.Update(r.ctx(), func(tx store.Tx) error { return tx.PutPasskey(kept) }))
		_, err := r.register(c, nil)
		r.refused(err, CredentialTaken)
		r.forget(c.id)
	}
}

// Step 27: what is kept is what later sign-ins are held against, and nothing of
// the attestation that we did not ask for.
func TestCreateSteps_Step27TheRecordHoldsKeyFlagsAndCounter(t *testing.T) {
	r := newReplay(t)
	for _, set := range []byte{0, flagBE, flagBE | flagBS} {
		c := verifiedCreate(t)
		flags(func(f byte) byte { return f&^(flagBE|flagBS) | set })(t, &c)
		data(func(d []byte) []byte { d[atCounter+3] = 9; return d })(t, &c)
		o := c.open(t)
		key, err := r.register(c, nil)
		r.must(err)
		got, err := newWAUser(r.member.Session.User, []*store.Passkey{key})
		r.must(err)
		cred := got.creds[0]
		if cred.Flags.BackupEligible != (set&flagBE != 0) || cred.Flags.BackupState != (set&flagBS != 0) || key.Synced != cred.Flags.BackupState ||
			!cred.Flags.UserVerified || cred.Authenticator.SignCount != 9 || !bytes.Equal(key.AAGUID, o.AuthData[atAAGUID:atIDLen]) || key.RPID != "example.org" {
			t.Errorf("with flags %b stored is %+v", set, cred)
		}
		if !bytes.HasSuffix(o.AuthData, cred.PublicKey) || len(cred.Attestation.Object)+len(cred.Attestation.ClientDataJSON) != 0 {
			t.Errorf("stored is the key %x, attestation %+v", cred.PublicKey, cred.Attestation)
		}
	}
}
