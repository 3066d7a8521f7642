package authcore

import (
	"encoding/json"
	"fmt"
	"math/big"
	"runtime/debug"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/strictjson"
)

// What we ask of a browser's answer beyond what the library checks.

// oneReading says whether a credential and the client data in it can be read in
// one way only. The library decodes both with encoding/json, where a later
// duplicate wins and the case of a name does not matter (AD-5).
func oneReading(credential, clientData []byte) bool {
	var c struct {
		Response json.RawMessage `json:"response"`
	}
	return strictjson.Unambiguous(credential, "id", "rawId", "type", "authenticatorAttachment", "clientExtensionResults", "response") == nil &&
		json.Unmarshal(credential, &c) == nil &&
		strictjson.Unambiguous(c.Response, "clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle",
			"transports", "publicKey", "publicKeyAlgorithm") == nil &&
		strictjson.Unambiguous(clientData, "type", "challenge", "origin", "crossOrigin", "topOrigin", "tokenBinding") == nil
}

// verifiable says whether signatures by a new credential's key can be verified
// (WebAuthn L3 section 5.8.5). Without attestation nobody has seen one yet, and of
// the key the library reads the name of its algorithm only. A passkey that could
// never sign in would still be what the account is managed with (SE-8), and so
// lock its owner out.
func verifiable(coseKey []byte) bool {
	key, err := webauthncose.ParsePublicKey(coseKey)
	if err != nil {
		return false
	}
	k, ok := key.(webauthncose.RSAPublicKeyData)
	if !ok {
		return true
	}
	bits := new(big.Int).SetBytes(k.Modulus).BitLen()
	e, err := webauthncose.ParseRSAPublicKeyDataExponent(&k)
	return err == nil && bits >= minRSA && bits <= maxRSA && e > 1 && e%2 == 1
}

// contained makes a refusal of a panic in a parser (WA-11), and leaves word of it.
func (s *Service) contained(v any) error {
	s.rt.log.Error("panic while reading the answer of a passkey", "panic", capText(fmt.Sprint(v), maxUserAgent), "stack", string(debug.Stack()))
	return refuse(PasskeyRefused)
}
