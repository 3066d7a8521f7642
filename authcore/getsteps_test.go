package authcore

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// badGet is a sign-in that breaks one step of WebAuthn Level 3, section 7.2
// (numbers of the draft of 30 July 2026). It is signed after the change, with the
// right key, unless it is about the signature.
type badGet struct {
	step   string
	change func(t testing.TB, a *getAnswer)
}

// said changes one member of the client data; nil takes it out.
func said(name string, value any) func(testing.TB, *getAnswer) {
	return func(t testing.TB, a *getAnswer) {
		a.clientData = remade(t, a.clientData, func(m map[string]any) { setOrDrop(m, name, value) })
	}
}

// proved changes the authenticator data.
func proved(change func([]byte) []byte) func(testing.TB, *getAnswer) {
	return func(_ testing.TB, a *getAnswer) { a.authData = change(bytes.Clone(a.authData)) }
}

func provedFlags(change func(byte) byte) func(testing.TB, *getAnswer) {
	return proved(func(d []byte) []byte { d[atFlags] = change(d[atFlags]); return d })
}

func badGets() []badGet {
	challenge := func(change func([]byte) string) func(testing.TB, *getAnswer) {
		return func(t testing.TB, a *getAnswer) { said("challenge", change(a.challenge))(t, a) }
	}
	raw := func(change func(string) string) func(testing.TB, *getAnswer) {
		return func(_ testing.TB, a *getAnswer) { a.clientData = []byte(change(string(a.clientData))) }
	}
	handle := func(h []byte) func(testing.TB, *getAnswer) {
		return func(_ testing.TB, a *getAnswer) { a.handle = h }
	}
	return []badGet{
		{"step 6 handle missing", handle(nil)},
		{"step 6 handle empty", handle([]byte{})},
		{"step 6 handle of nobody", handle([]byte("nobody"))},
		{"step 6 handle with a tail", func(_ testing.TB, a *getAnswer) { a.handle = append(bytes.Clone(a.handle), 0) }},
		{"step 6 handle cut short", func(_ testing.TB, a *getAnswer) { a.handle = a.handle[:len(a.handle)-1] }},
		{"step 6 handle of 65 bytes", handle(make([]byte, 65))},
		{"step 8 client data with a byte order mark", raw(func(s string) string { return "\ufeff" + s })},
		{"step 9 client data is nothing", raw(func(string) string { return "" })},
		{"step 9 client data is null", raw(func(string) string { return "null" })},
		{"step 9 client data is an array", raw(func(s string) string { return "[" + s + "]" })},
		{"step 9 client data and more", raw(func(s string) string { return s + s })},
		{"step 9 client data with a member twice", raw(func(s string) string { return s[:len(s)-1] + `,"type":"webauthn.get"}` })},
		{"step 9 client data with a member in two cases", raw(func(s string) string { return s[:len(s)-1] + `,"CrossOrigin":false}` })},
		{"step 9 client data with a member in another case", raw(func(s string) string { return strings.Replace(s, `"type"`, `"Type"`, 1) })},
		{"step 10 type is of a registration", said("type", "webauthn.create")},
		{"step 10 type is a payment", said("type", "payment.get")},
		{"step 10 no type", said("type", nil)},
		{"step 11 challenge of another", challenge(func([]byte) string { return b64(bytes.Repeat([]byte{7}, 32)) })},
		{"step 11 challenge cut short", challenge(func(c []byte) string { return b64(c[:31]) })},
		{"step 11 challenge with a tail", challenge(func(c []byte) string { return b64(append(bytes.Clone(c), 0)) })},
		{"step 11 challenge padded", challenge(func(c []byte) string { return b64(c) + "=" })},
		{"step 11 challenge in the other alphabet", func(t testing.TB, a *getAnswer) {
			a.challenge = otherwiseSpelt()
			said("challenge", base64.RawStdEncoding.EncodeToString(a.challenge))(t, a)
		}},
		{"step 11 challenge empty", said("challenge", "")},
		{"step 11 no challenge", said("challenge", nil)},
		{"step 12 origin of another site", said("origin", "https://example.com")},
		{"step 12 origin below ours", said("origin", "https://www.example.org")},
		{"step 12 origin with a port", said("origin", "https://example.org:443")},
		{"step 12 origin by plain http", said("origin", "http://example.org")},
		{"step 12 origin with a path", said("origin", "https://example.org/")},
		{"step 12 origin null", said("origin", "null")},
		{"step 12 no origin", said("origin", nil)},
		{"step 13 crossOrigin", said("crossOrigin", true)},
		{"step 14 topOrigin of another site", said("topOrigin", "https://example.com")},
		{"step 14 topOrigin is ours", said("topOrigin", vectorOrigin)},
		{"step 14 topOrigin and crossOrigin", func(t testing.TB, a *getAnswer) {
			said("topOrigin", "https://example.com")(t, a)
			said("crossOrigin", true)(t, a)
		}},
		{"step 15 rpIdHash of another site", proved(func(d []byte) []byte { d[31] ^= 1; return d })},
		{"step 15 rpIdHash of an AppID", proved(func(d []byte) []byte { clear(d[:32]); return d })},
		{"step 16 UP is not set", provedFlags(func(f byte) byte { return f &^ flagUP })},
		{"step 17 UV is not set", provedFlags(func(f byte) byte { return f &^ flagUV })},
		{"step 18 BS without BE", provedFlags(func(f byte) byte { return f&^flagBE | flagBS })},
		{"step 19 BE went", provedFlags(func(f byte) byte { return f &^ flagBE })},
		{"step 21 data of 36 bytes", proved(func(d []byte) []byte { return d[:36] })},
		{"step 21 data with a tail", proved(func(d []byte) []byte { return append(d, 0) })},
		{"step 21 data with the AT flag and nothing there", provedFlags(func(f byte) byte { return f | flagAT })},
		{"step 21 data with the ED flag and nothing there", provedFlags(func(f byte) byte { return f | flagED })},
		{"step 21 data with the ED flag and garbage", proved(func(d []byte) []byte { d[atFlags] |= flagED; return append(d, 0xff) })},
		{"step 21 data with extensions cut short", proved(func(d []byte) []byte { d[atFlags] |= flagED; return append(d, 0xa1) })},
		{"step 21 data with a tail behind its extensions", proved(func(d []byte) []byte { d[atFlags] |= flagED; return append(d, 0xa0, 0) })},
	}
}

