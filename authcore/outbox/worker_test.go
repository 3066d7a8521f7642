package outbox

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/storetest"
)

func TestWorker_DeliversOnceToTheStoredAddress(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	w := b.worker()
	b.put(b.message("m1", "ada@example.com"))
	w.Kick()
	m := b.becomes("m1", store.Sent)
	if m.Sealed != nil || !m.SentAt.Equal(b.clock.now()) || m.Attempts != 1 || m.LastError != "" {
		t.Errorf("row %+v", m)
	}
	got := s.mails()
	if len(got) != 1 || len(got[0].to) != 1 || got[0].to[0] != "ada@example.com" || got[0].from != "login@example.com" {
		t.Fatalf("envelope %+v", got) // EM-4
	}
	eventually(t, "the worker says so", func() bool {
		status, err := w.Status(t.Context())
		return err == nil && !status.LastSuccess.IsZero() && strings.Contains(b.log.String(), `"attempt":1`)
	})
	if status, err := w.Status(t.Context()); err != nil || status.Depth != 0 || !status.LastSuccess.Equal(b.clock.now()) || status.Failing() {
		t.Errorf("status %+v, %v", status, err)
	}
	for _, secret := range []string{testCode, "1234 5678", testToken, "ada@"} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, b.log)
		}
	}
	for _, want := range []string{`"message":"m1"`, `"template":"sign-in"`, `"to":"a***@example.com"`, `"attempt":1`} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, b.log)
		}
	}
}

// Nobody has to call Kick.
func TestWorker_PollsByItself(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	b.worker()
	b.put(b.message("m1", "ada@example.com"))
	b.becomes("m1", store.Sent)
}

func TestWorker_ServerDownThenUp(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{addr: free.Addr().(*net.TCPAddr), noTLS: true}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, s.smtp())
	w := b.worker()
	b.put(b.message("m1", "ada@example.com"))
	w.Kick()
	m := b.becomes("m1", store.Failed)
	if m.Sealed == nil || !strings.HasPrefix(m.LastError, "connecting: dial tcp 127.0.0.1:") {
		t.Errorf("row %+v", m)
	}
	eventually(t, "the worker says so", func() bool { status, _ := w.Status(t.Context()); return status.Failing() })
	if status, err := w.Status(t.Context()); err != nil || status.Depth != 1 || !status.Failing() || status.LastError != m.LastError {
		t.Errorf("status %+v, %v", status, err)
	}
	s.start(t)
	b.clock.advance(3 * time.Second)
	w.Kick()
	if m := b.becomes("m1", store.Sent); m.Attempts != 2 || m.LastError != "" || m.Sealed != nil {
		t.Errorf("row %+v", m)
	}
}

func TestWorker_TemporaryRefusalIsTriedAgain(t *testing.T) {
	var busy atomic.Bool
	busy.Store(true)
	s := (&sink{onRcpt: func(string) error {
		if busy.Load() {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "come back later"}
		}
		return nil
	}}).start(t)
	b := newBench(t, s.smtp())
	w := b.worker()
	b.put(b.message("m1", "ada@example.com"))
	w.Kick()
	if m := b.becomes("m1", store.Failed); m.LastError != "RCPT: 451 4.3.0 come back later" || m.Sealed == nil {
		t.Errorf("row %+v", m)
	}
	busy.Store(false)
	w.Kick() // not due yet
	b.clock.advance(3 * time.Second)
	w.Kick()
	b.becomes("m1", store.Sent)
	if n := len(s.tried()); n != 2 {
		t.Errorf("%d tries, want 2", n)
	}
}

