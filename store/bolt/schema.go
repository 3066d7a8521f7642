package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Buckets of records.
const (
	bucketMeta     = "meta"
	bucketCounts   = "counts"
	bucketUsers    = "users"
	bucketNames    = "names"
	bucketPasskeys = "passkeys"
	bucketSessions = "sessions"
	bucketTokens   = "tokens"
	bucketTakes    = "takes"
	bucketCounters = "counters"
	bucketOutbox   = "outbox"
	bucketAudit    = "audit"
	bucketKeys     = "keys"
)

// Buckets of indexes, and the keys in them.
const (
	indexEmail       = "user_email"       // e-mail address → user id
	indexName        = "user_name"        // user name → user id
	indexHandle      = "user_handle"      // WebAuthn handle → user id
	indexUserPasskey = "user_passkeys"    // user, created, credential id
	indexSessionID   = "session_id"       // session id → hash
	indexUserSession = "user_sessions"    // user, created, hash
	indexChildren    = "session_children" // root session's id, created, hash
	indexTokenID     = "token_id"         // token id → hash
	indexUserToken   = "user_tokens"      // user, created, hash
	indexDue         = "outbox_due"       // next attempt, message id
	indexStatus      = "outbox_status"    // status, message id
	indexExpiry      = "expiry"           // end, table, key
	indexSubject     = "audit_subject"    // subject, audit id
)

// migrations lead from schema version i to i+1, each in one transaction. What
// has been released is never edited, only appended to. A new version is due
// for new buckets, and also where records have new fields that an older program
// may not drop: it would when it rewrites a record that it read without them.
func migrations() []func(*bbolt.Tx) error {
	return []func(*bbolt.Tx) error{creates(firstBuckets()), creates(tokenBuckets()), listsAuditBySubject}
}

// buckets are all that the newest schema has.
func buckets() []string { return slices.Concat(firstBuckets(), tokenBuckets(), subjectBuckets()) }

// firstBuckets are those of version 1.
func firstBuckets() []string {
	return []string{
		bucketMeta, bucketCounts, bucketUsers, bucketNames, bucketPasskeys, bucketSessions, bucketTakes,
		bucketCounters, bucketOutbox, bucketAudit, bucketKeys, indexEmail, indexName, indexHandle,
		indexUserPasskey, indexSessionID, indexUserSession, indexChildren, indexDue, indexStatus, indexExpiry,
	}
}

// tokenBuckets came with version 2. A program of version 1 would leave the
// tokens of a user it deletes, and stumble over what Sweep is to end.
func tokenBuckets() []string { return []string{bucketTokens, indexTokenID, indexUserToken} }

// subjectBuckets came with version 3, and with it the second factors, recovery
// codes and freezes of users. A program of version 2 would append audit records
// that no list of a subject has, and take from every user that it rewrites the
// second factor, and from a session that came by a recovery code its bounds.
func subjectBuckets() []string { return []string{indexSubject} }

// listsAuditBySubject is the migration to version 3: it fills the new index.
// The keys go in sorted, because a bucket that grows in one transaction is a
// single page in memory, where an entry in the middle moves all behind it.
func listsAuditBySubject(b *bbolt.Tx) error {
	if err := creates(subjectBuckets())(b); err != nil {
		return err
	}
	t := &tx{bolt: b}
	var keys [][]byte
	err := t.ascend(bucketAudit, nil, func(id, value []byte) (bool, error) {
		var rec struct {
			Subject string `json:"subject"`
		}
		if err := json.Unmarshal(value, &rec); err != nil {
			return false, fmt.Errorf("decoding audit record %s: %w (%w)", id, errDamaged, err)
		}
		keys = append(keys, owned(rec.Subject, id))
		return true, nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, key := range keys {
		if err := t.set(indexSubject, key, nil); err != nil {
			return fmt.Errorf("filling bucket %s: %w", indexSubject, err)
		}
	}
	return nil
}

// creates is a migration that adds empty buckets.
func creates(names []string) func(*bbolt.Tx) error {
	return func(b *bbolt.Tx) error {
		for _, name := range names {
			if _, err := b.CreateBucket([]byte(name)); err != nil {
				return fmt.Errorf("creating bucket %s: %w", name, err)
			}
		}
		return nil
	}
}

// migrate brings the file to the newest schema.
func migrate(db *bbolt.DB) error {
	steps := migrations()
	for {
		var version int
		err := db.View(func(b *bbolt.Tx) (err error) {
			version, err = schemaVersion(b)
			return err
		})
		switch {
		case err != nil:
			return err
		case version > len(steps):
			return fmt.Errorf("%w: it has version %d and this program knows up to %d; run the newer program or restore an older backup",
				store.ErrSchema, version, len(steps))
		case version == len(steps):
			return nil
		}
		err = db.Update(func(b *bbolt.Tx) error {
			if err := steps[version](b); err != nil {
				return err
			}
			return b.Bucket([]byte(bucketMeta)).Put([]byte(store.MetaSchema), strconv.AppendInt(nil, int64(version+1), 10))
		})
		if err != nil {
			return fmt.Errorf("migrating schema from version %d: %w", version, err)
		}
	}
}

// schemaVersion is 0 for a file without any bucket. A file with buckets but
// without our version belongs to another program and is left alone.
func schemaVersion(b *bbolt.Tx) (int, error) {
	if first, _ := b.Cursor().First(); first == nil {
		return 0, nil
	}
	meta := b.Bucket([]byte(bucketMeta))
	if meta == nil {
		return 0, errForeign
	}
	value := meta.Get([]byte(store.MetaSchema))
	version, err := strconv.Atoi(string(value))
	if err != nil || version < 1 {
		return 0, errForeign
	}
	return version, nil
}
