package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// maxProblems bounds what Check reports of a badly damaged file.
const maxProblems = 20

// Check reads the whole file and reports every record, index entry and total
// that does not fit the others, and every page that bbolt finds astray.
// Updates wait during its second half.
func (db *DB) Check(ctx context.Context) error {
	// The records first: that reads every page of a bucket where a bad one is
	// contained, which the goroutine of bbolt's own check does not offer.
	err := db.read(func(btx *bbolt.Tx) error {
		c := &checker{ctx: ctx, t: &tx{bolt: btx}, entries: map[string]int{}, totals: map[string]int64{}}
		return db.guard.contain(c.run)
	})
	if err == nil {
		err = db.guard.call(func() error { return db.checkPages(ctx) })
	}
	if err != nil {
		return fmt.Errorf("checking database %s: %w", db.path, err)
	}
	return nil
}

func (db *DB) checkPages(ctx context.Context) error {
	btx, err := db.bolt.Begin(true) // bbolt's check wants no writer beside it
	if err != nil {
		return err
	}
	defer func() { _ = btx.Rollback() }()
	var problems []error
	for err := range btx.Check() {
		if len(problems) < maxProblems {
			problems = append(problems, err)
		}
	}
	return errors.Join(append(problems, ctx.Err())...)
}

// checker counts what the records ask of indexes and totals.
type checker struct {
	ctx      context.Context
	t        *tx
	entries  map[string]int   // by index
	totals   map[string]int64 // by name
	problems []error
}

func (c *checker) run() error {
	for _, check := range []func() error{
		func() error { return checkTable(c, &users) },
		func() error { return checkTable(c, &passkeys) },
		func() error { return checkTable(c, &sessions) },
		func() error { return checkTable(c, &tokens) },
		func() error { return checkTable(c, &takes) },
		func() error { return checkTable(c, &counters) },
		func() error { return checkTable(c, &messages) },
		func() error { return checkTable(c, &auditLog) },
		func() error { return checkTable(c, &signingKeys) },
		c.checkIndexes,
		c.checkTotals,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return errors.Join(c.problems...)
}

func (c *checker) found(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Errorf(format, args...))
	}
}

func checkTable[T any](c *checker, tb *table[T]) error {
	return c.t.ascend(tb.bucket, nil, func(k, v []byte) (bool, error) {
		rec, err := tb.read(k, v)
		if err != nil {
			c.found("%w", err)
			return true, c.ctx.Err()
		}
		if !bytes.Equal(tb.key(rec), k) {
			c.found("record of %s under a foreign key", tb.bucket)
		}
		for _, e := range tb.entries(rec) {
			c.entries[e.index]++
			value, err := c.t.get(e.index, e.key)
			switch {
			case errors.Is(err, store.ErrNotFound):
				c.found("record of %s is missing in index %s", tb.bucket, e.index)
			case err != nil:
				return false, err
			case !bytes.Equal(value, e.value):
				c.found("index %s leads to a foreign record of %s", e.index, tb.bucket)
			}
		}
		for _, name := range tb.totals(rec) {
			c.totals[name]++
		}
		return true, c.ctx.Err()
	})
}

// checkIndexes finds entries that no record asks for: all that are asked for
// exist, so it is enough to count.
func (c *checker) checkIndexes() error {
	for _, index := range []string{
		indexEmail, indexName, indexHandle, indexUserPasskey, indexSessionID,
		indexUserSession, indexChildren, indexTokenID, indexUserToken, indexDue, indexStatus, indexExpiry,
		indexSubject,
	} {
		n := 0
		err := c.t.ascend(index, nil, func(_, _ []byte) (bool, error) { n++; return true, nil })
		if err != nil {
			return err
		}
		if n != c.entries[index] {
			c.found("index %s has %d entries instead of %d", index, n, c.entries[index])
		}
	}
	return c.ctx.Err()
}

func (c *checker) checkTotals() error {
	err := c.t.ascend(bucketCounts, nil, func(k, _ []byte) (bool, error) {
		c.totals[string(k)] += 0 // also those that should be zero
		return true, nil
	})
	if err != nil {
		return err
	}
	for name, want := range c.totals {
		got, err := c.t.count(name)
		if err != nil {
			return err
		}
		if got != want {
			c.found("count %s is %d instead of %d", name, got, want)
		}
	}
	return nil
}
