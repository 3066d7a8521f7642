package authcore

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"sync/atomic"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// keyRing holds the Ed25519 signing keys: one signs, all verify. Keys are
// stored wrapped by the root key and named after it, so starting with another
// root key by mistake neither uses nor destroys them.
type keyRing struct {
	state atomic.Pointer[ringState]
}

type ringState struct {
	signer *signingKey
	public map[string]ed25519.PublicKey // by kid
	order  []string                     // kids, newest first
}

type signingKey struct {
	kid     string
	private ed25519.PrivateKey
}

const keyPurpose = "signing key"

func loadKeyRing(ctx context.Context, rt *Runtime) (*keyRing, error) {
	var st *ringState
	var foreign bool
	err := rt.store.Update(ctx, func(tx store.Tx) error {
		st, foreign = &ringState{public: map[string]ed25519.PublicKey{}}, false
		keys, err := tx.ListKeys()
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := st.add(rt, k); err != nil {
				return err
			}
		}
		if st.signer != nil {
			return nil
		}
		k, err := newSigningKey(rt)
		if err != nil {
			return err
		}
		foreign = len(st.order) < len(keys)
		if err := tx.PutKey(k); err != nil {
			return err
		}
		return st.add(rt, k)
	})
	if err != nil {
		return nil, err
	}
	if foreign {
		rt.log.Warn("the stored signing keys belong to another root key; JWTs signed by them no longer verify",
			"hint", "if auth.key or JWT_SECRET was lost this is expected; otherwise put the old one back")
	}
	r := &keyRing{}
	r.state.Store(st)
	return r, nil
}

// add takes a stored key in; keys of another root key are passed over.
func (st *ringState) add(rt *Runtime, k *store.Key) error {
	if k.RootID != rt.keys.Fingerprint() {
		return nil
	}
	seed, err := rt.keys.Open(keyPurpose, k.Wrapped, []byte(k.ID))
	if err != nil || len(seed) != ed25519.SeedSize {
		return fmt.Errorf("signing key %s does not open under the root key: the database was altered", k.ID)
	}
	private := ed25519.NewKeyFromSeed(seed)
	st.public[k.ID] = private.Public().(ed25519.PublicKey)
	st.order = append([]string{k.ID}, st.order...)
	if k.RetiredAt.IsZero() {
		st.signer = &signingKey{k.ID, private} // the newest that signs
	}
	return nil
}

func newSigningKey(rt *Runtime) (*store.Key, error) {
	id, err := secret.ID(rt.rand)
	if err != nil {
		return nil, fmt.Errorf("naming a signing key: %w", err)
	}
	public, private, err := ed25519.GenerateKey(rt.rand)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	wrapped, err := rt.keys.Seal(rt.rand, keyPurpose, private.Seed(), []byte(id))
	if err != nil {
		return nil, fmt.Errorf("wrapping a signing key: %w", err)
	}
	return &store.Key{ID: id, RootID: rt.keys.Fingerprint(), Use: "sig", Wrapped: wrapped, Public: public, CreatedAt: rt.now().UTC()}, nil
}

func (r *keyRing) signing() *signingKey { return r.state.Load().signer }

func (r *keyRing) verifying(kid string) (ed25519.PublicKey, bool) {
	k, ok := r.state.Load().public[kid]
	return k, ok
}

// JWK is a public key as RFC 8037 §2 writes it: public members only (JW-5).
type JWK struct {
	KeyType string `json:"kty"`
	Curve   string `json:"crv"`
	KeyID   string `json:"kid"`
	Use     string `json:"use"`
	Alg     string `json:"alg"`
	X       string `json:"x"`
}

// JWKS is the content of /.well-known/jwks.json (RFC 7517 §5).
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// JWKS lists the keys that verify our tokens, the signing one first.
func (s *Service) JWKS() JWKS {
	st := s.rt.ring.state.Load()
	set := JWKS{Keys: []JWK{}}
	for _, kid := range st.order {
		set.Keys = append(set.Keys, JWK{"OKP", "Ed25519", kid, "sig", "EdDSA", base64.RawURLEncoding.EncodeToString(st.public[kid])})
	}
	return set
}