func TestGetSteps_EachIsChecked_WA(t *testing.T) {
	r := newReplay(t)
	v := vectorNamed(t, "packed-es256")
	for _, bad := range badGets() {
		t.Run(bad.step, func(t *testing.T) {
			r.t = t
			a := r.handled(v)
			bad.change(t, &a)
			_, err := r.login(v, a.signed(t, &v), nil)
			r.refused(err, PasskeyRefused)
		})
	}
	r.t = t
	if _, err := r.login(v, r.handled(v), nil); err != nil {
		t.Error(err) // all of it was refused for what was changed
	}
}

// Step 5: a step-up is by one of the passkeys that it listed, not by one that
// came later.
func TestGetSteps_Step5CredentialMustHaveBeenAllowed(t *testing.T) {
	r := newReplay(t)
	listed, later := vectorNamed(t, "packed-es256"), vectorNamed(t, "none-es256")
	r.keep(listed)
	try := func(v vector, before func()) error {
		begun, err := r.s.BeginStepUp(r.ctx(), r.member, false)
		r.must(err)
		before()
		a := v.get
		a.authData = bytes.Clone(a.authData)
		a.authData[atFlags] |= flagUV
		a = a.signed(t, &v)
		token, err := r.s.FinishStepUp(r.ctx(), r.asked(begun, v.get.challenge, nil), a.body(t), r.member)
		if err == nil {
			r.member.Session = r.live(token)
		}
		return err
	}
	r.refused(try(later, func() { r.keep(later) }), PasskeyRefused)
	r.must(try(listed, func() {})) // without a handle: who it is was known (step 6)
	r.must(try(later, func() {}))
}

