package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

// openWithin bounds the work of opening a store: reading the keys, and at the
// first start making them.
const openWithin = 30 * time.Second

// process is what survives a reload: the open store with all that lives over
// it, and the configurations that serve from it at the moment.
type process struct {
	rt    *authcore.Runtime
	admin *adminServer // nil where it could not listen
	key   authcore.RootKey
	given bool // key was configured, and is not the file's
	demo  bool

	greeted sync.Once // whoever starts a server with nobody in it

	mu      sync.Mutex
	serving []*serving // oldest first
}

// openProcess opens the store and everything over it.
func (a *App) openProcess(path string) (*process, error) {
	db, err := bolt.Open(path, bolt.Options{Logger: a.log})
	if err != nil {
		return nil, err
	}
	p, err := a.overStore(db, path)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return p, nil
}

func (a *App) overStore(db store.Store, path string) (*process, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	if err := checkDemoMark(ctx, db, a.Demo, path); err != nil {
		return nil, err
	}
	key, err := a.rootKey(path)
	if err != nil {
		return nil, err
	}
	rt, err := authcore.NewRuntime(ctx, authcore.RuntimeOptions{
		Store: db, RootKey: key, Now: time.Now, Rand: rand.Reader, Log: a.log,
	})
	if err != nil {
		return nil, err
	}
	p := &process{rt: rt, key: key, given: a.RootKey != "", demo: a.Demo}
	p.admin = serveAdmin(p, path, a.log)
	return p, nil
}

// close closes the store, after the last configuration.
func (p *process) close() error { return errors.Join(p.admin.close(), p.rt.Close()) }

// enter makes s the configuration that live streams, housekeeping and the
// command line follow.
func (p *process) enter(s *serving) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving = append(p.serving, s)
	s.svc.Start()
}

// leave takes s back. If it was the newest, because another app of its
// configuration failed to start, the one before is followed again.
func (p *process) leave(s *serving) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.serving, s)
	if i < 0 {
		return
	}
	p.serving = slices.Delete(p.serving, i, i+1)
	if n := len(p.serving); n > 0 && i == n {
		p.serving[n-1].svc.Start()
	}
}

// newest is the configuration that started last, or nil.
func (p *process) newest() *serving {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.serving); n > 0 {
		return p.serving[n-1]
	}
	return nil
}

// rootKey is the configured one, or the file's beside the database.
func (a *App) rootKey(path string) (authcore.RootKey, error) {
	if s := a.secrets.rootKey.reveal(); s != "" {
		return authcore.RootKeyFromSecret(s)
	}
	return authcore.LoadRootKey(filepath.Join(filepath.Dir(path), "auth.key"), rand.Reader, a.log)
}

// admits refuses a configuration that the open store does not fit: what it says
// would hold from the next start on only, and then fail.
func (p *process) admits(a *App) error {
	if a.Demo != p.demo {
		return errors.New("a demo's database is open, or one that is none; restart instead of reloading")
	}
	same := p.given == (a.RootKey != "")
	if same && p.given {
		key, err := authcore.RootKeyFromSecret(a.secrets.rootKey.reveal())
		if err != nil {
			return fmt.Errorf("root_key: %w", err)
		}
		same = key == p.key
	}
	if !same {
		return errors.New("root_key: it is not the one that the database is open with, and every key in the database is wrapped by that; put it back")
	}
	return nil
}

// checkDemoMark keeps a demo's database, where anybody may register, out of
// real use, and real ones out of the demo.
func checkDemoMark(ctx context.Context, db store.Store, demo bool, path string) error {
	var marked, used bool
	err := db.View(ctx, func(tx store.Tx) error {
		_, err := tx.MetaValue(store.MetaDemo)
		marked = err == nil
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		keys, err := tx.ListKeys() // made at the first start; none are left after a rotation that was asked for while it was off
		if err != nil {
			return err
		}
		counts, err := tx.Counts()
		used = len(keys) > 0 || counts.Audit > 0
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("reading the database: %w", err)
	case marked && !demo:
		return fmt.Errorf("%s was made by the demo, where anybody may register; name another database", path)
	case demo && used && !marked:
		return fmt.Errorf("%s is no demo's database; name another one for the demo", path)
	case demo && !marked:
		return db.Update(ctx, func(tx store.Tx) error { return tx.SetMeta(store.MetaDemo, []byte("1")) })
	}
	return nil
}
