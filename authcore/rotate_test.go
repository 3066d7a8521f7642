package authcore

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

// tend does the housekeeping of the keys, as the worker does.
func (f *fixture) tend() {
	f.t.Helper()
	f.must(f.rt.tendKeys(f.ctx()))
}

func (f *fixture) rotate() KeyInfo {
	f.t.Helper()
	k, err := f.s.RotateKeys(f.ctx(), "host")
	f.must(err)
	return k
}

// kids are those of the JWKS.
func (f *fixture) kids() (kids []string) {
	for _, k := range f.s.JWKS().Keys {
		kids = append(kids, k.KeyID)
	}
	return kids
}

// stored are the ids of all keys in the store.
func (f *fixture) stored() (ids []string) {
	f.t.Helper()
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		keys, err := tx.ListKeys()
		ids = nil
		for _, k := range keys {
			ids = append(ids, k.ID)
		}
		return err
	}))
	return ids
}

func kidOf(t testing.TB, token string) string {
	h, _ := parts(t, token)
	return h["kid"].(string)
}

// Through a whole rotation, minute by minute: the JWKS of up to an hour ago
// names the key of every token that is signed now, so a verifier that keeps it
// refuses none; and the JWKS of now names the key of every token that is good.
func TestRotation_NoTokenMeetsAVerifierWithoutItsKey_JW5(t *testing.T) {
	f := newFixture(t, asserted(t))
	f.addUser(alice)
	got := f.apiSignIn(alice, "spa")
	b, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	var sets [][]string    // of each minute
	var tokens [][2]string // of each minute, access token and assertion
	old := f.kids()[0]
	for minute := range 200 {
		if minute == 60 {
			if next := f.rotate(); next.State != KeyNext || next.ID == old || !next.SignsFrom.Equal(f.clock.now().UTC().Add(keyAhead)) {
				t.Fatalf("published is %+v", next)
			}
		}
		f.tend()
		sets = append(sets, f.kids())
		next, err := f.s.Refresh(f.ctx(), got.Refresh.Reveal(), "", Client{})
		f.must(err)
		got = next
		tokens = append(tokens, [2]string{got.Access, f.assertion(appHost, app)})
		for _, token := range tokens[minute] {
			for back := range min(minute, 60) {
				if kid := kidOf(t, token); !slices.Contains(sets[minute-back], kid) {
					t.Fatalf("minute %d: what is signed now meets a JWKS of %d minutes ago without its key", minute, back)
				}
			}
		}
		for back := range min(minute+1, 11) {
			if l, err := f.s.AccessUser(f.ctx(), tokens[minute-back][0], ""); err != nil || l == nil {
				t.Fatalf("minute %d: a token of %d minutes ago is refused (%v)", minute, back, err)
			}
			if signed := tokens[minute-back][1]; back <= 5 && !slices.Contains(sets[minute], kidOf(t, signed)) {
				t.Fatalf("minute %d: an assertion of %d minutes ago has no key", minute, back)
			}
		}
		f.clock.advance(time.Minute)
	}
	if now := f.kids(); len(now) != 1 || now[0] == old || !slices.Equal(f.stored(), now) {
		t.Errorf("in the end the JWKS names %q of the old %s, and stored are %q", now, old, f.stored())
	}
	removed := f.audit(evKeyRemoved)
	if len(removed) != 1 || removed[0].Details["key"] != old || removed[0].Actor != "system" {
		t.Errorf("removals in the audit log: %+v", removed)
	}
	if rotated := f.audit(evKeysRotated); len(rotated) != 1 || rotated[0].Details["key"] != f.kids()[0] || rotated[0].Actor != "host" || !rotated[0].Success {
		t.Errorf("rotations in the audit log: %+v", rotated)
	}
}

