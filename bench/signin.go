package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// SignIn is what signing in at the JSON API costs (DESIGN §7), what its speed
// tells (SECURITY EN), and what a browser loads for it.
type SignIn struct {
	People  int
	Code    *Way
	Passkey *Way
	Refresh *Load
	Timings []*Timing
	Weight  *Weight
}

// Way is one way to sign in.
type Way struct {
	Steady  *Load
	Crowded []*Load // in the order of crowds
}

// signInRate is the steady rate, in sign-ins each second.
const signInRate = 50

// crowds are how many sign in at a time, to see how many a server can take: it
// is full when four times as many get no further.
var crowds = []int{16, 64, 256}

// refreshers are how many refresh at a time.
const refreshers = 16

// signInPlan is how much of each is done.
type signInPlan struct {
	people    int // accounts
	steady    int // sign-ins at the steady rate
	crowded   int // … in each crowd
	refreshed int // refreshes
	samples   int // of each group in a batch of timings
	batches   int
}

// signIn plans. By code each sign-in is one of the 5000 mails that a server
// sends in an hour, the first of everybody's too: 4400. A batch has three groups.
func (o options) signIn() signInPlan {
	if o.quick {
		return signInPlan{people: 100, steady: 100, crowded: 100, refreshed: 300, samples: 60, batches: 1}
	}
	return signInPlan{people: 400, steady: 20 * signInRate, crowded: 1000, refreshed: 6000, samples: 1000, batches: 2}
}

// measureSignIn runs the parts one after the other; one that fails does not stop
// the others.
func measureSignIn(ctx context.Context, o options) (*SignIn, error) {
	p := o.signIn()
	s := &SignIn{People: p.people}
	var errs []error
	for _, part := range []struct {
		name    string
		measure func() error
	}{
		{"by code", func() error { return s.measureCode(ctx, o, p) }},
		{"by passkey", func() error { return s.measurePasskey(ctx, o, p) }},
		{"known and unknown addresses", func() error { return s.measureTimings(ctx, o, p) }},
	} {
		slog.Info("signing in", "part", part.name)
		if err := part.measure(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", part.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return s, errors.Join(errs...)
}

func (s *SignIn) measureCode(ctx context.Context, o options, p signInPlan) (err error) {
	d, err := openDesk(ctx, o, "", p.people, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if s.Weight, err = d.weigh(ctx); err != nil {
		return fmt.Errorf("weighing the page: %w", err)
	}
	if s.Code, err = d.way(ctx, p, d.signInByCode, d.signInByCode); err != nil {
		return err
	}
	s.Refresh, err = d.measure(ctx, Load{Workers: refreshers}, p.refreshed, d.refresh)
	return err
}

func (s *SignIn) measurePasskey(ctx context.Context, o options, p signInPlan) (err error) {
	d, err := openDesk(ctx, o, "", p.people, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	s.Passkey, err = d.way(ctx, p, d.addPasskey, d.signInByPasskey)
	return err
}

// way measures one way to sign in, after everybody has become known: a first
// sign-in makes a notice, and registers what the way needs.
func (d *desk) way(ctx context.Context, p signInPlan, first, again act) (w *Way, err error) {
	if _, err := d.measure(ctx, Load{Workers: crowds[0]}, p.people, first); err != nil {
		return nil, fmt.Errorf("getting to know everybody: %w", err)
	}
	if err := d.rest(ctx); err != nil {
		return nil, err
	}
	w = new(Way)
	if w.Steady, err = d.measure(ctx, Load{Rate: signInRate}, p.steady, again); err != nil {
		return nil, err
	}
	for _, workers := range crowds {
		l, err := d.measure(ctx, Load{Workers: min(workers, p.people)}, p.crowded, again)
		if err != nil {
			return w, err
		}
		w.Crowded = append(w.Crowded, l)
	}
	return w, nil
}
