package authcore

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func TestPasskey_RegistersAndSignsInWithoutAName(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.keySignIn(k)
	if l := b.Session; l.User.Email != alice || !l.Has(AMRPasskey) || l.Has(AMREmail) || string(l.Session.PasskeyID) != string(k.cred.ID) {
		t.Errorf("session is %+v", l.Session)
	}
	keys, err := f.s.Passkeys(f.ctx(), b.Session.User)
	f.must(err)
	if len(keys) != 1 || keys[0].Name != "My key" || keys[0].LastUsed.IsZero() || keys[0].RPID != portalHost {
		t.Errorf("passkeys are %+v", keys)
	}
	if len(f.audit(evRegisterStarted)) != 1 || len(f.audit(evRegisterCompleted)) != 1 || len(f.audit(evLoginCompleted)) != 1 {
		t.Error("the audit log lacks a line of the ceremonies")
	}
}

func TestPasskey_OptionsDemandAVerifiedDiscoverableCredential(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b, _ := f.signIn(alice)
	first := f.addKey(b)
	b = f.keySignIn(first)
	c, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.must(err)
	o := c.Options.(protocol.PublicKeyCredentialCreationOptions)
	if o.AuthenticatorSelection.UserVerification != protocol.VerificationRequired ||
		o.AuthenticatorSelection.ResidentKey != protocol.ResidentKeyRequirementRequired || o.Attestation != protocol.PreferNoAttestation {
		t.Errorf("registration asks for %+v, attestation %q", o.AuthenticatorSelection, o.Attestation)
	}
	if len(o.CredentialExcludeList) != 1 || string(o.CredentialExcludeList[0].CredentialID) != string(first.cred.ID) {
		t.Errorf("WA-4: excluded are %v", o.CredentialExcludeList)
	}
	if strings.Contains(optionsJSON(t, c), base64.RawURLEncoding.EncodeToString([]byte(alice))) {
		t.Error("WA-6: the user handle is personal")
	}
	c, err = f.s.BeginPasskey(f.ctx(), f.newBrowser())
	f.must(err)
	if requestOptions(t, c).UserVerification != protocol.VerificationRequired {
		t.Error("WA-3: sign-in does not demand user verification")
	}
}

func TestPasskey_CeremonyRecordKeepsTheWholeSessionData_WA3(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	b := f.keySignIn(f.givePasskey(alice))
	for purpose, begin := range map[string]func() (*Ceremony, error){
		purposeLogin:    func() (*Ceremony, error) { return f.s.BeginPasskey(f.ctx(), b) },
		purposeStepUp:   func() (*Ceremony, error) { return f.s.BeginStepUp(f.ctx(), b, false) },
		purposeRegister: func() (*Ceremony, error) { return f.s.BeginAddPasskey(f.ctx(), b) },
	} {
		c, err := begin()
		f.must(err)
		var rec ceremony
		f.must(f.store.View(f.ctx(), func(tx store.Tx) error { return tx.Peek(store.KindCeremony, c.ID.Hash(), &rec) }))
		d := rec.Data
		if rec.Purpose != purpose || d.Challenge == "" || d.UserVerification != protocol.VerificationRequired || d.Expires.IsZero() ||
			d.RelyingPartyID != portalHost {
			t.Errorf("%s: stored is %+v", purpose, rec)
		}
		// Every field survives the store, also those the library adds later.
		var full, back webauthn.SessionData
		fill(reflect.ValueOf(&full).Elem())
		encoded, err := json.Marshal(full)
		f.must(err)
		f.must(json.Unmarshal(encoded, &back))
		if !reflect.DeepEqual(full, back) {
			t.Errorf("a field of SessionData is lost in the store:\n%+v\n%+v", full, back)
		}
	}
}

// fill sets every field that has a simple kind, or a slice of one.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			switch f.Type() {
			case reflect.TypeOf([]byte(nil)):
				f.SetBytes([]byte{1})
			case reflect.TypeOf([][]byte(nil)):
				f.Set(reflect.ValueOf([][]byte{{1}}))
			}
		case reflect.Struct:
			if f.Type() == reflect.TypeOf(time.Time{}) {
				f.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
			}
		}
	}
}