// The life of a token, and what a verifier allows for clocks, fits into the time
// that its key is kept.
func TestRotation_KeysOutliveTheirTokens(t *testing.T) {
	if longest := 10*time.Minute + jwtLeeway*time.Second; keyKept < longest || keyKept < assertionTTL {
		t.Errorf("keys are kept for %s and tokens live for %s", keyKept, longest)
	}
	if keyAge != 90*24*time.Hour || keyAhead != time.Hour || keyKept != 15*time.Minute {
		t.Error("docs/tokens.md, docs/configure.md and keys rotate --help name other times")
	}
}

func TestRotation_HappensByItself(t *testing.T) {
	f := newFixture(t)
	old := f.kids()[0]
	f.clock.advance(keyAge - keyAhead - time.Second)
	if f.tend(); len(f.kids()) != 1 {
		t.Fatal("a key is replaced too early")
	}
	f.clock.advance(time.Second)
	f.tend()
	f.tend()
	now := f.kids()
	if len(now) != 2 || now[0] != old || f.rt.signer().ID != old {
		t.Fatalf("published are %q, and %s signs; the old one is %s", now, f.rt.signer().ID, old)
	}
	f.clock.advance(keyAhead)
	if got := f.kids(); len(got) != 2 || got[0] != now[1] || f.rt.signer().ID != now[1] {
		t.Errorf("after %s the first of %q signs, want %s", keyAhead, got, now[1])
	}
	f.clock.advance(keyKept)
	if f.tend(); !slices.Equal(f.stored(), now[1:]) {
		t.Errorf("left are %q", f.stored())
	}
	if rotated := f.audit(evKeysRotated); len(rotated) != 1 || rotated[0].Actor != "system" {
		t.Errorf("in the audit log: %+v", rotated)
	}
}

// A server that was off for a year publishes first, too.
func TestRotation_LateIsNoReasonToHurry(t *testing.T) {
	db := bolttest.Open(t)
	f := fixtureAt(t, db, [32]byte{1}, portalConfig(t))
	old := f.rt.signer().ID
	f.clock.advance(5 * keyAge)
	f.tend()
	if f.rt.signer().ID != old || len(f.kids()) != 2 {
		t.Errorf("%s signs, published are %q", f.rt.signer().ID, f.kids())
	}
}

func TestRotation_AskedTwiceIsOne(t *testing.T) {
	f := newFixture(t)
	first := f.rotate()
	f.clock.advance(keyAhead / 2)
	if again := f.rotate(); again != first {
		t.Errorf("published is %+v, then %+v", first, again)
	}
	if len(f.stored()) != 2 || len(f.audit(evKeysRotated)) != 1 {
		t.Errorf("stored are %q", f.stored())
	}
	g := fixtureAt(t, f.store, [32]byte{1}, portalConfig(t)) // another process
	if again, err := g.s.RotateKeys(g.ctx(), "host"); err != nil || again.ID != first.ID {
		t.Errorf("another process publishes %+v, %v", again, err)
	}
}

func TestKeys_AreListedWithWhatBecomesOfThem(t *testing.T) {
	f := newFixture(t)
	old := f.s.Keys()
	if len(old) != 1 || old[0].State != KeySigning || !old[0].SignsUntil.IsZero() || !old[0].GoneAt.IsZero() || !old[0].SignsFrom.Equal(old[0].CreatedAt) {
		t.Fatalf("the first is %+v", old)
	}
	next := f.rotate()
	states := func() (s []KeyState) {
		for _, k := range f.s.Keys() {
			s = append(s, k.State)
		}
		return s
	}
	if got := f.s.Keys(); !slices.Equal(states(), []KeyState{KeySigning, KeyNext}) || got[0].ID != old[0].ID || got[1] != next ||
		!got[0].SignsUntil.Equal(next.SignsFrom) || !got[0].GoneAt.Equal(next.SignsFrom.Add(keyKept)) {
		t.Errorf("%+v", got)
	}
	f.clock.advance(keyAhead)
	if got := f.s.Keys(); !slices.Equal(states(), []KeyState{KeySigning, KeyRetired}) || got[0].ID != next.ID {
		t.Errorf("%+v", got)
	}
}

