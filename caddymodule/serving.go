package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/forwardauth"
	"github.com/passwordless-auth/passwordless-auth/authcore/outbox"
	"github.com/passwordless-auth/passwordless-auth/authcore/portal"
	"github.com/passwordless-auth/passwordless-auth/caddymodule/internal/doctor"
	"github.com/passwordless-auth/passwordless-auth/store"
)

const (
	// readyWait bounds how long a handler waits for the app: Caddy starts apps
	// in no order, so a request may come before its service.
	readyWait = 5 * time.Second
	// mailStop bounds how long mails that are under way may hold up the end.
	mailStop = 10 * time.Second
	// statusWithin bounds a look at the outbox, or at who there is.
	statusWithin = 2 * time.Second
)

// serving is one configuration at work. Its handlers use it until they are
// gone, also when a newer one has taken over.
type serving struct {
	svc   *authcore.Service
	pages *portal.Handler
	authz *forwardauth.Handler
	mail  *outbox.Worker
	smtp  bool     // a mail server is configured
	https []string // our cookies on https origins
	http  []string // our cookies on http://*.localhost

	admins  int            // how many are configured
	guarded []string       // hosts that a guard of ours protects
	proxies []doctor.Proxy // who may ask about the others

	stranger atomic.Pointer[stranger] // the last proxy that nobody configured

	draining atomic.Bool
}

// serving returns what this configuration serves with, waiting for it within a
// bound; nil if there is nothing, and then nobody is let through (FA-10).
func (a *App) serving(ctx context.Context) *serving {
	if s := a.current.Load(); s != nil {
		return s
	}
	a.wait(ctx)
	return a.fallback().current.Load()
}

// fallback is the app to ask once Start is through. A configuration that fails
// to start may have accepted requests already; the one that goes on running
// decides about them, as if they had come to it.
func (a *App) fallback() *App {
	if a.current.Load() != nil || a.limiting.Load() != nil {
		return a
	}
	if mod, err := caddy.ActiveContext().AppIfConfigured("passwordless"); err == nil {
		if running, ok := mod.(*App); ok {
			return running
		}
	}
	return a
}

// wait waits until Start is through or has failed, or no longer.
func (a *App) wait(ctx context.Context) {
	timer := time.NewTimer(readyWait)
	defer timer.Stop()
	select {
	case <-a.ready:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// startServing opens the store, or joins those who have it open, and puts this
// configuration to work.
func (a *App) startServing(hosts []boundHost) error {
	key, err := storeIdentity(a.database)
	if err != nil {
		return err
	}
	l, err := acquire(runtimes, key, func() (*process, error) { return a.openProcess(key) }, (*process).close)
	if err != nil {
		return err
	}
	a.lease = l // from here on Cleanup gives it back, whatever becomes of us
	if err := l.value.admits(a); err != nil {
		return err
	}
	s, err := a.newServing(l.value.rt, hosts)
	if err != nil {
		return err
	}
	l.value.enter(s)
	s.mail.Start()
	a.current.Store(s)
	l.value.greeted.Do(func() { a.greet(l.value.rt) })
	return nil
}

// greet tells who starts a server for the first time how to get in: with
// registration closed nobody can, and a sign-in page does not say so.
func (a *App) greet(rt *authcore.Runtime) {
	if a.Registration.Mode == "open" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusWithin)
	defer cancel()
	var counts store.Counts
	err := rt.Store().View(ctx, func(tx store.Tx) (err error) {
		counts, err = tx.Counts()
		return err
	})
	if err == nil && counts.Users == 0 {
		a.log.Info("nobody can sign in yet; invite somebody with: " + commandLine() + " invite you@example.com")
	}
}

func (a *App) newServing(rt *authcore.Runtime, hosts []boundHost) (*serving, error) {
	config, err := a.coreConfig(hosts)
	if err != nil {
		return nil, err
	}
	s := &serving{smtp: a.SMTP != (SMTP{}), admins: len(a.Admins)}
	for _, h := range hosts {
		if len(h.Guards) > 0 {
			s.guarded = append(s.guarded, h.Host)
		}
	}
	for _, p := range a.Proxies {
		s.proxies = append(s.proxies, doctor.Proxy(p))
	}
	if s.mail, err = a.mailWorker(rt); err != nil {
		return nil, err
	}
	config.Mailed = s.mail.Kick
	if s.svc, err = authcore.NewService(rt, config); err != nil {
		return nil, err
	}
	s.https = s.svc.OurCookies(authcore.Origin{Scheme: "https"})
	s.http = s.svc.OurCookies(authcore.Origin{Scheme: "http"})
	allow, err := prefixes(a.MetricsAllow)
	if err != nil {
		return nil, err
	}
	look := a.Brand.look()
	look.Name = config.Brand
	s.pages, err = portal.New(portal.Options{
		Service: s.svc, Brand: look, Log: a.log, Version: Version(), Address: s.addresses, Health: s, MetricsAllow: allow,
	})
	if err != nil {
		return nil, err
	}
	proxies, err := a.askers()
	if err != nil {
		return nil, err
	}
	s.authz = forwardauth.New(forwardauth.Options{Service: s.svc, Pages: proxyPages{s.pages}, Proxies: proxies, Log: a.log})
	return s, nil
}

// cookiesOf are the cookies of ours that an app's host may carry.
func (s *serving) cookiesOf(app *authcore.App) []string {
	if app.Origin.Scheme == "https" {
		return s.https
	}
	return s.http
}

// Mail tells readiness how delivery goes.
func (s *serving) Mail() error {
	if !s.smtp {
		return errors.New("no mail server is configured")
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusWithin)
	defer cancel()
	status, err := s.mail.Status(ctx)
	if err == nil && status.Failing() {
		err = fmt.Errorf("%s: %s", waiting(status.Depth), status.LastError)
	}
	return err
}

func waiting(mails int64) string {
	if mails == 1 {
		return "1 mail is waiting"
	}
	return fmt.Sprintf("%d mails are waiting", mails)
}

// Draining reports whether the process is stopping, so that a balancer stops
// sending while requests are still answered.
func (s *serving) Draining() bool { return s.draining.Load() || caddy.Exiting() }

// Stop ends what works for this configuration beside its requests, which are
// still being answered. A reload does not wait for a mail that is under way:
// Cleanup does, and keeps the store open until then.
func (a *App) Stop() error {
	s := a.current.Load()
	if s == nil {
		return nil
	}
	s.draining.Store(true)
	a.lease.value.leave(s)
	a.quiet = make(chan struct{})
	stop := func() error {
		defer close(a.quiet)
		ctx, cancel := context.WithTimeout(context.Background(), mailStop)
		defer cancel()
		return s.mail.Stop(ctx)
	}
	if caddy.Exiting() {
		return stop()
	}
	go func() {
		if err := stop(); err != nil {
			a.log.Warn("a mail was interrupted by the reload and is sent again", "error", err)
		}
	}()
	return nil
}

// Cleanup gives back what Start took, once. Where Start took nothing, there is
// nothing to give: a failed reload must not cost the running one its store.
func (a *App) Cleanup() error {
	a.settle() // another app may have failed before ours was started
	var err error
	if a.counters != nil {
		err = a.counters.release()
	}
	switch {
	case a.lease == nil:
		return err
	case a.quiet == nil || caddy.Exiting():
		return errors.Join(err, a.lease.release())
	}
	go func() {
		<-a.quiet
		if err := a.lease.release(); err != nil {
			a.log.Error("closing the store", "error", err)
		}
	}()
	return err
}
