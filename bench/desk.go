package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

// desk is a server of ours that people sign in at: with a database of its own,
// accounts in it, a client of the JSON API and a mail server. Each part of the
// section has a fresh one, because the bounds that no configuration lifts are
// counters in the database: 5000 mails an hour to people whom it does not know
// by a cookie, and so to all who use the API.
type desk struct {
	dir     string
	server  *server
	mailbox *mailbox // of people; nil where they get no mail
	client  http.Client
	portal  string // origin
	addr    string // where it listens
	people  map[string]*account
	free    chan *account // whose turn it is
	arrived atomic.Int64  // when the last mail came, Unix nanoseconds
}

// deskGlobals lifts what configuration can lift: one address sends everything.
// A mailbox gets 80 mails an hour at most (DESIGN §3.3).
const deskGlobals = `	passwordless {
		database %s
		portal %s
		smtp %s {
			from bench@localhost
			tls none
		}
		client bench "Bench"
		limits {
			requests 1000000 per 1m
			burst 1000000 per 10s
			mails_per_address 80 per 1h
		}
	}
`

// deskSite compresses for clients that ask for it, which only the page's weight
// does here.
const deskSite = "%s {\n\tencode gzip\n\tpasswordless_portal\n}\n"

// openDesk starts a server that knows so many people, every nth of those that
// personOf names. Their mails go to an SMTP server, or to themselves.
func openDesk(ctx context.Context, o options, smtp string, people, nth int) (d *desk, err error) {
	d = &desk{people: make(map[string]*account, people), free: make(chan *account, people)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return d, fmt.Errorf("making a directory: %w", err)
	}
	if smtp == "" {
		if d.mailbox, err = openMailbox(d.take); err != nil {
			return d, err
		}
		smtp = d.mailbox.addr
	}
	if err := d.admit(ctx, people, nth); err != nil {
		return d, fmt.Errorf("writing accounts: %w", err)
	}
	ports, err := freePorts(1)
	if err != nil {
		return d, err
	}
	d.portal, d.addr = origin(portalHost, ports[0]), loopback(ports[0])
	d.client = http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: dialLoopback, MaxIdleConnsPerHost: 1000, DisableCompression: true,
	}}
	text := fmt.Sprintf(globals, filepath.Join(d.dir, "storage"), fmt.Sprintf(deskGlobals, databaseIn(d.dir), d.portal, smtp)) +
		fmt.Sprintf(deskSite, d.portal)
	if d.server, err = caddyProgram(us, o.binary, d.dir, text).start(); err != nil {
		return d, err
	}
	return d, d.server.ready(ctx, d.portal+"/readiness")
}

func (d *desk) close() error {
	var errs []error
	if d.server != nil {
		d.client.CloseIdleConnections()
		errs = append(errs, d.server.stop())
	}
	if d.mailbox != nil {
		errs = append(errs, d.mailbox.close())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// personOf is the address with a number, whether anybody has it or not.
func personOf(i int) string { return fmt.Sprintf("user%06d@example.com", i) }

// admit writes the accounts.
func (d *desk) admit(ctx context.Context, people, nth int) error {
	db, err := bolt.Open(databaseIn(d.dir), bolt.Options{})
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	err = db.Update(ctx, func(tx store.Tx) error {
		for i := range people {
			if err := tx.PutUser(aUser(i*nth, now)); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range people {
		a := &account{address: personOf(i * nth), letters: make(chan letter, 1)}
		d.people[a.address] = a
		d.free <- a
	}
	return errors.Join(err, db.Close())
}

// take hands a mail to its account. Notices are mails too, which nobody reads.
func (d *desk) take(to string, mail []byte) error {
	now := time.Now()
	d.arrived.Store(now.UnixNano())
	if a, code := d.people[to], codeIn(mail); a != nil && code != "" {
		select {
		case a.letters <- letter{code, now}:
		default: // who waits has one already
		}
	}
	return nil
}

// silence is how long no mail comes when none is left: delivery looks for more
// as soon as it is through with one.
const silence = time.Second

// rest waits until the server has no mail to deliver any more.
func (d *desk) rest(ctx context.Context) error {
	for begin := time.Now(); ; {
		last := time.Unix(0, d.arrived.Load())
		if last.Before(begin) {
			last = begin
		}
		wait := silence - time.Since(last)
		if wait <= 0 {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// call sends a document to the API and reads the answer, which must be 2xx, into
// another. It tells when the answer was there, before it was understood.
func (d *desk) call(ctx context.Context, path, bearer string, in, into any) (answered time.Time, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return answered, fmt.Errorf("writing a request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.portal+path, bytes.NewReader(body))
	if err != nil {
		return answered, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "bench")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := d.client.Do(req)
	if err != nil {
		return answered, fmt.Errorf("calling the API: %w", err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil {
		return answered, fmt.Errorf("calling the API: %w", err)
	}
	answered = time.Now()
	if res.StatusCode/100 != 2 {
		return answered, fmt.Errorf("%s answers %s %s", path, res.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return answered, fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return answered, nil
}