func TestWorker_PermanentRefusalIsFinal(t *testing.T) {
	quoting := fmt.Sprintf("no: %s and %s for <ada@example.com>\x1b[2J", testCode, testLink)
	refuse := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: quoting}
	for name, s := range map[string]*sink{
		"RCPT":        {onRcpt: func(string) error { return refuse }},
		"end of DATA": {onData: func(string, string) error { return refuse }},
	} {
		t.Run(name, func(t *testing.T) {
			s.start(t)
			b := newBench(t, s.smtp())
			w := b.worker()
			b.put(b.message("m1", "ada@example.com"))
			w.Kick()
			m := b.becomes("m1", store.Dead)
			if m.Sealed != nil || m.LastError != name+": 550 5.7.1 no: and for" {
				t.Errorf("row %+v", m)
			}
			b.clock.advance(time.Minute)
			w.Kick()
			stop(t, w)
			if n := len(s.tried()); n != 1 {
				t.Errorf("%d tries, want 1", n)
			}
			if log := b.log.String(); strings.Contains(log, testToken) || strings.Contains(log, testCode) || !strings.Contains(log, `"smtp_code":550`) {
				t.Errorf("log %s", log)
			}
			if status, _ := w.Status(t.Context()); status.Failing() {
				t.Error("a refused recipient is reported as a broken mail server")
			}
		})
	}
}

// DS-2: a recipient whose server hangs delays nobody else.
func TestWorker_AHangBlocksNobody(t *testing.T) {
	hang := make(chan struct{})
	s := (&sink{onRcpt: func(to string) error {
		if strings.HasPrefix(to, "slow") {
			<-hang
		}
		return nil
	}}).start(t)
	t.Cleanup(func() { close(hang) })
	b := newBench(t, s.smtp())
	b.o.SMTP.Timeout = 2 * time.Second
	w := b.worker()
	b.put(b.message("m0", "slow@example.com"))
	w.Kick()
	eventually(t, "the slow one hangs", func() bool { return len(s.tried()) == 1 })
	for i := range 8 {
		b.put(b.message(fmt.Sprintf("n%d", i), fmt.Sprintf("user%d@example.com", i)))
	}
	w.Kick()
	eventually(t, "eight others arrive", func() bool { return len(s.mails()) == 8 })
	if m := b.row("m0"); m.Status != store.Queued {
		t.Fatalf("the slow one is %s before its timeout: not a fair test", m.Status)
	}
	if m := b.becomes("m0", store.Failed); m.LastError != "RCPT: the mail server took too long" {
		t.Errorf("row %+v", m)
	}
}

func TestWorker_ExpiredIsNeverSent(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	m := b.message("m1", "ada@example.com")
	b.put(m)
	b.clock.set(m.NotAfter)
	w := b.worker()
	w.Kick()
	got := b.becomes("m1", store.Dead)
	if got.Sealed != nil || got.Attempts != 0 || got.LastError != errExpired.Error() {
		t.Errorf("row %+v", got)
	}
	if n := len(s.tried()); n != 0 {
		t.Errorf("%d tries", n)
	}
}

func TestWorker_RetriesOnScheduleUntilExpiry(t *testing.T) {
	s := (&sink{onRcpt: func(string) error { return &smtp.SMTPError{Code: 421, Message: "busy"} }}).start(t)
	b := newBench(t, s.smtp())
	w := b.worker()
	m := b.message("m1", "ada@example.com")
	b.put(m)
	for i, want := range []time.Duration{2, 5, 15, 30, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60} {
		w.Kick()
		var row *store.Message
		eventually(t, fmt.Sprintf("try %d", i+1), func() bool { row = b.row("m1"); return row.Attempts == i+1 })
		if row.NextAt.Equal(m.NotAfter) {
			break
		}
		wait := row.NextAt.Sub(b.clock.now())
		if want *= time.Second; wait < want*8/10 || wait > want*12/10 {
			t.Fatalf("after try %d it waits %s, want about %s", i+1, wait, want)
		}
		b.clock.set(row.NextAt.Add(-time.Nanosecond))
		w.Kick()
		b.clock.set(row.NextAt)
	}
	if last := b.row("m1"); !last.NextAt.Equal(m.NotAfter) || last.Attempts < 10 {
		t.Fatalf("row %+v", last)
	}
	tries := len(s.tried())
	b.clock.set(m.NotAfter)
	w.Kick()
	if dead := b.becomes("m1", store.Dead); dead.Sealed != nil || dead.LastError != "RCPT: 421 4.0.0 busy" {
		t.Errorf("row %+v", dead)
	}
	if n := len(s.tried()); n != tries {
		t.Errorf("tried %d times after expiry", n-tries)
	}
}