// A leak: what the old key signed opens nothing from then on, and nobody has to
// sign in again.
func TestReplacedKeys_TheirTokensDieAtOnce_JW5(t *testing.T) {
	f := newFixture(t, asserted(t))
	f.addUser(alice)
	got := f.apiSignIn(alice, "spa")
	b, _ := f.signIn(alice)
	app := f.handOver(b.Session, appHost)
	asserted := f.assertion(appHost, app)
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		return tx.PutKey(&store.Key{ID: "foreign", RootID: "another", Use: "sig", CreatedAt: f.clock.now()})
	}))
	before := append(f.stored(), f.rotate().ID)
	k, err := f.s.ReplaceKeys(f.ctx(), "host")
	f.must(err)
	if now := f.kids(); len(now) != 1 || now[0] != k.ID || k.State != KeySigning || slices.Contains(before, k.ID) || !slices.Equal(f.stored(), now) {
		t.Errorf("published are %q, stored %q, made %+v", now, f.stored(), k)
	}
	if _, err := f.s.verifyAccess(got.Access); err == nil {
		t.Error("a token of a removed key verifies")
	}
	if l, err := f.s.AccessUser(f.ctx(), got.Access, ""); l != nil || err != nil {
		t.Errorf("a token of a removed key opens something: %v, %v", l, err)
	}
	if again := f.assertion(appHost, app); again == asserted || kidOf(t, again) != k.ID {
		t.Error("an assertion of a removed key is handed out")
	}
	next, err := f.s.Refresh(f.ctx(), got.Refresh.Reveal(), "", Client{})
	f.must(err)
	if l, err := f.s.AccessUser(f.ctx(), next.Access, ""); l == nil || err != nil || kidOf(t, next.Access) != k.ID {
		t.Errorf("the next token is not good: %v, %v", l, err)
	}
	if f.live(f.tokenOf(b)) == nil {
		t.Error("a browser was signed out")
	}
	recs := f.audit(evKeysRotated)
	i := slices.IndexFunc(recs, func(r *store.AuditRecord) bool { return r.Details["key"] == k.ID })
	if i < 0 || len(recs) != 2 {
		t.Fatalf("in the audit log: %+v", recs)
	}
	if removed := strings.Fields(recs[i].Details["removed"]); len(removed) != 3 || !slices.Contains(removed, before[0]) || recs[i].Actor != "host" {
		t.Errorf("in the audit log: %+v", recs[i])
	}
}

// While no server runs, the keys can be removed without the root key.
func TestRemovedKeys_TheNextStartMakesAnother(t *testing.T) {
	db := bolttest.Open(t)
	f := fixtureAt(t, db, [32]byte{1}, portalConfig(t))
	f.addUser(alice)
	got := f.apiSignIn(alice, "spa")
	if n, err := RemoveSigningKeys(f.ctx(), db, rand.Reader, time.Now(), "host"); n != 1 || err != nil || len(f.stored()) != 0 {
		t.Fatalf("removed %d, %v; left %q", n, err, f.stored())
	}
	g := fixtureAt(t, db, [32]byte{1}, portalConfig(t))
	if l, err := g.s.AccessUser(g.ctx(), got.Access, ""); l != nil || err != nil {
		t.Errorf("the old token opens something: %v, %v", l, err)
	}
	if g.log.String() != "" || len(g.kids()) != 1 {
		t.Errorf("published are %q, the log says %s", g.kids(), g.log)
	}
	if rec := g.audit(evKeysRotated); len(rec) != 1 || rec[0].Actor != "host" || rec[0].Details["removed"] == "" {
		t.Errorf("in the audit log: %+v", rec)
	}
}

