package storetest

import (
	"strconv"
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
		{"OfSubjectNewestFirstInPages", auditOfSubject},
		{"SubjectsWithCommonPrefixStayApart", auditPrefixes},
		{"OfNobodyIsInNoList", auditOfNobody},
		{"RefusedRecordIsInNoList", auditRefused},
		{"StaysListedWhenItsSubjectIsGone", auditSubjectDeleted},
		{"OfSubjectStaysValidAfterTheTransaction", auditOfSubjectStays},
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
			equal(t, "before "+before, auditIDs(got), append([]string{}, want...))
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

func auditAbout(subject, id string) *store.AuditRecord {
	rec := auditRecord(id)
	rec.Subject = subject
	return rec
}

func auditIDs(records []*store.AuditRecord) []string {
	return ids(records, func(r *store.AuditRecord) string { return r.ID })
}

func auditOfSubject(t *testing.T, s store.Store) {
	for _, id := range []string{"03", "01", "02", "02\x00", "05"} {
		puts(t, s, auditAbout("u", id))
	}
	puts(t, s, auditAbout("v", "00"), auditAbout("v", "04"), auditAbout("v", "06"))
	list := func(subject, before string, limit int, want ...string) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.ListAuditOf(subject, before, limit)
			equal(t, subject+" before "+before, auditIDs(got), append([]string{}, want...))
			return err
		})
	}
	list("u", "", 100, "05", "03", "02\x00", "02", "01")
	list("u", "", 2, "05", "03")
	list("u", "03", 2, "02\x00", "02")
	list("u", "02\x00", 9, "02", "01")
	list("u", "04", 1, "03") // another's
	list("u", "09", 1, "05")
	list("u", "01", 9)
	list("u", "", 0)
	list("u", "", -1)
	list("v", "", 9, "06", "04", "00")
	list("nobody", "", 9)
}

// auditPrefixes: neither an id nor the place to go on from leads into the
// records of another.
func auditPrefixes(t *testing.T, s store.Store) {
	places := append(awkward(), "\xff", "z")
	for i, subject := range awkward() {
		puts(t, s, auditAbout(subject, awkward()[i]+" of "+subject))
	}
	view(t, s, func(tx store.Tx) error {
		for i, subject := range awkward() {
			want := awkward()[i] + " of " + subject
			list, err := tx.ListAuditOf(subject, "", 9)
			refused(t, "ListAuditOf", err, nil)
			equal(t, "records", auditIDs(list), []string{want})
			for _, before := range places {
				list, err := tx.ListAuditOf(subject, before, 9)
				refused(t, "ListAuditOf", err, nil)
				equal(t, "records before", len(list) == 1, want < before)
			}
		}
		return nil
	})
}

func auditOfNobody(t *testing.T, s store.Store) {
	puts(t, s, auditAbout("", "01"), auditAbout("u", "02"))
	view(t, s, func(tx store.Tx) error {
		if list, err := tx.ListAuditOf("", "", 9); err == nil {
			t.Errorf("an empty subject was looked up: %v", auditIDs(list))
		}
		list, err := tx.ListAuditOf("u", "", 9)
		equal(t, "of the only subject", auditIDs(list), []string{"02"})
		all, _ := tx.ListAudit("", 9)
		equal(t, "log", auditIDs(all), []string{"02", "01"})
		return err
	})
}

func auditRefused(t *testing.T, s store.Store) {
	first := auditAbout("u", "01")
	puts(t, s, first)
	update(t, s, func(tx store.Tx) error {
		refused(t, "same ID", tx.AppendAudit(auditAbout("v", "01")), store.ErrConflict)
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		list, err := tx.ListAuditOf("v", "", 9)
		equal(t, "of the refused", auditIDs(list), []string{})
		kept, _ := tx.ListAuditOf("u", "", 9)
		equal(t, "of the first", kept, []*store.AuditRecord{first})
		return err
	})
}

func auditSubjectDeleted(t *testing.T, s store.Store) {
	puts(t, s, user("u"), auditAbout("u", "01"))
	update(t, s, func(tx store.Tx) error {
		_, err := tx.DeleteUser("u")
		return err
	})
	view(t, s, func(tx store.Tx) error {
		list, err := tx.ListAuditOf("u", "", 9)
		equal(t, "records", auditIDs(list), []string{"01"})
		return err
	})
}

func auditOfSubjectStays(t *testing.T, s store.Store) {
	want := []*store.AuditRecord{auditAbout("u", "02"), auditAbout("u", "01")}
	var got []*store.AuditRecord
	update(t, s, func(tx store.Tx) (err error) {
		for _, rec := range []*store.AuditRecord{auditAbout("u", "01"), auditAbout("u", "02")} {
			if err := tx.AppendAudit(rec); err != nil {
				return err
			}
		}
		got, err = tx.ListAuditOf("u", "", 9) // its own writes too
		return err
	})
	equal(t, "from the transaction that wrote them", got, want)
	view(t, s, func(tx store.Tx) (err error) {
		got, err = tx.ListAuditOf("u", "", 9)
		return err
	})
	for i := range 50 { // other transactions reuse the pages
		puts(t, s, auditAbout("u", "1"+strconv.Itoa(i)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "after Close", got, want)
}
