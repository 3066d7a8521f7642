package authcore

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"testing"
)

// TestStory_LeavesNoSecretInStoreOrLog looks for every 256-bit value that was
// drawn while all flows ran: tokens of sessions, links, tickets, refresh
// tokens, flows, devices, and the signing key (SE-1, ML-1, ST-1, LG-1).
func TestStory_LeavesNoSecretInStoreOrLog(t *testing.T) {
	f := newFixture(t)
	f.rand.kept = [][]byte{f.rt.signer().private.Seed()}
	story(t, f)
	var file bytes.Buffer
	f.must(f.store.Snapshot(f.ctx(), &file))
	secrets := 0
	for _, drawn := range f.rand.kept {
		if len(drawn) != 32 {
			continue
		}
		secrets++
		for _, spelled := range [][]byte{
			drawn, []byte(base64.RawURLEncoding.EncodeToString(drawn)),
			[]byte(base64.RawStdEncoding.EncodeToString(drawn)), []byte(hex.EncodeToString(drawn)),
		} {
			if bytes.Contains(file.Bytes(), spelled) || bytes.Contains([]byte(f.log.String()), spelled) {
				t.Fatalf("a secret of 32 bytes stands in the file or the log")
			}
		}
	}
	if secrets < 20 {
		t.Errorf("only %d secrets were drawn: the test looks at nothing", secrets)
	}
}
