package storetest

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// start is the time the tests begin, with nanoseconds.
func start() time.Time { return time.Date(2025, 3, 1, 12, 0, 0, 123456789, time.UTC) }

func after(d time.Duration) time.Time { return start().Add(d) }

// hash is a Hash in the order of n.
func hash(n int) (h store.Hash) {
	binary.BigEndian.PutUint64(h[:], uint64(n))
	h[31] = 0xff
	return h
}

func user(id string) *store.User {
	return &store.User{
		ID: id, Email: id + "@example.com", Name: id, DisplayName: "User " + id,
		Groups: []string{"staff", "ops"}, Handle: []byte("handle of " + id), Epoch: 7,
		CreatedAt: start(), VerifiedAt: after(time.Minute), Lang: "de",
		TOTP: &store.TOTP{
			ID: "t1", Sealed: []byte("sealed"), CreatedAt: after(2 * time.Minute), LastUsed: after(time.Hour), LastStep: 59_000_000,
			TrustedAt: after(3 * time.Minute), AddedBy: "s1", Behind: []string{"s0"},
		},
		Recovery: &store.RecoveryCodes{Salt: []byte("salt"), Left: []store.Hash{hash(1), hash(2)}, Made: 10, MadeAt: after(4 * time.Minute), AddedBy: "s1", Behind: []string{"s0"}},
		Freeze:   &store.Freeze{At: after(5 * time.Minute), Since: after(time.Minute), Bare: true},
		Guesses:  []time.Time{after(6 * time.Minute), after(7 * time.Minute)},
	}
}

func passkey(id, userID string, created time.Time) *store.Passkey {
	return &store.Passkey{
		ID: []byte(id), UserID: userID, Name: "laptop", Credential: []byte(`{"key":1}`),
		AAGUID: []byte{1, 2, 3}, CreatedAt: created, LastUsed: created.Add(time.Hour), Synced: true, RPID: "example.com",
		AddedBy: "s1", Behind: []string{"s0"},
	}
}

func session(n int, id, userID string) *store.Session {
	return &store.Session{
		Hash: hash(n), ID: id, Kind: store.RootSession, UserID: userID, Epoch: 7, Host: "auth.example.com",
		AMR: []string{"email"}, AuthTime: start(), CreatedAt: after(time.Duration(n) * time.Second),
		LastSeen: start(), Expires: after(24 * time.Hour), IP: "192.0.2.1", UserAgent: "test", RecoveredAt: after(time.Hour),
		Behind: []string{"s0"},
	}
}

func message(id string, status store.MessageStatus, next time.Time) *store.Message {
	return &store.Message{
		ID: id, Kind: "mail", To: "a@example.com", UserID: "u", Template: "login",
		Params: map[string]string{"host": "auth.example.com"}, Sealed: []byte{9, 8, 7},
		CreatedAt: start(), NotAfter: after(10 * time.Minute), NextAt: next, Status: status,
	}
}

// update runs fn in an Update that must succeed.
func update(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// view runs fn in a View that must succeed.
func view(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// refused demands the error and answers nil, so that the closure goes on.
func refused(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// equal compares deeply: times must be in UTC too.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// puts writes users, passkeys, sessions, tokens, messages, audit records and keys.
func puts(t *testing.T, s store.Store, records ...any) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for _, r := range records {
			if err := put(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func put(tx store.Tx, record any) error {
	switch r := record.(type) {
	case *store.User:
		return tx.PutUser(r)
	case *store.Passkey:
		return tx.PutPasskey(r)
	case *store.Session:
		return tx.PutSession(r)
	case *store.AccessToken:
		return tx.PutToken(r)
	case *store.Message:
		return tx.PutMessage(r)
	case *store.AuditRecord:
		return tx.AppendAudit(r)
	case *store.Key:
		return tx.PutKey(r)
	}
	return errors.New("unknown record")
}

// userIDs, sessionIDs, … answer what lists contain, for comparison.
func ids[T any](records []T, id func(T) string) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, id(r))
	}
	return out
}

func userIDs(users []*store.User) []string {
	return ids(users, func(u *store.User) string { return u.ID })
}

func sessionIDs(sessions []*store.Session) []string {
	return ids(sessions, func(s *store.Session) string { return s.ID })
}

func messageIDs(messages []*store.Message) []string {
	return ids(messages, func(m *store.Message) string { return m.ID })
}

// awkward are ids of which some are prefixes of others, with and without the
// bytes that delimiters are made of, in byte order.
func awkward() []string {
	return []string{"\x00", "\x00\x00", "\x01a", "a", "a\x00", "a\x00b", "a\x01", "ab", "a\U0010ffff", "a\U0010ffff\U0010ffff", "b", "é"}
}
