package authcore

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// RFC 6238 appendix B, of whose eight digits an app with six shows the last.
func TestMatchTOTP_SpecificationsVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, digits := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := rfc4226(secret, uint64(at/30), 8); got != digits {
			t.Fatalf("the tests' own authenticator shows %s at %d", got, at)
		}
		if step, err := matchTOTP(secret, digits[2:], at/30, 0); err != nil || step != at/30 {
			t.Errorf("%s at %d is of step %d, %v", digits[2:], at, step, err)
		}
		if step, err := matchTOTP(secret, digits[2:], at/30, at/30); err != nil || step != 0 {
			t.Errorf("%s at %d is accepted a second time: step %d, %v", digits[2:], at, step, err)
		}
	}
}

// A program that knows nothing of us shows what we accept.
func TestTOTP_AnIndependentGeneratorsCodesAreTaken(t *testing.T) {
	tool, err := exec.LookPath("oathtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	f := newFixture(t)
	b, _ := f.signIn(alice)
	e, err := f.s.BeginTOTP(f.ctx(), b.Session)
	f.must(err)
	show := func() string {
		t.Helper()
		f.toStep()
		out, err := exec.Command(tool, "--totp", "--base32", "--now", f.s.Now().Format("2006-01-02 15:04:05 UTC"), e.Secret).Output()
		f.must(err)
		return strings.TrimSpace(string(out))
	}
	token, err := f.s.ConfirmTOTP(f.ctx(), b.Session, show(), b.Client)
	f.must(err)
	f.renew(&b, token)
	f.finish(f.owe(alice), SecondTOTP, show())
	_, err = f.s.StepUpTOTP(f.ctx(), show(), b)
	f.must(err)
}

// CR-5: who can write to the database cannot give one person another's secret.
func TestTOTP_SecretIsSealedToItsUser_CR5(t *testing.T) {
	f := newFixture(t)
	_, a := f.withTOTP(alice)
	_, b := f.withTOTP(bob)
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		ua, err := tx.UserByEmail(alice)
		f.must(err)
		ub, err := tx.UserByEmail(bob)
		f.must(err)
		ua.TOTP.Sealed, ub.TOTP.Sealed = ub.TOTP.Sealed, ua.TOTP.Sealed
		f.must(tx.PutUser(ua))
		return tx.PutUser(ub)
	}))
	f.toStep()
	for addr, app := range map[string]*authApp{alice: b, bob: a} {
		_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, f.code(app, 0), f.owe(addr))
		f.refused(err, TOTPInvalid)
	}
	// Nor with its ID: that is the row's, and the user's ID is bound as well.
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		ua, err := tx.UserByEmail(alice)
		f.must(err)
		ub, err := tx.UserByEmail(bob)
		f.must(err)
		ua.TOTP.ID, ub.TOTP.ID = ub.TOTP.ID, ua.TOTP.ID
		f.must(tx.PutUser(ua))
		return tx.PutUser(ub)
	}))
	for addr, app := range map[string]*authApp{alice: b, bob: a} {
		_, err := f.s.FinishSecond(f.ctx(), SecondTOTP, f.code(app, 0), f.owe(addr))
		f.refused(err, TOTPInvalid)
	}
}

// DESIGN §2: losing the root key costs TOTP and recovery codes, not passkeys.
func TestTOTP_AnotherRootKeyCostsItAndNoPasskey(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	f.stepUpTOTP(&b, a)
	k := f.addKey(b)
	codes := f.printed(b)
	g := f.restartWith(RootKey{2})
	_, err := g.s.FinishSecond(g.ctx(), SecondTOTP, g.nextCode(a), g.owe(alice))
	g.refused(err, TOTPInvalid)
	_, err = g.s.FinishSecond(g.ctx(), SecondRecovery, codes[0], g.owe(alice))
	g.refused(err, RecoveryInvalid)
	if !contains(g.log.String(), "does not open under the root key") || contains(g.log.String(), f.code(a, 0)) {
		t.Errorf("the log says %s", g.log)
	}
	b = g.keySignIn(k)
	g.must(g.s.RemoveTOTP(g.ctx(), b.Session, b.Client)) // and there is a way on
	b = g.keySignIn(k)
	g.giveTOTP(&b)
}

// stepUpTOTP confirms a browser's session with the authenticator app.
func (f *fixture) stepUpTOTP(b *Browser, a *authApp) {
	f.t.Helper()
	token, err := f.s.StepUpTOTP(f.ctx(), f.nextCode(a), *b)
	f.must(err)
	f.renew(b, token)
}

// LG-1, ST-1: the shared secret and recovery codes stand in no file and no log, in
// none of the spellings that somebody might write them in.
func TestTOTP_SecretAndCodesAreNowhereInClear_LG1(t *testing.T) {
	f := newFixture(t)
	b, a := f.withTOTP(alice)
	f.stepUpTOTP(&b, a)
	codes := f.printed(b)
	_, err := f.s.FinishSecond(f.ctx(), SecondRecovery, codes[0], f.owe(alice))
	f.must(err)
	other, _ := f.signIn(bob)
	pending, err := f.s.BeginTOTP(f.ctx(), other.Session) // not confirmed: it is stored as well
	f.must(err)
	var file bytes.Buffer
	f.must(f.store.Snapshot(f.ctx(), &file))
	both := append(file.Bytes(), f.log.String()...)
	for _, raw := range [][]byte{a.secret, f.scan(pending).secret} {
		for _, spelled := range []string{
			string(raw), totpEncoding.EncodeToString(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		} {
			if bytes.Contains(both, []byte(spelled)) {
				t.Error("a shared secret stands in the file or the log")
			}
		}
	}
	for _, c := range codes {
		if bytes.Contains(both, []byte(c)) || bytes.Contains(both, []byte(strings.ReplaceAll(c, "-", ""))) {
			t.Error("a recovery code stands in the file or the log")
		}
	}
}

// TO-3, EC-3: what an online guesser has who knows the first factor.
func TestSecondGuesses_SucceedWithLittleProbability_EC3(t *testing.T) {
	perGuess := float64(2*totpWindow+1) / 1e6
	if p := maxSecondGuesses * perGuess; p > 1e-4 {
		t.Errorf("a guesser gets in with p = %g a day", p)
	}
	if guessWindow < 24*time.Hour {
		t.Error("the window is less than a day")
	}
}