func TestPasskey_OneOf50ParallelFinishesWins_WA1(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.newBrowser()
	c, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	body := f.assert(k, c)
	if won := f.race(func(int) error { _, err := f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), body, b); return err }); won != 1 {
		t.Errorf("%d of 50 presentations of one challenge succeeded", won)
	}
}

func TestPasskey_GarbageSpendsTheChallenge_WA1(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	good := func(c *Ceremony) []byte { return f.assert(k, c) }
	for name, garbage := range map[string]func(c *Ceremony) []byte{
		"nothing":      func(*Ceremony) []byte { return nil },
		"null":         func(*Ceremony) []byte { return []byte("null") },
		"empty object": func(*Ceremony) []byte { return []byte("{}") },
		"array":        func(*Ceremony) []byte { return []byte("[]") },
		"deep":         func(*Ceremony) []byte { return []byte(strings.Repeat("[", 20000)) },
		"truncated":    func(c *Ceremony) []byte { return good(c)[:100] },
		"trailing":     func(c *Ceremony) []byte { return append(good(c), "{}"...) },
		"no id":        func(c *Ceremony) []byte { return edit(t, good(c), "id", "") },
		"other id":     func(c *Ceremony) []byte { return edit(t, good(c), "id", "AAAA") },
		"long id": func(c *Ceremony) []byte {
			return edit(t, edit(t, good(c), "id", strings.Repeat("A", 8000)), "rawId", strings.Repeat("A", 8000))
		},
		"other type": func(c *Ceremony) []byte { return edit(t, good(c), "type", "password") },
		"short data": func(c *Ceremony) []byte { return edit(t, good(c), "response.authenticatorData", "AA") },
		"bad base64": func(c *Ceremony) []byte { return edit(t, good(c), "response.authenticatorData", "!!") },
		"no sig":     func(c *Ceremony) []byte { return edit(t, good(c), "response.signature", "") },
		"other sig":  func(c *Ceremony) []byte { return edit(t, good(c), "response.signature", "MEQCIA") },
		"no handle":  func(c *Ceremony) []byte { return edit(t, good(c), "response.userHandle", "") },
		"attestation": func(c *Ceremony) []byte {
			return edit(t, good(c), "response", map[string]any{"attestationObject": "oA"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := f.newBrowser()
			c, err := f.s.BeginPasskey(f.ctx(), b)
			f.must(err)
			_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), garbage(c), b)
			if r, ok := AsRefusal(err); !ok || r.Reason != PasskeyRefused && r.Reason != CredentialUnknown {
				t.Errorf("got %v", err)
			}
			_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), good(c), b)
			if r, ok := AsRefusal(err); !ok || r.Reason != FlowExpired {
				t.Errorf("the challenge is still good after garbage: %v", err)
			}
		})
	}
}

// edit sets a member of a JSON object, "a.b" for one inside another.
func edit(t testing.TB, body []byte, path string, value any) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	at := m
	names := strings.Split(path, ".")
	for _, n := range names[:len(names)-1] {
		at = at[n].(map[string]any)
	}
	at[names[len(names)-1]] = value
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPasskey_AssertionIsBoundToItsCeremony(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.addUser(bob)
	k, other := f.givePasskey(alice), f.givePasskey(bob)
	for name, c := range map[string]struct {
		change func(k *key)
		want   Reason
	}{
		"WA-7 another origin":            {func(k *key) { k.rp.Origin = appOrigin }, PasskeyRefused},
		"WA-7 origin with a port":        {func(k *key) { k.rp.Origin = portalOrigin + ":444" }, PasskeyRefused},
		"WA-7 plain http":                {func(k *key) { k.rp.Origin = "http://" + portalHost }, PasskeyRefused},
		"another relying party":          {func(k *key) { k.rp.ID = "example.test" }, PasskeyRefused},
		"WA-3 user not verified":         {func(k *key) { k.auth.Options.UserNotVerified = true }, PasskeyRefused},
		"user not present":               {func(k *key) { k.auth.Options.UserNotPresent = true }, PasskeyRefused},
		"WA-6 handle of another user":    {func(k *key) { k.auth.Options.UserHandle = other.auth.Options.UserHandle }, PasskeyRefused},
		"WA-6 handle of nobody":          {func(k *key) { k.auth.Options.UserHandle = []byte("nobody") }, PasskeyRefused},
		"WA-6 no handle":                 {func(k *key) { k.auth.Options.UserHandle = nil }, PasskeyRefused},
		"WA-6 credential of another":     {func(k *key) { k.cred.ID = other.cred.ID }, PasskeyRefused},
		"credential of nobody":           {func(k *key) { k.cred.ID = []byte("nobody's credential") }, CredentialUnknown},
		"key of another credential":      {func(k *key) { k.cred.Key = other.cred.Key }, PasskeyRefused},
		"backup state without eligibity": {func(k *key) { k.auth.Options.BackupState = true }, PasskeyRefused},
	} {
		t.Run(name, func(t *testing.T) {
			forged := *k
			c.change(&forged)
			b := f.newBrowser()
			cer, err := f.s.BeginPasskey(f.ctx(), b)
			f.must(err)
			got, err := f.s.FinishPasskey(f.ctx(), cer.ID.Reveal(), f.assert(&forged, cer), b)
			if r, ok := AsRefusal(err); got != nil || !ok || r.Reason != c.want {
				t.Errorf("got %v, %v; want %s", got, err, c.want)
			}
		})
	}
	f.keySignIn(k) // untouched by all that
}

