package bolt

import (
	"fmt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

var auditLog = table[store.AuditRecord]{
	bucket: bucketAudit,
	key:    func(r *store.AuditRecord) []byte { return []byte(r.ID) },
	text:   func(r *store.AuditRecord) []string { return []string{r.ID, r.Subject} },
	// A record without a subject is listed too, where nobody looks: otherwise its
	// commit would be shorter, and tell who has an account (EN).
	index: func(r *store.AuditRecord) []entry {
		return []entry{{index: indexSubject, key: owned(r.Subject, []byte(r.ID)), size: len(r.Subject)}}
	},
	counts: func(*store.AuditRecord) []string { return []string{countAudit} },
	encode: encodeJSON[store.AuditRecord], decode: decodeJSON[store.AuditRecord],
}

func (t *tx) AppendAudit(r *store.AuditRecord) error {
	if err := t.canWrite(); err != nil {
		return err
	}
	old, err := auditLog.find(t, []byte(r.ID))
	if err != nil {
		return err
	}
	if old != nil {
		return fmt.Errorf("audit record %s: %w", r.ID, store.ErrConflict)
	}
	rec := *r
	utc(&rec.Time)
	return auditLog.put(t, &rec)
}

func (t *tx) ListAudit(before string, limit int) ([]*store.AuditRecord, error) {
	var recs []*store.AuditRecord
	err := t.descend(bucketAudit, nil, before, func(k, v []byte) (bool, error) {
		if len(recs) >= limit {
			return false, nil
		}
		rec, err := auditLog.read(k, v)
		recs = append(recs, rec)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return recs, nil
}

func (t *tx) ListAuditOf(subject, before string, limit int) ([]*store.AuditRecord, error) {
	if subject == "" {
		return nil, errEmptyKey
	}
	ids, err := t.newest(indexSubject, owned(subject), before, limit)
	if err != nil {
		return nil, err
	}
	return auditLog.all(t, ids)
}
