package authcore

import (
	"bytes"
	"slices"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// why is a rule of ours that a vector of the specification does not meet.
type why string

const (
	unverified why = "the person was not verified"
	framed     why = "it came from a frame in another site"
	toppedBy   why = "that site is none we know"
	unasked    why = "its algorithm is none we ask for"
	unknownCA  why = "the maker of its attestation is unknown"
	noSuchKey  why = "it is of a kind of key that cannot be verified here" // never lifted
)

// algEd448 is the number of Ed448 (RFC 9864 section 2.2), which the library does
// not know.
const algEd448 = -53

// expected is what becomes of each vector: taken, or refused for these reasons
// and no other.
var expected = map[string]struct{ create, get []why }{
	"none-es256":                    {[]why{unverified}, []why{unverified}},
	"packed-self-es256":             {nil, []why{unverified}},
	"none-es256-crossOrigin":        {[]why{framed}, []why{framed}},
	"none-es256-topOrigin":          {[]why{unverified, framed, toppedBy}, []why{framed, toppedBy}},
	"none-es256-long-credential-id": {[]why{unverified}, nil},
	"packed-es256":                  {nil, nil},
	"packed-es384":                  {[]why{unverified}, nil},
	"packed-es512":                  {nil, []why{unverified}},
	"packed-rs256":                  {nil, []why{unverified}},
	"packed-eddsa":                  {[]why{unverified}, []why{unverified}},
	"packed-ed448":                  {[]why{unverified, unasked, noSuchKey}, []why{noSuchKey}},
	"tpm-es256":                     {[]why{unknownCA}, nil},
	"android-key-es256":             {[]why{unknownCA}, []why{unverified}},
	"apple-es256":                   {[]why{unverified, unknownCA}, []why{unverified}},
	"fido-u2f-es256":                {[]why{unverified}, []why{unverified}},
}

// lift is the site with some of its rules off.
func (r *replay) lift(rules []why) (session func(*webauthn.SessionData)) {
	r.reload(r.s.Config())
	r.s.webauthn.Config.RPAllowCrossOrigin = slices.Contains(rules, framed)
	if slices.Contains(rules, toppedBy) {
		r.s.webauthn.Config.RPTopOrigins = []string{"https://example.com"}
	}
	return func(d *webauthn.SessionData) {
		if slices.Contains(rules, unverified) {
			d.UserVerification = protocol.VerificationPreferred
		}
		if slices.Contains(rules, unasked) {
			d.CredParams = append(d.CredParams, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: algEd448})
		}
	}
}

// But for the rules that it breaks a vector is taken; each of them alone is
// enough to refuse it.
func TestVectors_EachIsTakenOrRefusedForItsReasons_WA(t *testing.T) {
	r := newReplay(t)
	for _, v := range readVectors(t) {
		want, known := expected[v.name]
		if !known {
			t.Errorf("nobody says what becomes of %s", v.name)
		}
		t.Run(v.name+"/create", func(t *testing.T) {
			r.t = t
			r.eachRule(want.create, func(lifted []why) error {
				c := v.create
				if slices.Contains(lifted, unknownCA) {
					c.unattested(t)
				}
				key, err := r.register(c, r.lift(lifted))
				if err == nil && (!bytes.Equal(key.ID, v.create.id) || key.Synced != (c.open(t).AuthData[atFlags]&flagBS != 0)) {
					t.Errorf("stored is %+v", key)
				}
				return err
			})
		})
		t.Run(v.name+"/get", func(t *testing.T) {
			r.t = t
			r.eachRule(want.get, func(lifted []why) error {
				key, err := r.login(v, r.handled(v), r.lift(lifted))
				if err == nil && key.Synced != (v.get.authData[atFlags]&flagBS != 0) {
					t.Errorf("the backup state is not the sign-in's: %+v", key)
				}
				return err
			})
		})
	}
}

// eachRule tries with every rule on, with those off that the vector breaks, and
// with one of them on at a time.
func (r *replay) eachRule(broken []why, try func(lifted []why) error) {
	r.t.Helper()
	never := slices.Contains(broken, noSuchKey)
	if err := try(broken); never {
		r.refused(err, PasskeyRefused)
	} else if err != nil {
		r.t.Errorf("refused, too, without the rules that it breaks: %v", err)
	}
	for _, on := range broken {
		others := slices.DeleteFunc(slices.Clone(broken), func(w why) bool { return w == on })
		if err := try(others); err == nil {
			r.t.Errorf("taken although %s", on)
		} else {
			r.refused(err, PasskeyRefused)
		}
	}
	if err := try(nil); (err == nil) != (len(broken) == 0) {
		r.t.Errorf("as it stands: %v", err)
	}
}

// The same credentials with a verified person: every kind of key signs in,
// whatever its vector lacks.
func TestVectors_EveryKindOfKeySignsInOnceThePersonIsVerified(t *testing.T) {
	r := newReplay(t)
	for _, v := range readVectors(t) {
		if slices.Contains(expected[v.name].get, noSuchKey) || slices.Contains(expected[v.name].get, framed) {
			continue // refused above for another reason than the person
		}
		t.Run(v.name, func(t *testing.T) {
			r.t = t
			a := r.handled(v)
			a.authData = bytes.Clone(a.authData)
			a.authData[atFlags] |= flagUV
			if _, err := r.login(v, a.signed(t, &v), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// No byte of a signature, and nothing that is signed, may be another: all of one
// vector, samples of the others.
func TestVectors_NoByteOfWhatIsSignedMayChange(t *testing.T) {
	r := newReplay(t)
	for _, v := range readVectors(t) {
		if slices.Contains(expected[v.name].get, noSuchKey) {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			r.t = t
			session := r.lift(expected[v.name].get)
			r.keep(v)
			defer r.forget(v.create.id)
			c := &ceremony{Data: webauthn.SessionData{Challenge: b64(v.get.challenge), UserVerification: protocol.VerificationRequired}}
			session(&c.Data)
			refused := func(what string, a getAnswer) {
				if _, err := r.s.assert(r.ctx(), c, a.body(t), nil); err == nil {
					t.Errorf("taken: %s", what)
				} else {
					r.refused(err, PasskeyRefused)
				}
			}
			good := r.handled(v)
			if _, err := r.s.assert(r.ctx(), c, good.body(t), nil); err != nil {
				t.Fatal(err)
			}
			for name, part := range map[string]func(*getAnswer) *[]byte{
				"signature": func(a *getAnswer) *[]byte { return &a.signature }, "authenticator data": func(a *getAnswer) *[]byte { return &a.authData },
				"client data": func(a *getAnswer) *[]byte { return &a.clientData },
			} {
				if name != "signature" && v.name != "packed-es256" {
					continue // what is signed does not depend on the key
				}
				step := 7
				if v.name == "packed-es256" {
					step = 1
				}
				whole := *part(&good)
				for i := 0; i < len(whole); i += step {
					a := good
					*part(&a) = bytes.Clone(whole)
					(*part(&a))[i] ^= 1 << (i % 8)
					refused(name, a)
				}
				for _, other := range [][]byte{nil, whole[:len(whole)-1], append(bytes.Clone(whole), 0), append([]byte{0}, whole...)} {
					a := good
					*part(&a) = other
					refused(name, a)
				}
			}
		})
	}
}
