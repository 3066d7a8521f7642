package outbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// errExpired: its secrets are worthless, so nobody is to read it any more.
var errExpired = errors.New("expired before it could be delivered")

// work is one delivery from lease to commit.
func (w *Worker) work(m *store.Message) {
	if m.Kind == store.DecoyMessage {
		<-w.slots // nothing is under way that a mail should wait for
		w.Kick()
		defer w.contain("dropping a decoy", nil)
		w.drop(m)
		return
	}
	defer func() {
		<-w.slots
		w.Kick()
	}()
	defer w.contain("giving a mail back", nil)
	defer w.contain("delivering mail", func() {
		w.settle(m, &failure{doing: "delivering", why: "internal error, see the log"})
	})
	began := time.Now()
	result := w.deliver(m)
	w.took.Store(int64(time.Since(began)))
	w.settle(m, result)
}

// drop ends a decoy: after as long as the last delivery took, and with one
// commit, so that the store is as busy as for a mail (EN).
func (w *Worker) drop(m *store.Message) {
	wait := time.NewTimer(min(time.Duration(w.took.Load()), dropWithin))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-w.ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), commitFor)
	defer cancel()
	if err := w.o.Store.Update(ctx, func(tx store.Tx) error { return tx.DeleteMessage(m.ID) }); err != nil {
		w.o.Log.Error("a decoy was not dropped", "message", m.ID, "error", err) // its lease ends, and it comes again
		return
	}
	w.o.Log.Info(authcore.NotSent, "why", m.Params[authcore.ParamUnsent], "to", email.Address(m.To).Mask())
}

// contain keeps a panic to itself and calls after (DS-4). Of the value only
// the runtime's own are logged: others could quote a mail (LG-1).
func (w *Worker) contain(doing string, after func()) {
	p := recover()
	if p == nil {
		return
	}
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	w.o.Log.Error("panic while "+doing, "panic", what, "stack", string(debug.Stack()))
	if after != nil {
		after()
	}
}

// deliver renders and sends. It answers nil for a mail that was accepted,
// errExpired, or a *failure.
func (w *Worker) deliver(m *store.Message) error {
	left := m.NotAfter.Sub(w.o.Now())
	if left <= 0 {
		return errExpired
	}
	if !w.o.SMTP.configured() {
		return &failure{doing: "delivering", why: "no mail server is configured; add smtp"}
	}
	to, body, err := w.render(m)
	if err != nil {
		return &failure{doing: "rendering", why: err.Error(), permanent: true}
	}
	ctx, cancel := context.WithTimeoutCause(w.ctx, min(left, w.o.SMTP.Timeout), errTimedOut)
	defer cancel()
	return w.o.SMTP.send(ctx, w.from.Address, to, body)
}

// render makes the mail of a row. Its errors tell nothing of what it holds.
func (w *Worker) render(m *store.Message) (email.Address, []byte, error) {
	k, known := kindOf(m.Template)
	if m.Kind != store.MailMessage || !known {
		return "", nil, errors.New("there is no template of this name")
	}
	to, err := email.Parse(m.To)
	if err != nil || string(to) != m.To { // EM-4: the stored, canonical address or none
		return "", nil, errors.New("the stored address is not a canonical e-mail address")
	}
	secrets, err := w.o.OpenSecrets(m)
	if err != nil {
		return "", nil, errors.New("its secrets cannot be opened; was the root key replaced?")
	}
	now, l := w.o.Now(), w.templates.languages.Lookup(m.Params[authcore.ParamLang])
	common := about(l, m, now)
	data, err := k.read(common, m, secrets)
	if err != nil {
		return "", nil, err
	}
	plain, rich, err := w.templates.render(l.Tag(), k.name, data)
	if err != nil {
		return "", nil, errors.New("the template does not work with this mail")
	}
	body, err := compose(m.ID, w.from, to, now, subject(l, k, common, data), plain, rich)
	if err != nil {
		return "", nil, errors.New("the mail cannot be written")
	}
	return to, body, nil
}

