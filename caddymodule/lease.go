package caddymodule

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// runtimes holds what outlives a configuration: one value for each open store.
// It is the package's one variable with state, because a reload hands the store
// from one App to the next and nothing else that both can see lives as long.
var runtimes = caddy.NewUsagePool()

// lease is a share of a pooled value. The value is made by the first lease and
// closed by the last; in between, any number of configurations use it at once.
type lease[T any] struct {
	value T

	pool *caddy.UsagePool
	key  string
	once sync.Once
	err  error
}

// acquire takes a share of the value that belongs to key, making it if nobody
// holds one. Whoever acquired must release, once; whoever got an error must
// not: the pool has counted nothing for it.
func acquire[T any](pool *caddy.UsagePool, key string, open func() (T, error), closing func(T) error) (*lease[T], error) {
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) {
		v, err := open()
		if err != nil {
			return nil, err
		}
		return &pooled[T]{v, closing}, nil
	})
	// The error comes first: beside an error the value is nil, also for those
	// who only waited for somebody else's open to fail.
	if err != nil {
		return nil, err
	}
	return &lease[T]{value: value.(*pooled[T]).value, pool: pool, key: key}, nil
}

// release gives the share back, and closes the value if it was the last. More
// calls do nothing more: the pool counts keys, not holders, so a second release
// would take away somebody else's share.
func (l *lease[T]) release() error {
	l.once.Do(func() {
		if _, err := l.pool.Delete(l.key); err != nil {
			l.err = fmt.Errorf("closing %s: %w", l.key, err)
		}
	})
	return l.err
}

// pooled lets the pool close a value.
type pooled[T any] struct {
	value   T
	closing func(T) error
}

// Destruct is called by the pool when the last share is released.
func (p *pooled[T]) Destruct() error { return p.closing(p.value) }

// storeIdentity is what makes two paths one store: the absolute path with the
// links of its directory followed. It is the key of a lease, never a hash of
// the configuration or a secret. The file itself need not exist.
func storeIdentity(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the store: %w", err)
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		return filepath.Join(dir, filepath.Base(abs)), nil
	}
	return abs, nil
}
