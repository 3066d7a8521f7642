package authcore

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"testing"
)

// drawnSecrets are the lengths in bytes of what is drawn and never stored in
// clear; 16 are an id's, 12 a nonce's, 64 a WebAuthn handle's.
var drawnSecrets = []int{32, totpBytes, 15}

// TestStory_LeavesNoSecretInStoreOrLog looks for every secret value that was drawn
// while all flows ran: tokens of sessions, links, tickets, refresh tokens, flows,
// devices and notices, shared secrets of authenticator apps, recovery codes, and
// the signing key (SE-1, ML-1, TO-1, ST-1, LG-1).
func TestStory_LeavesNoSecretInStoreOrLog(t *testing.T) {
	f := newFixture(t)
	f.rand.kept = [][]byte{f.rt.signer().private.Seed()}
	story(t, f)
	secondStory(t, f)
	var file bytes.Buffer
	f.must(f.store.Snapshot(f.ctx(), &file))
	secrets := map[int]int{}
	for _, drawn := range f.rand.kept {
		if !slices.Contains(drawnSecrets, len(drawn)) {
			continue
		}
		secrets[len(drawn)]++
		for _, spelled := range [][]byte{
			drawn, []byte(base64.RawURLEncoding.EncodeToString(drawn)),
			[]byte(base64.RawStdEncoding.EncodeToString(drawn)), []byte(hex.EncodeToString(drawn)), []byte(totpEncoding.EncodeToString(drawn)),
			[]byte(base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding).EncodeToString(drawn)),
		} {
			if bytes.Contains(file.Bytes(), spelled) || bytes.Contains([]byte(f.log.String()), spelled) {
				t.Fatalf("a secret of %d bytes stands in the file or the log", len(drawn))
			}
		}
	}
	if secrets[32] < 40 || secrets[totpBytes] != 1 || secrets[15] != recoveryCodes {
		t.Errorf("%v secrets were drawn, by their bytes: the test looks at nothing", secrets)
	}
}
