package outbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
)

const (
	testCode  = "12345678"
	testToken = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
	testLink  = "https://auth.example.com/login/link#" + testToken
)

// clock is time under the test's control.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 987654321, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

func (c *clock) advance(d time.Duration) { c.set(c.now().Add(d)) }

// logs is a log that many goroutines write and the test reads.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// bench is a worker's surroundings: a real store, a clock, a log.
type bench struct {
	t     testing.TB
	store store.Store
	clock *clock
	log   *logs
	o     Options
}

func newBench(t testing.TB, smtp SMTP) *bench {
	b := &bench{t: t, store: bolttest.Open(t), clock: newClock(), log: &logs{}}
	b.o = Options{
		Store: b.store, SMTP: smtp, Now: b.clock.now, Rand: rand.Reader,
		Log:         slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OpenSecrets: openPlain,
	}
	return b
}

// openPlain stands in for the root key: the tests' rows are "sealed" as JSON.
func openPlain(m *store.Message) (secrets map[string]string, err error) {
	return secrets, json.Unmarshal(m.Sealed, &secrets)
}

// worker starts one that is stopped before the store closes.
func (b *bench) worker() *Worker {
	b.t.Helper()
	w, err := New(b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { stop(b.t, w) })
	w.Start()
	return w
}

func stop(t testing.TB, w *Worker) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func (b *bench) message(id, to string) *store.Message {
	now := b.clock.now()
	sealed, err := json.Marshal(map[string]string{authcore.SecretCode: testCode, authcore.SecretLink: testLink})
	if err != nil {
		b.t.Fatal(err)
	}
	return &store.Message{
		ID: id, Kind: "mail", To: to, UserID: "u", Template: authcore.TemplateSignIn,
		Params: map[string]string{
			authcore.ParamBrand: "Example", authcore.ParamHost: "auth.example.com",
			authcore.ParamAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		},
		Sealed: sealed, CreatedAt: now, NotAfter: now.Add(10 * time.Minute), NextAt: now, Status: store.Queued,
	}
}

func (b *bench) put(messages ...*store.Message) {
	b.t.Helper()
	err := b.store.Update(context.Background(), func(tx store.Tx) error {
		for _, m := range messages {
			if err := tx.PutMessage(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) row(id string) (m *store.Message) {
	b.t.Helper()
	err := b.store.View(context.Background(), func(tx store.Tx) (err error) {
		m, err = tx.Message(id)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// becomes waits until the row has the status and answers it.
func (b *bench) becomes(id string, want store.MessageStatus) *store.Message {
	b.t.Helper()
	var m *store.Message
	eventually(b.t, fmt.Sprintf("message %s is %s", id, want), func() bool {
		m = b.row(id)
		return m.Status == want
	})
	return m
}

// eventually polls until ok, and fails after a time that only a fault needs.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