func TestPasskey_ChallengeIsGoodForItsPurposeAndBrowserOnly_WA1(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.keySignIn(k)

	login, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	_, err = f.s.FinishStepUp(f.ctx(), login.ID.Reveal(), f.assert(k, login), b)
	f.refused(err, FlowExpired)
	step, err := f.s.BeginStepUp(f.ctx(), b, false)
	f.must(err)
	_, err = f.s.FinishPasskey(f.ctx(), step.ID.Reveal(), f.assert(k, step), b)
	f.refused(err, FlowExpired)
	add, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.must(err)
	_, err = f.s.FinishPasskey(f.ctx(), add.ID.Reveal(), f.assert(k, add), b)
	f.refused(err, FlowExpired)

	login, err = f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	_, err = f.s.FinishPasskey(f.ctx(), login.ID.Reveal(), f.assert(k, login), f.newBrowser())
	f.refused(err, FlowExpired)
	for _, id := range []string{"", "x", b.Flow.Reveal()} {
		_, err = f.s.FinishPasskey(f.ctx(), id, f.assert(k, login), b)
		f.refused(err, FlowExpired)
	}
	login, err = f.s.BeginPasskey(f.ctx(), Browser{})
	f.must(err)
	_, err = f.s.FinishPasskey(f.ctx(), login.ID.Reveal(), f.assert(k, login), Browser{})
	f.refused(err, FlowExpired)

	// Another challenge signed for this ceremony.
	a, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	z, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	_, err = f.s.FinishPasskey(f.ctx(), a.ID.Reveal(), f.assert(k, z), b)
	f.refused(err, PasskeyRefused)
}

func TestPasskey_ChallengeExpires_WA2(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.newBrowser()
	c, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	f.clock.advance(ceremonyTTL + time.Second)
	_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
	f.refused(err, FlowExpired)
}

func TestPasskey_CounterThatGoesBackIsRefusedAndLogged_WA5(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	k.cred.Counter = 5
	f.keySignIn(k)
	k.cred.Counter = 6
	f.keySignIn(k)
	for _, n := range []uint32{6, 5, 1, 0} {
		k.cred.Counter = n
		b := f.newBrowser()
		c, err := f.s.BeginPasskey(f.ctx(), b)
		f.must(err)
		_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
		f.refused(err, PasskeyRefused)
	}
	if len(f.audit(evLoginFailed)) != 4 || !strings.Contains(f.log.String(), "went back") {
		t.Error("a counter that went back left no trace")
	}
	for _, a := range f.audit(evLoginFailed) {
		if a.Subject != f.user(alice).ID || a.Details["why"] != counterWentBack {
			t.Errorf("the audit log has %+v", a)
		}
	}
	k.cred.Counter = 7
	f.keySignIn(k)
}

