package authcore

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
)

// The test vectors of WebAuthn Level 3, section 16, played to our own flows: a
// ceremony is begun as always, its challenge replaced by the vector's, and ended
// as always. With the private keys that the specification gives away, a test can
// change anything that is signed and sign it again: what is refused then is
// refused for the change, not for the signature.

// vector is a registration and a sign-in with one credential.
type vector struct {
	name    string
	private []byte // in the form of its kind of key; none for RSA
	create  createAnswer
	get     getAnswer
}

// createAnswer is an answer to a registration.
type createAnswer struct{ challenge, id, clientData, object []byte }

// getAnswer is an answer to a sign-in or step-up.
type getAnswer struct{ challenge, id, clientData, authData, signature, handle []byte }

// attObject is an attestation object (section 6.5).
type attObject struct {
	Fmt      string         `cbor:"fmt"`
	AttStmt  map[string]any `cbor:"attStmt"`
	AuthData []byte         `cbor:"authData"`
}

// The parts of authenticator data (section 6.1).
const (
	atFlags   = 32
	atCounter = 33
	atAAGUID  = 37
	atIDLen   = 53
	atID      = 55
)

const (
	flagUP = byte(protocol.FlagUserPresent)
	flagUV = byte(protocol.FlagUserVerified)
	flagBE = byte(protocol.FlagBackupEligible)
	flagBS = byte(protocol.FlagBackupState)
	flagAT = byte(protocol.FlagAttestedCredentialData)
	flagED = byte(protocol.FlagHasExtensions)
)

// readVectors reads the specification's file.
func readVectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.Open("testdata/webauthn-l3-vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []vector
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "["); ok {
			all = append(all, vector{name: strings.TrimSuffix(name, "]")})
		}
		if line == "" || line[0] == '#' || line[0] == '[' {
			continue
		}
		field, digits, _ := strings.Cut(line, " ")
		value, err := hex.DecodeString(digits)
		if err != nil || len(value) == 0 {
			t.Fatalf("%.60s: %v", line, err)
		}
		all[len(all)-1].set(t, field, value)
	}
	if lines.Err() != nil || len(all) != 15 {
		t.Fatalf("%d vectors, the specification has 15: %v", len(all), lines.Err())
	}
	return all
}

func (v *vector) set(t testing.TB, field string, value []byte) {
	t.Helper()
	into, known := map[string][]*[]byte{
		"private_key":              {&v.private},
		"credential_id":            {&v.create.id, &v.get.id},
		"create.challenge":         {&v.create.challenge},
		"create.clientDataJSON":    {&v.create.clientData},
		"create.attestationObject": {&v.create.object},
		"get.challenge":            {&v.get.challenge},
		"get.clientDataJSON":       {&v.get.clientData},
		"get.authenticatorData":    {&v.get.authData},
		"get.signature":            {&v.get.signature},
	}[field]
	if !known {
		t.Fatalf("%s has a %s", v.name, field)
	}
	for _, p := range into {
		*p = value
	}
}

// vectorNamed is one vector of the file.
func vectorNamed(t testing.TB, name string) vector {
	t.Helper()
	for _, v := range readVectors(t) {
		if v.name == name {
			return v
		}
	}
	t.Fatalf("no vector %s", name)
	return vector{}
}

