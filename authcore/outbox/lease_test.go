package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Stop gives back what hangs, and the next worker delivers it.
func TestStop_InterruptedMailIsDeliveredByTheNextWorker(t *testing.T) {
	hang, hanging := make(chan struct{}), atomic.Bool{}
	hanging.Store(true)
	s := (&sink{onRcpt: func(string) error {
		if hanging.Load() {
			<-hang
		}
		return nil
	}}).start(t)
	b := newBench(t, s.smtp())
	w := b.worker()
	b.put(b.message("m1", "ada@example.com"))
	w.Kick()
	eventually(t, "it hangs", func() bool { return len(s.tried()) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Stop(ctx); !errors.Is(err, ctx.Err()) || err == nil {
		t.Fatalf("Stop: %v", err)
	}
	if m := b.row("m1"); m.Status != store.Queued || m.Attempts != 0 || m.Sealed == nil || m.NextAt.After(b.clock.now()) {
		t.Fatalf("row %+v", m)
	}
	hanging.Store(false)
	close(hang)
	b.worker().Kick()
	b.becomes("m1", store.Sent)
}

func TestStop_DrainsWhatIsDue(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	w := b.worker()
	for i := range 20 {
		b.put(b.message(fmt.Sprintf("m%02d", i), fmt.Sprintf("user%d@example.com", i)))
	}
	stop(t, w)
	if n := len(s.mails()); n != 20 {
		t.Errorf("%d of 20 were delivered", n)
	}
	stop(t, w) // again is no error
}

func TestStop_BeforeStartEndsAtOnce(t *testing.T) {
	b := newBench(t, SMTP{})
	w, err := New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, w)
	w.Start() // comes too late and does nothing
	stop(t, w)
}

// A crash between lease and result leaves the row to whoever comes when the
// lease ends.
func TestLease_EndsByItself(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	m := b.message("m1", "ada@example.com")
	m.NextAt = b.clock.now().Add(time.Minute) // what the dead process left
	b.put(m)
	w := b.worker()
	w.Kick()
	b.clock.advance(time.Minute)
	w.Kick()
	b.becomes("m1", store.Sent)
}

// A worker that was too slow must not undo what its successor did.
func TestSettle_LostLeaseChangesNothingButSent(t *testing.T) {
	b := newBench(t, SMTP{})
	w, err := New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	slow := b.message("m1", "ada@example.com")
	slow.NextAt = b.clock.now().Add(time.Minute)
	theirs := *slow
	theirs.NextAt = slow.NextAt.Add(time.Minute)
	b.put(&theirs)

	w.settle(slow, &failure{doing: "RCPT", code: 550, permanent: true})
	if m := b.row("m1"); m.Status != store.Queued || m.Attempts != 0 || !m.NextAt.Equal(theirs.NextAt) {
		t.Fatalf("row %+v", m)
	}
	w.settle(slow, nil)
	sent := b.row("m1")
	if sent.Status != store.Sent || sent.Sealed != nil {
		t.Fatalf("row %+v", sent)
	}
	b.clock.advance(time.Second)
	w.settle(&theirs, nil)
	w.settle(&theirs, errExpired)
	if m := b.row("m1"); !m.SentAt.Equal(sent.SentAt) || m.Attempts != 1 || m.Status != store.Sent {
		t.Errorf("row %+v", m)
	}
	gone := b.message("m2", "ada@example.com")
	w.settle(gone, nil) // deleted by an admin meanwhile
	err = b.store.View(t.Context(), func(tx store.Tx) error { _, err := tx.Message("m2"); return err })
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted message came back: %v", err)
	}
}
