package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// filled is the content of a closed database file with some of everything, and
// how much of it is in use.
func filled(t *testing.T) (content []byte, used int) {
	t.Helper()
	path := filepath.Join(private(t), "auth.db")
	db := mustOpen(t, path)
	for i := range 4 { // several commits leave free pages
		if err := db.Update(t.Context(), func(tx store.Tx) error { return fill(tx, i*40, 40) }); err != nil {
			t.Fatal(err)
		}
	}
	var snapshot bytes.Buffer
	if err := errors.Join(db.Snapshot(t.Context(), &snapshot), db.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content, snapshot.Len()
}

func fill(tx store.Tx, from, n int) error {
	for i := from; i < from+n; i++ {
		id := fmt.Sprintf("u%04d", i)
		h := store.Hash{byte(i), byte(i >> 8)}
		at := time.Unix(int64(i), 0)
		err := errors.Join(
			tx.PutUser(&store.User{ID: id, Email: id, Name: id, Handle: []byte(id), CreatedAt: at}),
			tx.PutSession(&store.Session{Hash: h, ID: id, UserID: id, RootID: id, CreatedAt: at, Expires: at}),
			tx.PutToken(&store.AccessToken{Hash: h, ID: id, UserID: id, CreatedAt: at, Expires: at}),
			tx.PutPasskey(&store.Passkey{ID: []byte(id), UserID: id, CreatedAt: at}),
			tx.PutMessage(&store.Message{ID: id, Status: store.Queued, NextAt: at}),
			tx.AppendAudit(&store.AuditRecord{ID: id, Time: at, Subject: id}),
			tx.Put(store.KindFlow, h, id, at),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// tryDamaged opens a damaged copy and uses it: everything may fail, nothing
// may panic, and what is reported as sound must be complete.
func tryDamaged(t *testing.T, what, path string, content []byte, users int64) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, Options{})
	if err != nil {
		if !errors.Is(err, errDamaged) && !errors.Is(err, errForeign) {
			t.Errorf("%s: unclear error: %v", what, err)
		}
		return
	}
	checked := db.Check(t.Context())
	var counts store.Counts
	err = db.View(t.Context(), func(tx store.Tx) (err error) {
		counts, err = tx.Counts()
		return err
	})
	if checked == nil && (err != nil || counts.Users != users) {
		t.Errorf("%s: found sound with %d users (%v)", what, counts.Users, err)
	}
	_ = db.Update(t.Context(), func(tx store.Tx) error { return fill(tx, 1000, 3) })
	_ = db.Close()
}

func TestOpen_ST4_CutOffFile(t *testing.T) {
	content, used := filled(t)
	path := filepath.Join(private(t), "auth.db")
	page := os.Getpagesize()
	for _, size := range []int{1, 100, page, 2*page - 1, 2 * page, 3 * page, used / 2, used - page, used - 1} {
		if err := os.WriteFile(path, content[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := refusedOpen(t, path); !errors.Is(err, errDamaged) && !errors.Is(err, errForeign) {
			t.Errorf("cut off at %d: unclear error: %v", size, err)
		}
	}
	tryDamaged(t, "cut off behind what is used", path, content[:used], 160) // and the lock is free
	if db, err := Open(path, Options{}); err != nil {
		t.Error(err)
	} else if err := errors.Join(db.Check(t.Context()), db.Close()); err != nil {
		t.Error(err)
	}
}

func TestOpen_ST4_DamagedPages(t *testing.T) {
	content, used := filled(t)
	path := filepath.Join(private(t), "auth.db")
	page := os.Getpagesize()
	for at := 0; at < used; at += page {
		for _, with := range []byte{0x00, 0xff, 0x5a} {
			damaged := slices.Clone(content)
			copy(damaged[at:], bytes.Repeat([]byte{with}, page))
			tryDamaged(t, fmt.Sprintf("page %d filled with %#x", at/page, with), path, damaged, 160)
		}
		if at+2*page <= used { // a page in the place of another
			damaged := slices.Clone(content)
			copy(damaged[at:], content[at+page:at+2*page])
			tryDamaged(t, fmt.Sprintf("page %d replaced by the next", at/page), path, damaged, 160)
		}
	}
}

func TestDB_ST4_DamageWhileOpenIsAnErrorNotACrash(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	db := mustOpen(t, path)
	if err := db.Update(t.Context(), func(tx store.Tx) error { return fill(tx, 0, 100) }); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	page := int64(os.Getpagesize())
	_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, int(info.Size()-2*page)), 2*page)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := db.View(t.Context(), func(tx store.Tx) error { _, err := tx.User("u0001"); return err }); err == nil {
			t.Error("View read from a damaged file")
		}
		if err := db.Update(t.Context(), func(tx store.Tx) error { return fill(tx, 200, 1) }); err == nil {
			t.Error("Update wrote to a damaged file")
		}
	}
	if err := db.Check(t.Context()); err == nil {
		t.Error("Check found a damaged file sound")
	}
	_ = db.Close() // returns
}

func TestDB_ST4_FileCutOffWhileOpenIsAnErrorNotACrash(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	db := mustOpen(t, path)
	if err := db.Update(t.Context(), func(tx store.Tx) error { return fill(tx, 0, 100) }); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := db.View(t.Context(), func(tx store.Tx) error { _, err := tx.User("u0001"); return err }); err == nil {
		t.Error("View read from a file that was cut off")
	}
	if err := db.Update(t.Context(), func(tx store.Tx) error { return fill(tx, 200, 1) }); err == nil {
		t.Error("Update wrote to a file that was cut off")
	}
	if err := db.Check(t.Context()); err == nil {
		t.Error("Check found a file that was cut off sound")
	}
	_ = db.Close() // returns
}
