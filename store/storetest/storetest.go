// Package storetest is what every backend of package store must pass, and a
// wrapper that injects faults into one.
//
// Each subtest pins sentences of the comments in package store, on a fresh
// store of its own, so that one failure hides nothing.
package storetest

import (
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Open returns a new, empty store, and sees to it that the store is closed and
// checked when the test ends. Closing it before is allowed.
type Open func(t *testing.T) store.Store

// promise is one subtest; its name says what is promised.
type promise struct {
	name string
	test func(t *testing.T, s store.Store)
}

// Run tests a backend against the contract of package store.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, group := range []struct {
		name     string
		promises []promise
	}{
		{"Users", usersPromises()},
		{"Names", namesPromises()},
		{"Passkeys", passkeysPromises()},
		{"Sessions", sessionsPromises()},
		{"SessionIndex", sessionIndexPromises()},
		{"Tokens", tokensPromises()},
		{"Takes", takesPromises()},
		{"ListTakes", listTakesPromises()},
		{"Counters", countersPromises()},
		{"Outbox", outboxPromises()},
		{"Audit", auditPromises()},
		{"Keys", keysPromises()},
		{"Meta", metaPromises()},
		{"Sweep", sweepPromises()},
		{"Limits", limitsPromises()},
		{"Copies", copiesPromises()},
		{"Isolation", isolationPromises()},
		{"Concurrency", concurrencyPromises()},
		{"Lifecycle", lifecyclePromises()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, p := range group.promises {
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					p.test(t, open(t))
				})
			}
		})
	}
}

// Durable is a backend whose stores outlive the process.
type Durable struct {
	Open Open
	// Reopen opens again what s held. s has been closed.
	Reopen func(t *testing.T, s store.Store) store.Store
	// Restore opens a new store from what Snapshot wrote.
	Restore func(t *testing.T, snapshot []byte) store.Store
}

// RunDurable tests what a backend keeps after Close and in a Snapshot.
func RunDurable(t *testing.T, backend Durable) {
	for name, test := range durablePromises() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, backend)
		})
	}
}
