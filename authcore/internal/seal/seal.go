// Package seal derives every key of a server from its root key and uses them:
// authenticated encryption and message authentication, each key for one
// purpose only, so that no value made for one purpose is good for another.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

const (
	keyBytes   = 32 // CR-3
	nonceBytes = 12 // NIST SP 800-38D section 8.2.2, RBG-based construction
	tagBytes   = 16

	// version opens each sealed value: AES-256-GCM under a key derived by
	// HKDF-SHA256, random nonce, then ciphertext and tag.
	version = 1

	// labelPrefix keeps our derivations apart from those of other programs
	// that were given the same root key.
	labelPrefix = "passwordless-auth v1 "
)

// ErrOpen is the only error of Open: for a wrong key, purpose or context, a
// changed byte, an unknown version and a truncated value alike, so that an
// answer tells an attacker nothing.
var ErrOpen = errors.New("sealed value does not open")

// Keys are the keys under one root key. They are safe for concurrent use and
// print as "[redacted]".
//
// A purpose is a constant of the program, such as "hand-over state": keys are
// derived once and kept, one for each purpose ever asked for. Derive, Seal and
// MAC use different keys under the same purpose.
type Keys struct {
	root  [keyBytes]byte
	keys  sync.Map // label (string) → [keyBytes]byte
	aeads sync.Map // purpose (string) → cipher.AEAD
}

// New returns the keys under root.
func New(root [32]byte) *Keys { return &Keys{root: root} }

// Derive returns the 256-bit key for purpose: HKDF-SHA256 (RFC 5869) with the
// purpose as info.
func (k *Keys) Derive(purpose string) [32]byte { return k.derive("derive " + purpose) }

// Seal encrypts and authenticates plaintext with AES-256-GCM, and authenticates
// aad, the context in which alone the value may be opened: the row, the host,
// the user it belongs to (CR-5). The nonce comes from r; with random nonces a
// purpose is good for 2^32 values under one root key.
func (k *Keys) Seal(r io.Reader, purpose string, plaintext, aad []byte) ([]byte, error) {
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, 1+nonceBytes, 1+nonceBytes+len(plaintext)+tagBytes)
	sealed[0] = version
	nonce := sealed[1:]
	if _, err := io.ReadFull(r, nonce); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	return aead.Seal(sealed, nonce, plaintext, context(purpose, aad)), nil
}

// Open returns the plaintext of a value that Seal made under the same root,
// purpose and aad, and ErrOpen for anything else.
func (k *Keys) Open(purpose string, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 1+nonceBytes+tagBytes || sealed[0] != version {
		return nil, ErrOpen
	}
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, ErrOpen
	}
	plaintext, err := aead.Open(nil, sealed[1:1+nonceBytes], sealed[1+nonceBytes:], context(purpose, aad))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// MAC returns the HMAC-SHA256 of parts under the key for purpose. Each part is
// preceded by its length, so parts cannot be shifted into one another; compare
// with hmac.Equal (CR-2).
func (k *Keys) MAC(purpose string, parts ...[]byte) [32]byte {
	key := k.derive("mac " + purpose)
	mac := hmac.New(sha256.New, key[:])
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write(part)
	}
	var sum [32]byte
	mac.Sum(sum[:0])
	return sum
}

// Fingerprint names the root key in 16 hexadecimal digits without revealing
// anything of it, to tell "wrong root key" from "damaged data".
func (k *Keys) Fingerprint() string {
	sum := k.MAC("fingerprint of the root key")
	return hex.EncodeToString(sum[:8])
}

// derive panics where HKDF refuses a 32-byte key or 32 bytes of output, which
// RFC 5869 and FIPS 140-3 both allow.
func (k *Keys) derive(label string) [keyBytes]byte {
	if key, ok := k.keys.Load(label); ok {
		return key.([keyBytes]byte)
	}
	b, err := hkdf.Key(sha256.New, k.root[:], nil, labelPrefix+label, keyBytes)
	if err != nil {
		panic("seal: deriving a key: " + err.Error())
	}
	key := [keyBytes]byte(b)
	k.keys.Store(label, key)
	return key
}

func (k *Keys) aead(purpose string) (cipher.AEAD, error) {
	if aead, ok := k.aeads.Load(purpose); ok {
		return aead.(cipher.AEAD), nil
	}
	key := k.derive("seal " + purpose)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("making an AEAD: %w", err)
	}
	k.aeads.Store(purpose, aead)
	return aead, nil
}

// context is the additional data of the AEAD. The key depends on the purpose
// already; the version and the purpose stand here too, so that neither can be
// swapped even where a later version shares a key.
func context(purpose string, aad []byte) []byte {
	b := make([]byte, 0, 1+8+len(purpose)+len(aad))
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(len(purpose)))
	b = append(b, purpose...)
	return append(b, aad...)
}

const redacted = "[redacted]"

// String returns "[redacted]".
func (*Keys) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (*Keys) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (*Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON encodes "[redacted]".
func (*Keys) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue logs "[redacted]".
func (*Keys) LogValue() slog.Value { return slog.StringValue(redacted) }