func TestBackoff_JitterStaysWithinAFifth(t *testing.T) {
	for _, c := range []struct {
		attempts int
		jitter   float64
		want     time.Duration
	}{
		{1, 0, 1600 * time.Millisecond},
		{1, 0.5, 2 * time.Second},
		{2, 0.5, 5 * time.Second},
		{5, 0.5, time.Minute},
		{5, 0.999999, 72 * time.Second},
		{1000, 0, 48 * time.Second},
	} {
		if got := backoff(c.attempts, c.jitter); got.Round(time.Millisecond) != c.want {
			t.Errorf("backoff(%d, %v) = %s, want %s", c.attempts, c.jitter, got, c.want)
		}
	}
}

// DS-4.
func TestWorker_APanicHitsOneMail(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	b.o.OpenSecrets = func(m *store.Message) (map[string]string, error) {
		if m.ID == "bad" {
			panic("mail holds " + testCode)
		}
		return openPlain(m)
	}
	w := b.worker()
	b.put(b.message("bad", "ada@example.com"), b.message("good", "bob@example.com"))
	w.Kick()
	b.becomes("good", store.Sent)
	if m := b.becomes("bad", store.Failed); m.LastError != "delivering: internal error, see the log" {
		t.Errorf("row %+v", m)
	}
	if log := b.log.String(); !strings.Contains(log, "panic while delivering mail") || strings.Contains(log, testCode) {
		t.Errorf("log %s", log)
	}
}

func TestWorker_UnusableRowsAreGivenUp(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	for id, spoil := range map[string]func(*store.Message){
		"address":  func(m *store.Message) { m.To = "ada@example.com, eve@example.com" },
		"case":     func(m *store.Message) { m.To = "Ada@example.com" },
		"newline":  func(m *store.Message) { m.To = "ada@example.com>\r\nRCPT TO:<eve@example.com" },
		"template": func(m *store.Message) { m.Template = "other" },
		"kind":     func(m *store.Message) { m.Kind = "webhook" },
		"sealed":   func(m *store.Message) { m.Sealed = []byte("no JSON") },
		"empty":    func(m *store.Message) { m.Sealed = []byte("{}") },
		"code":     func(m *store.Message) { m.Sealed = []byte(`{"code":"12345"}`) },
		"link":     func(m *store.Message) { m.Sealed = []byte(`{"link":"javascript:alert(1)"}`) },
	} {
		m := b.message(id, "ada@example.com")
		spoil(m)
		b.put(m)
		w := b.worker()
		w.Kick()
		if m := b.becomes(id, store.Dead); m.Sealed != nil || !strings.HasPrefix(m.LastError, "rendering: ") {
			t.Errorf("%s: row %+v", id, m)
		}
		stop(t, w)
	}
	if n := len(s.tried()); n != 0 {
		t.Errorf("%d tries", n)
	}
}

func TestWorker_WithoutAServerMailWaitsAndSaysSo(t *testing.T) {
	b := newBench(t, SMTP{})
	w := b.worker()
	m := b.message("m1", "ada@example.com")
	b.put(m)
	w.Kick()
	if m := b.becomes("m1", store.Failed); m.LastError != "delivering: no mail server is configured; add smtp" || m.Sealed == nil {
		t.Errorf("row %+v", m)
	}
	b.clock.set(m.NotAfter)
	w.Kick()
	if m := b.becomes("m1", store.Dead); m.Sealed != nil {
		t.Errorf("row %+v", m)
	}
}

// Closures run twice, and now and then the store fails: every mail arrives, and
// no row is left behind.
func TestWorker_StoreFaultsLoseNothing(t *testing.T) {
	for name, onUpdate := range map[string]func(int) storetest.Fault{
		"closures run twice": storetest.Always(storetest.RunTwice),
		"every third fails": func(n int) storetest.Fault {
			return []storetest.Fault{storetest.None, storetest.None, storetest.FailAfter}[n%3]
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := (&sink{}).start(t)
			b := newBench(t, s.smtp())
			b.o.Store = storetest.Faulty(b.store, storetest.Faults{OnUpdate: onUpdate})
			for i := range 10 {
				m := b.message(fmt.Sprintf("m%d", i), fmt.Sprintf("user%d@example.com", i))
				m.NotAfter = m.NotAfter.Add(24 * time.Hour)
				b.put(m)
			}
			w := b.worker()
			eventually(t, "all are sent", func() bool {
				b.clock.advance(time.Second) // leases of lost results end
				w.Kick()
				status, err := w.Status(t.Context())
				return err == nil && status.Depth == 0
			})
			for i := range 10 {
				if m := b.row(fmt.Sprintf("m%d", i)); m.Status != store.Sent || m.Sealed != nil {
					t.Errorf("row %+v", m)
				}
			}
		})
	}
}

