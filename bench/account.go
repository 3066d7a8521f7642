package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/descope/virtualwebauthn"
)

// account is somebody who signs in at a desk. One goroutine has it at a time.
type account struct {
	address string
	letters chan letter // the code that was asked for
	key     *passkey
	tokens  tokens // of the last sign-in or refresh
}

// letter is a mail with a code, and when it came.
type letter struct {
	code string
	at   time.Time
}

// tokens are what a sign-in is for.
type tokens struct {
	Refresh string `json:"refresh_token"`
	Session string `json:"session_token"`
}

// spell is how long an act took.
type spell struct {
	server time.Duration // what the client waited for answers, from when each request was due
	mail   time.Duration // from when a code was due to be asked for until the mail was delivered
}

// act is something an account does that was due at a time. A client that is late
// counts as a slow server: who comes while others wait, waits too.
type act func(ctx context.Context, a *account, due time.Time) (spell, error)

// signInByCode asks for a code and types it as soon as the mail is there.
func (d *desk) signInByCode(ctx context.Context, a *account, due time.Time) (s spell, err error) {
	var begun struct {
		Flow string `json:"flow"`
	}
	asked, err := d.call(ctx, "/api/login/email", "", map[string]string{"email": a.address}, &begun)
	if err != nil {
		return s, err
	}
	var mail letter
	select {
	case mail = <-a.letters:
	case <-time.After(patience):
		return s, fmt.Errorf("no mail came for %s", a.address)
	case <-ctx.Done():
		return s, ctx.Err()
	}
	a.tokens = tokens{}
	done, err := d.call(ctx, "/api/login/email/verify", "", map[string]string{"flow": begun.Flow, "code": mail.code}, &a.tokens)
	return spellOf(due, asked, mail.at, done), err
}

// spellOf is a sign-in by code that was due, had the answer to asking for one and
// the mail, in any order, and then the answer to typing it: that was due when
// both were there.
func spellOf(due, asked, mailed, done time.Time) spell {
	next := asked
	if mailed.After(next) {
		next = mailed
	}
	return spell{server: asked.Sub(due) + done.Sub(next), mail: mailed.Sub(due)}
}

// refresh goes on with the tokens of the last one.
func (d *desk) refresh(ctx context.Context, a *account, due time.Time) (spell, error) {
	spent := map[string]string{"refresh_token": a.tokens.Refresh}
	a.tokens = tokens{}
	done, err := d.call(ctx, "/api/token/refresh", "", spent, &a.tokens)
	return spell{server: done.Sub(due)}, err
}

// passkey is an authenticator with one discoverable ES256 credential, which
// verifies its user.
type passkey struct {
	rp     virtualwebauthn.RelyingParty
	device virtualwebauthn.Authenticator
	key    virtualwebauthn.Credential
}

// es256Key is the length of a whole COSE key on P-256. The library leaves out a
// zero byte at the beginning of a coordinate, which COSE does not (RFC 9053
// section 7.1.1), and so one key in 128 is none.
const es256Key = 77

func newPasskey(portal string) *passkey {
	k := &passkey{
		rp:     virtualwebauthn.RelyingParty{ID: portalHost, Origin: portal},
		device: virtualwebauthn.NewAuthenticator(), key: virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2),
	}
	for len(k.key.Key.AttestationData()) != es256Key {
		k.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return k
}

// ceremony is what options answer.
type ceremony struct {
	Flow      string          `json:"flow"`
	PublicKey json.RawMessage `json:"publicKey"`
}

// proof is what a client answers.
type proof struct {
	Flow       string          `json:"flow"`
	Credential json.RawMessage `json:"credential"`
}

// create makes the credential.
func (k *passkey) create(c ceremony) (proof, error) {
	options, err := virtualwebauthn.ParseAttestationOptions(string(c.PublicKey))
	if err != nil {
		return proof{}, fmt.Errorf("reading options: %w", err)
	}
	k.device.Options.UserHandle = []byte(options.UserID)
	return proof{c.Flow, json.RawMessage(virtualwebauthn.CreateAttestationResponse(k.rp, k.device, k.key, *options))}, nil
}

// sign uses it.
func (k *passkey) sign(c ceremony) (proof, error) {
	options, err := virtualwebauthn.ParseAssertionOptions(string(c.PublicKey))
	if err != nil {
		return proof{}, fmt.Errorf("reading options: %w", err)
	}
	k.key.Counter++
	return proof{c.Flow, json.RawMessage(virtualwebauthn.CreateAssertionResponse(k.rp, k.device, k.key, *options))}, nil
}

type none struct{}

// addPasskey signs in by a code and registers a passkey.
func (d *desk) addPasskey(ctx context.Context, a *account, due time.Time) (s spell, err error) {
	if s, err = d.signInByCode(ctx, a, due); err != nil {
		return s, err
	}
	var c ceremony
	if _, err := d.call(ctx, "/api/passkeys/options", a.tokens.Session, none{}, &c); err != nil {
		return s, err
	}
	a.key = newPasskey(d.portal)
	made, err := a.key.create(c)
	if err != nil {
		return s, err
	}
	_, err = d.call(ctx, "/api/passkeys", a.tokens.Session, made, new(json.RawMessage))
	return s, err
}

// signInByPasskey is timed without the work of the authenticator.
func (d *desk) signInByPasskey(ctx context.Context, a *account, due time.Time) (s spell, err error) {
	var c ceremony
	begun, err := d.call(ctx, "/api/login/passkey/options", "", none{}, &c)
	if err != nil {
		return s, err
	}
	signed, err := a.key.sign(c)
	if err != nil {
		return s, err
	}
	next := time.Now()
	a.tokens = tokens{}
	done, err := d.call(ctx, "/api/login/passkey", "", signed, &a.tokens)
	return spell{server: begun.Sub(due) + done.Sub(next)}, err
}