// sign signs as the credential does (section 6.3.3).
func (v *vector) sign(t testing.TB, authData, clientData []byte) []byte {
	t.Helper()
	hash := sha256.Sum256(clientData)
	signed := append(append([]byte{}, authData...), hash[:]...)
	curve, digest := elliptic.P256(), crypto.SHA256
	switch v.name {
	case "packed-eddsa":
		return ed25519.Sign(ed25519.NewKeyFromSeed(v.private), signed)
	case "packed-rs256":
		d := sha256.Sum256(signed)
		sig, err := rsa.SignPKCS1v15(rand.Reader, mersenneKey(), crypto.SHA256, d[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	case "packed-es384":
		curve, digest = elliptic.P384(), crypto.SHA384
	case "packed-es512":
		curve, digest = elliptic.P521(), crypto.SHA512
	}
	scalar := make([]byte, (curve.Params().BitSize+7)/8)
	copy(scalar[len(scalar)-len(v.private):], v.private)
	key, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	h := digest.New()
	h.Write(signed)
	sig, err := ecdsa.SignASN1(rand.Reader, key, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// mersenneKey is the vectors' RSA key, of the primes 2^1279-1 and 2^2203-1.
func mersenneKey() *rsa.PrivateKey {
	one := big.NewInt(1)
	mersenne := func(n uint) *big.Int { return new(big.Int).Sub(new(big.Int).Lsh(one, n), one) }
	p, q := mersenne(1279), mersenne(2203)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{Primes: []*big.Int{p, q}}
	key.N, key.E = new(big.Int).Mul(p, q), 65537
	key.D = new(big.Int).ModInverse(big.NewInt(65537), phi)
	return key
}

// open is the attestation object of a registration.
func (c *createAnswer) open(t testing.TB) attObject {
	t.Helper()
	var o attObject
	if err := webauthncbor.Unmarshal(c.object, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// reobject changes the attestation object.
func (c *createAnswer) reobject(t testing.TB, change func(*attObject)) {
	t.Helper()
	o := c.open(t)
	change(&o)
	c.object = encoded(t, o)
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	b, err := webauthncbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unattested takes the attestation statement away, as browsers do for whoever
// asks for none.
func (c *createAnswer) unattested(t testing.TB) {
	t.Helper()
	c.reobject(t, func(o *attObject) { o.Fmt, o.AttStmt = "none", map[string]any{} })
}

// redata changes the authenticator data.
func (c *createAnswer) redata(t testing.TB, change func([]byte) []byte) {
	t.Helper()
	c.reobject(t, func(o *attObject) { o.AuthData = change(o.AuthData) })
}

// rename gives the credential another id, inside and outside.
func (c *createAnswer) rename(t testing.TB, id []byte) {
	t.Helper()
	c.redata(t, func(d []byte) []byte {
		old := int(d[atIDLen])<<8 | int(d[atIDLen+1])
		key := d[atID+old:]
		renamed := append(append([]byte{}, d[:atIDLen]...), byte(len(id)>>8), byte(len(id)))
		return append(append(renamed, id...), key...)
	})
	c.id = id
}

func (c createAnswer) body(t testing.TB) []byte {
	t.Helper()
	return credentialJSON(t, c.id, map[string]any{"clientDataJSON": b64(c.clientData), "attestationObject": b64(c.object)})
}

func (a getAnswer) body(t testing.TB) []byte {
	t.Helper()
	response := map[string]any{"clientDataJSON": b64(a.clientData), "authenticatorData": b64(a.authData), "signature": b64(a.signature)}
	if a.handle != nil {
		response["userHandle"] = b64(a.handle)
	}
	return credentialJSON(t, a.id, response)
}

func credentialJSON(t testing.TB, id []byte, response map[string]any) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"id": b64(id), "rawId": b64(id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response,
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// remade is client data with other members.
func remade(t testing.TB, clientData []byte, change func(map[string]any)) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(clientData, &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// replay is the vectors' own site with one member, signed in by mail.
type replay struct {
	*fixture
	member Browser
	tries  int
}

const vectorOrigin = "https://example.org"

func newReplay(t testing.TB) *replay {
	t.Helper()
	c := Config{Portal: originOf(t, vectorOrigin), Registration: Registration{Mode: "open"}}
	r := &replay{fixture: fixtureAt(t, bolttest.Open(t), [32]byte{1}, c)}
	r.member, _ = r.signIn(alice)
	return r
}

// visitor is a browser at an address of its own, so that no test meets the
// limits of one source.
func (r *replay) visitor(b Browser) Browser {
	r.tries++
	b.IP = netip.AddrFrom4([4]byte{198, 18, byte(r.tries >> 8), byte(r.tries)})
	return b
}

// asked makes a ceremony one that had asked with the challenge, and lets the
// test change what else is remembered of it.
func (r *replay) asked(c *Ceremony, challenge []byte, change func(*webauthn.SessionData)) string {
	r.t.Helper()
	r.must(r.store.Update(r.ctx(), func(tx store.Tx) error {
		var rec ceremony
		if err := tx.Take(store.KindCeremony, c.ID.Hash(), &rec); err != nil {
			return err
		}
		rec.Data.Challenge = b64(challenge)
		if change != nil {
			change(&rec.Data)
		}
		return tx.Put(store.KindCeremony, c.ID.Hash(), rec, rec.BegunAt.Add(ceremonyTTL))
	}))
	return c.ID.Reveal()
}

// register plays a registration by the member. What was registered is gone again
// afterwards, so that one try does not change the next.
func (r *replay) register(c createAnswer, change func(*webauthn.SessionData)) (*store.Passkey, error) {
	r.t.Helper()
	b := r.visitor(r.member)
	begun, err := r.s.BeginAddPasskey(r.ctx(), b)
	r.must(err)
	added, err := r.s.FinishAddPasskey(r.ctx(), r.asked(begun, c.challenge, change), c.body(r.t), "", b)
	if err != nil {
		return nil, err
	}
	r.forget(added.Passkey.ID)
	return added.Passkey, nil
}

func (r *replay) forget(id []byte) {
	r.t.Helper()
	r.must(r.store.Update(r.ctx(), func(tx store.Tx) error { _, err := tx.TakePasskey(id); return err }))
}

// login plays a sign-in with the vector's credential, which the member has for
// as long as that takes. The stored key is the registration's, whether or not we
// would have taken that. The answer says how the passkey stands afterwards.
func (r *replay) login(v vector, a getAnswer, change func(*webauthn.SessionData)) (*store.Passkey, error) {
	r.t.Helper()
	r.keep(v)
	id := v.create.id
	defer r.forget(id)
	b := r.visitor(r.newBrowser())
	begun, err := r.s.BeginPasskey(r.ctx(), b)
	r.must(err)
	_, err = r.s.FinishPasskey(r.ctx(), r.asked(begun, a.challenge, change), a.body(r.t), b)
	var key *store.Passkey
	r.must(r.store.View(r.ctx(), func(tx store.Tx) (err error) { key, err = tx.Passkey(id); return err }))
	return key, err
}

// keep stores the vector's credential for the member.
func (r *replay) keep(v vector) {
	r.t.Helper()
	var data protocol.AuthenticatorData
	r.must(data.Unmarshal(v.create.open(r.t).AuthData))
	raw, err := json.Marshal(webauthn.Credential{
		ID: data.AttData.CredentialID, PublicKey: data.AttData.CredentialPublicKey, Flags: webauthn.NewCredentialFlags(data.Flags),
		Authenticator: webauthn.Authenticator{AAGUID: data.AttData.AAGUID, SignCount: data.Counter},
	})
	r.must(err)
	r.must(r.store.Update(r.ctx(), func(tx store.Tx) error {
		return tx.PutPasskey(&store.Passkey{
			ID: data.AttData.CredentialID, UserID: r.member.Session.User.ID, Credential: raw,
			RPID: "example.org", Synced: data.Flags.HasBackupState(),
		})
	}))
}

// handled is the vector's sign-in with the member's user handle, which the
// vectors leave out.
func (r *replay) handled(v vector) getAnswer {
	a := v.get
	a.handle = r.member.Session.User.Handle
	return a
}

// signed signs the answer again.
func (a getAnswer) signed(t testing.TB, v *vector) getAnswer {
	t.Helper()
	a.signature = v.sign(t, a.authData, a.clientData)
	return a
}
