package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// oldFile is a closed database file as a program that knew no more than the
// given version made it, with what fill puts there.
func oldFile(t testing.TB, version int, fill func(*bbolt.Tx) error) (path string) {
	t.Helper()
	path = filepath.Join(private(t), "auth.db")
	raw, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Update(func(b *bbolt.Tx) error {
		for _, step := range migrations()[:version] {
			if err := step(b); err != nil {
				return err
			}
		}
		return errors.Join(fill(b), b.Bucket([]byte(bucketMeta)).Put([]byte(store.MetaSchema), []byte(strconv.Itoa(version))))
	})
	if err := errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// oldRecords writes records as they are encoded, with their total.
func oldRecords(b *bbolt.Tx, bucket, total string, records map[string]string) error {
	for key, value := range records {
		if err := b.Bucket([]byte(bucket)).Put([]byte(key), []byte(value)); err != nil {
			return err
		}
	}
	return b.Bucket([]byte(bucketCounts)).Put([]byte(total), binary.BigEndian.AppendUint64(nil, uint64(len(records))))
}

// A file of the version before access tokens is brought up to date and loses
// nothing.
func TestOpen_MigratesTheFirstSchema(t *testing.T) {
	db := mustOpen(t, oldFile(t, 1, func(b *bbolt.Tx) error {
		return oldRecords(b, bucketUsers, countUsers, map[string]string{"u": `{"id":"u"}`})
	}))
	err := db.Update(t.Context(), func(tx store.Tx) error {
		if _, err := tx.User("u"); err != nil {
			return err
		}
		return tx.PutToken(&store.AccessToken{Hash: store.Hash{1}, ID: "a", UserID: "u"})
	})
	if err := errors.Join(err, db.Check(t.Context())); err != nil {
		t.Error(err)
	}
}

// Ten thousand records of a file from before the lists of a subject are in
// them, and in no other, newest first.
func TestOpen_MigratesTheAuditLogIntoListsBySubject(t *testing.T) {
	const n, subjects = 10_000, 7
	records := map[string]string{}
	for i := range n {
		id, subject := fmt.Sprintf("%05d", i), fmt.Sprintf(`,"subject":"u%d"`, i%subjects)
		if i%subjects == 0 { // nobody was known
			subject = ""
		}
		records[id] = fmt.Sprintf(`{"id":%q,"time":"2025-03-01T12:00:00Z","type":"session_created"%s,"success":true}`, id, subject)
	}
	path := oldFile(t, 2, func(b *bbolt.Tx) error { return oldRecords(b, bucketAudit, countAudit, records) })
	begin := time.Now()
	db := mustOpen(t, path)
	t.Logf("opened and migrated %d records in %v", n, time.Since(begin))

	if err := db.Update(t.Context(), func(tx store.Tx) error {
		return tx.AppendAudit(&store.AuditRecord{ID: strconv.Itoa(n), Subject: "u1"})
	}); err != nil {
		t.Fatal(err)
	}
	listed := 0
	err := db.View(t.Context(), func(tx store.Tx) error {
		for subject := range subjects {
			list, err := tx.ListAuditOf(fmt.Sprintf("u%d", subject), "", n)
			if err != nil {
				return err
			}
			for i, rec := range list {
				if rec.Subject != fmt.Sprintf("u%d", subject) || i > 0 && rec.ID >= list[i-1].ID {
					t.Fatalf("u%d: record %d is %s of %s", subject, i, rec.ID, rec.Subject)
				}
			}
			listed += len(list)
		}
		c, err := tx.Counts()
		if c.Audit != n+1 {
			t.Errorf("counted %d records", c.Audit)
		}
		return err
	})
	if want := n + 1 - (n+subjects-1)/subjects; listed != want {
		t.Errorf("listed %d records instead of %d", listed, want)
	}
	if err := errors.Join(err, db.Check(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestOpen_FailedMigrationChangesNothing(t *testing.T) {
	path := oldFile(t, 2, func(b *bbolt.Tx) error {
		return oldRecords(b, bucketAudit, countAudit, map[string]string{"1": `{"id":"1","subject":"u"}`, "2": `{"id":`})
	})
	for range 2 {
		if err := refusedOpen(t, path); !errors.Is(err, errDamaged) {
			t.Errorf("got %v", err)
		}
	}
	raw, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.View(func(b *bbolt.Tx) error {
		version, err := schemaVersion(b)
		if version != 2 || b.Bucket([]byte(indexSubject)) != nil {
			t.Errorf("left behind version %d, new bucket: %v", version, b.Bucket([]byte(indexSubject)) != nil)
		}
		return err
	})
	if err := errors.Join(err, raw.Close()); err != nil {
		t.Error(err)
	}
}
