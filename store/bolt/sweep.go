package bolt

import (
	"bytes"
	"fmt"
	"time"
)

// Tags of tables in the index of expiry.
const (
	sweepSession = 's'
	sweepToken   = 'a'
	sweepTake    = 't'
	sweepCounter = 'c'
	sweepMessage = 'm'
)

// expires lists a record for Sweep: end, tag of its table, its key.
func expires(end time.Time, tag byte, key []byte) entry {
	k := append(timeKey(end), tag)
	return entry{index: indexExpiry, key: append(k, key...)}
}

func (t *tx) Sweep(now time.Time, limit int) (int, error) {
	if err := t.canWrite(); err != nil {
		return 0, err
	}
	end := timeKey(now)
	var ended [][]byte
	err := t.ascend(indexExpiry, nil, func(k, _ []byte) (bool, error) {
		if len(ended) >= limit || bytes.Compare(k[:timeLen], end) >= 0 {
			return false, nil
		}
		ended = append(ended, bytes.Clone(k[timeLen:]))
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	for i, k := range ended {
		if err := t.sweep(k[0], k[1:]); err != nil {
			return i, fmt.Errorf("sweeping: %w", err)
		}
	}
	return len(ended), nil
}

func (t *tx) sweep(tag byte, key []byte) (err error) {
	switch tag {
	case sweepSession:
		_, err = sessions.take(t, key)
	case sweepToken:
		_, err = tokens.take(t, key)
	case sweepTake:
		_, err = takes.take(t, key)
	case sweepCounter:
		_, err = counters.take(t, key)
	case sweepMessage:
		_, err = messages.take(t, key)
	default:
		err = errDamaged
	}
	return err
}