func TestPasskey_UserOrKeyThatWentMeanwhileIsRefused_SE5(t *testing.T) {
	for name, end := range map[string]func(f *fixture){
		"disabled": func(f *fixture) { f.must(f.s.DisableUser(f.ctx(), "cli", alice)) },
		"deleted":  func(f *fixture) { f.must(f.s.DeleteUser(f.ctx(), "cli", alice)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addUser(alice)
			k := f.givePasskey(alice)
			b := f.newBrowser()
			c, err := f.s.BeginPasskey(f.ctx(), b)
			f.must(err)
			end(f)
			_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), f.assert(k, c), b)
			if r, ok := AsRefusal(err); !ok || r.Reason != PasskeyRefused && r.Reason != CredentialUnknown {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPasskey_OffRefusesEveryStep_SE6(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b := f.keySignIn(k)
	login, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	step, err := f.s.BeginStepUp(f.ctx(), b, false)
	f.must(err)
	add, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.must(err)
	f.reload(portalConfig(t, func(c *Config) { c.NoPasskey = true }))
	for name, do := range map[string]func() error{
		"begin": func() error { _, err := f.s.BeginPasskey(f.ctx(), b); return err },
		"finish": func() error {
			_, err := f.s.FinishPasskey(f.ctx(), login.ID.Reveal(), f.assert(k, login), b)
			return err
		},
		"begin step-up": func() error { _, err := f.s.BeginStepUp(f.ctx(), b, false); return err },
		"step-up":       func() error { _, err := f.s.FinishStepUp(f.ctx(), step.ID.Reveal(), f.assert(k, step), b); return err },
		"begin add":     func() error { _, err := f.s.BeginAddPasskey(f.ctx(), b); return err },
		"add": func() error {
			_, err := f.s.FinishAddPasskey(f.ctx(), add.ID.Reveal(), f.attest(f.newKey(), add), "", b)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if r, ok := AsRefusal(do()); !ok || r.Reason != MethodOff {
				t.Errorf("got %v", r)
			}
		})
	}
}

// WA-7: an origin has one spelling. The library would take these for ours.
func TestPasskey_OriginIsComparedAsItStands_WA7(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	k := f.givePasskey(alice)
	b, _ := f.signIn(bob)
	for _, origin := range []string{portalOrigin + "/", portalOrigin + "/x", portalOrigin + "?", portalOrigin + "#", portalOrigin + ":443", strings.ToUpper(portalOrigin), "https://u@" + portalHost} {
		k.rp.Origin = origin
		browser := f.newBrowser()
		c, err := f.s.BeginPasskey(f.ctx(), browser)
		f.must(err)
		_, err = f.s.FinishPasskey(f.ctx(), c.ID.Reveal(), f.assert(k, c), browser)
		f.refused(err, PasskeyRefused)
		added := f.newKey()
		added.rp.Origin = origin
		c, err = f.s.BeginAddPasskey(f.ctx(), b)
		f.must(err)
		_, err = f.s.FinishAddPasskey(f.ctx(), c.ID.Reveal(), f.attest(added, c), "", b)
		f.refused(err, PasskeyRefused)
	}
	k.rp.Origin = portalOrigin
	f.keySignIn(k)
}

func TestPasskey_KeepsKnownTransportsOnly(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	k := f.newKey()
	c, err := f.s.BeginAddPasskey(f.ctx(), b)
	f.must(err)
	var body map[string]any
	f.must(json.Unmarshal(f.attest(k, c), &body))
	body["response"].(map[string]any)["transports"] = append(slices.Repeat([]string{"telepathy"}, 1000), "usb", "internal", "usb")
	raw, err := json.Marshal(body)
	f.must(err)
	_, err = f.s.FinishAddPasskey(f.ctx(), c.ID.Reveal(), raw, "", b)
	f.must(err)
	keys, err := f.s.Passkeys(f.ctx(), b.Session.User)
	f.must(err)
	var cred webauthn.Credential
	f.must(json.Unmarshal(keys[0].Credential, &cred))
	if !slices.Equal(cred.Transport, []protocol.AuthenticatorTransport{protocol.USB, protocol.Internal}) {
		t.Errorf("stored are %d: %.100q", len(cred.Transport), cred.Transport)
	}
}