// Step 6: the credential's owner is the handle's user, and in a step-up the one
// who asked.
func TestGetSteps_Step6CredentialAndHandleAreOfOneUser(t *testing.T) {
	r := newReplay(t)
	v := vectorNamed(t, "packed-es256")
	other := r.addUser(bob)
	a := r.handled(v)
	a.handle = other.Handle
	_, err := r.login(v, a, nil)
	r.refused(err, PasskeyRefused)
	a = r.handled(v)
	a.id = []byte("a credential of nobody")
	_, err = r.login(v, a, nil)
	r.refused(err, CredentialUnknown)
	a.id = bytes.Repeat([]byte{7}, 1024)
	_, err = r.login(v, a, nil)
	r.refused(err, CredentialUnknown)

	r.keep(v)
	for name, handle := range map[string][]byte{"of another": other.Handle, "of nobody": []byte("x")} {
		begun, err := r.s.BeginStepUp(r.ctx(), r.member, false)
		r.must(err)
		a := v.get
		a.handle = handle
		if _, err = r.s.FinishStepUp(r.ctx(), r.asked(begun, a.challenge, nil), a.body(t), r.member); err == nil {
			t.Errorf("a step-up with the handle %s", name)
		}
		r.refused(err, PasskeyRefused)
	}
}

// Step 19: whether a passkey may be synced is decided when it is made; whether
// it is, is told at each sign-in, and a refused one tells nothing (step 24).
func TestGetSteps_Step19BackupEligibilityStaysAndStateIsKept(t *testing.T) {
	r := newReplay(t)
	for name, c := range map[string]struct {
		stored, sent byte
		taken        bool
	}{
		"never eligible":     {0, 0, true},
		"becomes eligible":   {0, flagBE, false},
		"becomes synced":     {0, flagBE | flagBS, false},
		"goes into a backup": {flagBE, flagBE | flagBS, true},
		"leaves the backup":  {flagBE | flagBS, flagBE, true},
		"stays in it":        {flagBE | flagBS, flagBE | flagBS, true},
		"is not eligible":    {flagBE | flagBS, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			v := vectorNamed(t, "packed-es256")
			v.create.unattested(t)
			flags(func(f byte) byte { return f&^(flagBE|flagBS) | c.stored })(t, &v.create)
			a := r.handled(v)
			provedFlags(func(f byte) byte { return f&^(flagBE|flagBS) | c.sent })(t, &a)
			key, err := r.login(v, a.signed(t, &v), nil)
			now := c.stored
			if c.taken {
				r.must(err)
				now = c.sent
			} else {
				r.refused(err, PasskeyRefused)
			}
			u, err := newWAUser(r.member.Session.User, []*store.Passkey{key})
			r.must(err)
			if f := u.creds[0].Flags; key.Synced != (now&flagBS != 0) || f.BackupState != key.Synced || f.BackupEligible != (now&flagBE != 0) {
				t.Errorf("stored is synced %v, %+v", key.Synced, f)
			}
		})
	}
}