// Processes that share a store sign and verify by the same keys.
func TestRotation_AnotherProcessNotices(t *testing.T) {
	db := bolttest.Open(t)
	f, g := fixtureAt(t, db, [32]byte{1}, portalConfig(t)), fixtureAt(t, db, [32]byte{1}, portalConfig(t))
	f.addUser(alice)
	f.rotate()
	g.tend()
	if !slices.Equal(f.kids(), g.kids()) {
		t.Errorf("one publishes %q, the other %q", f.kids(), g.kids())
	}
	if _, err := f.s.ReplaceKeys(f.ctx(), "host"); err != nil {
		t.Fatal(err)
	}
	got := f.apiSignIn(alice, "spa")
	g.tend()
	if l, err := g.s.AccessUser(g.ctx(), got.Access, ""); l == nil || err != nil || !slices.Equal(f.kids(), g.kids()) {
		t.Errorf("the other verifies nothing: %v, %v", l, err)
	}
	if len(g.audit(evKeysRotated)) != 2 {
		t.Error("the other rotates too")
	}
}

// What cannot be stored is not signed with, and keys that cannot be read keep
// those that were.
func TestRotation_ABrokenStoreChangesNothing(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	before := f.kids()
	for name, act := range map[string]func() error{
		"rotate":  func() error { _, err := f.s.RotateKeys(f.ctx(), "host"); return err },
		"replace": func() error { _, err := f.s.ReplaceKeys(f.ctx(), "host"); return err },
	} {
		f.setFault(alwaysFail)
		if act() == nil {
			t.Errorf("%s: no error", name)
		}
		f.setFault(nil)
		if !slices.Equal(f.kids(), before) || !slices.Equal(f.stored(), before) || len(f.audit(evKeysRotated)) != 0 {
			t.Errorf("%s: published are %q, stored %q", name, f.kids(), f.stored())
		}
	}
	f.breakViews(errors.New("the disk is gone"))
	if f.rt.tendKeys(f.ctx()) == nil || !slices.Equal(f.kids(), before) {
		t.Errorf("published are %q", f.kids())
	}
	f.breakViews(nil)
	f.tend()
	f.setFault(storetest.Always(storetest.RunTwice))
	if f.rotate(); len(f.stored()) != 2 || len(f.audit(evKeysRotated)) != 1 {
		t.Errorf("a transaction that ran twice stores %q", f.stored())
	}
}

// ST-1: who can write to the store but has no root key plants no key, and is
// noticed.
func TestKeys_AlteredInTheStoreAreNotTaken(t *testing.T) {
	f := newFixture(t)
	before := f.kids()
	ready := func() error {
		for _, c := range f.s.Ready(f.ctx()) {
			if c.Name == "keys" {
				return c.Err
			}
		}
		t.Fatal("readiness names no keys")
		return nil
	}
	planted := &store.Key{ID: "planted", RootID: f.rt.keys.Fingerprint(), Use: "sig", Wrapped: bytes.Repeat([]byte{1}, 61), CreatedAt: f.clock.now()}
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return tx.PutKey(planted) }))
	if err := f.rt.tendKeys(f.ctx()); err == nil || !slices.Equal(f.kids(), before) || ready() == nil {
		t.Errorf("%v; published are %q, readiness %v", err, f.kids(), ready())
	}
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return tx.DeleteKey("planted") }))
	if f.tend(); ready() != nil {
		t.Error(ready())
	}
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return tx.DeleteKey(before[0]) }))
	if err := f.rt.tendKeys(f.ctx()); err == nil || !slices.Equal(f.kids(), before) {
		t.Errorf("with all keys gone: %v, published are %q", err, f.kids())
	}
}

// A clock that was ahead and is set right leaves a key that signs.
func TestKeys_AClockThatGoesBackLeavesASigner(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.clock.advance(-24 * time.Hour)
	f.tend()
	got := f.apiSignIn(alice, "spa")
	if l, err := f.s.AccessUser(f.ctx(), got.Access, ""); l == nil || err != nil {
		t.Errorf("%v, %v", l, err)
	}
	if keys := f.s.Keys(); len(keys) != 1 || keys[0].State != KeySigning {
		t.Errorf("%+v", keys)
	}
	f.rotate()
	f.clock.advance(keyAhead)
	if f.tend(); len(f.kids()) != 2 {
		t.Errorf("published are %q", f.kids())
	}
}