// settle commits what became of a delivery. If that fails the lease ends by
// itself and the row is delivered again: better twice than never.
func (w *Worker) settle(m *store.Message, result error) {
	if w.ctx.Err() != nil && result != nil && !final(result) {
		result = errStopped
	}
	now, jitter := w.o.Now(), w.jitter()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), commitFor)
	defer cancel()
	var row *store.Message
	err := w.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		row, err = tx.Message(m.ID)
		if errors.Is(err, store.ErrNotFound) {
			row = nil
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		// The lease had ended and somebody else is at it, or was: only an
		// accepted mail changes what they find.
		if ours := waits(row) && row.NextAt.Equal(m.NextAt); !ours && (result != nil || row.Status == store.Sent) {
			row = nil
			return nil
		}
		apply(row, result, now, jitter)
		return tx.PutMessage(row)
	})
	if err != nil {
		w.o.Log.Error("the result of a mail was not stored", "message", m.ID, "error", err)
	}
	w.note(m, row, result, now)
}

func waits(m *store.Message) bool { return m.Status == store.Queued || m.Status == store.Failed }

// final reports whether a result is no better for trying again.
func final(result error) bool {
	var f *failure
	return errors.Is(result, errExpired) || errors.As(result, &f) && f.permanent
}

// apply writes a result into the row; secrets go as soon as they are of no more
// use.
func apply(row *store.Message, result error, now time.Time, jitter float64) {
	if errors.Is(result, errStopped) {
		row.NextAt = now // nothing was tried in earnest
		return
	}
	if !errors.Is(result, errExpired) {
		row.Attempts++
	}
	switch {
	case result == nil:
		row.Status, row.SentAt, row.LastError = store.Sent, now, ""
	case final(result) || !now.Before(row.NotAfter):
		row.Status = store.Dead
	default:
		row.Status, row.NextAt = store.Failed, now.Add(backoff(row.Attempts, jitter))
		if row.NextAt.After(row.NotAfter) {
			row.NextAt = row.NotAfter // to be buried on time
		}
	}
	if result != nil && (row.LastError == "" || !errors.Is(result, errExpired)) {
		row.LastError = result.Error() // of an expired mail the last real one says more
	}
	if !waits(row) {
		row.Sealed = nil
	}
}

// backoff is how long to wait after so many tries in vain: short at first,
// because somebody is waiting for the mail, with 20 % of jitter, because others
// failed at the same moment. jitter is in [0, 1).
func backoff(attempts int, jitter float64) time.Duration {
	steps := [...]time.Duration{2, 5, 15, 30, 60}
	wait := steps[min(max(attempts, 1), len(steps))-1] * time.Second
	return time.Duration(float64(wait) * (0.8 + 0.4*jitter))
}

func (w *Worker) jitter() float64 {
	var b [2]byte
	if _, err := io.ReadFull(w.o.Rand, b[:]); err != nil {
		return 0.5
	}
	return float64(binary.BigEndian.Uint16(b[:])) / (1 << 16)
}

// note keeps the result for Status and tells the log: the row's public id and
// masked address, no secret (LG-1).
func (w *Worker) note(m, row *store.Message, result error, now time.Time) {
	if errors.Is(result, errStopped) {
		return
	}
	w.mu.Lock()
	if result == nil {
		w.last.LastSuccess = now
	} else if !final(result) {
		w.last.LastFailure, w.last.LastError = now, result.Error()
	}
	w.mu.Unlock()
	if row == nil {
		return // nobody's any more
	}
	log := w.o.Log.With("message", m.ID, "template", m.Template, "to", email.Address(m.To).Mask(), "attempt", row.Attempts)
	var f *failure
	if errors.As(result, &f) && f.code != 0 {
		log = log.With("smtp_code", f.code)
	}
	switch {
	case result == nil:
		log.Info("mail delivered")
	case row.Status == store.Dead:
		log.Error("mail given up", "error", result)
	default:
		log.Warn("mail not delivered, will be tried again", "error", result)
	}
}