// Step 21: a signature by the right key over the right bytes, in its one form.
func TestGetSteps_Step21SignatureInItsOneForm(t *testing.T) {
	r := newReplay(t)
	v, other := vectorNamed(t, "packed-es256"), vectorNamed(t, "none-es256")
	var parts struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(v.get.signature, &parts); err != nil {
		t.Fatal(err)
	}
	der := func(r, s *big.Int) []byte {
		b, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	zero := new(big.Int)
	for name, sig := range map[string][]byte{
		"by another key":         other.sign(t, v.get.authData, v.get.clientData),
		"over another's data":    other.get.signature,
		"zeros":                  der(zero, zero),
		"r alone":                der(parts.R, zero),
		"negative":               der(new(big.Int).Neg(parts.R), parts.S),
		"raw, as in JWS":         append(parts.R.FillBytes(make([]byte, 32)), parts.S.FillBytes(make([]byte, 32))...),
		"of indefinite length":   append(append([]byte{0x30, 0x80}, v.get.signature[2:]...), 0, 0),
		"with a long length":     append([]byte{0x30, 0x81, v.get.signature[1]}, v.get.signature[2:]...),
		"with a tail":            append(bytes.Clone(v.get.signature), 0),
		"swapped":                der(parts.S, parts.R),
		"of the hash of nothing": v.sign(t, v.get.authData, nil),
		"over the data reversed": v.sign(t, v.get.clientData, v.get.authData),
	} {
		a := r.handled(v)
		a.signature = sig
		if _, err := r.login(v, a, nil); err == nil {
			t.Errorf("taken: a signature %s", name)
		} else {
			r.refused(err, PasskeyRefused)
		}
	}
}

// Step 22, WA-5: a counter that does not go on is refused and leaves a trace;
// one that never counts is no reason to refuse.
func TestGetSteps_Step22CounterGoesOnOrNeverCounts(t *testing.T) {
	r := newReplay(t)
	for _, c := range []struct {
		stored, sent uint32
		taken        bool
	}{
		{0, 0, true},
		{0, 1, true},
		{0, math.MaxUint32, true},
		{5, 6, true},
		{5, math.MaxUint32, true},
		{5, 5, false},
		{5, 4, false},
		{5, 1, false},
		{5, 0, false},
		{math.MaxUint32, math.MaxUint32, false},
		{math.MaxUint32, 1, false},
	} {
		v := vectorNamed(t, "packed-es256")
		v.create.unattested(t)
		data(func(d []byte) []byte { binary.BigEndian.PutUint32(d[atCounter:], c.stored); return d })(t, &v.create)
		a := r.handled(v)
		proved(func(d []byte) []byte { binary.BigEndian.PutUint32(d[atCounter:], c.sent); return d })(t, &a)
		before := len(r.audit(evLoginFailed))
		key, err := r.login(v, a.signed(t, &v), nil)
		now := c.sent
		if !c.taken {
			r.refused(err, PasskeyRefused)
			now = c.stored
		} else if err != nil {
			t.Errorf("%d after %d: %v", c.sent, c.stored, err)
		}
		u, err := newWAUser(r.member.Session.User, []*store.Passkey{key})
		r.must(err)
		if got := u.creds[0].Authenticator; got.SignCount != now || got.CloneWarning {
			t.Errorf("%d after %d: stored is %+v", c.sent, c.stored, got)
		}
		if failed := r.audit(evLoginFailed); !c.taken && (len(failed) != before+1 || failed[0].Details["why"] != counterWentBack || failed[0].Subject != u.u.ID) {
			t.Errorf("%d after %d: the audit log has %+v", c.sent, c.stored, failed)
		}
	}
	if n := strings.Count(r.log.String(), "may have been copied"); n != 6 {
		t.Errorf("%d lines in the log", n)
	}
}

// Step 24: the record is the newest sign-in's, and a session says by which
// passkey it is.
func TestGetSteps_Step24RecordIsUpdated(t *testing.T) {
	r := newReplay(t)
	v := vectorNamed(t, "packed-es256")
	key, err := r.login(v, r.handled(v), nil)
	r.must(err)
	if key.LastUsed.IsZero() || key.UserID != r.member.Session.User.ID {
		t.Errorf("stored is %+v", key)
	}
	devices, err := r.s.Devices(r.ctx(), r.member.Session.User, r.member.Session.Session)
	r.must(err)
	if !slices.ContainsFunc(devices, func(d Device) bool {
		return bytes.Equal(d.Session.PasskeyID, v.create.id) && slices.Equal(d.Session.AMR, []string{AMRPasskey})
	}) {
		t.Errorf("no session is by the passkey: %+v", devices)
	}
}
