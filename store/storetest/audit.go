package storetest

import (
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func auditRecord(id string) *store.AuditRecord {
	return &store.AuditRecord{
		ID: id, Time: start(), Type: "session_created", Actor: "u", Subject: "v", IP: "192.0.2.1",
		UserAgent: "test", Success: true, Details: map[string]string{"host": "auth.example.com"},
	}
}

func auditPromises() []promise {
	return []promise{
		{"AppendOnly", auditAppend},
		{"ListNewestFirst", auditList},
	}
}

func auditAppend(t *testing.T, s store.Store) {
	first := auditRecord("01")
	puts(t, s, first)
	update(t, s, func(tx store.Tx) error {
		forged := auditRecord("01")
		forged.Actor = "someone else"
		refused(t, "same ID", tx.AppendAudit(forged), store.ErrConflict)
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		list, err := tx.ListAudit("", 10)
		equal(t, "log", list, []*store.AuditRecord{first})
		c, _ := tx.Counts()
		equal(t, "count", c.Audit, int64(1))
		return err
	})
}

func auditList(t *testing.T, s store.Store) {
	for _, id := range []string{"03", "01", "02", "02\x00", "04"} {
		puts(t, s, auditRecord(id))
	}
	list := func(before string, limit int, want ...string) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.ListAudit(before, limit)
			equal(t, "before "+before, ids(got, func(r *store.AuditRecord) string { return r.ID }), append([]string{}, want...))
			return err
		})
	}
	list("", 100, "04", "03", "02\x00", "02", "01")
	list("", 2, "04", "03")
	list("03", 2, "02\x00", "02")
	list("02\x00", 9, "02", "01")
	list("01", 9)
	list("09", 1, "04")
	list("", 0)
}