// An idle worker, and one that waits for a retry, reads and never writes.
func TestPoll_WritesNothing(t *testing.T) {
	b := newBench(t, SMTP{})
	var reads, writes atomic.Int64
	b.o.Store = storetest.Faulty(b.store, storetest.Faults{
		OnView:   func(int) error { reads.Add(1); return nil },
		OnUpdate: func(int) storetest.Fault { writes.Add(1); return storetest.None },
	})
	w := b.worker()
	polls := func() {
		for range 20 {
			before := reads.Load()
			w.Kick()
			eventually(t, "a poll", func() bool { return reads.Load() > before })
		}
	}
	polls()
	later := b.message("m1", "ada@example.com")
	later.Status, later.NextAt = store.Failed, b.clock.now().Add(time.Second)
	b.put(later)
	polls()
	if n := writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

// BenchmarkPoll is the cost of an idle second.
func BenchmarkPoll(b *testing.B) {
	bench := newBench(b, SMTP{})
	w, err := New(bench.o)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		m := bench.message(fmt.Sprintf("m%04d", i), "ada@example.com")
		m.Status, m.NextAt = store.Failed, bench.clock.now().Add(time.Minute)
		bench.put(m)
	}
	b.ReportAllocs()
	for b.Loop() {
		if due, err := w.due(); due || err != nil {
			b.Fatal(due, err)
		}
	}
}

// EN: what stands in for a mail goes the way of one, as many commits long, and
// reaches nobody.
func TestWorker_DecoysAreDroppedLikeMails_EN(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	commits := map[string]int64{}
	var updates atomic.Int64
	b.o.Store = storetest.Faulty(b.store, storetest.Faults{OnUpdate: func(int) storetest.Fault { updates.Add(1); return storetest.None }})
	w := b.worker()
	b.put(b.message("first", "ada@example.com"))
	w.Kick()
	b.becomes("first", store.Sent)
	for _, kind := range []string{store.MailMessage, store.DecoyMessage} {
		before := updates.Load()
		m := b.message("m-"+kind, "ada@example.com")
		m.Kind = kind
		b.put(m)
		w.Kick()
		eventually(t, "the "+kind+" is through", func() bool {
			status, err := w.Status(t.Context())
			return err == nil && status.Depth == 0
		})
		commits[kind] = updates.Load() - before
	}
	if commits[store.MailMessage] != commits[store.DecoyMessage] {
		t.Errorf("commits: %v", commits)
	}
	if got := s.mails(); len(got) != 2 {
		t.Errorf("%d mails were sent, want 2", len(got))
	}
	if strings.Contains(b.log.String(), store.DecoyMessage) {
		t.Errorf("the log tells of it: %s", b.log)
	}
}

// DS-2: decoys take as long as mails and hold up none.
func TestWorker_DecoysHoldNothingUp_DS2(t *testing.T) {
	s := (&sink{}).start(t)
	b := newBench(t, s.smtp())
	w := b.worker()
	w.took.Store(int64(time.Minute)) // as after a mail server that hung
	for i := range 3 * defaultParallel {
		m := b.message(fmt.Sprintf("decoy%02d", i), "nobody@example.com")
		m.Kind = store.DecoyMessage
		b.put(m)
	}
	b.put(b.message("mail", "ada@example.com"))
	began := time.Now()
	w.Kick()
	b.becomes("mail", store.Sent)
	if took := time.Since(began); took > dropWithin/2 {
		t.Errorf("the mail waited %v for decoys", took)
	}
}
