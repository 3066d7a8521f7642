package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// steadily does n things at a rate, each when it is due, whatever became of
// those before (an open loop): a server that stalls does not slow down those who
// come. What it hands on is when the thing was due, not when this program got
// round to it (no coordinated omission).
func steadily(ctx context.Context, rate float64, n int, do func(ctx context.Context, i int, due time.Time) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	begin := time.Now()
	for i := range n {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			if err := do(ctx, i, due); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// crowded does n things, so many at a time, each as soon as one before is done
// (a closed loop).
func crowded(ctx context.Context, workers, n int, do func(ctx context.Context, i int, due time.Time) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	var begun atomic.Int64
	for range workers {
		running.Go(func() {
			for i := int(begun.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(begun.Add(1)) - 1 {
				if err := do(ctx, i, time.Now()); err != nil {
					cancel(err)
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// Load is what a server did for many people.
type Load struct {
	Sample                 // a request is an act, and its latency what the person waited for the server
	Rate           float64 // acts that were due each second; 0: as many as it could
	Workers        int     // … so many at a time
	Mail50, Mail99 time.Duration
}

// measure has n accounts act in turn.
func (d *desk) measure(ctx context.Context, l Load, n int, do act) (*Load, error) {
	before, err := cpuTime(d.server.pid())
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	spells, err := l.run(ctx, d.free, n, do)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, d.server.lastWords())
	}
	l.Requests, l.Elapsed = n, time.Since(begin)
	after, err := cpuTime(d.server.pid())
	if err != nil {
		return nil, err
	}
	l.CPU = after - before
	l.latencies(spells)
	return &l, nil
}

// run hands each act the account that has waited longest.
func (l *Load) run(ctx context.Context, free chan *account, n int, do act) ([]spell, error) {
	spells := make([]spell, n)
	once := func(ctx context.Context, i int, due time.Time) (err error) {
		a := <-free // where all are busy it is the server that keeps them
		spells[i], err = do(ctx, a, due)
		free <- a
		return err
	}
	if l.Rate > 0 {
		return spells, steadily(ctx, l.Rate, n, once)
	}
	return spells, crowded(ctx, l.Workers, n, once)
}

func (l *Load) latencies(spells []spell) {
	server, mail := make([]time.Duration, len(spells)), make([]time.Duration, len(spells))
	for i, s := range spells {
		server[i], mail[i] = s.server, s.mail
	}
	slices.Sort(server)
	slices.Sort(mail)
	l.P50, l.P99 = percentile(server, 0.50), percentile(server, 0.99)
	l.Mail50, l.Mail99 = percentile(mail, 0.50), percentile(mail, 0.99)
}
