package authcore

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// The keys that sign our JWTs: Ed25519, one signs at a time, all in the ring
// verify and stand in the JWKS.
//
//	next     published for keyAhead, so that whoever keeps a copy of the JWKS
//	         has it before the first token that it signs
//	signing  from SignsFrom until the next one begins, after keyAge. The clock
//	         alone says which key that is, so processes that share a store
//	         change at the same moment
//	retired  for keyKept, until no token that it signed can be good any more;
//	         then it is deleted
//
// rotate.go adds and deletes them. Keys are stored wrapped by the root key and name it, so
// starting with another root key by mistake neither uses nor destroys them.
type keyRing struct {
	state    atomic.Pointer[ringState]
	changing sync.Mutex // held from reading the store until state says what was read
	fault    atomic.Pointer[error]
}

// wrong is what the last look at the stored keys found, or nil.
func (r *keyRing) wrong() error {
	if err := r.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// ringState is never changed once it is in the ring, and never empty.
type ringState struct {
	keys  []*signingKey // the one that begins to sign last at the end
	byKid map[string]*signingKey
}

type signingKey struct {
	*store.Key
	private ed25519.PrivateKey
	public  ed25519.PublicKey // of private; what the record says of it is nobody's proof
}

// begins is when it begins to sign.
func begins(k *store.Key) time.Time {
	if k.SignsFrom.IsZero() {
		return k.CreatedAt
	}
	return k.SignsFrom
}

const keyPurpose = "signing key"

// loadKeyRing reads the keys, and makes the first.
func loadKeyRing(ctx context.Context, rt *Runtime) (*keyRing, error) {
	var st *ringState
	var foreign bool
	err := rt.store.Update(ctx, func(tx store.Tx) error {
		keys, err := tx.ListKeys()
		if err != nil {
			return err
		}
		if st, err = rt.openKeys(keys); err != nil || len(st.keys) > 0 {
			return err
		}
		k, err := newSigningKey(rt)
		if err != nil {
			return err
		}
		if err := tx.PutKey(k); err != nil {
			return err
		}
		foreign = len(keys) > 0
		st, err = rt.openKeys([]*store.Key{k})
		return err
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

// openKeys unwraps stored keys; those of another root key are passed over.
func (rt *Runtime) openKeys(keys []*store.Key) (*ringState, error) {
	st := &ringState{byKid: map[string]*signingKey{}}
	for _, k := range keys {
		if k.RootID != rt.keys.Fingerprint() {
			continue
		}
		seed, err := rt.keys.Open(keyPurpose, k.Wrapped, []byte(k.ID))
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("signing key %s does not open under the root key: the database was altered", k.ID)
		}
		private := ed25519.NewKeyFromSeed(seed)
		key := &signingKey{k, private, private.Public().(ed25519.PublicKey)}
		st.keys, st.byKid[k.ID] = append(st.keys, key), key
	}
	slices.SortStableFunc(st.keys, func(a, b *signingKey) int {
		return cmp.Or(begins(a.Key).Compare(begins(b.Key)), a.CreatedAt.Compare(b.CreatedAt))
	})
	return st, nil
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

// signer is the newest key that has begun to sign. Where the clock went back
// before all of them, it is the oldest.
func (st *ringState) signer(now time.Time) *signingKey {
	for _, k := range slices.Backward(st.keys) {
		if !begins(k.Key).After(now) {
			return k
		}
	}
	return st.keys[0]
}

func (rt *Runtime) signer() *signingKey { return rt.ring.state.Load().signer(rt.now()) }

// verifying finds a key by its exact kid (JW-1).
func (r *keyRing) verifying(kid string) (ed25519.PublicKey, bool) {
	k := r.state.Load().byKid[kid]
	if k == nil {
		return nil, false
	}
	return k.public, true
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
	set := JWKS{Keys: []JWK{}}
	for _, k := range s.rt.ring.state.Load().inOrder(s.now()) {
		set.Keys = append(set.Keys, JWK{"OKP", "Ed25519", k.ID, "sig", "EdDSA", base64.RawURLEncoding.EncodeToString(k.public)})
	}
	return set
}

// inOrder is the signing key, then the others, newest first.
func (st *ringState) inOrder(now time.Time) []*signingKey {
	signer := st.signer(now)
	list := []*signingKey{signer}
	for _, k := range slices.Backward(st.keys) {
		if k != signer {
			list = append(list, k)
		}
	}
	return list
}
