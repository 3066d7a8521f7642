package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Does the time of an answer tell whether somebody has an account (SECURITY EN)?
// A stranger begins sign-ins by mail for addresses of three groups, in random
// order: known ones, unknown ones, and unknown ones again, which can differ from
// those before by chance only (A/A). Then the stranger types a wrong code for
// each. Passkeys are not asked about: who signs in by one names nobody.

// The groups, by the remainder of an address's number.
const (
	known = iota
	unknown1
	unknown2
	groups
)

// Timing is how long the answers to one request took.
type Timing struct {
	Request string
	Tries   int
	Samples [groups][]float64 // seconds
}

// told is how far known addresses can be told from unknown ones: the distance
// from 1/2 of the chance that the slower of two answers is the known one's.
func (t *Timing) told() float64 { return math.Abs(slower(t.Samples[known], t.Samples[unknown1]) - 0.5) }

// drift is the same of the two groups of unknown ones.
func (t *Timing) drift() float64 {
	return math.Abs(slower(t.Samples[unknown2], t.Samples[unknown1]) - 0.5)
}

// tellBound is how far told may go before time tells something, and drift before
// a run says nothing: with 2000 samples of each, chance alone goes so far once in
// a thousand runs. beyondBound is how much further than drift told may be.
const (
	tellBound   = 0.03
	beyondBound = 0.02
)

// addressesEach spreads a group, so that each address gets few of the 80 mails
// that it may get in an hour, and few of the 100 wrong codes that stop them.
const addressesEach = 125

// warmUp are the first mails asked for of each group, which do not count.
const warmUp = 10

// lull is how long the stranger waits before asking for the next mail, so that
// the one before is on its way and its delivery does not blur the times.
const lull = 5 * time.Millisecond

// door is where a sign-in by mail begins.
type door struct {
	asks string // the request that asks for a mail
	ask  func(v *visitor, address string) (flow string, took time.Duration, err error)
	// The request that takes the code; none where what is behind it is what is
	// behind another door's.
	types    string
	typeCode func(v *visitor, flow string) (time.Duration, error)
}

var doors = []door{
	{"POST /api/login/email", (*visitor).askAPI, "POST /api/login/email/verify", (*visitor).typeWrongCode},
	{asks: "POST /login", ask: (*visitor).askPage},
}

func (s *SignIn) measureTimings(ctx context.Context, o options, p signInPlan) error {
	for _, at := range doors {
		var timings []*Timing
		for try := 1; try <= o.tries; try++ {
			asked, typed := &Timing{Request: at.asks, Tries: try}, &Timing{Request: at.types, Tries: try}
			for range p.batches { // at a fresh server each, as one sends 5000 mails an hour
				if err := at.measure(ctx, o, p.samples, asked, typed); err != nil {
					return fmt.Errorf("%s: %w", at.asks, err)
				}
			}
			if timings = []*Timing{asked}; at.typeCode != nil {
				timings = append(timings, typed)
			}
			if settled(timings) {
				break
			}
		}
		s.Timings = append(s.Timings, timings...)
	}
	return nil
}

// settled says whether chance is small enough to believe all timings.
func settled(timings []*Timing) bool {
	all := true
	for _, t := range timings {
		if d := t.drift(); d > tellBound {
			slog.Warn("the A/A control drifts", "request", t.Request, "drift", fmt.Sprintf("%.3f", d))
			all = false
		}
	}
	return all
}

// measure adds so many samples of each group.
func (at *door) measure(ctx context.Context, o options, samples int, asked, typed *Timing) (err error) {
	sink, err := startChild("mailbox") // its work is not the stranger's
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.stop()) }()
	var smtp string
	if err := sink.ask(struct{}{}, &smtp); err != nil {
		return err
	}
	d, err := openDesk(ctx, o, smtp, addressesEach, groups)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	v := &visitor{portal: d.portal}
	if v.conn, err = dial(d.addr); err != nil {
		return err
	}
	defer v.conn.Close()
	for i := range warmUp * groups {
		if _, _, err := at.ask(v, numbered(i)); err != nil {
			return fmt.Errorf("%w\n%s", err, d.server.lastWords())
		}
	}
	return at.visit(ctx, v, samples, asked, typed)
}

// numbered is the address of a visit, of the group i % groups.
func numbered(i int) string { return personOf(i % (addressesEach * groups)) }

func (at *door) visit(ctx context.Context, v *visitor, samples int, asked, typed *Timing) error {
	flows := make([]string, samples*groups)
	err := asked.each(ctx, len(flows), func(i int) (took time.Duration, err error) {
		time.Sleep(lull)
		flows[i], took, err = at.ask(v, numbered(i))
		return took, err
	})
	if err != nil || at.typeCode == nil {
		return err
	}
	return typed.each(ctx, len(flows), func(i int) (time.Duration, error) { return at.typeCode(v, flows[i]) })
}

// each takes n samples in random order.
func (t *Timing) each(ctx context.Context, n int, sample func(i int) (time.Duration, error)) error {
	order, err := shuffled(n)
	if err != nil {
		return err
	}
	for _, i := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		took, err := sample(i)
		if err != nil {
			return err
		}
		t.Samples[i%groups] = append(t.Samples[i%groups], took.Seconds())
	}
	return nil
}
