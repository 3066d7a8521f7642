package bolt

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

type counter struct {
	name []byte
	store.Counter
}

var counters = table[counter]{
	bucket: bucketCounters,
	key:    func(c *counter) []byte { return c.name },
	index:  func(c *counter) []entry { return []entry{expires(c.Reset, sweepCounter, c.name)} },
	encode: func(c *counter) ([]byte, error) { return json.Marshal(c.Counter) },
	decode: func(key, value []byte) (*counter, error) {
		c := &counter{name: append([]byte(nil), key...)}
		return c, json.Unmarshal(value, &c.Counter)
	},
}

func (t *tx) AddCounter(name string, n int, now time.Time, window time.Duration) (store.Counter, error) {
	if n != 0 {
		if err := t.canWrite(); err != nil {
			return store.Counter{}, err
		}
	}
	c, err := counters.find(t, []byte(name))
	if err != nil {
		return store.Counter{}, err
	}
	if c == nil || !c.Reset.After(now) {
		c = &counter{name: []byte(name), Counter: store.Counter{Reset: now.Add(window)}}
		utc(&c.Reset)
	}
	if n == 0 {
		return c.Counter, nil
	}
	c.Count += n
	if err := counters.put(t, c); err != nil {
		return store.Counter{}, err
	}
	return c.Counter, nil
}

func (t *tx) ClearCounter(name string) error {
	if _, err := counters.take(t, []byte(name)); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}
